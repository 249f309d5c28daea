use std::time::Duration;

use async_trait::async_trait;
use futures::Stream;
use futures::stream::unfold;
use nova_errors::{Chain, ServiceError};
use nova_service::{BackgroundWorker, Shutdown, WorkerError};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};

use crate::revocations::{Revocation, Revocations};

/// Revocations as they are committed, by this process or another. A clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct RevocationFeed {
    revocations: Revocations,
    head: watch::Receiver<Head>,
}

/// How far the database was seen to be.
#[derive(Debug, Clone, Copy)]
struct Head {
    seq: i64,
    read_at: Instant,
}

/// One message of the feed.
#[derive(Debug)]
pub(crate) struct Update {
    /// Where to go on after it.
    pub(crate) cursor: i64,
    /// What is new; nothing in a heartbeat.
    pub(crate) revocations: Vec<Revocation>,
    /// Whether all that was known has been sent.
    pub(crate) caught_up: bool,
    /// Whether something may be missing before it.
    pub(crate) reset: bool,
}

impl RevocationFeed {
    const HEARTBEAT: Duration = Duration::from_millis(250);
    /// A view of the database that is older does not count as having caught up.
    const STALE_AFTER: Duration = Duration::from_millis(300);

    pub(crate) async fn open(
        revocations: Revocations,
    ) -> Result<(Self, RevocationPoll), ServiceError> {
        let read_at = Instant::now();
        let seq = revocations.head().await?;
        let (send, head) = watch::channel(Head { seq, read_at });
        let poll = RevocationPoll {
            revocations: revocations.clone(),
            head: send,
        };
        Ok((Self { revocations, head }, poll))
    }

    /// What comes after `cursor`, and a heartbeat in between; from now on where the cursor is none or too old.
    pub(crate) async fn follow(
        &self,
        cursor: Option<i64>,
    ) -> Result<impl Stream<Item = Result<Update, ServiceError>> + Send + use<>, ServiceError> {
        let known = match cursor {
            Some(seq) if self.revocations.reach_back_to(seq).await? => Some(seq),
            _ => None,
        };
        let mut heartbeat = interval(Self::HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let follower = Follower {
            feed: self.clone(),
            at: match known {
                Some(seq) => seq,
                None => self.revocations.head().await?,
            },
            reset: known.is_none(),
            heartbeat,
        };
        Ok(unfold(Some(follower), |follower| async {
            let mut follower = follower?;
            let update = follower.next().await?;
            // A failure is the last word: who follows comes back with his cursor.
            let goes_on = update.is_ok();
            Some((update, goes_on.then_some(follower)))
        }))
    }
}

struct Follower {
    feed: RevocationFeed,
    at: i64,
    reset: bool,
    heartbeat: Interval,
}

impl Follower {
    /// The next message; `None` when the service stops.
    async fn next(&mut self) -> Option<Result<Update, ServiceError>> {
        tokio::select! {
            _ = self.heartbeat.tick() => {}
            changed = self.feed.head.changed() => changed.ok()?,
        }
        let head = *self.feed.head.borrow_and_update();
        let mut new = Vec::new();
        if head.seq > self.at {
            match self.feed.revocations.after(self.at).await {
                Ok(found) => new = found,
                Err(error) => return Some(Err(error)),
            }
        }
        self.at = new.last().map_or(self.at, |last| last.seq);
        Some(Ok(Update {
            cursor: self.at,
            revocations: new,
            caught_up: self.at >= head.seq && head.read_at.elapsed() < RevocationFeed::STALE_AFTER,
            reset: std::mem::take(&mut self.reset),
        }))
    }
}

/// The worker that looks for new revocations: at once for those of this process, and every 100 ms for those of others.
#[derive(Debug)]
pub(crate) struct RevocationPoll {
    revocations: Revocations,
    head: watch::Sender<Head>,
}

impl RevocationPoll {
    const PERIOD: Duration = Duration::from_millis(100);

    async fn look(&self) {
        let read_at = Instant::now();
        match self.revocations.head().await {
            Ok(seq) => {
                self.head.send_if_modified(|head| {
                    let is_new = head.seq != seq;
                    *head = Head { seq, read_at };
                    is_new
                });
            }
            // The followers see that the view grows old, and verify each token meanwhile.
            Err(error) => tracing::warn!(error = %Chain(&error), "cannot read revocations"),
        }
    }
}

#[async_trait]
impl BackgroundWorker for RevocationPoll {
    fn name(&self) -> &str {
        "revocations"
    }

    async fn run(&self, shutdown: Shutdown) -> Result<(), WorkerError> {
        while !shutdown.is_requested() {
            tokio::select! {
                () = shutdown.requested() => break,
                // Whether it was announced or is only time makes no difference.
                _ = timeout(Self::PERIOD, self.revocations.announced()) => {}
            }
            self.look().await;
        }
        Ok(())
    }
}
