//! How long a call and its attempts take.

use std::time::Duration;

use nova_client::test_util::{FakeTransport, Outcome};
use nova_errors::{Effect, ErrorKind, Origin};
use nova_models::{CallContext, Deadline};
use tokio::time::Instant;

use crate::script::{SECOND, client, deadline_ms, success};

fn inherited(left: Duration) -> CallContext {
    let mut context = CallContext::new();
    context.deadline = Some(Deadline::after(Instant::now().into_std(), left));
    context
}

/// The paused clock moves in whole milliseconds.
fn assert_about(elapsed: Duration, expected: Duration) {
    let off = elapsed.abs_diff(expected);
    assert!(off <= Duration::from_millis(2), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_cannot_be_retried_gets_all_that_is_left() {
    let transport = FakeTransport::new([Outcome::silence()]);
    let began = Instant::now();
    let error = client(&transport)
        .call::<u8>("feed-service", "a", ())
        .await
        .unwrap_err();
    assert_about(began.elapsed(), SECOND * 10);
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.effect(), Effect::Unknown);
    assert_eq!(error.origin(), Origin::Transport);
    assert_eq!(transport.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_call_gives_each_attempt_its_time_out() {
    let transport =
        FakeTransport::new([Outcome::silence(), Outcome::silence(), Outcome::silence()]);
    let client = transport
        .builder("user-service")
        .attempt_timeout(SECOND)
        .build()
        .unwrap();
    let began = Instant::now();
    let call = client.command("feed-service", "a", ()).idempotent();
    let error = call.send::<u8>().await.unwrap_err();
    assert_eq!(error.attempts(), 3);
    assert!(began.elapsed() >= SECOND * 3 && began.elapsed() < SECOND * 4);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_call_in_the_middle_of_an_attempt() {
    let transport = FakeTransport::new([Outcome::silence(), Outcome::silence()]);
    let began = Instant::now();
    let client = client(&transport);
    let call = client.command("feed-service", "a", ()).idempotent();
    let error = call.deadline(SECOND * 3).send::<u8>().await.unwrap_err();
    assert_about(began.elapsed(), SECOND * 3);
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_inherited_deadline_holds_less_a_margin_and_goes_with_the_call() {
    let transport = FakeTransport::new([Outcome::silence()]);
    let client = client(&transport);
    let began = Instant::now();
    let error = inherited(SECOND / 2)
        .scope(client.call::<u8>("feed-service", "a", ()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_about(began.elapsed(), Duration::from_millis(490));
    assert_eq!(deadline_ms(&transport.sent()[0]), 490);
}

#[tokio::test(start_paused = true)]
async fn a_call_may_not_outlive_the_inherited_deadline_by_its_own_setting() {
    let transport = FakeTransport::new([success("7")]);
    let client = client(&transport);
    let call = client
        .command("feed-service", "a", ())
        .deadline(SECOND * 60);
    inherited(SECOND).scope(call.send::<u8>()).await.unwrap();
    assert_eq!(deadline_ms(&transport.sent()[0]), 990);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_when_the_deadline_is_over() {
    let transport = FakeTransport::new(None::<Outcome>);
    let client = client(&transport);
    let error = inherited(Duration::from_millis(5))
        .scope(client.call::<u8>("feed-service", "a", ()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(error.attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_of_which_the_peer_would_be_told_that_no_time_is_left() {
    let transport = FakeTransport::from_fn(|_| success("7"));
    let client = client(&transport);
    let call = async |micros: u64| {
        let context = inherited(Duration::from_micros(10_000 + micros));
        let call = client.call::<u8>("feed-service", "a", ());
        context.scope(call).await
    };
    let error = call(999).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(transport.count(), 0);
    assert_eq!(call(1_000).await.unwrap(), 7);
    assert_eq!(deadline_ms(&transport.sent()[0]), 1);
}

#[tokio::test(start_paused = true)]
async fn no_attempt_begins_after_the_deadline() {
    let transport = FakeTransport::new((0..100).map(|_| Outcome::refused()));
    let client = transport
        .builder("user-service")
        .retry(nova_errors::RetryPolicy::standard().max_attempts(100))
        .retry_budget(None)
        .circuit_breaker(None)
        .build()
        .unwrap();
    let began = Instant::now();
    let call = client.command("feed-service", "a", ()).deadline(SECOND * 5);
    let error = call.send::<u8>().await.unwrap_err();
    assert!(began.elapsed() <= SECOND * 5);
    assert!(error.attempts() > 2 && error.attempts() < 100);
    let sent = transport.sent();
    assert!(sent.iter().all(|sent| sent.at < began + SECOND * 5));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_gives_the_call_up() {
    let transport = FakeTransport::new([Outcome::silence()]);
    let client = client(&transport);
    let call = client.call::<u8>("feed-service", "a", ());
    let given_up = tokio::time::timeout(SECOND, call).await;
    assert!(given_up.is_err());
    tokio::time::advance(SECOND * 60).await;
    assert_eq!(transport.sent().len(), 1);
}
