//! The edge to JavaScript: JSON text in, JSON text out. `npm/index.js` makes objects of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::policy;
use crate::settings::{self, SettingsError};

/// What `mutate` gives.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mutation<'a> {
    ok: bool,
    mutated: bool,
    object: Option<&'a RawValue>,
    patch: json_patch::Patch,
    warnings: Vec<String>,
    audit_annotations: serde_json::Map<String, Value>,
    explanation: Value,
}

/// Something that cannot be done, as a value.
#[derive(Serialize)]
struct Failure {
    code: &'static str,
    path: String,
    message: String,
}

/// The part of an admission request that is handed back.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    object: Option<&'a RawValue>,
}

/// Answers an `AdmissionRequest` under settings, both as JSON.
///
/// Gives `{"ok": true, …}` with the object, the patch and what there is to say, or
/// `{"ok": false, "errors": […]}`.
#[wasm_bindgen]
pub fn mutate(request: &str, settings: &str) -> String {
    match try_mutate(request, settings) {
        Ok(mutation) => mutation,
        Err(failure) => failed(&[failure]),
    }
}

/// Checks settings, as JSON: `{"valid": …, "errors": […]}` with every error.
#[wasm_bindgen(js_name = validateSettings)]
pub fn validate_settings(settings: &str) -> String {
    let failure =
        |SettingsError { path, message }| Failure { code: "invalid-settings", path, message };
    let errors: Vec<Failure> = settings::validate(settings).into_iter().map(failure).collect();
    serde_json::json!({ "valid": errors.is_empty(), "errors": errors }).to_string()
}

fn try_mutate(request: &str, settings: &str) -> Result<String, Failure> {
    let at = |path: &'static str, code: &'static str| {
        move |error: serde_json::Error| Failure {
            code,
            path: path.to_owned(),
            message: format!("cannot be read: line {} column {}", error.line(), error.column()),
        }
    };
    let Request { object } =
        serde_json::from_str(request).map_err(at("request", "invalid-request"))?;
    let settings: &RawValue =
        serde_json::from_str(settings).map_err(at("settings", "invalid-settings"))?;
    let payload = format!("{{\"request\":{request},\"settings\":{settings}}}");
    let (answer, explanation) = policy::explain(payload.as_bytes());
    let mutated = answer.mutated_object().map(serde_json::from_str::<&RawValue>);
    let mutated = mutated.transpose().map_err(at("request.object", "internal"))?;
    let patch = match (object, mutated) {
        (Some(before), Some(after)) => json_patch::diff(&tree(before)?, &tree(after)?),
        _ => json_patch::Patch::default(),
    };
    let annotations = answer.report.audit_annotations();
    let mutation = Mutation {
        ok: true,
        mutated: mutated.is_some(),
        object: mutated.or(object),
        patch,
        warnings: answer.report.warnings(),
        audit_annotations: annotations.map(|(key, text)| (key.to_owned(), text.into())).collect(),
        explanation: explanation.to_json(&answer.report),
    };
    serde_json::to_string(&mutation).map_err(at("request.object", "internal"))
}

/// A tree to make a patch of. The core has no need of one, and takes more.
fn tree(object: &RawValue) -> Result<Value, Failure> {
    serde_json::from_str(object.get()).map_err(|_| Failure {
        code: "no-patch",
        path: "request.object".to_owned(),
        message: "is nested too deep for a patch, or holds a string that is not valid Unicode"
            .to_owned(),
    })
}

fn failed(errors: &[Failure]) -> String {
    serde_json::json!({ "ok": false, "errors": errors }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fails_with_values() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let settings = r#"{"admission_inject_v2":{"ddtraces":[{"namespace_selectors":["*"],
            "language":"java","image":"a/b:1"}]}}"#;
        let pod = |more: &str| {
            format!(
                r#"{{"operation":"CREATE","object":{{"apiVersion":"v1","kind":"Pod","deep":{more},
                "spec":{{"containers":[{{"name":"app"}}]}}}}}}"#
            )
        };
        for (request, settings, code, path) in [
            ("[]", "{}", "invalid-request", "request"),
            ("{", "{}", "invalid-request", "request"),
            ("{}", "{", "invalid-settings", "settings"),
            (&*pod(&deep), settings, "no-patch", "request.object"),
        ] {
            let failure: Value = serde_json::from_str(&mutate(request, settings)).unwrap();
            assert_eq!(failure["ok"], false);
            assert_eq!(failure["errors"][0]["code"], code, "{failure}");
            assert_eq!(failure["errors"][0]["path"], path);
        }
        let mutation: Value = serde_json::from_str(&mutate(&pod("1"), settings)).unwrap();
        assert_eq!(mutation["mutated"], true);
    }

    #[test]
    fn gives_back_what_it_leaves_alone() {
        let mutation: Value =
            serde_json::from_str(&mutate(r#"{"object":{"a":[1.0]}}"#, "null")).unwrap();
        assert_eq!(mutation["object"], serde_json::json!({ "a": [1.0] }));
        assert_eq!(mutation["mutated"], false);
        assert_eq!(mutation["patch"], serde_json::json!([]));
        assert_eq!(mutation["explanation"]["reason"]["code"], "other-operation");
    }
}
