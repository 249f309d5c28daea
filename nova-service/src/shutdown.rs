use std::sync::Arc;

use nova_errors::ServiceError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// The wish that something stops: whoever runs in the background holds one and watches it.
///
/// It is cheap to clone. Once asked for, a shutdown stays asked for.
///
/// ```
/// use nova_service::Shutdown;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (trigger, shutdown) = Shutdown::new();
/// assert!(!shutdown.is_requested());
///
/// trigger.shutdown();
/// shutdown.requested().await;
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Shutdown {
    token: CancellationToken,
    signals: Option<Arc<AbortOnDropHandle<()>>>,
}

/// Asks for the shutdown that the [`Shutdown`] handles wait for.
///
/// Dropping a trigger asks for nothing.
#[derive(Debug, Clone)]
pub struct ShutdownTrigger {
    token: CancellationToken,
}

impl Shutdown {
    /// A shutdown that nobody has asked for, and what asks for it.
    #[must_use]
    pub fn new() -> (ShutdownTrigger, Self) {
        let token = CancellationToken::new();
        let shutdown = Self {
            token: token.clone(),
            signals: None,
        };
        (ShutdownTrigger { token }, shutdown)
    }

    /// A shutdown that the process's signals ask for: `SIGTERM` and `SIGINT`, or Ctrl-C where
    /// there are no signals. For binaries.
    ///
    /// The signals stay caught after the first one, so that a second Ctrl-C does not cut the drain short; the drain has
    /// deadlines of its own. The task that waits for them stops with the last clone of the handle.
    ///
    /// # Errors
    ///
    /// `Internal` outside of a tokio runtime, or where the system refuses the handler.
    ///
    /// # Panics
    ///
    /// In a tokio runtime that was built without I/O.
    pub fn on_signal() -> Result<Self, ServiceError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
            ServiceError::Internal("listen for signals".into()).with_source(error)
        })?;
        let signal = stop_signal().map_err(|error| {
            ServiceError::Internal("listen for signals".into()).with_source(error)
        })?;
        let token = CancellationToken::new();
        let task = runtime.spawn({
            let token = token.clone();
            async move {
                signal.await;
                tracing::info!("asked to stop by a signal");
                token.cancel();
            }
        });
        Ok(Self {
            token,
            signals: Some(Arc::new(AbortOnDropHandle::new(task))),
        })
    }

    /// Waits until the shutdown is asked for; returns at once where it was already.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// Whether the shutdown was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// A shutdown for a part of the whole: asked for with this one, or alone by its own trigger.
    #[must_use]
    pub fn child(&self) -> (ShutdownTrigger, Self) {
        let token = self.token.child_token();
        let shutdown = Self {
            token: token.clone(),
            signals: self.signals.clone(),
        };
        (ShutdownTrigger { token }, shutdown)
    }
}

impl ShutdownTrigger {
    /// Asks for the shutdown. Asking again changes nothing.
    pub fn shutdown(&self) {
        self.token.cancel();
    }
}

#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_stops_with_its_parent_but_not_the_other_way_round() {
        let (trigger, parent) = Shutdown::new();
        let (first, child) = parent.child();
        first.shutdown();
        child.requested().await;
        assert!(!parent.is_requested());

        let (_second, child) = parent.child();
        trigger.shutdown();
        child.requested().await;
        assert!(parent.is_requested());
    }

    #[test]
    fn signals_need_a_runtime_and_say_so() {
        let error = Shutdown::on_signal().unwrap_err();
        assert_eq!(error.kind(), nova_errors::ErrorKind::Internal);
    }
}
