//! The service, served by either framework.

use std::net::SocketAddr;
use std::time::Duration;

use nova_errors::ServiceError;
use nova_service::{ServiceLayer, Shutdown, ShutdownTrigger};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::handlers::Dropped;
use super::{axum_app, socket};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framework {
    Axum,
    #[cfg(feature = "actix")]
    Actix,
}

impl Framework {
    pub(super) const ALL: &[Self] = &[
        Self::Axum,
        #[cfg(feature = "actix")]
        Self::Actix,
    ];
}

pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) dropped: Dropped,
    trigger: ShutdownTrigger,
    server: JoinHandle<Result<(), ServiceError>>,
}

impl Running {
    pub(super) async fn start(framework: Framework, layer: ServiceLayer) -> Self {
        let dropped = Dropped::default();
        match framework {
            Framework::Axum => {
                let app = axum_app::app(layer, dropped.clone());
                Self::serve(dropped, |listener, shutdown| {
                    nova_service::serve(listener, app, shutdown)
                })
                .await
            }
            #[cfg(feature = "actix")]
            Framework::Actix => {
                let shared = dropped.clone();
                let app = move || super::actix_app::app(layer.clone(), shared.clone());
                Self::serve(dropped, |listener, shutdown| {
                    let server = actix_web::HttpServer::new(app)
                        .workers(1)
                        .disable_signals()
                        .listen(listener.into_std().unwrap())
                        .unwrap()
                        .run();
                    nova_service::actix::serve(server, shutdown)
                })
                .await
            }
        }
    }

    pub(super) async fn serve<F, Fut>(dropped: Dropped, serve: F) -> Self
    where
        F: FnOnce(TcpListener, Shutdown) -> Fut,
        Fut: Future<Output = Result<(), ServiceError>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (trigger, shutdown) = Shutdown::new();
        Self {
            address,
            dropped,
            trigger,
            server: tokio::spawn(serve(listener, shutdown)),
        }
    }

    pub(super) async fn send(&self, request: &Request<'_>) -> String {
        socket::send(self.address, &request.bytes()).await
    }

    pub(super) async fn send_on_one_connection(&self, paths: &[&str]) -> Vec<String> {
        socket::send_all(self.address, paths).await
    }

    pub(super) async fn stop(self) {
        self.trigger.shutdown();
        let stopped = tokio::time::timeout(Duration::from_secs(20), self.server);
        stopped.await.unwrap().unwrap().unwrap();
    }
}

pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a str,
}

impl Request<'_> {
    fn bytes(&self) -> Vec<u8> {
        let (method, path) = (self.method, self.path);
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
        for (name, value) in self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        let has_length = |(name, _): &(&str, &str)| *name == "transfer-encoding";
        if !self.body.is_empty() && !self.headers.iter().any(has_length) {
            text += &format!("content-length: {}\r\n", self.body.len());
        }
        text += "\r\n";
        text += self.body;
        text.into_bytes()
    }
}
