//! The edge to JavaScript: JSON text in, JSON text out. `npm/index.js` makes objects of it.
//!
//! A language comes as JSON too: a tag such as `"zh"`; null is English.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use wasm_bindgen::prelude::wasm_bindgen;

use datakit_injection::json::{self, Shape};
use datakit_injection::reader::SettingsError;
use datakit_injection::{policy, settings, validation};
use messages::Language;
use settings_tools::conditions::{Conditions, Scope, compile};
use settings_tools::convert::{self, Converted};
use settings_tools::document;

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

/// What `uninject` gives.
#[derive(Serialize)]
struct Uninjected<'a> {
    ok: bool,
    object: &'a RawValue,
    removed: Vec<String>,
}

/// An answer with settings.
#[derive(Serialize)]
struct WithSettings<'a> {
    /// As text, because the order of variables counts.
    settings: Option<&'a RawValue>,
    #[serde(flatten)]
    said: Value,
}

/// Something that cannot be done, as a value.
#[derive(Debug, Serialize)]
struct Failure {
    code: &'static str,
    path: String,
    message: String,
}

impl Failure {
    fn new(code: &'static str, path: &str, message: impl Into<String>) -> Self {
        Self { code, path: path.to_owned(), message: message.into() }
    }
}

impl From<Failure> for Vec<Failure> {
    fn from(failure: Failure) -> Self {
        vec![failure]
    }
}

/// The text of an answer, or what cannot be done.
type Answer = Result<String, Vec<Failure>>;

/// Answers an `AdmissionRequest` under settings, both as JSON.
///
/// Gives `{"ok": true, …}` with the object, the patch, warnings and the explanation, or
/// `{"ok": false, "errors": […]}`. The explanation and errors are in the language; the warnings are
/// those of the policy.
#[wasm_bindgen]
pub fn mutate(request: &str, settings: &str, language: &str) -> String {
    answered(language, |language| try_mutate(request, settings, language))
}

/// Checks settings, as JSON: `{"valid": …, "errors": […], "notes": […], "release": …}`, with every
/// error, what is probably unintended, and the release of the Operator that they are read for.
#[wasm_bindgen(js_name = validateSettings)]
pub fn validate_settings(settings: &str, language: &str) -> String {
    let errors = failures(validation::validate(settings));
    let validation = json!({
        "valid": errors.is_empty(),
        "errors": errors,
        "notes": notes_of(settings),
        "release": settings::release(settings),
    });
    said(validation, language_of(language))
}

/// Finds the settings in documents, a JSON array, and checks them as the command `check-settings`
/// does.
///
/// Gives `{"ok": true, …}` with the settings, where they are, and what `validateSettings` gives, or
/// `{"ok": false, "errors": […]}` where the documents hold no settings.
#[wasm_bindgen(js_name = checkSettings)]
pub fn check_settings(documents: &str, language: &str) -> String {
    answered(language, |language| try_check_settings(documents, language))
}

fn try_check_settings(documents: &str, language: Language) -> Answer {
    let documents: Vec<&RawValue> =
        serde_json::from_str(documents).map_err(unreadable("invalid-request", "documents"))?;
    let texts: Vec<&str> = documents.iter().map(|document| document.get()).collect();
    let found = document::find(&texts)
        .map_err(|error| Failure::new("invalid-settings", "", error.to_string()))?;
    let errors = failures(document::validate(&found.settings));
    let said = json!({
        "ok": true,
        "source": found.source,
        "readAs": found.to_string(),
        "document": found.document,
        "place": found.place,
        "valid": errors.is_empty(),
        "errors": errors,
        "notes": notes_of(&found.settings),
        "release": settings::release(&found.settings),
    });
    let settings = serde_json::from_str(&found.settings).ok();
    with_settings(settings, said, language)
}

/// Gives what is valid in settings, but probably unintended, as JSON: `{"ok": true, "notes": […]}`.
#[wasm_bindgen]
pub fn notes(settings: &str, language: &str) -> String {
    said(json!({ "ok": true, "notes": notes_of(settings) }), language_of(language))
}

