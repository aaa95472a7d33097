//! What plain scalars mean. go-yaml, which kubectl uses, decides: booleans and octal numbers are those
//! of YAML 1.1.

use crate::value::Value;

/// The value of a plain scalar.
pub(crate) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

/// The JSON number that a text stands for; the text itself if it is a JSON number.
pub(crate) fn number(text: &str) -> Option<String> {
    if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        return None;
    }
    if is_json_number(text) {
        return Some(text.to_owned());
    }
    let without: String = text.chars().filter(|char| *char != '_').collect();
    integer(&without).map(|number| number.to_string()).or_else(|| float(&without))
}

/// A number in Go's notation: `0x`, `0o`, `0b`, or octal where it begins with `0`.
fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match (lower.get(..2), lower.get(2..)) {
        (Some("0x"), Some(rest)) => (16, rest),
        (Some("0o"), Some(rest)) => (8, rest),
        (Some("0b"), Some(rest)) => (2, rest),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, &*lower),
        _ => (10, &*lower),
    };
    let is_unsigned = digits.bytes().all(|digit| digit.is_ascii_alphanumeric());
    // Go reads no more than 64 bits.
    let value = i128::from_str_radix(digits, radix).ok().filter(|_| is_unsigned)?;
    (value <= i128::from(u64::MAX)).then(|| sign * value)
}

/// A number with a point or an exponent, or of decimal digits that are too many.
fn float(text: &str) -> Option<String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let split = rest.find(['e', 'E']).unwrap_or(rest.len());
    let (mantissa, exponent) = rest.split_at(split);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let number = format!("{sign}{whole}{point}{fraction}{exponent}");
    let has_digit = mantissa.bytes().any(|byte| byte.is_ascii_digit());
    (has_digit && is_json_number(&number)).then_some(number)
}

fn is_json_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(place) => (text.get(..place), text.get(place + 1..)),
        None => (Some(text), None),
    };
    let exponent =
        exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)));
    let mantissa = mantissa.unwrap_or_default();
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let whole = digits(whole) && (whole == "0" || !whole.starts_with('0'));
    whole && fraction.is_none_or(digits) && exponent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_scalars_as_kubectl_does() {
        for (text, expected) in [
            ("", "null"),
            ("~", "null"),
            ("yes", "true"),
            ("Off", "false"),
            ("text", "\"text\""),
            ("1", "1"),
            ("-7", "-7"),
            ("+7", "7"),
            ("1.50", "1.50"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e3", "1e3"),
            ("0644", "420"),
            ("0899", "899"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("0b11", "3"),
            ("1_000", "1000"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("1.2.3", "\"1.2.3\""),
            ("v1", "\"v1\""),
            ("1:30", "\"1:30\""),
            ("2001-01-01", "\"2001-01-01\""),
            ("-", "\"-\""),
            (".", "\".\""),
            ("0x", "\"0x\""),
            ("0x-1", "\"0x-1\""),
            ("1e", "\"1e\""),
            ("100m", "\"100m\""),
            (".inf", "\".inf\""),
        ] {
            assert_eq!(serde_json::to_string(&plain(text)).unwrap(), expected, "{text}");
        }
    }
}
