//! Stamps: short hashes that tell whether what was added is still as it was.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::json::Value;
use crate::json::scan::Scanner;
use crate::rules::quantity::nanos;

/// An element's name, and the hash of the element as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) name: String,
    /// 24 bits.
    hash: u32,
}

/// The digits of a hash, six bits each.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const SHIFTS: [u32; 4] = [18, 12, 6, 0];

/// Where a hash starts, and what it is multiplied by: odd, with as many ones as zeros.
const SEED: u64 = 0xcbf2_9ce4_8422_2325;
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Nothing that is added nests deeper; what does was changed.
const DEPTH: usize = 8;

/// Hashes by the address of the text; valid while the `Rc`s are alive.
pub(super) type Hashes = BTreeMap<*const u8, u32>;

impl Stamp {
    pub(super) fn of(name: &str, element: &Value) -> Self {
        Self { name: name.to_owned(), hash: hash24(element) }
    }

    /// The stamps of one injection's elements. An element that several containers get shares one
    /// text, which is hashed once.
    pub(super) fn of_shared(name: &str, element: &Value, hashes: &mut Hashes) -> Self {
        let hash = match element {
            Value::New(text) => {
                *hashes.entry(Rc::as_ptr(text).cast()).or_insert_with(|| hash24(element))
            }
            _ => hash24(element),
        };
        Self { name: name.to_owned(), hash }
    }

    /// Whether an element is as it was written.
    pub(super) fn fits(&self, element: &Value) -> bool {
        hash24(element) == self.hash
    }

    /// The form `name=hash`.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    /// Appends the form `name=hash`.
    pub(super) fn write(&self, out: &mut String) {
        out.push_str(&self.name);
        out.push('=');
        for shift in SHIFTS {
            let index = usize::try_from((self.hash >> shift) & 63).unwrap_or_default();
            out.push(DIGITS.get(index).map_or('A', |digit| char::from(*digit)));
        }
    }

    /// Reads the form `name=hash`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, digits) = text.rsplit_once('=')?;
        let digits: [u8; 4] = digits.as_bytes().try_into().ok()?;
        let mut hash = 0;
        for (digit, shift) in digits.iter().zip(SHIFTS) {
            let value = DIGITS.iter().position(|known| known == digit)?;
            hash |= u32::try_from(value).ok()? << shift;
        }
        Some(Self { name: name.to_owned(), hash })
    }
}

/// The hash of an element as it was written.
///
/// It is the same for any order of keys, for any white space and escapes, and with or without what
/// the API server adds by default.
fn hash24(element: &Value) -> u32 {
    let hash = match element {
        Value::Text(text) => hash_of(&mut Scanner::new(text), b"", 0),
        Value::New(text) => hash_of(&mut Scanner::new(text), b"", 0),
        opened => hash_of(&mut Scanner::new(&opened.to_json()), b"", 0),
    };
    let hash = hash.flatten().unwrap_or_default();
    let folded = hash ^ (hash >> 24) ^ (hash >> 48);
    u32::try_from(folded & 0xff_ffff).unwrap_or_default()
}

/// The hash of the next value, which is that of a key. The inner `None` is for a member that the API
/// server may drop, or may have added; the outer one for what is not JSON.
fn hash_of(scanner: &mut Scanner, key: &[u8], depth: usize) -> Option<Option<u64>> {
    let inner = depth.saturating_add(1);
    match scanner.first()? {
        b'{' if depth < DEPTH => {
            // A sum, which is the same in any order.
            let mut sum = hash(SEED, b"{");
            scanner.members(|scanner, key| {
                let key = key.name().unwrap_or_default();
                if let Some(value) = hash_of(scanner, key.as_bytes(), inner)? {
                    sum = sum.wrapping_add(mix(hash(SEED, key.as_bytes()), value));
                }
                Some(())
            })?;
            Some(Some(sum))
        }
        b'[' if depth < DEPTH => {
            let mut so_far = hash(SEED, b"[");
            scanner.elements(|scanner| {
                so_far = mix(so_far, hash_of(scanner, key, inner)?.unwrap_or_default());
                Some(())
            })?;
            Some(Some(so_far))
        }
        b'"' => {
            let string = scanner.quoted()?;
            Some(match string.name() {
                Some(name) => hash_of_string(name.as_bytes(), key),
                // Not Unicode: it is like no other.
                None => Some(hash(SEED, string.text().as_bytes())),
            })
        }
        _ => {
            let text = scanner.text()?;
            let is_default = matches!((key, text), (_, "null" | "false") | (b"defaultMode", "420"));
            Some((!is_default).then(|| hash(SEED, text.as_bytes())))
        }
    }
}

fn hash_of_string(string: &[u8], key: &[u8]) -> Option<u64> {
    match (key, string) {
        (_, b"") | (b"apiVersion", b"v1") => None,
        // The API server writes quantities in another form.
        (b"sizeLimit" | b"divisor", _) if let Some(nanos) = quantity(string) => {
            Some(hash(SEED, &nanos.to_le_bytes()))
        }
        _ => Some(hash(hash(SEED, b"\""), string)),
    }
}

