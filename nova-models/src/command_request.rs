use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::RequestId;

/// The envelope of a command: the body of `POST {base}/api/v1/{target_service}/{endpoint}`.
///
/// `source_service` is for logs; it decides nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schemars",
    derive(schemars::JsonSchema),
    schemars(rename = "CommandRequest_{C}")
)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct CommandRequest<C> {
    /// The id of the request, the same over all attempts of a call.
    pub request_id: RequestId,
    /// Who sends it, by its own word.
    pub source_service: String,
    /// Whom it is for.
    pub target_service: String,
    /// What to do.
    pub command: C,
    /// When the envelope was made, by the sender's clock.
    pub timestamp: DateTime<Utc>,
}

impl<C> CommandRequest<C> {
    /// An envelope with a new request id and the current time.
    ///
    /// ```
    /// use nova_models::CommandRequest;
    ///
    /// let request = CommandRequest::new("service-a", "service-b", "ping");
    /// assert!(!request.request_id.is_empty());
    /// assert_eq!(request.source_service, "service-a");
    /// assert_eq!(request.target_service, "service-b");
    /// ```
    pub fn new(
        source_service: impl Into<String>,
        target_service: impl Into<String>,
        command: C,
    ) -> Self {
        Self {
            request_id: RequestId::new(),
            source_service: source_service.into(),
            target_service: target_service.into(),
            command,
            timestamp: Utc::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_has_its_five_fields_in_order() {
        let mut request = CommandRequest::new(
            "user-service",
            "streaming-service",
            serde_json::json!({"stream_id": 42}),
        );
        request.request_id = "0192-fixed".parse().unwrap();
        request.timestamp = "2025-10-28T00:00:00Z".parse().unwrap();
        let json = serde_json::to_string(&request).unwrap();
        insta::assert_snapshot!(json, @r#"{"request_id":"0192-fixed","source_service":"user-service","target_service":"streaming-service","command":{"stream_id":42},"timestamp":"2025-10-28T00:00:00Z"}"#);
        let back: CommandRequest<serde_json::Value> = serde_json::from_str(&json).unwrap();
        assert_eq!(back, request);
    }

    #[test]
    fn an_unknown_field_is_ignored_and_a_missing_one_is_named() {
        let json = r#"{"request_id":"r","source_service":"a","target_service":"b","command":null,
            "timestamp":"2025-10-28T00:00:00Z","later":1}"#;
        assert!(serde_json::from_str::<CommandRequest<()>>(json).is_ok());
        let without = json.replace(r#""source_service":"a","#, "");
        let error = serde_json::from_str::<CommandRequest<()>>(&without).unwrap_err();
        assert!(error.to_string().contains("source_service"), "{error}");
    }
}
