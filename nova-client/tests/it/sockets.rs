//! Faults of real connections.

use std::time::Duration;

use nova_client::test_util::{Answer, Reply, ScriptedServer};
use nova_client::{ServiceClient, ServiceClientBuilder};
use nova_errors::{Effect, ErrorBody, ErrorKind, Origin, ServiceError};
use nova_models::{AccessToken, CallContext};
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket};

use crate::script::envelope;

/// Long enough for a loaded machine to connect and send.
const SHORT: Duration = Duration::from_millis(500);

async fn start(script: impl IntoIterator<Item = Reply>) -> ScriptedServer {
    ScriptedServer::start(script).await.unwrap()
}

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
    let server = start([Reply::silence()]).await;
    let client = builder(&server).deadline(SHORT).build().unwrap();
    let error = call(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.effect(), Effect::Unknown);
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn an_idempotent_request_that_timed_out_is_sent_again_under_the_same_id() {
    let server = start([Reply::silence(), Answer::success(7).into()]).await;
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
    let server = start([Reply::reset()]).await;
    let error = call(&builder(&server).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.effect(), Effect::Unknown);
    assert_eq!(error.origin(), Origin::Transport);
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_reset_on_a_pooled_connection_is_not_sent_again_by_itself() {
    let server = start([
        Answer::success(1).into(),
        Reply::reset(),
        Answer::success(3).into(),
    ])
    .await;
    let client = builder(&server).build().unwrap();
    assert_eq!(call(&client).await.unwrap(), 1);
    let error = call(&client).await.unwrap_err();
    assert_eq!(error.effect(), Effect::Unknown);
    assert_eq!(server.received().len(), 2);
    assert_eq!(call(&client).await.unwrap(), 3);
}

#[tokio::test]
async fn a_body_cut_off_in_the_middle_is_unavailable_with_an_unknown_effect() {
    let server = start([Reply::cut(Answer::success(7), 20)]).await;
    let error = call(&builder(&server).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.effect(), Effect::Unknown);
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn an_idempotent_request_is_sent_again_on_a_new_connection_after_a_reset_of_a_pooled_one() {
    let script = [
        Answer::success(1).into(),
        Reply::reset(),
        Answer::success(3).into(),
    ];
    let server = start(script).await;
    let client = builder(&server).build().unwrap();
    assert_eq!(call(&client).await.unwrap(), 1);
    assert_eq!(idempotent(&client).await.unwrap(), 3);
    let received = server.received();
    assert_eq!(received.len(), 3);
    assert_eq!(server.connections(), 2);
    assert_eq!(received[1].body, received[2].body);
    assert_eq!(received[2].header("x-nova-attempt"), Some("2"));
}

#[tokio::test]
async fn a_pooled_connection_that_the_server_has_closed_costs_an_idempotent_call_nothing_but_an_attempt()
 {
    let closing = Reply::from(Answer::success(1)).then_close();
    let server = start([closing, Answer::success(2).into()]).await;
    let client = builder(&server).build().unwrap();
    assert_eq!(call(&client).await.unwrap(), 1);
    assert_eq!(idempotent(&client).await.unwrap(), 2);
    assert_eq!(server.received().len(), 2);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn an_idempotent_request_is_sent_again_after_a_body_that_was_cut_off() {
    let cut = Reply::cut(Answer::success(7), 20);
    let server = start([cut, Answer::success(8).into()]).await;
    let client = builder(&server).build().unwrap();
    assert_eq!(idempotent(&client).await.unwrap(), 8);
}

#[tokio::test]
async fn a_server_that_accepts_and_never_reads_is_a_timeout_and_not_called_again() {
    // The kernel accepts for it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = ServiceClient::builder("user-service").base_url(&url);
    let client = client.deadline(SHORT).build().unwrap();
    let error = call(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.effect(), Effect::Unknown);
    assert_eq!(error.attempts(), 1);
}

#[tokio::test]
async fn a_call_that_is_given_up_closes_its_connection() {
    let server = start([Reply::silence(), Answer::success(2).into()]).await;
    let client = builder(&server).build().unwrap();
    tokio::select! {
        _ = call(&client) => panic!("it was answered"),
        () = server.wait_for(1) => {}
    }
    assert_eq!(call(&client).await.unwrap(), 2);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn retry_after_beyond_the_time_left_fails_at_once() {
    for status in [429, 503] {
        let busy = Answer::new(status).header("retry-after", "11");
        let server = start([busy.into()]).await;
        let client = builder(&server).build().unwrap();
        let error = idempotent(&client).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(11)));
        assert_eq!(error.attempts(), 1);
        assert_eq!(server.received().len(), 1);
    }
}

#[tokio::test]
async fn invalid_json_and_a_failure_in_a_200_are_failures_of_which_neither_is_sent_again() {
    let invalid = Answer::new(200).body("{\"request_id\":");
    let refusal = ServiceError::NotFound("feed 7".into());
    let failure = Answer::failed(200, json!(ErrorBody::from(&refusal)));
    for (answer, kind) in [
        (invalid, ErrorKind::Upstream),
        (failure, ErrorKind::NotFound),
    ] {
        let server = start([answer.into()]).await;
        let client = builder(&server).build().unwrap();
        let error = idempotent(&client).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(error.origin(), Origin::Remote);
        assert_eq!(server.received().len(), 1);
    }
}

#[tokio::test]
async fn a_name_that_would_leave_its_prefix_opens_no_connection() {
    let server = start([]).await;
    let client = builder(&server).build().unwrap();
    for endpoint in ["../admin", "%2e%2e/admin", "//evil", "a\r\nhost: evil"] {
        let call = client.call::<u8>("feed-service", endpoint, ());
        assert_eq!(call.await.unwrap_err().kind(), ErrorKind::Validation);
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_body_that_stops_coming_is_a_timeout() {
    let server = start([Reply::cut(Answer::success(7), 20).then_silence()]).await;
    let client = builder(&server).deadline(SHORT).build().unwrap();
    let error = call(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn an_answer_over_the_bound_is_refused_whether_announced_or_not() {
    let long = Reply::from(Answer::success("x".repeat(4096)));
    let chunks: String =
        std::iter::repeat_n(format!("400\r\n{}\r\n", "x".repeat(1024)), 64).collect();
    let chunked = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    for reply in [long, Reply::raw(chunked)] {
        let server = start([reply]).await;
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
    let server = start([Reply::raw(chunked)]).await;
    let client = builder(&server).max_response_bytes(body.len()).build();
    let client = client.unwrap();
    let call = client.command("feed-service", "a", ());
    let call = call.request_id("req-1".parse().unwrap());
    assert_eq!(call.send::<u8>().await.unwrap(), 7);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_no_token_leaves() {
    let other = start([Answer::success(7).into()]).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("{}/api/v1/feed-service/a", other.url());
        let redirect = Answer::new(status).header("location", &location);
        let server = start([redirect.into()]).await;
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
    let page = Answer::new(502).header("content-type", "text/html");
    let server = start([page.body("<h1>502</h1>").into()]).await;
    let error = call(&builder(&server).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.origin(), Origin::Transport);
}

#[tokio::test]
async fn what_is_not_http_is_unavailable() {
    let server = start([Reply::raw("SSH-2.0-x\r\n").then_close()]).await;
    let error = call(&builder(&server).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.effect(), Effect::Unknown);
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = start((0..5).map(|_| Answer::success(7).into())).await;
    let client = builder(&server).build().unwrap();
    for _ in 0..5 {
        assert_eq!(call(&client.clone()).await.unwrap(), 7);
    }
    assert_eq!(server.received().len(), 5);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn headers_without_end_are_given_up_early() {
    let field = format!("x-flood: {}\r\n", "x".repeat(1000));
    let flood = ["HTTP/1.1 200 OK\r\n", &field.repeat(4000)].concat();
    let server = start([Reply::raw(flood).then_silence()]).await;
    let client = builder(&server).build().unwrap();
    let error = call(&client).await.unwrap_err();
    // Not by time: the server keeps the connection open.
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.effect(), Effect::Unknown);
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_not_asked() {
    const URL: &str = "NOVA_CLIENT_TEST_URL";
    if let Ok(url) = std::env::var(URL) {
        assert_eq!(
            call(&ServiceClient::new("user-service", &url))
                .await
                .unwrap(),
            7
        );
        return;
    }
    let server = start([Answer::success(7).into()]).await;
    let proxy = start([Answer::success(8).into()]).await;
    // The environment is that of a whole process, so this test runs again in one of its own.
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again
        .args([
            "--exact",
            "sockets::a_proxy_of_the_environment_is_not_asked",
        ])
        .env(URL, server.url())
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        again.env(name, proxy.url());
    }
    let output = tokio::task::spawn_blocking(move || again.output())
        .await
        .unwrap();
    let output = output.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert_eq!(server.received().len(), 1);
    assert!(proxy.received().is_empty());
}
