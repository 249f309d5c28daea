//! What an answer means, and how much of it is held.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use nova_client::grpc::{GrpcChannel, GrpcChannelBuilder};
use nova_errors::{Effect, ErrorKind, Origin, RetryPolicy, ServiceError};
use proptest::prelude::*;
use tonic::Status;
use tonic::body::Body;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::util::BoxCloneService;
use tower::{ServiceExt, service_fn};

use super::health_service::{CHECK, WATCH, request, serving};
use crate::script::SECOND;

/// `HealthCheckResponse { status: 1 }` in its frame.
const SERVING: &[u8] = b"\0\0\0\0\x02\x08\x01";

type Answer = fn() -> Response<Body>;
type Fake = BoxCloneService<Request<Body>, Response<Body>, Infallible>;

/// A channel that gives the same answer to every request.
fn answering(builder: GrpcChannelBuilder, answer: Answer) -> GrpcChannel<Fake> {
    let fake = service_fn(move |_: Request<Body>| std::future::ready(Ok(answer())));
    builder.build(fake.boxed_clone()).unwrap()
}

fn base() -> GrpcChannelBuilder {
    GrpcChannel::builder("user-service")
}

async fn error(answer: Answer) -> ServiceError {
    let channel = answering(base(), answer);
    let outcome = HealthClient::new(channel).check(request()).await;
    outcome.unwrap_err().into()
}

fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
    headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect()
}

/// An answer with trailers.
fn grpc(data: &'static [u8], trailers: &[(&'static str, &str)]) -> Response<Body> {
    let trailers = Ok(map(trailers));
    let body = Full::new(Bytes::from_static(data)).with_trailers(async { Some(trailers) });
    let mut response = Response::new(Body::new(body));
    *response.headers_mut() = map(&[("content-type", "application/grpc")]);
    response
}

