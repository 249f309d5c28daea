use std::io;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::Answer;
use super::answer::with_id;

/// What a [`ScriptedServer`](super::ScriptedServer) does with a request, once it has read all of it.
///
/// ```
/// use nova_client::test_util::{Answer, Reply};
///
/// let script = [
///     Reply::from(Answer::success(7)),
///     Reply::cut(Answer::success(7), 10),
///     Reply::cut(Answer::success(7), 10).then_silence(),
///     Reply::raw("SSH-2.0-x\r\n").then_close(),
///     Reply::silence(),
///     Reply::reset(),
/// ];
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Reply {
    says: Says,
    then: Then,
}

#[derive(Debug, Clone)]
enum Says {
    Nothing,
    Answer { answer: Answer, missing: usize },
    Raw(Bytes),
}

#[derive(Debug, Clone, Copy)]
enum Then {
    Serve,
    Close,
    Silence,
    Reset,
}

impl Reply {
    /// These bytes as they are, but for `{id}`, which stands for the request's id; then it serves the next request.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self {
            says: Says::Raw(bytes.into()),
            then: Then::Serve,
        }
    }

    /// An answer without the last bytes of its body, which its head announces; then it closes the connection.
    pub fn cut(answer: Answer, missing: usize) -> Self {
        Self {
            says: Says::Answer { answer, missing },
            then: Then::Close,
        }
    }

    /// Nothing; the connection stays open.
    pub fn silence() -> Self {
        Self {
            says: Says::Nothing,
            then: Then::Silence,
        }
    }

    /// Nothing; it resets the connection.
    pub fn reset() -> Self {
        Self {
            says: Says::Nothing,
            then: Then::Reset,
        }
    }

    /// Closes the connection afterwards.
    pub fn then_close(mut self) -> Self {
        self.then = Then::Close;
        self
    }

    /// Keeps the connection open afterwards and reads nothing more.
    pub fn then_silence(mut self) -> Self {
        self.then = Then::Silence;
        self
    }

    /// Resets the connection afterwards.
    pub fn then_reset(mut self) -> Self {
        self.then = Then::Reset;
        self
    }

    /// Says it, and whether the connection goes on.
    pub(super) async fn perform(self, stream: &mut TcpStream, id: &str) -> io::Result<bool> {
        match self.says {
            Says::Nothing => {}
            Says::Raw(bytes) => stream.write_all(&with_id(&bytes, id)).await?,
            Says::Answer { answer, missing } => {
                let (head, mut body) = answer.on_the_wire(id);
                body.truncate(body.len().saturating_sub(missing));
                stream
                    .write_all(&[head.into_bytes(), body].concat())
                    .await?;
            }
        }
        match self.then {
            Then::Serve => Ok(true),
            Then::Close => Ok(false),
            Then::Silence => std::future::pending().await,
            Then::Reset => {
                stream.set_zero_linger()?;
                Ok(false)
            }
        }
    }
}

impl From<Answer> for Reply {
    /// The whole answer; then it serves the next request.
    fn from(answer: Answer) -> Self {
        Self {
            says: Says::Answer { answer, missing: 0 },
            then: Then::Serve,
        }
    }
}
