use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

/// A body that is here as a whole. A clone shares its bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct BufferedBody {
    chunks: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
}

/// Why a body could not be held.
#[derive(Debug)]
pub(super) enum Unbuffered<E> {
    Failed(E),
    TooLong,
    /// Held one by one they would take many times their length.
    TooManyPieces,
}

impl BufferedBody {
    /// Reads a body of at most `max` bytes, trailers apart. No chunk is copied, so that their number is bounded too: some 1000, and
    /// one for each 256 bytes of `max`.
    pub(super) async fn collect<B>(body: B, max: usize) -> Result<Self, Unbuffered<B::Error>>
    where
        B: Body<Data = Bytes>,
    {
        let mut body = pin!(body);
        let mut held = Self::default();
        let mut left = max;
        while let Some(frame) = body.frame().await {
            match frame.map_err(Unbuffered::Failed)?.into_data() {
                Ok(chunk) => {
                    left = left.checked_sub(chunk.len()).ok_or(Unbuffered::TooLong)?;
                    // An empty one would be held for nothing.
                    if !chunk.is_empty() {
                        held.chunks.push_back(chunk);
                    }
                    if held.chunks.len() > 1000 + max / 256 {
                        return Err(Unbuffered::TooManyPieces);
                    }
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        held.trailers = Some(trailers);
                    }
                }
            }
        }
        Ok(held)
    }

    pub(super) fn trailers_mut(&mut self) -> Option<&mut HeaderMap> {
        self.trailers.as_mut()
    }
}

impl Body for BufferedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match self.chunks.pop_front() {
            Some(chunk) => Some(Frame::data(chunk)),
            None => self.trailers.take().map(Frame::trailers),
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length: usize = self.chunks.iter().map(Bytes::len).sum();
        SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{Full, StreamBody};

    fn chunks(chunks: &[&'static [u8]]) -> impl Body<Data = Bytes, Error = Infallible> {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let frames: Vec<_> = chunks
            .iter()
            .map(|chunk| Ok(Frame::data(Bytes::from_static(chunk))))
            .chain([Ok(Frame::trailers(trailers))])
            .collect();
        StreamBody::new(tokio_stream::iter(frames))
    }

    #[tokio::test]
    async fn chunks_and_trailers_come_out_as_they_went_in() {
        let held = BufferedBody::collect(chunks(&[b"ab", b"", b"c"]), 3).await;
        let held = held.unwrap();
        assert_eq!(held.size_hint().exact(), Some(3));
        let again = held.clone().collect_all().await;
        assert_eq!(again, (b"abc".to_vec(), true));
        assert_eq!(held.collect_all().await, again);
    }

    #[tokio::test]
    async fn one_byte_over_the_bound_is_too_long() {
        let outcome = BufferedBody::collect(chunks(&[b"ab", b"c"]), 2).await;
        assert!(matches!(outcome, Err(Unbuffered::TooLong)));
    }

    #[tokio::test]
    async fn the_bytes_are_not_copied() {
        let bytes = Bytes::from(vec![7; 64]);
        let held = BufferedBody::collect(Full::new(bytes.clone()), 64).await;
        let held = held.unwrap();
        assert_eq!(held.clone().chunks[0].as_ptr(), bytes.as_ptr());
    }

    impl BufferedBody {
        async fn collect_all(self) -> (Vec<u8>, bool) {
            let all = BodyExt::collect(self).await.unwrap();
            let has_trailers = all.trailers().is_some();
            (all.to_bytes().to_vec(), has_trailers)
        }
    }
}
