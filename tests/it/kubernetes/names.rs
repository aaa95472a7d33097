//! The forms of names: `k8s.io/apimachinery/pkg/util/validation`, where nothing else is cited.

use std::sync::LazyLock;

use regex_lite::Regex;

fn is_lower_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// `IsDNS1123Label`.
pub fn is_dns_label(name: &str) -> bool {
    name.len() <= 63 && is_dns_part(name)
}

/// `IsDNS1123Subdomain`.
pub fn is_dns_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_dns_part)
}

fn is_dns_part(name: &str) -> bool {
    let bytes = name.as_bytes();
    let end = |byte: Option<&u8>| byte.is_some_and(|byte| is_lower_alphanumeric(*byte));
    let inside = |byte: &u8| is_lower_alphanumeric(*byte) || *byte == b'-';
    end(bytes.first()) && end(bytes.last()) && bytes.iter().all(inside)
}

/// `IsQualifiedName`: the key of a label, an annotation or an extended resource.
pub fn is_qualified_name(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_name_part(name),
        None => is_name_part(key),
    }
}

/// `IsValidLabelValue`.
pub fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_name_part(value)
}

fn is_name_part(name: &str) -> bool {
    let bytes = name.as_bytes();
    let end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    name.len() <= 63 && end(bytes.first()) && end(bytes.last()) && bytes.iter().all(inside)
}

/// `IsValidPortName`: an `IANA_SVC_NAME`.
pub fn is_port_name(name: &str) -> bool {
    let inside = |byte: u8| is_lower_alphanumeric(byte) || byte == b'-';
    (1..=15).contains(&name.len())
        && name.bytes().all(inside)
        && name.bytes().any(|byte| byte.is_ascii_lowercase())
        && !name.contains("--")
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// `IsEnvVarName`. Kubernetes 1.34 takes more (`IsRelaxedEnvVarName`); no injection needs it.
pub fn is_env_name(name: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    name.bytes().all(inside)
        && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
        && name != "."
        && !name.starts_with("..")
}

/// `IsConfigMapKey`.
pub fn is_data_key(key: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=253).contains(&key.len())
        && key.bytes().all(inside)
        && key != "."
        && !key.starts_with("..")
}

/// The grammar of `github.com/distribution/reference`, which the kubelet reads images with
/// (`InvalidImageName`); the API server takes any text without spaces around it.
pub fn is_image_reference(image: &str) -> bool {
    static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
        let host = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
        let domain = format!("{host}(?:\\.{host})*(?::[0-9]+)?");
        let part = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
        let tag = "[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}";
        let digest = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
        let name = format!("(?:{domain}/)?{part}(?:/{part})*");
        Regex::new(&format!("^{name}(?::{tag})?(?:@{digest})?$")).unwrap()
    });
    REFERENCE.is_match(image)
}

#[test]
fn accepts_and_refuses_names() {
    type Form = fn(&str) -> bool;
    let (long, longer) = ("a".repeat(63), "a".repeat(64));
    let digest = format!("hub:5000/x/y:1@sha256:{}", "0".repeat(64));
    let table: [(&str, Form, &[&str], &[&str]); 8] = [
        ("label", is_dns_label, &["a", "0-a", &long], &["", "A", "-a", "a-", "a.b", &longer]),
        ("subdomain", is_dns_subdomain, &["a", "a.b-c.d"], &["", ".a", "a..b", "a_b"]),
        (
            "key",
            is_qualified_name,
            &["a", "A_b.c", "admission.datakit/injected", "container.x/y"],
            &["", "a/", "/a", "A/b", "a/b/c", "-a", &longer],
        ),
        ("label value", is_label_value, &["", "a", "1.2_x"], &["a b", "-", &longer]),
        ("port", is_port_name, &["http", "a1", "flameshot-port"], &["", "1", "a--b", "-a", "A"]),
        ("variable", is_env_name, &["A", "_a", "a.b-c"], &["", "1A", ".", "..a", "A B", "A=B"]),
        ("data key", is_data_key, &["a", "A.b", ".x"], &["", ".", "..", "..x", "a/b"]),
        (
            "image",
            is_image_reference,
            &["a", "a:1", "hub.example.com/x/y__z:v1.2-r", "localhost:5000/a", &digest],
            &["", "A", "a b", "a:", "http://a/b", "a@sha256:12", "a/:1"],
        ),
    ];
    for (form, check, accepted, refused) in table {
        for name in accepted {
            assert!(check(name), "{form}: refuses {name:?}");
        }
        for name in refused {
            assert!(!check(name), "{form}: accepts {name:?}");
        }
    }
}
