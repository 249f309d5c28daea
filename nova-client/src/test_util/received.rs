use std::borrow::Cow;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// A request as it came over the wire.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Received {
    /// The request line and the headers, up to and with the empty line.
    pub head: String,
    /// The body.
    pub body: Bytes,
}

impl Received {
    /// The longest request that is read: 64 MiB.
    pub const MAX_LEN: usize = 64 * 1024 * 1024;

    /// The value of the first header of that name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The body as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// Reads the next request, whose length must be announced. `None` where the connection ends, or what comes is no such request.
    pub(super) async fn read(
        stream: &mut (impl AsyncRead + Unpin),
        buffer: &mut BytesMut,
    ) -> Option<Self> {
        const END: &[u8] = b"\r\n\r\n";
        let end = loop {
            if let Some(at) = buffer.windows(END.len()).position(|part| part == END) {
                break at + END.len();
            }
            more(stream, buffer).await?;
        };
        let mut request = Self {
            head: String::from_utf8_lossy(buffer.get(..end)?).into_owned(),
            body: Bytes::new(),
        };
        let length = match request.header("content-length") {
            Some(length) => length.parse::<usize>().ok()?,
            None => 0,
        };
        buffer.advance(end);
        while buffer.len() < length {
            more(stream, buffer).await?;
        }
        request.body = buffer.split_to(length).freeze();
        Some(request)
    }
}

async fn more(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Option<()> {
    let read = stream.read_buf(buffer).await.ok()?;
    (read > 0 && buffer.len() <= Received::MAX_LEN).then_some(())
}
