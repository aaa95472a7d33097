//! Query strings, parsed as strictly as Go's `url.ParseQuery`.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use thiserror::Error;

/// The decoded parameters of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

/// A query that cannot be decoded. The error does not quote it, because it may contain a token.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the query is not URL-encoded")]
pub struct BrokenQuery;

impl<'q> Query<'q> {
    /// Parses a query without its question mark.
    ///
    /// # Errors
    ///
    /// If an escape is incomplete or not UTF-8, or if there is a `;`.
    pub fn parse(text: &'q str) -> Result<Self, BrokenQuery> {
        let parameters = text.split('&').filter(|parameter| !parameter.is_empty());
        let decoded = parameters.map(|parameter| {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            Ok((decode(key)?, decode(value)?))
        });
        decoded.collect::<Result<_, _>>().map(Self)
    }

    /// The first value of a parameter, or an empty string.
    pub fn get(&self, key: &str) -> &str {
        self.0.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }
}

/// Decodes `%XX` and `+`.
fn decode(text: &str) -> Result<Cow<'_, str>, BrokenQuery> {
    let mut escapes = text.split('%');
    let _before = escapes.next();
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if text.contains(';') || !escapes.all(is_escape) {
        return Err(BrokenQuery);
    }
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| BrokenQuery)?;
        return Ok(Cow::Owned(decoded.into_owned()));
    }
    percent_decode_str(text).decode_utf8().map_err(|_| BrokenQuery)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_encodes() {
        let query =
            Query::parse("id=datakit+a%2B&namespace=production%2Fa&token=t%26%3D&token=b&x");
        let query = query.unwrap();
        for (key, expected) in [
            ("id", "datakit a+"),
            ("namespace", "production/a"),
            ("token", "t&="),
            ("x", ""),
            ("absent", ""),
        ] {
            assert_eq!(query.get(key), expected, "{key}");
        }
        assert_eq!(Query::parse(""), Ok(Query::default()));
    }

    /// A lenient parser would take `%zz` as a token.
    #[test]
    fn rejects_what_go_rejects() {
        for text in ["token=%zz", "token=%", "token=%4", "%=a", "token=a;id=b", "id=%ff", "a=%+1"] {
            assert_eq!(Query::parse(text), Err(BrokenQuery), "{text}");
        }
    }
}
