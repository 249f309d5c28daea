//! Allocations, counted by an allocator that keeps the book of each thread.

use std::future::{Future, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use nova_benches::first_try::{self, Contender};
use nova_client::circuit_breaker::{CircuitBreaker, CircuitBreakerLayer, CircuitOpen};
use nova_errors::{ErrorDetail, ErrorKind, ServiceError};
use tower::{Layer, Service, service_fn};

/// The allocations of a call that is not the first one.
fn allocations(mut contender: Contender) -> u64 {
    contender.call();
    measure(|| contender.call()).count_total
}

#[test]
fn the_counter_counts() {
    assert_eq!(
        measure(|| drop(std::hint::black_box(Box::new(7)))).count_total,
        1
    );
}

#[test]
fn the_layers_add_at_most_two_allocations_to_a_call_that_succeeds_at_once() {
    let bare = allocations(first_try::bare());
    let layered = allocations(first_try::layered_with_limit());
    assert!(layered <= bare + 2, "{layered} instead of {bare}");
}

#[test]
fn ids_headers_and_envelope_add_at_most_three() {
    let payload = allocations(first_try::payload());
    let whole = allocations(first_try::whole());
    assert!(whole <= payload + 3, "{whole} instead of {payload}");
}

#[test]
fn an_open_breaker_turns_a_call_away_without_an_allocation() {
    let layer = CircuitBreakerLayer::new(CircuitBreaker::standard().min_calls(1)).unwrap();
    let away = || {
        ready(Err::<(), _>(ServiceError::ServiceUnavailable(
            "away".into(),
        )))
    };
    let mut service = layer.layer(service_fn(move |()| away()));
    at_once(service.call(())).unwrap_err();

    let mut rejection = None;
    let count = measure(|| rejection = at_once(service.call(())).err()).count_total;
    let rejection = rejection.unwrap();
    assert!(rejection.find_source::<CircuitOpen>().is_some());
    assert_eq!(count, 0);
    assert_eq!(measure(|| drop(rejection)).count_total, 0);
}

#[test]
fn an_error_without_a_detail_allocates_nothing() {
    for kind in ErrorKind::ALL {
        let count = measure(|| {
            let error = ServiceError::new(kind, ErrorDetail::default());
            assert_eq!(error.kind(), kind);
            assert!(!error.code().is_empty());
        });
        assert_eq!(count.count_total, 0, "{kind:?}");
    }
}

fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the call waits for something"),
    }
}
