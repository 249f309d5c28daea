use std::collections::BTreeSet;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{BoxStream, once, pending, unfold};
use nova_models::HealthState;
use tonic::server::NamedService;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health as HealthApi, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::Health;

/// The [gRPC health service](https://github.com/grpc/grpc/blob/master/doc/health-checking.md), which tells what [`Health`] finds.
///
/// The server, by the empty name, and each [service](Self::serves) are `SERVING` as long as `/health/ready` answers 200: not when something that the service owns is away, nor from the moment that it is asked to stop.
/// `Watch` tells the changes, at most one a second, and ends with the shutdown that [`Health`] was given, so that it doesn't hold up the drain.
///
/// ```
/// use nova_service::{GrpcHealth, Health};
/// use tonic_health::pb::health_server::HealthServer;
///
/// let health = Health::new("auth-service", env!("CARGO_PKG_VERSION"));
/// let server = GrpcHealth::new(health)
///     .serves::<HealthServer<GrpcHealth>>() // the generated server, such as `AuthServiceServer<…>`
///     .into_server();
/// let routes = tonic::service::Routes::new(server);
/// ```
#[derive(Debug, Clone)]
pub struct GrpcHealth {
    health: Health,
    services: BTreeSet<&'static str>,
}

impl GrpcHealth {
    /// The health of a server. The clones of `health` share one run of its checks.
    #[must_use]
    pub fn new(health: Health) -> Self {
        Self {
            health,
            services: BTreeSet::from([""]),
        }
    }

    /// Adds a service by its generated server.
    #[must_use]
    pub fn serves<S: NamedService>(mut self) -> Self {
        self.services.insert(S::NAME);
        self
    }

    /// The service for tonic's routes.
    #[must_use]
    pub fn into_server(self) -> HealthServer<Self> {
        HealthServer::new(self)
    }

    fn knows(&self, request: &Request<HealthCheckRequest>) -> bool {
        self.services.contains(request.get_ref().service.as_str())
    }
}

#[async_trait]
impl HealthApi for GrpcHealth {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !self.knows(&request) {
            return Err(Status::not_found("unknown service"));
        }
        let found = serving(&self.health).await;
        Ok(Response::new(answer(found)))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let health = self.health.clone();
        let stopping = {
            let health = health.clone();
            async move { health.stopping().await }
        };
        let stream = if self.knows(&request) {
            changes(health)
        } else {
            // As the protocol asks: the service might become known. Here it never does.
            let unknown = answer(ServingStatus::ServiceUnknown);
            once(async move { Ok(unknown) })
                .chain(pending())
                .take_until(stopping)
                .boxed()
        };
        Ok(Response::new(stream))
    }
}

/// What is served now and each time that it changes, until the shutdown.
fn changes(health: Health) -> BoxStream<'static, Result<HealthCheckResponse, Status>> {
    let next = |(health, told): (Health, Option<ServingStatus>)| async move {
        loop {
            let is_stopping = health.is_stopping();
            let found = serving(&health).await;
            if told != Some(found) {
                return Some((Ok(answer(found)), (health, Some(found))));
            }
            if is_stopping {
                return None;
            }
            tokio::select! {
                () = tokio::time::sleep(Health::CACHE) => {}
                () = health.stopping() => {}
            }
        }
    };
    unfold((health, None), next).boxed()
}

async fn serving(health: &Health) -> ServingStatus {
    match health.check().await.status {
        HealthState::Healthy | HealthState::Degraded => ServingStatus::Serving,
        _ => ServingStatus::NotServing,
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}
