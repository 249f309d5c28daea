use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// Who runs, and who waits for a turn.
#[derive(Debug, Default)]
pub(super) struct Line {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    /// The oldest first.
    waiting: VecDeque<oneshot::Sender<()>>,
    warned: Option<Instant>,
}

impl Line {
    /// Takes a place among at most `limit` that run.
    pub(super) fn enter(&self, limit: usize) -> bool {
        let mut state = self.lock();
        let is_free = state.running < limit;
        if is_free {
            state.running += 1;
        }
        is_free
    }

    /// Takes a place among at most `length` that wait, in place of the oldest where there is none left; `None` where nobody may wait.
    pub(super) fn wait(self: &Arc<Self>, limit: usize, length: usize) -> Option<Waiting> {
        let (sender, turn) = oneshot::channel();
        let mut state = self.lock();
        // Somebody may have left since.
        if state.running < limit {
            state.running += 1;
            // Its receiver is held below.
            let _ = sender.send(());
        } else if length == 0 {
            return None;
        } else {
            if state.waiting.len() >= length {
                state.waiting.pop_front();
            }
            state.waiting.push_back(sender);
        }
        drop(state);
        Some(Waiting {
            line: self.clone(),
            turn,
        })
    }

    /// Gives a place to the newest who waits, else leaves it free.
    pub(super) fn leave(&self) {
        let mut state = self.lock();
        while let Some(newest) = state.waiting.pop_back() {
            if newest.send(()).is_ok() {
                return;
            }
        }
        state.running = state.running.saturating_sub(1);
    }

    /// Whether the last time that this said so is at least `every` ago.
    pub(super) fn is_time_to_warn(&self, every: Duration) -> bool {
        let mut state = self.lock();
        let is_time = state.warned.is_none_or(|warned| warned.elapsed() >= every);
        if is_time {
            state.warned = Some(Instant::now());
        }
        is_time
    }

    pub(super) fn running(&self) -> usize {
        self.lock().running
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who wait, given back on drop.
#[derive(Debug)]
pub(super) struct Waiting {
    line: Arc<Line>,
    turn: oneshot::Receiver<()>,
}

impl Waiting {
    /// Whether the turn came; else somebody newer has the place.
    pub(super) async fn turn(&mut self) -> bool {
        (&mut self.turn).await.is_ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.turn.close();
        if self.turn.try_recv().is_ok() {
            // The turn came while nobody looked.
            self.line.leave();
        } else {
            let mut state = self.line.lock();
            state.waiting.retain(|waiting| !waiting.is_closed());
        }
    }
}
