use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;

use anyhow::{Context, bail};
use nova_service::Shutdown;
use nova_service::telemetry::TelemetryGuard;
use tokio::net::TcpListener;

use crate::{Database, Kafka, TelemetrySettings};

/// The environment as a binary sees it. Every fault is collected, so that one start shows all of
/// them.
#[derive(Debug, Default)]
pub struct Environment {
    faults: Vec<String>,
}

impl Environment {
    /// An environment without faults so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A setting that may be absent; an empty one counts as absent.
    pub fn optional<T>(&mut self, name: &str, expected: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        let text = std::env::var_os(name).filter(|text| !text.is_empty())?;
        let Some(text) = text.to_str() else {
            self.faults.push(format!(
                "{name} is not valid: expected {expected}: it is not UTF-8"
            ));
            return None;
        };
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                // The value may be a secret: the parser's word has to do.
                self.faults
                    .push(format!("{name} is not valid: expected {expected}: {error}"));
                None
            }
        }
    }

    /// A setting that must be there.
    pub fn required<T>(&mut self, name: &str, expected: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        let faults = self.faults.len();
        let value = self.optional(name, expected);
        if value.is_none() && self.faults.len() == faults {
            self.faults
                .push(format!("{name} is not set: expected {expected}"));
        }
        value
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// All faults, a line each.
    pub fn finish(self) -> anyhow::Result<()> {
        if self.faults.is_empty() {
            return Ok(());
        }
        bail!(
            "the environment is incomplete:\n  {}",
            self.faults.join("\n  ")
        )
    }
}

/// What every service that owns data reads from the environment.
#[derive(Debug)]
pub struct Settings {
    /// Where it serves HTTP: `NOVA_BIND`.
    pub http: TcpListener,
    /// Its database: `DATABASE_URL`.
    pub database: Database,
    /// Its broker: `KAFKA_BROKERS` and the topic settings.
    pub kafka: Kafka,
    /// The auth service's gRPC address: `AUTH_SERVICE_URL`.
    pub auth_url: String,
    /// Asked for by SIGTERM or Ctrl-C.
    pub shutdown: Shutdown,
    /// To be shut down last.
    pub telemetry: TelemetryGuard,
}

impl Settings {
    /// Reads the rest of the environment, sets telemetry up and binds the address of `service`: `bind_default`
    /// where `NOVA_BIND` is absent.
    ///
    /// # Errors
    ///
    /// Every missing or invalid setting by its name; an address that is taken.
    pub async fn read(
        mut environment: Environment,
        service: &'static str,
        bind_default: SocketAddr,
    ) -> anyhow::Result<Self> {
        let address = environment
            .optional("NOVA_BIND", "an address such as 127.0.0.1:8083")
            .unwrap_or(bind_default);
        let database = environment.required("DATABASE_URL", "sqlite:PATH or postgres://…");
        let auth_url = environment.required("AUTH_SERVICE_URL", "http://HOST:PORT");
        let kafka = Kafka::read(&mut environment);
        let telemetry = TelemetrySettings::read(&mut environment);
        environment.finish()?;
        let (Some(database), Some(auth_url), Some(kafka)) = (database, auth_url, kafka) else {
            bail!("the environment is incomplete");
        };
        let telemetry = telemetry.install(service, "info")?;
        Ok(Self {
            telemetry,
            http: bind(address).await?,
            database,
            kafka,
            auth_url,
            shutdown: Shutdown::on_signal()?,
        })
    }
}

/// The content service's address where `ENABLE_DIRECT_CALL` is `true`: feeds read posts by call then,
/// instead of from their own copy.
pub fn direct_call(environment: &mut Environment) -> Option<String> {
    let enabled = environment.optional("ENABLE_DIRECT_CALL", "true or false");
    if enabled != Some(true) {
        return None;
    }
    environment.required(
        "NOVA_CONTENT_URL",
        "http://HOST:PORT, for ENABLE_DIRECT_CALL",
    )
}

/// Listens on `address`.
///
/// # Errors
///
/// Where the address is taken or not this machine's, by name.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on {address}"))
}
