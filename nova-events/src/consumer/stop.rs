use tokio_util::sync::CancellationToken;

/// How handlers are asked to stop, in two steps: begin nothing new, then drop what runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    drain: CancellationToken,
    cancel: CancellationToken,
}

impl Stop {
    /// No new attempt and no further wait; a handler that runs goes on.
    pub(crate) fn drain(&self) {
        self.drain.cancel();
    }

    /// Handlers that run are dropped where they wait.
    pub(crate) fn cancel(&self) {
        self.drain.cancel();
        self.cancel.cancel();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Runs `future` unless draining begins first.
    pub(crate) async fn until_drain<F: Future>(&self, future: F) -> Option<F::Output> {
        self.drain.run_until_cancelled(future).await
    }

    /// Runs `future` unless it is cancelled first.
    pub(crate) async fn until_cancel<F: Future>(&self, future: F) -> Option<F::Output> {
        self.cancel.run_until_cancelled(future).await
    }
}
