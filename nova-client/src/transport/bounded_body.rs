use bytes::{Bytes, BytesMut};
use nova_errors::{Effect, Origin, ServiceError};
use reqwest::Response;

/// The longest body of an answer unless set otherwise: 16 MiB.
pub(super) const DEFAULT_MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;

/// Reads the body of an answer, at most `max` bytes; a body in one piece is not copied.
pub(super) async fn read(response: &mut Response, max: usize) -> Result<Bytes, ServiceError> {
    let announced = response.content_length();
    if announced.is_some_and(|length| length > u64::try_from(max).unwrap_or(u64::MAX)) {
        return Err(too_large(max));
    }
    let Some(first) = response.chunk().await.map_err(cut_off)? else {
        return Ok(Bytes::new());
    };
    if first.len() > max {
        return Err(too_large(max));
    }
    let Some(second) = response.chunk().await.map_err(cut_off)? else {
        return Ok(first);
    };
    // The announcement is at most `max` here.
    let announced = announced.and_then(|length| usize::try_from(length).ok());
    let mut body = BytesMut::with_capacity(announced.unwrap_or(first.len() + second.len()));
    body.extend_from_slice(&first);
    let mut next = Some(second);
    while let Some(chunk) = next {
        if chunk.len() > max - body.len() {
            return Err(too_large(max));
        }
        body.extend_from_slice(&chunk);
        next = response.chunk().await.map_err(cut_off)?;
    }
    Ok(body.freeze())
}

fn too_large(max: usize) -> ServiceError {
    ServiceError::Upstream(format!("the answer is over {max} bytes").into())
        .with_origin(Origin::Remote)
        .with_effect(Effect::Unknown)
}

/// The peer was at work already, so anything can have happened.
fn cut_off(error: reqwest::Error) -> ServiceError {
    ServiceError::ServiceUnavailable("read the answer".into())
        .with_origin(Origin::Transport)
        .with_effect(Effect::Unknown)
        .with_source(error.without_url())
}
