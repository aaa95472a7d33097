//! A text and its lines.

/// A text that finds the line of an offset without a scan: a document may be one long line.
#[derive(Debug)]
pub(crate) struct Text<'t> {
    pub(crate) str: &'t str,
    /// Where each line starts.
    lines: Vec<usize>,
}

impl<'t> Text<'t> {
    pub(crate) fn new(str: &'t str) -> Self {
        let breaks = str.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(breaks.map(|(offset, _)| offset + 1)).collect();
        Self { str, lines }
    }

    pub(crate) fn len(&self) -> usize {
        self.str.len()
    }

    /// The line of an offset, counted from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }

    /// Where the line of an offset starts.
    pub(crate) fn line_start(&self, offset: usize) -> usize {
        self.lines.get(self.line(offset).saturating_sub(1)).copied().unwrap_or_default()
    }

    /// Where the next line starts; `None` in the last line.
    pub(crate) fn next_line(&self, offset: usize) -> Option<usize> {
        self.lines.get(self.line(offset)).copied()
    }

    /// The column of an offset, in bytes.
    pub(crate) fn column(&self, offset: usize) -> usize {
        offset - self.line_start(offset)
    }

    /// Whether only blanks precede an offset in its line.
    pub(crate) fn starts_line(&self, offset: usize) -> bool {
        let before = self.slice(self.line_start(offset), offset);
        before.bytes().all(|byte| byte == b' ' || byte == b'\t')
    }

    /// The indentation of the line of an offset.
    pub(crate) fn indent(&self, offset: usize) -> usize {
        let line = self.from(self.line_start(offset));
        line.len() - line.trim_start_matches([' ', '\t']).len()
    }

    /// What follows an offset in its line.
    pub(crate) fn rest_of_line(&self, offset: usize) -> &'t str {
        let end = self.next_line(offset).unwrap_or(self.len());
        self.slice(offset, end).trim_end_matches(['\r', '\n'])
    }

    /// A part of the text; empty where there is none.
    pub(crate) fn slice(&self, start: usize, end: usize) -> &'t str {
        self.str.get(start..end).unwrap_or_default()
    }

    /// The text from an offset on.
    pub(crate) fn from(&self, start: usize) -> &'t str {
        self.slice(start, self.len())
    }

    /// The line break of the first line, which the others are expected to share.
    pub(crate) fn line_break(&self) -> &'static str {
        match self.next_line(0) {
            Some(next) if self.slice(0, next).ends_with("\r\n") => "\r\n",
            _ => "\n",
        }
    }
}