/// Compiles the `matchConditions` of valid settings for a policy of `"pods"`, of `"workloads"` or of
/// both (`null`), as JSON: `{"ok": true, "conditions": […], "words": […], "notes": […]}`, or the errors
/// of the settings.
#[wasm_bindgen(js_name = conditions)]
pub fn match_conditions(settings: &str, resources: &str, language: &str) -> String {
    answered(language, |language| {
        check(settings)?;
        let scope = match resources {
            "\"pods\"" => Scope::Pods,
            "\"workloads\"" => Scope::Workloads,
            _ => Scope::All,
        };
        let Conditions { conditions, words, notes } = compile(settings, scope);
        let compiled =
            json!({ "ok": true, "conditions": conditions, "words": words, "notes": notes });
        Ok(said(compiled, language))
    })
}

/// Converts valid settings of any release to version 2, as JSON: `{"ok": true, "settings": …,
/// "notes": […]}`, or the errors of the settings.
#[wasm_bindgen(js_name = convertSettings)]
pub fn convert_settings(settings: &str, language: &str) -> String {
    answered(language, |language| {
        check(settings)?;
        let internal = unreadable("internal", "settings");
        let Converted { settings, notes } = convert::to_v2(settings).map_err(&internal)?;
        let settings = serde_json::from_str(&settings).map_err(&internal)?;
        with_settings(settings, json!({ "ok": true, "notes": notes }), language)
    })
}

/// Takes what was injected out of a workload by its record, all as JSON: everything, or the
/// injection that is named.
///
/// Gives `{"ok": true, "object": …, "removed": […]}`; the object as it is where nothing is recorded.
#[wasm_bindgen]
pub fn uninject(object: &str, settings: &str, injection: &str, language: &str) -> String {
    answered(language, |_| try_uninject(object, settings, injection))
}

fn try_uninject(object: &str, settings: &str, injection: &str) -> Answer {
    let opened = open("object", object)?;
    if opened.as_object().is_none() {
        let message = expected("an object", &opened);
        return Err(Failure::new("invalid-request", "object", message).into());
    }
    let injection = open("injection", injection)?;
    let name = injection.as_str();
    if name.is_none() && !injection.is_null() {
        let message = expected("a string", &injection);
        return Err(Failure::new("invalid-request", "injection", message).into());
    }
    let (text, removed) = match policy::uninject(object, settings, name.as_deref()) {
        Some(policy::Uninjected { object, removed }) => (object, removed),
        None => (object.to_owned(), Vec::new()),
    };
    let internal = unreadable("internal", "object");
    let object = serde_json::from_str(&text).map_err(&internal)?;
    Ok(serde_json::to_string(&Uninjected { ok: true, object, removed }).map_err(internal)?)
}

fn try_mutate(request: &str, settings: &str, language: Language) -> Answer {
    let opened = open("request", request)?;
    let Some(members) = opened.as_object() else {
        let message = expected("an object", &opened);
        return Err(Failure::new("invalid-request", "request", message).into());
    };
    let failures = check_request(members);
    if !failures.is_empty() {
        return Err(failures);
    }
    let object = members.get("object").and_then(json::Value::as_text);
    let object: Option<&RawValue> = object
        .map(serde_json::from_str)
        .transpose()
        .map_err(unreadable("invalid-request", "request.object"))?;
    let settings: &RawValue =
        serde_json::from_str(settings).map_err(unreadable("invalid-settings", "settings"))?;
    let payload = format!("{{\"request\":{request},\"settings\":{settings}}}");
    let (answer, explanation) = policy::explain(payload.as_bytes());
    let internal = unreadable("internal", "request.object");
    let mutated = answer.mutated_object().map(serde_json::from_str::<&RawValue>);
    let mutated = mutated.transpose().map_err(&internal)?;
    let patch = match (object, mutated) {
        (Some(before), Some(after)) => json_patch::diff(&tree(before)?, &tree(after)?),
        _ => json_patch::Patch::default(),
    };
    let annotations = answer.report.audit_annotations();
    let mut explanation = explanation.to_json(&answer.report);
    language.translate_members(&mut explanation);
    let mutation = Mutation {
        ok: true,
        mutated: mutated.is_some(),
        object: mutated.or(object),
        patch,
        warnings: answer.report.warnings(),
        audit_annotations: annotations.map(|(key, text)| (key.to_owned(), text.into())).collect(),
        explanation,
    };
    Ok(serde_json::to_string(&mutation).map_err(internal)?)
}

