use chrono::{DateTime, Utc};
use nova_errors::{Effect, ErrorBody, Origin, ServiceError};
use serde::{Deserialize, Serialize};

use crate::RequestId;

/// The envelope of a command's answer.
///
/// Either `success` is true and `data` holds the reply, or it is false and `error` says why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schemars",
    derive(schemars::JsonSchema),
    schemars(rename = "CommandResponse_{T}")
)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct CommandResponse<T> {
    /// The id of the request that this answers.
    pub request_id: RequestId,
    /// Whether the command succeeded.
    pub success: bool,
    /// The reply of a success.
    #[serde(default)]
    #[cfg_attr(feature = "utoipa", schema(required, schema_with = or_null::<T>))]
    pub data: Option<T>,
    /// What went wrong.
    #[serde(default)]
    #[cfg_attr(feature = "utoipa", schema(required))]
    pub error: Option<ResponseError>,
    /// When the answer was made, by the service's clock.
    pub timestamp: DateTime<Utc>,
}

// Derived, the null of a generic field gets lost.
#[cfg(feature = "utoipa")]
fn or_null<T: utoipa::ToSchema>() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    use utoipa::openapi::{ObjectBuilder, Type, schema::AnyOfBuilder};

    AnyOfBuilder::new()
        .item(T::schema())
        .item(ObjectBuilder::new().schema_type(Type::Null))
        .into()
}

/// The `error` of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(untagged)]
#[non_exhaustive]
pub enum ResponseError {
    /// As the wire contract has it.
    Body(ErrorBody),
    /// As peers of the first generation send it: a message and nothing else.
    Text(String),
}

impl<T> CommandResponse<T> {
    /// The answer of a success.
    pub fn ok(request_id: RequestId, data: T) -> Self {
        Self {
            request_id,
            success: true,
            data: Some(data),
            error: None,
            timestamp: Utc::now(),
        }
    }

    /// The answer of a failure. Redacts: see [`ErrorBody`].
    pub fn failure(request_id: RequestId, error: &ServiceError) -> Self {
        Self {
            request_id,
            success: false,
            data: None,
            error: Some(ResponseError::Body(error.into())),
            timestamp: Utc::now(),
        }
    }

    /// The reply, or the error that the peer meant; `status` is the HTTP status of the answer.
    ///
    /// A success without data is read as `T`'s value for JSON `null` where it has one (`()`, `Option`).
    ///
    /// # Errors
    ///
    /// What the peer said; an error of a first-generation peer (plain text), or an answer that contradicts itself, is `Upstream`, not retryable, effect unknown.
    pub fn into_result(self, status: u16) -> Result<T, ServiceError>
    where
        T: serde::de::DeserializeOwned,
    {
        match (self.success, self.data, self.error) {
            (true, Some(data), None) => Ok(data),
            (true, None, None) => serde_json::from_value(serde_json::Value::Null)
                .map_err(|error| contradiction("a success without data").with_source(error)),
            (false, None, Some(ResponseError::Body(body))) => {
                Err(body.into_error(status).unwrap_or_else(|unknown| {
                    contradiction("an error with an unknown code").with_source(unknown)
                }))
            }
            (false, None, Some(ResponseError::Text(message))) => {
                Err(ServiceError::Upstream(message.into())
                    .with_origin(Origin::Remote)
                    .with_effect(Effect::Unknown))
            }
            (true, _, Some(_)) => Err(contradiction("a success with an error")),
            (false, Some(_), _) => Err(contradiction("a failure with data")),
            (false, None, None) => Err(contradiction("a failure without an error")),
        }
    }
}

fn contradiction(what: &'static str) -> ServiceError {
    ServiceError::Upstream(what.into()).with_origin(Origin::Remote)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nova_errors::ErrorKind;

    fn fixed<T>(mut response: CommandResponse<T>) -> CommandResponse<T> {
        response.timestamp = "2025-10-28T00:00:00Z".parse().unwrap();
        response
    }

    fn id() -> RequestId {
        "0192-fixed".parse().unwrap()
    }

    #[test]
    fn the_answer_of_a_success_has_its_five_fields_in_order() {
        let response = fixed(CommandResponse::ok(id(), serde_json::json!({"viewers": 3})));
        insta::assert_snapshot!(serde_json::to_string(&response).unwrap(), @r#"{"request_id":"0192-fixed","success":true,"data":{"viewers":3},"error":null,"timestamp":"2025-10-28T00:00:00Z"}"#);
    }

    #[test]
    fn the_answer_of_a_failure_has_its_five_fields_in_order() {
        let error = ServiceError::NotFound("stream 42".into());
        let response = fixed(CommandResponse::<()>::failure(id(), &error));
        insta::assert_snapshot!(serde_json::to_string(&response).unwrap(), @r#"{"request_id":"0192-fixed","success":false,"data":null,"error":{"code":"not_found","message":"stream 42","retryable":false,"effect":"unknown","retry_after_ms":null,"violations":[]},"timestamp":"2025-10-28T00:00:00Z"}"#);
    }

    #[test]
    fn a_failure_is_read_as_the_error_that_was_meant() {
        let error = ServiceError::Aborted("version 3, not 2".into()).with_effect(Effect::None);
        let json = serde_json::to_string(&CommandResponse::<u8>::failure(id(), &error)).unwrap();
        let back: CommandResponse<u8> = serde_json::from_str(&json).unwrap();
        let back = back.into_result(409).unwrap_err();
        assert_eq!(back.kind(), ErrorKind::Aborted);
        assert!(back.is_safe_to_retry(false));
    }

    #[test]
    fn a_plain_string_of_the_first_generation_is_read_as_upstream() {
        let json = r#"{"request_id":"r","success":false,"data":null,"error":"db down",
            "timestamp":"2025-10-28T00:00:00Z"}"#;
        let response: CommandResponse<u8> = serde_json::from_str(json).unwrap();
        let error = response.into_result(500).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Upstream);
        assert_eq!(error.to_string(), "db down");
        assert!(!error.is_retryable());
    }

    #[test]
    fn a_success_without_data_is_a_unit_or_an_error() {
        let json = r#"{"request_id":"r","success":true,"data":null,"error":null,
            "timestamp":"2025-10-28T00:00:00Z"}"#;
        let response: CommandResponse<()> = serde_json::from_str(json).unwrap();
        assert!(response.into_result(200).is_ok());
        let response: CommandResponse<u8> = serde_json::from_str(json).unwrap();
        assert_eq!(
            response.into_result(200).unwrap_err().kind(),
            ErrorKind::Upstream
        );
    }

    #[test]
    fn an_answer_that_contradicts_itself_is_upstream() {
        let json = r#"{"request_id":"r","success":true,"data":1,"error":"but","timestamp":"2025-10-28T00:00:00Z"}"#;
        let response: CommandResponse<u8> = serde_json::from_str(json).unwrap();
        assert_eq!(
            response.into_result(200).unwrap_err().kind(),
            ErrorKind::Upstream
        );
    }
}
