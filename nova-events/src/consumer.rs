//! The part of the consumer runtime that knows nothing of Kafka's client.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod batch_handler;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod batcher;
mod dead_letter;
mod handler;
mod lane;
mod layered_handler;
mod meters;
mod outcome;
mod partition;
mod partition_window;
mod pipeline;
mod poller;
mod routes;
mod stop;
mod stuck_letters;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod tx_handler;
mod within;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use batch_handler::{Batch, BatchHandler, BatchTxHandler};
pub(crate) use dead_letter::{
    DLQ_ORIGINAL_TOPIC, DLQ_PREFIX, DLQ_REPLAY_COUNT, DeadLetters, replays_of,
};
pub(crate) use handler::TypedHandler;
pub use layered_handler::{EventReply, EventRequest, EventService};
pub(crate) use layered_handler::{Wrap, layered, wrap};
pub(crate) use meters::Meters;
pub use outcome::Outcome;
pub(crate) use partition::{Load, Partition};
pub(crate) use pipeline::Pipeline;
pub(crate) use poller::Poller;
pub(crate) use routes::{Registration, Routes, Store};
pub(crate) use stop::Stop;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use tx_handler::TxHandler;