/// The operations of Kubernetes.
const OPERATIONS: &[&str] = &["CREATE", "UPDATE", "DELETE", "CONNECT"];

/// The members of a request that are read, besides its operation, and the types that they have.
const MEMBERS: &[(&str, &str)] = &[
    ("namespace", "a string"),
    ("subResource", "a string"),
    ("kind", "an object"),
    ("object", "an object"),
    ("oldObject", "an object"),
];

/// Why a request is none that an API server sends. Hosts of the policy send nothing else; callers of
/// a function do.
fn check_request(request: &json::Object) -> Vec<Failure> {
    let failure = |name: &str, message: String| {
        Failure::new("invalid-request", &format!("request.{name}"), message)
    };
    let given = |name| request.get(name).filter(|value| !value.is_null());
    let operation = given("operation").and_then(json::Value::as_str);
    let known = OPERATIONS.join(", ");
    let message = match (given("operation"), operation.as_deref()) {
        (_, Some(operation)) if OPERATIONS.contains(&operation) => None,
        (_, Some(other)) => Some(format!("is `{other}`, expected one of {known}")),
        (Some(value), None) => Some(expected("a string", value)),
        (None, None) => Some(format!("is required, one of {known}")),
    };
    let mut failures: Vec<_> = message.map(|it| failure("operation", it)).into_iter().collect();
    for (name, noun) in MEMBERS {
        if let Some(value) = given(name).filter(|value| value.type_name() != *noun) {
            failures.push(failure(name, expected(noun, value)));
        }
    }
    if matches!(operation.as_deref(), Some("CREATE" | "UPDATE")) && given("object").is_none() {
        failures.push(failure("object", "is required".to_owned()));
    }
    failures
}

/// Opens a text at its top.
fn open<'a>(path: &'static str, text: &'a str) -> Result<json::Value<'a>, Failure> {
    static TOP: Shape = Shape::Object(&[]);
    json::Value::open(text, &TOP).map_err(unreadable("invalid-request", path))
}

fn unreadable(code: &'static str, path: &'static str) -> impl Fn(serde_json::Error) -> Failure {
    move |error| {
        let (line, column) = (error.line(), error.column());
        Failure::new(code, path, format!("cannot be read: line {line} column {column}"))
    }
}

fn expected(noun: &str, found: &json::Value) -> String {
    format!("is {}, expected {noun}", found.type_name())
}

