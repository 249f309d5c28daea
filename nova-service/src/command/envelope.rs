use nova_errors::{ServiceError, Violation};
use nova_models::{CommandRequest, RequestId, headers};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Command, CommandMark, IdempotencyKey, command_path};
use crate::header_view::HeaderView;
use crate::json::{expect_json, from_json, invalid};

/// A command whose head was read, and whose body was not: what the envelope has to agree with.
pub(crate) struct Envelope {
    mark: CommandMark,
    given_id: Option<Vec<u8>>,
    target: Option<String>,
    idempotency_key: Result<Option<IdempotencyKey>, ServiceError>,
}

impl Envelope {
    pub(crate) fn expect(
        mark: CommandMark,
        headers: &impl HeaderView,
        path: &str,
    ) -> Result<Self, ServiceError> {
        mark.set();
        expect_json(headers)?;
        Ok(Self {
            mark,
            given_id: headers.first(headers::REQUEST_ID).map(<[u8]>::to_vec),
            target: command_path(path).map(|(target, _)| target.to_owned()),
            idempotency_key: IdempotencyKey::from_headers(headers),
        })
    }

    /// Takes the command out, and from there on it may take effect.
    pub(crate) fn open<T: DeserializeOwned>(self, body: &[u8]) -> Result<Command<T>, ServiceError> {
        // Derived types also read an array of their fields, which is no envelope.
        if body.trim_ascii_start().first().is_some_and(|c| *c == b'[') {
            return Err(invalid(Violation::new("body", "expected an object")));
        }
        let mut request: CommandRequest<T> = from_json(body).map_err(|violation| {
            if let Some(id) = peek_request_id(body) {
                self.mark.set_request_id(id);
            }
            invalid(violation)
        })?;
        self.mark.set_request_id(request.request_id.clone());
        if self
            .given_id
            .is_some_and(|id| id != request.request_id.as_bytes())
        {
            return Err(invalid(Violation::new(
                headers::REQUEST_ID,
                "differs from the envelope's request_id",
            )));
        }
        if self
            .target
            .is_some_and(|target| target != request.target_service)
        {
            return Err(invalid(Violation::new(
                "target_service",
                "differs from the target in the path",
            )));
        }
        let idempotency_key = self.idempotency_key?;
        // At the public edge it is another than the caller's.
        if let Some(id) = self.mark.request_id() {
            request.request_id.clone_from(id);
        }
        self.mark.hand_over();
        Ok(Command {
            request,
            idempotency_key,
        })
    }
}

/// The id of an envelope whose rest may be wrong.
pub(crate) fn peek_request_id(body: &[u8]) -> Option<RequestId> {
    #[derive(Deserialize)]
    struct IdAlone {
        request_id: RequestId,
    }
    let envelope: IdAlone = serde_json::from_slice(body).ok()?;
    Some(envelope.request_id)
}
