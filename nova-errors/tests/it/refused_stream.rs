use std::net::SocketAddr;

use nova_errors::{Effect, ErrorKind, Origin, ServiceError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::Status;
use tonic::codegen::{Service, http};
use tonic::transport::Endpoint;

/// An HTTP/2 server that resets every stream for this reason.
async fn server(reason: h2::Reason) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(socket).await.unwrap();
            tokio::spawn(async move {
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    respond.send_reset(reason);
                }
            });
        }
    };
    (address, tokio::spawn(serve))
}

async fn over_reqwest(address: SocketAddr) -> ServiceError {
    let client = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let answer = client.post(format!("http://{address}/")).send().await;
    ServiceError::from(answer.unwrap_err())
}

async fn over_tonic(address: SocketAddr) -> ServiceError {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut channel = endpoint.connect().await.unwrap();
    std::future::poll_fn(|cx| channel.poll_ready(cx))
        .await
        .unwrap();
    let request = http::Request::post(format!("http://{address}/nova/Call"));
    let request = request.body(tonic::body::Body::empty()).unwrap();
    let error = channel.call(request).await.unwrap_err();
    ServiceError::from(Status::from_error(error.into()))
}

#[tokio::test]
async fn a_refused_stream_has_no_effect() {
    let (address, server) = server(h2::Reason::REFUSED_STREAM).await;
    for error in [over_reqwest(address).await, over_tonic(address).await] {
        assert_eq!(error.kind(), ErrorKind::ServiceUnavailable, "{error:?}");
        assert_eq!(error.effect(), Effect::None, "{error:?}");
        assert_eq!(error.origin(), Origin::Transport, "{error:?}");
    }
    server.abort();
}

#[tokio::test]
async fn a_stream_that_is_reset_for_another_reason_may_have_taken_effect() {
    for reason in [h2::Reason::CANCEL, h2::Reason::INTERNAL_ERROR] {
        let (address, server) = server(reason).await;
        for error in [over_reqwest(address).await, over_tonic(address).await] {
            assert_eq!(error.effect(), Effect::Unknown, "{error:?}");
            assert_eq!(error.origin(), Origin::Transport, "{error:?}");
        }
        server.abort();
    }
}
