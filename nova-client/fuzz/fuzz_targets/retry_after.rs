//! Any value of `Retry-After`.
#![no_main]

#[path = "../../tests/it/properties.rs"]
#[expect(dead_code, reason = "the other target's property is in it too")]
mod properties;
mod runtime;

use libfuzzer_sys::fuzz_target;
use properties::retry_after_is_seconds_or_a_date_or_absent;

fuzz_target!(|value: &[u8]| {
    runtime::run(retry_after_is_seconds_or_a_date_or_absent(value));
});
