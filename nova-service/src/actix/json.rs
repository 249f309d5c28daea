use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::header::ContentType;
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder};
use futures::future::LocalBoxFuture;
use nova_errors::ServiceError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::body::{mark_of, read_body};
use crate::Json;
use crate::json::{expect_json, from_json, invalid, to_json};

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = ServiceError;
    type Future = LocalBoxFuture<'static, Result<Self, ServiceError>>;

    /// # Errors
    ///
    /// `Validation` for another content type or JSON that is not a `T`, `PayloadTooLarge` for a body over the limit.
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = expect_json(request.headers());
        let mark = mark_of(request);
        let body = read_body(request, payload);
        Box::pin(async move {
            is_json?;
            let value = from_json(&body.await?).map_err(invalid)?;
            mark.hand_over();
            Ok(Self(value))
        })
    }
}

impl<T: Serialize> Responder for Json<T> {
    type Body = BoxBody;

    fn respond_to(self, _request: &HttpRequest) -> HttpResponse {
        match to_json(&self.0) {
            Ok(body) => HttpResponse::Ok()
                .content_type(ContentType::json())
                .body(body),
            Err(error) => HttpResponse::from_error(error),
        }
    }
}
