//! What peers of the first generation sent must be read for as long as there are any.

use nova_errors::{Effect, ErrorBody, ErrorKind, Origin, ServiceError};
use nova_models::{CommandRequest, CommandResponse, ResponseError};
use serde_json::{Value, json};

const REQUEST: &str = include_str!("first_generation/request.json");
const SUCCESS: &str = include_str!("first_generation/success.json");
const FAILURES: [&str; 2] = [
    include_str!("first_generation/failure.json"),
    include_str!("first_generation/failure_without_nulls.json"),
];

#[test]
fn a_request_is_read_and_written_back_as_it_came() {
    let request: CommandRequest<Value> = serde_json::from_str(REQUEST).unwrap();
    let back = serde_json::to_value(&request).unwrap();
    assert_eq!(back, serde_json::from_str::<Value>(REQUEST).unwrap());
}

#[test]
fn a_success_is_a_success() {
    let response: CommandResponse<Value> = serde_json::from_str(SUCCESS).unwrap();
    assert_eq!(response.into_result(200).unwrap(), json!({"viewers": 3}));
}

#[test]
fn an_error_that_is_a_string_is_upstream_whatever_the_status_says() {
    for text in FAILURES {
        for status in [200, 404, 500, 503] {
            let response: CommandResponse<Value> = serde_json::from_str(text).unwrap();
            let Some(ResponseError::Text(message)) = response.error.clone() else {
                panic!("not a text: {text}");
            };
            let error = response.into_result(status).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Upstream);
            assert_eq!(error.to_string(), message);
            assert_eq!(error.effect(), Effect::Unknown);
            assert_eq!(error.origin(), Origin::Remote);
            assert!(!error.is_retryable());
            assert!(!error.is_safe_to_retry(true));
        }
    }
}

#[test]
fn what_such_a_peer_says_in_words_is_not_handed_on() {
    for text in FAILURES {
        let response: CommandResponse<Value> = serde_json::from_str(text).unwrap();
        let error: ServiceError = response.into_result(500).unwrap_err();
        let body = serde_json::to_string(&ErrorBody::from(&error)).unwrap();
        assert!(
            !body.contains("not found") && !body.contains("database"),
            "{body}"
        );
    }
}
