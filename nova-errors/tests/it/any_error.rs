use std::time::Duration;

use nova_errors::{Effect, ErrorKind, ServiceError, Violation};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Errors of every kind, with any message and any detail that goes over the wire.
pub(crate) fn any_error() -> impl Strategy<Value = ServiceError> {
    (
        select(ErrorKind::ALL.to_vec()),
        ".*",
        option::of("[a-z0-9_]{1,64}"),
        option::of(any::<bool>()),
        option::of(0_u64..1 << 62),
        any::<bool>(),
        proptest::collection::vec((".*", ".*"), 0..4),
    )
        .prop_map(
            |(kind, message, reason, retryable, after, no_effect, violations)| {
                let mut error = ServiceError::new(kind, message);
                if let Some(reason) = reason {
                    error = error.with_reason(&reason);
                }
                if let Some(retryable) = retryable {
                    error = error.with_retryable(retryable);
                }
                if let Some(nanos) = after {
                    error = error.with_retry_after(Duration::from_nanos(nanos));
                }
                if no_effect {
                    error = error.with_effect(Effect::None);
                }
                violations
                    .into_iter()
                    .fold(error, |error, (field, message)| {
                        error.with_violation(Violation::new(field, message))
                    })
            },
        )
}
