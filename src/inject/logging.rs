//! The `datakit/logs` annotation, and the directories whose files it names.

use super::share::{directory, share};
use super::{Context, Plan, Skip};
use crate::json::Value;
use crate::pod::Pod;
use crate::settings::LoggingRule;

pub(crate) const ANNOTATION: &str = "datakit/logs";

/// Plans the annotation and the sharing.
pub(crate) fn plan<'a>(
    pod: &Pod<'_, 'a>,
    rule: &LoggingRule,
    context: Context,
) -> Result<Plan<'a>, Skip> {
    let mut plan = Plan::default();
    let directories = rule.paths.iter().map(|path| directory(path).into());
    let _mounts = share(pod, directories, "datakit-logs-volume", context, &mut plan)?;
    plan.edits.annotations.push((ANNOTATION, Value::string(&rule.config)));
    Ok(plan)
}
