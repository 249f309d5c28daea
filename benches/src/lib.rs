//! Criterion benchmarks of the family: one bench target per area.
//!
//! `cargo xtask bench AREA` runs an area and holds its figures against `limits.toml`: each has a
//! baseline that is measured in the same run, so that the machine doesn't matter. What a fault run
//! needs is here too: `cargo xtask chaos AREA` runs the example `chaos_AREA`.
