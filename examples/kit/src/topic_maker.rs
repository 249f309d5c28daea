use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use nova_events::Topic;
use nova_service::{BackgroundWorker, Shutdown, WorkerError};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::Kafka;

/// How long the broker may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The wait after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Makes the platform's topics where they aren't there, with as many partitions as they must have:
/// a broker that makes them itself has a number of its own. It tries until it succeeds.
#[derive(Debug, Clone)]
pub struct TopicMaker(Kafka);

impl TopicMaker {
    /// Makes the topics of `kafka`.
    #[must_use]
    pub fn new(kafka: &Kafka) -> Self {
        Self(kafka.clone())
    }

    /// Tries once.
    ///
    /// # Errors
    ///
    /// Where the broker doesn't answer in time, or refuses.
    pub async fn make(&self) -> anyhow::Result<()> {
        let client: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", self.0.brokers())
            .create()
            .context("configure the Kafka client")?;
        let client = Arc::new(client);
        let there = existing(client.clone()).await?;
        let mut missing = self.0.topics()?;
        missing.retain(|(topic, _)| !there.contains(topic.as_str()));
        if missing.is_empty() {
            return Ok(());
        }
        create(&client, &missing).await
    }
}

async fn existing(
    client: Arc<AdminClient<DefaultClientContext>>,
) -> anyhow::Result<BTreeSet<String>> {
    let (answer, answered) = oneshot::channel();
    // A thread of its own: the runtime would wait at its end for one of its own that blocks.
    std::thread::spawn(move || {
        let metadata = client.inner().fetch_metadata(None, ANSWER_WITHIN);
        // In vain where nobody waits any more.
        let _ = answer.send(metadata);
    });
    let metadata = answered.await?.context("list the topics")?;
    let names = metadata
        .topics()
        .iter()
        .map(|topic| topic.name().to_owned());
    Ok(names.collect())
}

async fn create(
    client: &AdminClient<DefaultClientContext>,
    missing: &[(Topic, u16)],
) -> anyhow::Result<()> {
    let new: Vec<_> = missing
        .iter()
        .map(|(topic, partitions)| {
            // As many replicas as the broker has set for new topics.
            let replicas = TopicReplication::Fixed(-1);
            NewTopic::new(topic, i32::from(*partitions), replicas)
        })
        .collect();
    let options = AdminOptions::new()
        .request_timeout(Some(ANSWER_WITHIN))
        .operation_timeout(Some(ANSWER_WITHIN));
    for outcome in client
        .create_topics(&new, &options)
        .await
        .context("create the topics")?
    {
        match outcome {
            // Another service was faster.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                return Err(anyhow::Error::new(code).context(format!("create the topic {topic}")));
            }
        }
    }
    Ok(())
}

#[async_trait]
impl BackgroundWorker for TopicMaker {
    fn name(&self) -> &str {
        "topic-maker"
    }

    async fn run(&self, shutdown: Shutdown) -> Result<(), WorkerError> {
        let until_done = async {
            let mut failed = false;
            while let Err(error) = self.make().await {
                if !failed {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "the topics can't be made for now"
                    );
                }
                failed = true;
                sleep(RETRY_AFTER).await;
            }
        };
        tokio::select! {
            () = until_done => {}
            () = shutdown.requested() => {}
        }
        Ok(())
    }
}
