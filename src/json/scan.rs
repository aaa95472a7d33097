//! Reads JSON text along a [`Shape`] in one pass, strictly as RFC 8259 has it.
//!
//! Strings and numbers are checked, not decoded. What the shape does not name is skipped without
//! recursion, so nesting costs no stack. Places are added with wrapping operations: no document is as
//! long as the address space.

use super::{Key, Object, Shape, Value};

/// Reads a document; nothing where the text is not one JSON value.
pub(super) fn open<'a>(text: &'a str, shape: &'static Shape) -> Option<Value<'a>> {
    let mut scanner = Scanner::new(text);
    let value = scanner.value(shape)?;
    scanner.space();
    (scanner.at == text.len()).then_some(value)
}

/// The length of a string that begins before a text, with the quote at its end.
pub(super) fn string_length(text: &str) -> Option<usize> {
    let mut scanner = Scanner::new(text);
    scanner.string()?;
    Some(scanner.at)
}

/// Reads a text from its beginning.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    /// The place of the next byte.
    at: usize,
    /// The closing brackets around the innermost one of what is being skipped.
    open: Vec<u8>,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0, open: Vec::new() }
    }

    /// The first byte of the next value.
    pub(crate) fn first(&mut self) -> Option<u8> {
        self.space();
        self.peek()
    }

    /// Passes over the next value. Returns its text.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        self.space();
        let start = self.at;
        self.skip()?;
        self.text.get(start..self.at)
    }

    /// Reads an object; `read` reads each value.
    pub(crate) fn members(
        &mut self,
        mut read: impl FnMut(&mut Self, Key<'a>) -> Option<()>,
    ) -> Option<()> {
        self.step();
        self.space();
        if self.take(b'}') {
            return Some(());
        }
        loop {
            let key = self.key()?;
            read(self, key)?;
            match self.token()? {
                b',' => self.space(),
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Reads an array; `read` reads each element.
    pub(crate) fn elements(&mut self, mut read: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.step();
        self.space();
        if self.take(b']') {
            return Some(());
        }
        loop {
            read(self)?;
            match self.token()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.wrapping_add(1);
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.step();
        Some(byte)
    }

    /// Takes a byte if it is the next one.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.step();
        }
        is_next
    }

    /// Takes the next byte behind white space.
    fn token(&mut self) -> Option<u8> {
        loop {
            let byte = self.next()?;
            if byte > b' ' {
                return Some(byte);
            }
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return None;
            }
        }
    }

    /// Passes over white space.
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.step();
        }
    }

    /// Reads a value along a shape; as text where it has another type than the shape.
    fn value(&mut self, shape: &'static Shape) -> Option<Value<'a>> {
        match (shape, self.first()?) {
            (Shape::Object(_) | Shape::Map(_), b'{') => {
                let mut members = Vec::with_capacity(8);
                self.members(|scanner, key| {
                    let value = scanner.value(shape.member(&key).unwrap_or(&Shape::Text))?;
                    members.push((key, value));
                    Some(())
                })?;
                Some(Value::Object(Object { members }))
            }
            (Shape::Array(inner), b'[') => {
                let mut elements = Vec::new();
                self.elements(|scanner| {
                    elements.push(scanner.value(inner)?);
                    Some(())
                })?;
                Some(Value::Array(elements))
            }
            _ => self.text().map(Value::Text),
        }
    }

    /// Reads a key and its colon.
    #[inline(always)]
    fn key(&mut self) -> Option<Key<'a>> {
        let key = self.quoted()?;
        (self.token()? == b':').then_some(key)
    }

    /// Reads a string.
    #[inline(always)]
    pub(crate) fn quoted(&mut self) -> Option<Key<'a>> {
        let start = self.at;
        if self.next()? != b'"' {
            return None;
        }
        match self.string()? {
            true => {
                let inner = start.wrapping_add(1)..self.at.wrapping_sub(1);
                self.text.get(inner).map(Key::Plain)
            }
            false => self.text.get(start..self.at).map(Key::Escaped),
        }
    }

    /// Passes over one value.
    fn skip(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        // What closes the innermost object or array; nothing around the outermost.
        let mut end = 0;
        loop {
            match *bytes.get(at)? {
                b'"' => at = string_end(bytes, at.wrapping_add(1))?,
                first @ (b'{' | b'[') => {
                    at = token(bytes, at.wrapping_add(1));
                    let closing = first.wrapping_add(2);
                    if *bytes.get(at)? != closing {
                        self.open.push(end);
                        end = closing;
                        at = element(bytes, at, end)?;
                        continue;
                    }
                    at = at.wrapping_add(1);
                }
                _ => at = scalar_end(bytes, at)?,
            }
            loop {
                if end == 0 {
                    self.at = at;
                    return Some(());
                }
                at = token(bytes, at);
                let byte = *bytes.get(at)?;
                at = at.wrapping_add(1);
                if byte == b',' {
                    at = element(bytes, token(bytes, at), end)?;
                    break;
                }
                if byte != end {
                    return None;
                }
                end = self.open.pop()?;
            }
        }
    }

    /// Passes over the rest of a string. Returns whether nothing is escaped in it.
    #[inline(always)]
    fn string(&mut self) -> Option<bool> {
        let bytes = self.text.as_bytes();
        let plain = plain_length(bytes.get(self.at..)?);
        self.at = self.at.wrapping_add(plain);
        if self.take(b'"') {
            return Some(true);
        }
        self.at = escaped_end(bytes, self.at)?;
        Some(false)
    }
}

