//! Tower layers around handlers, and state that is handed to them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use nova_errors::{RetryPolicy, ServiceError};
use nova_events::{
    Event, EventConsumer, EventConsumerBuilder, EventRequest, EventService, Outcome,
    ReceivedRecord, RecordingPublisher, SqlInbox,
};
use sqlx::{Sqlite, Transaction};
use tower::{Layer, Service};

use crate::ledger;
use crate::probe::{Probe, probe, record};

const TOPIC: &str = "nova.test.events";

fn builder() -> EventConsumerBuilder {
    EventConsumer::builder()
        .brokers("127.0.0.1:1")
        .group("group")
        .topics([TOPIC])
        .dead_letters_to(RecordingPublisher::new())
}

fn received(number: u32) -> ReceivedRecord {
    ReceivedRecord::new(record(TOPIC, &probe("a", number)), 3, 14)
}

/// Writes down what passes, and turns away what it is told to.
#[derive(Clone)]
struct Log {
    name: &'static str,
    lines: Arc<Mutex<Vec<String>>>,
    refuses: Option<&'static str>,
}

impl Layer<EventService> for Log {
    type Service = Logged;

    fn layer(&self, inner: EventService) -> Logged {
        Logged(self.clone(), inner)
    }
}

#[derive(Clone)]
struct Logged(Log, EventService);

impl Service<EventRequest> for Logged {
    type Response = <EventService as Service<EventRequest>>::Response;
    type Error = ServiceError;
    type Future = <EventService as Service<EventRequest>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        self.1.poll_ready(cx)
    }

    fn call(&mut self, request: EventRequest) -> Self::Future {
        let Log {
            name,
            lines,
            refuses,
        } = &self.0;
        let metadata = request.metadata();
        let line = format!("{name} {} {}", request.group(), metadata.aggregate_id);
        lines.lock().unwrap().push(line);
        if *refuses == Some(metadata.event_type.as_str()) {
            let error = ServiceError::Internal("turned away".into());
            return Box::pin(async { Err(error) });
        }
        self.1.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn layers_see_each_attempt_from_the_outside_in() {
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let log = |name| Log {
        name,
        lines: Arc::clone(&lines),
        refuses: None,
    };
    let runs = Arc::<AtomicU32>::default();
    let counted = Arc::clone(&runs);
    let consumer = builder()
        .layer(log("outer"))
        .on(move |_: Event<Probe>| {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                match run {
                    0 => Err(ServiceError::ServiceUnavailable("not yet".into())),
                    _ => Ok(()),
                }
            }
        })
        .layer(log("inner"))
        .build()
        .unwrap();
    assert_eq!(consumer.deliver(received(1)).await, Outcome::Handled);
    let attempt = ["outer group a", "inner group a"];
    assert_eq!(*lines.lock().unwrap(), [attempt, attempt].concat());
}

#[tokio::test]
async fn what_a_layer_turns_away_never_reaches_the_transaction() {
    let pool = ledger::sqlite().await;
    let consumer = builder()
        .layer(Log {
            name: "guard",
            lines: Arc::default(),
            refuses: Some("test.probe"),
        })
        .on_tx(
            |event: Event<Probe>, tx: &mut Transaction<'static, Sqlite>| {
                Box::pin(ledger::write(event, tx))
            },
        )
        .idempotency(SqlInbox::new(pool.clone()))
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    assert_eq!(consumer.deliver(received(1)).await, Outcome::DeadLettered);
    assert!(<Sqlite as ledger::Ledger>::read(&pool).await.is_empty());
}

#[tokio::test]
async fn handlers_are_handed_the_state_that_they_were_registered_with() {
    async fn add(total: Arc<AtomicU32>, event: Event<Probe>) -> Result<(), ServiceError> {
        total.fetch_add(event.number, Ordering::SeqCst);
        Ok(())
    }
    let total = Arc::<AtomicU32>::default();
    let consumer = builder().on_with(Arc::clone(&total), add).build().unwrap();
    for number in [3, 4] {
        assert_eq!(consumer.deliver(received(number)).await, Outcome::Handled);
    }
    assert_eq!(total.load(Ordering::SeqCst), 7);
}
