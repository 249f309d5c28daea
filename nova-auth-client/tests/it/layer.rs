use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::routing::get;
use axum::{Json, Router};
use http::{Request, Response, StatusCode};
use nova_auth_client::{AuthClient, UserClaims};
use nova_errors::{Effect, Problem, ServiceError};
use nova_models::CallContext;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::network::start;
use crate::scripted_service::{Script, user_id};

async fn whoami(claims: UserClaims) -> Json<Value> {
    let context = CallContext::current().unwrap_or_default();
    Json(json!({
        "user_id": claims.user_id,
        "subject": context.subject.map(|subject| subject.as_str().to_owned()),
        "token": context.token.map(|token| token.expose().to_owned()),
    }))
}

async fn maybe(claims: Option<UserClaims>) -> Json<Value> {
    Json(json!(claims.map(|claims| claims.user_id)))
}

fn app(auth: &AuthClient) -> Router {
    let closed = Router::new().route("/me", get(whoami)).layer(auth.layer());
    let open = Router::new()
        .route("/open", get(maybe))
        .layer(auth.layer().optional());
    // Somebody forgot the layer.
    closed.merge(open).route("/forgotten", get(whoami))
}

async fn send(app: &Router, path: &str, headers: &[&str]) -> Response<Body> {
    let mut request = Request::builder().uri(path);
    for value in headers {
        request = request.header("authorization", *value);
    }
    app.clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap()
}

async fn body(response: Response<Body>) -> Value {
    let bytes = to_bytes(response.into_body(), 64 * 1024).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_handler_learns_who_calls_and_runs_in_the_callers_name() {
    let (auth, _network) = start(Script::new());
    let response = send(&app(&auth), "/me", &["Bearer alice"]).await;
    assert_eq!(response.status(), StatusCode::OK);
    let id = user_id("alice");
    let expected = json!({ "user_id": id, "subject": id.to_string(), "token": "alice" });
    assert_eq!(body(response).await, expected);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_say_who_he_is_stays_outside() {
    let script = Script::new();
    let forged = ServiceError::Authentication("the access token is forged".into());
    script.fail("mallory", forged.with_reason("forged"));
    let (auth, _network) = start(Arc::clone(&script));
    let app = app(&auth);
    let cases: [(&[&str], &str, &str); 6] = [
        (&[], "authentication.missing", "Bearer"),
        (
            &["Bearer mallory"],
            "authentication.forged",
            "Bearer error=\"invalid_token\"",
        ),
        (
            &["Basic alice"],
            "authentication.malformed",
            "Bearer error=\"invalid_token\"",
        ),
        (
            &["Bearer a b"],
            "authentication.malformed",
            "Bearer error=\"invalid_token\"",
        ),
        (
            &["Bearer"],
            "authentication.malformed",
            "Bearer error=\"invalid_token\"",
        ),
        (
            &["Bearer alice", "Bearer mallory"],
            "authentication.malformed",
            "Bearer error=\"invalid_token\"",
        ),
    ];
    for (headers, code, challenge) in cases {
        let response = send(&app, "/me", headers).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{headers:?}");
        assert_eq!(response.headers()["www-authenticate"], challenge);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        let problem: Problem = serde_json::from_value(body(response).await).unwrap();
        assert_eq!(problem.code, code);
    }
    assert_eq!(script.verifications(), 1);
    let response = send(&app, "/forgotten", &["Bearer alice"]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn an_open_route_takes_no_token_but_not_a_bad_one() {
    let script = Script::new();
    let forged = ServiceError::Authentication("the access token is forged".into());
    script.fail("mallory", forged.with_reason("forged"));
    let (auth, _network) = start(script);
    let app = app(&auth);
    let response = send(&app, "/open", &[]).await;
    assert_eq!(body(response).await, Value::Null);
    let response = send(&app, "/open", &["Bearer alice"]).await;
    assert_eq!(body(response).await, json!(user_id("alice")));
    let response = send(&app, "/open", &["Bearer mallory"]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_has_had_no_effect() {
    let script = Script::new();
    let forged = ServiceError::Authentication("the access token is forged".into());
    script.fail("mallory", forged.with_reason("forged"));
    let (auth, network) = start(script);
    let app = app(&auth);
    let effect = async |path: &str, headers: &[&str]| {
        let response = send(&app, path, headers).await;
        let error: &ServiceError = response.extensions().get().unwrap();
        error.effect()
    };
    assert_eq!(effect("/me", &[]).await, Effect::None);
    assert_eq!(effect("/me", &["Bearer mallory"]).await, Effect::None);
    assert_eq!(effect("/forgotten", &[]).await, Effect::None);
    network.cut();
    assert_eq!(effect("/me", &["Bearer alice"]).await, Effect::None);
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_in_while_the_service_is_away() {
    let (auth, network) = start(Script::new());
    network.cut();
    for path in ["/me", "/open"] {
        let response = send(&app(&auth), path, &["Bearer alice"]).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(response.headers().get("www-authenticate").is_none());
    }
}
