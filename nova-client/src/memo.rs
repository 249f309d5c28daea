use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::OnceLock;

/// Keeps what was made of a key; found without a lock.
///
/// Keys may come from outside, and nothing that grows with them may be unbounded: the ones that find no place are not kept.
pub(crate) struct Memo<K, V> {
    places: Box<[Place<K, V>]>,
    hasher: RandomState,
}

/// Boxed, so that one without a key takes little room.
type Place<K, V> = OnceLock<Box<(K, V)>>;

impl<K: Hash + Eq + Clone, V> Memo<K, V> {
    /// How many places are looked at for one key.
    const PROBES: usize = 16;

    pub(crate) fn new(places: usize) -> Self {
        Self {
            places: (0..places).map(|_| OnceLock::new()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// What is kept of the key, made where it is a new one; `None` where there is no place for it.
    pub(crate) fn get_or_make(&self, key: &K, make: impl Fn() -> V) -> Option<&V> {
        // The low bits of the hash are as good as any.
        let start = (self.hasher.hash_one(key) as usize).checked_rem(self.places.len())?;
        let (before, after) = self.places.split_at_checked(start)?;
        for place in after.iter().chain(before).take(Self::PROBES) {
            let kept = place.get_or_init(|| Box::new((key.clone(), make())));
            if kept.0 == *key {
                return Some(&kept.1);
            }
        }
        None
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let kept = self.places.iter().filter_map(OnceLock::get);
        kept.map(|kept| (&kept.0, &kept.1))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    #[test]
    fn a_key_is_made_once_and_too_many_are_not_kept() {
        let memo = Memo::new(64);
        let made = AtomicUsize::new(0);
        let get = |key: usize| {
            let value = memo.get_or_make(&key, || {
                made.fetch_add(1, Relaxed);
                key * 2
            });
            value.copied()
        };
        for _ in 0..2 {
            for key in 0..1_000 {
                assert!(get(key).is_none_or(|value| value == key * 2));
            }
        }
        let kept = memo.iter().count();
        assert!((32..=64).contains(&kept), "{kept}");
        assert_eq!(made.into_inner(), kept);
    }

    #[test]
    fn without_places_nothing_is_kept() {
        assert_eq!(Memo::new(0).get_or_make(&7, || 7), None);
    }
}
