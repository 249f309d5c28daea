//! Faults of real connections.

use std::time::Duration;

use nova_client::{ServiceClient, ServiceClientBuilder};
use nova_errors::{Effect, ErrorKind, Origin, ServiceError};
use nova_models::{AccessToken, CallContext};
use tokio::net::TcpSocket;

use crate::scripted_server::{JSON, Reply, ScriptedServer, answer, envelope, success};

/// Long enough for a loaded machine to connect and send.
const SHORT: Duration = Duration::from_millis(500);

fn builder(server: &ScriptedServer) -> ServiceClientBuilder {
    ServiceClient::builder("user-service").base_url(&server.url())
}

async fn call(client: &ServiceClient) -> Result<u8, ServiceError> {
    client.call("feed-service", "a", ()).await
}

async fn idempotent(client: &ServiceClient) -> Result<u8, ServiceError> {
    let call = client.command("feed-service", "a", ());
    call.idempotent().send().await
}

#[tokio::test]
async fn a_request_that_was_received_and_timed_out_is_not_sent_again() {
    let server = ScriptedServer::start([Reply::Silence]).await;
    let client = builder(&server).deadline(SHORT).build().unwrap();
    let error = call(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.effect(), Effect::Unknown);
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn an_idempotent_request_that_timed_out_is_sent_again_under_the_same_id() {
    let server = ScriptedServer::start([Reply::Silence, success("7")]).await;
    let client = builder(&server).attempt_timeout(SHORT).build().unwrap();
    assert_eq!(idempotent(&client).await.unwrap(), 7);
    let received = server.received();
    assert_eq!(received.len(), 2);
    assert_eq!(
        received[0].header("x-request-id"),
        received[1].header("x-request-id")
    );
    assert_eq!(received[1].header("x-nova-attempt"), Some("2"));
    assert_eq!(received[0].body, received[1].body);
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_and_has_no_effect() {
    // Bound but not listening: the port is taken and refuses.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let client = ServiceClient::new("user-service", &url);
    let error = call(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(error.attempts(), 3);
}

#[tokio::test]
async fn a_reset_connection_is_unavailable_with_an_unknown_effect() {
    let server = ScriptedServer::start([Reply::Reset]).await;
    let error = call(&builder(&server).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.effect(), Effect::Unknown);
    assert_eq!(error.origin(), Origin::Transport);
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_reset_on_a_pooled_connection_is_not_sent_again_by_itself() {
    let server = ScriptedServer::start([success("1"), Reply::Reset, success("3")]).await;
    let client = builder(&server).build().unwrap();
    assert_eq!(call(&client).await.unwrap(), 1);
    let error = call(&client).await.unwrap_err();
    assert_eq!(error.effect(), Effect::Unknown);
    assert_eq!(server.received().len(), 2);
    assert_eq!(call(&client).await.unwrap(), 3);
}

#[tokio::test]
async fn a_body_cut_off_in_the_middle_is_unavailable_with_an_unknown_effect() {
    let whole = answer("200 OK", JSON, &envelope("7"));
    let half = whole.split_at(whole.len() - 20).0.to_owned();
    let server = ScriptedServer::start([Reply::BytesThenClose(half)]).await;
    let error = call(&builder(&server).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.effect(), Effect::Unknown);
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_body_that_stops_coming_is_a_timeout() {
    let whole = answer("200 OK", JSON, &envelope("7"));
    let half = whole.split_at(whole.len() - 20).0.to_owned();
    let server = ScriptedServer::start([Reply::Bytes(half)]).await;
    let client = builder(&server).deadline(SHORT).build().unwrap();
    let error = call(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn an_answer_over_the_bound_is_refused_whether_announced_or_not() {
    let long = envelope(&format!("\"{}\"", "x".repeat(4096)));
    let chunks: String =
        std::iter::repeat_n(format!("400\r\n{}\r\n", "x".repeat(1024)), 64).collect();
    let chunked = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    for reply in [answer("200 OK", JSON, &long), chunked] {
        let server = ScriptedServer::start([Reply::Bytes(reply)]).await;
        let client = builder(&server).max_response_bytes(1500).build().unwrap();
        let error = idempotent(&client).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Upstream);
        assert_eq!(error.to_string(), "the answer is over 1500 bytes");
        assert_eq!(server.received().len(), 1);
    }
}

#[tokio::test]
async fn an_answer_in_many_chunks_is_put_together() {
    let body = envelope("7").replace("{id}", "req-1");
    let chunks: String = body
        .as_bytes()
        .chunks(10)
        .map(|part| format!("{:x}\r\n{}\r\n", part.len(), String::from_utf8_lossy(part)))
        .collect();
    let chunked = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    let server = ScriptedServer::start([Reply::Bytes(chunked)]).await;
    let client = builder(&server).max_response_bytes(body.len()).build();
    let client = client.unwrap();
    let call = client.command("feed-service", "a", ());
    let call = call.request_id("req-1".parse().unwrap());
    assert_eq!(call.send::<u8>().await.unwrap(), 7);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_no_token_leaves() {
    let other = ScriptedServer::start([success("7")]).await;
    for status in [
        "307 Temporary Redirect",
        "302 Found",
        "308 Permanent Redirect",
    ] {
        let location = format!("location: {}/api/v1/feed-service/a\r\n", other.url());
        let server = ScriptedServer::start([Reply::Bytes(answer(status, &location, ""))]).await;
        let client = builder(&server).build().unwrap();
        let mut context = CallContext::new();
        context.token = Some(AccessToken::new("t0ken"));
        let error = context.scope(idempotent(&client)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Upstream);
        assert_eq!(
            server.received()[0].header("authorization"),
            Some("Bearer t0ken")
        );
    }
    assert!(other.received().is_empty());
}

#[tokio::test]
async fn a_page_of_a_proxy_is_read_by_its_status() {
    let page = answer(
        "502 Bad Gateway",
        "content-type: text/html\r\n",
        "<h1>502</h1>",
    );
    let server = ScriptedServer::start([Reply::Bytes(page)]).await;
    let error = call(&builder(&server).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.origin(), Origin::Transport);
}

#[tokio::test]
async fn what_is_not_http_is_unavailable() {
    let server = ScriptedServer::start([Reply::BytesThenClose("SSH-2.0-x\r\n".into())]).await;
    let error = call(&builder(&server).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.effect(), Effect::Unknown);
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = ScriptedServer::start((0..5).map(|_| success("7"))).await;
    let client = builder(&server).build().unwrap();
    for _ in 0..5 {
        assert_eq!(call(&client.clone()).await.unwrap(), 7);
    }
    assert_eq!(server.received().len(), 5);
    assert_eq!(server.connections(), 1);
}
