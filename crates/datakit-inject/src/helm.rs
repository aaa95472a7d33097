//! Recognises templates of Helm charts, which have to be rendered first.

use std::path::Path;

use crate::terminal::Problem;

/// Reports a file that is a Helm template. `{{` can be valid YAML, so outside of a chart's `templates`
/// folder it counts only together with a parse error.
pub(crate) fn template(file: &Path, text: &str, is_malformed: bool) -> Option<Problem> {
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
