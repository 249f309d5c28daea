use bytes::Bytes;
use chrono::{DateTime, Utc};
use nova_errors::{Effect, ServiceError};
use serde::Serialize;

use super::timestamp;

/// A [`CommandRequest`](nova_models::CommandRequest) that borrows its text.
#[derive(Serialize)]
pub(crate) struct Envelope<'a, C> {
    pub(crate) request_id: &'a str,
    pub(crate) source_service: &'a str,
    pub(crate) target_service: &'a str,
    pub(crate) command: C,
    #[serde(serialize_with = "timestamp::serialize")]
    pub(crate) timestamp: DateTime<Utc>,
}

impl<C: Serialize> Envelope<'_, C> {
    pub(crate) fn to_json(&self) -> Result<Bytes, ServiceError> {
        // Room for most commands at once, where a new vector grows from 128 bytes by copying.
        let mut json = Vec::with_capacity(2048);
        match serde_json::to_writer(&mut json, self) {
            Ok(()) => Ok(Bytes::from(json)),
            Err(error) => Err(ServiceError::Validation("write the command as JSON".into())
                .with_effect(Effect::None)
                .with_source(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nova_models::CommandRequest;

    #[test]
    fn it_is_written_as_the_envelope_that_it_stands_for() {
        let mut owned = CommandRequest::new("user-service", "feed-service", [7, 8]);
        owned.timestamp = "2025-10-28T00:00:00Z".parse().unwrap();
        let borrowed = Envelope {
            request_id: &owned.request_id,
            source_service: &owned.source_service,
            target_service: &owned.target_service,
            command: &owned.command,
            timestamp: owned.timestamp,
        };
        let json = serde_json::to_vec(&owned).unwrap();
        assert_eq!(borrowed.to_json().unwrap(), json);
    }
}
