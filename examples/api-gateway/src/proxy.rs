use std::time::Duration;

use anyhow::{Context, bail};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::response::Response;
use nova_errors::{Effect, ServiceError};
use nova_models::{CallContext, headers};
use nova_service::RawBody;
use reqwest::Url;
use tokio::time::Instant;

use crate::{MAX_DEADLINE, NAME};

/// The connections to the services.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    client: reqwest::Client,
}

/// One service behind the gateway.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    client: reqwest::Client,
    base: Url,
}

impl Proxy {
    pub(crate) fn new() -> Result<Self, ServiceError> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(Duration::from_secs(1))
            .build()?;
        Ok(Self { client })
    }
}

impl Upstream {
    /// The service at `base`, `http://HOST:PORT`.
    pub(crate) fn new(proxy: &Proxy, base: &str) -> anyhow::Result<Self> {
        let parsed = Url::parse(base).context("parse the URL")?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.path() != "/" {
            bail!("expected http://HOST:PORT");
        }
        Ok(Self {
            client: proxy.client.clone(),
            base: parsed,
        })
    }

    /// Where a request for `uri` goes.
    ///
    /// # Errors
    ///
    /// `NotFound` where the path would mean another one at the service than it did in the list of
    /// routes: backslashes and dot segments, encoded or not.
    fn target(&self, uri: &Uri) -> Result<Url, ServiceError> {
        let mut url = self.base.clone();
        url.set_path(uri.path());
        url.set_query(uri.query());
        if url.path() != uri.path() {
            return Err(ServiceError::NotFound("no such route".into()).with_effect(Effect::None));
        }
        Ok(url)
    }

    /// Sends the request on and streams the answer back.
    pub(crate) async fn forward(
        self,
        method: Method,
        uri: Uri,
        inbound: HeaderMap,
        RawBody(body): RawBody,
    ) -> Result<Response, ServiceError> {
        let url = self.target(&uri)?;
        let context = CallContext::current().unwrap_or_default();
        let left = context.deadline.map_or(MAX_DEADLINE, |deadline| {
            deadline.left(Instant::now().into_std())
        });
        let answer = self
            .client
            .request(method, url)
            .headers(onward(inbound, &context, left))
            .timeout(left)
            .body(body)
            .send()
            .await?;

        let mut response = Response::new(Body::empty());
        *response.status_mut() = answer.status();
        *response.headers_mut() = end_to_end(answer.headers().clone());
        *response.body_mut() = Body::from_stream(answer.bytes_stream());
        Ok(response)
    }
}

/// The headers that go to the service: the client's, as far as they are meant for the other end,
/// and what the call hands on.
fn onward(inbound: HeaderMap, context: &CallContext, left: Duration) -> HeaderMap {
    let mut outbound = end_to_end(inbound);
    remove_where(&mut outbound, is_ours);
    outbound.remove(header::HOST);
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            outbound.insert(HeaderName::from_static(name), value);
        }
    };
    set(headers::SOURCE, NAME);
    set(headers::DEADLINE_MS, &left.as_millis().to_string());
    if let Some(id) = &context.request_id {
        set(headers::REQUEST_ID, id);
    }
    if let Some(trace) = &context.trace {
        set(headers::TRACEPARENT, trace.traceparent());
    }
    outbound
}

/// What only our own services may say.
fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("x-nova-")
        || name.starts_with("x-forwarded-")
        || matches!(
            name,
            headers::REQUEST_ID
                | headers::TRACEPARENT
                | headers::TRACESTATE
                | "baggage"
                | "forwarded"
        )
}

fn remove_where(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName) -> bool) {
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| unwanted(name))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// Without what is between two neighbours only: RFC 9110, section 7.6.1.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
    ] {
        headers.remove(name);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_our_services_may_say_comes_from_the_gateway_alone() {
        let mut inbound = HeaderMap::new();
        for name in [
            "x-nova-source",
            "x-nova-attempt",
            "x-nova-deadline-ms",
            "x-request-id",
            "x-forwarded-for",
            "baggage",
            "traceparent",
            "accept",
            "authorization",
        ] {
            inbound.append(name, HeaderValue::from_static("theirs"));
        }
        inbound.append("x-nova-source", HeaderValue::from_static("theirs too"));
        let mut context = CallContext::new();
        context.request_id = "ours".parse().ok();
        let outbound = onward(inbound, &context, Duration::from_secs(2));
        let mut sent: Vec<_> = outbound
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        sent.sort_unstable();
        assert_eq!(
            sent,
            [
                ("accept", "theirs"),
                ("authorization", "theirs"),
                ("x-nova-deadline-ms", "2000"),
                ("x-nova-source", NAME),
                ("x-request-id", "ours"),
            ]
        );
    }

    #[test]
    fn a_path_cannot_leave_the_route_that_it_came_by() {
        let upstream = Upstream::new(&Proxy::new().unwrap(), "http://127.0.0.1:8082").unwrap();
        let escapes = [
            r"/api/v1/users/..\..\..\metrics",
            r"/api/v1/users/x\y",
            "/api/v1/users/../../metrics",
            "/api/v1/users/./followers",
            "/api/v1/users/%2e%2e/followers",
            "/api/v1/users/%2E./followers",
        ];
        for path in escapes {
            // What is no URI does not get as far as here.
            if let Ok(uri) = path.parse::<Uri>() {
                assert!(upstream.target(&uri).is_err(), "{path}");
            }
        }
        let uri: Uri = "/api/v1/users/a%2Fb/followers?page=2&limit=5"
            .parse()
            .unwrap();
        assert_eq!(
            upstream.target(&uri).unwrap().as_str(),
            "http://127.0.0.1:8082/api/v1/users/a%2Fb/followers?page=2&limit=5"
        );
    }

    #[test]
    fn an_upstream_is_a_host_and_a_port() {
        let proxy = Proxy::new().unwrap();
        for base in [
            "users:8082",
            "users:80x",
            "ftp://users",
            "http://users/api",
            "",
        ] {
            assert!(Upstream::new(&proxy, base).is_err(), "{base}");
        }
    }

    #[test]
    fn what_is_between_neighbours_is_not_handed_on() {
        let mut headers = HeaderMap::new();
        headers.insert("connection", HeaderValue::from_static("close, x-hop"));
        headers.insert("x-hop", HeaderValue::from_static("1"));
        headers.insert("transfer-encoding", HeaderValue::from_static("chunked"));
        headers.insert("accept", HeaderValue::from_static("*/*"));
        let headers = end_to_end(headers);
        assert_eq!(headers.len(), 1);
        assert!(headers.contains_key("accept"));
    }
}
