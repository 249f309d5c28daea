//! Typed consumption and publishing against the bare client that does the same work, and the inbox against a bare insert of the same keys.
//!
//! On the cluster that `KAFKA_BROKERS` names, else on one in this process.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use futures::future::join_all;
use nova_benches::throughput::Throughput;
use nova_events::analytics::AnalyticsEventRecorded;
use nova_events::content::PostCreated;
use nova_events::{
    DomainEvent, EmbeddedKafka, Event, EventConsumer, EventRecord, KafkaPublisher,
    MemoryIdempotency, NewEvent,
};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message};
use serde_json::json;
use tokio::runtime::Runtime;
use uuid::Uuid;

/// How many records a topic has. A broker in this process keeps 5 MiB of a partition.
const RECORDS: usize = 150_000;
const PARTITIONS: i32 = 64;
const KEYS: usize = 10_000;
/// The size of a payload, in bytes.
const PAYLOAD: usize = 1024;
const PUBLISHED: usize = 50_000;
const ROUNDS: usize = 5;

fn main() {
    let home = std::env::var_os("CRITERION_HOME")
        .map_or_else(|| PathBuf::from("target/criterion"), PathBuf::from);
    let runtime = Runtime::new().expect("a runtime");
    let embedded = std::env::var("KAFKA_BROKERS").is_err();
    let kafka = embedded.then(|| EmbeddedKafka::start(1).expect("a broker"));
    let brokers = kafka.as_ref().map_or_else(
        || std::env::var("KAFKA_BROKERS").expect("it is set"),
        |kafka| kafka.bootstrap_servers().to_owned(),
    );
    let bench = Bench {
        brokers,
        kafka,
        runtime,
        runs: AtomicUsize::new(0),
    };
    bench.consume("consume", &home, recorded);
    bench.consume("consume_text", &home, post);
    Throughput::measure(
        "publish",
        PUBLISHED,
        ROUNDS,
        &mut [
            ("bare", &mut || bench.publish_bare()),
            ("typed", &mut || bench.publish_typed()),
        ],
    )
    .write(&home)
    .expect("written");
}

struct Bench {
    brokers: String,
    kafka: Option<EmbeddedKafka>,
    runtime: Runtime,
    runs: AtomicUsize,
}

impl Bench {
    fn unique(&self, name: &str) -> String {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        format!("bench-{name}-{run}-{}", Uuid::new_v4().simple())
    }

    fn topic(&self, name: &str) -> String {
        let name = self.unique(name);
        if let Some(kafka) = &self.kafka {
            let partitions = u16::try_from(PARTITIONS).expect("few");
            kafka.create_topic(&name, partitions).expect("a topic");
            return name;
        }
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .create()
            .expect("a client");
        let topic = NewTopic::new(&name, PARTITIONS, TopicReplication::Fixed(1));
        let created = self
            .runtime
            .block_on(admin.create_topics(&[topic], &AdminOptions::new()));
        for topic in created.expect("an answer") {
            topic.expect("a topic");
        }
        name
    }

    fn consume<T: DomainEvent>(&self, group: &'static str, home: &Path, event: fn(Uuid) -> T) {
        let topic = self.topic("consume");
        self.publish(self.records(&topic, RECORDS, event));
        Throughput::measure(
            group,
            RECORDS,
            ROUNDS,
            &mut [
                ("bare", &mut || self.consume_bare::<T>(&topic)),
                ("typed", &mut || self.consume_typed::<T>(&topic)),
            ],
        )
        .write(home)
        .expect("written");
    }

    /// Events of 1 KiB.
    fn records<T: DomainEvent>(
        &self,
        topic: &str,
        count: usize,
        event: fn(Uuid) -> T,
    ) -> Vec<EventRecord> {
        let keys: Vec<Uuid> = (0..KEYS).map(|_| Uuid::new_v4()).collect();
        let topic: nova_events::Topic = topic.parse().expect("a name");
        let record = |number: usize| {
            let event = NewEvent::new(&event(keys[number % KEYS])).expect("an event");
            EventRecord::from_event(&event, Some(number as i64), topic.clone())
        };
        (0..count).map(record).collect()
    }

    fn publish(&self, records: Vec<EventRecord>) {
        self.runtime.block_on(async {
            let publisher = KafkaPublisher::builder()
                .brokers(&self.brokers)
                .build()
                .expect("a publisher");
            let mut deliveries = Vec::new();
            for record in records {
                deliveries.push(publisher.publish(record).await.expect("taken"));
            }
            for delivery in join_all(deliveries).await {
                delivery.expect("acknowledged");
            }
        });
    }

    /// From the first record to the last.
    fn consume_bare<T: DomainEvent>(&self, topic: &str) -> Duration {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", self.unique("bare"))
            .set("auto.offset.reset", "earliest")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .create()
            .expect("a consumer");
        consumer.subscribe(&[topic]).expect("subscribed");
        let mut began = None;
        let mut left = RECORDS;
        while left > 0 {
            let Some(message) = consumer.poll(Duration::from_millis(100)) else {
                continue;
            };
            let message = message.expect("a record");
            began.get_or_insert_with(Instant::now);
            let value = message.payload().expect("a value");
            let event: T = serde_json::from_slice(value).expect("an event");
            std::hint::black_box(event);
            left -= 1;
        }
        began.expect("there were records").elapsed()
    }

