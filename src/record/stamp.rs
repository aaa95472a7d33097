//! Stamps: short hashes that tell whether what was added is still as it was.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::json::{Object, Shape, Value};
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
    let text: &str = match value {
        Value::Object(object) => return Some(hash_of_object(object, depth)),
        Value::Array(elements) => return Some(hash_of_array(elements, key, depth)),
        Value::Text(text) => text,
        Value::New(text) => text,
    };
    if let Some(hash) = hash_of_compact(text, key, depth) {
        return hash;
    }
    hash_of_opened(text, key, depth)
}

/// The same for a text of any form.
fn hash_of_opened(text: &str, key: &str, depth: usize) -> Option<u64> {
    static OBJECT: Shape = Shape::Object(&[]);
    static ARRAY: Shape = Shape::Array(&Shape::Text);
    let shape = match text.as_bytes().first() {
        Some(b'{') if depth < DEPTH => &OBJECT,
        Some(b'[') if depth < DEPTH => &ARRAY,
        _ => return hash_of_scalar(text, key.as_bytes()),
    };
    Some(match Value::open(text, shape) {
        Ok(Value::Object(object)) => hash_of_object(&object, depth),
        Ok(Value::Array(elements)) => hash_of_array(&elements, key, depth),
        _ => hash(SEED, text.as_bytes()),
    })
}

/// The same for a text that has nothing escaped and no white space between its tokens, as we write
/// nearly all that is added; nothing where it has, or nests too deep.
fn hash_of_compact(text: &str, key: &str, depth: usize) -> Option<Option<u64>> {
    let mut compact = Compact(text.as_bytes());
    let hash = compact.value(key.as_bytes(), depth)?;
    compact.0.is_empty().then_some(hash)
}

/// The rest of a compact text.
struct Compact<'t>(&'t [u8]);

impl<'t> Compact<'t> {
    fn value(&mut self, key: &[u8], depth: usize) -> Option<Option<u64>> {
        let inner = depth.saturating_add(1);
        match self.0.first()? {
            b'"' => Some(hash_of_string(self.string()?, key)),
            b'{' if depth < DEPTH => {
                self.take(b'{');
                let mut sum = hash(SEED, b"{");
                while !self.take(b'}') {
                    let key = self.string()?;
                    if !self.take(b':') {
                        return None;
                    }
                    add_member(&mut sum, key, self.value(key, inner)?);
                    self.end_of_element(b'}')?;
                }
                Some(Some(sum))
            }
            b'[' if depth < DEPTH => {
                self.take(b'[');
                let mut so_far = hash(SEED, b"[");
                while !self.take(b']') {
                    so_far = add_element(so_far, self.value(key, inner)?);
                    self.end_of_element(b']')?;
                }
                Some(Some(so_far))
            }
            b't' | b'f' | b'n' | b'-' | b'0'..=b'9' => {
                let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']');
                let length = self.0.iter().position(is_end).unwrap_or(self.0.len());
                let (text, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Some(hash_of_scalar(std::str::from_utf8(text).ok()?.trim_ascii(), key))
            }
            _ => None,
        }
    }

    /// A string that has nothing escaped.
    fn string(&mut self) -> Option<&'t [u8]> {
        let inner = self.0.strip_prefix(b"\"")?;
        let length = inner.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        let (string, rest) = inner.split_at_checked(length)?;
        self.0 = rest.strip_prefix(b"\"")?;
        Some(string)
    }

    fn take(&mut self, token: u8) -> bool {
        let rest = self.0.strip_prefix(&[token]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Takes the comma between two elements; the closing bracket stays.
    fn end_of_element(&mut self, close: u8) -> Option<()> {
        (self.take(b',') || self.0.first() == Some(&close)).then_some(())
    }
}

fn hash_of_scalar(text: &str, key: &[u8]) -> Option<u64> {
    if let Some(string) = Value::Text(text).as_str() {
        return hash_of_string(string.as_bytes(), key);
    }
    let is_default = matches!((key, text), (_, "null" | "false") | (b"defaultMode", "420"));
    (!is_default).then(|| hash(SEED, text.as_bytes()))
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

fn hash_of_array(elements: &[Value], key: &str, depth: usize) -> u64 {
    elements.iter().fold(hash(SEED, b"["), |so_far, element| {
        add_element(so_far, hash_of(element, key, depth.saturating_add(1)))
    })
}

fn add_element(so_far: u64, element: Option<u64>) -> u64 {
    mix(so_far, element.unwrap_or_default())
}

/// A sum of its members' hashes, which is the same in any order.
fn hash_of_object(object: &Object, depth: usize) -> u64 {
    let mut sum = hash(SEED, b"{");
    for (key, value) in object.iter() {
        let key = key.name().unwrap_or_default();
        add_member(&mut sum, key.as_bytes(), hash_of(value, &key, depth.saturating_add(1)));
    }
    sum
}

fn add_member(sum: &mut u64, key: &[u8], value: Option<u64>) {
    if let Some(value) = value {
        *sum = sum.wrapping_add(mix(hash(SEED, key), value));
    }
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
    fn hashes_texts_in_two_ways() {
        for (text, is_short) in [
            (r#"{"name":"A","value":"b c"}"#, true),
            (r#"{"value":"b c","name":"A"}"#, true),
            (r#"{"name":"A","value":""}"#, true),
            (r#"{"apiVersion":"v1","divisor":"1k","sizeLimit":"1Mi"}"#, true),
            (r#"{"name":"A","value":"b\"c"}"#, false),
            (r#"{"name":"A","value":"\u0041"}"#, false),
            (r#"{"name":"A","value":"\ud800"}"#, false),
            (r#"{"na\u006de":"A"}"#, false),
            (r#"{"name": "A"}"#, false),
            (r#"{"name":"A"} "#, false),
            (r#"{"name" :"A"}"#, false),
            (r#"{"name":"A", "b":1}"#, false),
            ("[1, 2]", false),
            (r#"{"a": "b,c"}"#, false),
            ("[ ]", false),
            ("[1 ]", true),
            (r#"{"name":"A","value":true,"b":false,"c":null,"defaultMode":420}"#, true),
            (r#"{"mode":420,"defaultMode":421,"n":1.5e3}"#, true),
            (r#"{"name":"A","valueFrom":{"a":"b","c":{}}}"#, true),
            (r#"{"name":"A","list":["a","b",null,{"c":""},[]]}"#, true),
            (r#"{"sizeLimit":["1k",{"sizeLimit":"1Gi","a":"1Gi"}]}"#, true),
            (r#"{"a":"{\u007d"}"#, false),
            (r#"{"a":"},[]:{"}"#, true),
            (r#"[[[[[[[["a"]]]]]]]]"#, true),
            (r#"[[[[[[[[["a"]]]]]]]]]"#, false),
            (r#""plain""#, true),
            ("7", true),
            ("null", true),
            ("{}", true),
            ("[]", true),
        ] {
            assert_eq!(hash_of_compact(text, "", 0).is_some(), is_short, "{text}");
            assert_eq!(hash_of(&Value::Text(text), "", 0), hash_of_opened(text, "", 0), "{text}");
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
