//! A connection to PostgreSQL that is lost between a commit and its answer.

use std::net::SocketAddr;

use axum::Router;
use nova_service::{
    Command, CommandReply, CommandRouter, CommandTransaction, IdempotencyLayer, ServiceLayer,
    SqlIdempotencyStore, migrate_idempotency,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Postgres};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{Bank, Charge, FIRST};

/// What becomes of the connection once it has let a `COMMIT` through, and not its answer.
#[derive(Clone, Copy, PartialEq)]
enum Loss {
    Closes,
    StandsStill,
}

pub(crate) async fn is_found_by_the_next_attempt(url: &str, pool: &PgPool) {
    let (cut, app) = through(url, pool, Loss::Closes).await;
    let lost = FIRST.to(&app).await;
    assert_eq!(lost.status, 503, "{}", lost.body);
    assert!(lost.body.contains(r#""effect":"unknown""#), "{}", lost.body);
    assert!(lost.body.contains(r#""retryable":true"#), "{}", lost.body);
    assert!(*cut.borrow(), "the connection broke in the commit");
    the_next_attempt_finds_it(&app, pool).await;
}

/// The caller leaves, or its deadline is over, while the commit is on its way.
pub(crate) async fn whose_request_is_dropped_is_found_too(url: &str, pool: &PgPool) {
    let (mut cut, app) = through(url, pool, Loss::StandsStill).await;
    let dropped = tokio::spawn({
        let app = app.clone();
        async move { FIRST.to(&app).await.status }
    });
    cut.wait_for(|cut| *cut).await.unwrap();
    dropped.abort();
    assert!(dropped.await.is_err());
    the_next_attempt_finds_it(&app, pool).await;
}

async fn the_next_attempt_finds_it(app: &Router, pool: &PgPool) {
    // The server may still be at it.
    let again = loop {
        let again = FIRST.to(app).await;
        if again.status != 409 {
            break again;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(again.status, 200, "{}", again.body);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(Postgres::charges(pool).await.len(), 1);
}

async fn through(url: &str, pool: &PgPool, loss: Loss) -> (watch::Receiver<bool>, Router) {
    migrate_idempotency(pool).await.unwrap();
    Postgres::make_table(pool).await;
    let through: PgConnectOptions = url.parse().unwrap();
    let server = format!("{}:{}", through.get_host(), through.get_port());
    let (cut, proxy) = losing_a_commit(server, loss).await;
    let through = through.host("127.0.0.1").port(proxy.port());
    let through = PgPoolOptions::new().connect_with(through).await.unwrap();
    (cut, app(through))
}

fn app(pool: PgPool) -> Router {
    let commands = CommandRouter::new("billing-service")
        .command(
            "charges/create",
            async |mut tx: CommandTransaction<Postgres>, command: Command<Charge>| {
                let id = Postgres::charge(&mut tx, "lost", command.cents.into()).await?;
                Ok::<CommandReply<i64>, nova_errors::ServiceError>(command.reply(id))
            },
        )
        .layer(IdempotencyLayer::new(SqlIdempotencyStore::new(pool)))
        .build()
        .unwrap();
    ServiceLayer::new("billing-service").wrap(commands)
}

/// A proxy that lets the first `COMMIT` through, and its answer not.
async fn losing_a_commit(server: String, loss: Loss) -> (watch::Receiver<bool>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (cut, is_cut) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(relay(client, server, cut.clone(), loss));
        }
    });
    (is_cut, address)
}

async fn relay(client: TcpStream, server: TcpStream, cut: watch::Sender<bool>, loss: Loss) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers = tokio::io::copy(&mut from_server, &mut to_client);
    // Until the first commit is sent.
    let requests = async {
        let mut part = [0; 8192];
        loop {
            let Ok(read @ 1..) = from_client.read(&mut part).await else {
                return false;
            };
            let is_commit = part[..read].windows(7).any(|text| text == b"COMMIT\0");
            if to_server.write_all(&part[..read]).await.is_err() {
                return false;
            }
            if is_commit && !*cut.borrow() {
                return true;
            }
        }
    };
    let is_lost = tokio::select! {
        is_lost = requests => is_lost,
        _ = answers => false,
    };
    if is_lost {
        // The server has done it, where an early end of the connection might have kept it from that.
        let answered = from_server.read(&mut [0; 8192]).await.unwrap();
        assert!(answered > 0, "the server answers the commit");
        cut.send_replace(true);
        if loss == Loss::StandsStill {
            std::future::pending::<()>().await;
        }
    }
}
