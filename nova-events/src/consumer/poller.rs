use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// The thread that polls the broker, as the handlers' tasks see it: whom to wake when there is progress,
/// and how much is in flight.
#[derive(Debug, Default)]
pub(crate) struct Poller {
    thread: OnceLock<Thread>,
    waiting: AtomicBool,
    bytes: AtomicUsize,
}

impl Poller {
    /// Makes the calling thread the one that waits.
    pub(crate) fn enter(&self) {
        // A second thread would never be woken; there is none.
        let _ = self.thread.set(thread::current());
    }

    /// Waits until `ready`, at most until `deadline`; whether it came.
    pub(crate) fn wait(&self, deadline: Option<Instant>, mut ready: impl FnMut() -> bool) -> bool {
        self.waiting.store(true, Ordering::SeqCst);
        let came = loop {
            if ready() {
                break true;
            }
            match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => break false,
                Some(left) => thread::park_timeout(left),
                None => thread::park(),
            }
        };
        self.waiting.store(false, Ordering::SeqCst);
        came
    }

    /// Wakes the thread where it waits.
    pub(crate) fn wake(&self) {
        if self.waiting.load(Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    pub(crate) fn add_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn remove_bytes(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The bytes of all records that are queued or being handled.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}
