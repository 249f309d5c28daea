//! One attempt on the wire: the request of a command, and what its answer means.

mod answer;
mod envelope;
mod future;
mod outgoing;
mod retry_after;
mod service;
mod timestamp;

pub(crate) use envelope::Envelope;
pub(crate) use outgoing::{Outgoing, OutgoingParts, fixed_headers};
pub(crate) use service::Exchange;
