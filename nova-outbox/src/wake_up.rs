use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Tells the relays of this process that there may be something to read.
#[derive(Debug, Clone)]
pub(crate) struct WakeUp {
    signals: watch::Sender<Signals>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Signals {
    enqueued: u64,
    scheduled: u64,
    committed: u64,
    notified: u64,
}

impl WakeUp {
    pub(crate) fn new() -> Self {
        Self {
            signals: watch::Sender::default(),
        }
    }

    /// An event was inserted, in a transaction that is still open.
    pub(crate) fn enqueued(&self) {
        self.signals
            .send_modify(|s| s.enqueued = s.enqueued.wrapping_add(1));
    }

    /// A transaction was committed.
    pub(crate) fn committed(&self) {
        self.signals
            .send_modify(|s| s.committed = s.committed.wrapping_add(1));
    }

    /// An event was scheduled, in a transaction that is still open.
    pub(crate) fn scheduled(&self) {
        self.signals
            .send_modify(|s| s.scheduled = s.scheduled.wrapping_add(1));
    }

    /// Another process says that a transaction was committed.
    #[cfg(feature = "postgres")]
    pub(crate) fn notified(&self) {
        self.signals
            .send_modify(|s| s.notified = s.notified.wrapping_add(1));
    }

    pub(crate) fn subscribe(&self) -> Waker {
        let mut signals = self.signals.subscribe();
        let seen = *signals.borrow_and_update();
        Waker { signals, seen }
    }
}

/// A relay's end of a [`WakeUp`].
#[derive(Debug)]
pub(crate) struct Waker {
    signals: watch::Receiver<Signals>,
    seen: Signals,
}

/// Why a relay was woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Woken {
    pub(crate) enqueued: bool,
    pub(crate) scheduled: bool,
    pub(crate) committed: bool,
    pub(crate) notified: bool,
}

impl Waker {
    /// Waits for a signal; for ever where every [`WakeUp`] is gone.
    pub(crate) async fn woken(&mut self) -> Woken {
        if self.signals.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        let now = *self.signals.borrow_and_update();
        let woken = Woken {
            enqueued: now.enqueued != self.seen.enqueued,
            scheduled: now.scheduled != self.seen.scheduled,
            committed: now.committed != self.seen.committed,
            notified: now.notified != self.seen.notified,
        };
        self.seen = now;
        woken
    }
}

/// A few polls soon after an enqueue, which find its event where the transaction is committed
/// without a signal: after 1, 2, 4, 8 and 16 ms, each counted from the one before.
#[derive(Debug, Default)]
pub(crate) struct Ladder {
    next: Option<(Instant, u32)>,
    again: bool,
}

impl Ladder {
    const STEPS: u32 = 5;

    /// An event was enqueued. A ladder that runs is followed by another, so that a stream of
    /// enqueues polls a bounded number of times a second.
    pub(crate) fn start(&mut self, now: Instant) {
        match self.next {
            None => self.next = Some((now + step(0), 0)),
            Some(_) => self.again = true,
        }
    }

    /// When to poll next.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next.map(|(at, _)| at)
    }

    /// Whether a poll is due now; if so, moves on.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let Some((at, rung)) = self.next else {
            return false;
        };
        if now < at {
            return false;
        }
        let rung = rung + 1;
        if rung < Self::STEPS {
            self.next = Some((now + step(rung), rung));
        } else {
            self.next = std::mem::take(&mut self.again).then(|| (now + step(0), 0));
        }
        true
    }
}

fn step(rung: u32) -> Duration {
    Duration::from_millis(1 << rung)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polls(ladder: &mut Ladder) -> Vec<u128> {
        let mut waits = Vec::new();
        let mut last = None;
        while let Some(at) = ladder.next() {
            assert!(!ladder.is_due(at - Duration::from_micros(1)));
            assert!(ladder.is_due(at));
            if let Some(last) = last.replace(at) {
                waits.push((at - last).as_millis());
            }
        }
        waits
    }

    #[tokio::test(start_paused = true)]
    async fn the_ladder_polls_five_times_at_doubling_distances_and_ends() {
        let mut ladder = Ladder::default();
        let now = Instant::now();
        ladder.start(now);
        assert_eq!(ladder.next(), Some(now + Duration::from_millis(1)));
        assert_eq!(polls(&mut ladder), [2, 4, 8, 16]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_enqueue_during_a_ladder_adds_one_more_and_no_third() {
        let mut ladder = Ladder::default();
        ladder.start(Instant::now());
        for _ in 0..100 {
            ladder.start(Instant::now());
        }
        assert_eq!(polls(&mut ladder), [2, 4, 8, 16, 1, 2, 4, 8, 16]);
    }

    #[tokio::test]
    async fn a_signal_before_the_wait_is_not_lost_and_says_what_it_was() {
        let wake = WakeUp::new();
        let mut waker = wake.subscribe();
        wake.enqueued();
        let woken = waker.woken().await;
        assert!(woken.enqueued && !woken.committed);
        wake.committed();
        assert!(waker.woken().await.committed);
    }
}
