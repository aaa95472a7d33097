//! Stamps: short hashes that tell whether what was added is still as it was.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::json::{Object, Shape, Value};
use crate::rule::nanos;

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

/// FNV-1a's offset basis and prime, for 64 bits.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// Hashes by the address of the text, as long as nobody gives the texts up.
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
/// It is the same for any order of keys, and with or without what the API server adds by default.
fn hash24(element: &Value) -> u32 {
    let hash = hash_of(element, "", 0).unwrap_or_default();
    let folded = hash ^ (hash >> 24) ^ (hash >> 48);
    u32::try_from(folded & 0xff_ffff).unwrap_or_default()
}

/// The hash of the value of a key; nothing where the API server may drop the member, or may have
/// added it.
fn hash_of(value: &Value, key: &str, depth: usize) -> Option<u64> {
    static OBJECT: Shape = Shape::Object(&[]);
    static ARRAY: Shape = Shape::Array(&Shape::Text);
    // Nothing that is added nests deeper; what does was changed.
    const DEPTH: usize = 8;
    let text: &str = match value {
        Value::Object(object) => return Some(hash_of_object(object, depth)),
        Value::Array(elements) => return Some(hash_of_array(elements, key, depth)),
        Value::Text(text) => text,
        Value::New(text) => text,
    };
    // Most variables and mounts.
    if let Some(hash) = hash_of_strings(text) {
        return Some(hash);
    }
    let shape = match text.as_bytes().first() {
        Some(b'{') if depth < DEPTH => &OBJECT,
        Some(b'[') if depth < DEPTH => &ARRAY,
        _ => return hash_of_scalar(text, key),
    };
    Some(match Value::open(text, shape) {
        Ok(Value::Object(object)) => hash_of_object(&object, depth),
        Ok(Value::Array(elements)) => hash_of_array(&elements, key, depth),
        _ => hash(OFFSET, text.as_bytes()),
    })
}

/// The hash of an object that has nothing but strings in it, with nothing escaped and no white space
/// between them.
fn hash_of_strings(text: &str) -> Option<u64> {
    if !text.starts_with("{\"") || text.contains('\\') {
        return None;
    }
    let mut pieces = text.as_bytes().split(|byte| *byte == b'"').skip(1);
    let mut sum = hash(OFFSET, b"{");
    loop {
        let (key, colon, value) = (pieces.next()?, pieces.next()?, pieces.next()?);
        if colon != b":" {
            return None;
        }
        add_member(&mut sum, key, hash_of_string(value, key));
        match pieces.next()? {
            b"," => {}
            b"}" => return Some(sum),
            _ => return None,
        }
    }
}

fn hash_of_scalar(text: &str, key: &str) -> Option<u64> {
    if let Some(string) = Value::Text(text).as_str() {
        return hash_of_string(string.as_bytes(), key.as_bytes());
    }
    let is_default = matches!((key, text), (_, "null" | "false") | ("defaultMode", "420"));
    (!is_default).then(|| hash(OFFSET, text.as_bytes()))
}

fn hash_of_string(string: &[u8], key: &[u8]) -> Option<u64> {
    match (key, string) {
        (_, b"") | (b"apiVersion", b"v1") => None,
        // The API server writes quantities in another form.
        (b"sizeLimit" | b"divisor", _) if let Some(nanos) = quantity(string) => {
            Some(hash(OFFSET, &nanos.to_le_bytes()))
        }
        _ => Some(hash(hash(OFFSET, b"\""), string)),
    }
}

fn quantity(string: &[u8]) -> Option<u128> {
    nanos(std::str::from_utf8(string).ok()?)
}

fn hash_of_array(elements: &[Value], key: &str, depth: usize) -> u64 {
    elements.iter().fold(hash(OFFSET, b"["), |so_far, element| {
        let element = hash_of(element, key, depth.saturating_add(1)).unwrap_or_default();
        hash(so_far, &element.to_le_bytes())
    })
}

/// A sum of its members' hashes, which is the same in any order.
fn hash_of_object(object: &Object, depth: usize) -> u64 {
    let mut sum = hash(OFFSET, b"{");
    for (key, value) in object.iter() {
        let key = key.name().unwrap_or_default();
        add_member(&mut sum, key.as_bytes(), hash_of(value, &key, depth.saturating_add(1)));
    }
    sum
}

fn add_member(sum: &mut u64, key: &[u8], value: Option<u64>) {
    if let Some(value) = value {
        *sum = sum.wrapping_add(hash(hash(OFFSET, key), &value.to_le_bytes()));
    }
}

/// FNV-1a, from an earlier hash on.
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// The short way gives the same hash.
    #[test]
    fn hashes_strings_in_two_ways() {
        static OBJECT: Shape = Shape::Object(&[]);
        for (text, is_short) in [
            (r#"{"name":"A","value":"b c"}"#, true),
            (r#"{"value":"b c","name":"A"}"#, true),
            (r#"{"name":"A","value":""}"#, true),
            (r#"{"apiVersion":"v1","divisor":"1k","sizeLimit":"1Mi"}"#, true),
            (r#"{"name":"A","value":"b\"c"}"#, false),
            (r#"{"name":"A","value":"\u0041"}"#, false),
            (r#"{"name": "A"}"#, false),
            (r#"{"name":"A"} "#, false),
            (r#"{"name":"A","value":true}"#, false),
            (r#"{"name":"A","valueFrom":{"a":"b"}}"#, false),
            (r#"{"name":"A","list":["a","b"]}"#, false),
            ("{}", false),
        ] {
            let opened = hash24(&Value::open(text, &OBJECT).unwrap());
            assert_eq!(hash24(&Value::Text(text)), opened, "{text}");
            assert_eq!(hash_of_strings(text).is_some(), is_short, "{text}");
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
