use std::fmt;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, Uri};
use nova_errors::{Effect, ServiceError, Violation};

use super::is_protected;

/// A request that is about to be sent, as an interceptor sees it.
///
/// Address, method and body are fixed, so that an interceptor cannot send a token to another host; and so are the headers that say which
/// call this is, or how HTTP carries it: `x-request-id`, `idempotency-key`, `x-nova-…`, `content-type`, `host` and their like.
/// Each attempt begins with the headers of the call, so that what was set for one endpoint does not go to another.
pub struct OutboundRequest<'a> {
    request: &'a mut Request<Bytes>,
    attempt: u32,
}

impl<'a> OutboundRequest<'a> {
    pub(super) fn new(request: &'a mut Request<Bytes>, attempt: u32) -> Self {
        Self { request, attempt }
    }

    /// Where it goes.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        self.request.uri()
    }

    /// All its headers, the fixed ones included.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// The bytes that go out: the envelope with the command.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        self.request.body()
    }

    /// The number of the attempt, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Sets a header, instead of any that it has under that name. Mark a value that is secret as
    /// [sensitive](HeaderValue::set_sensitive).
    ///
    /// # Errors
    ///
    /// `Validation` where the header is one of those that are fixed.
    pub fn set_header(&mut self, name: HeaderName, value: HeaderValue) -> Result<(), ServiceError> {
        changeable(&name)?;
        self.request.headers_mut().insert(name, value);
        Ok(())
    }

    /// Takes a header out, such as the caller's `authorization` for a target that it is not for.
    ///
    /// # Errors
    ///
    /// `Validation` where the header is one of those that are fixed.
    pub fn remove_header(&mut self, name: &HeaderName) -> Result<(), ServiceError> {
        changeable(name)?;
        self.request.headers_mut().remove(name);
        Ok(())
    }
}

/// Refuses what is protected.
pub(crate) fn changeable(name: &HeaderName) -> Result<(), ServiceError> {
    if !is_protected(name) {
        return Ok(());
    }
    let violation = Violation::new(
        name.as_str(),
        "expected another header: the client sets this one",
    );
    Err(ServiceError::Validation(violation.into()).with_effect(Effect::None))
}

impl fmt::Debug for OutboundRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundRequest")
            .field("uri", self.uri())
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
