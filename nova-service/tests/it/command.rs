use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::{get as get_route, post};
use nova_errors::ServiceError;
use nova_models::CallContext;
use nova_service::{Command, CommandReply, CommandRouter, ServiceLayer};
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, ask, get};

#[derive(Debug, Serialize, Deserialize)]
struct GetStreamInfo {
    stream_id: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct WhoAsks {}

impl nova_models::Command for WhoAsks {
    type Reply = Option<String>;
    const TARGET: &'static str = "streaming-service";
    const ENDPOINT: &'static str = "who-asks";
}

async fn info(command: Command<GetStreamInfo>) -> Result<CommandReply<String>, ServiceError> {
    match command.stream_id {
        42 => Ok(command.reply("live".to_owned())),
        13 => panic!("unlucky"),
        66 => Err(ServiceError::Internal("password of db-7 is hunter2".into())),
        id => Err(ServiceError::NotFound(format!("stream {id}").into())),
    }
}

fn app() -> Router {
    let commands = CommandRouter::new("streaming-service")
        .command("streams/info", info)
        .on(|_: WhoAsks| async {
            let context = CallContext::current().unwrap_or_default();
            Ok(context.request_id.map(String::from))
        })
        .build()
        .unwrap();
    let rest = Router::new()
        .route("/api/v1/posts", get_route(|| async { "posts" }))
        .route("/elsewhere", post(info));
    ServiceLayer::new("streaming-service").wrap(rest.merge(commands))
}

const PATH: &str = "/api/v1/streaming-service/streams/info";

pub(crate) fn envelope(command: &str) -> String {
    format!(
        r#"{{"request_id":"req-1","source_service":"user-service","target_service":"streaming-service","command":{command},"timestamp":"2025-10-28T00:00:00Z"}}"#
    )
}

/// Sends a command without fields.
pub(crate) async fn post_envelope(app: &Router, path: &str) -> Answer {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .header("x-request-id", "req-1");
    ask(app, request.body(envelope("{}").into()).unwrap()).await
}

async fn send(path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut request = Request::post(path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    ask(&app(), request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn a_command_is_answered_in_an_envelope() {
    let headers = [
        ("x-request-id", "req-1"),
        ("idempotency-key", "\"a key of my own\""),
        ("x-nova-deadline-ms", "60000"),
    ];
    let answer = send(PATH, &headers, envelope(r#"{"stream_id":42}"#)).await;
    assert_eq!(answer.header("x-request-id"), "req-1");
    insta::assert_snapshot!(answer.shown());
}

#[tokio::test]
async fn what_a_handler_fails_with_has_an_unknown_effect() {
    let answer = send(PATH, &[], envelope(r#"{"stream_id":1}"#)).await;
    insta::assert_snapshot!(answer.shown());
}

#[tokio::test]
async fn a_panic_and_an_internal_error_say_the_same_to_the_caller() {
    let panic = send(PATH, &[], envelope(r#"{"stream_id":13}"#)).await;
    let internal = send(PATH, &[], envelope(r#"{"stream_id":66}"#)).await;
    assert_eq!(panic.shown(), internal.shown());
    insta::assert_snapshot!(panic.shown());
}

#[tokio::test]
async fn the_public_edge_takes_no_request_id_from_an_envelope_either() {
    let commands = CommandRouter::new("streaming-service")
        .command("streams/info", info)
        .on(|_: WhoAsks| async {
            let context = CallContext::current().unwrap_or_default();
            Ok(context.request_id.map(String::from))
        })
        .build()
        .unwrap();
    let app = ServiceLayer::new("streaming-service")
        .public()
        .wrap(commands);
    for endpoint in ["who-asks", "streams/info", "streams/none"] {
        let answer = post_envelope(&app, &format!("/api/v1/streaming-service/{endpoint}")).await;
        assert_ne!(answer.header("x-request-id"), "req-1", "{endpoint}");
        assert!(
            !answer.body.contains("req-1"),
            "{endpoint}: {}",
            answer.body
        );
    }
}

/// What is wrong, and the path, the headers and the body that are.
type Case = (
    &'static str,
    String,
    &'static [(&'static str, &'static str)],
    String,
);

#[tokio::test]
async fn bad_input_is_refused_in_an_envelope_and_without_effect() {
    let good = envelope(r#"{"stream_id":42}"#);
    let elsewhere = good.replace("streaming-service", "feed-service");
    let nameless = good.replace(r#""source_service":"user-service","#, "");
    let array =
        r#"["req-1","user-service","streaming-service",{"stream_id":42},"2025-10-28T00:00:00Z"]"#;
    let no_id = good.replace("req-1", "not valid");
    let large = envelope(&format!(
        r#"{{"stream_id":42,"padding":"{}"}}"#,
        "x".repeat(2 << 20)
    ));
    let path = |rest: &str| format!("/api/v1/{rest}");
    let cases: [Case; 21] = [
        ("cut off", PATH.into(), &[], good[..80].to_owned()),
        (
            "cut off, with a header",
            PATH.into(),
            &[("x-request-id", "req-1")],
            good[..80].to_owned(),
        ),
        (
            "empty",
            PATH.into(),
            &[("x-request-id", "req-1")],
            String::new(),
        ),
        (
            "not an object",
            PATH.into(),
            &[("x-request-id", "req-1")],
            "[]".into(),
        ),
        (
            "an array of the fields",
            PATH.into(),
            &[("x-request-id", "req-1")],
            array.into(),
        ),
        (
            "wrong type",
            PATH.into(),
            &[],
            envelope(r#"{"stream_id":"hunter2"}"#),
        ),
        (
            "field of the command missing",
            PATH.into(),
            &[],
            envelope("{}"),
        ),
        ("field of the envelope missing", PATH.into(), &[], nameless),
        (
            "request id outside its grammar",
            PATH.into(),
            &[("x-request-id", "req-1")],
            no_id,
        ),
        (
            "too large",
            PATH.into(),
            &[("x-request-id", "req-1")],
            large,
        ),
        (
            "header and envelope disagree",
            PATH.into(),
            &[("x-request-id", "req-2")],
            good.clone(),
        ),
        (
            "path and envelope disagree",
            PATH.into(),
            &[],
            elsewhere.clone(),
        ),
        (
            "key without quotes",
            PATH.into(),
            &[("idempotency-key", "abc")],
            good.clone(),
        ),
        (
            "deadline that is no number",
            PATH.into(),
            &[("x-request-id", "req-1"), ("x-nova-deadline-ms", "soon")],
            good.clone(),
        ),
        (
            "deadline that is over",
            PATH.into(),
            &[("x-request-id", "req-1"), ("x-nova-deadline-ms", "0")],
            good.clone(),
        ),
        (
            "unknown target",
            path("feed-service/streams/info"),
            &[],
            elsewhere,
        ),
        (
            "unknown endpoint",
            path("streaming-service/streams/none"),
            &[],
            good.clone(),
        ),
        (
            "empty segment",
            path("streaming-service//streams/info"),
            &[],
            good.clone(),
        ),
        (
            "dot segment",
            path("streaming-service/../admin"),
            &[],
            good.clone(),
        ),
        (
            "encoded dot segment",
            path("streaming-service/%2e%2e/admin"),
            &[],
            good.clone(),
        ),
        (
            "encoded slash",
            path("streaming-service/streams%2finfo"),
            &[],
            good,
        ),
    ];
    let mut shown = String::new();
    for (name, path, headers, body) in cases {
        let answer = send(&path, headers, body).await;
        let mut text = answer.shown();
        if answer.header("x-request-id") != "req-1" {
            text = text.replace(answer.header("x-request-id"), "(new)");
        }
        shown += &format!("{name}: {text}\n");
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn another_content_type_is_refused() {
    let request = Request::post(PATH).header("content-type", "text/plain");
    let request = request.body(envelope("{}").into()).unwrap();
    let answer = ask(&app(), request).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.body.contains(r#""field":"content-type""#),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn a_command_on_a_route_of_its_own_fails_in_an_envelope_too() {
    let answer = send("/elsewhere", &[], envelope(r#"{"stream_id":13}"#)).await;
    assert_eq!(answer.status, 500);
    assert!(
        answer
            .body
            .starts_with(r#"{"request_id":"req-1","success":false"#),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn the_id_of_the_envelope_is_the_one_of_the_call() {
    let path = "/api/v1/streaming-service/who-asks";
    let answer = send(path, &[], envelope("{}")).await;
    assert_eq!(answer.header("x-request-id"), "req-1");
    assert!(answer.body.contains(r#""data":"req-1""#), "{}", answer.body);
}

#[tokio::test]
async fn the_rest_routes_beside_the_commands_stay_what_they_are() {
    assert_eq!(get(&app(), "/api/v1/posts").await.body, "posts");
    let unknown = get(&app(), "/api/v1/posts/unknown").await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.header("content-type"), "application/problem+json");
    let unknown = send("/api/v1", &[], "").await;
    assert_eq!(unknown.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn commands_that_cannot_be_routed_are_refused_when_they_are_built() {
    let field = |router: CommandRouter| router.build().unwrap_err().violations()[0].field.clone();
    let new = |name: &str| CommandRouter::new(name);
    assert_eq!(field(new("Streaming")), "service");
    assert_eq!(field(new("{x}").command("info", info)), "service");
    assert_eq!(field(new("a").command("../info", info)), "endpoint");
    assert_eq!(field(new("a").command("{*rest}", info)), "endpoint");
    assert_eq!(
        field(new("a").command("info", info).command("info", info)),
        "endpoint"
    );
    assert_eq!(
        field(new("a").on(|_: WhoAsks| async { Ok(None) })),
        "target"
    );
}
