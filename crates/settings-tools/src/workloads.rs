//! The rules that a policy needs for the kinds of `policy.extra_workloads`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use datakit_injection::reader::Errors;
use datakit_injection::selector::{is_dns_label, is_dns_subdomain};
use datakit_injection::settings::with_settings;

use crate::conditions::is_built_in;

/// A resource of the API, as kubectl writes it: `rollouts.argoproj.io`, or
/// `rollouts.v1alpha1.argoproj.io`.
///
/// ```
/// use settings_tools::workloads::Resource;
///
/// let resource: Resource = "rollouts.v1alpha1.argoproj.io".parse().unwrap();
/// assert_eq!(resource.version.as_deref(), Some("v1alpha1"));
/// assert_eq!(resource.to_string(), "rollouts.argoproj.io");
/// assert!("Rollout".parse::<Resource>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The plural of the kind.
    pub plural: String,
    /// The version; any if it is not given.
    pub version: Option<String>,
    /// The group.
    pub group: String,
}

impl FromStr for Resource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (plural, rest) = text.split_once('.').unwrap_or((text, ""));
        let (version, group) = match rest.split_once('.') {
            Some((version, group)) if is_version(version) => (Some(version.to_owned()), group),
            _ => (None, rest),
        };
        if !is_dns_label(plural) || !(group.is_empty() || is_dns_subdomain(group)) {
            return Err("is not a resource, such as `rollouts.argoproj.io`".to_owned());
        }
        Ok(Self { plural: plural.to_owned(), version, group: group.to_owned() })
    }
}

/// Whether a word is a version: `v1`, `v1alpha1`.
fn is_version(word: &str) -> bool {
    let rest = word.strip_prefix('v').unwrap_or_default();
    let rest = rest.replace("alpha", "").replace("beta", "");
    !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit())
}

impl fmt::Display for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match &*self.group {
            "" => formatter.write_str(&self.plural),
            group => write!(formatter, "{}.{group}", self.plural),
        }
    }
}

/// The resource of a kind in `policy.extra_workloads`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// The resource.
    pub resource: Resource,
    /// The kind that it was guessed from, if it was not given.
    pub guessed_from: Option<String>,
}

impl Extra {
    /// What the reader should know of a guess.
    pub fn note(&self) -> Option<String> {
        let (resource, kind) = (&self.resource, self.guessed_from.as_ref()?);
        Some(format!(
            "`{resource}` is guessed from the kind `{kind}`; if it has another name, pass `--resource`"
        ))
    }
}

/// The resources of the kinds in `policy.extra_workloads` of valid settings, from their JSON text:
/// those that are given, by their group, else the plurals of the kinds.
///
/// # Errors
///
/// If a resource is given that no kind has the group of.
///
/// ```
/// let settings = r#"{"policy":{"extra_workloads":[
///     {"group":"argoproj.io","kind":"Rollout","template":"/spec/template"}]}}"#;
/// let extras = settings_tools::workloads::extras(settings, &[]).unwrap();
/// assert_eq!(extras[0].resource.to_string(), "rollouts.argoproj.io");
/// assert_eq!(extras[0].guessed_from.as_deref(), Some("Rollout"));
/// ```
pub fn extras(settings: &str, given: &[Resource]) -> Result<Vec<Extra>, String> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    with_settings(settings, &mut Errors::default(), |settings, _| {
        for extra in settings.options.extra_workloads.iter().filter(|extra| !is_built_in(extra)) {
            let kinds = groups.entry(extra.group.to_string()).or_default();
            if !kinds.iter().any(|kind| *kind == extra.kind) {
                kinds.push(extra.kind.to_string());
            }
        }
    });
    if let Some(other) = given.iter().find(|resource| !groups.contains_key(&resource.group)) {
        return Err(format!("policy.extra_workloads has no kind of the group of `{other}`"));
    }
    let of_group = |(group, kinds): (String, Vec<String>)| {
        let given: Vec<_> = given.iter().filter(|resource| resource.group == group).collect();
        of_group(&group, &kinds, &given)
    };
    Ok(groups.into_iter().flat_map(of_group).collect())
}

fn of_group(group: &str, kinds: &[String], given: &[&Resource]) -> Vec<Extra> {
    let plurals: Vec<String> = kinds.iter().map(|kind| plural(kind)).collect();
    let given_one = |resource: &Resource| Extra { resource: resource.clone(), guessed_from: None };
    // A resource that is not called as a kind suggests is that of a kind without one.
    let mut others = given.iter().filter(|resource| !plurals.contains(&resource.plural));
    let mut extras = Vec::new();
    for (kind, plural) in kinds.iter().zip(&plurals) {
        let named = given.iter().find(|resource| resource.plural == *plural);
        extras.push(match named.or_else(|| others.next()) {
            Some(resource) => given_one(resource),
            None => {
                let (plural, group) = (plural.clone(), group.to_owned());
                let resource = Resource { plural, version: None, group };
                Extra { resource, guessed_from: Some(kind.clone()) }
            }
        });
    }
    extras.extend(others.map(|resource| given_one(resource)));
    extras
}

/// The plural of a kind by the rules of English, which is probably the name of its resource.
pub fn plural(kind: &str) -> String {
    let singular = kind.to_ascii_lowercase();
    if let Some(stem) = singular.strip_suffix('y').filter(|it| !it.ends_with(is_vowel)) {
        return format!("{stem}ies");
    }
    let is_hissing = ["s", "x", "ch", "sh"].iter().any(|end| singular.ends_with(end));
    format!("{singular}{}", if is_hissing { "es" } else { "s" })
}

fn is_vowel(char: char) -> bool {
    "aeiou".contains(char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_kinds_their_resources() {
        let settings = r#"{"policy":{"extra_workloads":[
            {"group":"a.io","kind":"Policy","template":"/spec"},
            {"group":"a.io","kind":"Gateway","template":"/spec"},
            {"group":"b.io","kind":"Mesh","template":"/spec"},
            {"group":"b.io","kind":"Mesh","template":"/other"},
            {"group":"apps","kind":"Deployment","template":"/spec/template"}]}}"#;
        for (given, expected, guesses) in [
            (&[][..], "policies.a.io gateways.a.io meshes.b.io", 3),
            (&["gateways.a.io"][..], "policies.a.io gateways.a.io meshes.b.io", 2),
            (&["things.a.io", "mesh.v1.b.io"], "things.a.io gateways.a.io mesh.b.io", 1),
        ] {
            let given: Vec<Resource> = given.iter().map(|text| text.parse().unwrap()).collect();
            let extras = extras(settings, &given).unwrap();
            let resources: Vec<_> = extras.iter().map(|it| it.resource.to_string()).collect();
            let notes = extras.iter().filter_map(Extra::note).count();
            assert_eq!((&*resources.join(" "), notes), (expected, guesses));
        }
        let other = "rollouts.argoproj.io".parse().unwrap();
        assert!(extras(settings, &[other]).is_err());
    }
}
