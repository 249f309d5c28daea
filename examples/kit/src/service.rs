use std::time::Duration;

use axum::Router;
use nova_errors::ServiceError;
use nova_outbox::Outbox;
use nova_service::telemetry::metrics_router;
use nova_service::{BackgroundWorker, Health, HttpServer, ServiceLayer, Shutdown, Supervisor};
use tokio::net::TcpListener;

use crate::{Db, Kafka, Pool, TopicMaker};

/// A service on its way up: what it depends on, what runs in its background, and in the end the
/// server.
#[derive(Debug)]
pub struct Service {
    health: Health,
    layer: ServiceLayer,
    supervisor: Supervisor,
}

impl Service {
    /// The service `name`.
    ///
    /// # Errors
    ///
    /// `Validation` where the name is none.
    pub fn new(name: &'static str, version: &'static str) -> Result<Self, ServiceError> {
        Ok(Self {
            health: Health::new(name, version),
            layer: ServiceLayer::new(name),
            supervisor: Supervisor::builder(name).build()?,
        })
    }

    /// The service is for the public: it believes no caller's request id, deadline or trace, and a
    /// request takes `deadline` at most.
    #[must_use]
    pub fn public(mut self, deadline: Duration) -> Self {
        self.layer = self.layer.public().max_deadline(deadline);
        self
    }

    /// The service is not ready without this database.
    #[must_use]
    pub fn owns_database(mut self, pool: &Pool) -> Self {
        let pool = pool.clone();
        self.health = self.health.owned("database", move || {
            let pool = pool.clone();
            async move {
                sqlx::query("SELECT 1").execute(&pool).await?;
                Ok(())
            }
        });
        self
    }

    /// How the service is by what it owns, for its gRPC side.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Publishes what `outbox` holds, to topics that are made where they aren't there.
    ///
    /// # Errors
    ///
    /// `Validation` where the Kafka settings are not valid.
    pub fn relays(
        self,
        outbox: &Outbox<Db>,
        pool: &Pool,
        kafka: &Kafka,
    ) -> Result<Self, ServiceError> {
        let relay = kafka.relay(outbox, pool)?;
        Ok(self.runs(TopicMaker::new(kafka)).runs(relay))
    }

    /// Runs a worker in the background.
    #[must_use]
    pub fn runs(mut self, worker: impl BackgroundWorker) -> Self {
        self.supervisor.spawn(worker);
        self
    }

    /// Serves HTTP until `shutdown` is asked for or a worker fails for good. The server stops
    /// first, then the workers: what the last requests enqueued is published.
    ///
    /// # Errors
    ///
    /// The failure of the server or of a worker.
    pub async fn serve(
        mut self,
        listener: TcpListener,
        app: Router,
        shutdown: Shutdown,
    ) -> anyhow::Result<()> {
        let health = self
            .health
            .peer("workers", self.supervisor.health())
            .shutdown(shutdown.clone());
        let app = app
            .merge(health.router())
            .merge(metrics_router())
            .layer(self.layer);
        self.supervisor.spawn(HttpServer::new(listener, app));
        self.supervisor.run(shutdown).await?;
        Ok(())
    }
}
