//! The properties of the fuzz targets, on answers that are nearly right.

use proptest::prelude::*;

use crate::properties::{
    Received, every_answer_is_a_reply_or_a_bounded_error,
    retry_after_is_seconds_or_a_date_or_absent,
};

fn run(property: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(property);
}

fn status() -> impl Strategy<Value = u16> {
    prop_oneof![
        3 => Just(200_u16),
        1 => prop::sample::select(vec![204, 301, 400, 404, 409, 429, 500, 502, 503, 504]),
        1 => any::<u16>(),
    ]
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        "[a-z\u{e4}]{0,2000}".prop_map(|text| format!("\"{text}\"")),
        prop::sample::select(vec!["not_found", "rate_limited", "internal", "x", "none"])
            .prop_map(|word| format!("\"{word}\"")),
    ];
    let keys = vec![
        "code",
        "message",
        "retryable",
        "effect",
        "retry_after_ms",
        "violations",
        "detail",
    ];
    leaf.prop_recursive(2, 12, 6, move |inner| {
        let field = (prop::sample::select(keys.clone()), inner.clone())
            .prop_map(|(key, value)| format!("\"{key}\":{value}"));
        prop_oneof![
            prop::collection::vec(field, 0..6).prop_map(|all| format!("{{{}}}", all.join(","))),
            prop::collection::vec(inner, 0..3).prop_map(|all| format!("[{}]", all.join(","))),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let envelope = ("req-[12]", any::<bool>(), json(), json()).prop_map(
        |(id, success, data, error)| {
            format!(
                r#"{{"request_id":"{id}","success":{success},"data":{data},"error":{error},"timestamp":"2025-10-28T00:00:00Z"}}"#
            )
        },
    );
    prop_oneof![
        3 => envelope.prop_map(String::into_bytes),
        1 => json().prop_map(String::into_bytes),
        1 => any::<Vec<u8>>(),
    ]
}

proptest! {
    #[test]
    fn any_answer_is_a_reply_or_a_bounded_error(
        status in status(),
        is_problem: bool,
        retry_after in prop::option::of(any::<Vec<u8>>()),
        body in body(),
    ) {
        let problem: &[u8] = b"application/problem+json";
        run(every_answer_is_a_reply_or_a_bounded_error(Received {
            status,
            content_type: if is_problem { problem } else { b"application/json" },
            retry_after: retry_after.as_deref(),
            body: &body,
        }));
    }

    #[test]
    fn any_retry_after_is_seconds_or_a_date_or_absent(
        value in prop_oneof![
            any::<Vec<u8>>(),
            "[0-9]{1,25}".prop_map(String::into_bytes),
            "(Sun|Mon), [0-9]{2} (Nov|Dec) [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|UTC)".prop_map(String::into_bytes),
        ],
    ) {
        run(retry_after_is_seconds_or_a_date_or_absent(&value));
    }
}

#[test]
fn a_byte_that_is_no_text_makes_no_envelope_where_it_is_skipped_either() {
    let body = b"{\"request_id\":\"req-1\",\"success\":true,\"data\":3,\"error\":null,\"timestamp\":\"\xba\"}";
    run(every_answer_is_a_reply_or_a_bounded_error(Received {
        status: 200,
        content_type: b"application/json",
        retry_after: None,
        body,
    }));
}
