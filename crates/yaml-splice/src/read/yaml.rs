//! YAML with the place of every value.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, StructureStyle, Tag};

use super::scalar;
use crate::error::ParseError;
use crate::text::Text;
use crate::tree::{Child, Format, Kind, Layout, Node, Notation, Tree};
use crate::value::Value;

/// How many values aliases may expand to: a small text can expand to a gigabyte.
const MAX_ALIASED: usize = 1_000_000;

/// An offset and what is wrong there.
type Error = (usize, String);

/// Reads the only document of a text; `None` where there is none.
pub(crate) fn read(str: &str) -> Result<Option<Tree<'_>>, ParseError> {
    let options = granit_parser::options! {
        block_scalar_eof_without_line_feed: true,
        emit_anchor_events: true,
        emit_comments: false,
    };
    let parser = Parser::new_from_str_with_options(str, options);
    let text = Text::new(str);
    let mut reader = Reader { text, parser, cursor: 0, anchors: HashMap::new(), aliased: 0 };
    let document = reader.document();
    let text = reader.text;
    match document {
        Ok(None) => Ok(None),
        Ok(Some((root, value))) => Ok(Some(Tree { text, format: Format::Yaml, root, value })),
        Err((offset, reason)) => {
            Err(ParseError { line: text.line(offset.min(text.len())), reason })
        }
    }
}

