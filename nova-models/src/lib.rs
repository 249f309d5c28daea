//! What services exchange: the command envelopes, pages, health, stream models, and the
//! [`CallContext`] that a call hands on.
//!
//! ```
//! use nova_models::{CommandRequest, CommandResponse};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct GetStreamInfo { stream_id: u64 }
//!
//! let request = CommandRequest::new("user-service", "streaming-service", GetStreamInfo { stream_id: 42 });
//! assert!(!request.request_id.is_empty());
//!
//! let response = CommandResponse::ok(request.request_id, "live");
//! assert!(response.success);
//! ```
//!
//! # Bounds
//!
//! | what | bound |
//! |---|---|
//! | [`RequestId`] | 1 to 128 characters, [`RequestId::MAX_LEN`] |
//! | [`ServiceName`] | 1 to 64 characters |
//! | [`EndpointName`] | 1 to 128 characters in at most 8 segments |
//! | items on a page | 1 to 100, [`PageRequest::MAX_LIMIT`]; 20 where nobody says |
//! | cursor of a list | 512 bytes, [`CursorRequest::MAX_CURSOR`] |
//! | time until a [`Deadline`] | 24 hours, [`Deadline::MAX`] |
//! | `tracestate` | 512 bytes, [`TraceContext::MAX_TRACESTATE`] |
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | adds |
//! |---|---|
//! | `schemars` | `JsonSchema` of the envelopes, names and models |
//! | `utoipa` | `ToSchema` of the same types, `IntoParams` of [`PageRequest`] and [`CursorRequest`] |

mod access_token;
mod call_context;
mod command;
mod command_request;
mod command_response;
mod cursor_request;
mod deadline;
mod endpoint_name;
mod health;
mod page;
mod request_id;
mod stream;
mod subject;
mod trace_context;

pub mod headers;

pub use access_token::AccessToken;
pub use call_context::{CallContext, WithContext};
pub use command::{Command, Idempotency};
pub use command_request::CommandRequest;
pub use command_response::{CommandResponse, ResponseError};
pub use cursor_request::CursorRequest;
pub use deadline::Deadline;
pub use endpoint_name::{EndpointName, ServiceName};
pub use health::{DependencyHealth, HealthState, HealthStatus};
pub use page::{PageRequest, PagedResponse};
pub use request_id::RequestId;
pub use stream::{StreamCommand, StreamEvent, StreamInfo, StreamStatus};
pub use subject::Subject;
pub use trace_context::TraceContext;
