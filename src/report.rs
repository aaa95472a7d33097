//! What was done, and why not: for the person who applied the object, the audit log and the log.

use std::collections::BTreeSet;
use std::fmt;

/// Kubernetes truncates a longer warning.
const MAX_WARNING: usize = 256;

/// More warnings at once are not read, and Kubernetes drops what goes beyond 4,096 bytes together.
const MAX_WARNINGS: usize = 10;

/// The longest audit annotation: a sentence for each injection has room.
const MAX_AUDIT_ANNOTATION: usize = 2048;

/// The longest name of a workload or container that a message shows.
const MAX_NAME: usize = 63;

/// An injection, and its language where it has one, as reports name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InjectionName {
    /// The injection, such as `ddtrace`.
    pub injection: &'static str,
    /// The language, such as `java`, where the injection has one and it is known.
    pub language: Option<&'static str>,
}

impl fmt::Display for InjectionName {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(self.injection)?;
        self.language.map_or(Ok(()), |language| write!(formatter, "-{language}"))
    }
}

/// What happened to one object.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The object, such as `Deployment/web`.
    pub workload: String,
    /// What was injected, in order, and the rule that selected it.
    pub injected: Vec<(InjectionName, String)>,
    /// What was selected and is there already.
    pub present: Vec<InjectionName>,
    /// What was selected and not injected, and why.
    pub skipped: Vec<(InjectionName, String)>,
    /// What an earlier injection had added and is not injected again.
    pub removed: Vec<String>,
    /// What is in the pod by a rule, now or from before.
    in_place: Vec<(InjectionName, String)>,
    /// The sentences about what was asked for and not injected.
    refusals: Vec<String>,
    warnings: Vec<String>,
    /// Every warning, those beyond the limit included, to tell each cause once.
    causes: BTreeSet<String>,
    /// How many more warnings there would be.
    untold: usize,
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
    pub fn add_injected(&mut self, name: InjectionName, rule: String) {
        self.add_in_place(name, &rule);
        self.injected.push((name, rule));
    }

    /// Notes that something was injected before.
    pub(crate) fn add_present(&mut self, name: InjectionName, rule: &str) {
        self.add_in_place(name, rule);
        self.present.push(name);
    }

    /// Notes that a rule's part is in the pod, for the status.
    pub(crate) fn add_in_place(&mut self, name: InjectionName, rule: &str) {
        self.in_place.push((name, rule.to_owned()));
    }

    /// Notes that something was not injected, and warns.
    pub fn skip(&mut self, name: InjectionName, reason: &str, advice: &str) {
        let refusal = format!("{name} is not injected into {}: {reason}; {advice}", self.workload);
        self.add_refusal(&refusal);
        self.skipped.push((name, reason.to_owned()));
    }

    /// Warns that what was injected is not all that was asked for.
    pub(crate) fn fall_short(&mut self, name: InjectionName, note: &str) {
        self.add_refusal(&format!("{name} in {}: {note}", self.workload));
    }

    /// Warns that something was not injected.
    pub(crate) fn add_refusal(&mut self, refusal: &str) {
        self.add_warning(refusal);
        let refusal = shortened(refusal, MAX_WARNING);
        if self.refusals.len() < MAX_WARNINGS && !self.refusals.iter().any(|it| it == refusal) {
            self.refusals.push(refusal.to_owned());
        }
    }

    /// Notes that everything that was injected had to be undone.
    pub(crate) fn take_back(&mut self, reason: &str, advice: &str) {
        self.in_place.clear();
        for (name, _) in std::mem::take(&mut self.injected) {
            self.skip(name, reason, advice);
        }
    }

    /// Warns about something that was injected all the same.
    pub fn warn_about(&mut self, name: InjectionName, note: &str) {
        self.add_warning(&format!("{name} in {}: {note}", self.workload));
    }

    /// Warns about the object as a whole.
    pub fn warn(&mut self, note: &str) {
        self.add_warning(&format!("{}: {note}", self.workload));
    }

    /// Counts warnings that nobody words, because there are more than are shown.
    pub(crate) fn left_untold(&mut self, count: usize) {
        self.untold = self.untold.saturating_add(count);
    }

    fn add_warning(&mut self, warning: &str) {
        let warning = shortened(warning, MAX_WARNING);
        if self.causes.insert(warning.to_owned()) && self.warnings.len() <= MAX_WARNINGS {
            self.warnings.push(warning.to_owned());
        }
    }

    /// Sentences for the person who applied the object: at most ten of at most 256 bytes each.
    pub fn warnings(&self) -> Vec<String> {
        let all = self.causes.len().saturating_add(self.untold);
        if all <= MAX_WARNINGS {
            return self.warnings.clone();
        }
        let shown = MAX_WARNINGS.saturating_sub(1);
        let more = all.saturating_sub(shown);
        let mut warnings: Vec<String> = self.warnings.iter().take(shown).cloned().collect();
        warnings.push(format!("{more} more warnings about {} are not shown", self.workload));
        warnings
    }

    /// The audit annotations `injected`, `skipped` and `removed`, where there is something to say.
    pub fn audit_annotations(&self) -> impl Iterator<Item = (&'static str, String)> {
        let injected: Vec<_> = self.injected.iter().map(|(name, _)| name.to_string()).collect();
        let skipped: Vec<_> =
            self.skipped.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
        let annotations = [
            ("injected", injected.join(",")),
            ("skipped", joined(&skipped, "; ", MAX_AUDIT_ANNOTATION)),
            ("removed", self.removed.join(",")),
        ];
        annotations.into_iter().filter(|(_, value)| !value.is_empty())
    }

    /// What a pod has by which rule, and why it did not get the rest: the warnings about what was
    /// skipped, as far as they fit; nothing where there is nothing to say.
    pub(crate) fn status(&self, max: usize) -> Option<String> {
        let by = |(name, rule): &(InjectionName, String)| format!("{name} by {rule}");
        let in_place: Vec<String> = self.in_place.iter().map(by).collect();
        let injected = (!in_place.is_empty()).then(|| format!("injected: {}", in_place.join(", ")));
        let lines: Vec<String> =
            injected.into_iter().chain(self.refusals.iter().cloned()).collect();
        (!lines.is_empty()).then(|| joined(&lines, "\n", max))
    }
}

