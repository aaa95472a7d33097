//! The resources of an added container.

use std::borrow::Cow;

use crate::reader::{Case, Errors, Path, Section};
use crate::rules::quantity::nanos;

/// The resources of a container: quantities as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources<'a> {
    /// `requests`: name and quantity.
    pub requests: Vec<(&'static str, Cow<'a, str>)>,
    /// `limits`: name and quantity.
    pub limits: Vec<(&'static str, Cow<'a, str>)>,
    /// Whether the settings give them; else they are the defaults.
    pub is_explicit: bool,
}

/// The names of the resources that settings may give.
const RESOURCE_NAMES: &[&str] = &["cpu", "memory"];

/// The limits of an added container where the settings give none.
const LIMITS: [(&str, &str); 2] = [("cpu", "500m"), ("memory", "512Mi")];

impl<'a> Resources<'a> {
    /// The same limits, all of them requested; where there are none, the default ones.
    pub(crate) fn guaranteed(&self) -> Self {
        let limit = |&(name, default): &(&'static str, &'static str)| {
            let given = self.limits.iter().find(|(limited, _)| *limited == name);
            (name, given.map_or(Cow::Borrowed(default), |(_, limit)| limit.clone()))
        };
        let limits: Vec<_> = LIMITS.iter().map(limit).collect();
        Self { requests: limits.clone(), limits, is_explicit: self.is_explicit }
    }

    /// The resources of an added container where the settings give none.
    pub(super) fn of_sidecars() -> Self {
        Self {
            requests: vec![("cpu", "100m".into()), ("memory", "64Mi".into())],
            limits: LIMITS.map(|(name, limit)| (name, limit.into())).into(),
            is_explicit: false,
        }
    }

    pub(super) fn read(section: &Section<'_, 'a>, errors: &mut Errors) -> Self {
        let Some(resources) = section.section("resources", Case::Insensitive, errors) else {
            return Self::default();
        };
        resources.check_keys(&["requests", "limits"], errors);
        let mut list = |key| match resources.section(key, Case::Insensitive, errors) {
            None => Vec::new(),
            Some(list) => {
                list.check_keys(RESOURCE_NAMES, errors);
                let quantity = |&name: &&'static str| {
                    Some((name, list.scalar(name, errors).filter(|text| !text.is_empty())?))
                };
                RESOURCE_NAMES.iter().filter_map(quantity).collect()
            }
        };
        let (requests, limits): (Vec<_>, Vec<_>) = (list("requests"), list("limits"));
        let is_explicit = !requests.is_empty() || !limits.is_empty();
        let read = Self { requests, limits, is_explicit };
        read.check(&resources, errors);
        read
    }

    fn check(&self, section: &Section, errors: &mut Errors) {
        for (key, list) in [("requests", &self.requests), ("limits", &self.limits)] {
            for (name, quantity) in list {
                if nanos(quantity).is_none() {
                    let path = Path::Key(&section.path, key);
                    let message = "is not a quantity, such as `100m` or `64Mi`";
                    errors.add(&Path::Key(&path, name), message);
                }
            }
        }
        for (name, request) in &self.requests {
            let limit = self.limits.iter().find(|(other, _)| other == name);
            if let Some((_, limit)) = limit
                && let (Some(request), Some(limit)) = (nanos(request), nanos(limit))
                && request > limit
            {
                let path = Path::Key(&section.path, "requests");
                errors.add(&Path::Key(&path, name), "is more than the limit");
            }
        }
    }
}
