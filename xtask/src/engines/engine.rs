//! Which engines there are, and how they are reached.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::probe;

/// An engine that the platform and its tests can use.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub(crate) enum Engine {
    Postgres,
    PgBouncer,
    Kafka,
    Redis,
}

impl Engine {
    pub(crate) const ALL: [Self; 4] = [Self::Postgres, Self::PgBouncer, Self::Kafka, Self::Redis];

    /// The name in commands, in `deploy/compose.yaml` and of the data folder.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::PgBouncer => "pgbouncer",
            Self::Kafka => "kafka",
            Self::Redis => "redis",
        }
    }

    /// The environment variable that binaries and tests read.
    pub(crate) const fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "DATABASE_URL",
            Self::PgBouncer => "PGBOUNCER_URL",
            Self::Kafka => "KAFKA_BROKERS",
            Self::Redis => "REDIS_URL",
        }
    }

    /// The value of [`Self::variable`].
    pub(super) fn address(self, port: u16) -> String {
        match self {
            Self::Postgres | Self::PgBouncer => {
                format!("postgres://postgres@127.0.0.1:{port}/postgres")
            }
            Self::Kafka => format!("127.0.0.1:{port}"),
            Self::Redis => format!("redis://127.0.0.1:{port}"),
        }
    }

    /// How long it may take until the engine answers, on a busy machine.
    pub(super) const fn start_limit(self) -> Duration {
        match self {
            Self::Postgres | Self::PgBouncer | Self::Redis => Duration::from_secs(30),
            Self::Kafka => Duration::from_secs(120),
        }
    }

    /// Asks the engine, in its own protocol, whether it serves clients.
    pub(super) fn probe(self, port: u16) -> Result<()> {
        match self {
            Self::Postgres | Self::PgBouncer => probe::postgres(port),
            Self::Kafka => probe::kafka(port),
            Self::Redis => probe::redis(port),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
