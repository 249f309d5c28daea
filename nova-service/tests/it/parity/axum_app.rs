use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::{get, post};
use nova_errors::ServiceError;
use nova_service::{BodyLimit, CommandRouter, Health, ServiceLayer};

use super::handlers::{self, Dropped};

pub(super) fn app(layer: ServiceLayer, dropped: Dropped) -> Router {
    let commands = CommandRouter::new("streaming-service")
        .command("streams/info", handlers::info)
        .command("json", handlers::reads_json)
        .command("raw", handlers::reads_raw)
        .on(handlers::who_asks)
        .build()
        .unwrap();
    let small = post(handlers::create).layer(BodyLimit::bytes(8));
    let unauthorized = || async {
        let error = ServiceError::Authentication("token expired".into());
        ([(header::WWW_AUTHENTICATE, "Bearer")], error)
    };
    let own = || async { (StatusCode::CONFLICT, "my own words") };
    let app = Router::new()
        .route("/posts", get(handlers::list).post(handlers::create))
        .route("/posts/{post_id}", get(handlers::post))
        .route("/users/{user_id}/posts/{number}", get(handlers::user))
        .route("/mistake", get(handlers::post))
        .route("/small", small)
        .route("/limited", get(handlers::limited))
        .route("/panic", get(handlers::panics))
        .route("/context", get(handlers::context))
        .route("/hang", get(move || dropped.hang()))
        .route("/unauthorized", get(unauthorized))
        .route("/bare", get(|| async { StatusCode::CONFLICT }))
        .route("/own", get(own))
        .route("/elsewhere", post(handlers::info));
    let app = app
        .merge(commands)
        .merge(Health::new("streaming-service", "1.2.3").router());
    layer.wrap(app)
}
