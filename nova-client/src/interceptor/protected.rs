use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use nova_models::headers;

/// Whether a header means something that the client alone decides: which call this is and what is left of its time, or how HTTP
/// carries it.
pub(super) fn is_protected(name: &HeaderName) -> bool {
    let of_http = [
        CONNECTION,
        CONTENT_LENGTH,
        CONTENT_TYPE,
        HOST,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    let of_the_call = [headers::REQUEST_ID, headers::IDEMPOTENCY_KEY];
    of_http.contains(name)
        || of_the_call.contains(&name.as_str())
        || name.as_str().starts_with("x-nova-")
}
