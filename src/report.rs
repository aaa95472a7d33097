//! What was done, and why not: for the person who applied the object, the audit log and the log.

use std::fmt;

use crate::settings::Language;

/// Kubernetes truncates a longer warning.
const MAX_WARNING: usize = 256;

/// The longest name of a workload or container that a message shows.
const MAX_NAME: usize = 63;

/// An injection, as reports name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injection {
    /// The Datadog library of a language.
    Ddtrace(Option<Language>),
    /// The OpenTelemetry agent of a language.
    Otel(Option<Language>),
    /// The logfwd sidecar.
    Logfwd,
    /// The flameshot sidecar.
    Flameshot,
    /// The profiler sidecar of a language.
    Profiler(Option<Language>),
    /// The `datakit/logs` annotation and its volumes.
    Logging,
}

impl fmt::Display for Injection {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let (name, language) = match self {
            Self::Ddtrace(language) => ("ddtrace", *language),
            Self::Otel(language) => ("otel", *language),
            Self::Logfwd => ("logfwd", None),
            Self::Flameshot => ("flameshot", None),
            Self::Profiler(language) => ("profiler", *language),
            Self::Logging => ("logging", None),
        };
        formatter.write_str(name)?;
        language.map_or(Ok(()), |language| write!(formatter, "-{}", language.name()))
    }
}

/// What happened to one object.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The object, such as `Deployment/web`.
    pub workload: String,
    /// What was injected, in order, and the rule that asked for it.
    pub injected: Vec<(Injection, String)>,
    /// What was asked for and is there already.
    pub present: Vec<Injection>,
    /// What was asked for and not injected, and why.
    pub skipped: Vec<(Injection, String)>,
    /// Sentences for the person who applied the object, at most 256 bytes each.
    pub warnings: Vec<String>,
}

impl Report {
    /// A report on an object of that kind and name.
    pub fn new(kind: &str, name: &str) -> Self {
        let workload = match (shown(kind), shown(name)) {
            (kind, "") => kind.to_owned(),
            (kind, name) => format!("{kind}/{name}"),
        };
        Self { workload, ..Self::default() }
    }

    /// Notes that something was injected.
    pub fn injected(&mut self, injection: Injection, rule: String) {
        self.injected.push((injection, rule));
    }

    /// Notes that something was not injected, and warns.
    pub fn skipped(&mut self, injection: Injection, reason: &str, advice: &str) {
        let warning =
            format!("{injection} is not injected into {}: {reason}; {advice}", self.workload);
        self.warn(warning);
        self.skipped.push((injection, reason.to_owned()));
    }

    /// Warns about something that was injected all the same.
    pub fn noted(&mut self, injection: Injection, note: &str) {
        self.warn(format!("{injection} in {}: {note}", self.workload));
    }

    fn warn(&mut self, mut warning: String) {
        let fits = warning.floor_char_boundary(MAX_WARNING);
        warning.truncate(fits);
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The audit annotations: `injected` and `skipped`, where there is something to say.
    pub fn audit_annotations(&self) -> impl Iterator<Item = (&'static str, String)> {
        let injected: Vec<_> = self.injected.iter().map(|(name, _)| name.to_string()).collect();
        let skipped: Vec<_> =
            self.skipped.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
        let annotations = [("injected", injected.join(",")), ("skipped", skipped.join("; "))];
        annotations.into_iter().filter(|(_, value)| !value.is_empty())
    }
}

/// A name as messages may show it: nothing where it is not one that Kubernetes gives to objects,
/// and not more of it than a message has room for.
pub(crate) fn shown(name: &str) -> &str {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':');
    if !name.bytes().all(is_name) {
        return "";
    }
    name.get(..MAX_NAME).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_to_change_once() {
        let mut report = Report::new("Deployment", "web");
        for _ in 0..2 {
            report.skipped(Injection::Logfwd, "the annotation is not JSON", "correct it");
        }
        let expected = "logfwd is not injected into Deployment/web: the annotation is not JSON; \
                        correct it";
        assert_eq!(report.warnings, [expected]);
    }

    #[test]
    fn keeps_warnings_within_what_kubernetes_shows() {
        let mut report = Report::new("Deployment", &"x".repeat(253));
        report.skipped(Injection::Ddtrace(Some(Language::Java)), &"é".repeat(200), "");
        assert_eq!(report.warnings[0].len(), 256);
        assert!(report.workload.len() < 80);
    }

    #[test]
    fn shows_no_name_that_is_none() {
        for (kind, name, expected) in [
            ("Pod", "web", "Pod/web"),
            ("Pod", "", "Pod"),
            ("Pod", "two words", "Pod"),
            ("Pod", "new\nline", "Pod"),
            ("Pod", "ä", "Pod"),
        ] {
            assert_eq!(Report::new(kind, name).workload, expected);
        }
    }

    #[test]
    fn annotates_only_what_happened() {
        let mut report = Report::new("Pod", "web");
        assert_eq!(report.audit_annotations().count(), 0);
        report.injected(Injection::Ddtrace(Some(Language::Java)), String::new());
        report.injected(Injection::Logfwd, String::new());
        report.skipped(Injection::Profiler(None), "why", "what to do");
        let annotations: Vec<_> = report.audit_annotations().collect();
        let expected = [
            ("injected", "ddtrace-java,logfwd".to_owned()),
            ("skipped", "profiler: why".to_owned()),
        ];
        assert_eq!(annotations, expected);
    }
}
