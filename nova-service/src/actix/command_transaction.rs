use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use nova_errors::ServiceError;

use super::idempotency::Attached;
use crate::{CommandTransaction, IdempotencyDatabase};

impl<DB: IdempotencyDatabase> FromRequest for CommandTransaction<DB> {
    type Error = ServiceError;
    type Future = Ready<Result<Self, ServiceError>>;

    /// # Errors
    ///
    /// `Internal` where no layer with an SQL store of this database is around the endpoint, or the handler has the transaction already.
    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let extensions = request.extensions();
        let attached: Option<&Attached> = extensions.get();
        ready(Self::of(attached.map(|attached| &attached.0)))
    }
}
