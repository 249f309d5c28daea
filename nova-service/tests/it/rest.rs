use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get as get_route, post};
use nova_errors::ServiceError;
use nova_models::PageRequest;
use nova_service::{BodyLimit, Json, Path, Query, ServiceLayer};
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::answer::{Answer, ask, get};

#[derive(Debug, Serialize, Deserialize)]
struct NewPost {
    caption: String,
    tags: Vec<Tag>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Tag {
    weight: u8,
}

#[derive(Debug, Deserialize)]
struct Place {
    user_id: uuid::Uuid,
    number: u32,
}

async fn limited() -> Result<(), ServiceError> {
    Err(ServiceError::RateLimited("feed".into()).with_retry_after(Duration::from_millis(1500)))
}

async fn unauthorized() -> impl IntoResponse {
    let error = ServiceError::Authentication("token expired".into());
    ([(header::WWW_AUTHENTICATE, "Bearer")], error)
}

fn app() -> Router {
    let create = post(|Json(post): Json<NewPost>| async move { Json(post) });
    let app = Router::new()
        .route(
            "/posts",
            create
                .clone()
                .get(|Query(page): Query<PageRequest>| async move { page.limit().to_string() }),
        )
        .route("/small", create.layer(BodyLimit::bytes(8)))
        .route(
            "/posts/{post_id}",
            get_route(|Path(id): Path<u32>| async move { id.to_string() }),
        )
        .route(
            "/users/{user_id}/posts/{number}",
            get_route(|Path(place): Path<Place>| async move {
                format!("{} {}", place.user_id, place.number)
            }),
        )
        .route(
            "/mistake",
            get_route(|Path(id): Path<u32>| async move { id.to_string() }),
        )
        .route("/limited", get_route(limited))
        .route("/unauthorized", get_route(unauthorized))
        .route("/bare", get_route(|| async { StatusCode::CONFLICT }))
        .route(
            "/own",
            get_route(|| async { (StatusCode::CONFLICT, "my own words") }),
        )
        .route(
            "/panic",
            get_route(|| async {
                panic!("hunter2");
                #[expect(unreachable_code, reason = "fixes the type")]
                ""
            }),
        );
    ServiceLayer::new("content-service").wrap(app)
}

async fn create(path: &str, body: &str) -> Answer {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .header("x-request-id", "req-1");
    ask(&app(), request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn get_as(path: &str) -> Answer {
    let request = Request::get(path).header("x-request-id", "req-1");
    ask(&app(), request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn an_error_is_a_problem_with_the_request_as_its_instance() {
    let answer = get_as("/limited").await;
    assert_eq!(answer.header("retry-after"), "2");
    assert_eq!(answer.header("x-request-id"), "req-1");
    insta::assert_snapshot!(answer.shown());
}

#[tokio::test]
async fn a_panic_is_an_internal_problem_that_says_nothing() {
    let answer = get_as("/panic").await;
    assert!(!answer.body.contains("hunter2"));
    insta::assert_snapshot!(answer.shown());
}

#[tokio::test]
async fn input_that_is_wrong_is_named_by_its_field() {
    let mut shown = String::new();
    for body in [
        r#"{"caption":"a","tags":[{"weight":1},{"weight":300}]}"#,
        r#"{"caption":"a","tags":[{}]}"#,
        r#"{"caption":"a""#,
    ] {
        shown += &format!("{}\n", create("/posts", body).await.shown());
    }
    for path in [
        "/posts?limit=many",
        "/posts?limit=1000",
        "/posts/abc",
        "/posts/%ff",
        "/users/me/posts/1",
        "/users/0192f0c1-2345-7abc-8def-0123456789ab/posts/x",
    ] {
        shown += &format!("{path}: {}\n", get_as(path).await.shown());
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn a_route_and_an_extractor_that_disagree_are_an_internal_error() {
    assert_eq!(get_as("/mistake").await.status, 500);
}

#[tokio::test]
async fn unknown_routes_and_wrong_methods_are_problems() {
    let unknown = get_as("/nowhere").await;
    let wrong = create("/posts/1", "").await;
    assert_eq!(wrong.header("allow"), "GET,HEAD");
    insta::assert_snapshot!(format!("{}\n{}", unknown.shown(), wrong.shown()));
}

#[tokio::test]
async fn the_handlers_own_headers_and_bodies_stay() {
    let answer = get_as("/unauthorized").await;
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (401, "Bearer")
    );
    assert_eq!(answer.header("content-type"), "application/problem+json");

    let answer = get_as("/own").await;
    assert_eq!((answer.status, answer.body.as_str()), (409, "my own words"));

    let answer = get_as("/bare").await;
    assert!(
        answer.body.contains(r#""code":"conflict""#),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn a_body_over_the_limit_of_its_route_is_refused_with_the_limit() {
    let answer = create("/small", r#"{"caption":"a"}"#).await;
    assert_eq!(answer.status, 413);
    assert!(answer.body.contains("limit of 8 bytes"), "{}", answer.body);

    let large = format!(r#"{{"caption":"{}","tags":[]}}"#, "x".repeat(2 << 20));
    let answer = create("/posts", &large).await;
    assert!(
        answer.body.contains("limit of 2097152 bytes"),
        "{}",
        answer.body
    );

    let fits = format!(r#"{{"caption":"{}","tags":[]}}"#, "x".repeat(1 << 20));
    assert_eq!(create("/posts", &fits).await.status, 200);
}

#[tokio::test]
async fn a_request_id_is_kept_if_it_is_valid_and_made_otherwise() {
    assert_eq!(get_as("/posts/1").await.header("x-request-id"), "req-1");
    assert_eq!(
        get(&app(), "/posts/1").await.header("x-request-id").len(),
        36
    );
    let request = Request::get("/posts/1").header("x-request-id", "not valid");
    let answer = ask(&app(), request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header("x-request-id").len(), 36);
}
