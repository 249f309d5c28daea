use nova_errors::{
    Chain, Effect, ErrorDetail, ErrorKind, PROBLEM_CONTENT_TYPE, Problem, ServiceError,
};
use nova_models::{CommandResponse, RequestId};
use serde::Serialize;

use crate::load_shed::is_shed;

/// What is found in an answer on its way out.
pub(crate) enum Answer {
    /// An error, to be rendered.
    Error(ServiceError),
    /// A status alone, with neither a body nor a content type.
    Bare,
    /// What somebody wants to say in words of their own.
    Own,
}

impl Answer {
    /// The error that the answer stands for; `None` for one that stays as it is.
    ///
    /// An error status without a body says too little, so it gets one.
    pub(super) fn into_error(self, status: u16, has_route: bool) -> Option<ServiceError> {
        match self {
            Self::Error(error) => return Some(error),
            Self::Own => return None,
            Self::Bare => {}
        }
        let kind = ErrorKind::from_http_status(status)?;
        let nobody_took_it = match status {
            404 if !has_route => "no such route",
            405 => "method not allowed",
            // What else has no route went to a fall-back, which is a handler too.
            _ => return Some(ServiceError::new(kind, ErrorDetail::default())),
        };
        let error = ServiceError::new(kind, nobody_took_it);
        Some(error.with_effect(Effect::None))
    }
}

/// Logs an error, once.
pub(super) fn log(error: &ServiceError, status: u16) {
    let code = error.code();
    if is_shed(error) {
        tracing::debug!(code, status, error = %Chain(error), "request refused");
    } else if status >= 500 {
        tracing::error!(code, status, error = %Chain(error), "request failed");
    } else {
        tracing::info!(code, status, error = %Chain(error), "request refused");
    }
}

/// An error as the body of an answer; the answer's status and other headers stay.
pub(crate) struct Rendered {
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

impl Rendered {
    pub(super) fn new(
        error: &ServiceError,
        status: u16,
        request_id: &RequestId,
        is_command: bool,
    ) -> Self {
        if is_command {
            let envelope = CommandResponse::<()>::failure(request_id.clone(), error);
            return Self::json("application/json", &envelope);
        }
        let mut problem = Problem::from(error).with_instance(request_id.as_str());
        problem.status = status;
        Self::json(PROBLEM_CONTENT_TYPE, &problem)
    }

    fn json(content_type: &'static str, body: &impl Serialize) -> Self {
        // Neither of the two bodies holds what JSON cannot.
        let body = serde_json::to_vec(body).unwrap_or_default();
        Self { content_type, body }
    }
}
