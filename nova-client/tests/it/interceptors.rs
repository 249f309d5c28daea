//! What may be done to a request before it goes out.

use std::sync::{Arc, Mutex};

use http::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
use nova_client::circuit_breaker::{BreakerState, CircuitBreaker};
use nova_client::retry::RetryBudget;
use nova_client::test_util::{FakeTransport, Outcome};
use nova_client::{InterceptorRefusal, ServiceClient};
use nova_errors::{Chain, Effect, ErrorKind, Origin, ServiceError};
use nova_models::{AccessToken, CallContext};

use crate::script::success;

const SIGNATURE: HeaderName = HeaderName::from_static("x-signature");

async fn call(client: &ServiceClient) -> Result<u8, ServiceError> {
    client.call("feed-service", "a", "hello").await
}

#[tokio::test(start_paused = true)]
async fn they_run_in_their_order_and_each_sees_what_the_one_before_did() {
    let transport = FakeTransport::new([success("7")]);
    let client = transport
        .builder("user-service")
        .interceptor(|request| request.set_header(USER_AGENT, HeaderValue::from_static("one")))
        .interceptor(|request| {
            let seen = request.headers()[USER_AGENT].to_str().unwrap();
            let both = HeaderValue::from_str(&format!("{seen} two")).unwrap();
            request.set_header(USER_AGENT, both)
        })
        .build()
        .unwrap();
    call(&client).await.unwrap();
    assert_eq!(transport.sent()[0].header("user-agent"), Some("one two"));
}

#[tokio::test(start_paused = true)]
async fn a_signature_is_of_the_bytes_that_go_out_and_of_each_attempt() {
    let transport = FakeTransport::new([Outcome::refused(), success("7")]);
    let client = transport
        .builder("user-service")
        .interceptor(|request| {
            let text = format!("{}/{}", request.body().len(), request.attempt());
            request.set_header(SIGNATURE, HeaderValue::from_str(&text).unwrap())
        })
        .build()
        .unwrap();
    call(&client).await.unwrap();
    let sent = transport.sent();
    assert_eq!(sent.len(), 2);
    for (at, sent) in sent.iter().enumerate() {
        let expected = format!("{}/{}", sent.request.body().len(), at + 1);
        assert_eq!(sent.header("x-signature"), Some(expected.as_str()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_sends_nothing_runs_no_further_one_and_is_no_failure_of_the_target() {
    let transport = FakeTransport::new([success("7")]);
    let refuse = Arc::new(Mutex::new(true));
    let refused = Arc::clone(&refuse);
    let client = transport
        .builder("user-service")
        .circuit_breaker(CircuitBreaker::standard().min_calls(1))
        .retry_budget(None)
        .interceptor(move |_| match *refused.lock().unwrap() {
            true => {
                let cause = std::io::Error::other("the vault is sealed");
                Err(ServiceError::Internal("no token".into()).with_source(cause))
            }
            false => Ok(()),
        })
        .interceptor(|request| {
            assert_eq!(request.attempt(), 1);
            request.set_header(SIGNATURE, HeaderValue::from_static("second"))
        })
        .build()
        .unwrap();
    for _ in 0..10 {
        let error = call(&client).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert_eq!(error.effect(), Effect::None);
        assert_eq!(error.origin(), Origin::Local);
        assert!(error.find_source::<InterceptorRefusal>().is_some());
        assert!(error.find_source::<std::io::Error>().is_some());
        let chain = "no token: an interceptor refused the request: the vault is sealed";
        assert_eq!(Chain(&error).to_string(), chain);
    }
    assert_eq!(transport.count(), 0);
    let stats = client.stats();
    assert_eq!(stats.targets[0].endpoints[0].breaker, BreakerState::Closed);
    assert_eq!(stats.targets[0].endpoints[0].failure_share, None);
    *refuse.lock().unwrap() = false;
    assert_eq!(call(&client).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn what_identifies_or_carries_the_call_cannot_be_changed() {
    let fixed = [
        "x-request-id",
        "idempotency-key",
        "x-nova-source",
        "x-nova-deadline-ms",
        "x-nova-attempt",
        "x-nova-anything",
        "content-type",
        "content-length",
        "transfer-encoding",
        "host",
        "connection",
    ];
    for name in fixed {
        for remove in [false, true] {
            let transport = FakeTransport::new([success("7")]);
            let client = transport
                .builder("user-service")
                .interceptor(move |request| {
                    let name = HeaderName::from_static(name);
                    match remove {
                        true => request.remove_header(&name),
                        false => request.set_header(name, HeaderValue::from_static("forged")),
                    }
                });
            let error = call(&client.build().unwrap()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Validation, "{name}");
            assert_eq!(error.violations()[0].field, name);
            assert_eq!(transport.count(), 0, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_for_one_endpoint_does_not_go_to_another_with_the_retry() {
    let transport = FakeTransport::from_fn(|_| Outcome::refused());
    let client = ServiceClient::builder("user-service")
        .endpoints("feed-service", ["http://inside", "http://outside"])
        .transport(transport.clone())
        .interceptor(|request| match request.uri().host() {
            Some("inside") => request.set_header(SIGNATURE, HeaderValue::from_static("s3cret")),
            _ => request.remove_header(&AUTHORIZATION),
        })
        .build()
        .unwrap();
    let mut context = CallContext::new();
    context.token = Some(AccessToken::new("t0ken"));
    context.scope(call(&client)).await.unwrap_err();
    let sent = transport.sent();
    assert_eq!(sent.len(), 3);
    for sent in sent {
        let inside = sent.request.uri().host() == Some("inside");
        assert_eq!(sent.header("x-signature").is_some(), inside);
        assert_eq!(sent.header("authorization").is_some(), inside);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_pays_nothing_into_the_budget() {
    let transport = FakeTransport::from_fn(|_| success("7"));
    let budget = RetryBudget::standard().ratio(1.0).floor_per_second(0);
    let client = transport
        .builder("user-service")
        .retry_budget(budget.burst(0))
        .interceptor(|_| Err(ServiceError::Internal("no token".into())))
        .build()
        .unwrap();
    for _ in 0..10 {
        call(&client).await.unwrap_err();
    }
    let stats = client.stats();
    assert_eq!(stats.targets[0].retries_available, Some(0.0));
}
