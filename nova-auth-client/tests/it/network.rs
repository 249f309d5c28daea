use std::io;
use std::sync::{Arc, Mutex};

use hyper_util::rt::TokioIo;
use nova_auth_client::proto::auth_service_server::AuthServiceServer;
use nova_auth_client::{AuthClient, AuthClientBuilder};
use tokio::io::{DuplexStream, copy_bidirectional, duplex};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::{Endpoint, Server};
use tower::service_fn;

use crate::scripted_service::{Script, ScriptedService};

/// A way to the service that can be cut. It is in memory, so that a paused clock waits for it.
#[derive(Clone)]
pub(crate) struct Network {
    state: Arc<Mutex<State>>,
    to_server: mpsc::UnboundedSender<DuplexStream>,
}

struct State {
    is_up: bool,
    wires: Vec<AbortHandle>,
}

impl Network {
    pub(crate) fn cut(&self) {
        let mut state = self.state.lock().unwrap();
        state.is_up = false;
        for wire in state.wires.drain(..) {
            wire.abort();
        }
    }

    pub(crate) fn restore(&self) {
        self.state.lock().unwrap().is_up = true;
    }

    fn connect(&self) -> io::Result<DuplexStream> {
        let mut state = self.state.lock().unwrap();
        if !state.is_up {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (client, mut from_client) = duplex(64 * 1024);
        let (server, mut from_server) = duplex(64 * 1024);
        let wire = tokio::spawn(async move {
            copy_bidirectional(&mut from_client, &mut from_server)
                .await
                .ok();
        });
        state.wires.push(wire.abort_handle());
        self.to_server
            .send(server)
            .map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(client)
    }
}

/// Starts a service that does what the script says, and a client of it.
pub(crate) fn start(script: Arc<Script>) -> (AuthClient, Network) {
    start_with(script, AuthClient::builder())
}

pub(crate) fn start_with(script: Arc<Script>, builder: AuthClientBuilder) -> (AuthClient, Network) {
    let (to_server, incoming) = mpsc::unbounded_channel();
    let incoming = UnboundedReceiverStream::new(incoming).map(Ok::<_, io::Error>);
    let service = AuthServiceServer::new(ScriptedService(script));
    tokio::spawn(
        Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming),
    );
    let state = State {
        is_up: true,
        wires: Vec::new(),
    };
    let network = Network {
        state: Arc::new(Mutex::new(state)),
        to_server,
    };
    let wires = network.clone();
    let connector = service_fn(move |_| std::future::ready(wires.connect().map(TokioIo::new)));
    let channel = Endpoint::from_static("http://auth").connect_with_connector_lazy(connector);
    (builder.over(channel).unwrap(), network)
}
