use std::error::Error as _;

use super::refused_stream::is_refused_stream;
use crate::{Effect, Origin, ServiceError};

impl From<reqwest::Error> for ServiceError {
    /// A connection that never came about has no effect; after that everything is possible. An error status is read by
    /// [`from_http_status`](Self::from_http_status). The URL is left out of the cause: it may hold credentials.
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let converted = if error.is_builder() {
            return Self::Validation("build request".into())
                .with_effect(Effect::None)
                .with_source(error);
        } else if error.is_connect() {
            let kind = if error.is_timeout() {
                Self::Timeout("connect".into())
            } else {
                Self::ServiceUnavailable("connect".into())
            };
            kind.with_effect(Effect::None)
        } else if error.is_timeout() {
            Self::Timeout("wait for the answer".into())
        } else if is_refused_stream(&error) {
            Self::ServiceUnavailable("stream refused".into()).with_effect(Effect::None)
        } else if error.is_redirect() {
            return Self::Upstream("follow the redirects".into())
                .with_origin(Origin::Remote)
                .with_source(error);
        } else if error.is_decode() && !is_cut_off(&error) {
            Self::Upstream("decode the answer".into())
        } else if let Some(status) = error.status() {
            return Self::from_http_status(status.as_u16())
                .unwrap_or_else(|| Self::Upstream("unexpected status".into()))
                .with_source(error);
        } else {
            Self::ServiceUnavailable("exchange with the server".into())
        };
        converted.with_origin(Origin::Transport).with_source(error)
    }
}

/// Whether it is the body that broke off, and not its content that could not be read.
fn is_cut_off(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.is::<hyper::Error>() {
            return true;
        }
        cause = inner.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chain, ErrorKind};
    use std::net::SocketAddr;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn client() -> reqwest::ClientBuilder {
        reqwest::Client::builder().no_proxy()
    }

    async fn listen() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// What the client says after one request that is answered with `head` and no body.
    async fn answered(head: &str) -> ServiceError {
        answered_with(&format!("{head}\r\ncontent-length: 0\r\n\r\n")).await
    }

    /// What the client says after one request that is answered with `answer` and the end of the connection.
    async fn answered_with(answer: &str) -> ServiceError {
        let (listener, address) = listen().await;
        let no_redirects = reqwest::redirect::Policy::limited(0);
        let client = client().redirect(no_redirects).build().unwrap();
        let serve = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                assert!(socket.read_buf(&mut request).await.unwrap() > 0);
            }
            let answer = format!("HTTP/1.1 {answer}");
            socket.write_all(answer.as_bytes()).await.unwrap();
        };
        let get = async {
            let answer = client.get(format!("http://{address}/")).send().await?;
            answer.error_for_status()?.bytes().await
        };
        let ((), answer) = tokio::join!(serve, get);
        ServiceError::from(answer.unwrap_err())
    }

    #[tokio::test]
    async fn a_refused_connection_has_no_effect_and_its_cause_no_credentials() {
        let (listener, address) = listen().await;
        drop(listener);
        let url = format!("http://ada:hunter2@{address}/?token=hunter2");
        let error = client().build().unwrap().get(url).send().await.unwrap_err();
        assert!(error.to_string().contains("hunter2"), "{error}");
        let error = ServiceError::from(error);
        assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
        assert_eq!(error.effect(), Effect::None);
        assert_eq!(error.origin(), Origin::Transport);
        let told = format!("{} {error:?}", Chain(&error));
        assert!(!told.contains("hunter2"), "{told}");
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_a_timeout_of_unknown_effect() {
        let (listener, address) = listen().await;
        let client = client().timeout(Duration::from_millis(20)).build().unwrap();
        let error = client.get(format!("http://{address}/")).send().await;
        let error = ServiceError::from(error.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.effect(), Effect::Unknown);
        assert_eq!(error.origin(), Origin::Transport);
        drop(listener);
    }

    #[tokio::test]
    async fn a_status_is_the_peers_word_and_that_of_a_gateway_is_the_ways() {
        let missing = answered("404 Not Found").await;
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert_eq!(missing.origin(), Origin::Remote);
        let away = answered("503 Service Unavailable").await;
        assert_eq!(away.kind(), ErrorKind::ServiceUnavailable);
        assert_eq!(away.origin(), Origin::Transport);
        assert_eq!(away.effect(), Effect::Unknown);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_a_failure_of_the_way() {
        for answer in [
            "200 OK\r\ncontent-length: 10\r\n\r\nabc",
            "200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\nabc",
        ] {
            let error = answered_with(answer).await;
            assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
            assert_eq!(error.origin(), Origin::Transport);
            assert_eq!(error.effect(), Effect::Unknown);
        }
    }

    #[tokio::test]
    async fn redirects_without_end_are_not_tried_again() {
        let error = answered("302 Found\r\nlocation: /").await;
        assert_eq!(error.kind(), ErrorKind::Upstream);
        assert_eq!(error.origin(), Origin::Remote);
        assert!(!error.is_retryable());
    }
}
