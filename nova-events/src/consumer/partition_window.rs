use std::collections::VecDeque;

use chrono::{DateTime, Utc};

/// The records of a partition that were read and lie at or behind the first one that is not done.
///
/// Only the contiguous done prefix can be committed: a crash then redelivers everything that was
/// not done, and perhaps some of what was.
#[derive(Debug, Default)]
pub(crate) struct PartitionWindow {
    slots: VecDeque<Slot>,
    last_accepted: Option<i64>,
    position: Option<i64>,
    rewinds: u64,
}

/// Where a record stands in its window. After a rewind the same offset is another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    offset: i64,
    rewinds: u64,
}

#[derive(Debug)]
struct Slot {
    offset: i64,
    written: Option<DateTime<Utc>>,
    done: bool,
}

impl PartitionWindow {
    /// Takes in an offset, and when its record was written. `None` where it is not behind all others: it was read before.
    pub(crate) fn accept(&mut self, offset: i64, written: Option<DateTime<Utc>>) -> Option<Place> {
        if self.last_accepted.is_some_and(|last| offset <= last) {
            return None;
        }
        self.last_accepted = Some(offset);
        self.slots.push_back(Slot {
            offset,
            written,
            done: false,
        });
        Some(Place {
            offset,
            rewinds: self.rewinds,
        })
    }

    /// Whether an offset lies before everything that the window stands for.
    ///
    /// The client goes on behind what it handed out, after a pause too; it goes back here only where
    /// the partition lost its end or was made anew, and the offset names another record than before.
    pub(crate) fn is_behind(&self, offset: i64) -> bool {
        let first = || self.slots.front().map(|slot| slot.offset);
        self.position
            .or_else(first)
            .is_some_and(|start| offset < start)
    }

    /// Forgets all offsets. What was taken in before and completes later counts no more.
    pub(crate) fn rewind(&mut self) {
        *self = Self {
            rewinds: self.rewinds + 1,
            ..Self::default()
        };
    }

    /// Marks a record as done.
    pub(crate) fn complete(&mut self, place: Place) {
        if place.rewinds != self.rewinds {
            return;
        }
        // Offsets may have gaps, after compaction for one, but they only rise.
        let Ok(index) = self
            .slots
            .binary_search_by_key(&place.offset, |slot| slot.offset)
        else {
            return;
        };
        if let Some(slot) = self.slots.get_mut(index) {
            slot.done = true;
        }
        while let Some(slot) = self.slots.pop_front_if(|slot| slot.done) {
            self.position = Some(slot.offset + 1);
        }
    }

    /// Where the next member would begin: behind the contiguous done prefix. `None` while nothing is done.
    pub(crate) fn position(&self) -> Option<i64> {
        self.position
    }

    /// When the first record that is not done was written.
    pub(crate) fn oldest(&self) -> Option<DateTime<Utc>> {
        self.slots.front()?.written
    }

    /// The records in the window, done or not.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_offset_that_was_read_before_is_not_taken_again() {
        let mut window = PartitionWindow::default();
        let five = window.accept(5, None).unwrap();
        assert!(window.accept(5, None).is_none());
        assert!(window.accept(4, None).is_none());
        window.complete(five);
        assert!(window.accept(5, None).is_none());
        assert!(window.accept(9, None).is_some());
    }

    #[test]
    fn only_what_lies_before_the_first_record_that_is_not_done_is_behind() {
        let mut window = PartitionWindow::default();
        assert!(!window.is_behind(0));
        let places = [5, 6, 7].map(|offset| window.accept(offset, None).unwrap());
        assert!(window.is_behind(4));
        assert!(!window.is_behind(5));
        window.complete(places[0]);
        assert!(window.is_behind(5));
        assert!(!window.is_behind(6));
    }

    #[test]
    fn a_window_that_was_rewound_ignores_what_it_took_in_before() {
        let mut window = PartitionWindow::default();
        let old = window.accept(5, None).unwrap();
        window.rewind();
        let new = window.accept(5, None).unwrap();
        window.complete(old);
        assert_eq!(window.position(), None);
        window.complete(new);
        assert_eq!(window.position(), Some(6));
    }

    proptest! {
        #[test]
        fn the_position_is_behind_the_contiguous_done_prefix_and_never_past_an_undone_record(
            gaps in proptest::collection::vec(1_i64..4, 1..40),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let mut window = PartitionWindow::default();
            let offsets: Vec<i64> = gaps
                .iter()
                .scan(0, |offset, gap| { *offset += gap; Some(*offset) })
                .collect();
            let places: Vec<_> = offsets
                .iter()
                .map(|offset| window.accept(*offset, None).unwrap())
                .collect();
            let mut done = std::collections::HashSet::new();
            for index in order {
                let place = *index.get(&places);
                window.complete(place);
                done.insert(place.offset);
                let prefix = offsets.iter().take_while(|offset| done.contains(offset));
                let expected = prefix.last().map(|last| last + 1);
                prop_assert_eq!(window.position(), expected);
                let behind = offsets.iter().filter(|offset| Some(**offset) >= expected);
                prop_assert_eq!(window.len(), behind.count());
            }
        }
    }
}
