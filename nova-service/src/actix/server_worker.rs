use std::fmt;
use std::sync::{Mutex, PoisonError};

use actix_web::dev::Server;
use async_trait::async_trait;
use nova_errors::ServiceError;

use crate::{BackgroundWorker, Shutdown, WorkerError};

/// Runs a server of actix-web until `shutdown` is asked for: a [`ServerWorker`] without a supervisor.
///
/// # Errors
///
/// `Internal` where the server cannot start or breaks.
///
/// # Panics
///
/// Outside of a tokio runtime.
///
/// # Cancel safety
///
/// Dropping the future stops the server at once, without a drain.
pub async fn serve(server: Server, shutdown: Shutdown) -> Result<(), ServiceError> {
    let worker = ServerWorker::new(server);
    worker.run(shutdown).await.map_err(WorkerError::into_error)
}

/// A server of actix-web under a [`Supervisor`](crate::Supervisor): asked to stop, it accepts no more connections and lets the requests that run finish.
///
/// It is spawned last, so that it stops first, before the workers that its requests need. Three settings of
/// [`HttpServer`](actix_web::HttpServer) belong to it: `disable_signals`, since the [`Shutdown`] is what stops it; `shutdown_timeout`, after which actix-web cuts the requests that still run
/// (30 s unless set, more than a supervisor gives by default); and `workers`, a thread each (one per core unless set).
///
/// ```
/// use actix_web::{App, HttpServer, web};
/// use nova_service::{ServiceLayer, Shutdown, Supervisor, actix};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let app = || App::new().route("/", web::get().to(async || "hello")).wrap(ServiceLayer::new("greeter"));
/// let server = HttpServer::new(app)
///     .workers(1)
///     .disable_signals()
///     .shutdown_timeout(8)
///     .bind("127.0.0.1:0")?
///     .run();
/// let mut supervisor = Supervisor::builder("greeter").build()?;
/// supervisor.spawn(actix::ServerWorker::new(server));
/// # let (trigger, shutdown) = Shutdown::new();
/// # trigger.shutdown();
/// supervisor.run(shutdown).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct ServerWorker(Mutex<Option<Server>>);

impl ServerWorker {
    /// A worker that runs `server`.
    #[must_use]
    pub fn new(server: Server) -> Self {
        Self(Mutex::new(Some(server)))
    }
}

#[async_trait]
impl BackgroundWorker for ServerWorker {
    fn name(&self) -> &str {
        "http"
    }

    /// Runs once: the listener is closed when it returns.
    async fn run(&self, shutdown: Shutdown) -> Result<(), WorkerError> {
        let server = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut server) = server else {
            let error = ServiceError::PreconditionFailed("the HTTP server has run already".into());
            return Err(WorkerError::Fatal(error));
        };
        let handle = server.handle();
        let outcome = tokio::select! {
            outcome = &mut server => outcome,
            () = shutdown.requested() => {
                // The word is sent at once; the server itself tells when it has stopped.
                drop(handle.stop(true));
                server.await
            }
        };
        outcome.map_err(|error| {
            WorkerError::Fatal(ServiceError::Internal("serve".into()).with_source(error))
        })
    }
}

impl fmt::Debug for ServerWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerWorker").finish_non_exhaustive()
    }
}
