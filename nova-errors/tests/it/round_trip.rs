use std::time::Duration;

use nova_errors::{Effect, ErrorBody, Origin, Problem, ServiceError, Violation};
use proptest::prelude::*;
use tonic::Status;

use crate::any_error::any_error;
use crate::bytes_on_the_wire::{Answer, actix, axum, envelope, head, trailers};

/// The most that gRPC asks of a peer to take in trailers.
const TRAILERS: usize = 8 * 1024;

/// Whole milliseconds, rounded up: what JSON carries of a wait.
fn in_millis(wait: Duration) -> Duration {
    Duration::from_millis(u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap())
}

fn from_problem(answer: &Answer) -> ServiceError {
    let problem: Problem = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem.status, answer.status);
    problem.into_error(answer.status).unwrap()
}

/// What every way over the wire keeps.
fn check_same(sent: &ServiceError, got: &ServiceError) -> Result<(), TestCaseError> {
    prop_assert_eq!(got.kind(), sent.kind());
    prop_assert_eq!(got.code(), sent.code());
    prop_assert_eq!(got.is_retryable(), sent.is_retryable());
    prop_assert_eq!(got.origin(), Origin::Remote);
    Ok(())
}

fn check_words(sent: &ServiceError, got: &ServiceError) -> Result<(), TestCaseError> {
    prop_assert_eq!(got.public_message(), sent.public_message());
    prop_assert_eq!(got.violations(), sent.public_violations());
    Ok(())
}

proptest! {
    #[test]
    fn an_error_survives_a_command_envelope(sent in any_error()) {
        let answer = envelope(&sent);
        let body: ErrorBody = serde_json::from_slice(&answer.body)?;
        let got = body.into_error(answer.status).map_err(|e| TestCaseError::fail(e.to_string()))?;
        check_same(&sent, &got)?;
        check_words(&sent, &got)?;
        prop_assert_eq!(got.retry_after(), sent.retry_after().map(in_millis));
        prop_assert_eq!(got.effect(), sent.effect());
    }

    #[test]
    fn an_error_survives_problem_details_of_axum_and_of_actix(sent in any_error()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let answers = [runtime.block_on(axum(&sent)), runtime.block_on(actix(&sent))];
        prop_assert_eq!(&answers[0].body, &answers[1].body);
        for answer in answers {
            prop_assert_eq!(answer.status, sent.kind().http_status());
            let got = from_problem(&answer);
            check_same(&sent, &got)?;
            check_words(&sent, &got)?;
            prop_assert_eq!(got.retry_after(), sent.retry_after().map(in_millis));
            // Problem details don't speak of the effect, and silence must not make a retry look safe.
            prop_assert_eq!(got.effect(), Effect::Unknown);
            let head = String::from_utf8(answer.head)?;
            prop_assert_eq!(head.contains("retry-after"), sent.retry_after().is_some());
        }
    }

    #[test]
    fn an_error_survives_grpc(sent in any_error()) {
        let trailers = trailers(&sent);
        let status = Status::from_header_map(&trailers).unwrap();
        prop_assert_eq!(status.code() as i32, sent.kind().grpc_code().number());
        let got = ServiceError::from(status);
        check_same(&sent, &got)?;
        check_words(&sent, &got)?;
        prop_assert_eq!(got.retry_after(), sent.retry_after());
        prop_assert_eq!(got.effect(), sent.effect());
    }

    #[test]
    fn an_error_survives_grpc_however_much_it_says(
        sent in any_error(),
        message in "\\PC{0,3000}",
        violations in proptest::collection::vec((".{0,300}", ".{0,300}"), 0..40),
    ) {
        let sent = violations.into_iter().fold(
            sent.with_message(message),
            |error, (field, message)| error.with_violation(Violation::new(field, message)),
        );
        let trailers = trailers(&sent);
        prop_assert!(head(trailers.iter()).len() < TRAILERS);
        let got = ServiceError::from(Status::from_header_map(&trailers).unwrap());
        check_same(&sent, &got)?;
        prop_assert!(sent.public_message().starts_with(got.public_message()));
        prop_assert!(sent.public_violations().starts_with(got.violations()));
    }
}
