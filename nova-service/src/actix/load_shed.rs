use std::future::Ready;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::HeaderMap;
use actix_web::{Error, HttpResponse};
use nova_models::CallContext;

use super::gate::{Gate, Gated};
use crate::load_shed::{LoadShed, LoadShedLayer, Permit};
use crate::probe::is_probe;

impl<S, B> Transform<S, ServiceRequest> for LoadShedLayer
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Gated<S, LoadShed>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        Gated::ready(inner, self.shed().clone())
    }
}

impl Gate for LoadShed {
    type Pass = Option<Permit>;

    async fn admit(&self, request: &ServiceRequest) -> Result<Self::Pass, HttpResponse> {
        if is_probe(request.path()) {
            return Ok(None);
        }
        let deadline = CallContext::current().and_then(|context| context.deadline);
        let permit = LoadShed::admit(self, deadline).await;
        permit.map(Some).map_err(HttpResponse::from_error)
    }

    fn tell(_: &Self::Pass, _: &mut HeaderMap) {}
}
