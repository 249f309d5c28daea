//! A health service that answers by a script, and the wire to it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use hyper_util::rt::TokioIo;
use nova_client::grpc::{GrpcChannel, GrpcChannelBuilder};
use tokio::io::{DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::metadata::MetadataMap;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::service_fn;

pub(crate) const CHECK: &str = "/grpc.health.v1.Health/Check";
pub(crate) const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// What the service does with a check.
pub(crate) enum Step {
    Answer,
    Fail(Status),
    Silence,
}

/// A check that the service received, and when.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) metadata: MetadataMap,
    pub(crate) service: String,
    pub(crate) at: Instant,
    pub(crate) peer: Option<SocketAddr>,
}

#[derive(Clone, Default)]
pub(crate) struct HealthService {
    script: Arc<Mutex<VecDeque<Step>>>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.metadata.get(name)?.to_str().ok()
    }
}

impl HealthService {
    pub(crate) fn new(script: impl IntoIterator<Item = Step>) -> Self {
        Self {
            script: Arc::new(Mutex::new(script.into_iter().collect())),
            received: Arc::default(),
        }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    fn keep<T>(&self, request: &Request<T>, service: &str) {
        self.received.lock().unwrap().push(Received {
            metadata: request.metadata().clone(),
            service: service.to_owned(),
            at: Instant::now(),
            peer: request.remote_addr(),
        });
    }

    /// Serves on a loopback port; the URL.
    pub(crate) async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder().add_service(HealthServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        url
    }

    /// Serves over a wire in memory, so that a paused clock waits for it.
    pub(crate) fn connect(&self, builder: GrpcChannelBuilder) -> HealthClient<GrpcChannel> {
        let (to_server, incoming) = mpsc::unbounded_channel::<DuplexStream>();
        let incoming = UnboundedReceiverStream::new(incoming).map(Ok::<_, io::Error>);
        let server = Server::builder().add_service(HealthServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(incoming));
        let connector = service_fn(move |_| {
            let (client, server) = duplex(64 * 1024);
            let gone = |_| io::Error::from(io::ErrorKind::ConnectionRefused);
            let sent = to_server.send(server).map_err(gone);
            std::future::ready(sent.map(|()| TokioIo::new(client)))
        });
        let channel = Endpoint::from_static("http://peer").connect_with_connector_lazy(connector);
        HealthClient::new(builder.build(channel).unwrap())
    }
}

/// A client whose checks are idempotent.
pub(crate) fn reading(service: &HealthService) -> HealthClient<GrpcChannel> {
    service.connect(GrpcChannel::builder("user-service").idempotent_methods([CHECK]))
}

/// A client whose checks are not.
pub(crate) fn writing(service: &HealthService) -> HealthClient<GrpcChannel> {
    service.connect(GrpcChannel::builder("user-service"))
}

pub(crate) fn request() -> HealthCheckRequest {
    HealthCheckRequest {
        service: "feed".into(),
    }
}

pub(crate) fn serving() -> HealthCheckResponse {
    HealthCheckResponse { status: 1 }
}

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.keep(&request, &request.get_ref().service);
        let step = self.script.lock().unwrap().pop_front();
        match step {
            Some(Step::Answer) => Ok(Response::new(serving())),
            Some(Step::Fail(status)) => Err(status),
            Some(Step::Silence) => std::future::pending().await,
            None => Err(Status::internal("the script is over")),
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// Two messages, and then none for ever.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.keep(&request, &request.get_ref().service);
        let messages = tokio_stream::iter([Ok(serving()), Ok(serving())]);
        let open = messages.chain(tokio_stream::pending());
        Ok(Response::new(Box::pin(open)))
    }
}
