use axum::BoxError;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use nova_errors::{ServiceError, Violation};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::body_limit::read_body;
use crate::command::CommandMark;
use crate::header_view::HeaderView;
use crate::violation;

/// A body of JSON, as [`axum::Json`], whose rejection is a [`ServiceError`] that names the field.
///
/// The body is read up to the [`BodyLimit`](crate::BodyLimit).
///
/// ```
/// use axum::{Router, routing::post};
/// use nova_service::Json;
///
/// #[derive(serde::Deserialize)]
/// struct NewPost { caption: String }
///
/// let app: Router = Router::new()
///     .route("/posts", post(|Json(new): Json<NewPost>| async move { new.caption }));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ServiceError;

    /// # Errors
    ///
    /// `Validation` for another content type or JSON that is not a `T`, `PayloadTooLarge` for a body over the limit.
    async fn from_request(request: Request, _state: &S) -> Result<Self, ServiceError> {
        expect_json(request.headers())?;
        let mark = CommandMark::of(&request);
        let body = read_body(request).await?;
        let value = from_json(&body).map_err(invalid)?;
        mark.hand_over();
        Ok(Self(value))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match to_json(&self.0) {
            Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => error.into_response(),
        }
    }
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<Vec<u8>, ServiceError> {
    serde_json::to_vec(value).map_err(not_encoded)
}

pub(crate) fn not_encoded(cause: impl Into<BoxError>) -> ServiceError {
    ServiceError::Internal("encode the answer".into()).with_source(cause)
}

pub(crate) fn invalid(violation: Violation) -> ServiceError {
    ServiceError::Validation(violation.into())
}

/// Checks that the body says it is JSON: `application/json` or another type that ends in `+json`.
pub(crate) fn expect_json(headers: &impl HeaderView) -> Result<(), ServiceError> {
    let essence = headers
        .text(header::CONTENT_TYPE.as_str())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let is_json = match essence.strip_prefix("application/") {
        Some(subtype) => subtype == "json" || subtype.ends_with("+json"),
        None => false,
    };
    if is_json {
        return Ok(());
    }
    Err(not_json())
}

pub(crate) fn not_json() -> ServiceError {
    invalid(Violation::new(
        header::CONTENT_TYPE.as_str(),
        "expected application/json",
    ))
}

/// Reads one JSON value; an error names the field and the place.
pub(crate) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Violation> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| describe(&error.path().to_string(), error.inner()))?;
    deserializer.end().map_err(|error| describe(".", &error))?;
    Ok(value)
}

pub(crate) fn describe(path: &str, error: &serde_json::Error) -> Violation {
    let text = error.to_string();
    let message = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(message, _)| message);
    let place = format!("line {} column {}", error.line(), error.column());
    if error.is_data() {
        let violation = violation::of_field("body", path, message);
        return Violation::new(violation.field, format!("{}, {place}", violation.message));
    }
    Violation::new("body", format!("malformed JSON: {message}, {place}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Order {
        #[expect(dead_code, reason = "read by serde alone")]
        items: Vec<Item>,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Item {
        #[expect(dead_code, reason = "read by serde alone")]
        price: u32,
    }

    fn violation(json: &str) -> String {
        let violation = from_json::<Order>(json.as_bytes()).unwrap_err();
        format!("{}: {}", violation.field, violation.message)
    }

    #[test]
    fn what_is_wrong_is_named_by_field_and_place() {
        let found = [
            r#"{"items":[{"price":1},{"price":"secret"}]}"#,
            r#"{"items":[{}]}"#,
            r"{}",
            r"[]",
            r#"{"items":"#,
            r#"{"items":[]} x"#,
            "",
            r#"{"items":[{"price":-1}]}"#,
        ]
        .map(violation)
        .join("\n");
        insta::assert_snapshot!(found);
    }

    #[test]
    fn other_types_than_json_are_refused() {
        let check = |value: Option<&'static str>| {
            let value = value.map(axum::http::HeaderValue::from_static);
            let headers = value.map(|value| (header::CONTENT_TYPE, value));
            let headers: axum::http::HeaderMap = headers.into_iter().collect();
            expect_json(&headers)
        };
        for good in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/vnd.a+json",
        ] {
            assert!(check(Some(good)).is_ok(), "{good}");
        }
        for bad in [
            None,
            Some(""),
            Some("text/plain"),
            Some("text/json"),
            Some("application/jsonx"),
        ] {
            assert_eq!(
                check(bad).unwrap_err().violations()[0].field,
                "content-type"
            );
        }
    }
}
