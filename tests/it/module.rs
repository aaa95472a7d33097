//! The module as a file, and its other functions.

use std::path::Path;

use serde_json::json;
use wasmparser::{Parser, Payload};

use crate::host::Host;

fn bytes(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("no module at {}: {error}; `make policy.wasm` builds it", path.display())
    })
}

/// What a module wants of its host, and what it gives.
fn interface(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.unwrap() {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.unwrap();
                    imports.push(format!("{}.{}", import.module, import.name));
                }
            }
            Payload::ExportSection(section) => {
                exports.extend(section.into_iter().map(|export| export.unwrap().name.to_owned()));
            }
            _ => {}
        }
    }
    imports.sort();
    exports.sort();
    (imports, exports)
}

#[test]
fn imports_nothing_but_wapc() {
    let (imports, _) = interface(&bytes("policy.wasm"));
    assert!(!imports.is_empty());
    assert!(imports.iter().all(|import| import.starts_with("wapc.")), "{imports:?}");
}

#[test]
fn speaks_the_protocol_of_the_engine() {
    let answer = Host::shared().call("protocol_version", b"").unwrap();
    assert_eq!(String::from_utf8(answer).unwrap(), json!("v1").to_string());
}
