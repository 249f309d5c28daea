use std::error::Error;

/// Whether an HTTP/2 server refused the stream before it looked at the request (RFC 9113, section 8.7).
pub(super) fn is_refused_stream(error: &(dyn Error + 'static)) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(h2) = inner.downcast_ref::<h2::Error>() {
            return h2.reason() == Some(h2::Reason::REFUSED_STREAM) && h2.is_remote();
        }
        cause = inner.source();
    }
    false
}
