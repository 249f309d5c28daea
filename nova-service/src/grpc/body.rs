use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::HeaderMap;
use hyper::body::Frame;
use nova_errors::ServiceError;
use tokio::time::Sleep;
use tonic::Status;

use super::call::Call;
use crate::panic::Panic;

/// The body of an answer, which a handler may still be producing: within its context and deadline, and watched to its end.
pub(super) struct CallBody {
    body: Body,
    call: Call,
    deadline: Option<Pin<Box<Sleep>>>,
    is_over: bool,
}

type Polled = Option<Result<Frame<Bytes>, axum::Error>>;

impl CallBody {
    pub(super) fn new(body: Body, call: Call) -> Self {
        let deadline = call
            .context
            .deadline
            .map(|deadline| Box::pin(tokio::time::sleep_until(deadline.instant().into())));
        Self {
            body,
            call,
            deadline,
            is_over: false,
        }
    }

    fn poll_inner(&mut self, cx: &mut Context<'_>) -> Poll<Result<Polled, Panic>> {
        let (body, span) = (&mut self.body, &self.call.span);
        let context = self.call.context.clone();
        let polled = context.sync_scope(|| {
            span.in_scope(|| {
                // After a panic nobody polls it again.
                catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx)))
            })
        });
        match polled {
            Ok(polled) => Poll::Ready(Ok(ready!(polled))),
            Err(payload) => Poll::Ready(Err(Panic::new(payload.as_ref()))),
        }
    }

    /// The last frame, with an error of this side.
    fn fail(&mut self, error: &ServiceError) -> Frame<Bytes> {
        self.is_over = true;
        let mut trailers = HeaderMap::new();
        if self.call.fail(error).add_header(&mut trailers).is_err() {
            // A status without words is a header always.
            let _ = Status::internal("").add_header(&mut trailers);
        }
        Frame::trailers(trailers)
    }
}

impl HttpBody for CallBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Polled> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        // First, since a stream that always has a message would never let it have its turn.
        if let Some(deadline) = &mut this.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            let error = ServiceError::Timeout("the deadline is over".into());
            return Poll::Ready(Some(Ok(this.fail(&error))));
        }
        let frame = match ready!(this.poll_inner(cx)) {
            Ok(frame) => frame,
            Err(panic) => {
                let error = ServiceError::Internal("stream panicked".into()).with_source(panic);
                Some(Ok(this.fail(&error)))
            }
        };
        Poll::Ready(match frame {
            Some(Ok(mut frame)) => {
                if let (false, Some(trailers)) = (this.is_over, frame.trailers_mut()) {
                    this.is_over = true;
                    this.call.finish(trailers, None);
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                this.is_over = true;
                let broken = ServiceError::Upstream("answer broke off".into());
                this.call
                    .fail(&broken.with_source(std::io::Error::other(error.to_string())));
                Some(Err(error))
            }
            None => {
                this.is_over = true;
                this.call.finish(&mut HeaderMap::new(), None);
                None
            }
        })
    }
}
