//! A client, a proxy that drops a fifth of the requests and a fifth of the answers, and a server that is killed again and again: what
//! a command does, it does once.

mod proxy;
mod server;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use nova_client::ServiceClient;
use nova_errors::{Backoff, ErrorKind, RetryPolicy, ServiceError};
use nova_service::migrate_idempotency;
use serde_json::json;
use sqlx::{Pool, Postgres, Sqlite};
use tokio::sync::watch;

use self::proxy::Proxy;
use self::server::Server;
use crate::idempotency::Bank;

const IN_FLIGHT: usize = 16;

/// What a client saw of command `n`.
type Outcomes = BTreeMap<i64, Result<i64, ServiceError>>;

/// A service on a database, its proxy, and how it is to fare.
struct Run<'a, DB: Bank> {
    pool: Pool<DB>,
    url: &'a str,
    commands: i64,
    kills: i64,
    seed: u64,
}

fn key(n: i64) -> String {
    format!("command-{n}")
}

/// Each tenth command fails for good, after it has written.
fn is_refused(n: i64) -> bool {
    n % 10 == 7
}

impl<DB: Bank> Run<'_, DB> {
    /// Sends the commands while the server is killed, and then each of them again on a quiet line.
    async fn play(&self, client: impl Fn(&str) -> ServiceClient) -> (Outcomes, Outcomes) {
        migrate_idempotency(&self.pool).await.unwrap();
        DB::make_table(&self.pool).await;
        let proxy = Proxy::start(self.seed).await;
        let mut server = Server::start(self.url).await;
        proxy.lead_to(Some(server.address));

        let (completed, mut progress) = watch::channel(0);
        let client = client(&proxy.url());
        let sending = async {
            futures::stream::iter(0..self.commands)
                .map(async |n| {
                    let outcome = send(&client, n).await;
                    completed.send_modify(|completed| *completed += 1);
                    (n, outcome)
                })
                .buffer_unordered(IN_FLIGHT)
                .collect()
                .await
        };
        let killing = async {
            for kill in 1..=self.kills {
                let due = self.commands * kill / (self.kills + 1);
                progress
                    .wait_for(|completed| *completed >= due)
                    .await
                    .unwrap();
                server.kill();
                proxy.lead_to(None);
                server = Server::start(self.url).await;
                proxy.lead_to(Some(server.address));
            }
        };
        let (outcomes, ()) = tokio::join!(sending, killing);
        let losses = proxy.losses();
        assert!(losses.iter().all(|count| *count > 0), "{losses:?}");

        proxy.be_quiet();
        let mut again = Outcomes::new();
        for n in 0..self.commands {
            again.insert(n, send(&client, n).await);
        }
        (outcomes, again)
    }

    /// The rows that each command wrote.
    async fn rows(&self) -> BTreeMap<String, Vec<i64>> {
        let mut rows = BTreeMap::<String, Vec<i64>>::new();
        for (id, key) in DB::charges(&self.pool).await {
            rows.entry(key).or_default().push(id);
        }
        rows
    }

    /// Whatever happens, every command takes effect once and has one answer.
    async fn exactly_once(&self) {
        let (outcomes, again) = self.play(patient).await;
        let rows = self.rows().await;
        for n in 0..self.commands {
            let written = rows.get(&key(n)).map_or(&[][..], Vec::as_slice);
            let (first, second) = (&outcomes[&n], &again[&n]);
            if is_refused(n) {
                assert!(written.is_empty(), "{n} was refused, and wrote {written:?}");
                for answer in [first, second] {
                    let error = answer.as_ref().unwrap_err();
                    assert_eq!(error.code(), "conflict.sold_out", "{n}: {error}");
                }
            } else {
                let id = *first
                    .as_ref()
                    .unwrap_or_else(|error| panic!("{n}: {error:?}"));
                assert_eq!(written, [id], "{n} took effect once, as answered");
                assert_eq!(*second.as_ref().unwrap(), id, "{n} has one answer");
            }
        }
        let total: i64 = (0..self.commands).filter(|n| !is_refused(*n)).sum();
        assert_eq!(DB::total(&self.pool).await, total);
    }

    /// With few attempts some calls fail, but none takes effect twice, and each success did.
    async fn at_most_once(&self) {
        let (outcomes, _) = self.play(hasty).await;
        let rows = self.rows().await;
        let (mut succeeded, mut gave_up) = (0, 0);
        for n in 0..self.commands {
            let written = rows.get(&key(n)).map_or(&[][..], Vec::as_slice);
            assert!(
                written.len() <= 1,
                "{n} took effect {} times",
                written.len()
            );
            match &outcomes[&n] {
                Ok(id) => {
                    assert_eq!(written, [*id], "{n} took effect, as answered");
                    succeeded += 1;
                }
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    assert!(is_refused(n) && written.is_empty());
                }
                Err(_) => gave_up += 1,
            }
        }
        assert!(
            succeeded > 0 && gave_up > 0,
            "{succeeded} succeeded, {gave_up} gave up"
        );
    }
}

async fn send(client: &ServiceClient, n: i64) -> Result<i64, ServiceError> {
    client
        .command("billing-service", "charges/create", json!({ "n": n }))
        .idempotency_key(key(n))
        .send()
        .await
}

fn patient(url: &str) -> ServiceClient {
    let backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(200)).unwrap();
    ServiceClient::builder("test")
        .base_url(url)
        .deadline(Duration::from_secs(120))
        .attempt_timeout(Duration::from_secs(30))
        .retry(RetryPolicy::standard().max_attempts(16).backoff(backoff))
        .retry_budget(None)
        .circuit_breaker(None)
        .build()
        .unwrap()
}

fn hasty(url: &str) -> ServiceClient {
    ServiceClient::builder("test")
        .base_url(url)
        .deadline(Duration::from_secs(120))
        .attempt_timeout(Duration::from_secs(30))
        .circuit_breaker(None)
        .build()
        .unwrap()
}

async fn sqlite(folder: &tempfile::TempDir) -> (String, Pool<Sqlite>) {
    let path = folder.path().join("bank.db");
    let url = format!("sqlite:{}?mode=rwc", path.display());
    let pool = server::sqlite(&url).await;
    (url, pool)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_a_command_takes_effect_once_through_losses_and_kills() {
    let folder = tempfile::tempdir().unwrap();
    let (url, pool) = sqlite(&folder).await;
    let run = Run {
        pool,
        url: &url,
        commands: 1000,
        kills: 10,
        seed: 7,
    };
    run.exactly_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_a_command_that_is_given_up_takes_effect_at_most_once() {
    let folder = tempfile::tempdir().unwrap();
    let (url, pool) = sqlite(&folder).await;
    let run = Run {
        pool,
        url: &url,
        commands: 200,
        kills: 3,
        seed: 11,
    };
    run.at_most_once().await;
}

/// On PostgreSQL at `url`, whose database is empty.
pub(crate) async fn on_postgres(url: &str, pool: Pool<Postgres>) {
    let run = Run {
        pool,
        url,
        commands: 1000,
        kills: 10,
        seed: 13,
    };
    run.exactly_once().await;
}

/// The same with few attempts.
pub(crate) async fn at_most_once_on_postgres(url: &str, pool: Pool<Postgres>) {
    let run = Run {
        pool,
        url,
        commands: 1000,
        kills: 10,
        seed: 17,
    };
    run.at_most_once().await;
}
