use std::future::{Ready, ready};
use std::rc::Rc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, forward_ready};
use actix_web::http::header::HeaderMap;
use actix_web::{Error, HttpResponse};
use futures::future::LocalBoxFuture;

/// A layer that lets a request through to its handler, or answers it.
pub(super) trait Gate: 'static {
    /// What a request holds while it is inside.
    type Pass;

    async fn admit(&self, request: &ServiceRequest) -> Result<Self::Pass, HttpResponse>;

    /// What the answer tells of the pass.
    fn tell(pass: &Self::Pass, headers: &mut HeaderMap);
}

/// A service of actix-web within a [`LoadShedLayer`](crate::LoadShedLayer) or a `RateLimitLayer`.
#[derive(Debug)]
pub struct Gated<S, G> {
    inner: Rc<S>,
    gate: Rc<G>,
}

impl<S, G> Gated<S, G> {
    pub(super) fn ready(inner: S, gate: G) -> Ready<Result<Self, ()>> {
        ready(Ok(Self {
            inner: Rc::new(inner),
            gate: Rc::new(gate),
        }))
    }
}

impl<S, B, G> Service<ServiceRequest> for Gated<S, G>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
    G: Gate,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (inner, gate) = (self.inner.clone(), self.gate.clone());
        Box::pin(async move {
            let pass = match gate.admit(&request).await {
                Ok(pass) => pass,
                Err(refusal) => {
                    let (request, _) = request.into_parts();
                    let response = ServiceResponse::new(request, refusal);
                    return Ok(response.map_into_right_body());
                }
            };
            let mut response = inner.call(request).await?.map_into_left_body();
            G::tell(&pass, response.headers_mut());
            Ok(response)
        })
    }
}
