#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(unreachable_pub)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
    )
)]

mod align;
mod document;
mod edit;
mod emit;
mod error;
mod hunks;
mod read;
mod splice;
mod stream;
mod style;
mod text;
mod tree;
mod value;

pub use document::{Document, Edited};
pub use error::ParseError;
pub use hunks::{Hunk, hunks};
pub use splice::{Edit, apply};
pub use stream::{Part, parse_stream};
pub use value::Value;
