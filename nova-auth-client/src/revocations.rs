use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::UserClaims;
use crate::proto::WatchRevocationsResponse;
use crate::proto::revocation::Target;

/// What the service has revoked, as far as the verified tokens in memory are concerned.
///
/// A verification that began after its revocation had arrived here saw that revocation, whatever the clocks
/// of the machines say: so no clock decides, only the order of [`Moment`]s.
#[derive(Debug)]
pub(crate) struct Revocations {
    base: Instant,
    /// Microseconds from `base` to the last message that said that nothing is missing, plus one; 0 while
    /// there is none.
    caught_up: AtomicU64,
    /// How many messages have brought revocations.
    arrived: AtomicU64,
    marks: RwLock<Marks>,
}

/// A place in the order of arrivals: how many messages with revocations had come by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

#[derive(Debug)]
struct Marks {
    /// Nothing verified before this is trusted.
    floor: Moment,
    tokens: HashMap<String, Moment>,
    users: HashMap<Uuid, Moment>,
}

impl Revocations {
    /// The silence after which the stream counts as dead: two heartbeats of 250 ms may be missing, and
    /// what is left of the second that a revoked token may work is for the service to find it and send it.
    pub(crate) const STALE_AFTER: Duration = Duration::from_millis(600);
    /// The most revocations held.
    pub(crate) const CAPACITY: usize = 10_000;

    pub(crate) fn new(now: Instant) -> Self {
        Self {
            base: now,
            caught_up: AtomicU64::new(0),
            arrived: AtomicU64::new(0),
            marks: RwLock::new(Marks {
                floor: Moment(0),
                tokens: HashMap::new(),
                users: HashMap::new(),
            }),
        }
    }

    /// Whether a revocation made by now would be known here within a second.
    pub(crate) fn is_live(&self, now: Instant) -> bool {
        let Some(micros) = self.caught_up.load(Ordering::Acquire).checked_sub(1) else {
            return false;
        };
        let caught_up = self.base + Duration::from_micros(micros);
        now.saturating_duration_since(caught_up) < Self::STALE_AFTER
    }

    /// This moment, for a verification that begins now.
    pub(crate) fn moment(&self) -> Moment {
        Moment(self.arrived.load(Ordering::Acquire))
    }

    /// Whether a verification that began at `began` still tells the truth about these claims.
    pub(crate) fn trusts(&self, claims: &UserClaims, began: Moment) -> bool {
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        began >= marks.floor && !marks.names(claims, began)
    }

    /// Whether these claims were revoked after `began`.
    pub(crate) fn overtakes(&self, claims: &UserClaims, began: Moment) -> bool {
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        marks.names(claims, began)
    }

    /// Takes in what the stream said, at the moment it arrived.
    pub(crate) fn apply(&self, message: &WatchRevocationsResponse, now: Instant) {
        self.mark(message);
        // After the marks, so that who sees the stream alive sees them too.
        if message.caught_up {
            let micros = now.saturating_duration_since(self.base).as_micros();
            let micros = u64::try_from(micros).unwrap_or(u64::MAX - 1);
            self.caught_up.store(micros + 1, Ordering::Release);
        } else {
            self.lost();
        }
    }

    fn mark(&self, message: &WatchRevocationsResponse) {
        if !message.reset && message.revocations.is_empty() {
            return;
        }
        let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        let now = Moment(self.arrived.load(Ordering::Relaxed) + 1);
        let mut forget = message.reset;
        for revocation in &message.revocations {
            match &revocation.target {
                Some(Target::TokenId(id)) => {
                    marks.tokens.insert(id.clone(), now);
                }
                Some(Target::UserId(id)) => match Uuid::try_parse(id) {
                    Ok(id) => {
                        marks.users.insert(id, now);
                    }
                    Err(_) => forget = true,
                },
                // A target that a newer service knows: it may be anybody.
                None => forget = true,
            }
        }
        if forget || marks.tokens.len() + marks.users.len() > Self::CAPACITY {
            marks.floor = now;
            marks.tokens.clear();
            marks.users.clear();
        }
        // Under the lock, so that what begins at this moment begins after these marks.
        self.arrived.store(now.0, Ordering::Release);
    }