    fn consume_typed<T: DomainEvent>(&self, topic: &str) -> Duration {
        let began = Arc::<OnceLock<Instant>>::default();
        let count = Arc::<AtomicUsize>::default();
        let (done, end) = tokio::sync::oneshot::channel();
        let done = Arc::new(Mutex::new(Some(done)));
        let state = (Arc::clone(&began), count, done);
        let consumer = EventConsumer::builder()
            .brokers(&self.brokers)
            .group(self.unique("typed"))
            .topics([topic])
            .on(move |event: Event<T>| {
                state.0.get_or_init(Instant::now);
                std::hint::black_box(event);
                if state.1.fetch_add(1, Ordering::Relaxed) + 1 == RECORDS {
                    let done = state.2.lock().expect("no panic").take();
                    done.expect("once").send(Instant::now()).expect("awaited");
                }
                std::future::ready(Ok(()))
            })
            .idempotency(MemoryIdempotency::default())
            .build()
            .expect("a consumer");
        self.runtime.block_on(async {
            let handle = consumer.start();
            let end = end.await.expect("all are handled");
            handle
                .shutdown(Duration::from_secs(30))
                .await
                .expect("it stops");
            end - *began.get().expect("it began")
        })
    }

    /// From the first record to the last acknowledgement; the records are made before.
    fn publish_typed(&self) -> Duration {
        let records = self.records(&self.topic("publish"), PUBLISHED, recorded);
        let publisher = KafkaPublisher::builder()
            .brokers(&self.brokers)
            .build()
            .expect("a publisher");
        self.runtime.block_on(async {
            let began = Instant::now();
            let mut deliveries = Vec::with_capacity(PUBLISHED);
            for record in records {
                deliveries.push(publisher.publish(record).await.expect("taken"));
            }
            for delivery in deliveries {
                delivery.await.expect("acknowledged");
            }
            began.elapsed()
        })
    }

    /// The same records by the same kind of producer.
    fn publish_bare(&self) -> Duration {
        let records = self.records(&self.topic("publish"), PUBLISHED, recorded);
        let producer: FutureProducer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "1")
            .set("queue.buffering.max.messages", "10000")
            .create()
            .expect("a producer");
        self.runtime.block_on(async {
            let began = Instant::now();
            let mut deliveries = Vec::with_capacity(PUBLISHED);
            for record in &records {
                let mut headers = OwnedHeaders::new_with_capacity(record.headers().len());
                for (key, value) in record.headers() {
                    headers = headers.insert(Header { key, value });
                }
                let mut out = FutureRecord::to(record.topic())
                    .headers(headers)
                    .key(record.key().expect("a key").as_ref())
                    .payload(record.value().expect("a value").as_ref());
                loop {
                    match producer.send_result(out) {
                        Ok(delivery) => break deliveries.push(delivery),
                        Err((_full, refused)) => {
                            out = refused;
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                    }
                }
            }
            for delivery in deliveries {
                delivery.await.expect("an answer").expect("acknowledged");
            }
            began.elapsed()
        })
    }
}

/// What an application reports of a click: some fields and 16 properties of all kinds.
fn recorded(id: Uuid) -> AnalyticsEventRecorded {
    let mut properties = serde_json::Map::new();
    for number in 0..16 {
        let value = match number % 4 {
            0 => json!(format!("value-{number} of some length")),
            1 => json!(number * 1000),
            2 => json!(f64::from(number) / 7.0),
            _ => json!({ "seen": number % 2 == 1, "tags": ["one", "two"] }),
        };
        properties.insert(format!("property_{number}"), value);
    }
    let event = |filler: &str| {
        let mut properties = properties.clone();
        properties.insert("referrer".to_owned(), json!(filler));
        json!({
            "event_id": Uuid::from_u128(7),
            "name": "screen.viewed",
            "user_id": id,
            "properties": properties,
            "occurred_at": "2025-10-28T00:00:00.000001Z",
        })
    };
    let rest = event("").to_string().len();
    let event = event(&"x".repeat(PAYLOAD.saturating_sub(rest)));
    serde_json::from_value(event).expect("an event")
}

/// A post whose caption is nearly all of it: there is hardly anything to decode.
fn post(id: Uuid) -> PostCreated {
    let event = |caption: &str| {
        json!({
            "post_id": id,
            "user_id": Uuid::from_u128(7),
            "caption": caption,
            "media_type": "image",
            "status": "published",
            "created_at": "2025-10-28T00:00:00.000001Z",
        })
    };
    let rest = event("").to_string().len();
    serde_json::from_value(event(&"x".repeat(PAYLOAD - rest))).expect("a post")
}
