use axum::body::Body;
use axum::extract::Request;
use nova_errors::{ServiceError, Violation};
use nova_models::{CallContext, RequestId, headers};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{CommandKey, Fingerprint};
use crate::Command;
use crate::body_limit::read_body;
use crate::command::{CommandMark, Envelope, WatchedBody, command_path};
use crate::json::{describe, invalid};

/// A command that has been read, and its request as it came, for the handler.
pub(super) struct Received {
    pub(super) request: Request,
    pub(super) mark: CommandMark,
    pub(super) request_id: RequestId,
    pub(super) has_subject: bool,
    pub(super) key: Option<CommandKey>,
    pub(super) fingerprint: Fingerprint,
}

impl Received {
    /// Refuses what the extractor [`Command`] would refuse, in the same words.
    pub(super) async fn read(mut request: Request) -> Result<Self, ServiceError> {
        let mark = CommandMark::of(&request);
        // The one in the request may be nobody's yet.
        request.extensions_mut().insert(mark.clone());
        mark.set();
        // Opened with another mark: that of the request is handed over with the handler's own extractor.
        let opened = CommandMark::default();
        let path = request.uri().path().to_owned();
        let envelope = Envelope::expect(opened.clone(), request.headers(), &path)?;
        let (parts, body) = request.into_parts();
        let body = read_body(Request::from_parts(parts.clone(), body)).await?;
        let command = envelope.open(&body);
        if let Some(id) = opened.request_id() {
            mark.set_request_id(id.clone());
        }
        // Not for its value: what is no JSON, or nested too deep, is refused.
        let command: Command<Value> = command?;
        let fingerprint = Fingerprint::of_text(Written::of(&body)?.command.get());
        let (target, endpoint) = command_path(&path).unwrap_or(("", &path));
        let subject = CallContext::current().and_then(|context| context.subject);
        let key = command
            .idempotency_key()
            .map(|key| CommandKey::new(subject.as_ref(), target, endpoint, key.as_str()));
        let watched = WatchedBody::new(Body::from(body), mark.clone());
        Ok(Self {
            request: Request::from_parts(parts, watched.into()),
            mark,
            request_id: command.request_id().clone(),
            has_subject: subject.is_some(),
            key,
            fingerprint,
        })
    }
}

/// The command as it stands in its envelope.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    command: &'a RawValue,
}

impl<'a> Written<'a> {
    fn of(body: &'a [u8]) -> Result<Self, ServiceError> {
        serde_json::from_slice(body).map_err(|error| invalid(describe(".", &error)))
    }
}

/// What a command without a key is told where one is required.
pub(super) fn key_is_missing() -> ServiceError {
    invalid(Violation::new(headers::IDEMPOTENCY_KEY, "missing"))
}
