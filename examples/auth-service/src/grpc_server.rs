use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::Stream;
use futures::stream::unfold;
use nova_auth_client::proto::FILE_DESCRIPTOR_SET;
use nova_auth_client::proto::auth_service_server::AuthServiceServer;
use nova_errors::ServiceError;
use nova_service::{BackgroundWorker, Shutdown, WorkerError, worker_fn};
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::Server;

use crate::grpc::Grpc;
use crate::identity::Identity;

/// The most calls at a time on one connection.
const MAX_STREAMS: u32 = 1024;

/// The worker that serves gRPC: the service, its health and reflection.
pub(crate) fn worker(listener: TcpListener, identity: Identity) -> impl BackgroundWorker {
    // Taken by the first run, so that the port closes with the server, whoever still holds the worker.
    let listener = Mutex::new(Some(listener));
    worker_fn("grpc", move |shutdown| {
        let listener = listener
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        serve(listener, identity.clone(), shutdown)
    })
}

async fn serve(
    listener: Option<TcpListener>,
    identity: Identity,
    shutdown: Shutdown,
) -> Result<(), WorkerError> {
    let listener = listener.ok_or_else(|| fatal("the gRPC server has stopped"))?;
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter
        .set_serving::<AuthServiceServer<Grpc>>()
        .await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(|error| fatal("gRPC reflection").with_source(error))?;
    let stop = {
        let shutdown = shutdown.clone();
        async move { shutdown.requested().await }
    };
    Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .add_service(AuthServiceServer::new(Grpc::new(identity, shutdown)))
        .add_service(health)
        .add_service(reflection)
        .serve_with_incoming_shutdown(connections(listener), stop)
        .await
        .map_err(|error| fatal("gRPC server").with_source(error))?;
    Ok(())
}

/// `Internal` errors don't pass: the supervisor stops the service.
fn fatal(message: &'static str) -> ServiceError {
    ServiceError::Internal(message.into())
}

fn connections(listener: TcpListener) -> impl Stream<Item = io::Result<TcpStream>> {
    unfold(listener, |listener| async {
        loop {
            match listener.accept().await {
                Ok((connection, _)) => {
                    // A small answer must not wait for a larger one to share its packet.
                    let ready = connection.set_nodelay(true).map(|()| connection);
                    return Some((ready, listener));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a gRPC connection");
                    // Out of file descriptors, most likely: some must be closed first.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    })
}