/// The place of the next token.
#[inline(always)]
fn token(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = bytes.get(at) {
        at = at.wrapping_add(1);
    }
    at
}

/// The place of a value in what a bracket closes: in an object, it follows a key.
#[inline(always)]
fn element(bytes: &[u8], at: usize, closing: u8) -> Option<usize> {
    if closing == b']' {
        return Some(at);
    }
    if *bytes.get(at)? != b'"' {
        return None;
    }
    let at = token(bytes, string_end(bytes, at.wrapping_add(1))?);
    if *bytes.get(at)? != b':' {
        return None;
    }
    Some(token(bytes, at.wrapping_add(1)))
}

/// The end of a string, from its first character on.
#[inline(always)]
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let at = at.wrapping_add(plain_length(bytes.get(at..)?));
    match *bytes.get(at)? {
        b'"' => Some(at.wrapping_add(1)),
        _ => escaped_end(bytes, at),
    }
}

/// The end of a string, from an escape sequence on.
#[inline(never)]
fn escaped_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            b'"' => return Some(at.wrapping_add(1)),
            b'\\' => {}
            _ => return None,
        }
        at = match *bytes.get(at.wrapping_add(1))? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at.wrapping_add(2),
            b'u' => {
                let end = at.wrapping_add(6);
                let digits = bytes.get(at.wrapping_add(2)..end)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(end)?
            }
            _ => return None,
        };
        at = at.wrapping_add(plain_length(bytes.get(at..)?));
    }
}

/// The end of a number, `true`, `false` or `null`.
fn scalar_end(bytes: &[u8], at: usize) -> Option<usize> {
    let word: &[u8] = match *bytes.get(at)? {
        b't' => b"true",
        b'f' => b"false",
        b'n' => b"null",
        _ => return number_end(bytes, at),
    };
    let end = at.wrapping_add(word.len());
    (bytes.get(at..end)? == word).then_some(end)
}

fn number_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    if bytes.get(at) == Some(&b'-') {
        at = at.wrapping_add(1);
    }
    at = match bytes.get(at) {
        Some(b'0') => at.wrapping_add(1),
        _ => digits_end(bytes, at)?,
    };
    if bytes.get(at) == Some(&b'.') {
        at = digits_end(bytes, at.wrapping_add(1))?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at = at.wrapping_add(1);
        if let Some(b'+' | b'-') = bytes.get(at) {
            at = at.wrapping_add(1);
        }
        at = digits_end(bytes, at)?;
    }
    Some(at)
}

