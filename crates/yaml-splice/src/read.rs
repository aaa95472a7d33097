//! Parsers that keep the place of every value.

mod json;
pub(crate) mod scalar;
mod yaml;

pub(crate) use json::read as json;
pub(crate) use yaml::read as yaml;
