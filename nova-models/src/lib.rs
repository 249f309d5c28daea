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

mod access_token;
mod call_context;
mod command;
mod command_request;
mod command_response;
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
pub use deadline::Deadline;
pub use endpoint_name::{EndpointName, ServiceName};
pub use health::{DependencyHealth, HealthState, HealthStatus};
pub use page::{PageRequest, PagedResponse};
pub use request_id::RequestId;
pub use stream::{StreamCommand, StreamEvent, StreamInfo, StreamStatus};
pub use subject::Subject;
pub use trace_context::TraceContext;
