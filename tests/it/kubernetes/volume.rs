//! Volumes of a pod.

use std::collections::BTreeSet;

use serde_json::Value;

use super::container::check_resource_field;
use super::names::{is_data_key, is_dns_label, is_qualified_name};
use super::{Report, list, members, quantity, text};

/// `ValidateVolumes`. Gives the names that containers can mount: those of the volumes and of the claims.
pub fn check_all<'v>(
    spec: &'v Value,
    claims: &[&'v str],
    report: &mut Report,
) -> BTreeSet<&'v str> {
    let names = || list(spec, "volumes").iter().map(|volume| text(volume, "name"));
    report.refuse_twice(names(), "spec.volumes");
    for volume in list(spec, "volumes") {
        check(volume, spec, report);
    }
    names().chain(claims.iter().copied()).collect()
}

/// `validateVolumeSource`.
fn check(volume: &Value, spec: &Value, report: &mut Report) {
    let name = text(volume, "name");
    let path = format!("spec.volumes[{name}]");
    report.refuse_unless(is_dns_label(name), &format!("{path}.name"), "must be a DNS label");
    let sources = members(volume).filter(|(key, value)| *key != "name" && !value.is_null()).count();
    report.refuse_unless(sources == 1, &path, &format!("has {sources} sources"));
    for (kind, source) in members(volume) {
        let path = format!("{path}.{kind}");
        match &**kind {
            "emptyDir" => {
                let limit = &source["sizeLimit"];
                let is_limit =
                    limit.is_null() || quantity::parse(limit).is_some_and(|limit| limit >= 0);
                let limit_path = format!("{path}.sizeLimit");
                report.refuse_unless(is_limit, &limit_path, "must be a quantity of zero or more");
                let medium = text(source, "medium");
                if !medium.starts_with("HugePages") {
                    let known = ["", "Memory"];
                    report.refuse_other(&source["medium"], &known, &format!("{path}.medium"));
                }
            }
            // `validateHostPathVolumeSource`, `validatePathNoBacksteps`.
            "hostPath" => {
                let host = text(source, "path");
                let is_path = !host.is_empty() && !host.split('/').any(|part| part == "..");
                report.refuse_unless(is_path, &format!("{path}.path"), "required, and without ..");
                let known = [
                    "",
                    "DirectoryOrCreate",
                    "Directory",
                    "FileOrCreate",
                    "File",
                    "Socket",
                    "CharDevice",
                    "BlockDevice",
                ];
                report.refuse_other(&source["type"], &known, &format!("{path}.type"));
            }
            "configMap" => {
                report.refuse_unless(!text(source, "name").is_empty(), &path, "has no name");
                check_items(source, &path, report);
            }
            "secret" => {
                report.refuse_unless(!text(source, "secretName").is_empty(), &path, "has no name");
                check_items(source, &path, report);
            }
            "persistentVolumeClaim" => {
                report.refuse_unless(!text(source, "claimName").is_empty(), &path, "has no name");
            }
            "csi" => {
                report.refuse_unless(!text(source, "driver").is_empty(), &path, "has no driver");
            }
            "downwardAPI" => check_downward(source, spec, &path, report),
            "projected" => check_projected(source, spec, &path, report),
            _ => {}
        }
        let mode = &source["defaultMode"];
        let is_mode = mode.is_null() || mode.as_u64().is_some_and(|mode| mode <= 0o777);
        report.refuse_unless(is_mode, &format!("{path}.defaultMode"), "must be in 0-0777");
    }
}

/// `validateProjectionSources`.
fn check_projected(source: &Value, spec: &Value, path: &str, report: &mut Report) {
    for source in list(source, "sources") {
        let kinds = members(source).filter(|(_, value)| !value.is_null()).count();
        report.refuse_unless(kinds == 1, path, "must have exactly one kind of source");
        for (kind, source) in members(source) {
            if kind == "downwardAPI" {
                check_downward(source, spec, path, report);
            } else {
                check_items(source, path, report);
            }
        }
    }
}

/// `validateKeyToPath`.
fn check_items(source: &Value, path: &str, report: &mut Report) {
    for item in list(source, "items") {
        report.refuse_unless(is_data_key(text(item, "key")), path, "invalid key");
        let is_path = is_within(text(item, "path"));
        report.refuse_unless(is_path, path, "path must be relative and without ..");
    }
}

/// `validateLocalNonReservedPath`.
fn is_within(path: &str) -> bool {
    !path.is_empty() && !path.starts_with('/') && !path.split('/').any(|part| part == "..")
}

/// `validateDownwardAPIVolumeFile`.
fn check_downward(source: &Value, spec: &Value, path: &str, report: &mut Report) {
    for item in list(source, "items") {
        let file = text(item, "path");
        let path = format!("{path}[{file}]");
        report.refuse_unless(is_within(file), &path, "must be a relative path without ..");
        let (field, resource) = (&item["fieldRef"], &item["resourceFieldRef"]);
        if field.is_null() == resource.is_null() {
            report.refuse(&path, "must have exactly one source");
        }
        if !field.is_null() {
            let field = text(field, "fieldPath");
            let is_whole = matches!(
                field,
                "metadata.name"
                    | "metadata.namespace"
                    | "metadata.uid"
                    | "metadata.labels"
                    | "metadata.annotations"
            );
            let is_field = is_whole || is_entry(field);
            report.refuse_unless(is_field, &path, "unsupported fieldPath");
        }
        if !resource.is_null() {
            check_resource_field(resource, spec, true, &path, report);
        }
    }
}

/// One label or annotation: `metadata.labels['KEY']`.
pub fn is_entry(path: &str) -> bool {
    let rest = path.strip_prefix("metadata.labels['");
    let rest = rest.or_else(|| path.strip_prefix("metadata.annotations['"));
    rest.and_then(|rest| rest.strip_suffix("']")).is_some_and(is_qualified_name)
}