/// The errors of settings, if there are any.
fn check(settings: &str) -> Result<(), Vec<Failure>> {
    let failures = failures(validation::validate(settings));
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

fn failures(errors: Vec<SettingsError>) -> Vec<Failure> {
    let failure =
        |SettingsError { path, message }| Failure { code: "invalid-settings", path, message };
    errors.into_iter().map(failure).collect()
}

fn notes_of(settings: &str) -> Vec<Value> {
    let note = |SettingsError { path, message }| json!({ "path": path, "message": message });
    settings_tools::notes(settings).into_iter().map(note).collect()
}

/// A tree to make a patch of. The core has no need of one, and takes more.
fn tree(object: &RawValue) -> Result<Value, Failure> {
    serde_json::from_str(object.get()).map_err(|_| {
        let message = "is nested too deep for a patch, or holds a string that is not valid Unicode";
        Failure::new("no-patch", "request.object", message)
    })
}

/// An answer in the language of a tag.
fn answered(tag: &str, answer: impl FnOnce(Language) -> Answer) -> String {
    let language = language_of(tag);
    answer(language)
        .unwrap_or_else(|errors| said(json!({ "ok": false, "errors": errors }), language))
}

fn with_settings(settings: Option<&RawValue>, mut said: Value, language: Language) -> Answer {
    language.translate_members(&mut said);
    let answer = serde_json::to_string(&WithSettings { settings, said });
    Ok(answer.map_err(unreadable("internal", "settings"))?)
}

/// The text of an answer, with its messages in a language.
fn said(mut answer: Value, language: Language) -> String {
    language.translate_members(&mut answer);
    answer.to_string()
}

/// The language of a tag; English if it is no string.
fn language_of(tag: &str) -> Language {
    let tag: Option<String> = serde_json::from_str(tag).unwrap_or_default();
    tag.map(|tag| Language::of_tag(&tag)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: &str = r#"{"admission_inject_v2":{"ddtraces":[{"namespace_selectors":["*"],
        "language":"java","image":"a/b:1","envs":{"DD_AGENT_HOST":"datakit"}}]}}"#;

    fn read(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn pod(more: &str) -> String {
        format!(
            r#"{{"operation":"CREATE","object":{{"apiVersion":"v1","kind":"Pod","deep":{more},
            "spec":{{"containers":[{{"name":"app"}}]}}}}}}"#
        )
    }

    /// The code, path and message of every error.
    fn failures(answer: &str) -> Vec<String> {
        let answer = read(answer);
        assert_eq!(answer["ok"], false, "{answer}");
        let failure = |it: &Value| {
            let text = |key: &str| it[key].as_str().unwrap().to_owned();
            format!("{} {}: {}", text("code"), text("path"), text("message"))
        };
        answer["errors"].as_array().unwrap().iter().map(failure).collect()
    }

    #[test]
    fn refuses_requests_that_are_none() {
        let operations = "CREATE, UPDATE, DELETE, CONNECT";
        for (request, expected) in [
            ("null", &["request: is null, expected an object"][..]),
            ("[]", &["request: is an array, expected an object"]),
            ("{", &["request: cannot be read: line 1 column 1"]),
            ("{}", &["request.operation: is required, one of OPERATIONS"]),
            (
                r#"{"operation":"create","object":{}}"#,
                &["request.operation: is `create`, expected one of OPERATIONS"],
            ),
            (
                r#"{"operation":1,"object":{}}"#,
                &["request.operation: is a number, expected a string"],
            ),
            (r#"{"operation":"CREATE"}"#, &["request.object: is required"]),
            (r#"{"operation":"UPDATE","object":null}"#, &["request.object: is required"]),
            (
                r#"{"operation":"CREATE","object":"x","namespace":[],"kind":7,"subResource":{},
                    "oldObject":true}"#,
                &[
                    "request.namespace: is an array, expected a string",
                    "request.subResource: is an object, expected a string",
                    "request.kind: is a number, expected an object",
                    "request.object: is a string, expected an object",
                    "request.oldObject: is a boolean, expected an object",
                ],
            ),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|it| format!("invalid-request {}", it.replace("OPERATIONS", operations)))
                .collect();
            assert_eq!(failures(&mutate(request, SETTINGS, "null")), expected, "{request}");
        }
    }

    #[test]
    fn fails_with_values() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for (answer, code, path) in [
            (mutate(&pod("1"), "{", "null"), "invalid-settings", "settings"),
            (mutate(&pod(&deep), SETTINGS, "null"), "no-patch", "request.object"),
            (uninject("[]", "{}", "null", "null"), "invalid-request", "object"),
            (uninject("{", "{}", "null", "null"), "invalid-request", "object"),
            (uninject("{}", "{}", "1", "null"), "invalid-request", "injection"),
            (match_conditions("[]", "null", "null"), "invalid-settings", ""),
            (match_conditions(r#"{"a":1}"#, "null", "null"), "invalid-settings", "a"),
        ] {
            let failures = failures(&answer);
            assert!(failures[0].starts_with(&format!("{code} {path}: ")), "{failures:?}");
        }
        assert_eq!(read(&mutate(&pod("1"), SETTINGS, "null"))["mutated"], true);
    }

    #[test]
    fn gives_back_what_it_leaves_alone() {
        for operation in ["DELETE", "CONNECT"] {
            let request = format!(r#"{{"operation":"{operation}","object":{{"a":[1.0]}}}}"#);
            let mutation = read(&mutate(&request, "null", "null"));
            assert_eq!(mutation["object"], serde_json::json!({ "a": [1.0] }));
            assert_eq!(mutation["mutated"], false);
            assert_eq!(mutation["patch"], serde_json::json!([]));
            assert_eq!(mutation["explanation"]["reason"]["code"], "other-operation");
        }
        assert_eq!(
            read(&mutate(r#"{"operation":"DELETE"}"#, "null", "null"))["object"],
            Value::Null
        );
        let same = read(&uninject(r#"{"a":[1.0]}"#, "{}", "null", "null"));
        assert_eq!(same, serde_json::json!({ "ok": true, "object": {"a": [1.0]}, "removed": [] }));
    }

    #[test]
    fn notes_what_is_probably_a_mistake() {
        let nothing = "there are no rules: nothing is ever injected";
        for text in ["null", "{}"] {
            let expected = serde_json::json!([{ "path": "", "message": nothing }]);
            let noted = serde_json::json!({ "ok": true, "notes": expected });
            assert_eq!(read(&notes(text, "null")), noted);
            let checked = read(&validate_settings(text, "null"));
            assert_eq!(checked["notes"], expected);
            assert_eq!(checked["valid"], true);
            assert!(checked["release"].as_str().unwrap().starts_with("read as release "));
        }
        assert_eq!(read(&validate_settings("{", "null"))["release"], Value::Null);
        assert_eq!(read(&validate_settings(SETTINGS, "null"))["notes"], serde_json::json!([]));
    }

    #[test]
    fn finds_and_checks_settings() {
        let text =
            r#"{"admission_inject":{"ddtrace":{"envs":{"B":"1","A":"2"},"notes":["is empty"]}}}"#;
        let values = serde_json::json!({ "a": { "config": text } }).to_string();
        let checked = check_settings(&format!("[1,{values}]"), r#""zh""#);
        assert!(checked.contains(&format!("\"settings\":{text}")), "{checked}");
        let expected = serde_json::json!({
            "ok": true, "settings": read(text), "source": "chart-values", "document": 1,
            "place": "/a/config", "readAs": "chart 的 values，共 2 个文档中的第 2 个", "valid": false,
            "errors": [{
                "code": "invalid-settings", "path": "admission_inject.ddtrace.notes",
                "message": "未知的键",
            }],
            "notes": [], "release": "按 1.5 版读取：配置中没有 admission_inject_v2",
        });
        assert_eq!(read(&checked), expected);
        // The command tells where keys belong, too.
        let checked = read(&check_settings(r#"[{"ddtraces":[]}]"#, "null"));
        assert_eq!(checked["errors"][0]["message"], "belongs in `admission_inject_v2.ddtraces`");
        let map = r#"[{"kind":"ConfigMap","data":{"a.json":"{\"admission_x\":"}}]"#;
        let checked = read(&check_settings(map, "null"));
        assert_eq!(
            (&checked["settings"], &checked["place"]),
            (&Value::Null, &"/data/a.json".into())
        );
        assert_eq!(checked["errors"][0]["message"], "is not JSON: line 1 column 15");
        for (documents, expected) in [
            ("[]", "invalid-settings : is empty"),
            (
                r#"[{"kind":"ConfigMap"}]"#,
                "invalid-settings : is a ConfigMap without a configuration of Datakit Operator",
            ),
            ("{}", "invalid-request documents: cannot be read: line 1 column 0"),
        ] {
            assert_eq!(failures(&check_settings(documents, "null")), [expected]);
        }
    }

    #[test]
    fn speaks_the_language_that_is_asked_for() {
        let invalid = r#"{"log_level":"inof"}"#;
        let message = |answer: &str, pointer: &str| {
            read(answer).pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        for (tag, expected) in [
            (r#""zh""#, "未知的日志级别 `inof`；是否应为 `info`？"),
            (r#""zh-CN""#, "未知的日志级别 `inof`；是否应为 `info`？"),
            (r#""en""#, "unknown level `inof`; did you mean `info`?"),
            ("null", "unknown level `inof`; did you mean `info`?"),
            ("{", "unknown level `inof`; did you mean `info`?"),
        ] {
            assert_eq!(message(&validate_settings(invalid, tag), "/errors/0/message"), expected);
            assert_eq!(
                message(&match_conditions(invalid, "null", tag), "/errors/0/message"),
                expected
            );
        }
        let zh = r#""zh""#;
        assert_eq!(message(&notes("{}", zh), "/notes/0/message"), "没有规则：永远不会注入任何内容");
        assert_eq!(message(&mutate("1", "{}", zh), "/errors/0/message"), "应为对象，实际为数字");
        assert_eq!(
            message(&uninject("1", "{}", "null", zh), "/errors/0/message"),
            "应为对象，实际为数字"
        );
        // The object and the warnings are those of the policy.
        let pod = pod("\"is required\"").replace("\"name\":\"app\"", "\"name\":1");
        let mutation = read(&mutate(&pod, SETTINGS, zh));
        assert_eq!(mutation["object"]["deep"], "is required");
        assert_eq!(
            mutation["warnings"][0],
            "ddtrace-java is not injected into Pod: spec.containers of the pod template is \
             malformed; correct the pod template"
        );
        assert_eq!(
            mutation["explanation"]["warnings"][0],
            "ddtrace-java 未注入到 Pod：Pod 模板的 spec.containers 格式不正确；请修正 Pod 模板"
        );
        assert_eq!(mutation["explanation"]["steps"][0]["code"], "selects");
        assert_eq!(mutation["explanation"]["steps"][0]["message"], "匹配");
    }

    #[test]
    fn compiles_the_conditions_of_valid_settings() {
        let compiled = read(&match_conditions(SETTINGS, "null", "null"));
        let names: Vec<_> = compiled["conditions"].as_array().unwrap().iter().collect();
        assert_eq!(names[2]["name"], "asks-for-an-injection");
        assert_eq!(compiled["notes"], serde_json::json!([]));
    }

    #[test]
    fn converts_valid_settings() {
        let block = r#"{"images":{"logfwd_image":"a/b:1"},"envs":{"B":"1","A":"2"}}"#;
        let converted =
            convert_settings(&format!(r#"{{"admission_inject":{{"logfwd":{block}}}}}"#), r#""zh""#);
        assert!(converted.contains(r#""envs":{"B":"1","A":"2"}"#), "{converted}");
        let converted = read(&converted);
        let rule = &converted["settings"]["admission_inject_v2"]["logfwds"][0];
        assert_eq!((&rule["image"], &rule["check_annotation"]), (&"a/b:1".into(), &true.into()));
        let note = "第 2 版会把 Pod 的标签挂载到 logfwd；第 1 版不会";
        assert_eq!(converted["notes"], serde_json::json!([note]));
        assert_eq!(
            failures(&convert_settings(r#"{"a":1}"#, "null")),
            ["invalid-settings a: unknown key"]
        );
    }

    #[test]
    fn takes_out_what_it_put_in() {
        let object = serde_json::json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
            "spec": { "template": { "spec": { "containers": [{ "name": "app" }] } } },
        });
        let request = serde_json::json!({ "operation": "CREATE", "object": object }).to_string();
        let injected = read(&mutate(&request, SETTINGS, "null"))["object"].to_string();
        for injection in ["null", r#""ddtrace""#, r#""ddtrace-java""#] {
            let out = read(&uninject(&injected, SETTINGS, injection, "null"));
            assert_eq!(out["object"], object);
            assert_eq!(out["removed"], serde_json::json!(["ddtrace-java"]));
        }
        let out = read(&uninject(&injected, SETTINGS, r#""otel""#, "null"));
        assert_eq!(out["removed"], serde_json::json!([]));
        assert_eq!(out["object"].to_string(), read(&injected).to_string());
    }
}
