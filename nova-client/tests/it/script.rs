//! Short words for scripts.

use std::time::Duration;

use nova_client::ServiceClient;
use nova_client::test_util::{Answer, FakeTransport, Outcome, Sent};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A client with the defaults.
pub(crate) fn client(transport: &FakeTransport) -> ServiceClient {
    transport.builder("user-service").build().unwrap()
}

/// The answer of a success with `data`, which is JSON.
pub(crate) fn success(data: &str) -> Outcome {
    Answer::success(json(data)).into()
}

/// The answer of a failure with the envelope's `error`, which is JSON.
pub(crate) fn failure(status: u16, error: &str) -> Outcome {
    Answer::failed(status, json(error)).into()
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Outcome {
    let mut answer = Answer::new(status).body(body.to_owned());
    for (name, value) in headers {
        answer = answer.header(name, value);
    }
    answer.into()
}

/// The envelope of a success with `data`, which is JSON.
pub(crate) fn envelope(data: &str) -> String {
    format!(
        r#"{{"request_id":"{{id}}","success":true,"data":{data},"error":null,"timestamp":"2025-10-28T00:00:00Z"}}"#
    )
}

/// What the peer was told of the deadline.
pub(crate) fn deadline_ms(sent: &Sent) -> u64 {
    sent.header("x-nova-deadline-ms").unwrap().parse().unwrap()
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}