/// The end of one digit or more.
fn digits_end(bytes: &[u8], at: usize) -> Option<usize> {
    let count = bytes.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then_some(at.wrapping_add(count))
}

/// How many bytes at the beginning are neither a quote, a backslash nor a control character.
#[inline]
pub(super) fn plain_length(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks();
    let mut length = 0_usize;
    for word in words {
        let special = special(word);
        if special != 0 {
            return length.wrapping_add((special.trailing_zeros() / 8) as usize);
        }
        length = length.wrapping_add(8);
    }
    length.wrapping_add(rest.iter().take_while(|byte| !is_special(**byte)).count())
}

/// The high bit of the first of eight bytes that is special; later bits may be wrong.
#[inline(always)]
fn special(word: &[u8; 8]) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let word = u64::from_le_bytes(*word);
    // Without its second bit, a quote is 0x20, and next to the control characters.
    let quote_or_control = (word ^ ONES.wrapping_mul(2)).wrapping_sub(ONES.wrapping_mul(0x21));
    let backslash = (word ^ ONES.wrapping_mul(0x5c)).wrapping_sub(ONES);
    (quote_or_control | backslash) & !word & ONES.wrapping_mul(0x80)
}

fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    static TEXT: Shape = Shape::Text;
    static SHAPE: Shape = Shape::Map(&Shape::Array(&Shape::Map(&Shape::Text)));

    /// Reads as serde_json does, whose text of a value has no white space around it.
    fn agrees_with_serde_json(text: &str) {
        let expected = serde_json::from_str::<&RawValue>(text).ok().map(RawValue::get);
        assert_eq!(open(text, &TEXT), expected.map(Value::Text), "{text:?}");
        assert_eq!(open(text, &SHAPE).is_some(), expected.is_some(), "{text:?}");
        if let Some(text) = expected {
            let written = open(text, &SHAPE).map(|value| value.to_json());
            let same = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
            assert_eq!(written.and_then(|it| same(&it)), same(text), "{text:?}");
        }
    }

    #[test]
    fn accepts_and_rejects_what_serde_json_does() {
        for text in [
            "",
            " ",
            "{",
            "}",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1 \"b\":2}",
            "{a:1}",
            "{} {}",
            "[]]",
            "[}",
            "{]",
            "nul",
            "nulll",
            "true",
            "truE",
            "false",
            "0",
            "-0",
            "-",
            "00",
            "01",
            "1.",
            ".1",
            "1.0",
            "1e",
            "1e+",
            "1e+5",
            "1E-05",
            "1.5e3",
            "+1",
            "--1",
            "\"",
            "\"a",
            "\"\u{1}\"",
            "\"\u{7f}é\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\\ud800\"",
            "\"\\x\"",
            "\"\\\"",
            "\"\\\\\"",
            "\u{feff}1",
            "\u{a0}1",
            "1\u{0}",
            " { \"a\" : [ { \"b\" : [ 1 , { } ] } , [ ] , null ] , \"a\\n\" : \"x\" } \n",
            "[[[{\"a\":[]}]],{}]",
            "{\"a\":[{\"b\"}]}",
            "\"\\u00e9\\/\"",
        ] {
            agrees_with_serde_json(text);
        }
    }

    proptest! {
        #[test]
        fn reads_any_text_as_serde_json_does(
            text in "[\\[\\]{}:,\"\\\\ \n01.eE+-]{0,12}|[\\[\\]{}:,\"a1 ]{0,24}"
        ) {
            agrees_with_serde_json(&text);
        }

        #[test]
        fn reads_changed_documents_as_serde_json_does(at in 0_usize..150, byte in 0_u8..128) {
            let text = r#"{"a":[{"b":"c\u0041\n","d":-1.5e+10},{"e":[[],{},true,false,null]}],"f":{"":0},"g":[{}]}"#;
            let mut bytes = text.as_bytes().to_vec();
            match bytes.get_mut(at) {
                Some(place) => *place = byte,
                None => bytes.truncate(at.saturating_sub(text.len())),
            }
            agrees_with_serde_json(std::str::from_utf8(&bytes).unwrap());
        }
    }
}
