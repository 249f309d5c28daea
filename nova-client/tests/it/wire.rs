//! What the client really sends.

use std::time::{Duration, SystemTime};

use nova_client::ServiceClient;
use nova_client::test_util::{Answer, FakeTransport, Outcome, ScriptedServer};
use nova_models::{AccessToken, CallContext, TraceContext};
use serde_json::json;

use crate::script::{client, deadline_ms};

fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_761_652_800)
}

fn context() -> CallContext {
    let mut context = CallContext::new();
    context.request_id = Some("inbound-1".parse().unwrap());
    context.token = Some(AccessToken::new("t0ken"));
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    context.trace = Some(TraceContext::parse(parent, Some("vendor=1")).unwrap());
    context
}

#[tokio::test]
async fn the_head_and_the_body_are_those_of_the_wire_contract() {
    let server = ScriptedServer::start([Answer::success(json!({"viewers": 3}))])
        .await
        .unwrap();
    let client = ServiceClient::builder("user-service")
        .endpoint("streaming-service", &server.url())
        .wall_clock(noon)
        .build()
        .unwrap();
    let reply: serde_json::Value = context()
        .scope(async {
            client
                .command(
                    "streaming-service",
                    "streams/info",
                    json!({"stream_id": 42}),
                )
                .request_id("0192f0c1-7e5a-7000-8000-000000000001".parse().unwrap())
                .idempotency_key(r#"order "7""#)
                .send()
                .await
        })
        .await
        .unwrap();
    assert_eq!(reply["viewers"], 3);

    let received = server.received();
    let request = received.first().unwrap();
    let left = request.header("x-nova-deadline-ms").unwrap();
    assert!(
        (1..=10_000).contains(&left.parse::<u64>().unwrap()),
        "{left}"
    );
    let head = request
        .head
        .replace(&format!("deadline-ms: {left}"), "deadline-ms: <left>")
        .replace(&server.address().to_string(), "<address>")
        .replace("\r\n", "\n");
    insta::assert_snapshot!("request_head", head.trim_end());
    insta::assert_snapshot!("request_body", request.text());
}

#[tokio::test]
async fn without_a_context_the_key_is_the_request_id_and_no_trace_is_made_up() {
    let server = ScriptedServer::start([Answer::success(())]).await.unwrap();
    let client = ServiceClient::new("user-service", &server.url());
    let (): () = client
        .call("feed-service", "feeds/rebuild", ())
        .await
        .unwrap();

    let received = server.received();
    let request = received.first().unwrap();
    let id = request.header("x-request-id").unwrap();
    assert_eq!(id.parse::<uuid::Uuid>().unwrap().get_version_num(), 7);
    assert_eq!(
        request.header("idempotency-key").unwrap(),
        format!("\"{id}\"")
    );
    assert_eq!(request.header("traceparent"), None);
    assert_eq!(request.header("authorization"), None);
    assert_eq!(request.header("tracestate"), None);
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["request_id"], id);
}

#[tokio::test(start_paused = true)]
async fn attempts_share_the_id_the_key_and_the_bytes_of_the_body() {
    let transport = FakeTransport::new([
        Outcome::silence(),
        Outcome::refused(),
        Answer::success(1).into(),
    ]);
    let client = client(&transport);
    let call = client.command("billing-service", "charges/create", json!({"cents": 7}));
    let reply: u8 = context().scope(call.idempotent().send()).await.unwrap();
    assert_eq!(reply, 1);

    let sent = transport.sent();
    let numbers: Vec<_> = sent
        .iter()
        .filter_map(|s| s.header("x-nova-attempt"))
        .collect();
    assert_eq!(numbers, ["1", "2", "3"]);
    for pair in sent.windows(2) {
        for name in ["x-request-id", "idempotency-key", "traceparent"] {
            let first = pair[0].header(name).unwrap();
            assert_eq!(pair[1].header(name), Some(first), "{name}");
        }
        assert_eq!(
            pair[0].request.body().as_ptr(),
            pair[1].request.body().as_ptr()
        );
        assert!(deadline_ms(&pair[0]) >= deadline_ms(&pair[1]));
    }
    // The first attempt took its two seconds.
    assert_eq!(deadline_ms(&sent[0]), 10_000);
    assert!(deadline_ms(&sent[1]) <= 8_000);
}
