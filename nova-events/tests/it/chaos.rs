//! Faults of all kinds while two groups work through a topic: one with plain handlers, one with an inbox. What
//! happened is written down as it happens, and checked at the end.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nova_errors::{Backoff, RetryPolicy, ServiceError};
use nova_events::conformance::{ConsumerHistory, HistoryStep, HistoryViolation};
use nova_events::{
    ConsumerHandle, Event, EventConsumerBuilder, EventRecord, KafkaPublisher, MemoryIdempotency,
    NewEvent, SqlInbox,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use sqlx::{Pool, Transaction};

use crate::kafka::{consumer_at, publisher_at, read_all};
use crate::ledger::Ledger;
use crate::probe::{Probe, probe};

/// What is done to the consumers.
pub(crate) struct Plan<'a> {
    pub(crate) brokers: &'a str,
    /// With four partitions; its dead letters have a topic too.
    pub(crate) topic: &'a str,
    pub(crate) seed: u64,
    /// How many members come and go in this process.
    pub(crate) visits: usize,
    /// How many processes are killed, and what starts one.
    pub(crate) kills: usize,
    pub(crate) process: Option<&'a dyn Fn(&Member) -> Command>,
    /// Stops the broker, or starts it again; called once each.
    pub(crate) broker: Option<&'a (dyn Fn(bool) + Sync)>,
}

/// What a run did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) produced: usize,
    pub(crate) poison: usize,
    pub(crate) kills: usize,
    pub(crate) visits: usize,
    pub(crate) violations: Vec<String>,
}

const PARTITIONS: i32 = 4;
const KEYS: u32 = 24;

/// Runs the plan; members of the group with the inbox write into the ledger.
pub(crate) async fn run<DB: Ledger>(plan: Plan<'_>, pool: &Pool<DB>) -> Done {
    let folder = tempfile::tempdir().unwrap();
    let topic = plan.topic;
    let member = |kind: Kind| Member {
        kind,
        brokers: plan.brokers.to_owned(),
        topic: topic.to_owned(),
        group: format!("{topic}-{}", kind.name()),
        log: folder.path().join(kind.name()),
    };
    let kinds = Kind::ALL.map(member);
    let watchers = kinds.each_ref().map(Watcher::start);
    let hosts = kinds.each_ref().map(|kind| kind.start(Some(pool)));
    let producer = Producer::start(&plan, folder.path().join("produced"));

    let mut random = fastrand::Rng::with_seed(plan.seed);
    let mut done = Done::default();
    let mut faults = vec!["visit"; plan.visits];
    faults.extend(vec!["kill"; plan.kills]);
    random.shuffle(&mut faults);
    let middle = faults.len() / 2;
    for (number, fault) in faults.into_iter().enumerate() {
        if let Some(broker) = plan.broker.filter(|_| number == middle) {
            tokio::task::block_in_place(|| broker(false));
            tokio::time::sleep(Duration::from_secs(2)).await;
            tokio::task::block_in_place(|| broker(true));
        }
        let kind = &kinds[random.usize(0..kinds.len())];
        // A life of any length: some end while they join, others in the middle of their work.
        let life = Duration::from_millis(random.u64(200..2500));
        match (fault, plan.process) {
            ("kill", Some(process)) => {
                let victim = Process::start(process(kind));
                tokio::time::sleep(life).await;
                victim.kill();
                done.kills += 1;
            }
            _ => {
                let guest = kind.start(Some(pool));
                tokio::time::sleep(life).await;
                if random.bool() {
                    guest.shutdown(Duration::from_secs(60)).await.unwrap();
                } else {
                    drop(guest);
                }
                done.visits += 1;
            }
        }
    }
    let produced = producer.stop().await;
    done.produced = produced.len();
    let is_poison = |step: &&_| matches!(step, HistoryStep::Produced { number: None, .. });
    done.poison = produced.iter().filter(is_poison).count();

    // Everything comes to an end, or is lost.
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut found = check(&plan, &kinds, &produced, pool).await;
    while found.iter().any(is_lost) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(500)).await;
        found = check(&plan, &kinds, &produced, pool).await;
    }
    for host in hosts {
        host.shutdown(Duration::from_secs(60)).await.unwrap();
    }
    for watcher in watchers {
        watcher.stop();
    }
    found = check(&plan, &kinds, &produced, pool).await;
    done.violations = found.iter().map(ToString::to_string).collect();
    done
}

fn is_lost(violation: &HistoryViolation) -> bool {
    matches!(violation, HistoryViolation::Lost { .. })
}

