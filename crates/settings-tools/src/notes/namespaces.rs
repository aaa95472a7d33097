//! Namespaces that are written as globs, or as what no namespace is called.

use datakit_injection::reader::{Case, Errors, Path, Section, string};
use datakit_injection::rules::candidate::{Candidate, Form};
use datakit_injection::selector::{NamespacePattern, is_dns_label};

/// Notes the patterns of a section that select something else than they seem to.
pub(super) fn note(candidate: &Candidate, are_names: bool, notes: &mut Errors) {
    let section = candidate.section;
    let key = match candidate.form {
        Form::List => "namespace_selectors",
        Form::Block(_) => "enabled_namespaces",
    };
    let list = Path::Key(&section.path, key);
    let mut errors = Errors::default();
    for (index, element) in section.list(key, &mut errors).iter().enumerate() {
        let path = Path::Index(&list, index);
        let text = match candidate.form {
            Form::List => string(&path, element, &mut errors),
            Form::Block(_) => Section::of_value(path, element, Case::Insensitive, &mut errors)
                .and_then(|entry| entry.string("namespace", &mut errors)),
        };
        let Some(text) = text else { continue };
        if are_names {
            if !is_dns_label(&text) {
                let message = "is no namespace's name, and up to release 1.5.12 only names match";
                notes.add(&path, message);
            }
        } else if let Some(message) = glob(&text) {
            notes.add(&path, message);
        } else if NamespacePattern::parse(text).is_ok_and(|it| name(&it).is_some_and(has_capitals))
        {
            notes.add(&path, "matches nothing: names of namespaces are lower case");
        }
    }
}

/// The note about an expression that looks like a glob: a name with `*` in it.
fn glob(text: &str) -> Option<String> {
    let inner = text.strip_prefix('^').unwrap_or(text);
    let inner = inner.strip_suffix('$').unwrap_or(inner);
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'*');
    if !inner.bytes().all(is_inner) || !inner.trim_start_matches('*').contains('*') {
        return None;
    }
    let (start, end) = match inner.strip_suffix('*') {
        Some(start) => (start, ""),
        None => (inner, "$"),
    };
    let meant = format!("^{}{end}", start.replace('*', ".*"));
    let mut found = start.chars();
    let _repeated = found.next_back();
    let found = found.as_str();
    Some(match text == inner && end.is_empty() && !found.is_empty() && !found.contains('*') {
        true => format!(
            "is a regular expression that finds `{found}` anywhere; did you mean `{meant}`?"
        ),
        false => format!(
            "is a regular expression, where `*` repeats the character before it; did you mean \
             `{meant}`?"
        ),
    })
}

/// The name, or the part of one, that a pattern matches literally.
pub(super) fn name<'p>(pattern: &'p NamespacePattern) -> Option<&'p str> {
    match pattern {
        NamespacePattern::Is(name)
        | NamespacePattern::StartsWith(name)
        | NamespacePattern::EndsWith(name)
        | NamespacePattern::Contains(name) => Some(name),
        NamespacePattern::All | NamespacePattern::Regex(_) => None,
    }
}

fn has_capitals(name: &str) -> bool {
    name.bytes().any(|b| b.is_ascii_uppercase())
}
