//! Templates of Helm charts, which become manifests only when they are rendered.

use std::path::Path;

use crate::problem::Problem;

/// The problem of a file that is a template; nothing if it is none.
///
/// `{{` is valid YAML, though not in a manifest: in the templates of a chart it is enough to recognise
/// one, elsewhere only together with a parse error.
pub(crate) fn template(file: &Path, text: &str, is_malformed: bool) -> Option<Problem> {
    let place = text.find("{{")?;
    let is_below_templates = file.iter().any(|part| part == "templates");
    let chart = file.ancestors().skip(1).find(|folder| folder.join("Chart.yaml").is_file());
    let is_template = is_malformed || (is_below_templates && chart.is_some());
    is_template.then(|| {
        let chart = chart.map(|folder| match folder.to_str() {
            Some("") => ".".to_owned(),
            _ => folder.display().to_string(),
        });
        let chart = chart.unwrap_or_else(|| "CHART".to_owned());
        Problem {
            file: file.display().to_string(),
            line: Some(text.get(..place).unwrap_or_default().matches('\n').count() + 1),
            reason: format!(
                "a Helm template; render it first: helm template {chart} | datakit-inject COMMAND -f - -s SETTINGS"
            ),
        }
    })
}
