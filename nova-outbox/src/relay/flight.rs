use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// How long the events in flight have been there. Those that take long, as their part of the broker does not answer, are not to keep the
/// others from being read.
#[derive(Debug, Default)]
pub(super) struct Flight {
    recent: HashSet<i64>,
    /// When they were sent, oldest first; those that have landed are among them.
    sent: VecDeque<(Instant, i64)>,
}

impl Flight {
    /// After how long an event counts as one that takes long.
    const LONG: Duration = Duration::from_secs(1);

    pub(super) fn sent(&mut self, seq: i64, now: Instant) {
        self.recent.insert(seq);
        self.sent.push_back((now, seq));
    }

    pub(super) fn landed(&mut self, seq: i64) {
        self.recent.remove(&seq);
    }

    /// How many were sent a short while ago and are still in flight.
    pub(super) fn recent(&self) -> usize {
        self.recent.len()
    }

    /// Takes note of the time.
    pub(super) fn pass(&mut self, now: Instant) {
        while let Some((at, seq)) = self.sent.front()
            && (*at + Self::LONG <= now || !self.recent.contains(seq))
        {
            self.recent.remove(seq);
            self.sent.pop_front();
        }
    }

    /// When the next one will have been in flight for long.
    pub(super) fn next(&self) -> Option<Instant> {
        self.sent.front().map(|(at, _)| *at + Self::LONG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_flight_for_long_counts_no_more() {
        let mut flight = Flight::default();
        let now = Instant::now();
        flight.sent(1, now);
        flight.sent(2, now + Duration::from_millis(500));
        flight.landed(2);
        flight.sent(3, now + Duration::from_millis(600));
        assert_eq!(flight.recent(), 2);
        assert_eq!(flight.next(), Some(now + Flight::LONG));
        flight.pass(now + Flight::LONG);
        assert_eq!(flight.recent(), 1);
        assert_eq!(flight.next(), Some(now + Duration::from_millis(1600)));
        flight.landed(1);
        flight.landed(3);
        flight.pass(now + Flight::LONG);
        assert_eq!((flight.recent(), flight.next()), (0, None));
    }
}
