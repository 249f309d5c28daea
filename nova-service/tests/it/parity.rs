//! One service, served by axum and by actix-web, answers the same requests with the same bytes.

#[cfg(feature = "actix")]
mod actix_app;
mod axum_app;
mod handlers;
mod limits;
#[cfg(feature = "actix")]
mod observed;
mod once;
mod server;
mod socket;

use std::time::Duration;

use nova_service::ServiceLayer;

use server::{Framework, Request, Running};

/// A name, method and path, headers, and the body.
type Case<'a> = (
    &'a str,
    &'a str,
    &'a [(&'a str, &'a str)],
    std::borrow::Cow<'a, str>,
);

fn layer() -> ServiceLayer {
    ServiceLayer::new("streaming-service")
}

/// What both frameworks answer, which has to be the same.
async fn answers(layer: ServiceLayer, cases: &[Case<'_>]) -> String {
    let mut running = Vec::new();
    for framework in Framework::ALL {
        running.push((*framework, Running::start(*framework, layer.clone()).await));
    }
    answers_of(running, cases).await
}

async fn answers_of(running: Vec<(Framework, Running)>, cases: &[Case<'_>]) -> String {
    let mut all = String::new();
    for (name, target, headers, body) in cases {
        let (method, path) = target.split_once(' ').unwrap();
        let request = Request {
            method,
            path,
            headers,
            body,
        };
        let mut found = Vec::new();
        for (framework, server) in &running {
            found.push((framework, server.send(&request).await));
        }
        let (_, first) = &found[0];
        for (framework, answer) in &found {
            assert_eq!(answer, first, "{name}: {framework:?} answers otherwise");
        }
        all += &format!("{name}: {first}\n");
    }
    for (_, server) in running {
        server.stop().await;
    }
    all
}

const INFO: &str = "POST /api/v1/streaming-service/streams/info";
const JSON: (&str, &str) = ("content-type", "application/json");
const ID: (&str, &str) = ("x-request-id", "req-1");

fn envelope(command: &str) -> String {
    format!(
        r#"{{"request_id":"req-1","source_service":"user-service","target_service":"streaming-service","command":{command},"timestamp":"2025-10-28T00:00:00Z"}}"#
    )
}

#[tokio::test]
async fn commands_are_answered_alike() {
    let id = |id: &str| envelope(&format!(r#"{{"stream_id":{id}}}"#)).into();
    let key = ("idempotency-key", "\"a key of my own\"");
    let deadline = ("x-nova-deadline-ms", "60000");
    let cases: [Case; 9] = [
        ("success", INFO, &[JSON, ID, key, deadline], id("42")),
        ("error", INFO, &[JSON], id("1")),
        ("panic", INFO, &[JSON], id("13")),
        ("internal error", INFO, &[JSON], id("66")),
        ("an error without effect", INFO, &[JSON], id("7")),
        (
            "one where the handler reads JSON",
            "POST /api/v1/streaming-service/json",
            &[JSON, ID],
            envelope("{}").into(),
        ),
        (
            "one where the handler reads bytes",
            "POST /api/v1/streaming-service/raw",
            &[ID],
            envelope("{}").into(),
        ),
        (
            "typed",
            "POST /api/v1/streaming-service/who-asks",
            &[JSON],
            envelope("{}").into(),
        ),
        (
            "on a route of its own",
            "POST /elsewhere",
            &[JSON],
            id("13"),
        ),
    ];
    insta::assert_snapshot!(answers(layer(), &cases).await);
}

#[tokio::test]
async fn commands_that_are_malformed_are_refused_alike() {
    let good = envelope(r#"{"stream_id":42}"#);
    let cut = &good[..80];
    let elsewhere = good.replace("streaming-service", "feed-service");
    let nameless = good.replace(r#""source_service":"user-service","#, "");
    let no_id = good.replace("req-1", "not valid");
    let array =
        r#"["req-1","user-service","streaming-service",{"stream_id":42},"2025-10-28T00:00:00Z"]"#;
    let large = envelope(&format!(
        r#"{{"stream_id":42,"padding":"{}"}}"#,
        "x".repeat(2 << 20)
    ));
    let chunked = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let good = || good.as_str().into();
    let cases: [Case; 26] = [
        ("cut off", INFO, &[JSON], cut.into()),
        ("cut off, with a header", INFO, &[JSON, ID], cut.into()),
        ("empty", INFO, &[JSON, ID], "".into()),
        ("not an object", INFO, &[JSON, ID], "[]".into()),
        ("an array of the fields", INFO, &[JSON, ID], array.into()),
        (
            "wrong type",
            INFO,
            &[JSON],
            envelope(r#"{"stream_id":"hunter2"}"#).into(),
        ),
        (
            "field of the command missing",
            INFO,
            &[JSON],
            envelope("{}").into(),
        ),
        (
            "field of the envelope missing",
            INFO,
            &[JSON],
            nameless.into(),
        ),
        (
            "request id outside its grammar",
            INFO,
            &[JSON, ID],
            no_id.into(),
        ),
        ("too large", INFO, &[JSON, ID], large.into()),
        (
            "too large, by and by",
            INFO,
            &[JSON, ID, ("transfer-encoding", "chunked")],
            chunked.into(),
        ),
        ("no content type", INFO, &[ID], good()),
        (
            "another content type",
            INFO,
            &[ID, ("content-type", "text/plain")],
            good(),
        ),
        (
            "header and envelope disagree",
            INFO,
            &[JSON, ("x-request-id", "req-2")],
            good(),
        ),
        (
            "path and envelope disagree",
            INFO,
            &[JSON],
            elsewhere.clone().into(),
        ),
        (
            "key without quotes",
            INFO,
            &[JSON, ("idempotency-key", "abc")],
            good(),
        ),
        (
            "two keys",
            INFO,
            &[
                JSON,
                ("idempotency-key", "\"a\""),
                ("idempotency-key", "\"b\""),
            ],
            good(),
        ),
        (
            "deadline that is no number",
            INFO,
            &[JSON, ID, ("x-nova-deadline-ms", "soon")],
            good(),
        ),
        (
            "deadline that is over",
            INFO,
            &[JSON, ID, ("x-nova-deadline-ms", "0")],
            good(),
        ),
        (
            "unknown target",
            "POST /api/v1/feed-service/streams/info",
            &[JSON],
            elsewhere.into(),
        ),
        (
            "unknown endpoint",
            "POST /api/v1/streaming-service/streams/none",
            &[JSON],
            good(),
        ),
        (
            "empty segment",
            "POST /api/v1/streaming-service//streams/info",
            &[JSON],
            good(),
        ),
        (
            "dot segment",
            "POST /api/v1/streaming-service/../admin",
            &[JSON],
            good(),
        ),
        (
            "encoded dot segment",
            "POST /api/v1/streaming-service/%2e%2e/admin",
            &[JSON],
            good(),
        ),
        (
            "encoded slash",
            "POST /api/v1/streaming-service/streams%2finfo",
            &[JSON],
            good(),
        ),
        (
            "wrong method",
            "GET /api/v1/streaming-service/streams/info",
            &[ID],
            "".into(),
        ),
    ];
    insta::assert_snapshot!(answers(layer(), &cases).await);
}

#[tokio::test]
async fn rest_routes_are_answered_alike() {
    let large = format!(r#"{{"caption":"{}","tags":[]}}"#, "x".repeat(2 << 20));
    let fits = r#"{"caption":"a","tags":[{"weight":1}]}"#;
    let none = || "".into();
    let far_too_large = "x".repeat(7 << 20);
    let cases: [Case; 28] = [
        ("JSON", "POST /posts", &[JSON, ID], fits.into()),
        ("query", "GET /posts?limit=7", &[ID], none()),
        ("path", "GET /posts/7", &[ID], none()),
        ("path of two", "GET /users/me/posts/7", &[ID], none()),
        ("no id", "GET /posts/7", &[], none()),
        (
            "an id that is not valid",
            "GET /posts/7",
            &[("x-request-id", "not valid")],
            none(),
        ),
        (
            "element of the wrong type",
            "POST /posts",
            &[JSON, ID],
            r#"{"caption":"a","tags":[{"weight":1},{"weight":300}]}"#.into(),
        ),
        (
            "missing field",
            "POST /posts",
            &[JSON, ID],
            r#"{"caption":"a","tags":[{}]}"#.into(),
        ),
        (
            "cut off",
            "POST /posts",
            &[JSON, ID],
            r#"{"caption":"a""#.into(),
        ),
        ("no content type", "POST /posts", &[ID], fits.into()),
        ("too large", "POST /posts", &[JSON, ID], large.into()),
        (
            "far too large",
            "POST /posts",
            &[JSON, ID],
            far_too_large.into(),
        ),
        (
            "too large for its route",
            "POST /small",
            &[JSON, ID],
            fits.into(),
        ),
        (
            "query of the wrong type",
            "GET /posts?limit=many",
            &[ID],
            none(),
        ),
        ("query out of range", "GET /posts?limit=1000", &[ID], none()),
        ("path of the wrong type", "GET /posts/abc", &[ID], none()),
        (
            "one parameter of two of the wrong type",
            "GET /users/me/posts/many",
            &[ID],
            none(),
        ),
        (
            "route and extractor disagree",
            "GET /mistake",
            &[ID],
            none(),
        ),
        ("error", "GET /limited", &[ID], none()),
        ("panic", "GET /panic", &[ID], none()),
        ("header of its own", "GET /unauthorized", &[ID], none()),
        ("bare status", "GET /bare", &[ID], none()),
        ("words of its own", "GET /own", &[ID], none()),
        ("unknown route", "GET /nowhere", &[ID], none()),
        ("head of an unknown route", "HEAD /nowhere", &[ID], none()),
        (
            "unknown route beside the commands",
            "GET /api/v1/posts/unknown",
            &[ID],
            none(),
        ),
        ("health", "GET /health/live", &[ID], none()),
        ("readiness", "GET /health/ready", &[ID], none()),
    ];
    insta::assert_snapshot!(answers(layer(), &cases).await);
}

#[tokio::test]
async fn a_wrong_method_is_a_problem_on_both() {
    for framework in Framework::ALL {
        let server = Running::start(*framework, layer()).await;
        let request = Request {
            method: "DELETE",
            path: "/posts/7",
            headers: &[ID],
            body: "",
        };
        let answer = server.send(&request).await;
        assert!(answer.starts_with("405"), "{framework:?}: {answer}");
        // axum answers HEAD on a route for GET, actix-web does not.
        assert!(answer.contains("allow: GET"), "{framework:?}: {answer}");
        let problem = r#"{"type":"about:blank","title":"not implemented","status":405,"detail":"method not allowed","instance":"req-1","code":"unimplemented","#;
        assert!(answer.contains(problem), "{framework:?}: {answer}");
        server.stop().await;
    }
}

const PARENT: (&str, &str) = (
    "traceparent",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
);

#[tokio::test]
async fn the_context_of_a_handler_is_the_same() {
    let all: &[(&str, &str)] = &[
        ID,
        PARENT,
        ("tracestate", "a=1"),
        ("x-nova-deadline-ms", "60000"),
        ("x-nova-subject", "admin"),
        ("authorization", "Bearer hunter2"),
    ];
    let cases: [Case; 3] = [
        ("all", "GET /context", all, "".into()),
        ("none", "GET /context", &[], "".into()),
        (
            "invalid",
            "GET /context",
            &[("traceparent", "00-junk")],
            "".into(),
        ),
    ];
    insta::assert_snapshot!(answers(layer(), &cases).await, @r#"
    all: 200
      content-type: text/plain; charset=utf-8
      x-request-id: req-1
      content-length: 124
      subject None, token None, deadline within a minute Some(true), trace Some(("0af7651916cd43dd8448eb211c80319c", Some("a=1")))
    none: 200
      content-type: text/plain; charset=utf-8
      x-request-id: (new)
      content-length: 67
      subject None, token None, deadline within a minute None, trace None
    invalid: 200
      content-type: text/plain; charset=utf-8
      x-request-id: (new)
      content-length: 67
      subject None, token None, deadline within a minute None, trace None
    "#);
}

#[tokio::test]
async fn the_public_edge_takes_nothing_from_the_caller_on_either() {
    let layer = layer().public().max_deadline(Duration::from_secs(30));
    let junk: &[(&str, &str)] = &[ID, PARENT, ("x-nova-deadline-ms", "junk")];
    let cases: [Case; 2] = [
        ("success", "GET /context", junk, "".into()),
        ("error", "GET /limited", junk, "".into()),
    ];
    insta::assert_snapshot!(answers(layer, &cases).await, @r#"
    success: 200
      content-type: text/plain; charset=utf-8
      x-request-id: (new)
      content-length: 73
      subject None, token None, deadline within a minute Some(true), trace None
    error: 429
      content-type: application/problem+json
      x-request-id: (new)
      retry-after: 2
      content-length: 206
      {"type":"about:blank","title":"too many requests","status":429,"detail":"feed","instance":"(new)","code":"rate_limited","retryable":true,"retry_after_ms":1500,"violations":[]}
    "#);
}

#[tokio::test]
async fn a_handler_is_dropped_at_its_deadline_on_both() {
    for framework in Framework::ALL {
        let server = Running::start(*framework, layer()).await;
        let request = Request {
            method: "GET",
            path: "/hang",
            headers: &[ID, ("x-nova-deadline-ms", "50")],
            body: "",
        };
        let answer = server.send(&request).await;
        assert!(answer.starts_with("504"), "{framework:?}: {answer}");
        assert!(
            answer
                .contains(r#""detail":"the deadline is over","instance":"req-1","code":"timeout""#),
            "{framework:?}: {answer}"
        );
        assert_eq!(server.dropped.count(), 1, "{framework:?}");

        let request = Request {
            headers: &[ID, ("x-nova-deadline-ms", "0")],
            ..request
        };
        let answer = server.send(&request).await;
        assert!(answer.starts_with("504"), "{framework:?}: {answer}");
        assert_eq!(server.dropped.count(), 1, "no handler ran: {framework:?}");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_panic_costs_nobody_a_connection_on_either() {
    for framework in Framework::ALL {
        let server = Running::start(*framework, layer()).await;
        let answers = server.send_on_one_connection(&["/panic", "/posts/7"]).await;
        assert!(
            answers[0].starts_with("HTTP/1.1 500"),
            "{framework:?}: {answers:?}"
        );
        assert!(
            answers[1].starts_with("HTTP/1.1 200"),
            "{framework:?}: {answers:?}"
        );
        server.stop().await;
    }
}
