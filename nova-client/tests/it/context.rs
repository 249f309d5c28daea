//! What a call takes from the context that it is made in.

use nova_client::test_util::{FakeTransport, Outcome};
use nova_models::{AccessToken, CallContext};

use crate::script::{client, success};

#[tokio::test(start_paused = true)]
async fn each_call_of_a_handler_has_an_id_of_its_own() {
    let transport = FakeTransport::new([success("1"), success("2")]);
    let client = client(&transport);
    let mut context = CallContext::new();
    context.request_id = Some("inbound-1".parse().unwrap());
    context
        .scope(async {
            let _: u8 = client.call("feed-service", "a", ()).await.unwrap();
            let _: u8 = client.call("feed-service", "a", ()).await.unwrap();
        })
        .await;
    let sent = transport.sent();
    let ids: Vec<_> = sent
        .iter()
        .filter_map(|s| s.header("x-request-id"))
        .collect();
    assert_ne!(ids[0], ids[1]);
    assert!(!ids.contains(&"inbound-1"));
}

#[tokio::test(start_paused = true)]
async fn the_context_is_read_when_the_call_is_polled_not_when_it_is_made() {
    let transport = FakeTransport::new([success("1")]);
    let client = client(&transport);
    let mut context = CallContext::new();
    context.token = Some(AccessToken::new("t0ken"));
    let _: u8 = context
        .scope(client.call("feed-service", "a", ()))
        .await
        .unwrap();
    assert_eq!(
        transport.sent()[0].header("authorization"),
        Some("Bearer t0ken")
    );
}

#[tokio::test]
async fn a_token_that_no_header_can_hold_is_refused_and_not_repeated() {
    let transport = FakeTransport::new(None::<Outcome>);
    let client = client(&transport);
    let mut context = CallContext::new();
    context.token = Some(AccessToken::new("hunter2\r\nx: y"));
    let error = context
        .scope(client.call::<()>("feed-service", "a", ()))
        .await
        .unwrap_err();
    assert_eq!(error.violations()[0].field, "authorization");
    assert!(!format!("{error:?}").contains("hunter2"));
    assert!(transport.sent().is_empty());
}
