use std::sync::Arc;

use tokio::time::Instant;

use super::Member;
use super::in_flight::InFlight;

/// The endpoint for an attempt, by its place, and the right to make one there; `None` where no circuit lets it through.
///
/// `avoid` is the place that has just failed: it is taken only where there is no other.
pub(super) fn choose<E>(
    members: &[Arc<Member<E>>],
    avoid: Option<usize>,
    now: Instant,
) -> Option<(usize, InFlight<E>)> {
    let take = |at: usize| Some((at, InFlight::begin(members.get(at)?, now)?));
    if members.len() < 2 {
        return take(0);
    }
    let drawn = less_loaded_of_two(members, avoid, now).and_then(take);
    drawn.or_else(|| {
        // A draw that met open circuits says nothing of the others.
        let places = members.len();
        let start = fastrand::usize(..places);
        (0..places)
            .map(|step| (start + step) % places)
            .filter(|at| Some(*at) != avoid)
            .chain(avoid)
            .find_map(take)
    })
}

/// The one of two drawn by lot that has fewer attempts in flight. It only looks, so that no probe is used up by
/// the one that is not taken.
fn less_loaded_of_two<E>(
    members: &[Arc<Member<E>>],
    avoid: Option<usize>,
    now: Instant,
) -> Option<usize> {
    let (one, other) = draw(members.len(), avoid);
    let ready = |at: usize| {
        let member = members.get(at)?;
        let admits = member.circuit.admits_at(now);
        admits.then(|| (member.in_flight(), at))
    };
    match (ready(one), other.and_then(ready)) {
        (Some(one), Some(other)) if other.0 < one.0 => Some(other.1),
        (Some((_, at)), _) | (None, Some((_, at))) => Some(at),
        (None, None) => None,
    }
}

/// Two different places of at least two, neither of them the one to avoid; only one where there is no second.
fn draw(places: usize, avoid: Option<usize>) -> (usize, Option<usize>) {
    let left = places - usize::from(avoid.is_some());
    let skip = |at: usize| at + usize::from(avoid.is_some_and(|avoid| at >= avoid));
    let one = fastrand::usize(..left);
    let other = (left > 1).then(|| (one + fastrand::usize(1..left)) % left);
    (skip(one), other.map(skip))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit_breaker::{CircuitBreaker, Outcome};
    use proptest::prelude::*;

    fn members(count: usize) -> Vec<Arc<Member<usize>>> {
        let breaker = CircuitBreaker::standard().min_calls(1).probes(1);
        (0..count)
            .map(|at| Arc::new(Member::new(at, breaker, None)))
            .collect()
    }

    fn fail(member: &Arc<Member<usize>>, now: Instant) {
        let in_flight = InFlight::begin(member, now).unwrap();
        in_flight.settle(Outcome::Failure, now);
    }

    proptest! {
        #[test]
        fn a_draw_is_of_two_different_places_without_the_one_to_avoid(
            places in 2_usize..64,
            avoid: Option<prop::sample::Index>,
            seed: u64,
        ) {
            fastrand::seed(seed);
            let avoid = avoid.map(|avoid| avoid.index(places));
            let (one, other) = draw(places, avoid);
            prop_assert!(one < places && Some(one) != avoid);
            match other {
                Some(other) => {
                    prop_assert!(other < places && other != one && Some(other) != avoid);
                }
                None => prop_assert!(places == 2 && avoid.is_some()),
            }
        }

        #[test]
        fn whatever_is_open_is_left_out_and_whatever_is_not_is_found(
            open in prop::collection::vec(any::<bool>(), 1..20),
            avoid: Option<prop::sample::Index>,
            seed: u64,
        ) {
            fastrand::seed(seed);
            let members = members(open.len());
            let avoid = avoid.map(|avoid| avoid.index(open.len()));
            let now = Instant::now();
            for (member, _) in members.iter().zip(&open).filter(|(_, open)| **open) {
                fail(member, now);
            }
            let chosen = choose(&members, avoid, now).map(|(at, _)| at);
            prop_assert_eq!(chosen.is_some(), open.contains(&false));
            if let Some(at) = chosen {
                prop_assert!(!open[at]);
                let others = open.iter().enumerate().any(|(at, open)| !open && Some(at) != avoid);
                prop_assert!(Some(at) != avoid || !others);
            }
        }
    }

    #[test]
    fn the_busier_of_two_is_left_alone() {
        let members = members(2);
        let now = Instant::now();
        let _busy = InFlight::begin(&members[1], now).unwrap();
        for _ in 0..100 {
            assert_eq!(choose(&members, None, now).unwrap().0, 0);
        }
    }

    #[test]
    fn idle_endpoints_share_the_attempts() {
        fastrand::seed(7);
        let members = members(4);
        let now = Instant::now();
        let mut taken = [0_u32; 4];
        for _ in 0..4_000 {
            taken[choose(&members, None, now).unwrap().0] += 1;
        }
        assert!(
            taken.iter().all(|count| (800..1200).contains(count)),
            "{taken:?}"
        );
    }

    #[test]
    fn threads_that_choose_together_get_no_more_probes_than_there_are() {
        let members = members(3);
        let now = Instant::now();
        for member in &members {
            fail(member, now);
        }
        let later = now + std::time::Duration::from_secs(10);
        let barrier = std::sync::Barrier::new(20);
        let probes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..20)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        choose(&members, None, later)
                    })
                })
                .collect();
            let chosen = threads.into_iter().map(|thread| thread.join().unwrap());
            chosen.flatten().collect()
        });
        assert_eq!(probes.len(), 3);
        assert!(members.iter().all(|member| member.in_flight() == 1));
        drop(probes);
        assert!(members.iter().all(|member| member.in_flight() == 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_choice_uses_up_no_probe_but_its_own() {
        let members = members(3);
        let now = Instant::now();
        for member in &members {
            fail(member, now);
        }
        assert!(choose(&members, None, now).is_none());
        let later = now + std::time::Duration::from_secs(10);
        for _ in 0..100 {
            let probes: Vec<_> = (0..3)
                .map_while(|_| choose(&members, None, later))
                .collect();
            let mut places: Vec<_> = probes.iter().map(|(at, _)| *at).collect();
            places.sort_unstable();
            assert_eq!(places, [0, 1, 2]);
            assert!(choose(&members, None, later).is_none());
        }
    }
}
