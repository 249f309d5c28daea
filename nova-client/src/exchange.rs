//! One attempt on the wire: the request of a command, and what its answer means.

mod answer;
mod future;
mod outgoing;
mod retry_after;
mod service;

pub(crate) use outgoing::{Outgoing, OutgoingParts};
pub(crate) use service::Exchange;
