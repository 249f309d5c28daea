use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use nova_benches::first_try::SOURCE;
use nova_benches::post::Post;
use nova_client::ServiceClient;
use nova_errors::{Backoff, RetryPolicy, ServiceError};
use tower::service_fn;

/// The body of each attempt, which holds on to its memory.
type Bodies = Arc<Mutex<Vec<Bytes>>>;

fn failing(bodies: &Bodies) -> ServiceClient {
    let bodies = Arc::clone(bodies);
    let transport = service_fn(move |request: Request<Bytes>| {
        bodies.lock().unwrap().push(request.into_body());
        ready(Err::<Response<Bytes>, _>(ServiceError::ServiceUnavailable(
            "away".into(),
        )))
    });
    let quick = Backoff::new(Duration::from_micros(1), Duration::from_micros(1)).unwrap();
    ServiceClient::builder(SOURCE)
        .base_url("http://peer")
        .retry(RetryPolicy::standard().backoff(quick))
        .transport(transport)
        .build()
        .unwrap()
}

#[tokio::test]
async fn all_attempts_send_the_same_bytes_and_not_copies_of_them() {
    let bodies = Bodies::default();
    let client = failing(&bodies);
    let error = client.send(Post::sample()).await.unwrap_err();
    assert_eq!(error.attempts(), 3);

    let bodies = bodies.lock().unwrap();
    let places: Vec<_> = bodies
        .iter()
        .map(|body| (body.as_ptr(), body.len()))
        .collect();
    let [first, ..] = places[..] else {
        panic!("no attempt was made");
    };
    assert!(first.1 > Post::JSON_LEN);
    assert_eq!(places, [first; 3]);
}
