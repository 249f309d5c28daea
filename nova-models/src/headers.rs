//! The names of the request headers that go with a command, in lower case.

/// The request's id: the same over all attempts of a call, equal to the envelope's.
pub const REQUEST_ID: &str = "x-request-id";
/// What makes two commands the same command; a quoted string of structured fields
/// ([RFC 8941](https://www.rfc-editor.org/rfc/rfc8941), section 3.3.3).
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The calling service, for logs alone: it decides nothing.
pub const SOURCE: &str = "x-nova-source";
/// What is left of the overall deadline, in milliseconds; written anew for each attempt.
pub const DEADLINE_MS: &str = "x-nova-deadline-ms";
/// The number of the attempt, from 1.
pub const ATTEMPT: &str = "x-nova-attempt";
/// The trace, by [W3C Trace Context](https://www.w3.org/TR/trace-context/).
pub const TRACEPARENT: &str = "traceparent";
/// What tracing systems add to the trace.
pub const TRACESTATE: &str = "tracestate";
