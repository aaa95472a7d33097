//! JSON values out of a stream, as text.
//!
//! `serde_json` reads a stream byte by byte, which takes ten times as long as reading from memory. So
//! this keeps a part of the stream in memory, and has `serde_json` find where a value in it ends.

use std::io::{self, Read};

use serde_json::Deserializer;
use serde_json::value::RawValue;

/// This many bytes are read at a time.
const CHUNK: usize = 1 << 18;

/// Why there is no next value.
#[derive(Debug)]
pub(super) enum Broken {
    Io(io::Error),
    /// What is wrong with the text.
    Json(String),
}

/// A stream of JSON.
pub(super) struct Values<R> {
    input: R,
    buffer: Vec<u8>,
    /// What is behind is used up.
    place: usize,
    /// The lines that are no longer in the buffer.
    lines: usize,
    is_at_end: bool,
}

impl<R: Read> Values<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, buffer: Vec::new(), place: 0, lines: 0, is_at_end: false }
    }

    /// The line of the next value, from 1.
    pub(super) fn line(&self) -> usize {
        self.lines + newlines(self.buffer.get(..self.place).unwrap_or_default()) + 1
    }

    /// The next byte that is not blank; nothing at the end.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, Broken> {
        loop {
            let rest = self.buffer.get(self.place..).unwrap_or_default();
            match rest.iter().position(|byte| !byte.is_ascii_whitespace()) {
                Some(blanks) => {
                    self.place += blanks;
                    return Ok(self.buffer.get(self.place).copied());
                }
                None if self.is_at_end => return Ok(None),
                None => {
                    self.place = self.buffer.len();
                    self.fill()?;
                }
            }
        }
    }

    /// Takes a byte that has to be next.
    pub(super) fn expect(&mut self, expected: u8) -> Result<(), Broken> {
        match self.peek()? {
            Some(byte) if byte == expected => {
                self.place += 1;
                Ok(())
            }
            Some(_) => Err(Broken::Json(format!("expected `{}`", char::from(expected)))),
            None => Err(Broken::Json("unexpected end of input".to_owned())),
        }
    }

    /// Whether a collection ends; takes the end, or the comma before the next entry.
    pub(super) fn ends(&mut self, end: u8, is_first: &mut bool) -> Result<bool, Broken> {
        if self.peek()? == Some(end) {
            self.place += 1;
            return Ok(true);
        }
        if !std::mem::take(is_first) {
            self.expect(b',')?;
        }
        Ok(false)
    }

    /// The text of the next value.
    pub(super) fn next(&mut self) -> Result<&str, Broken> {
        // So that the line is that of the value.
        self.peek()?;
        loop {
            let rest = self.buffer.get(self.place..).unwrap_or_default();
            let mut values = Deserializer::from_slice(rest).into_iter::<&RawValue>();
            let found = values.next();
            let end = self.place + values.byte_offset();
            match found {
                // A number may go on where the buffer ends.
                Some(Ok(value)) if end < self.buffer.len() || self.is_at_end => {
                    let start = end - value.get().len();
                    self.place = end;
                    let text = std::str::from_utf8(self.buffer.get(start..end).unwrap_or_default());
                    return text.map_err(|error| Broken::Json(error.to_string()));
                }
                Some(Err(error)) if !error.is_eof() || self.is_at_end => {
                    return Err(Broken::Json(match error.is_eof() {
                        true => "unexpected end of input".to_owned(),
                        false => without_place(&error),
                    }));
                }
                None if self.is_at_end => {
                    return Err(Broken::Json("unexpected end of input".to_owned()));
                }
                _ => self.fill()?,
            }
        }
    }

    /// Reads on, and forgets what is used up.
    fn fill(&mut self) -> Result<(), Broken> {
        self.lines += newlines(self.buffer.get(..self.place).unwrap_or_default());
        self.buffer.drain(..self.place);
        self.place = 0;
        // Twice as much for a value that does not fit, so that a long one is not read too often.
        let wanted = self.buffer.len().max(CHUNK) as u64;
        let read = self.input.by_ref().take(wanted).read_to_end(&mut self.buffer);
        self.is_at_end = read.map_err(Broken::Io)? == 0;
        Ok(())
    }
}

/// The words of an error, without its place: that is one in the buffer.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or(text.clone(), |(words, _)| words.to_owned())
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Slow<'t>(&'t [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(buffer.len()).min(3);
            let (now, later) = self.0.split_at(count);
            buffer[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    #[test]
    fn takes_values_wherever_the_buffer_ends() {
        let long = format!("\"{}\"", "é".repeat(CHUNK));
        let text = format!(" [ 12345 , {long},\ntrue,{{\"a\":[1]}}\n] ");
        let mut values = Values::new(Slow(text.as_bytes()));
        values.expect(b'[').unwrap();
        let (mut first, mut found) = (true, Vec::new());
        while !values.ends(b']', &mut first).unwrap() {
            found.push(values.next().unwrap().to_owned());
        }
        assert_eq!(found, ["12345", &long, "true", "{\"a\":[1]}"]);
        assert_eq!(values.peek().unwrap(), None);
        assert_eq!(values.line(), 3);
    }

    #[test]
    fn tells_the_line_of_what_is_broken() {
        for (text, line, reason) in [
            ("[\n1,\n[2}", 3, "expected `,` or `]`"),
            ("[\n1\n2]", 3, "expected `,`"),
            ("[\n1,\n\"a", 3, "unexpected end of input"),
            ("[\n", 2, "unexpected end of input"),
        ] {
            let mut values = Values::new(text.as_bytes());
            values.expect(b'[').unwrap();
            let mut first = true;
            let broken = loop {
                match values.ends(b']', &mut first) {
                    Ok(true) => panic!("{text} is not broken"),
                    Ok(false) => {}
                    Err(broken) => break broken,
                }
                if let Err(broken) = values.next() {
                    break broken;
                }
            };
            assert_eq!(values.line(), line, "{text}");
            assert!(
                matches!(&broken, Broken::Json(words) if words == reason),
                "{text}: {broken:?}"
            );
        }
    }
}
