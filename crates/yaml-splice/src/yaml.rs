//! YAML with the place of every value.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, StructureStyle, Tag};

use crate::data::Data;
use crate::tree::{Entry, Format, Kind, Layout, Node, Source, Style, slice};
use crate::{Malformed, scalar};

/// The number of values that aliases may expand to: a small text can expand to a gigabyte.
const MAX_ALIASED: usize = 1_000_000;

/// A place and what is wrong there.
type Fault = (usize, String);

/// Reads the only document of a text.
pub(super) fn read(text: &str) -> Result<Option<Source<'_>>, Malformed> {
    let options = granit_parser::options! {
        block_scalar_eof_without_line_feed: true,
        emit_anchor_events: true,
        emit_comments: false,
    };
    let parser = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { text, parser, cursor: 0, anchors: HashMap::new(), aliased: 0 };
    reader.document().map_err(|(place, reason)| {
        let before = slice(text, 0, place.min(text.len()));
        Malformed { line: before.matches('\n').count() + 1, reason }
    })
}

struct Reader<'t> {
    text: &'t str,
    parser: Parser<'t, StrInput<'t>>,
    /// Behind the last token that was read.
    cursor: usize,
    anchors: HashMap<usize, Data>,
    aliased: usize,
}

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<Option<Source<'t>>, Fault> {
        let mut source = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(source),
                Event::DocumentStart(..) => self.cursor = span_end(&span).max(self.cursor),
                Event::StreamStart | Event::DocumentEnd => {}
                _ if source.is_some() => {
                    return Err((span_start(&span), "a second document without `---`".to_owned()));
                }
                event => {
                    let (root, data) = self.node(event, span)?;
                    let is_empty = matches!(data, Data::Null) && root.outer == root.end;
                    if !is_empty {
                        let (text, format) = (self.text, Format::Yaml);
                        source = Some(Source { text, format, root, data });
                    }
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Fault> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let place = error.marker().byte_offset().unwrap_or_default();
                Err((place, format!("not YAML: {}", error.kind())))
            }
            None => Err((self.text.len(), "not YAML: unexpected end of input".to_owned())),
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Result<(Node, Data), Fault> {
        let tag_start = span.tag_span().and_then(|tag| tag.start.byte_offset());
        match event {
            Event::Alias(id) => self.alias(id, &span),
            Event::Scalar(value, style, id, tag) => {
                let outer = self.outer(id, tag_start)?;
                let data = data_of(&value, style, tag.as_deref());
                let (start, end) = self.extent(&span, style, outer);
                self.cursor = end.max(self.cursor);
                let outer = outer.unwrap_or(start);
                let kind = Kind::Scalar(style_of(style));
                self.finished(Node { outer, start, end, anchor: anchor(id), kind }, data)
            }
            Event::SequenceStart(layout, id, _) => {
                let outer = self.outer(id, tag_start)?;
                self.sequence(layout_of(layout), id, outer, &span)
            }
            Event::MappingStart(layout, id, _) => {
                let outer = self.outer(id, tag_start)?;
                self.mapping(layout_of(layout), id, outer, &span)
            }
            _ => Err((span_start(&span), "not YAML".to_owned())),
        }
    }

    fn alias(&mut self, id: usize, span: &Span) -> Result<(Node, Data), Fault> {
        let (start, end) = (span_start(span), span_end(span));
        let Some(data) = self.anchors.get(&id).cloned() else {
            return Err((start, "the alias refers to a value that contains it".to_owned()));
        };
        self.aliased += data.size();
        if self.aliased > MAX_ALIASED {
            return Err((start, "the aliases expand to too many values".to_owned()));
        }
        self.cursor = end;
        Ok((Node { outer: start, start, end, anchor: None, kind: Kind::Alias(id) }, data))
    }

    /// Remembers what has an anchor.
    fn finished(&mut self, node: Node, data: Data) -> Result<(Node, Data), Fault> {
        if let Some(id) = node.anchor {
            self.anchors.insert(id, data.clone());
        }
        Ok((node, data))
    }

    /// Where the anchor and the tag begin; the anchor's event follows that of its node.
    fn outer(&mut self, id: usize, tag: Option<usize>) -> Result<Option<usize>, Fault> {
        if id == 0 {
            return Ok(tag);
        }
        let (_, span) = self.next()?;
        let start = span_start(&span);
        Ok(Some(tag.map_or(start, |tag| tag.min(start))))
    }

    /// Where a scalar begins and ends.
    fn extent(&self, span: &Span, style: ScalarStyle, outer: Option<usize>) -> (usize, usize) {
        let (start, end) = (span_start(span), span_end(span));
        match style {
            // The parser's span is that of the content, without the header and with blank lines.
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let start = self.skip(outer.unwrap_or(self.cursor));
                let content = slice(self.text, start, end);
                let header = content.lines().next().unwrap_or_default();
                let keeps = header.split('#').next().is_some_and(|header| header.contains('+'));
                let content = match (keeps, content.rfind('\n')) {
                    (true, Some(newline)) => slice(content, 0, newline),
                    _ => without_blank_lines(content),
                };
                let content = content.trim_end_matches('\r');
                (start, start + content.len().max(header.trim_end().len()))
            }
            // Nothing at all is null, and is where the parser looked next.
            _ if start == end => {
                let place = outer.map_or(self.cursor, |outer| self.skip(outer));
                (place, place)
            }
            _ => (start, end),
        }
    }

    fn sequence(
        &mut self,
        layout: Layout,
        id: usize,
        outer: Option<usize>,
        span: &Span,
    ) -> Result<(Node, Data), Fault> {
        let (mut entries, mut data) = (Vec::new(), Vec::new());
        let bracket = self.open(layout, span);
        loop {
            let (event, span) = self.next()?;
            if let Event::SequenceEnd = event {
                let (start, end) = self.close(bracket, &entries, &span);
                let outer = outer.unwrap_or(start);
                let kind = Kind::Seq(entries, layout);
                let node = Node { outer, start, end, anchor: anchor(id), kind };
                return self.finished(node, Data::Seq(data));
            }
            let dash = match layout {
                Layout::Block => self.skip_to_dash(),
                Layout::Flow => None,
            };
            if let Some(dash) = dash {
                self.cursor = dash + 1;
            }
            let (node, value) = self.node(event, span)?;
            let (mark, after) = dash.map_or((node.outer, node.outer), |dash| (dash, dash + 1));
            entries.push(Entry { key: String::new(), mark, after, is_merge: false, node });
            data.push(value);
        }
    }

    fn mapping(
        &mut self,
        layout: Layout,
        id: usize,
        outer: Option<usize>,
        span: &Span,
    ) -> Result<(Node, Data), Fault> {
        let (mut entries, mut data) = (Vec::new(), Vec::new());
        let (mut known, mut merged) = (HashSet::new(), Vec::new());
        let bracket = self.open(layout, span);
        loop {
            let (event, span) = self.next()?;
            if let Event::MappingEnd = event {
                merge(&mut data, &mut known, merged);
                let (start, end) = self.close(bracket, &entries, &span);
                let outer = outer.unwrap_or(start);
                let kind = Kind::Map(entries, layout);
                let node = Node { outer, start, end, anchor: anchor(id), kind };
                return self.finished(node, Data::Map(data));
            }
            let start = span_start(&span);
            let is_plain = matches!(event, Event::Scalar(_, ScalarStyle::Plain, _, None));
            let (key, place) = self.key(event, span)?;
            let is_merge = is_plain && key == "<<";
            if !is_merge && !known.insert(key.clone()) {
                return Err((start, format!("duplicate key `{key}`")));
            }
            let after = self.skip_colon();
            self.cursor = after;
            let (event, span) = self.next()?;
            let (node, value) = self.node(event, span)?;
            match is_merge {
                true => merged.push(value),
                false => data.push((key.clone(), value)),
            }
            entries.push(Entry { key, mark: self.mark(place), after, is_merge, node });
        }
    }

    /// The key of a member, as the JSON that kubectl makes has it, and where it begins.
    fn key(&mut self, event: Event<'t>, span: Span) -> Result<(String, usize), Fault> {
        let start = span_start(&span);
        let (node, data) = self.node(event, span)?;
        let key = match data {
            Data::String(text) | Data::Number(text) => text,
            Data::Bool(value) => value.to_string(),
            _ => return Err((start, "a key is not a string".to_owned())),
        };
        Ok((key, node.outer))
    }

    /// Where a member begins: at the question mark, where its key has one.
    fn mark(&self, key: usize) -> usize {
        let before = slice(self.text, 0, key).trim_end_matches([' ', '\t']);
        match before.strip_suffix('?') {
            Some(rest) if before.len() < key => rest.len(),
            _ => key,
        }
    }

    /// Begins a collection; of a flow collection, the place of the bracket.
    fn open(&mut self, layout: Layout, span: &Span) -> Option<usize> {
        let Layout::Flow = layout else { return None };
        self.cursor = span_end(span);
        Some(span_start(span))
    }

    /// Where a collection begins and ends.
    fn close(&mut self, bracket: Option<usize>, entries: &[Entry], span: &Span) -> (usize, usize) {
        let (start, end) = match bracket {
            Some(bracket) => (bracket, span_end(span)),
            None => (
                entries.first().map_or(self.cursor, |first| first.mark),
                entries.last().map_or(self.cursor, Entry::end),
            ),
        };
        self.cursor = end.max(self.cursor);
        (start, end)
    }

    /// The dash of the next element.
    fn skip_to_dash(&self) -> Option<usize> {
        let mut place = self.cursor;
        loop {
            place = self.skip(place);
            match slice(self.text, place, self.text.len()).as_bytes().first() {
                Some(b'-') => return Some(place),
                Some(b':' | b'?') => place += 1,
                _ => return None,
            }
        }
    }

    /// Behind the colon of a member; behind its key where it has none.
    fn skip_colon(&self) -> usize {
        let place = self.skip(self.cursor);
        match slice(self.text, place, self.text.len()).starts_with(':') {
            true => place + 1,
            false => self.cursor,
        }
    }

    /// Behind blanks, comments, anchors and tags.
    fn skip(&self, mut place: usize) -> usize {
        loop {
            let rest = slice(self.text, place, self.text.len());
            let trimmed = rest.trim_start();
            place = self.text.len() - trimmed.len();
            let token = match trimmed.as_bytes().first() {
                Some(b'#') => trimmed.find('\n'),
                Some(b'&' | b'!') => trimmed.find(char::is_whitespace),
                _ => return place,
            };
            match token {
                Some(length) => place += length,
                None => return self.text.len(),
            }
        }
    }
}

