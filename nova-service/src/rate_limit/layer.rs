use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::hash::Hash;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::{ConnectInfo, MatchedPath};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Request};
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use nova_models::{CallContext, Subject};
use tower::{Layer, Service};

use super::{ClientAddress, RateCheck, RateLimit, RateLimiter, TrustedProxies};
use crate::header_view::HeaderView;
use crate::probe::is_probe;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Refuses the requests of a caller that are over its [`RateLimit`], and tells every caller what is left.
///
/// It goes inside of [`ServiceLayer`](crate::ServiceLayer) (or `GrpcLayer`), which renders the refusal: `RateLimited` with `Retry-After` and the effect none. Answers bear `RateLimit-Policy`
/// and `RateLimit`, as [`RateCheck`] says. Probes of health and metrics are not counted. Several layers may be stacked; each counts.
///
/// ```
/// use std::time::Duration;
/// use axum::{Router, routing::{get, post}};
/// use nova_service::{RateLimit, RateLimitLayer, ServiceLayer, TrustedProxies};
///
/// let logins = RateLimit::new("auth", 100, Duration::from_secs(60))?;
/// let feed = RateLimit::new("feed", 300, Duration::from_secs(60))?;
/// let login = post(|| async {}).layer(RateLimitLayer::per_address(logins).behind(TrustedProxies::hops(1)));
/// let feed = get(|| async {}).layer(RateLimitLayer::per_subject(feed));
/// let app = Router::new().route("/login", login).route("/feed", feed);
/// let app = ServiceLayer::new("gateway").wrap(app);
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
#[derive(Clone)]
pub struct RateLimitLayer {
    limiter: RateLimiter,
    key: Key,
    proxies: TrustedProxies,
}

#[derive(Clone)]
enum Key {
    Address,
    Subject,
    Route,
    Custom(Arc<CheckFn>),
}

type CheckFn = dyn Fn(&Parts, &RateLimiter) -> Option<RateCheck> + Send + Sync;

/// Whose request is counted. Requests without any address, as another server than [`HttpServer`](crate::HttpServer) may leave them, are one client together.
#[derive(Hash)]
enum Caller {
    Address(Option<ClientAddress>),
    Subject(Subject),
}

impl RateLimitLayer {
    /// A limit for each client, by the address of its connection; see [`behind`](Self::behind) and [`ClientAddress`].
    #[must_use]
    pub fn per_address(limit: RateLimit) -> Self {
        Self::new(limit, Key::Address)
    }

    /// A limit for each authenticated subject of the [`CallContext`], so it goes inside of what verifies the token; for anonymous requests it is a limit for each address.
    #[must_use]
    pub fn per_subject(limit: RateLimit) -> Self {
        Self::new(limit, Key::Subject)
    }

    /// A limit for each route, by its pattern, for all callers together. Requests that match no route are one route.
    #[must_use]
    pub fn per_route(limit: RateLimit) -> Self {
        Self::new(limit, Key::Route)
    }

    /// A limit for each key that `key` finds in a request's head; one for which it finds none is not limited.
    ///
    /// ```
    /// use std::time::Duration;
    /// use nova_service::{RateLimit, RateLimitLayer};
    ///
    /// let limit = RateLimit::new("tenant", 1000, Duration::from_secs(1))?;
    /// let layer = RateLimitLayer::per(limit, |head| head.headers.get("x-tenant").cloned());
    /// # Ok::<(), nova_errors::ServiceError>(())
    /// ```
    #[must_use]
    pub fn per<K, F>(limit: RateLimit, key: F) -> Self
    where
        K: Hash,
        F: Fn(&Parts) -> Option<K> + Send + Sync + 'static,
    {
        let check = move |head: &Parts, limiter: &RateLimiter| Some(limiter.check(&key(head)?));
        Self::new(limit, Key::Custom(Arc::new(check)))
    }

    fn new(limit: RateLimit, key: Key) -> Self {
        Self {
            limiter: RateLimiter::new(limit),
            key,
            proxies: TrustedProxies::NONE,
        }
    }

