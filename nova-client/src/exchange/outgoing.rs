use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName};
use http::{HeaderValue, Method, Request, Uri};
use nova_errors::ServiceError;
use nova_models::{AccessToken, EndpointName, RequestId, ServiceName, TraceContext, headers};

use crate::address::Address;
use crate::context_headers::{insert_token, insert_trace, invisible, visible};
use crate::peer::Peer;
use crate::{Attempt, idempotency_key};

/// A command ready to be sent: what is the same over all attempts, made once.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    target: ServiceName,
    endpoint: EndpointName,
    request_id: RequestId,
    id: HeaderValue,
    key: HeaderValue,
    /// Those of every request, with the places of the ones that differ.
    fixed: &'a HeaderMap,
    own: HeaderMap,
    body: Bytes,
}

/// What an [`Outgoing`] is made of.
pub(crate) struct OutgoingParts<'a> {
    pub(crate) target: ServiceName,
    pub(crate) endpoint: EndpointName,
    pub(crate) body: Bytes,
    pub(crate) request_id: RequestId,
    pub(crate) idempotency_key: Option<&'a str>,
    pub(crate) trace: Option<&'a TraceContext>,
    pub(crate) token: Option<&'a AccessToken>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

// Parsed when this is compiled; a map that is given a text parses it at each insert.
static REQUEST_ID: HeaderName = HeaderName::from_static(headers::REQUEST_ID);
static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static(headers::IDEMPOTENCY_KEY);
static SOURCE: HeaderName = HeaderName::from_static(headers::SOURCE);
static DEADLINE_MS: HeaderName = HeaderName::from_static(headers::DEADLINE_MS);
static ATTEMPT: HeaderName = HeaderName::from_static(headers::ATTEMPT);

/// What every request of the service `source` has. Each gets a copy, and values of its own where these stand for them:
/// a map that is copied hashes no name and need not grow.
pub(crate) fn fixed_headers(source: &ServiceName) -> Result<HeaderMap, ServiceError> {
    let json = HeaderValue::from_static("application/json");
    let differs = HeaderValue::from_static("");
    let mut map = HeaderMap::with_capacity(10);
    map.insert(CONTENT_TYPE, json.clone());
    map.insert(ACCEPT, json);
    map.insert(&REQUEST_ID, differs.clone());
    map.insert(&IDEMPOTENCY_KEY, differs.clone());
    map.insert(&SOURCE, visible(&SOURCE, source.as_str())?);
    map.insert(&DEADLINE_MS, differs);
    map.insert(&ATTEMPT, HeaderValue::from_static("1"));
    Ok(map)
}

impl<'a> Outgoing<'a> {
    /// A command that goes out with `fixed` (see [`fixed_headers`]) and headers of its own.
    pub(crate) fn new(
        fixed: &'a HeaderMap,
        parts: OutgoingParts<'_>,
    ) -> Result<Self, ServiceError> {
        let (id, key) = id_and_key(&parts.request_id)?;
        let key = match parts.idempotency_key {
            Some(key) => idempotency_key::header_value(key)?,
            None => key,
        };
        let mut own = HeaderMap::new();
        if let Some(trace) = parts.trace {
            insert_trace(&mut own, trace)?;
        }
        if let Some(token) = parts.token {
            insert_token(&mut own, token)?;
        }
        for (name, value) in parts.headers {
            own.insert(name, value);
        }
        Ok(Self {
            target: parts.target,
            endpoint: parts.endpoint,
            request_id: parts.request_id,
            id,
            key,
            fixed,
            own,
            body: parts.body,
        })
    }

    pub(crate) fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    /// Where it goes at that endpoint.
    pub(super) fn address<'p>(&self, peer: &'p Peer) -> Result<Cow<'p, Address>, ServiceError> {
        peer.address(&self.target, &self.endpoint)
    }

    /// The request of one attempt; the body is shared, not copied.
    pub(super) fn request<E>(&self, attempt: &Attempt<(), E>, uri: Uri) -> Request<Bytes> {
        // Rounded down: the peer must not count on time that is not there.
        let left = attempt.deadline().left(attempt.started().into_std());
        let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let mut map = self.fixed.clone();
        map.insert(&REQUEST_ID, self.id.clone());
        map.insert(&IDEMPOTENCY_KEY, self.key.clone());
        map.insert(&DEADLINE_MS, HeaderValue::from(left));
        if attempt.number() > 1 {
            map.insert(&ATTEMPT, HeaderValue::from(attempt.number()));
        }
        for (name, value) in &self.own {
            map.insert(name, value.clone());
        }

        let mut request = Request::new(self.body.clone());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = map;
        request
    }
}

/// The request's id, and as it is when it serves as the idempotency key: two views of the same bytes.
fn id_and_key(id: &RequestId) -> Result<(HeaderValue, HeaderValue), ServiceError> {
    // The grammar of ids has nothing to escape.
    let mut quoted = BytesMut::with_capacity(id.len() + 2);
    quoted.put_u8(b'"');
    quoted.put_slice(id.as_bytes());
    quoted.put_u8(b'"');
    let quoted = quoted.freeze();
    let value = |bytes| {
        HeaderValue::from_maybe_shared(bytes)
            .map_err(|error| invisible(&REQUEST_ID).with_source(error))
    };
    Ok((value(quoted.slice(1..=id.len()))?, value(quoted)?))
}