struct Reader<'t> {
    text: Text<'t>,
    parser: Parser<'t, StrInput<'t>>,
    /// Behind the last token that was read.
    cursor: usize,
    anchors: HashMap<usize, Value>,
    aliased: usize,
}

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<Option<(Node, Value)>, Error> {
        let mut document = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(document),
                Event::DocumentStart(..) => self.cursor = span_end(&span).max(self.cursor),
                Event::StreamStart | Event::DocumentEnd => {}
                _ if document.is_some() => {
                    return Err((span_start(&span), "a second document without `---`".to_owned()));
                }
                event => {
                    let (root, value) = self.node(event, span)?;
                    let is_empty = matches!(value, Value::Null) && root.outer == root.end;
                    document = (!is_empty).then_some((root, value));
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Error> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let offset = error.marker().byte_offset().unwrap_or_default();
                Err((offset, format!("not YAML: {}", error.kind())))
            }
            None => Err((self.text.len(), "not YAML: unexpected end of input".to_owned())),
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Result<(Node, Value), Error> {
        let tag_start = span.tag_span().and_then(|tag| tag.start.byte_offset());
        match event {
            Event::Alias(id) => self.alias(id, &span),
            Event::Scalar(text, style, id, tag) => {
                let outer = self.outer(id, tag_start)?;
                let value = value_of(&text, style, tag.as_deref());
                let (start, end) = self.extent(&span, style, outer);
                self.cursor = end.max(self.cursor);
                let outer = outer.unwrap_or(start);
                let kind = Kind::Scalar(notation(style));
                Ok(self.finished(Node { outer, start, end, anchor: anchor(id), kind }, value))
            }
            Event::SequenceStart(style, id, _) => {
                let outer = self.outer(id, tag_start)?;
                self.sequence(layout(style), id, outer, &span)
            }
            Event::MappingStart(style, id, _) => {
                let outer = self.outer(id, tag_start)?;
                self.mapping(layout(style), id, outer, &span)
            }
            _ => Err((span_start(&span), "not YAML".to_owned())),
        }
    }

    fn alias(&mut self, id: usize, span: &Span) -> Result<(Node, Value), Error> {
        let (start, end) = (span_start(span), span_end(span));
        let Some(value) = self.anchors.get(&id) else {
            return Err((start, "the alias refers to a value that contains it".to_owned()));
        };
        self.aliased += value.count();
        if self.aliased > MAX_ALIASED {
            return Err((start, "the aliases expand to too many values".to_owned()));
        }
        self.cursor = end;
        let node = Node { outer: start, start, end, anchor: None, kind: Kind::Alias(id) };
        Ok((node, value.clone()))
    }

    /// Remembers a value that has an anchor.
    fn finished(&mut self, node: Node, value: Value) -> (Node, Value) {
        if let Some(id) = node.anchor {
            self.anchors.insert(id, value.clone());
        }
        (node, value)
    }

    /// Where the anchor and the tag start. The event of an anchor follows that of its node.
    fn outer(&mut self, id: usize, tag: Option<usize>) -> Result<Option<usize>, Error> {
        if id == 0 {
            return Ok(tag);
        }
        let (_, span) = self.next()?;
        let start = span_start(&span);
        Ok(Some(tag.map_or(start, |tag| tag.min(start))))
    }

    /// Where a scalar starts and ends.
    fn extent(&self, span: &Span, style: ScalarStyle, outer: Option<usize>) -> (usize, usize) {
        let (start, end) = (span_start(span), span_end(span));
        match style {
            // The parser's span is the content, without the header and with blank lines.
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let start = self.skip(outer.unwrap_or(self.cursor));
                let content = self.text.slice(start, end);
                let header = content.lines().next().unwrap_or_default();
                let keeps = header.split('#').next().is_some_and(|header| header.contains('+'));
                let content = match (keeps, content.rsplit_once('\n')) {
                    (true, Some((content, rest))) if rest.trim().is_empty() => content,
                    (true, _) => content,
                    _ => without_blank_lines(content),
                };
                let content = content.trim_end_matches('\r');
                (start, start + content.len().max(header.trim_end().len()))
            }
            // The parser places a null without text wherever it looked next.
            _ if start == end => {
                let offset = outer.map_or(self.cursor, |outer| self.skip(outer));
                (offset, offset)
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
    ) -> Result<(Node, Value), Error> {
        let (mut children, mut elements) = (Vec::new(), Vec::new());
        let bracket = self.open(layout, span);
        loop {
            let (event, span) = self.next()?;
            if let Event::SequenceEnd = event {
                let (start, end) = self.close(bracket, &children, &span);
                let outer = outer.unwrap_or(start);
                let kind = Kind::Sequence(children, layout);
                let node = Node { outer, start, end, anchor: anchor(id), kind };
                return Ok(self.finished(node, Value::Sequence(elements)));
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
            children.push(Child { key: String::new(), mark, after, is_merge: false, node });
            elements.push(value);
        }
    }

    fn mapping(
        &mut self,
        layout: Layout,
        id: usize,
        outer: Option<usize>,
        span: &Span,
    ) -> Result<(Node, Value), Error> {
        let (mut children, mut members) = (Vec::new(), Vec::new());
        let (mut known, mut merged) = (HashSet::new(), Vec::new());
        let bracket = self.open(layout, span);
        loop {
            let (event, span) = self.next()?;
            if let Event::MappingEnd = event {
                merge(&mut members, &mut known, merged);
                let (start, end) = self.close(bracket, &children, &span);
                let outer = outer.unwrap_or(start);
                let kind = Kind::Mapping(children, layout);
                let node = Node { outer, start, end, anchor: anchor(id), kind };
                return Ok(self.finished(node, Value::Mapping(members)));
            }
            let start = span_start(&span);
            let is_plain = matches!(event, Event::Scalar(_, ScalarStyle::Plain, _, None));
            let (key, offset) = self.key(event, span)?;
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
                false => members.push((key.clone(), value)),
            }
            children.push(Child { key, mark: self.mark(offset), after, is_merge, node });
        }
    }

    /// The key of a member, as kubectl writes it to JSON, and where it starts.
    fn key(&mut self, event: Event<'t>, span: Span) -> Result<(String, usize), Error> {
        let start = span_start(&span);
        let (node, value) = self.node(event, span)?;
        let key = match value {
            Value::String(text) | Value::Number(text) => text,
            Value::Bool(value) => value.to_string(),
            _ => return Err((start, "a key is not a string".to_owned())),
        };
        Ok((key, node.outer))
    }

    /// Where a member starts: at the question mark of a key that has one.
    fn mark(&self, key: usize) -> usize {
        let before = self.text.slice(0, key).trim_end_matches([' ', '\t']);
        match before.strip_suffix('?') {
            Some(rest) if before.len() < key => rest.len(),
            _ => key,
        }
    }

    /// Enters a collection; returns the offset of the bracket of a flow collection.
    fn open(&mut self, layout: Layout, span: &Span) -> Option<usize> {
        let Layout::Flow = layout else { return None };
        self.cursor = span_end(span);
        Some(span_start(span))
    }

    /// Leaves a collection; returns where it starts and ends.
    fn close(&mut self, bracket: Option<usize>, children: &[Child], span: &Span) -> (usize, usize) {
        let (start, end) = match bracket {
            Some(bracket) => (bracket, span_end(span)),
            None => (
                children.first().map_or(self.cursor, |first| first.mark),
                children.last().map_or(self.cursor, Child::end),
            ),
        };
        self.cursor = end.max(self.cursor);
        (start, end)
    }

    /// The dash of the next element.
    fn skip_to_dash(&self) -> Option<usize> {
        let mut offset = self.cursor;
        loop {
            offset = self.skip(offset);
            match self.text.from(offset).as_bytes().first() {
                Some(b'-') => return Some(offset),
                Some(b':' | b'?') => offset += 1,
                _ => return None,
            }
        }
    }

    /// Behind the colon of a member; behind its key where it has none.
    fn skip_colon(&self) -> usize {
        let offset = self.skip(self.cursor);
        if self.text.from(offset).starts_with(':') { offset + 1 } else { self.cursor }
    }

    /// Behind blanks, comments, anchors and tags.
    fn skip(&self, mut offset: usize) -> usize {
        loop {
            let trimmed = self.text.from(offset).trim_start();
            offset = self.text.len() - trimmed.len();
            let token = match trimmed.as_bytes().first() {
                Some(b'#') => trimmed.find('\n'),
                Some(b'&' | b'!') => trimmed.find(char::is_whitespace),
                _ => return offset,
            };
            match token {
                Some(length) => offset += length,
                None => return self.text.len(),
            }
        }
    }
}

/// Adds the members of merged mappings; of several with one key the first counts.
fn merge(members: &mut Vec<(String, Value)>, known: &mut HashSet<String>, merged: Vec<Value>) {
    for value in merged {
        match value {
            Value::Mapping(others) => {
                for (key, value) in others {
                    if known.insert(key.clone()) {
                        members.push((key, value));
                    }
                }
            }
            Value::Sequence(mappings) => merge(members, known, mappings),
            _ => {}
        }
    }
}

fn value_of(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    match (tag.and_then(Tag::core_suffix), style) {
        (Some("str" | "binary"), _) => Value::String(text.to_owned()),
        (Some(_), _) | (None, ScalarStyle::Plain) => scalar::plain(text),
        (None, _) => Value::String(text.to_owned()),
    }
}

fn notation(style: ScalarStyle) -> Notation {
    match style {
        ScalarStyle::SingleQuoted => Notation::SingleQuoted,
        ScalarStyle::DoubleQuoted => Notation::DoubleQuoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Notation::Block,
        _ => Notation::Plain,
    }
}

fn layout(style: StructureStyle) -> Layout {
    match style {
        StructureStyle::Block => Layout::Block,
        StructureStyle::Flow => Layout::Flow,
    }
}

fn anchor(id: usize) -> Option<usize> {
    (id != 0).then_some(id)
}

/// A text without the blank lines at its end. Blanks at the end of its last line are content.
fn without_blank_lines(mut text: &str) -> &str {
    while let Some((before, last)) = text.rsplit_once('\n')
        && last.trim().is_empty()
    {
        text = before;
    }
    text
}

fn span_start(span: &Span) -> usize {
    span.start.byte_offset().unwrap_or_default()
}

fn span_end(span: &Span) -> usize {
    span.end.byte_offset().unwrap_or_default()
}
