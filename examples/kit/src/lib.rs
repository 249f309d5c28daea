//! What the example services share, and what is not a library's business: the database alias, the
//! migrations runner, configuration from the environment, and the order in which a service starts
//! and stops.

mod clock;
mod database;
mod environment;
mod kafka;
mod service;
mod telemetry;
mod topic_maker;

pub mod contract;

pub use clock::{now, now_after};
pub use database::{Database, Db, Migration, Pool, Row, Tx};
pub use environment::{Environment, Settings, bind, direct_call};
pub use kafka::Kafka;
pub use service::Service;
pub use telemetry::TelemetrySettings;
pub use topic_maker::TopicMaker;
