//! What becomes of calls whose connection or stream fails.

use hyper_util::rt::TokioIo;
use nova_client::grpc::GrpcChannel;
use nova_errors::{Effect, ErrorKind, ServiceError};
use tokio::io::DuplexStream;
use tonic::Status;
use tonic::transport::Endpoint;
use tonic_health::pb::health_client::HealthClient;

use super::health_service::{CHECK, HealthService, Step, request, serving};
use crate::script::SECOND;

/// A client whose connections are made by `connector`.
fn over<C>(connector: C) -> HealthClient<GrpcChannel>
where
    C: tower::Service<http::Uri, Response = TokioIo<DuplexStream>, Error = std::io::Error>
        + Send
        + 'static,
    C::Future: Send,
{
    let channel = Endpoint::from_static("http://peer").connect_with_connector_lazy(connector);
    HealthClient::new(GrpcChannel::builder("user-service").build(channel).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_tried_again_and_has_no_effect() {
    let refuse = tower::service_fn(|_| {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        std::future::ready(Err(refused))
    });
    let error = ServiceError::from(over(refuse).check(request()).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(error.attempts(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_refused_stream_is_tried_again_and_has_no_effect() {
    let refuse_all = tower::service_fn(|_| {
        let (client, server) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(server).await.unwrap();
            while let Some(Ok((_, mut answer))) = connection.accept().await {
                answer.send_reset(h2::Reason::REFUSED_STREAM);
            }
        });
        std::future::ready(Ok::<_, std::io::Error>(TokioIo::new(client)))
    });
    let error = ServiceError::from(over(refuse_all).check(request()).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(error.attempts(), 3);
}

#[tokio::test]
async fn over_real_sockets_a_call_is_tried_again_on_the_same_connection() {
    let service = HealthService::new([Step::Fail(Status::unavailable("away")), Step::Answer]);
    let builder = GrpcChannel::builder("user-service").idempotent_methods([CHECK]);
    let channel = builder.connect(&service.listen().await).unwrap();
    let answer = HealthClient::new(channel).check(request()).await.unwrap();
    assert_eq!(answer.into_inner(), serving());
    let peers: Vec<_> = service.received().iter().map(|r| r.peer).collect();
    assert!(peers[0].is_some());
    assert_eq!(peers[0], peers[1]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_refused_after_its_answer_began_may_have_had_an_effect() {
    let refuse_late = tower::service_fn(|_| {
        let (client, server) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(server).await.unwrap();
            while let Some(Ok((_, mut answer))) = connection.accept().await {
                let head = http::Response::builder().header("content-type", "application/grpc");
                let mut stream = answer.send_response(head.body(()).unwrap(), false).unwrap();
                stream.send_data("\0\0".into(), false).unwrap();
                tokio::spawn(async move {
                    // When the head and the data are out.
                    tokio::time::sleep(SECOND).await;
                    stream.send_reset(h2::Reason::REFUSED_STREAM);
                });
            }
        });
        std::future::ready(Ok::<_, std::io::Error>(TokioIo::new(client)))
    });
    let error = ServiceError::from(over(refuse_late).check(request()).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.effect(), Effect::Unknown);
    assert_eq!(error.attempts(), 1);
}
