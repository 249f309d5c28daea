//! What went wrong between services, in one vocabulary for HTTP, gRPC and logs,
//! and whether to try again, and when.
//!
//! A [`ServiceError`] has one variant per [`ErrorKind`]; the kind decides the HTTP status, the
//! gRPC code and whether the failure may pass. Beside the kind an error knows where it arose
//! ([`Origin`]) and whether the request can have taken effect ([`Effect`]): *retryable* says that
//! the failure may pass, [*safe to retry*](ServiceError::is_safe_to_retry) says that trying again
//! does no harm. The two are different things.
//!
//! ```
//! use nova_errors::{Effect, ErrorKind, ServiceError};
//!
//! let missing = ServiceError::NotFound("stream 42".into());
//! assert_eq!(missing.kind(), ErrorKind::NotFound);
//! assert_eq!(missing.http_status(), 404);
//! assert_eq!(missing.to_string(), "stream 42");
//!
//! // The answer got lost: the card may have been charged.
//! let lost = ServiceError::Timeout("charge card".into());
//! assert!(lost.is_retryable());
//! assert!(!lost.is_safe_to_retry(false));
//!
//! // The connection was refused: nothing can have happened.
//! let refused = ServiceError::ServiceUnavailable("connect".into()).with_effect(Effect::None);
//! assert!(refused.is_safe_to_retry(false));
//! ```
//!
//! What crosses a process boundary is made by [`ErrorBody`] (command envelopes), [`Problem`]
//! (RFC 9457) and, with the feature `tonic-014`, `tonic::Status`. Each of them redacts: the message and
//! the violations of an `Internal`, `DataLoss` or `Upstream` error and every cause stay in the process.
//!
//! # Bounds
//!
//! | what | bound |
//! |---|---|
//! | reason that refines a code | 64 characters, [`ServiceError::MAX_REASON`]; the rest is cut |
//! | message of a `tonic::Status` | 1 KiB; the rest is cut |
//! | violations of a `tonic::Status` | 2 KiB; the rest is left out |
//! | `Retry-After` that is waited for without a deadline | 5 minutes, [`RetryPolicy::MAX_RETRY_AFTER`] |
//!
//! # Features
//!
//! None is on by default. A feature adds conversions for one crate and changes nothing else. The version is part of the
//! name where that crate is not at 1.0, so that its next release breaks nobody.
//!
//! | feature | adds |
//! |---|---|
//! | `actix` | `ServiceError` as an actix-web error, `application/problem+json` |
//! | `axum-08` | `ServiceError` as a response, `application/problem+json` |
//! | `backoff-04` | `TryFrom<&backoff::ExponentialBackoff>` for [`RetryPolicy`], to migrate from that unmaintained crate |
//! | `rdkafka-039` | `From<rdkafka::error::KafkaError>` |
//! | `redis` | `From<redis::RedisError>` |
//! | `reqwest-013` | `From<reqwest::Error>` |
//! | `schemars` | `JsonSchema` of what goes over the wire |
//! | `sqlx-09` | `From<sqlx::Error>`, by SQLSTATE |
//! | `tonic-014` | `tonic::Status` both ways, with rich details |
//! | `utoipa` | `ToSchema` of what goes over the wire |

mod backoff;
mod body;
mod chain;
mod convert;
mod detail;
mod effect;
mod grpc;
mod kind;
mod problem;
mod retry_on;
mod retry_policy;
mod service_error;

#[cfg(feature = "tonic-014")]
pub use convert::tonic_014::ERROR_DOMAIN;

pub use backoff::Backoff;
pub use body::{ErrorBody, ParseErrorBody};
pub use chain::Chain;
pub use detail::{ErrorDetail, Violation};
pub use effect::{Effect, Origin};
pub use grpc::GrpcCode;
pub use kind::ErrorKind;
pub use problem::{PROBLEM_CONTENT_TYPE, Problem};
pub use retry_on::RetryOn;
pub use retry_policy::{FailedAttempt, RetryDecision, RetryPolicy, StopReason};
pub use service_error::ServiceError;
