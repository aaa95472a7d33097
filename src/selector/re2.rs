//! Regular expressions of RE2, for what is matched outside an admission request.

use regex_lite::Regex;
use thiserror::Error;

/// A regular expression as RE2 reads it, searched anywhere in a text.
///
/// ```
/// use datakit_injection::selector::Re2;
///
/// assert!(Re2::parse(r"^web-\d+$").unwrap().is_match("web-12"));
/// assert!(Re2::parse("web*+").is_err());
/// ```
#[derive(Clone, Debug)]
pub struct Re2(Regex);

/// Why a text is not a regular expression of RE2.
#[derive(Clone, Debug, Error)]
pub enum Re2Error {
    /// RE2 refuses what the engine here would take.
    #[error("{0}")]
    Refused(&'static str),
    /// The expression cannot be compiled.
    #[error("{0}")]
    Regex(regex_lite::Error),
}

impl Re2 {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// Where RE2 would refuse it, or where it has a Unicode class that no name of Kubernetes can match.
    pub fn parse(text: &str) -> Result<Self, Re2Error> {
        let translated = translated(text).map_err(Re2Error::Refused)?;
        Regex::new(&translated).map(Self).map_err(Re2Error::Regex)
    }

    /// Whether it is found in a text. The engine is linear in the text: the caller bounds its length.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// Why RE2 refuses an expression.
type Refusal = &'static str;

/// An expression of RE2 in the syntax of the engine here.
///
/// The engine takes some of what RE2 refuses, and reads some of what RE2 takes in another way.
///
/// # Errors
///
/// Where RE2 would refuse it, or where no name of Kubernetes can match it.
pub(super) fn translated(pattern: &str) -> Result<String, Refusal> {
    let mut translator = Translator { rest: pattern, out: String::with_capacity(pattern.len()) };
    translator.expression()?;
    Ok(translator.out)
}

/// Translates an expression from its beginning to its end.
struct Translator<'p> {
    rest: &'p str,
    out: String,
}

impl<'p> Translator<'p> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        self.next_if(|_| true)
    }

    fn next_if(&mut self, is_meant: impl Fn(char) -> bool) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next().filter(|char| is_meant(*char))?;
        self.rest = chars.as_str();
        Some(next)
    }

    /// Takes the text up to a mark, and the mark, if it is there.
    fn take_until(&mut self, mark: &str) -> Option<&'p str> {
        let (text, rest) = self.rest.split_once(mark)?;
        self.rest = rest;
        Some(text)
    }

    fn expression(&mut self) -> Result<(), Refusal> {
        let mut repeated = false;
        while let Some(char) = self.next() {
            let repeats = match char {
                '*' | '+' | '?' => {
                    self.out.push(char);
                    true
                }
                '{' => self.bounds()?,
                char => {
                    self.atom(char)?;
                    false
                }
            };
            if repeats && repeated {
                return Err("it repeats a repetition");
            }
            repeated = repeats;
            if repeats {
                // A single `?` behind a repetition makes it lazy.
                let lazy = self.next_if(|char| char == '?');
                self.out.extend(lazy);
            }
        }
        Ok(())
    }

    /// Translates what begins with a character, but for repetitions.
    fn atom(&mut self, char: char) -> Result<(), Refusal> {
        match char {
            '\\' => return self.escape(false),
            '[' => return self.class(),
            '(' if self.next_if(|char| char == '?').is_some() => {
                let is_flag = |char: &char| matches!(char, 'i' | 'm' | 's' | 'U' | '-');
                match self.rest.chars().find(|char| !is_flag(char)) {
                    Some(':' | ')' | 'P' | '<') => self.out.push_str("(?"),
                    _ => return Err("it has an unknown group or flag"),
                }
            }
            '}' => self.out.push_str(r"\}"),
            char => self.out.push(char),
        }
        Ok(())
    }

    /// Translates what follows a brace. Returns whether it is a repetition; anything else is text.
    fn bounds(&mut self) -> Result<bool, Refusal> {
        let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let is_large = |text: &str| text.parse::<u32>().map_or(!text.is_empty(), |it| it > 1000);
        if let Some((bounds, rest)) = self.rest.split_once('}') {
            let (least, most) = bounds.split_once(',').unwrap_or((bounds, ""));
            if !least.is_empty() && is_number(least) && is_number(most) {
                if is_large(least) || is_large(most) {
                    return Err("it repeats more than 1000 times");
                }
                self.rest = rest;
                self.out.extend(["{", bounds, "}"]);
                return Ok(true);
            }
        }
        self.out.push_str(r"\{");
        Ok(false)
    }

    /// Translates the rest of a class of characters.
    fn class(&mut self) -> Result<(), Refusal> {
        self.out.push('[');
        let negation = self.next_if(|char| char == '^');
        self.out.extend(negation);
        // Whether a hyphen would make a range of the last member, and whether one did.
        let (mut is_single, mut in_range) = (false, false);
        // A bracket right at the start is a member.
        if self.next_if(|char| char == ']').is_some() {
            self.out.push_str(r"\]");
            is_single = true;
        }
        while let Some(char) = self.next() {
            let ended_range = std::mem::take(&mut in_range);
            let was_single = std::mem::replace(&mut is_single, !ended_range);
            match char {
                ']' => {
                    self.out.push(']');
                    return Ok(());
                }
                '\\' => {
                    let is_set =
                        |next| matches!(next, 'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'p' | 'P');
                    is_single &= !self.peek().is_some_and(is_set);
                    self.escape(true)?;
                }
                // A named class, such as `[:alpha:]`, has brackets of its own. The engine refuses one
                // that does not end.
                '[' if self.peek() == Some(':') => {
                    is_single = false;
                    let name = self.take_until("]").unwrap_or_default();
                    self.out.extend(["[", name, "]"]);
                }
                '[' => self.out.push_str(r"\["),
                '-' if was_single && self.peek() != Some(']') => {
                    (in_range, is_single) = (true, false);
                    self.out.push('-');
                }
                // A hyphen behind a set or a range is a member, as it is at either end.
                '-' => self.out.push_str(r"\-"),
                '&' | '~' => self.out.extend(['\\', char]),
                char => self.out.push(char),
            }
        }
        Ok(())
    }

    /// Translates what follows a backslash.
    fn escape(&mut self, in_class: bool) -> Result<(), Refusal> {
        match self.next() {
            None => self.out.push('\\'),
            Some('Q') if in_class => return Err("it has an unknown escape"),
            // Text without meaning, up to `\E`.
            Some('Q') => {
                let rest = std::mem::take(&mut self.rest);
                let (quoted, rest) = rest.split_once(r"\E").unwrap_or((rest, ""));
                self.rest = rest;
                self.out.push_str(&regex_lite::escape(quoted));
            }
            Some('p') => return self.unicode_class(false, in_class),
            Some('P') => return self.unicode_class(true, in_class),
            Some('u') => return Err("it has an unknown escape"),
            // A repetition, where the engine would read the name of a boundary.
            Some('b') if self.peek() == Some('{') => self.out.push_str(r"(?:\b)"),
            Some('x') if self.peek() == Some('{') => {
                let number = self.take_until("}").ok_or("it has an unknown escape")?;
                self.out.extend([r"\x", number, "}"]);
            }
            Some(char @ ('<' | '>')) => self.out.push(char),
            Some(digit @ '1'..='9')
                if digit > '7' || !self.peek().is_some_and(|it| it.is_digit(8)) =>
            {
                return Err("backreferences are not supported");
            }
            Some(digit @ '0'..='7') => self.octal(digit),
            Some(char) => self.out.extend(['\\', char]),
        }
        Ok(())
    }

    /// Translates the name of a class of Unicode into what it has of the characters of names.
    fn unicode_class(&mut self, is_negated: bool, in_class: bool) -> Result<(), Refusal> {
        let name = match self.next() {
            Some('{') => self.take_until("}").unwrap_or_default().to_owned(),
            other => other.into_iter().collect(),
        };
        let (name, is_negated) = match name.strip_prefix('^') {
            Some(name) => (name, !is_negated),
            None => (&*name, is_negated),
        };
        let members = match name {
            "L" | "Latin" => "a-zA-Z",
            "Lu" => "A-Z",
            "Ll" => "a-z",
            "N" | "Nd" => "0-9",
            "P" => r"\-.",
            "Pd" => r"\-",
            _ => return Err("it has a Unicode class that names cannot have"),
        };
        match (in_class, is_negated) {
            (true, true) => return Err("it has a negated Unicode class in a class"),
            (true, false) => self.out.push_str(members),
            (false, true) => self.out.extend(["[^", members, "]"]),
            (false, false) => self.out.extend(["[", members, "]"]),
        }
        Ok(())
    }

    /// Translates an octal number of up to three digits.
    fn octal(&mut self, first: char) {
        let digits = [Some(first), self.octal_digit(), self.octal_digit()];
        let digits = digits.into_iter().flatten().filter_map(|digit| digit.to_digit(8));
        let value = digits.fold(0_u32, |value, digit| (value << 3) | digit);
        self.out.push_str(&format!("\\x{{{value:x}}}"));
    }

    fn octal_digit(&mut self) -> Option<char> {
        self.next_if(|char| char.is_digit(8))
    }
}

#[cfg(test)]
mod tests {
    use super::Re2;

    /// `*` is no pattern of its own here, and names of pods are longer than those of namespaces.
    #[test]
    fn matches_as_re2_does() {
        let long = format!("{}-0", "a".repeat(200));
        for (expression, text, expected) in [
            ("web", "my-web-1", true),
            ("^web$", "web-1", false),
            ("", "web", true),
            ("-0$", &*long, true),
            (r"^[\w-.]+$", "web-1.a", true),
            (r"^\pP$", ".", true),
            (r"^\pP$", "a", false),
            ("a{,2}", "aa", false),
        ] {
            let parsed = Re2::parse(expression).unwrap();
            assert_eq!(parsed.is_match(text), expected, "`{expression}` on `{text}`");
        }
    }

    #[test]
    fn rejects_what_re2_rejects() {
        for expression in
            ["*", "(", "a**", r"(a)\1", "(?x)a", "a{1001}", r"\p{N", r"\x{61", "[[:alpha:"]
        {
            assert!(Re2::parse(expression).is_err(), "`{expression}`");
        }
    }
}