    /// The stream broke: nothing in memory is trusted until it has caught up again.
    pub(crate) fn lost(&self) {
        self.caught_up.store(0, Ordering::Release);
    }
}

impl Marks {
    fn names(&self, claims: &UserClaims, began: Moment) -> bool {
        let after = |mark: Option<&Moment>| mark.is_some_and(|mark| began < *mark);
        after(self.tokens.get(&claims.token_id)) || after(self.users.get(&claims.user_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Revocation;
    use chrono::DateTime;

    const MILLI: Duration = Duration::from_millis(1);

    fn claims(token_id: &str, user: u128) -> UserClaims {
        UserClaims {
            user_id: Uuid::from_u128(user),
            username: String::new(),
            email: String::new(),
            roles: Vec::new(),
            scopes: Vec::new(),
            token_id: token_id.to_owned(),
            issued_at: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH,
        }
    }

    fn message(targets: impl IntoIterator<Item = Option<Target>>) -> WatchRevocationsResponse {
        WatchRevocationsResponse {
            cursor: String::new(),
            revocations: targets
                .into_iter()
                .map(|target| Revocation {
                    target,
                    revoked_at: None,
                })
                .collect(),
            caught_up: true,
            reset: false,
        }
    }

    #[test]
    fn a_revocation_undoes_what_began_before_it_arrived_and_nothing_else() {
        let revocations = Revocations::new(Instant::now());
        let (token, user) = (Target::TokenId("a".into()), Uuid::from_u128(2).to_string());
        let before = revocations.moment();
        let targets = [Some(token), Some(Target::UserId(user))];
        revocations.apply(&message(targets), Instant::now());
        for (began, trusted) in [(before, false), (revocations.moment(), true)] {
            assert_eq!(revocations.trusts(&claims("a", 1), began), trusted);
            assert_eq!(revocations.trusts(&claims("b", 2), began), trusted);
            assert_eq!(revocations.overtakes(&claims("b", 2), began), !trusted);
            assert!(revocations.trusts(&claims("b", 1), began));
        }
    }

    #[test]
    fn a_reset_and_what_is_not_understood_undo_everything_before() {
        let reset = WatchRevocationsResponse {
            reset: true,
            ..message([])
        };
        let nobody = message([Some(Target::UserId("nobody".into()))]);
        for message in [reset, nobody, message([None])] {
            let revocations = Revocations::new(Instant::now());
            let before = revocations.moment();
            revocations.apply(&message, Instant::now());
            assert!(!revocations.trusts(&claims("a", 1), before));
            assert!(!revocations.overtakes(&claims("a", 1), before));
            assert!(revocations.trusts(&claims("a", 1), revocations.moment()));
        }
    }

    #[test]
    fn revocations_past_the_bound_are_forgotten_together_with_what_they_concern() {
        let revocations = Revocations::new(Instant::now());
        let before = revocations.moment();
        let ids = 0..=Revocations::CAPACITY;
        let targets = ids.map(|id| Some(Target::TokenId(id.to_string())));
        revocations.apply(&message(targets), Instant::now());
        assert!(!revocations.trusts(&claims("other", 1), before));
        assert!(revocations.trusts(&claims("0", 1), revocations.moment()));
        assert!(revocations.marks.read().unwrap().tokens.is_empty());
    }

    #[test]
    fn only_a_stream_that_has_caught_up_lately_is_live() {
        let start = Instant::now();
        let revocations = Revocations::new(start);
        assert!(!revocations.is_live(start));
        revocations.apply(&message([]), start);
        assert!(revocations.is_live(start + Revocations::STALE_AFTER - MILLI));
        assert!(!revocations.is_live(start + Revocations::STALE_AFTER));
        let behind = WatchRevocationsResponse {
            caught_up: false,
            ..message([])
        };
        revocations.apply(&behind, start);
        assert!(!revocations.is_live(start));
        revocations.apply(&message([]), start);
        revocations.lost();
        assert!(!revocations.is_live(start));
    }
}
