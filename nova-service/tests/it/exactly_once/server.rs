use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command as Process, Stdio};
use std::time::Duration;

use axum::Router;
use nova_errors::ServiceError;
use nova_service::{
    Command, CommandReply, CommandRouter, CommandTransaction, IdempotencyLayer, ServiceLayer,
    Shutdown, SqlIdempotencyStore, serve,
};
use serde::Deserialize;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Pool, SqlitePool};
use tokio::net::TcpListener;

use super::{is_refused, key};
use crate::idempotency::Bank;

const DATABASE: &str = "NOVA_TEST_DATABASE";
const LISTENING: &str = "listening on ";

/// The service as a process of its own: this test binary again. It ends with its standard input.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    process: Child,
}

impl Server {
    pub(super) async fn start(database: &str) -> Self {
        let database = database.to_owned();
        tokio::task::spawn_blocking(move || Self::spawn(&database))
            .await
            .unwrap()
    }

    fn spawn(database: &str) -> Self {
        // On Linux by a name that stays right when the binary is built anew meanwhile.
        let this = if cfg!(target_os = "linux") {
            "/proc/self/exe".into()
        } else {
            std::env::current_exe().unwrap()
        };
        let mut process = Process::new(this)
            .args(["--ignored", "--exact", "--nocapture"])
            .arg("exactly_once::server::process")
            .env(DATABASE, database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines
            .find_map(|line| {
                let (_, address) = line
                    .unwrap()
                    .split_once(LISTENING)
                    .map(|(a, b)| (a.to_owned(), b.to_owned()))?;
                Some(address.parse().unwrap())
            })
            .expect("the server says where it listens");
        Self { address, process }
    }

    /// As `kill -9` does.
    pub(super) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

#[test]
#[ignore = "the process that the tests of this module start and kill"]
fn process() {
    let Ok(database) = std::env::var(DATABASE) else {
        return;
    };
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let app = if database.starts_with("sqlite:") {
            app(sqlite(&database).await)
        } else {
            let pool = PgPoolOptions::new().max_connections(8);
            app(pool.connect(&database).await.unwrap())
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{LISTENING}{}", listener.local_addr().unwrap());
        let (_trigger, shutdown) = Shutdown::new();
        serve(listener, app, shutdown).await.unwrap();
    });
}

/// One connection, as one command writes at a time anyway.
pub(super) async fn sqlite(url: &str) -> SqlitePool {
    let options: SqliteConnectOptions = url.parse().unwrap();
    let options = options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(30));
    SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .unwrap()
}

#[derive(Deserialize)]
struct Charge {
    n: i64,
}

fn app<DB: Bank>(pool: Pool<DB>) -> Router {
    let store = SqlIdempotencyStore::new(pool);
    let commands = CommandRouter::new("billing-service")
        .command("charges/create", charge::<DB>)
        .layer(IdempotencyLayer::new(store).require_key())
        .build()
        .unwrap();
    ServiceLayer::new("billing-service").wrap(commands)
}

async fn charge<DB: Bank>(
    mut tx: CommandTransaction<DB>,
    command: Command<Charge>,
) -> Result<CommandReply<i64>, ServiceError> {
    let id = DB::charge(&mut tx, &key(command.n), command.n).await?;
    if is_refused(command.n) {
        return Err(ServiceError::Conflict("no more of it".into()).with_reason("sold_out"));
    }
    Ok(command.reply(id))
}
