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
}

#[derive(Debug)]
struct Slot {
    offset: i64,
    written: Option<DateTime<Utc>>,
    done: bool,
}

impl PartitionWindow {
    /// Takes in an offset, and when its record was written. `false` where it is not behind all others: it was read before.
    pub(crate) fn accept(&mut self, offset: i64, written: Option<DateTime<Utc>>) -> bool {
        if self.last_accepted.is_some_and(|last| offset <= last) {
            return false;
        }
        self.last_accepted = Some(offset);
        self.slots.push_back(Slot {
            offset,
            written,
            done: false,
        });
        true
    }

    /// Marks an offset as done.
    pub(crate) fn complete(&mut self, offset: i64) {
        // Offsets may have gaps, after compaction for one, but they only rise.
        let Ok(index) = self.slots.binary_search_by_key(&offset, |slot| slot.offset) else {
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
        assert!(window.accept(5, None));
        assert!(!window.accept(5, None));
        assert!(!window.accept(4, None));
        window.complete(5);
        assert!(!window.accept(5, None));
        assert!(window.accept(9, None));
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
            for offset in &offsets {
                prop_assert!(window.accept(*offset, None));
            }
            let mut done = std::collections::HashSet::new();
            for index in order {
                let offset = *index.get(&offsets);
                window.complete(offset);
                done.insert(offset);
                let prefix = offsets.iter().take_while(|offset| done.contains(offset));
                let expected = prefix.last().map(|last| last + 1);
                prop_assert_eq!(window.position(), expected);
                let behind = offsets.iter().filter(|offset| Some(**offset) >= expected);
                prop_assert_eq!(window.len(), behind.count());
            }
        }
    }
}
