use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::web::{get, post, resource};
use actix_web::{App, Error, HttpResponse, body::MessageBody};
use nova_errors::ServiceError;
use nova_service::actix::{CommandRouter, HealthRoutes};
use nova_service::{BodyLimit, Health, ServiceLayer};

use super::handlers::{self, Dropped};

pub(super) fn app(
    layer: ServiceLayer,
    dropped: Dropped,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let commands = CommandRouter::new("streaming-service")
        .command("streams/info", handlers::info)
        .command("json", handlers::reads_json)
        .command("raw", handlers::reads_raw)
        .on(handlers::who_asks)
        .build()
        .unwrap();
    let small = resource("/small")
        .app_data(BodyLimit::bytes(8))
        .route(post().to(handlers::create));
    let unauthorized = || async {
        let error = ServiceError::Authentication("token expired".into());
        let mut response = HttpResponse::from_error(error);
        let bearer = header::HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, bearer);
        response
    };
    let own = || async {
        HttpResponse::Conflict()
            .content_type(header::ContentType::plaintext())
            .body("my own words")
    };
    let posts = resource("/posts")
        .route(get().to(handlers::list))
        .route(post().to(handlers::create));
    App::new()
        .service(posts)
        .service(resource("/posts/{post_id}").route(get().to(handlers::post)))
        .service(resource("/users/{user_id}/posts/{number}").route(get().to(handlers::user)))
        .service(resource("/mistake").route(get().to(handlers::post)))
        .service(small)
        .route("/limited", get().to(handlers::limited))
        .route("/panic", get().to(handlers::panics))
        .route("/context", get().to(handlers::context))
        .route("/hang", get().to(move || dropped.clone().hang()))
        .route("/unauthorized", get().to(unauthorized))
        .route(
            "/bare",
            get().to(|| async { HttpResponse::Conflict().finish() }),
        )
        .route("/own", get().to(own))
        .route("/elsewhere", post().to(handlers::info))
        .service(HealthRoutes::new(Health::new("streaming-service", "1.2.3")))
        .service(commands)
        .wrap(layer)
}
