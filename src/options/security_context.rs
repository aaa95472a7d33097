//! `policy.security_context`: a security context that Kubernetes takes in any pod.
//!
//! What the API server refuses there, it would refuse in every pod that something is injected into. The
//! rules are those of its validation: `ValidateSecurityContext` in `pkg/apis/core/validation`.

use std::borrow::Cow;

use crate::json::Value;
use crate::reader::{Case, Errors, Path, Section, expected, unknown};

/// The fields, and their types.
const FIELDS: &[(&str, &str)] = &[
    ("allowPrivilegeEscalation", "a boolean"),
    ("appArmorProfile", "an object"),
    ("capabilities", "an object"),
    ("privileged", "a boolean"),
    ("procMount", "a string"),
    ("readOnlyRootFilesystem", "a boolean"),
    ("runAsGroup", "a number"),
    ("runAsNonRoot", "a boolean"),
    ("runAsUser", "a number"),
    ("seLinuxOptions", "an object"),
    ("seccompProfile", "an object"),
    ("windowsOptions", "an object"),
];

/// Where `type` and `localhostProfile` name a profile.
const PROFILES: &[&str] = &["appArmorProfile", "seccompProfile"];
const PROFILE_TYPES: &[&str] = &["RuntimeDefault", "Unconfined", "Localhost"];

const SE_LINUX: &[&str] = &["level", "role", "type", "user"];
const WINDOWS: &[&str] = &["gmsaCredentialSpec", "gmsaCredentialSpecName", "runAsUserName"];

/// Reads the option; its JSON, unless it is absent, empty or invalid.
pub(super) fn read<'a>(section: &Section<'_, 'a>, errors: &mut Errors) -> Option<Cow<'a, str>> {
    let mut found = Errors::default();
    let context = section.section("security_context", Case::Sensitive, &mut found);
    if let Some(context) = &context {
        check(context, &mut found);
    }
    let is_valid = found.is_empty();
    errors.extend(found);
    // An empty one is none.
    context.filter(|context| is_valid && !context.is_empty())?;
    section.get("security_context").map(|value| value.to_json().into())
}

fn check(context: &Section, errors: &mut Errors) {
    let known: Vec<&str> = FIELDS.iter().map(|&(name, _)| name).collect();
    context.check_keys(&known, errors);
    for (name, noun) in FIELDS {
        if let Some(value) = context.get(name)
            && value.type_name() != *noun
        {
            expected(&Path::Key(&context.path, name), noun, value, errors);
        }
    }
    for name in ["runAsUser", "runAsGroup"] {
        check_id(context, name, errors);
    }
    for name in PROFILES {
        check_profile(context, name, errors);
    }
    check_strings(context, "seLinuxOptions", SE_LINUX, errors);
    check_strings(context, "windowsOptions", WINDOWS, errors);
    if context.get("procMount").and_then(Value::as_str).is_some_and(|it| it != "Default") {
        context.error("procMount", "must be `Default` in pods that share the host's users", errors);
    }
    let added = added_capabilities(context, errors);
    let is = |name: &str, text: &'static str| context.get(name) == Some(&Value::Text(text));
    if is("allowPrivilegeEscalation", "false") {
        if is("privileged", "true") {
            context.error("allowPrivilegeEscalation", "conflicts with `privileged`", errors);
        } else if added.iter().any(|name| name == "CAP_SYS_ADMIN") {
            context.error("allowPrivilegeEscalation", "conflicts with `CAP_SYS_ADMIN`", errors);
        }
    }
    if is("runAsNonRoot", "true") && is("runAsUser", "0") {
        context.error("runAsNonRoot", "conflicts with `runAsUser`", errors);
    }
}

/// Checks the number of a user or a group.
fn check_id(context: &Section, name: &str, errors: &mut Errors) {
    let Some(text) = context.get(name).filter(|value| value.type_name() == "a number") else {
        return;
    };
    let text = text.as_text().unwrap_or_default();
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        context.error(name, "is not a whole number", errors);
    } else if text.parse::<i32>().is_err() {
        context.error(name, "is larger than 2147483647", errors);
    }
}

fn check_profile(context: &Section, name: &str, errors: &mut Errors) {
    let Some(profile) = object(context, name, errors) else {
        return;
    };
    profile.check_keys(&["type", "localhostProfile"], errors);
    let path = profile.string("localhostProfile", errors);
    match profile.string("type", errors).as_deref() {
        None if profile.get("type").is_none() => profile.error("type", "is required", errors),
        None => {}
        Some("Localhost") if path.is_none_or(|path| path.is_empty()) => {
            profile.error("localhostProfile", "is required", errors);
        }
        Some("Localhost") => {}
        Some(kind) if !PROFILE_TYPES.contains(&kind) => {
            unknown(&profile, "type", "value", kind, PROFILE_TYPES, errors);
        }
        Some(_) if profile.get("localhostProfile").is_some() => {
            profile.error("localhostProfile", "is for the type `Localhost` alone", errors);
        }
        Some(_) => {}
    }
}

fn check_strings(context: &Section, name: &str, known: &[&str], errors: &mut Errors) {
    if let Some(options) = object(context, name, errors) {
        options.check_keys(known, errors);
        for key in known {
            let _text = options.string(key, errors);
        }
    }
}

fn added_capabilities<'a>(context: &Section<'_, 'a>, errors: &mut Errors) -> Vec<Cow<'a, str>> {
    let Some(capabilities) = object(context, "capabilities", errors) else {
        return Vec::new();
    };
    capabilities.check_keys(&["add", "drop"], errors);
    let _dropped = capabilities.strings("drop", errors, |_, name, _| Some(name));
    capabilities.strings("add", errors, |_, name, _| Some(name))
}

/// A field that is an object; another type is an error already.
fn object<'b, 'a>(
    context: &'b Section<'_, 'a>,
    name: &'b str,
    errors: &mut Errors,
) -> Option<Section<'b, 'a>> {
    context.get(name).filter(|value| value.type_name() == "an object")?;
    context.section(name, Case::Sensitive, errors)
}
