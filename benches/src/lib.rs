//! What the benchmarks of the family measure, and what they measure it with: one bench target per concern.
//!
//! `cargo xtask bench AREA` runs the targets of an area and holds their figures against `limits.toml`: each has a
//! baseline that is measured in the same run, so that the machine doesn't matter. What a fault run
//! needs is here too: `cargo xtask chaos AREA` runs the example `chaos_AREA`.

pub mod fake_transport;
pub mod first_try;
pub mod interleaved;
pub mod loopback;
pub mod post;
pub mod throughput;
