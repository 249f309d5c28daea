use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Request, header};
use nova_errors::{Effect, ErrorKind, ServiceError};
use nova_models::{AccessToken, CallContext, Subject};
use tower::{Layer, Service};

use crate::bearer::bearer_token;
use crate::{AuthClient, UserClaims};

/// Lets a request through only with a valid `Authorization: Bearer` token.
///
/// The handler finds the [`UserClaims`] as an extractor (an `Arc` of them is in the request's extensions), and runs in a
/// [`CallContext`] whose subject is the user and whose token goes with the calls that it makes. Everything else is
/// answered with the problem of the error, and `WWW-Authenticate` where it is a 401.
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use nova_auth_client::{AuthClient, UserClaims};
///
/// # async fn run(auth: AuthClient) {
/// let closed = Router::new()
///     .route("/me", get(async |claims: UserClaims| claims.username))
///     .layer(auth.layer());
/// let open = Router::new()
///     .route("/posts", get(async |claims: Option<UserClaims>| claims.is_some().to_string()))
///     .layer(auth.layer().optional());
/// let app: Router = closed.merge(open);
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct AuthLayer {
    auth: AuthClient,
    optional: bool,
}

impl AuthLayer {
    pub(crate) fn new(auth: AuthClient) -> Self {
        Self {
            auth,
            optional: false,
        }
    }

    /// Lets requests without a token through as well. An invalid token is still refused.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Authenticate<S> {
        Authenticate {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service that [`AuthLayer`] makes.
#[derive(Debug, Clone)]
pub struct Authenticate<S> {
    inner: S,
    layer: AuthLayer,
}

impl<S, B> Service<Request<B>> for Authenticate<S>
where
    S: Service<Request<B>> + Clone + Send + 'static,
    S::Response: IntoResponse,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The one that is ready goes into the future; its clone may not be.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let layer = self.layer.clone();
        Box::pin(async move {
            let caller = match layer.caller(&request).await {
                Ok(caller) => caller,
                Err(error) => return Ok(refusal(error)),
            };
            let Some((claims, token)) = caller else {
                return Ok(inner.call(request).await?.into_response());
            };
            let mut context = CallContext::current().unwrap_or_default();
            context.subject = Some(Subject::new(claims.user_id.to_string()));
            context.token = Some(token);
            request.extensions_mut().insert(claims);
            let response = context
                .scope(async move { inner.call(request).await })
                .await?;
            Ok(response.into_response())
        })
    }
}

impl AuthLayer {
    fn caller<B>(
        &self,
        request: &Request<B>,
    ) -> impl Future<Output = Result<Option<(Arc<UserClaims>, AccessToken)>, ServiceError>> + use<B>
    {
        let auth = self.auth.clone();
        let optional = self.optional;
        let token = bearer_token(request.headers()).map(|token| token.map(AccessToken::new));
        async move {
            match token? {
                Some(token) => {
                    let claims = auth.verify_token(token.expose()).await?;
                    Ok(Some((claims, token)))
                }
                None if optional => Ok(None),
                None => Err(missing()),
            }
        }
    }
}

pub(crate) fn missing() -> ServiceError {
    ServiceError::Authentication("an access token is needed".into())
        .with_reason("missing")
        .with_effect(Effect::None)
}

/// No handler ran, whatever the call of the auth service left open. The challenge is that of RFC 6750, section 3.
fn refusal(error: ServiceError) -> Response {
    let challenge = match (error.kind(), error.code()) {
        (ErrorKind::Authentication, "authentication.missing") => Some("Bearer"),
        (ErrorKind::Authentication, _) => Some("Bearer error=\"invalid_token\""),
        _ => None,
    };
    let mut response = error.with_effect(Effect::None).into_response();
    if let Some(challenge) = challenge {
        let challenge = HeaderValue::from_static(challenge);
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
