use std::sync::Arc;

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use nova_models::HealthStatus;

use crate::Health;

/// The routes of a [`Health`], for [`App::service`](actix_web::App::service). Clones share the checks and their outcome: make one, and clone it for each worker.
///
/// ```
/// use actix_web::App;
/// use nova_service::{Health, actix::HealthRoutes};
///
/// let health = HealthRoutes::new(Health::new("content-service", env!("CARGO_PKG_VERSION")));
/// let app = move || App::new().service(health.clone());
/// # app();
/// ```
#[derive(Debug, Clone)]
pub struct HealthRoutes(Arc<Health>);

impl HealthRoutes {
    /// The routes of `health`.
    #[must_use]
    pub fn new(health: Health) -> Self {
        Self(Arc::new(health))
    }
}

impl HttpServiceFactory for HealthRoutes {
    fn register(self, config: &mut AppService) {
        let health = self.0.clone();
        let live = move || {
            let health = health.clone();
            async move { answer(health.live()) }
        };
        let ready = move || {
            let health = self.0.clone();
            async move { answer(health.ready().await) }
        };
        web::resource("/health/live")
            .route(web::get().to(live.clone()))
            .route(web::head().to(live))
            .register(config);
        web::resource("/health/ready")
            .route(web::get().to(ready.clone()))
            .route(web::head().to(ready))
            .register(config);
    }
}

fn answer((status, health): (u16, HealthStatus)) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(health)
}
