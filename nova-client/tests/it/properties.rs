//! What holds for every answer, whatever a peer sends: shared with the fuzz targets.

use std::error::Error;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use nova_client::test_util::{FakeTransport, Outcome};
use nova_errors::{Effect, ErrorKind, RetryPolicy, ServiceError};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

const ID: &str = "req-1";

/// Sun, 06 Nov 1994 08:49:37 GMT
const NOW: Duration = Duration::from_secs(784_111_777);

/// What a peer sends. Where there is no status of that number, or a header is none, nothing could arrive, and nothing is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Received<'a> {
    pub(crate) status: u16,
    pub(crate) content_type: &'a [u8],
    pub(crate) retry_after: Option<&'a [u8]>,
    pub(crate) body: &'a [u8],
}

/// An envelope, of which the other fields may hold anything.
#[derive(Deserialize)]
struct Envelope {
    request_id: String,
    success: bool,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

/// A call never panics, succeeds with the data of a success of ours alone, and fails with an error that is bounded and
/// claims nothing that the peer did not say.
pub(crate) async fn every_answer_is_a_reply_or_a_bounded_error(received: Received<'_>) {
    let Some(response) = response(&received) else {
        return;
    };
    let status = response.status();
    let text = str::from_utf8(received.body).unwrap_or_default();
    let envelope = serde_json::from_str::<Envelope>(text).ok();
    match call(response).await {
        Ok(reply) => {
            let envelope = envelope.expect("a reply comes in an envelope");
            assert!(status.is_success());
            assert!(envelope.success);
            assert_eq!(envelope.request_id, ID);
            assert_eq!(reply, envelope.data);
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.len() <= 1024, "{} bytes", message.len());
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            assert!(cause.len() <= 1024, "{} bytes", cause.len());
            assert!(error.violations().len() <= 100);
            assert_eq!(error.attempts(), 1);
            let says_so = envelope.is_some_and(|it| it.error.is_some());
            assert!(error.effect() == Effect::Unknown || says_so, "{error:?}");
            if !status.is_client_error() && !status.is_server_error() && !says_so {
                assert_eq!(error.kind(), ErrorKind::Upstream, "{error:?}");
            }
        }
    }
}

/// `Retry-After` is digits or a date, and anything else counts as absent.
pub(crate) async fn retry_after_is_seconds_or_a_date_or_absent(value: &[u8]) {
    let received = Received {
        status: 503,
        content_type: b"text/plain",
        retry_after: Some(value),
        body: b"",
    };
    let Some(response) = response(&received) else {
        return;
    };
    let error = call(response).await.expect_err("it is a 503");
    let text = std::str::from_utf8(value.trim_ascii()).unwrap_or_default();
    let is_number = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let seconds: Option<u64> = text.parse().ok().filter(|_| is_number);
    match error.retry_after() {
        Some(after) if is_number => assert_eq!(Some(after.as_secs()), seconds),
        Some(_) => {
            assert!(text.ends_with("GMT") || text.len() == 24, "{text:?}");
            // The year of an HTTP-date has four digits at most.
            assert!(error.retry_after() < Some(Duration::from_secs(8_100 * 366 * 86_400)));
        }
        None => assert_eq!(seconds, None),
    }
}

fn response(received: &Received<'_>) -> Option<Response<Bytes>> {
    let status = StatusCode::from_u16(received.status).ok()?;
    let mut response = Response::new(Bytes::copy_from_slice(received.body));
    *response.status_mut() = status;
    let headers = [
        ("content-type", Some(received.content_type)),
        ("retry-after", received.retry_after),
    ];
    for (name, value) in headers {
        if let Some(value) = value {
            let value = HeaderValue::from_bytes(value).ok()?;
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, value);
        }
    }
    Some(response)
}

async fn call(response: Response<Bytes>) -> Result<Value, ServiceError> {
    let transport = FakeTransport::new([Outcome::from(response)]);
    let client = transport
        .builder("user-service")
        .retry(RetryPolicy::never())
        .wall_clock(|| SystemTime::UNIX_EPOCH + NOW)
        .build()?;
    let call = client.command("feed-service", "feeds/get", ());
    call.request_id(ID.parse()?).send().await
}