async fn check<DB: Ledger>(
    plan: &Plan<'_>,
    kinds: &[Member],
    produced: &[HistoryStep],
    pool: &Pool<DB>,
) -> Vec<HistoryViolation> {
    let letters = read_all(plan.brokers, &format!("{}.dlq", plan.topic)).await;
    let mut found = Vec::new();
    for member in kinds {
        let mut history = ConsumerHistory::default();
        history.extend(produced.iter().cloned());
        history.extend(steps(&member.log));
        let of_group = letters
            .iter()
            .filter(|letter| letter.headers["dlq_consumer_group"] == member.group);
        history.extend(of_group.map(|letter| HistoryStep::DeadLettered {
            partition: letter.headers["dlq_original_partition"].parse().unwrap(),
            offset: letter.headers["dlq_original_offset"].parse().unwrap(),
        }));
        if member.kind == Kind::Inbox {
            let effects = DB::read(pool).await.into_iter();
            history.extend(effects.map(|effect| HistoryStep::TookEffect {
                key: effect.key,
                number: effect.number,
            }));
        }
        found.extend(history.violations());
    }
    found
}

/// How a group handles its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Inbox,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Plain, Self::Inbox];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Inbox => "inbox",
        }
    }
}

/// A member of a group, in this process or another one.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) kind: Kind,
    pub(crate) brokers: String,
    pub(crate) topic: String,
    pub(crate) group: String,
    pub(crate) log: PathBuf,
}

impl Member {
    pub(crate) fn start<DB: Ledger>(&self, pool: Option<&Pool<DB>>) -> ConsumerHandle {
        let log = Arc::new(Log::open(&self.log));
        let quick = Backoff::new(Duration::from_millis(1), Duration::from_millis(20)).unwrap();
        let builder = consumer_at(&self.brokers, &self.topic, &self.group)
            .retry(RetryPolicy::standard().max_attempts(30).backoff(quick))
            .handler_timeout(Duration::from_millis(500))
            .drain_timeout(Duration::from_secs(2))
            .partition_window(200);
        let builder = match (self.kind, pool) {
            (Kind::Inbox, Some(pool)) => inbox(builder, pool, log),
            (Kind::Inbox, None) => panic!("an inbox needs a database"),
            (Kind::Plain, _) => builder
                .on(move |event: Event<Probe>| {
                    let log = Arc::clone(&log);
                    async move { log.handle(&event.payload, async { Ok(()) }).await }
                })
                .idempotency(MemoryIdempotency::default()),
        };
        builder.build().unwrap().start()
    }
}

fn inbox<DB: Ledger>(
    builder: EventConsumerBuilder,
    pool: &Pool<DB>,
    log: Arc<Log>,
) -> EventConsumerBuilder {
    builder
        .on_tx(
            move |event: Event<Probe>, tx: &mut Transaction<'static, DB>| {
                let log = Arc::clone(&log);
                Box::pin(async move {
                    let effect = DB::write(tx, &event.payload);
                    log.handle(&event.payload, effect).await
                })
            },
        )
        .idempotency(SqlInbox::new(pool.clone()))
}

/// The steps of a group, one a line, in the order in which its members, of whatever process, wrote them.
struct Log(Mutex<File>);

impl Log {
    fn open(path: &Path) -> Self {
        // What one write appends is not mixed with another's.
        let file = File::options().create(true).append(true).open(path);
        Self(Mutex::new(file.unwrap()))
    }

    fn add(&self, step: &HistoryStep) {
        let line = format!("{}\n", serde_json::to_string(step).unwrap());
        self.0.lock().unwrap().write_all(line.as_bytes()).unwrap();
    }

    /// Fails now and then, and hangs now and then.
    async fn handle(
        &self,
        probe: &Probe,
        effect: impl Future<Output = Result<(), ServiceError>>,
    ) -> Result<(), ServiceError> {
        let (key, number) = (probe.key.clone(), probe.number);
        self.add(&HistoryStep::Began {
            key: key.clone(),
            number,
        });
        effect.await?;
        match fastrand::u32(0..1000) {
            0 => std::future::pending().await,
            1..100 => return Err(ServiceError::ServiceUnavailable("by chance".into())),
            100..300 => tokio::time::sleep(Duration::from_millis(2)).await,
            _ => {}
        }
        self.add(&HistoryStep::Handled { key, number });
        Ok(())
    }
}

