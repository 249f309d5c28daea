//! Debezium in place of the relay, with the configuration that is checked in: the same records.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nova_events::{EventParts, EventRecord, KafkaPublisher, NewEvent, TopicPrefix};
use nova_models::TraceContext;
use nova_outbox::{KafkaOutboxPublisher, OutboxProcessor};
use rdkafka::Message;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, PgPool, Postgres};
use tempfile::TempDir;
use uuid::Uuid;

use crate::command_engines::{scratch_schema, setting};
use crate::service::{PATIENCE, Service};

const CONNECTOR: &str = include_str!("../../../deploy/debezium/connector.json");
const SERVER: &str = include_str!("../../../deploy/debezium/application.properties");
const WORKER: &str = include_str!("../../../deploy/debezium/worker.properties");
const PUBLICATION: &str = include_str!("../../../deploy/debezium/publication.sql");

fn connector() -> BTreeMap<String, String> {
    let connector: Value = serde_json::from_str(CONNECTOR).unwrap();
    serde_json::from_value(connector["config"].clone()).unwrap()
}

/// An event with everything that an event can have, or with nothing that it can be without.
fn event(aggregate_type: &'static str, id: &str, payload: &[u8], full: bool) -> NewEvent {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    NewEvent::from_parts(EventParts {
        event_id: Uuid::now_v7(),
        event_type: format!("{aggregate_type}.thing.happened").into(),
        aggregate_type: aggregate_type.into(),
        aggregate_id: id.to_owned(),
        payload: payload.to_vec().into(),
        schema_version: if full { 3 } else { 1 },
        created_at: chrono::Utc::now(),
        source: full.then(|| "another-service".to_owned()),
        correlation_id: full.then(|| "req-7".to_owned()),
        causation_id: full.then(|| "cause-7".to_owned()),
        trace: full.then(|| TraceContext::parse(trace, Some("a=b")).unwrap()),
    })
    .unwrap()
}

#[test]
fn every_header_of_a_record_has_its_column_in_the_configuration() {
    let event = event("content", "a", b"{}", true);
    let topic = TopicPrefix::default().topic_for("content").unwrap();
    let record = EventRecord::from_event(&event, Some(1), topic);
    let headers: BTreeSet<&str> = record.headers().map(|(name, _)| name).collect();
    let config = connector();
    let placement = &config["transforms.outbox.table.fields.additional.placement"];
    let placed: BTreeSet<&str> = placement
        .split(',')
        .map(|field| match field.split(':').collect::<Vec<_>>()[..] {
            [column, "header"] => column,
            ["id", "header", "event_id"] => "event_id",
            _ => panic!("{field} is no header"),
        })
        .collect();
    assert_eq!(placed, headers);
}

#[test]
fn kafka_connect_and_debezium_server_are_configured_alike() {
    let server: BTreeMap<&str, &str> = SERVER
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .collect();
    for (name, value) in connector() {
        let expected = value.replace("${env:", "${").replace(
            "${routedByValue}",
            // An escape: the server reads settings with a dollar itself.
            "$${routedByValue}",
        );
        let found = match name.split_once('.') {
            Some(("transforms", _)) => server.get(format!("debezium.{name}").as_str()),
            _ if name == "transforms" => server.get("debezium.transforms"),
            Some(("producer", rest)) => {
                let name = rest.trim_start_matches("override.");
                server.get(format!("debezium.sink.kafka.producer.{name}").as_str())
            }
            // The server has names of its own for converters, and one task.
            _ if name.contains("converter") || name == "tasks.max" => continue,
            _ => server.get(format!("debezium.source.{name}").as_str()),
        };
        assert_eq!(found, Some(&&*expected), "{name}");
    }
}

/// A record of a topic, as a consumer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    partition: i32,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    headers: BTreeMap<String, Vec<u8>>,
}

impl Seen {
    fn id(&self) -> String {
        String::from_utf8(self.headers["event_id"].clone()).unwrap()
    }
}

const PARTITIONS: i32 = 3;

/// Reads `count` records of a topic, partition by partition in order.
fn receive(brokers: &str, topic: &str, count: usize) -> Vec<Seen> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "debezium-test")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assignment
            .add_partition_offset(topic, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let deadline = Instant::now() + 2 * PATIENCE;
    let mut seen = Vec::new();
    while seen.len() < count {
        assert!(
            Instant::now() < deadline,
            "{} of {count} records in {topic}",
            seen.len()
        );
        let Some(message) = consumer.poll(Duration::from_millis(100)) else {
            continue;
        };
        let message = message.unwrap();
        let headers = message.headers().unwrap().iter();
        seen.push(Seen {
            partition: message.partition(),
            key: message.key().unwrap().to_vec(),
            value: message.payload().map(<[u8]>::to_vec),
            // The router writes an absent optional header as null, which is read as absent.
            headers: headers
                .filter_map(|header| Some((header.key.to_owned(), header.value?.to_vec())))
                .collect(),
        });
    }
    seen.sort_by_key(|record| record.partition);
    seen
}

/// Kafka Connect with the connector; it ends with the value.
struct Connect {
    child: Child,
    folder: TempDir,
}