fn page(status: u16, body: &'static str) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", "text/html")
        .body(Body::new(Full::from(body)))
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_answer_arrives_whole() {
    let channel = answering(base(), || {
        grpc(SERVING, &[("grpc-status", "0"), ("x", "1")])
    });
    let answer = HealthClient::new(channel).check(request()).await.unwrap();
    assert_eq!(answer.metadata().get("x").unwrap(), "1");
    assert_eq!(answer.into_inner(), serving());
}

#[tokio::test(start_paused = true)]
async fn a_page_of_a_proxy_is_read_by_its_status_and_comes_from_the_way() {
    let cases: [(Answer, ErrorKind); 5] = [
        (|| page(502, "<h1>502</h1>"), ErrorKind::ServiceUnavailable),
        (|| page(503, ""), ErrorKind::ServiceUnavailable),
        (|| page(504, ""), ErrorKind::Timeout),
        (|| page(404, ""), ErrorKind::Unimplemented),
        (|| page(200, "<h1>Welcome</h1>"), ErrorKind::Upstream),
    ];
    for (answer, kind) in cases {
        let error = error(answer).await;
        assert_eq!(error.kind(), kind);
        assert_eq!(error.origin(), Origin::Transport);
        assert_eq!(error.effect(), Effect::Unknown);
        assert_eq!(error.attempts(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_status_is_upstream() {
    let error = error(|| grpc(SERVING, &[])).await;
    assert_eq!(error.kind(), ErrorKind::Upstream);
    assert_eq!(error.effect(), Effect::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_is_unavailable_with_an_unknown_effect() {
    let error = error(|| {
        let frames = [
            Ok(http_body::Frame::data(Bytes::from_static(b"\0\0"))),
            Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
        ];
        let body = StreamBody::new(tokio_stream::iter(frames));
        grpc(b"", &[]).map(|_| Body::new(body))
    });
    let error = error.await;
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.effect(), Effect::Unknown);
    assert_eq!(error.origin(), Origin::Transport);
}

#[tokio::test(start_paused = true)]
async fn details_that_are_no_base64_do_not_end_the_process() {
    const BROKEN: (&str, &str) = ("grpc-status-details-bin", "%%%");
    let late = error(|| grpc(b"", &[("grpc-status", "5"), BROKEN])).await;
    assert_eq!(late.kind(), ErrorKind::NotFound);
    let early = error(|| {
        let mut response = grpc(b"", &[]);
        response
            .headers_mut()
            .extend(map(&[("grpc-status", "5"), BROKEN]));
        response
    });
    assert_eq!(early.await.kind(), ErrorKind::NotFound);

    let broken = || grpc(SERVING, &[("grpc-status", "0"), BROKEN]);
    let channel = answering(base(), broken);
    assert!(HealthClient::new(channel).check(request()).await.is_ok());

    let channel = answering(base().streaming_methods([WATCH]), broken);
    let answer = HealthClient::new(channel).watch(request()).await.unwrap();
    let mut stream = answer.into_inner();
    assert_eq!(stream.message().await.unwrap(), Some(serving()));
    assert_eq!(stream.message().await.unwrap(), None);
}

proptest! {
    #[test]
    fn any_answer_is_a_reply_or_an_error(
        status in prop_oneof![Just(200_u16), 100_u16..1000],
        content_type in prop_oneof![Just(b"application/grpc".to_vec()), any::<Vec<u8>>()],
        early: bool,
        code in prop_oneof!["[0-9]{1,2}".prop_map(String::into_bytes), any::<Vec<u8>>()],
        message: Vec<u8>,
        details: Vec<u8>,
        body in prop_oneof![Just(SERVING.to_vec()), any::<Vec<u8>>()],
    ) {
        let mut trailers = HeaderMap::new();
        for (name, value) in [
            ("grpc-status", code),
            ("grpc-message", message),
            ("grpc-status-details-bin", details),
        ] {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                trailers.insert(name, value);
            }
        }
        let head = if early { trailers.clone() } else { HeaderMap::new() };
        let content_type = HeaderValue::from_bytes(&content_type).ok();
        let fake = service_fn(move |_: Request<Body>| {
            let trailers = (!early).then(|| Ok(trailers.clone()));
            let body = Full::new(Bytes::from(body.clone())).with_trailers(async { trailers });
            let mut response = Response::new(Body::new(body));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            *response.headers_mut() = head.clone();
            if let Some(value) = &content_type {
                response.headers_mut().insert("content-type", value.clone());
            }
            std::future::ready(Ok::<_, Infallible>(response))
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let channel = base().retry(RetryPolicy::never()).build(fake).unwrap();
            if let Err(status) = HealthClient::new(channel).check(request()).await {
                let error = ServiceError::from(status);
                assert_eq!(error.effect(), Effect::Unknown, "{error:?}");
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_over_the_bound_is_refused_and_one_at_the_bound_is_not() {
    let bounded = |max| {
        let answer = || grpc(SERVING, &[("grpc-status", "0")]);
        HealthClient::new(answering(base().max_message_bytes(max), answer))
    };
    let empty = HealthCheckRequest::default;
    assert!(bounded(2).check(empty()).await.is_ok());
    let error = ServiceError::from(bounded(1).check(empty()).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Upstream);
    assert_eq!(error.to_string(), "the answer is over 6 bytes");
    assert_eq!(error.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_over_the_bound_is_not_sent() {
    let sent = Arc::new(Mutex::new(0));
    let count = Arc::clone(&sent);
    let fake = service_fn(move |_: Request<Body>| {
        *count.lock().unwrap() += 1;
        std::future::ready(Ok::<_, Infallible>(page(500, "")))
    });
    let channel = base().max_message_bytes(100).build(fake).unwrap();
    let long = HealthCheckRequest {
        service: "x".repeat(200),
    };
    let error = HealthClient::new(channel).check(long).await.unwrap_err();
    let error = ServiceError::from(error);
    assert_eq!(error.kind(), ErrorKind::PayloadTooLarge);
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(error.attempts(), 0);
    assert_eq!(*sent.lock().unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn attempts_share_the_bytes_of_the_request() {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&bodies);
    let fake = service_fn(move |request: Request<Body>| {
        let seen = Arc::clone(&seen);
        async move {
            let mut body = request.into_body();
            let frame = body.frame().await.unwrap().unwrap();
            seen.lock().unwrap().push(frame.into_data().unwrap());
            assert!(body.frame().await.is_none());
            Ok::<_, Infallible>(page(503, ""))
        }
    });
    let channel = base().idempotent_methods([CHECK]).build(fake).unwrap();
    let _ = HealthClient::new(channel)
        .check(request())
        .await
        .unwrap_err();
    let bodies = bodies.lock().unwrap();
    assert_eq!(bodies.len(), 3);
    assert!(
        bodies
            .iter()
            .all(|body| body.as_ptr() == bodies[0].as_ptr())
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_at_its_deadline_has_timed_out() {
    let cancelled_after = async |time| {
        let fake = service_fn(move |_: Request<Body>| async move {
            tokio::time::sleep(time).await;
            Ok::<_, Infallible>(grpc(b"", &[("grpc-status", "1")]))
        });
        let channel = base().deadline(SECOND).build(fake).unwrap();
        let outcome = HealthClient::new(channel).check(request()).await;
        ServiceError::from(outcome.unwrap_err()).kind()
    };
    assert_eq!(cancelled_after(SECOND / 2).await, ErrorKind::Cancelled);
    assert_eq!(cancelled_after(SECOND).await, ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn what_the_peer_said_in_words_is_in_the_chain() {
    let error = error(|| grpc(b"", &[("grpc-status", "14"), ("grpc-message", "draining")])).await;
    assert_eq!(
        error.public_message(),
        ErrorKind::ServiceUnavailable.phrase()
    );
    let status = error.find_source::<Status>().unwrap();
    assert_eq!(status.message(), "draining");
}

/// An answer with an unknown field of `length` bytes, each byte in a frame of its own.
fn in_pieces(length: u8) -> Response<Body> {
    let field = [&[0x7a, length], vec![0; usize::from(length)].as_slice()].concat();
    let field = field.repeat(10);
    let head = u32::try_from(field.len()).unwrap().to_be_bytes();
    let answer = [&[0], head.as_slice(), &field].concat();
    let pieces = answer.into_iter().map(|byte| {
        let piece = Bytes::copy_from_slice(&[byte]);
        Ok::<_, Infallible>(http_body::Frame::data(piece))
    });
    let status = http_body::Frame::trailers(map(&[("grpc-status", "0")]));
    let frames: Vec<_> = pieces.chain([Ok(status)]).collect();
    grpc(b"", &[]).map(|_| Body::new(StreamBody::new(tokio_stream::iter(frames))))
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_pieces_without_number_is_not_held_whatever_their_length() {
    let answering = |answer| answering(base().max_message_bytes(4096), answer);
    let few = HealthClient::new(answering(|| in_pieces(90)));
    assert!(few.clone().check(request()).await.is_ok());
    let many = HealthClient::new(answering(|| in_pieces(120)));
    let error = ServiceError::from(many.clone().check(request()).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Upstream);
}

#[tokio::test(start_paused = true)]
async fn a_retry_delay_beyond_all_numbers_does_not_end_the_process() {
    // google.rpc.Status { details: [Any { RetryInfo { retry_delay { seconds: i64::MIN } } }] }
    let url = b"type.googleapis.com/google.rpc.RetryInfo";
    let min = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01];
    let delay = [&[0x08], min.as_slice()].concat();
    let info = [&[0x0a, delay.len() as u8], delay.as_slice()].concat();
    let any = [
        &[0x0a, url.len() as u8],
        url.as_slice(),
        &[0x12, info.len() as u8],
        &info,
    ]
    .concat();
    let details = [&[0x08, 14, 0x1a, any.len() as u8], any.as_slice()].concat();
    let fake = service_fn(move |_: Request<Body>| {
        let status = Status::with_details(tonic::Code::Unavailable, "", details.clone().into());
        std::future::ready(Ok::<_, Infallible>(status.into_http::<Body>()))
    });
    let channel = base().build(fake).unwrap();
    let error = HealthClient::new(channel).check(request()).await;
    let error = ServiceError::from(error.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert!(error.retry_after().is_none_or(|after| after.is_zero()));
}
