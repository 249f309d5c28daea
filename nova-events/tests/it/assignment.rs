use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nova_events::{ConsumerHandle, Event};

use crate::eventually::eventually;
use crate::kafka::{brokers, consumer_at, publisher_at, topic, unique};
use crate::probe::{Probe, probe, publish, record};

/// The history of a run by several members: what is handled now, what was, by whom, and what went wrong.
#[derive(Default)]
struct History {
    running: HashSet<String>,
    last: HashMap<String, u32>,
    handled: HashSet<Probe>,
    members: HashMap<&'static str, usize>,
    broken: Vec<String>,
}

impl History {
    fn enter(&mut self, member: &'static str, probe: &Probe) {
        if !self.running.insert(probe.key.clone()) {
            self.broken
                .push(format!("two handlers of {} at once", probe.key));
        }
        // A redelivery repeats a number or goes back by what was not committed; a gap is a loss or an inversion.
        let next = self.last.get(&probe.key).map_or(0, |last| last + 1);
        if probe.number > next {
            self.broken.push(format!("{probe:?} before {next}"));
        }
        *self.members.entry(member).or_default() += 1;
    }

    fn leave(&mut self, probe: Probe) {
        self.running.remove(&probe.key);
        let last = self.last.entry(probe.key.clone()).or_default();
        *last = (*last).max(probe.number);
        self.handled.insert(probe);
    }
}

/// Leaves the history on a cancellation too.
struct Running(Arc<Mutex<History>>, String);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().unwrap().running.remove(&self.1);
    }
}

fn member(
    name: &'static str,
    brokers: &str,
    topic: &str,
    group: &str,
    history: &Arc<Mutex<History>>,
) -> ConsumerHandle {
    let history = Arc::clone(history);
    consumer_at(brokers, topic, group)
        .on(move |event: Event<Probe>| {
            let history = Arc::clone(&history);
            async move {
                history.lock().unwrap().enter(name, &event);
                let running = Running(Arc::clone(&history), event.key.clone());
                // Now and then slow enough that the small window fills and the partition is paused.
                let pause = if event.number.is_multiple_of(10) {
                    40
                } else {
                    1
                };
                tokio::time::sleep(Duration::from_millis(pause)).await;
                history.lock().unwrap().leave(event.payload);
                std::mem::forget(running);
                Ok(())
            }
        })
        .partition_window(32)
        .build()
        .unwrap()
        .start()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_move_between_members_lose_nothing_and_keep_each_key_in_order() {
    check(brokers(), &topic(4), &unique("group"), 1).await;
}

/// One member stays; another comes, does some of the work and goes, as often as said. Records keep coming.
pub(crate) async fn check(brokers: &str, topic: &str, group: &str, visits: usize) {
    const KEYS: u32 = 16;
    let history = Arc::<Mutex<History>>::default();
    let publisher = publisher_at(brokers);
    let done_by = |name| {
        let history = history.lock().unwrap();
        history.members.get(name).copied().unwrap_or_default()
    };
    let mut number = 0;
    let mut publish_until = async |what: &str, reached: &dyn Fn() -> bool| {
        while !reached() {
            assert!(number < 20_000, "it never came that {what}");
            // A burst for each partition that is larger than the window.
            let burst = (number..number + 10)
                .flat_map(|number| (0..KEYS).map(move |key| probe(&format!("key-{key}"), number)));
            publish(&publisher, burst.map(|probe| record(topic, &probe))).await;
            number += 10;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        (KEYS * number) as usize
    };

    let host = member("host", brokers, topic, group, &history);
    publish_until("the host works", &|| done_by("host") > 0).await;
    let mut published = 0;
    for visit in 0..visits {
        let before = done_by("guest");
        let guest = member("guest", brokers, topic, group, &history);
        publish_until("the guest works", &|| done_by("guest") > before + 50).await;
        if visit % 2 == 0 {
            guest.shutdown(Duration::from_secs(30)).await.unwrap();
        } else {
            // Cut off in the middle of its handlers.
            drop(guest);
        }
        let before = done_by("host");
        let host_works = || done_by("host") > before + 50;
        published = publish_until("the host goes on", &host_works).await;
    }
    eventually("all are handled", || {
        history.lock().unwrap().handled.len() == published
    })
    .await;
    host.shutdown(Duration::from_secs(30)).await.unwrap();
    let broken = &history.lock().unwrap().broken;
    assert!(broken.is_empty(), "{broken:?}");
}
