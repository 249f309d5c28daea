//! The part of the consumer runtime that knows nothing of Kafka's client.

mod dead_letter;
mod handler;
mod outcome;
mod partition;
mod partition_window;
mod pipeline;
mod poller;
mod routes;
mod stop;
mod stuck_letters;

pub(crate) use dead_letter::DeadLetters;
pub(crate) use handler::TypedHandler;
pub use outcome::Outcome;
pub(crate) use partition::{Load, Partition};
pub(crate) use pipeline::Pipeline;
pub(crate) use poller::Poller;
pub(crate) use routes::Routes;
pub(crate) use stop::Stop;
