//! Image references, as `github.com/distribution/reference` has them.

use std::fmt;

use thiserror::Error;

use crate::reader::{Errors, Section};

/// A checked image reference: `[registry/]name[:tag][@digest]`.
///
/// ```
/// use datakit_injection::rules::image::ImageReference;
///
/// let image = ImageReference::parse("hub.example.com:5000/lib/java-init:v1").unwrap();
/// assert_eq!(image.with_tag("v2").unwrap().to_string(), "hub.example.com:5000/lib/java-init:v2");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReference {
    name: String,
    /// The tag with its colon and the digest with its at sign, verbatim.
    suffix: String,
}

/// Why a text is not an image reference.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ImageReferenceError {
    /// Nothing is there.
    #[error("is empty; give the image to inject")]
    Empty,
    /// The name has a character that names do not have.
    #[error("is not an image reference: `{0}` in the name; names are lower case, without spaces")]
    Character(char),
    /// The registry or the name is malformed.
    #[error("is not an image reference, which is `[registry/]name[:tag][@digest]`")]
    Name,
    /// The tag is malformed.
    #[error("is not an image reference: a tag has letters, digits, `_`, `.`, `-`, at most 128")]
    Tag,
    /// The digest is malformed.
    #[error("is not an image reference: a digest is `@sha256:` and 64 hexadecimal digits")]
    Digest,
}

impl ImageReference {
    /// Reads a reference.
    ///
    /// # Errors
    ///
    /// Where a container runtime would refuse it.
    pub fn parse(text: &str) -> Result<Self, ImageReferenceError> {
        if text.is_empty() {
            return Err(ImageReferenceError::Empty);
        }
        let (tagged, digest) = match text.split_once('@') {
            Some((tagged, digest)) => (tagged, Some(digest)),
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let (name, tag) = match tagged.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (tagged, None),
        };
        if !is_name(name) {
            let is_known = |char: &char| {
                char.is_ascii_lowercase() || char.is_ascii_digit() || "._-/:[]".contains(*char)
            };
            return Err(match name.chars().find(|char| !is_known(char)) {
                Some(char) if !char.is_control() => ImageReferenceError::Character(char),
                _ => ImageReferenceError::Name,
            });
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(ImageReferenceError::Tag);
        }
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(ImageReferenceError::Digest);
        }
        let suffix = text.strip_prefix(name).unwrap_or_default().to_owned();
        Ok(Self { name: name.to_owned(), suffix })
    }

    /// Whether this is the same image as another, in another version. A digest beside a tag says
    /// nothing about the version.
    pub fn is_other_version(&self, other: &Self) -> bool {
        fn tag(image: &ImageReference) -> &str {
            match &*image.suffix {
                "" => ":latest",
                suffix => suffix.split_once('@').map_or(suffix, |(tag, _)| tag),
            }
        }
        self.name == other.name && tag(self) != tag(other)
    }

    /// The same image with another tag. A digest, which would win over the tag, goes.
    ///
    /// # Errors
    ///
    /// Where the text is not a tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ImageReferenceError> {
        if is_tag(tag) {
            Ok(Self { name: self.name.clone(), suffix: format!(":{tag}") })
        } else {
            Err(ImageReferenceError::Tag)
        }
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{}{}", self.name, self.suffix)
    }
}

/// Reads an image at a key; nothing where it is absent or wrong.
pub fn image(section: &Section, key: &str, errors: &mut Errors) -> Option<ImageReference> {
    let text = section.string(key, errors)?;
    match ImageReference::parse(&text) {
        Ok(image) => Some(image),
        Err(error @ ImageReferenceError::Empty) => {
            section.missing(key, error, errors);
            None
        }
        Err(error) => {
            section.error(key, error, errors);
            None
        }
    }
}

