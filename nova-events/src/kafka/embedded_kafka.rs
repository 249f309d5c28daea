use std::fmt;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use nova_errors::ServiceError;
use rdkafka::error::KafkaResult;
use rdkafka::mocking::MockCluster;

use crate::Topic;
use crate::field::refused;

/// A Kafka in this process, for tests and demonstrations: librdkafka's mock cluster, on real ports of the loopback.
///
/// It keeps its topics in memory, at most 5 MiB or 100 000 records a partition; transactions are not real, and the
/// first member of a group waits about 3 s. A topic that nobody created has 4 partitions. It ends when it is dropped.
///
/// ```
/// use nova_events::EmbeddedKafka;
///
/// let kafka = EmbeddedKafka::start(1)?;
/// kafka.create_topic("nova.content.events", 6)?;
/// assert!(kafka.bootstrap_servers().starts_with("127.0.0.1:"));
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
pub struct EmbeddedKafka {
    bootstrap_servers: String,
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

type Cluster = MockCluster<'static, rdkafka::producer::DefaultProducerContext>;
type Command = Box<dyn FnOnce(&Cluster) + Send>;

impl EmbeddedKafka {
    /// Starts a cluster of 1 to 9 brokers.
    ///
    /// # Errors
    ///
    /// `Validation` for another number of brokers, `Internal` where the cluster cannot be started.
    pub fn start(brokers: u8) -> Result<Self, ServiceError> {
        if !(1..=9).contains(&brokers) {
            return Err(refused(
                "brokers",
                format!("expected 1 to 9, got {brokers}"),
            ));
        }
        let (commands, inbox) = mpsc::channel::<Command>();
        let (started, start) = mpsc::channel();
        // The cluster cannot move between threads, so it stays on one.
        let thread = thread::Builder::new()
            .name("embedded-kafka".to_owned())
            .spawn(move || {
                let cluster = match MockCluster::new(i32::from(brokers)) {
                    Ok(cluster) => cluster,
                    Err(error) => return drop(started.send(Err(error))),
                };
                if started.send(Ok(cluster.bootstrap_servers())).is_ok() {
                    inbox.iter().for_each(|command| command(&cluster));
                }
            })
            .map_err(|error| failed().with_source(error))?;
        let bootstrap_servers = start
            .recv()
            .map_err(|error| failed().with_source(error))?
            .map_err(|error| failed().with_source(error))?;
        Ok(Self {
            bootstrap_servers,
            commands: Some(commands),
            thread: Some(thread),
        })
    }

    /// Where it is reached: `host:port`, separated by commas.
    #[must_use]
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    /// Creates a topic.
    ///
    /// # Errors
    ///
    /// `Validation` for a bad name or number of partitions, `Internal` where it exists already.
    pub fn create_topic(&self, name: &str, partitions: u16) -> Result<(), ServiceError> {
        let topic = Topic::new(name)?;
        if partitions == 0 {
            return Err(refused("partitions", "expected at least 1"));
        }
        self.call(move |cluster| cluster.create_topic(&topic, i32::from(partitions), 1))
    }

    /// Stops all brokers: connections are dropped, new ones refused. What they hold is kept.
    ///
    /// # Errors
    ///
    /// `Internal` where the cluster is gone.
    pub fn broker_down(&self) -> Result<(), ServiceError> {
        self.call(|cluster| cluster.broker_down(-1))
    }

    /// Starts all brokers again.
    ///
    /// # Errors
    ///
    /// `Internal` where the cluster is gone.
    pub fn broker_up(&self) -> Result<(), ServiceError> {
        self.call(|cluster| cluster.broker_up(-1))
    }

    fn call(
        &self,
        command: impl FnOnce(&Cluster) -> KafkaResult<()> + Send + 'static,
    ) -> Result<(), ServiceError> {
        let (done, outcome) = mpsc::channel();
        let command: Command = Box::new(move |cluster| drop(done.send(command(cluster))));
        let sent = self
            .commands
            .as_ref()
            .map(|commands| commands.send(command));
        match (sent, outcome.recv()) {
            (Some(Ok(())), Ok(outcome)) => outcome.map_err(|error| failed().with_source(error)),
            _ => Err(failed()),
        }
    }
}

fn failed() -> ServiceError {
    ServiceError::Internal("embedded Kafka".into())
}

impl Drop for EmbeddedKafka {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the hook.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for EmbeddedKafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedKafka")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .finish_non_exhaustive()
    }
}
