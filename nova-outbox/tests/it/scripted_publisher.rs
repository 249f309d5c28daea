//! A publisher that does what a script says, and checks what the relay promises.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::{Origin, ServiceError};
use nova_outbox::{OutboxEvent, OutboxPublisher};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::sample::number;
use crate::service::PATIENCE;

/// What is to become of an attempt.
pub(crate) enum Act {
    Acknowledge,
    /// After a few turns of the executor.
    AcknowledgeLate(u32),
    /// The event fails.
    Fail,
    /// The event fails when it is told to.
    FailLate(Arc<Notify>),
    /// The broker is away.
    Outage,
    /// Neither acknowledged nor refused, until the relay gives up.
    Hang,
    Panic,
}

/// An event that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) id: Uuid,
    pub(crate) seq: i64,
    pub(crate) aggregate: String,
    pub(crate) number: u32,
}

type Script = dyn Fn(&OutboxEvent) -> Act + Send + Sync;

#[derive(Clone)]
pub(crate) struct ScriptedPublisher {
    script: Arc<Script>,
    sent: watch::Sender<Vec<Sent>>,
    attempts: watch::Sender<u32>,
    in_flight: Arc<Mutex<HashSet<String>>>,
    delivery_timeout: Duration,
}

impl ScriptedPublisher {
    pub(crate) fn new(script: impl Fn(&OutboxEvent) -> Act + Send + Sync + 'static) -> Self {
        Self {
            script: Arc::new(script),
            sent: watch::Sender::default(),
            attempts: watch::Sender::default(),
            in_flight: Arc::default(),
            delivery_timeout: Duration::from_secs(5),
        }
    }

    pub(crate) fn acknowledging() -> Self {
        Self::new(|_| Act::Acknowledge)
    }

    /// Another one for another relay: the same script and the same record of what was sent, but attempts of its own.
    pub(crate) fn twin(&self) -> Self {
        Self {
            attempts: watch::Sender::default(),
            ..self.clone()
        }
    }

    /// The attempts that were made.
    pub(crate) fn attempts(&self) -> u32 {
        *self.attempts.borrow()
    }

    pub(crate) fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.delivery_timeout = timeout;
        self
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.borrow().clone()
    }

    /// The numbers that were sent, by aggregate.
    pub(crate) fn numbers(&self) -> BTreeMap<String, Vec<u32>> {
        let mut numbers: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for sent in self.sent() {
            numbers.entry(sent.aggregate).or_default().push(sent.number);
        }
        numbers
    }

    /// Waits until so many events were acknowledged.
    pub(crate) async fn wait_for(&self, events: usize) -> Vec<Sent> {
        let mut sent = self.sent.subscribe();
        let enough = sent.wait_for(|sent| sent.len() >= events);
        let waited = tokio::time::timeout(PATIENCE, enough).await;
        match waited {
            Ok(sent) => sent.unwrap().clone(),
            Err(_) => panic!("{} of {events} events were sent in time", self.sent().len()),
        }
    }

    /// Waits until so many attempts were made.
    pub(crate) async fn wait_for_attempts(&self, attempts: u32) {
        let mut made = self.attempts.subscribe();
        let enough = made.wait_for(|made| *made >= attempts);
        tokio::time::timeout(PATIENCE, enough)
            .await
            .expect("attempts in time")
            .unwrap();
    }
}

#[async_trait]
impl OutboxPublisher for ScriptedPublisher {
    async fn publish(&self, event: &OutboxEvent) -> Result<(), ServiceError> {
        let aggregate = event.event.aggregate_id().to_owned();
        let _alone = Alone::enter(&self.in_flight, aggregate.clone());
        self.attempts.send_modify(|attempts| *attempts += 1);
        match (self.script)(event) {
            Act::Acknowledge => {}
            Act::AcknowledgeLate(turns) => {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
            }
            Act::Fail => return Err(ServiceError::Internal("poison".into())),
            Act::FailLate(told) => {
                told.notified().await;
                return Err(ServiceError::Internal("late".into()));
            }
            Act::Outage => {
                let away = ServiceError::ServiceUnavailable("broker".into());
                return Err(away.with_origin(Origin::Transport));
            }
            Act::Hang => std::future::pending().await,
            Act::Panic => panic!("the script says so"),
        }
        let sent = Sent {
            id: event.event.event_id(),
            seq: event.seq,
            aggregate,
            number: number(&event.event),
        };
        self.sent.send_modify(|all| all.push(sent));
        Ok(())
    }

    fn delivery_timeout(&self) -> Duration {
        self.delivery_timeout
    }
}

/// Fails the test where two events of one aggregate are on their way at once.
struct Alone {
    in_flight: Arc<Mutex<HashSet<String>>>,
    aggregate: String,
}

impl Alone {
    fn enter(in_flight: &Arc<Mutex<HashSet<String>>>, aggregate: String) -> Self {
        let alone = in_flight.lock().unwrap().insert(aggregate.clone());
        if !alone {
            // A panic would be caught by the relay.
            eprintln!("two events of {aggregate} are in flight at once");
            std::process::abort();
        }
        Self {
            in_flight: Arc::clone(in_flight),
            aggregate,
        }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.in_flight.lock().unwrap().remove(&self.aggregate);
    }
}