    /// Sets which part of `X-Forwarded-For` is to be believed. By default none of it.
    #[must_use]
    pub fn behind(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Counts a request; `None` for one that is not limited.
    ///
    /// # Errors
    ///
    /// What the framework says that cannot give the whole head, which only a key of one's own needs.
    pub(crate) fn check<'a, E>(
        &self,
        asked: &Asked<'_, impl HeaderView>,
        head: impl FnOnce() -> Result<Cow<'a, Parts>, E>,
    ) -> Result<Option<RateCheck>, E> {
        if is_probe(asked.path) {
            return Ok(None);
        }
        Ok(match &self.key {
            Key::Address => Some(self.limiter.check(&self.address(asked))),
            Key::Subject => {
                let subject = CallContext::current().and_then(|context| context.subject);
                let caller = subject.map_or_else(|| self.address(asked), Caller::Subject);
                Some(self.limiter.check(&caller))
            }
            Key::Route => Some(self.limiter.check(&asked.route)),
            Key::Custom(check) => check(head()?.as_ref(), &self.limiter),
        })
    }

    fn address(&self, asked: &Asked<'_, impl HeaderView>) -> Caller {
        let forwarded: Vec<_> = asked
            .headers
            .all(FORWARDED_FOR)
            // What a client wrote that is no text hides nothing of what the proxies appended.
            .map(String::from_utf8_lossy)
            .collect();
        let hops = forwarded.iter().map(AsRef::as_ref);
        let client = asked.peer.map(|peer| self.proxies.client(peer.ip(), hops));
        Caller::Address(client.map(ClientAddress::from))
    }
}

/// What a framework knows of a request that is to be counted.
pub(crate) struct Asked<'a, H> {
    pub(crate) path: &'a str,
    /// The pattern of the route, where there is one.
    pub(crate) route: Option<&'a str>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) headers: &'a H,
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimited<S>;

    fn layer(&self, inner: S) -> RateLimited<S> {
        RateLimited {
            inner,
            layer: self.clone(),
        }
    }
}

impl fmt::Debug for RateLimitLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = match self.key {
            Key::Address => "address",
            Key::Subject => "subject",
            Key::Route => "route",
            Key::Custom(_) => "custom",
        };
        f.debug_struct("RateLimitLayer")
            .field("limiter", &self.limiter)
            .field("key", &key)
            .field("proxies", &self.proxies)
            .finish()
    }
}

/// A service within a [`RateLimitLayer`].
#[derive(Debug, Clone)]
pub struct RateLimited<S> {
    inner: S,
    layer: RateLimitLayer,
}

impl<S, B> Service<Request<B>> for RateLimited<S>
where
    S: Service<Request<B>>,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, body) = request.into_parts();
        let peer: Option<&ConnectInfo<SocketAddr>> = head.extensions.get();
        let asked = Asked {
            path: head.uri.path(),
            route: head.extensions.get().map(MatchedPath::as_str),
            peer: peer.map(|peer| peer.0),
            headers: &head.headers,
        };
        let whole = || Ok::<_, Infallible>(Cow::Borrowed(&head));
        let Ok(check) = self.layer.check(&asked, whole);
        if let Some(check) = &check
            && let Some(error) = check.error()
        {
            let refusal = told(error.into_response(), check);
            return Box::pin(async { Ok(refusal) });
        }
        let answer = self.inner.call(Request::from_parts(head, body));
        Box::pin(async move {
            let response = answer.await?.into_response();
            Ok(match check {
                Some(check) => told(response, &check),
                None => response,
            })
        })
    }
}

/// Adds the headers, beside those of other limits.
fn told(mut response: Response, check: &RateCheck) -> Response {
    for (name, value) in [
        (RateCheck::POLICY_HEADER, check.policy_value()),
        (RateCheck::LIMIT_HEADER, &check.limit_value()),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            let name = HeaderName::from_static(name);
            response.headers_mut().append(name, value);
        }
    }
    response
}
