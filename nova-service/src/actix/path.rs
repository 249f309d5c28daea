use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use nova_errors::{ServiceError, Violation};
use serde::de::DeserializeOwned;

use crate::Path;
use crate::json::invalid;
use crate::path::mistake_in_route;
use crate::violation::without_value;

impl<T: DeserializeOwned> FromRequest for Path<T> {
    type Error = ServiceError;
    type Future = Ready<Result<Self, ServiceError>>;

    /// # Errors
    ///
    /// `Validation` where a parameter is not of its type, `Internal` where the route has not the parameters of `T`.
    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let path = request.match_info().load();
        ready(
            path.map(Self)
                .map_err(|error| refuse(&error.to_string(), request)),
        )
    }
}

/// What a path that is refused stands for, by what actix-web says of it.
pub(super) fn refuse(message: &str, request: &HttpRequest) -> ServiceError {
    if message.starts_with("wrong number of parameters") || message.starts_with("missing field") {
        return mistake_in_route(message.to_owned());
    }
    // The message holds the value, which names the parameter and is for nobody's eyes.
    if let Some((value, expected)) = message
        .strip_prefix("can not parse ")
        .and_then(|rest| rest.rsplit_once(" to a "))
    {
        let name = name_of(request, |found| format!("{found:?}") == value);
        return invalid(Violation::new(name, format!("expected {expected}")));
    }
    let name = name_of(request, |_| true);
    invalid(Violation::new(name, without_value(message)))
}

/// The one parameter whose value is meant; `path` where that is not clear.
fn name_of(request: &HttpRequest, is_meant: impl Fn(&str) -> bool) -> &str {
    let mut meant = request
        .match_info()
        .iter()
        .filter(|(_, value)| is_meant(value));
    match (meant.next(), meant.next()) {
        (Some((name, _)), None) => name,
        _ => "path",
    }
}
