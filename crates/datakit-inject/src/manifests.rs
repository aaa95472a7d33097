//! Runs the objects of texts through a task, and edits the texts.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use yaml_splice::{Document, Edit, Part, Value, apply, parse_stream};

use crate::args::Paths;
use crate::evaluate::{Outcome, Task};
use crate::files::{self, Input, MAX_BYTES};
use crate::object::{has_objects, items, typed};
use crate::terminal::{Failure, Problem, count, error, note, say, warning};

/// Objects and the lines they start in; objects of a cluster have none.
type Objects = Vec<(Option<usize>, Outcome)>;

/// A text, and the results of a task for it.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    pub(crate) name: String,
    pub(crate) text: String,
    /// The changes of the task.
    pub(crate) edits: Vec<Edit>,
    /// The ranges of documents that are not manifests, with their separators.
    dropped: Vec<Edit>,
    pub(crate) documents: Vec<Objects>,
    problems: Vec<Problem>,
    /// Unreadable documents that look like manifests, in files found in folders.
    unread: Vec<Problem>,
    /// Notes on the result.
    notes: Vec<Problem>,
    /// The number of documents that do not look like manifests.
    passed_over: usize,
}

/// The number of files in memory at a time.
const BATCH: usize = 128;

/// Runs files through a task in parallel, and calls `done` with each result in their order. Prints problems
/// and notes; returns the number of problems.
pub(crate) fn each(
    paths: &Paths,
    task: Task,
    mut done: impl FnMut(&Input, Manifests) -> Result<(), Failure>,
) -> Result<usize, Failure> {
    let (inputs, unreadable) = files::find(&paths.all(None)?);
    let (mut problems, mut failed, mut passed_over) = (report(paths, &[], &unreadable), 0, 0);
    for batch in inputs.chunks(BATCH) {
        let read = |input: &Input| Manifests::read(input, task);
        let results: Vec<_> = batch.par_iter().map(read).collect();
        for (input, manifests) in batch.iter().zip(results) {
            let reported = report(paths, &manifests.problems, &manifests.unread);
            manifests.notes.iter().for_each(note);
            problems += reported;
            failed += usize::from(reported > 0);
            passed_over += manifests.passed_over;
            done(input, manifests)?;
        }
    }
    if passed_over > 0 && paths.verbose {
        let documents = count(passed_over, "document");
        note(say(&format!("{documents} without `apiVersion` and `kind` passed over")));
    }
    if failed > 0 && inputs.len() > 1 {
        let files = count(inputs.len(), "file");
        let message =
            format!("{failed} of {files} could not be read completely; the rest was processed");
        error(say(&message));
    }
    Ok(problems)
}

/// Prints problems of named files, and notes on others; the latter are problems too with `--strict`.
/// Returns the number of problems.
fn report(paths: &Paths, problems: &[Problem], unread: &[Problem]) -> usize {
    let problems: Vec<_> = problems.iter().chain(unread.iter().filter(|_| paths.strict)).collect();
    problems.iter().for_each(|problem| eprintln!("{problem}"));
    unread.iter().filter(|_| !paths.strict).for_each(note);
    problems.len()
}

impl Manifests {
    /// An object of a cluster, as YAML.
    pub(crate) fn of_object(name: String, text: String, task: Task) -> Self {
        let mut manifests = Self { name, ..Self::default() };
        if let Ok(Some(document)) = Document::parse_yaml(&text) {
            manifests.run(&document, 0, false, task);
        }
        Self { text, ..manifests }
    }

    fn read(input: &Input, task: Task) -> Self {
        let mut manifests = Self { name: input.path.display().to_string(), ..Self::default() };
        let text = match files::read(&input.path, MAX_BYTES) {
            Ok(text) => text,
            Err(problem) => {
                manifests.leave_out(0..0, input, Some(problem));
                return manifests;
            }
        };
        let parts = parse_stream(&text);
        let written = |part: &Part| text.get(part.range.clone()).unwrap_or_default();
        let is_template = |part: &Part| part.document.is_err() && written(part).contains("{{");
        let template = helm_template(&input.path, &text, parts.iter().any(is_template));
        if template.is_some() {
            manifests.leave_out(0..text.len(), input, template);
        } else {
            let has = |key| {
                text.lines().any(|it| it.trim_start_matches(['"', ' ', '{']).starts_with(key))
            };
            let is_meant = input.folder.is_none() || has("apiVersion") && has("kind");
            for part in &parts {
                match check(part, input, &manifests.name, is_meant) {
                    Ok(document) => {
                        manifests.run(document, part.range.start, input.is_patch, task);
                    }
                    Err(problem) => {
                        manifests.leave_out(part.outer..part.range.end, input, problem);
                    }
                }
            }
        }
        manifests.text = text;
        manifests
    }

    /// Leaves a part of the text out, with the problem if it should be a manifest.
    fn leave_out(&mut self, range: Range<usize>, input: &Input, problem: Option<Problem>) {
        self.dropped.push(Edit { range, text: String::new() });
        match (problem, &input.folder) {
            (None, _) => self.passed_over += 1,
            // Named files have to be manifests; files found in folders need not be.
            (Some(problem), None) => self.problems.push(problem),
            (Some(problem), Some(_)) => self.unread.push(problem),
        }
    }

