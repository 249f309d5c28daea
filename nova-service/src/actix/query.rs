use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use nova_errors::ServiceError;
use serde::de::DeserializeOwned;

use crate::Query;
use crate::query::from_query;

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = ServiceError;
    type Future = Ready<Result<Self, ServiceError>>;

    /// # Errors
    ///
    /// `Validation` where the query is not a `T`.
    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(from_query(request.query_string()).map(Self))
    }
}