/// Adds the members of merged maps that a map has not; an earlier map comes first.
fn merge(data: &mut Vec<(String, Data)>, known: &mut HashSet<String>, merged: Vec<Data>) {
    for value in merged {
        match value {
            Data::Map(members) => {
                for (key, value) in members {
                    if known.insert(key.clone()) {
                        data.push((key, value));
                    }
                }
            }
            Data::Seq(maps) => merge(data, known, maps),
            _ => {}
        }
    }
}

fn data_of(value: &str, style: ScalarStyle, tag: Option<&Tag>) -> Data {
    match (tag.and_then(Tag::core_suffix), style) {
        (Some("str" | "binary"), _) => Data::String(value.to_owned()),
        (Some(_), _) | (None, ScalarStyle::Plain) => scalar::plain(value),
        (None, _) => Data::String(value.to_owned()),
    }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        _ => Style::Plain,
    }
}

fn layout_of(layout: StructureStyle) -> Layout {
    match layout {
        StructureStyle::Block => Layout::Block,
        StructureStyle::Flow => Layout::Flow,
    }
}

fn anchor(id: usize) -> Option<usize> {
    (id != 0).then_some(id)
}

fn span_start(span: &Span) -> usize {
    span.start.byte_offset().unwrap_or_default()
}

/// The text without the blank lines at its end; blanks at the end of its last line are text.
fn without_blank_lines(mut text: &str) -> &str {
    while let Some((before, last)) = text.rsplit_once('\n')
        && last.trim().is_empty()
    {
        text = before;
    }
    text
}

fn span_end(span: &Span) -> usize {
    span.end.byte_offset().unwrap_or_default()
}