fn steps(log: &Path) -> Vec<HistoryStep> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    // A process may have been killed in the middle of its last line.
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// Writes down what a group commits.
struct Watcher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Watcher {
    fn start(member: &Member) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let (member, stopped) = (member.clone(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let log = Log::open(&member.log);
            let consumer: BaseConsumer = ClientConfig::new()
                .set("bootstrap.servers", &member.brokers)
                .set("group.id", &member.group)
                .create()
                .unwrap();
            while !stopped.load(Ordering::SeqCst) {
                let mut list = TopicPartitionList::new();
                list.add_partition_range(&member.topic, 0, PARTITIONS - 1);
                // The broker may be away.
                if let Ok(found) = consumer.committed_offsets(list, Duration::from_secs(5)) {
                    for element in found.elements() {
                        if let Offset::Offset(position) = element.offset() {
                            log.add(&HistoryStep::Committed {
                                partition: element.partition(),
                                position,
                            });
                        }
                    }
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Self { stop, thread }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
    }
}

/// Publishes events and poison until it is stopped.
struct Producer {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
    log: PathBuf,
}

impl Producer {
    fn start(plan: &Plan<'_>, log: PathBuf) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let publisher = publisher_at(plan.brokers);
        let mut stream = Stream {
            topic: plan.topic.to_owned(),
            random: fastrand::Rng::with_seed(plan.seed ^ 1),
            numbers: HashMap::new(),
            large: 2,
        };
        let (written, stopped) = (Log::open(&log), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::SeqCst) {
                stream.burst(&publisher, &written).await;
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
        });
        Self { stop, task, log }
    }

    async fn stop(self) -> Vec<HistoryStep> {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap();
        steps(&self.log)
    }
}

struct Stream {
    topic: String,
    random: fastrand::Rng,
    numbers: HashMap<u32, u32>,
    /// How many large records may still come: brokers in memory don't keep many.
    large: u32,
}

impl Stream {
    async fn burst(&mut self, publisher: &KafkaPublisher, log: &Log) {
        let mut deliveries = Vec::new();
        for _ in 0..20 {
            let (key, number, record) = self.next();
            let delivery = publisher.publish(record).await.unwrap();
            deliveries.push((key, number, delivery));
        }
        for (key, number, delivery) in deliveries {
            // One that failed may be there or not; nothing is expected of it.
            if let (Some(key), Ok(at)) = (key, delivery.await) {
                log.add(&HistoryStep::Produced {
                    partition: at.partition,
                    offset: at.offset,
                    key,
                    number,
                });
            }
        }
    }

    /// An event with its key and number, poison with its key alone, or a tombstone with neither.
    fn next(&mut self) -> (Option<String>, Option<u32>, EventRecord) {
        let key = self.random.u32(0..KEYS);
        let name = format!("key-{key}");
        if self.random.u32(0..50) == 0 {
            return self.poison(name);
        }
        let number = self.numbers.entry(key).or_default();
        let event = NewEvent::new(&probe(&name, *number)).unwrap();
        let record = EventRecord::from_event(&event, None, self.topic.parse().unwrap());
        *number += 1;
        (Some(name), Some(*number - 1), record)
    }

    fn poison(&mut self, key: String) -> (Option<String>, Option<u32>, EventRecord) {
        let topic = || self.topic.parse().unwrap();
        let with = |value: Bytes| {
            let record = EventRecord::new(topic(), Some(key.clone().into()), Some(value));
            record
                .with_header("event_id", uuid::Uuid::new_v4().to_string())
                .with_header("event_type", "test.probe")
                .with_header("created_at", "2025-10-28T00:00:00Z")
        };
        let record = match self.random.u32(0..6) {
            0 => with(Bytes::from_static(b"\xff\xfe")),
            1 => with(Bytes::from_static(b"{not json")),
            2 => with(Bytes::from_static(br#"{"key": 7, "number": "seven"}"#)),
            3 => {
                let value = Some(Bytes::from_static(b"{}"));
                EventRecord::new(topic(), Some(key.clone().into()), value)
            }
            4 if self.large > 0 => {
                let large = with(vec![b'x'; 900 * 1024].into());
                self.large -= 1;
                large
            }
            _ => return (None, None, EventRecord::tombstone(topic(), key)),
        };
        (Some(key), None, record)
    }
}

/// A process that is killed at the latest when this is dropped.
struct Process(Child);

impl Process {
    fn start(mut command: Command) -> Self {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
        Self(quiet.spawn().unwrap())
    }

    fn kill(mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "it ended by itself");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be over already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
