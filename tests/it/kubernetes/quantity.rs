//! Quantities: `k8s.io/apimachinery/pkg/api/resource`.

use serde_json::Value;

/// 2^63 - 1, where `ParseQuantity` caps what is larger, in units of 10^-9.
const LARGEST: i128 = i64::MAX as i128 * 1_000_000_000;

/// `ParseQuantity`: the amount in units of 10^-9, rounded away from zero.
pub fn parse(quantity: &Value) -> Option<i128> {
    match quantity {
        Value::String(text) => parse_text(text),
        Value::Number(number) => parse_text(&number.to_string()),
        _ => None,
    }
}

fn parse_text(text: &str) -> Option<i128> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || fraction.contains('.') {
        return None;
    }
    let (power_of_ten, power_of_two) = exponents(suffix)?;
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let power_of_ten = power_of_ten + 9 - i32::try_from(fraction.len()).ok()?;
    let amount = if digits.is_empty() { 0 } else { scale(digits, power_of_ten, power_of_two) };
    Some(if text.starts_with('-') { -amount } else { amount })
}

/// The digits times powers of ten and of two, capped.
fn scale(digits: &str, power_of_ten: i32, power_of_two: u32) -> i128 {
    let amount = digits.parse::<i128>().ok();
    let amount = amount.and_then(|amount| amount.checked_mul(1 << power_of_two));
    let Some(amount) = amount else { return LARGEST };
    let factor = 10_i128.checked_pow(power_of_ten.unsigned_abs());
    let amount = match (power_of_ten >= 0, factor) {
        (true, factor) => factor.and_then(|factor| amount.checked_mul(factor)),
        (false, Some(factor)) => Some((amount + factor - 1) / factor),
        (false, None) => Some(1),
    };
    amount.map_or(LARGEST, |amount| amount.min(LARGEST))
}

/// The power of ten and the power of two of a suffix.
fn exponents(suffix: &str) -> Option<(i32, u32)> {
    Some(match suffix {
        "n" => (-9, 0),
        "u" => (-6, 0),
        "m" => (-3, 0),
        "" => (0, 0),
        "k" => (3, 0),
        "M" => (6, 0),
        "G" => (9, 0),
        "T" => (12, 0),
        "P" => (15, 0),
        "E" => (18, 0),
        "Ki" => (0, 10),
        "Mi" => (0, 20),
        "Gi" => (0, 30),
        "Ti" => (0, 40),
        "Pi" => (0, 50),
        "Ei" => (0, 60),
        _ => (suffix.strip_prefix(['e', 'E'])?.parse::<i16>().ok()?.into(), 0),
    })
}

#[test]
fn accepts_and_refuses_quantities() {
    let nano = 1_000_000_000;
    let accepted = [
        ("0", 0),
        ("1", nano),
        ("+1", nano),
        ("-1", -nano),
        ("100m", nano / 10),
        (".5", nano / 2),
        ("1.", nano),
        ("0.1n", 1),
        ("1e3", 1000 * nano),
        ("1E-3", nano / 1000),
        ("1E", 1_000_000_000_000_000_000 * nano),
        ("1.5Gi", 1536 * 1024 * 1024 * nano),
        ("64Ei", LARGEST),
        ("1e40", LARGEST),
        ("99999999999999999999999999999999999999999", LARGEST),
    ];
    for (text, amount) in accepted {
        assert_eq!(parse(&text.into()), Some(amount), "{text}");
    }
    assert_eq!(parse(&serde_json::json!(2)), Some(2 * nano));
    assert_eq!(parse(&serde_json::json!(0.5)), Some(nano / 2));
    for text in ["", ".", "1 Gi", "1GiB", "1K", "1mi", "--1", "1.2.3", "much", "1ee3", "0x10"] {
        assert_eq!(parse(&text.into()), None, "{text}");
    }
    assert_eq!(parse(&Value::Null), None);
}
