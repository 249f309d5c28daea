use std::time::Duration;

use nova_errors::{Backoff, ErrorKind, Origin, ServiceError};
use tokio::time::Instant;

/// Whether the broker is there. While it is away the relay as a whole waits, then tries with one event.
#[derive(Debug, Default)]
pub(super) struct Broker {
    /// The failures in a row, and until when to wait.
    away: Option<(u32, Instant)>,
    answered_at: Option<Instant>,
}

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

impl Broker {
    /// Whether an error says that the broker is away, and nothing about the event.
    pub(super) fn is_outage(error: &ServiceError) -> bool {
        error.origin() == Origin::Transport
            && matches!(
                error.kind(),
                ErrorKind::ServiceUnavailable | ErrorKind::Timeout
            )
    }

    /// How many events may be in flight.
    pub(super) fn permits(&self, now: Instant) -> usize {
        match self.away {
            None => usize::MAX,
            Some((_, until)) => usize::from(now >= until),
        }
    }

    /// When to try again, where the broker is away.
    pub(super) fn next_try(&self) -> Option<Instant> {
        self.away.map(|(_, until)| until)
    }

    pub(super) fn is_away(&self) -> bool {
        self.away.is_some()
    }

    /// An event was acknowledged.
    pub(super) fn answered(&mut self, now: Instant) {
        self.away = None;
        self.answered_at = Some(now);
    }

    /// Whether it has acknowledged an event since `then`: if so it is not away, and who found it away at that time has met a part of
    /// it, such as a partition without a leader.
    pub(super) fn has_answered_since(&self, then: Instant) -> bool {
        self.answered_at.is_some_and(|at| at > then)
    }

    /// How long an event waits whose part of the broker is away.
    pub(super) fn wait_for_part(backoff: Backoff, random: u64) -> Duration {
        (backoff.ceiling(u32::MAX) + backoff.delay(u32::MAX, random)) / 2
    }

    /// An event found the broker away. Those that were in flight with it say nothing new.
    pub(super) fn failed(&mut self, now: Instant, random: u64) {
        let failures = match self.away {
            Some((_, until)) if now < until => return,
            Some((failures, _)) => failures.saturating_add(1),
            None => 1,
        };
        let backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT).unwrap_or(Backoff::STANDARD);
        let wait = (backoff.ceiling(failures) + backoff.delay(failures, random)) / 2;
        self.away = Some((failures, now + wait));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_waited_out_and_tried_with_one_event() {
        let mut broker = Broker::default();
        let now = Instant::now();
        assert_eq!(broker.permits(now), usize::MAX);
        broker.failed(now, 0);
        broker.failed(now, 0);
        let until = broker.next_try().unwrap();
        assert_eq!(
            until,
            now + FIRST_WAIT / 2,
            "the second failure was of the same outage"
        );
        assert_eq!(broker.permits(now), 0);
        assert_eq!(broker.permits(until), 1);
        broker.failed(until, 0);
        assert_eq!(broker.next_try(), Some(until + FIRST_WAIT));
        broker.answered(until);
        assert_eq!(broker.permits(until), usize::MAX);
        assert!(broker.has_answered_since(now) && !broker.has_answered_since(until));
    }

    #[test]
    fn only_what_the_transport_says_is_an_outage() {
        let away = ServiceError::ServiceUnavailable("broker".into());
        assert!(!Broker::is_outage(&away));
        assert!(Broker::is_outage(&away.with_origin(Origin::Transport)));
        let late = ServiceError::Timeout("broker".into()).with_origin(Origin::Transport);
        assert!(Broker::is_outage(&late));
        let large = ServiceError::PayloadTooLarge("record".into()).with_origin(Origin::Transport);
        assert!(!Broker::is_outage(&large));
    }
}
