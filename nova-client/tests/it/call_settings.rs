//! Settings of one call.

use std::time::Duration;

use nova_client::CommandBuilder;
use nova_client::test_util::{FakeTransport, Outcome};
use nova_errors::{ErrorKind, RetryPolicy};
use nova_models::{AccessToken, CallContext};
use tokio::time::Instant;

use crate::script::{SECOND, client, success};

#[tokio::test(start_paused = true)]
async fn a_call_can_have_a_policy_and_a_time_out_of_its_own() {
    let transport = FakeTransport::from_fn(|_| Outcome::silence());
    let client = client(&transport);
    let call = client.command("feed-service", "a", ()).idempotent();
    let call = call.retry(RetryPolicy::standard().max_attempts(2));
    let began = Instant::now();
    let error = call
        .attempt_timeout(SECOND / 2)
        .send::<u8>()
        .await
        .unwrap_err();
    assert_eq!(error.attempts(), 2);
    assert!(began.elapsed() >= SECOND && began.elapsed() < SECOND * 2);

    let call = client.command("feed-service", "a", ()).idempotent();
    let error = call
        .retry(RetryPolicy::never())
        .send::<u8>()
        .await
        .unwrap_err();
    assert_eq!(error.attempts(), 1);
    assert_eq!(transport.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_budget_holds_whatever_the_policy_of_the_call() {
    let transport = FakeTransport::from_fn(|_| Outcome::refused());
    let budget = nova_client::retry::RetryBudget::standard();
    let client = transport
        .builder("user-service")
        .retry_budget(budget.ratio(0.0).floor_per_second(0).burst(2))
        .build()
        .unwrap();
    let call = client.command("feed-service", "a", ());
    let call = call.retry(RetryPolicy::standard().max_attempts(50));
    assert_eq!(call.send::<u8>().await.unwrap_err().attempts(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_header_of_the_call_goes_with_every_attempt_and_over_that_of_the_context() {
    let transport = FakeTransport::new([Outcome::refused(), success("7")]);
    let client = client(&transport);
    let mut context = CallContext::new();
    context.token = Some(AccessToken::new("the-users"));
    let call = client
        .command("feed-service", "a", ())
        .header("accept-language", "de")
        .header("Authorization", "Bearer the-services");
    let _: u8 = context.scope(call.send()).await.unwrap();
    let sent = transport.sent();
    assert_eq!(sent.len(), 2);
    for sent in sent {
        assert_eq!(sent.header("accept-language"), Some("de"));
        let authorization = &sent.request.headers()["authorization"];
        assert_eq!(authorization, "Bearer the-services");
        assert!(authorization.is_sensitive());
    }
}

#[tokio::test]
async fn what_is_malformed_is_named_before_anything_is_sent_and_not_repeated() {
    type Call<'a> = CommandBuilder<'a, ()>;
    type Setting = fn(Call<'_>) -> Call<'_>;
    let settings: [(&str, Setting); 10] = [
        ("header", |call| call.header("a b", "1")),
        ("x-a", |call| call.header("x-a", "hunter2\r\nx-b: 1")),
        ("x-request-id", |call| call.header("X-Request-Id", "1")),
        ("x-nova-source", |call| call.header("x-nova-source", "1")),
        ("content-length", |call| call.header("content-length", "1")),
        ("headers", |call| {
            (0..33).fold(call, |call, at| call.header(&format!("x-{at}"), "1"))
        }),
        ("deadline", |call| call.deadline(Duration::ZERO)),
        ("deadline", |call| call.deadline(SECOND * 86_401)),
        ("attempt_timeout", |call| {
            call.attempt_timeout(Duration::ZERO)
        }),
        ("retry.max_attempts", |call| {
            call.retry(RetryPolicy::standard().max_attempts(0))
        }),
    ];
    let transport = FakeTransport::from_fn(|_| success("7"));
    let client = client(&transport);
    for (field, set) in settings {
        let call = set(client.command("feed-service", "a", ()));
        let error = call.send::<u8>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Validation, "{field}");
        assert_eq!(error.violations()[0].field, field);
        assert!(!format!("{error:?}").contains("hunter2"));
    }
    assert_eq!(transport.count(), 0);
}
