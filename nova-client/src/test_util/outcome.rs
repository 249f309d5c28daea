use std::time::Duration;

use bytes::Bytes;
use http::Response;
use nova_errors::{Effect, Origin, ServiceError};

use super::Answer;

/// What becomes of a request in a [`FakeTransport`](super::FakeTransport).
#[derive(Debug, Clone)]
#[must_use]
pub struct Outcome {
    what: What,
    after: Duration,
}

#[derive(Debug, Clone)]
enum What {
    Answer(Answer),
    Response(Response<Bytes>),
    Failure(ServiceError),
    Silence,
}

impl Outcome {
    /// It fails on the way.
    pub fn failure(error: ServiceError) -> Self {
        What::Failure(error).into()
    }

    /// The connection is refused: the request has no effect.
    pub fn refused() -> Self {
        let error = ServiceError::ServiceUnavailable("connect".into());
        Self::failure(
            error
                .with_origin(Origin::Transport)
                .with_effect(Effect::None),
        )
    }

    /// The connection breaks after the request is sent: nobody knows the effect.
    pub fn lost() -> Self {
        let error = ServiceError::ServiceUnavailable("exchange with the server".into());
        Self::failure(error.with_origin(Origin::Transport))
    }

    /// It is never answered.
    pub fn silence() -> Self {
        What::Silence.into()
    }

    /// Sets the time that it takes: none unless set.
    pub fn after(mut self, time: Duration) -> Self {
        self.after = time;
        self
    }

    pub(super) async fn come_about(self, id: &str) -> Result<Response<Bytes>, ServiceError> {
        if !self.after.is_zero() {
            tokio::time::sleep(self.after).await;
        }
        match self.what {
            What::Answer(answer) => answer.response(id),
            What::Response(response) => Ok(response),
            What::Failure(error) => Err(error),
            What::Silence => std::future::pending().await,
        }
    }
}

impl From<What> for Outcome {
    fn from(what: What) -> Self {
        Self {
            what,
            after: Duration::ZERO,
        }
    }
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        What::Answer(answer).into()
    }
}

impl From<Response<Bytes>> for Outcome {
    /// The response as it is, without a place for the request's id.
    fn from(response: Response<Bytes>) -> Self {
        What::Response(response).into()
    }
}
