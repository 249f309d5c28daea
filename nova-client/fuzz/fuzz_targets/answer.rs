//! Any answer: `[status, flags, length of Retry-After, Retry-After …, body …]`.
#![no_main]

#[path = "../../tests/it/properties.rs"]
#[expect(dead_code, reason = "the other target's property is in it too")]
mod properties;
mod runtime;

use libfuzzer_sys::fuzz_target;
use properties::{Received, every_answer_is_a_reply_or_a_bounded_error};

const STATUSES: [u16; 16] = [
    200, 201, 204, 206, 301, 304, 400, 404, 409, 422, 429, 500, 502, 503, 504, 599,
];

fuzz_target!(|input: &[u8]| {
    let [status, flags, length, rest @ ..] = input else {
        return;
    };
    let (retry_after, body) = rest.split_at(rest.len().min(usize::from(*length)));
    let content_type: &[u8] = match flags & 3 {
        0 => b"application/json",
        1 => b"application/problem+json",
        2 => b"text/html; charset=utf-8",
        _ => b"",
    };
    runtime::run(every_answer_is_a_reply_or_a_bounded_error(Received {
        status: STATUSES[usize::from(*status) % STATUSES.len()],
        content_type,
        retry_after: (flags & 4 != 0).then_some(retry_after),
        body,
    }));
});