    fn run(&mut self, document: &Document, start: usize, is_patch: bool, task: Task) {
        let (mut objects, mut changed) = run(document, task);
        let injects = |(_, it): &&mut (_, Outcome)| is_patch && !it.report.injected.is_empty();
        for (_, outcome) in objects.iter_mut().filter(injects) {
            outcome.leave_alone("a patch of a kustomization is left alone".to_owned());
            changed = None;
        }
        for (line, outcome) in &objects {
            let notes = outcome.notes.iter().map(|note| Problem::new(&self.name, *line, note));
            self.notes.extend(notes);
        }
        let removes = objects.iter().any(|(_, outcome)| !outcome.report.removed.is_empty());
        self.documents.push(objects);
        let Some(changed) = changed else { return };
        let line = document.entry_line("");
        let Some(edited) = document.edit(&changed) else {
            let reason = "the change cannot be written into this document";
            self.problems.push(Problem::new(&self.name, line, reason));
            return;
        };
        if edited.is_rewritten {
            let note = "is written anew, without its comments and anchors";
            self.notes.push(Problem::new(&self.name, line, note));
        } else if edited.lost_line.is_some() && !removes {
            let note = "`uninject` will not restore this line as it is written";
            self.notes.push(Problem::new(&self.name, edited.lost_line, note));
        }
        self.edits.extend(edited.edits.into_iter().map(|edit| edit.shifted(start)));
    }

    /// The text after the task, if it changed.
    pub(crate) fn changed(&self) -> Option<String> {
        (!self.edits.is_empty()).then(|| apply(&self.text, &self.edits))
    }

    /// The text after the task, without documents that are not manifests.
    pub(crate) fn printed(&self) -> String {
        let mut edits = [&*self.edits, &*self.dropped].concat();
        edits.sort_by_key(|edit| edit.range.start);
        apply(&self.text, &edits)
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = &(Option<usize>, Outcome)> {
        self.documents.iter().flatten()
    }

    /// Prints the warnings of the policy.
    pub(crate) fn warn(&self) {
        for (line, outcome) in self.objects() {
            for message in outcome.warnings() {
                warning(Problem::new(&self.name, *line, message));
            }
        }
    }
}

/// Reports a file that is a template of a Helm chart, which has to be rendered first. `{{` can be valid YAML,
/// so outside of a chart's `templates` folder it counts only together with a parse error.
fn helm_template(file: &Path, text: &str, is_malformed: bool) -> Option<Problem> {
    let offset = text.find("{{")?;
    let is_below_templates = file.iter().any(|part| part == "templates");
    let chart = file.ancestors().skip(1).find(|folder| folder.join("Chart.yaml").is_file());
    let is_template = is_malformed || (is_below_templates && chart.is_some());
    is_template.then(|| {
        let chart = chart.unwrap_or(Path::new("CHART"));
        let chart = if chart == Path::new("") { Path::new(".") } else { chart }.display();
        let line = text.get(..offset).unwrap_or_default().matches('\n').count() + 1;
        let reason = format!(
            "a Helm template; render it first: `helm template {chart} | datakit-inject COMMAND - -s SETTINGS`"
        );
        Problem::new(&file.display().to_string(), Some(line), reason)
    })
}

/// The document of a part if it is a manifest, or else the problem, if files in folders look like manifests.
fn check<'p, 't>(
    part: &'p Part<'t>,
    input: &Input,
    name: &str,
    is_meant: bool,
) -> Result<&'p Document<'t>, Option<Problem>> {
    let is_found = input.folder.is_some();
    let document = part
        .document
        .as_ref()
        .map_err(|error| is_meant.then(|| Problem::new(name, Some(error.line), &error.reason)))?;
    let has = |key| document.value().get(key).is_some_and(|value| value.as_str().is_some());
    let is_list = document.value().get("kind").and_then(Value::as_str) == Some("List");
    let is_malformed = is_list && !has_objects(document.value());
    if has("kind") && (has("apiVersion") || !is_found) && !is_malformed {
        return Ok(document);
    }
    let reason = match document.value() {
        Value::Mapping(_) if is_malformed => "not a manifest: `items` is not a list of objects",
        Value::Mapping(_) => "not a manifest: no `kind`",
        _ => "not a manifest: not an object",
    };
    let line = document.entry_line("").or(Some(1));
    Err((!is_found).then(|| Problem::new(name, line, reason)))
}

/// Runs the objects of a document through a task; returns the changed document, if it changed.
pub(crate) fn run(document: &Document, task: Task) -> (Objects, Option<Value>) {
    let (list, one) = (items(document.value()), std::slice::from_ref(document.value()));
    let named = |key| document.value().get(key).and_then(Value::as_str).unwrap_or_default();
    let (mut objects, mut changed) = (Vec::new(), None);
    for (index, object) in list.unwrap_or(one).iter().enumerate() {
        let pointer = list.map(|_| format!("/items/{index}")).unwrap_or_default();
        let json = serde_json::to_string(object).unwrap_or_default();
        let typed = list.and_then(|_| typed(&json, named("apiVersion"), named("kind")));
        let outcome = task(&typed.unwrap_or(json));
        let mutated = outcome.mutated.as_deref().and_then(|it| Document::parse_json(it).ok());
        let value = || document.value().clone();
        if let Some(mut mutated) = mutated.map(Document::into_value)
            && let Some(item) = changed.get_or_insert_with(value).pointer_mut(&pointer)
        {
            let is_own =
                |key: &str| !["apiVersion", "kind"].contains(&key) || item.get(key).is_some();
            mutated.as_mapping_mut().into_iter().for_each(|it| it.retain(|(key, _)| is_own(key)));
            *item = mutated;
        }
        objects.push((document.entry_line(&pointer), outcome));
    }
    (objects, changed)
}
