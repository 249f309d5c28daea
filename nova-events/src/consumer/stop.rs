use std::sync::atomic::{AtomicU8, Ordering};

use tokio_util::sync::CancellationToken;

/// How handlers are asked to stop, in two steps: begin nothing new, then drop what runs.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    /// What the tokens say too, without their locks.
    asked: AtomicU8,
    drain: CancellationToken,
    cancel: CancellationToken,
}

const DRAIN: u8 = 1;
const CANCEL: u8 = 2;

impl Stop {
    /// No new attempt and no further wait; a handler that runs goes on.
    pub(crate) fn drain(&self) {
        self.asked.fetch_max(DRAIN, Ordering::SeqCst);
        self.drain.cancel();
    }

    /// Handlers that run are dropped where they wait.
    pub(crate) fn cancel(&self) {
        self.asked.fetch_max(CANCEL, Ordering::SeqCst);
        self.drain.cancel();
        self.cancel.cancel();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.asked.load(Ordering::SeqCst) >= DRAIN
    }

    fn is_cancelled(&self) -> bool {
        self.asked.load(Ordering::SeqCst) >= CANCEL
    }

    /// Runs `future` unless draining begins first.
    pub(crate) async fn until_drain<F: Future>(&self, future: F) -> Option<F::Output> {
        if self.is_draining() {
            return None;
        }
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.drain.cancelled() => None,
        }
    }

    /// Runs `future` unless it is cancelled first.
    pub(crate) async fn until_cancel<F: Future>(&self, future: F) -> Option<F::Output> {
        if self.is_cancelled() {
            return None;
        }
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.cancel.cancelled() => None,
        }
    }
}
