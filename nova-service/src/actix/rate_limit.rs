use std::borrow::Cow;
use std::future::Ready;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{Error, HttpResponse};
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use nova_errors::{Effect, ServiceError};

use super::command_router::known_route;
use super::gate::{Gate, Gated};
use super::head::head_of;
use crate::rate_limit::Asked;
use crate::{RateCheck, RateLimitLayer};

impl<S, B> Transform<S, ServiceRequest> for RateLimitLayer
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Gated<S, Self>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        Gated::ready(inner, self.clone())
    }
}

impl Gate for RateLimitLayer {
    type Pass = Option<RateCheck>;

    async fn admit(&self, request: &ServiceRequest) -> Result<Self::Pass, HttpResponse> {
        let route = request.match_pattern().map(known_route);
        let asked = Asked {
            path: request.path(),
            route: route.as_deref(),
            peer: request.peer_addr(),
            headers: request.headers(),
        };
        let check = self
            .check(&asked, || whole_head(request).map(Cow::Owned))
            .map_err(HttpResponse::from_error)?;
        if let Some(check) = &check
            && let Some(error) = check.error()
        {
            let mut refusal = HttpResponse::from_error(error);
            Self::tell(&Some(check.clone()), refusal.headers_mut());
            return Err(refusal);
        }
        Ok(check)
    }

    fn tell(check: &Self::Pass, headers: &mut HeaderMap) {
        let Some(check) = check else { return };
        for (name, value) in [
            (RateCheck::POLICY_HEADER, check.policy_value()),
            (RateCheck::LIMIT_HEADER, &check.limit_value()),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
    }
}

fn whole_head(request: &ServiceRequest) -> Result<Parts, ServiceError> {
    let mut head = head_of(request.request());
    if let Some(peer) = request.peer_addr() {
        head = head.extension(ConnectInfo(peer));
    }
    let head = head.body(()).map_err(|error| {
        let failed = ServiceError::Internal("count a request".into());
        failed.with_source(error).with_effect(Effect::None)
    })?;
    let (head, ()) = head.into_parts();
    Ok(head)
}
