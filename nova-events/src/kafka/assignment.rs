use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Topic;
use crate::consumer::Partition;

/// A partition that the member owns: topic, number, and what is known of it.
pub(super) type Assigned = (Topic, i32, Arc<Partition>);

/// The partitions that the member owns now.
#[derive(Debug, Default)]
pub(super) struct Assignment(Mutex<HashMap<Topic, HashMap<i32, Arc<Partition>>>>);

impl Assignment {
    pub(super) fn get(&self, topic: &str, partition: i32) -> Option<(Topic, Arc<Partition>)> {
        let assigned = self.lock();
        let (topic, partitions) = assigned.get_key_value(topic)?;
        let found = partitions.get(&partition)?;
        Some((topic.clone(), Arc::clone(found)))
    }

    pub(super) fn all(&self) -> Vec<Assigned> {
        let assigned = self.lock();
        let each = assigned.iter().flat_map(|(topic, partitions)| {
            partitions
                .iter()
                .map(|(number, partition)| (topic.clone(), *number, Arc::clone(partition)))
        });
        each.collect()
    }

    pub(super) fn add(&self, topic: Topic, number: i32, partition: Arc<Partition>) {
        let mut assigned = self.lock();
        assigned.entry(topic).or_default().insert(number, partition);
    }

    pub(super) fn remove(&self, topic: &Topic, number: i32) {
        if let Some(partitions) = self.lock().get_mut(topic) {
            partitions.remove(&number);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Topic, HashMap<i32, Arc<Partition>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