fn is_name(name: &str) -> bool {
    let (registry, path) = match name.split_once('/') {
        // The first part is a registry where it looks like a host.
        Some((host, path))
            if host.contains(['.', ':'])
                || host == "localhost"
                || host.contains(|char: char| char.is_ascii_uppercase()) =>
        {
            (Some(host), path)
        }
        _ => (None, name),
    };
    name.len() <= 255 && registry.is_none_or(is_registry) && path.split('/').all(is_path_component)
}

fn is_registry(registry: &str) -> bool {
    if let Some((address, port)) = registry.strip_prefix('[').and_then(|r| r.split_once(']')) {
        let is_address = address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
        return is_address && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (host, port) = match registry.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (registry, None),
    };
    let is_label = |label: &str| {
        let is_inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty()
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(is_label) && port.is_none_or(is_port)
}

fn is_port(port: &str) -> bool {
    !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
}

/// Lower-case letters and digits, separated by `.`, `_`, `__` or any number of `-`.
fn is_path_component(component: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_edge = |b: Option<u8>| b.is_some_and(is_word);
    let mut separators = component.split(|char: char| u8::try_from(char).is_ok_and(is_word));
    is_edge(component.bytes().next())
        && is_edge(component.bytes().next_back())
        && separators.all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
        })
}

fn is_tag(tag: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|b| is_word(b) || matches!(b, b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else {
        return false;
    };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn replaces_the_tag_and_nothing_else() {
        for (image, expected) in [
            ("nginx", "nginx:v9"),
            ("nginx:1.22", "nginx:v9"),
            ("library/nginx:1.22", "library/nginx:v9"),
            ("localhost:5000/java-init", "localhost:5000/java-init:v9"),
            ("localhost/java-init:1", "localhost/java-init:v9"),
            ("hub.example.com:5000/a/b-c/d__e.f:v1", "hub.example.com:5000/a/b-c/d__e.f:v9"),
            ("[2001:db8::1]:5000/a:1", "[2001:db8::1]:5000/a:v9"),
        ] {
            let parsed = ImageReference::parse(image).unwrap();
            assert_eq!(parsed.to_string(), image);
            assert_eq!(parsed.with_tag("v9").unwrap().to_string(), expected);
            let pinned = ImageReference::parse(&format!("{image}{DIGEST}")).unwrap();
            assert_eq!(pinned.to_string(), format!("{image}{DIGEST}"));
            assert_eq!(pinned.with_tag("v9").unwrap().to_string(), expected);
        }
    }

    #[test]
    fn rejects_what_is_no_reference() {
        use ImageReferenceError::{Character, Digest, Empty, Name, Tag};
        for (image, expected) in [
            ("", Empty),
            (" ", Character(' ')),
            ("Nginx", Character('N')),
            ("hub.example.com/", Name),
            ("/nginx", Name),
            ("a//b", Name),
            ("nginx ", Character(' ')),
            ("-nginx", Name),
            ("a___b", Name),
            ("a..b", Name),
            ("hub_x.example.com/a", Name),
            ("hub.example.com:x/a", Name),
            ("http://example.com/a", Name),
            (":v1", Name),
            ("nginx:", Tag),
            ("nginx:a b", Tag),
            ("nginx:-a", Tag),
            ("nginx@sha256", Digest),
            ("nginx@sha256:abc", Digest),
            ("nginx@sha256:e3b0c44298fc1c149afbf4c8996fb924", Digest),
            ("nginx@", Digest),
            ("nginx@md5:e3b0c44298fc1c149afbf4c8996fb924", Digest),
        ] {
            assert_eq!(ImageReference::parse(image), Err(expected), "`{image}`");
        }
    }

    #[test]
    fn rejects_what_is_no_tag() {
        let image = ImageReference::parse("nginx").unwrap();
        let too_long = "x".repeat(129);
        for tag in ["", ".1", "a/b", "a:b", "a@b", "a b", "ä", &too_long] {
            assert_eq!(image.with_tag(tag), Err(ImageReferenceError::Tag), "`{tag}`");
        }
    }
}