/// Texts with a separator between them, as many as fit.
fn joined(texts: &[String], separator: &str, max: usize) -> String {
    let mut out = String::new();
    for (index, text) in texts.iter().enumerate() {
        let rest = texts.len().saturating_sub(index);
        let more = format!("{separator}{rest} more");
        let length = out.len().saturating_add(separator.len()).saturating_add(text.len());
        let room = if rest > 1 { more.len() } else { 0 };
        if length.saturating_add(room) > max {
            return if index == 0 { shortened(text, max).to_owned() } else { out + &more };
        }
        if index > 0 {
            out.push_str(separator);
        }
        out.push_str(text);
    }
    out
}

fn shortened(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

/// A name as messages may show it: shortened, and empty unless it is a valid Kubernetes name.
pub(crate) fn shown(name: &str) -> &str {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':');
    let name = name.get(..MAX_NAME).unwrap_or(name);
    if name.bytes().all(is_name) { name } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JAVA: InjectionName = InjectionName { injection: "ddtrace", language: Some("java") };
    const LOGFWD: InjectionName = InjectionName { injection: "logfwd", language: None };

    #[test]
    fn says_what_to_change_once() {
        let mut report = Report::new("Deployment", "web");
        for _ in 0..2 {
            report.skip(LOGFWD, "the annotation is not JSON", "correct it");
        }
        let expected = "logfwd is not injected into Deployment/web: the annotation is not JSON; \
                        correct it";
        assert_eq!(report.warnings(), [expected]);
    }

    #[test]
    fn keeps_warnings_within_what_kubernetes_shows() {
        let mut report = Report::new("Deployment", &"x".repeat(253));
        for index in 0..200 {
            report.skip(JAVA, &format!("{index}{}", "é".repeat(200)), "");
        }
        assert!(report.workload.len() < 80);
        let warnings = report.warnings();
        assert_eq!(warnings.len(), 10);
        assert!(warnings[..9].iter().all(|warning| (255..=256).contains(&warning.len())));
        assert!(warnings[9].starts_with("191 more warnings about Deployment/"), "{}", warnings[9]);
        let (_, skipped) = report.audit_annotations().next().unwrap();
        assert!(skipped.len() <= 2048 && skipped.ends_with("more"), "{skipped}");
        assert!(report.status(1024).unwrap().len() <= 1024);
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
        report.add_injected(JAVA, String::new());
        report.add_injected(LOGFWD, String::new());
        report.skip(InjectionName { injection: "profiler", language: None }, "why", "what to do");
        report.removed.push("otel-java".to_owned());
        let annotations: Vec<_> = report.audit_annotations().collect();
        let expected = [
            ("injected", "ddtrace-java,logfwd".to_owned()),
            ("skipped", "profiler: why".to_owned()),
            ("removed", "otel-java".to_owned()),
        ];
        assert_eq!(annotations, expected);
    }
}
