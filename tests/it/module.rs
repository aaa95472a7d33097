//! The module as a file, and its other functions.

use serde_json::json;
use wasmparser::{Parser, Payload};

use crate::host::Host;

#[test]
fn imports_nothing_but_wapc() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/policy.wasm");
    let bytes = std::fs::read(path).unwrap();
    let mut imports = Vec::new();
    for payload in Parser::new(0).parse_all(&bytes) {
        if let Payload::ImportSection(section) = payload.unwrap() {
            for import in section.into_imports() {
                imports.push(import.unwrap().module.to_owned());
            }
        }
    }
    assert!(!imports.is_empty());
    assert!(imports.iter().all(|module| module == "wapc"), "{imports:?}");
}

#[test]
fn speaks_the_protocol_of_the_engine() {
    let answer = Host::shared().call("protocol_version", b"").unwrap();
    assert_eq!(String::from_utf8(answer).unwrap(), json!("v1").to_string());
}
