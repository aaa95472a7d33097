//! Resource quantities, as `k8s.io/apimachinery/pkg/api/resource` has them.

/// Reads a quantity that a resource may have: in nanos, rounded up, at most what 128 bits hold.
///
/// Nothing where Kubernetes would refuse it: malformed or negative.
pub fn nanos(text: &str) -> Option<u128> {
    let digits_end = text.find(|char: char| !matches!(char, '0'..='9' | '.' | '+' | '-'));
    let (number, suffix) = text.split_at(digits_end.unwrap_or(text.len()));
    let number = number.strip_prefix('+').unwrap_or(number);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let (base, exponent) = scale(suffix)?;
    // Kubernetes keeps nanos; a part of a nano makes one more.
    let kept = fraction.len().min(MAX_FRACTION);
    let (fraction, lost) = fraction.split_at(kept);
    let digits = whole.bytes().chain(fraction.bytes());
    let digits = digits.fold(0_u128, |value, digit| {
        value.saturating_mul(10).saturating_add(u128::from(digit.saturating_sub(b'0')))
    });
    let rest = u128::from(lost.bytes().any(|digit| digit != b'0'));
    let shift = exponent.saturating_sub(i32::try_from(kept).ok()?);
    Some(
        match base {
            2 => {
                let factor = 1_u128.checked_shl(exponent.unsigned_abs()).unwrap_or(u128::MAX);
                divide_up(digits.saturating_mul(factor).saturating_mul(NANO), power_of_ten(kept))
            }
            _ => {
                let shift = shift.saturating_add(9);
                let power = power_of_ten(usize::try_from(shift.unsigned_abs()).ok()?);
                if shift >= 0 { digits.saturating_mul(power) } else { divide_up(digits, power) }
            }
        }
        .saturating_add(rest),
    )
}

const NANO: u128 = 1_000_000_000;
const MAX_FRACTION: usize = 18;

/// The base and the exponent of a suffix.
fn scale(suffix: &str) -> Option<(i32, i32)> {
    Some(match suffix {
        "Ki" => (2, 10),
        "Mi" => (2, 20),
        "Gi" => (2, 30),
        "Ti" => (2, 40),
        "Pi" => (2, 50),
        "Ei" => (2, 60),
        "n" => (10, -9),
        "u" => (10, -6),
        "m" => (10, -3),
        "" => (10, 0),
        "k" => (10, 3),
        "M" => (10, 6),
        "G" => (10, 9),
        "T" => (10, 12),
        "P" => (10, 15),
        "E" => (10, 18),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            (10, exponent.parse().ok()?)
        }
    })
}

fn power_of_ten(exponent: usize) -> u128 {
    u32::try_from(exponent).ok().and_then(|e| 10_u128.checked_pow(e)).unwrap_or(u128::MAX)
}

fn divide_up(dividend: u128, divisor: u128) -> u128 {
    dividend.div_ceil(divisor.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        for (text, expected) in [
            ("0", 0),
            ("1", NANO),
            ("+1", NANO),
            ("100m", NANO / 10),
            ("0.1", NANO / 10),
            (".5", NANO / 2),
            ("5.", 5 * NANO),
            ("64Mi", 64 * 1024 * 1024 * NANO),
            ("1.5Gi", 3 * 512 * 1024 * 1024 * NANO),
            ("0.5Ki", 512 * NANO),
            ("1k", 1000 * NANO),
            ("2E", 2_000_000_000_000_000_000 * NANO),
            ("1e3", 1000 * NANO),
            ("1E3", 1000 * NANO),
            ("1e-3", NANO / 1000),
            ("12e+2", 1200 * NANO),
            ("1n", 1),
            ("1u", 1000),
            ("0.1n", 1),
            ("0.0000000000000000000000001", 1),
            ("1e-30", 1),
        ] {
            assert_eq!(nanos(text), Some(expected), "{text}");
        }
        assert_eq!(nanos("99999999999999999999999999999999999999999E"), Some(u128::MAX));
    }

    #[test]
    fn rejects_what_kubernetes_rejects() {
        for text in [
            "",
            " ",
            "-1",
            "1 ",
            "m",
            "1mi",
            "1KI",
            "1K",
            "1kk",
            "1.2.3",
            "1e",
            "1e+",
            "--1",
            "+-1",
            "1-1",
            "0x10",
            "1,5",
            "Mi",
            ".",
            "1e1.5",
            "NaN",
            "1e99999999999",
        ] {
            assert_eq!(nanos(text), None, "`{text}`");
        }
    }
}