fn quantity(string: &[u8]) -> Option<u128> {
    nanos(std::str::from_utf8(string).ok()?)
}

/// Hashes bytes from an earlier hash on, eight at a time.
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks();
    let so_far = words.iter().fold(seed, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let length = u64::try_from(bytes.len()).unwrap_or_default();
    mix(so_far, rest.iter().fold(length, |rest, byte| (rest << 8) | u64::from(*byte)))
}

fn mix(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word).wrapping_mul(FACTOR);
    product ^ (product >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Shape;

    /// What the API server does to an element keeps its stamp; what a user does changes it.
    #[test]
    fn tells_changes_from_defaults() {
        static OBJECT: Shape = Shape::Object(&[]);
        let written =
            r#"{"name":"v","emptyDir":{"sizeLimit":"1Gi"},"items":[{"a":"1"},{"b":true}]}"#;
        let of = |text: &str| hash24(&Value::open(text, &OBJECT).unwrap());
        assert_eq!(of(written), hash24(&Value::New(written.into())));
        for same in [
            r#"{"items":[{"a":"1"},{"b":true}],"emptyDir":{"sizeLimit":"1Gi"},"name":"v"}"#,
            r#"{ "name": "v", "emptyDir": { "sizeLimit": "1024Mi" }, "items": [{"a": "1"}, {"b": true}] }"#,
            r#"{"name":"v","emptyDir":{"sizeLimit":"1Gi","medium":""},"items":[{"a":"1","c":null},{"b":true}],"readOnly":false,"defaultMode":420}"#,
        ] {
            assert_eq!(of(same), of(written), "{same}");
        }
        for other in [
            r#"{"name":"w","emptyDir":{"sizeLimit":"1Gi"},"items":[{"a":"1"},{"b":true}]}"#,
            r#"{"name":"v","emptyDir":{"sizeLimit":"2Gi"},"items":[{"a":"1"},{"b":true}]}"#,
            r#"{"name":"v","emptyDir":{},"items":[{"a":"1"},{"b":true}]}"#,
            r#"{"name":"v","emptyDir":{"sizeLimit":"1Gi"},"items":[{"b":true},{"a":"1"}]}"#,
            r#"{"name":"v","emptyDir":{"sizeLimit":"1Gi"},"items":[{"a":1},{"b":true}]}"#,
            r#"{"name":"v","emptyDir":{"sizeLimit":"1Gi"},"items":[{"a":"1"},{"b":"true"}]}"#,
            r#"{"name":"v","emptyDir":{"sizeLimit":"1Gi"},"items":[{"a":"1"},{"b":true}],"x":{}}"#,
            r#"{"name":"v","emptyDir":{"sizeLimit":"1Gi","items":[{"a":"1"},{"b":true}]}}"#,
            r#"{"emptyDir":"v","name":{"sizeLimit":"1Gi"},"items":[{"a":"1"},{"b":true}]}"#,
        ] {
            assert_ne!(of(other), of(written), "{other}");
        }
    }

    #[test]
    fn hashes_what_a_text_means() {
        let of = |text: &str| hash_of(&mut Scanner::new(text), b"", 0);
        for (one, other) in [
            (r#"{"name":"A","value":"b c"}"#, r#" { "value" : "b c" , "name" : "\u0041" } "#),
            (r#"{"name":"A"}"#, r#"{"na\u006de":"A","value":""}"#),
            (r#"{"name":"A"}"#, r#"{"name":"A","b":false,"c":null,"defaultMode":420}"#),
            (r#"{"divisor":"1k","sizeLimit":"1Mi"}"#, r#"{"divisor":"1000","sizeLimit":"1024Ki"}"#),
            (r#"[1,"a",{"b":[]}]"#, r#"[ 1 , "a" , { "b" : [ ] } ]"#),
            (r#"{"a":"},[]:{"}"#, r#"{"a": "},[]:\u007b"}"#),
        ] {
            assert_eq!(of(one), of(other), "{one} {other}");
            assert!(of(one).is_some(), "{one}");
        }
        assert_ne!(of(r#"{"name":"A","value":"\ud800"}"#), of(r#"{"name":"A"}"#));
        // Deeper than anything that is added, the text counts.
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(9), "]".repeat(9));
        assert_ne!(of(&deep("1, 2")), of(&deep("1,2")));
        for text in ["", "{", "[1", r#"{"a"}"#] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn reads_what_it_writes() {
        for text in ["/a=b=AAAA", "A=-_9z", "=x4fR"] {
            let mut written = String::new();
            Stamp::parse(text).unwrap().write(&mut written);
            assert_eq!(written, text);
        }
        for text in ["", "A", "A=", "A=abc", "A=abcde", "A=ab c", "A=äb"] {
            assert_eq!(Stamp::parse(text), None, "{text}");
        }
    }
}
