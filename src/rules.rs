//! The rules of the settings: each is read here, from its selectors to its resources.
//!
//! [`candidates`] visits the rules of every release in one form; [`read`] reads what every rule has.

pub mod blocks;
pub mod candidate;
pub mod candidates;
pub mod env;
pub mod image;
pub mod lists;
pub mod quantity;
pub mod read;
pub mod resources;
pub mod selectors;
