//! Guides: what is promised, how it is operated, how to move from an older table.

#[doc = include_str!("../docs/guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("../docs/moving.md")]
pub mod moving {}

#[doc = include_str!("../docs/operations.md")]
pub mod operations {}
