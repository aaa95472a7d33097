//! Only the examples count: one guest each.
