use std::sync::{Mutex, PoisonError};

use nova_auth_client::proto::FILE_DESCRIPTOR_SET;
use nova_auth_client::proto::auth_service_server::AuthServiceServer;
use nova_errors::ServiceError;
use nova_service::{
    BackgroundWorker, GrpcHealth, GrpcLayer, Health, HttpServer, Shutdown, WorkerError, worker_fn,
};
use tokio::net::TcpListener;
use tonic::service::Routes;

use crate::NAME;
use crate::grpc::Grpc;
use crate::identity::Identity;

/// The worker that serves gRPC: the service, its health and reflection.
pub(crate) fn worker(
    listener: TcpListener,
    identity: Identity,
    health: Health,
) -> impl BackgroundWorker {
    // Taken by the first run, so that the port closes with the server, whoever still holds the worker.
    let listener = Mutex::new(Some(listener));
    worker_fn("grpc", move |shutdown: Shutdown| {
        let listener = listener
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let routes = routes(identity.clone(), health.clone(), shutdown.clone());
        async move {
            let listener = listener.ok_or_else(|| fatal("the gRPC server has stopped"))?;
            let app = GrpcLayer::new(NAME).wrap(routes?);
            HttpServer::new(listener, app)
                .named("grpc")
                .run(shutdown)
                .await
        }
    })
}

fn routes(identity: Identity, health: Health, shutdown: Shutdown) -> Result<Routes, WorkerError> {
    let health = GrpcHealth::new(health).serves::<AuthServiceServer<Grpc>>();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(|error| fatal("gRPC reflection").with_source(error))?;
    Ok(
        Routes::new(AuthServiceServer::new(Grpc::new(identity, shutdown)))
            .add_service(health.into_server())
            .add_service(reflection),
    )
}

/// `Internal` errors don't pass: the supervisor stops the service.
fn fatal(message: &'static str) -> ServiceError {
    ServiceError::Internal(message.into())
}
