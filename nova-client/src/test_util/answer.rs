use bytes::Bytes;
use http::{Response, StatusCode};
use nova_errors::{ErrorBody, ServiceError};
use serde_json::{Value, json};

/// An HTTP answer. In its body `{id}` stands for the id of the request.
///
/// ```
/// use nova_client::test_util::Answer;
/// use nova_errors::ServiceError;
///
/// let found = Answer::success(serde_json::json!({ "title": "Launch" }));
/// let missing = Answer::failure(&ServiceError::NotFound("stream 42".into()));
/// let proxy = Answer::new(502).header("content-type", "text/html").body("<h1>Bad Gateway</h1>");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Answer {
    status: u16,
    /// As they are given: a server may send what no client should.
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Answer {
    /// An answer without headers and body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// The envelope of a success.
    pub fn success(data: impl Into<Value>) -> Self {
        Self::envelope(200, &data.into(), &Value::Null)
    }

    /// The envelope of a failure, with the status of its kind.
    pub fn failure(error: &ServiceError) -> Self {
        // It has strings for keys and no numbers that JSON lacks, so it is always written.
        let body = serde_json::to_value(ErrorBody::from(error)).unwrap_or_default();
        Self::failed(error.http_status(), body)
    }

    /// The envelope of a failure with any `error` and any status: of a peer that is old, or wrong.
    pub fn failed(status: u16, error: impl Into<Value>) -> Self {
        Self::envelope(status, &Value::Null, &error.into())
    }

    fn envelope(status: u16, data: &Value, error: &Value) -> Self {
        let envelope = json!({
            "request_id": "{id}",
            "success": error.is_null(),
            "data": data,
            "error": error,
            "timestamp": "2025-10-28T00:00:00Z",
        });
        Self::new(status)
            .header("content-type", "application/json")
            .body(envelope.to_string())
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The head and the body as HTTP/1.1.
    pub(super) fn on_the_wire(&self, id: &str) -> (String, Vec<u8>) {
        let body = with_id(&self.body, id);
        let reason = StatusCode::from_u16(self.status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("-");
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        (head, body)
    }

    pub(super) fn response(&self, id: &str) -> Result<Response<Bytes>, ServiceError> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        response
            .body(Bytes::from(with_id(&self.body, id)))
            .map_err(|error| {
                ServiceError::Internal("an answer that is no HTTP".into()).with_source(error)
            })
    }
}

/// `text` with the id of the request in each place that is kept for it.
pub(super) fn with_id(text: &[u8], id: &str) -> Vec<u8> {
    const PLACE: &[u8] = b"{id}";
    let mut filled = Vec::with_capacity(text.len() + id.len());
    let mut rest = text;
    while let Some(at) = rest.windows(PLACE.len()).position(|part| part == PLACE) {
        let (before, after) = rest.split_at(at);
        filled.extend_from_slice(before);
        filled.extend_from_slice(id.as_bytes());
        rest = after.get(PLACE.len()..).unwrap_or_default();
    }
    filled.extend_from_slice(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_for_the_id_is_filled_and_other_bytes_stay() {
        assert_eq!(with_id(b"{id}", "7"), b"7");
        assert_eq!(with_id(b"a{id}b{id}\xff{i", "77"), b"a77b77\xff{i");
        assert_eq!(with_id(b"", "7"), b"");
    }
}
