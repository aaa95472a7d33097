//! Which pods a rule is for: namespace patterns and label selectors.

mod glob;
mod labels;
mod namespace;
mod re2;
mod target;

pub use glob::Glob;
pub use labels::{LabelSelector, LabelSelectorError, Syntax};
pub use labels::{Operator, Requirement};
pub use labels::{is_dns_label, is_dns_subdomain, is_qualified_name};
pub use namespace::NamespacePattern;
pub use re2::{Re2, Re2Error};
pub use target::{Entries, Target};
