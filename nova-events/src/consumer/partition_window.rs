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
    place: Place,
    written: Option<DateTime<Utc>>,
    done: bool,
}

impl PartitionWindow {
    /// Takes in an offset, and when its record was written. It must not be [behind](Self::is_behind).
    ///
    /// The first one is where the group begins, whatever it has committed before: an older position may be
    /// beyond the end of a partition that was made anew, or there may be none.
    pub(crate) fn accept(&mut self, offset: i64, written: Option<DateTime<Utc>>) -> Place {
        let place = Place {
            offset,
            rewinds: self.rewinds,
        };
        self.position.get_or_insert(offset);
        self.last_accepted = Some(offset);
        self.slots.push_back(Slot {
            place,
            written,
            done: false,
        });
        place
    }

    /// Whether an offset is not beyond all that were taken in.
    ///
    /// The client goes on behind what it handed out, after a pause too; it goes back only where
    /// the partition lost its end or was made anew, and the offset names another record than before.
    pub(crate) fn is_behind(&self, offset: i64) -> bool {
        self.last_accepted.is_some_and(|last| offset <= last)
    }

    /// Forgets the offsets from this one on. What was taken in there and completes later counts no more; what lies before it
    /// is what it was.
    pub(crate) fn rewind_to(&mut self, offset: i64) {
        let kept = self
            .slots
            .partition_point(|slot| slot.place.offset < offset);
        self.slots.truncate(kept);
        self.rewinds += 1;
        self.last_accepted = Some(offset - 1);
        self.position = self.position.map(|position| position.min(offset));
    }

    /// Marks a record as done.
    pub(crate) fn complete(&mut self, place: Place) {
        // Offsets may have gaps, after compaction for one, but they only rise.
        let Ok(index) = self
            .slots
            .binary_search_by_key(&place.offset, |slot| slot.place.offset)
        else {
            return;
        };
        if let Some(slot) = self.slots.get_mut(index)
            && slot.place == place
        {
            slot.done = true;
        }
        while let Some(slot) = self.slots.pop_front_if(|slot| slot.done) {
            self.position = Some(slot.place.offset + 1);
        }
    }

    /// Where the next member has to begin: behind the contiguous done prefix. `None` while nothing was read.
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

    fn window<const N: usize>(offsets: [i64; N]) -> (PartitionWindow, [Place; N]) {
        let mut window = PartitionWindow::default();
        let places = offsets.map(|offset| window.accept(offset, None));
        (window, places)
    }

    #[test]
    fn what_is_not_beyond_all_that_was_taken_in_is_behind() {
        let (mut window, places) = window([5, 6, 9]);
        assert!(window.is_behind(4));
        assert!(window.is_behind(9));
        assert!(!window.is_behind(10));
        for place in places {
            window.complete(place);
        }
        assert!(window.is_behind(9));
        assert!(!PartitionWindow::default().is_behind(0));
    }

    #[test]
    fn the_position_is_known_before_anything_is_done() {
        let (window, _) = window([5]);
        assert_eq!(window.position(), Some(5));
    }

    #[test]
    fn a_partition_that_lost_its_end_inside_the_window_counts_its_new_records_alone() {
        let (mut window, [five, six, seven]) = window([5, 6, 7]);
        window.complete(seven);
        window.rewind_to(6);
        let new_six = window.accept(6, None);
        window.complete(five);
        assert_eq!(window.position(), Some(6), "the new record is not done");
        window.complete(six);
        assert_eq!(window.position(), Some(6), "nor by the old one's end");
        window.complete(new_six);
        assert_eq!(window.position(), Some(7));
    }

    #[test]
    fn a_partition_that_was_made_anew_moves_the_position_back() {
        let (mut window, [five]) = window([5]);
        window.complete(five);
        assert_eq!(window.position(), Some(6));
        window.rewind_to(0);
        window.accept(0, None);
        assert_eq!(window.position(), Some(0));
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
            let places: Vec<_> = offsets.iter().map(|offset| window.accept(*offset, None)).collect();
            let mut done = std::collections::HashSet::new();
            for index in order {
                let place = *index.get(&places);
                window.complete(place);
                done.insert(place.offset);
                let prefix = offsets.iter().take_while(|offset| done.contains(offset));
                let expected = prefix.last().map_or(offsets[0], |last| last + 1);
                prop_assert_eq!(window.position(), Some(expected));
                let behind = offsets.iter().filter(|offset| **offset >= expected);
                prop_assert_eq!(window.len(), behind.count());
            }
        }

        #[test]
        fn after_a_rewind_too_the_position_passes_no_undone_record(
            before in 1_i64..20,
            back_to in 0_i64..20,
            after in 1_i64..20,
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let back_to = back_to.min(before - 1);
            let mut window = PartitionWindow::default();
            let mut places: Vec<_> = (0..before).map(|offset| window.accept(offset, None)).collect();
            window.rewind_to(back_to);
            let new: Vec<_> = (back_to..back_to + after).map(|offset| window.accept(offset, None)).collect();
            // Those that are the partition's now.
            let current: Vec<_> = places[..usize::try_from(back_to).unwrap()].iter().chain(&new).copied().collect();
            places.extend(&new);
            let mut done = Vec::new();
            for index in order {
                let place = *index.get(&places);
                window.complete(place);
                done.push(place);
                let prefix = current.iter().take_while(|place| done.contains(place)).count();
                prop_assert_eq!(window.position(), Some(i64::try_from(prefix).unwrap()));
            }
        }
    }
}
