use std::future::Future;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use nova_errors::ServiceError;
use nova_service::{BackgroundWorker, Shutdown, WorkerError};

/// A whole service as a worker of the platform. It starts once: its workers are restarted by its
/// own supervisor, and what that gives up on ends the platform.
pub(crate) struct Hosted {
    name: &'static str,
    serve: Mutex<Option<Serve>>,
}

type Serve = Box<dyn FnOnce(Shutdown) -> BoxFuture<'static, anyhow::Result<()>> + Send>;

impl Hosted {
    pub(crate) fn new<F>(
        name: &'static str,
        serve: impl FnOnce(Shutdown) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let serve: Serve = Box::new(|shutdown| serve(shutdown).boxed());
        Self {
            name,
            serve: Mutex::new(Some(serve)),
        }
    }
}

#[async_trait]
impl BackgroundWorker for Hosted {
    fn name(&self) -> &str {
        self.name
    }

    async fn run(&self, shutdown: Shutdown) -> Result<(), WorkerError> {
        let serve = self
            .serve
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(serve) = serve else {
            let error = ServiceError::Internal(format!("{} runs already", self.name).into());
            return Err(WorkerError::Fatal(error));
        };
        serve(shutdown).await.map_err(|error| {
            let failed = ServiceError::Internal(format!("{} failed", self.name).into());
            WorkerError::Fatal(failed.with_source(error))
        })
    }
}
