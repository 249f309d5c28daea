use std::error::Error;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response, StatusCode};
use nova_errors::{Effect, ErrorKind, Origin, ServiceError};
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use super::buffered_body::{BufferedBody, Unbuffered};

/// The answer as a whole where its status is OK, or what its status says went wrong.
pub(super) async fn read<B>(
    response: Response<B>,
    max_body: usize,
) -> Result<Response<Body>, ServiceError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (mut parts, body) = response.into_parts();
    if !is_grpc(&parts.headers) {
        return Err(foreign(parts.status));
    }
    let early = status(&mut parts.headers);
    if let Some(status) = &early {
        check(status)?;
    } else if parts.status != StatusCode::OK {
        return Err(foreign(parts.status));
    }
    let mut body = BufferedBody::collect(body, max_body)
        .await
        .map_err(|fault| match fault {
            // The service was at work already, whatever the way says of the stream.
            Unbuffered::Failed(error) => {
                ServiceError::from(Status::from_error(error.into())).with_effect(Effect::Unknown)
            }
            Unbuffered::TooLong => {
                ServiceError::Upstream(format!("the answer is over {max_body} bytes").into())
                    .with_origin(Origin::Remote)
            }
            Unbuffered::TooManyPieces => {
                ServiceError::Upstream("the answer is in too many pieces".into())
                    .with_origin(Origin::Remote)
            }
        })?;
    let late = body.trailers_mut().and_then(status);
    match late.or(early) {
        Some(status) => check(&status)?,
        // A proxy that gave up looks like this, so the service may be at work.
        None => {
            return Err(ServiceError::Upstream("an answer without a status".into())
                .with_origin(Origin::Transport));
        }
    }
    Ok(Response::from_parts(parts, Body::new(body)))
}

/// The status in a head or in trailers.
///
/// What is no base64 in the details is taken out, here and for whoever reads them after: tonic panics at it.
pub(super) fn status(map: &mut HeaderMap) -> Option<Status> {
    const DETAILS: &str = "grpc-status-details-bin";
    if map.contains_key(DETAILS) {
        let metadata = MetadataMap::from_headers(std::mem::take(map));
        let details = metadata.get_bin(DETAILS);
        let is_broken = details.is_some_and(|value| value.to_bytes().is_err());
        *map = metadata.into_headers();
        if is_broken {
            map.remove(DETAILS);
        }
    }
    Status::from_header_map(map)
}

fn check(status: &Status) -> Result<(), ServiceError> {
    if status.code() == Code::Ok {
        return Ok(());
    }
    // A service of the family, and any that knows what ails it, says more than this.
    let is_of_the_way = status.code() == Code::Unavailable && status.details().is_empty();
    let error = ServiceError::from(status.clone());
    Err(if is_of_the_way {
        error.with_origin(Origin::Transport)
    } else {
        error
    })
}

/// `application/grpc`, perhaps with a codec or parameters; gRPC-Web is another protocol.
fn is_grpc(headers: &HeaderMap) -> bool {
    let rest = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// An answer that is no gRPC was given in the service's place. Where a status of HTTP has a meaning of its own for gRPC, that holds
/// ([the mapping](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md)): a proxy's 404 is no entity that is missing.
fn foreign(status: StatusCode) -> ServiceError {
    let kind = match status {
        StatusCode::NOT_FOUND => ErrorKind::Unimplemented,
        StatusCode::UNAUTHORIZED => ErrorKind::Authentication,
        StatusCode::FORBIDDEN => ErrorKind::Authorization,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::RateLimited,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => ErrorKind::ServiceUnavailable,
        StatusCode::GATEWAY_TIMEOUT => ErrorKind::Timeout,
        _ => ErrorKind::Upstream,
    };
    ServiceError::new(
        kind,
        format!("an answer that is no gRPC, with the HTTP status {status}"),
    )
    .with_origin(Origin::Transport)
    .with_effect(Effect::Unknown)
}