impl Connect {
    /// Starts it with the checked-in files, for the table of this schema.
    fn start(schema: &str, options: &PgConnectOptions, brokers: &str, prefix: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let connector = CONNECTOR
            .replace("public.outbox_events", &format!("{schema}.outbox_events"))
            .replace("\"nova_outbox\"", &format!("\"{schema}\""));
        fs::write(path("connector.json"), connector).unwrap();
        let worker = format!(
            "{WORKER}\nbootstrap.servers={brokers}\nlisteners=http://127.0.0.1:0\noffset.storage.file.filename={}\n",
            path("offsets").display()
        );
        fs::write(path("worker.properties"), worker).unwrap();
        let log = fs::File::create(path("log")).unwrap();
        let child = Command::new(setting("NOVA_JAVA"))
            .args([
                "-Xmx256m",
                "-cp",
                &format!("{}/*", setting("NOVA_DEBEZIUM_JARS")),
            ])
            .arg("org.apache.kafka.connect.cli.ConnectStandalone")
            .args([path("worker.properties"), path("connector.json")])
            .env("POSTGRES_HOST", options.get_host())
            .env("POSTGRES_PORT", options.get_port().to_string())
            .env("POSTGRES_USER", options.get_username())
            .env("POSTGRES_PASSWORD", "none")
            .env("POSTGRES_DATABASE", options.get_database().unwrap())
            .env("KAFKA_TOPIC_PREFIX", prefix)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, folder }
    }
}

impl Drop for Connect {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let telling = log
                .lines()
                .filter(|line| line.contains("ERROR") || line.contains("Exception"));
            eprintln!("{}", telling.take(20).collect::<Vec<_>>().join("\n"));
        }
    }
}

async fn create_topics(brokers: &str, prefixes: [&str; 2]) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .unwrap();
    for prefix in prefixes {
        for kind in ["content", "social"] {
            let name = format!("{prefix}.{kind}.events");
            let topic = NewTopic::new(&name, PARTITIONS, TopicReplication::Fixed(1));
            let made = admin.create_topics(&[topic], &AdminOptions::new()).await;
            made.unwrap()[0].as_ref().unwrap();
        }
    }
}

/// Drops what outlives the test: a slot would keep the write-ahead log for ever.
async fn drop_slot(pool: &PgPool, schema: &str) {
    let drop =
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1";
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = sqlx::query(drop).bind(schema).execute(pool).await {
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let publication = format!("DROP PUBLICATION {schema}");
    sqlx::raw_sql(AssertSqlSafe(publication))
        .execute(pool)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Debezium: cargo xtask debezium"]
async fn debezium_publishes_what_the_relay_would() {
    let brokers = setting("KAFKA_BROKERS");
    let (pool, schema) = scratch_schema().await;
    let service = Service::<Postgres>::on(pool).await;
    let publication = PUBLICATION.replace("nova_outbox", &schema);
    sqlx::raw_sql(AssertSqlSafe(publication))
        .execute(&service.pool)
        .await
        .unwrap();
    let (theirs, ours) = (format!("debezium-{schema}"), format!("relay-{schema}"));
    create_topics(&brokers, [&theirs, &ours]).await;

    let payloads: [&[u8]; 6] = [
        b"{\"a\": 1}",
        "{ \"ü\":  \"\u{1f600}\" }".as_bytes(),
        b"null",
        b"\"text\"",
        b"[1,\n2]",
        b"0",
    ];
    let round = || {
        payloads.iter().enumerate().flat_map(|(n, payload)| {
            let id = ["a", "post-1", "ä/é", "0192f0c1"][n % 4];
            let kind = ["content", "social"][n % 2];
            [
                event(kind, id, payload, true),
                event(kind, id, payload, false),
            ]
        })
    };
    // The first events are there before the connector is: it reads them from the table.
    service.enqueue(round()).await;
    let options: PgConnectOptions = setting("DATABASE_URL").parse().unwrap();
    let connect = Connect::start(&schema, &options, &brokers, &theirs);
    let read = |prefix: &str, kind: &str, count: usize| {
        let (brokers, topic) = (brokers.clone(), format!("{prefix}.{kind}.events"));
        tokio::task::spawn_blocking(move || receive(&brokers, &topic, count))
    };
    assert_eq!(read(&theirs, "content", 6).await.unwrap().len(), 6);
    // The others it reads from the write-ahead log.
    service.enqueue(round()).await;
    let debezium = [
        read(&theirs, "content", 12).await.unwrap(),
        read(&theirs, "social", 12).await.unwrap(),
    ];
    drop(connect);
    drop_slot(&service.pool, &schema).await;

    let producer = KafkaPublisher::builder().brokers(&brokers).build().unwrap();
    let publisher = KafkaOutboxPublisher::new(producer, &ours);
    let poll = Duration::from_millis(100);
    let relay = OutboxProcessor::new(service.repository(), publisher, 100, poll, 5).start();
    service.drained().await;
    relay.shutdown(Duration::from_secs(30)).await.unwrap();
    let relay = [
        read(&ours, "content", 12).await.unwrap(),
        read(&ours, "social", 12).await.unwrap(),
    ];
    for (debezium, relay) in debezium.iter().zip(&relay) {
        let by_id = |seen: &[Seen]| -> BTreeMap<String, Seen> {
            seen.iter()
                .map(|record| (record.id(), record.clone()))
                .collect()
        };
        assert_eq!(by_id(debezium), by_id(relay));
        let order = |seen: &[Seen]| {
            let mut order: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
            for record in seen {
                order
                    .entry(record.key.clone())
                    .or_default()
                    .push(record.id());
            }
            order
        };
        assert_eq!(order(debezium), order(relay));
    }
}
