use nova_errors::{Effect, ServiceError};
use nova_models::{EndpointName, ServiceName};

use super::{CommandMark, command_path, peek_request_id};

/// What there is to say of a request to `path` that no endpoint of `service` takes.
///
/// The body is `None` where it could not be read: whatever else is wrong with the request, the answer bears its id.
pub(crate) fn refuse(
    service: &ServiceName,
    path: &str,
    mark: &CommandMark,
    body: Option<&[u8]>,
) -> ServiceError {
    mark.set();
    if let Some(id) = body.and_then(peek_request_id) {
        mark.set_request_id(id);
    }
    let (target, endpoint) = command_path(path).unwrap_or_default();
    let names = ServiceName::new(target.to_owned())
        .and_then(|target| Ok((target, EndpointName::new(endpoint.to_owned())?)));
    let error = match names {
        Err(malformed) => malformed,
        Ok((target, _)) if target != *service => {
            ServiceError::NotFound(format!("unknown target {target}").into())
        }
        Ok((_, endpoint)) => ServiceError::NotFound(format!("unknown endpoint {endpoint}").into()),
    };
    error.with_effect(Effect::None)
}

/// The answer to another method than POST on the route of the commands.
pub(crate) fn no_such_route() -> ServiceError {
    ServiceError::NotFound("no such route".into()).with_effect(Effect::None)
}
