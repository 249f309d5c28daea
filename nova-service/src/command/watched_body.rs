use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use super::CommandMark;

/// The body of a command: whoever reads it has the command, also by an extractor that knows nothing of the [`CommandMark`].
#[derive(Debug)]
pub(crate) struct WatchedBody<B> {
    body: B,
    mark: CommandMark,
}

impl<B> WatchedBody<B> {
    pub(crate) fn new(body: B, mark: CommandMark) -> Self {
        Self { body, mark }
    }
}

impl<B> From<WatchedBody<B>> for Body
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError>,
{
    fn from(body: WatchedBody<B>) -> Self {
        Self::new(body)
    }
}

impl<B: HttpBody + Unpin> HttpBody for WatchedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.mark.hand_over();
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
