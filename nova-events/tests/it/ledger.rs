//! A database in which handlers write down what they did: an effect that must not be doubled.

use futures::future::BoxFuture;
use nova_errors::ServiceError;
use nova_events::{Event, InboxDatabase, migrate_inbox};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Pool, Postgres, Sqlite, Transaction};

use crate::probe::Probe;

/// A database whose inbox is tested.
pub(crate) trait Ledger: InboxDatabase {
    fn write<'t>(
        tx: &'t mut Transaction<'static, Self>,
        probe: &'t Probe,
    ) -> BoxFuture<'t, Result<(), ServiceError>>;

    /// All entries, in the order in which they were written.
    fn read(pool: &Pool<Self>) -> BoxFuture<'_, Vec<Probe>>;

    /// A statement that the database refuses.
    fn fail<'t>(tx: &'t mut Transaction<'static, Self>) -> BoxFuture<'t, ()>;
}

macro_rules! ledger {
    ($database:ty) => {
        impl Ledger for $database {
            fn write<'t>(
                tx: &'t mut Transaction<'static, Self>,
                probe: &'t Probe,
            ) -> BoxFuture<'t, Result<(), ServiceError>> {
                Box::pin(async move {
                    sqlx::query("INSERT INTO ledger (key, number) VALUES ($1, $2)")
                        .bind(&probe.key)
                        .bind(i64::from(probe.number))
                        .execute(&mut **tx)
                        .await?;
                    Ok(())
                })
            }

            fn read(pool: &Pool<Self>) -> BoxFuture<'_, Vec<Probe>> {
                Box::pin(async move {
                    let query = "SELECT key, number FROM ledger ORDER BY place";
                    let rows: Vec<(String, i64)> =
                        sqlx::query_as(query).fetch_all(pool).await.unwrap();
                    let entry = |(key, number): (String, i64)| Probe {
                        key,
                        number: number.try_into().unwrap(),
                    };
                    rows.into_iter().map(entry).collect()
                })
            }

            fn fail<'t>(tx: &'t mut Transaction<'static, Self>) -> BoxFuture<'t, ()> {
                Box::pin(async move {
                    let refused = sqlx::query("INSERT INTO nowhere VALUES (1)").execute(&mut **tx);
                    refused.await.unwrap_err();
                })
            }
        }
    };
}
ledger!(Postgres);
ledger!(Sqlite);

/// Writes down one event.
pub(crate) async fn write<DB: Ledger>(
    event: Event<Probe>,
    tx: &mut Transaction<'static, DB>,
) -> Result<(), ServiceError> {
    DB::write(tx, &event.payload).await
}

pub(crate) async fn prepare_postgres(pool: &Pool<Postgres>) {
    migrate_inbox(pool).await.unwrap();
    let table = "CREATE TABLE ledger (place bigint GENERATED ALWAYS AS IDENTITY, key text NOT NULL, number bigint NOT NULL)";
    sqlx::raw_sql(table).execute(pool).await.unwrap();
}

pub(crate) async fn sqlite() -> Pool<Sqlite> {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(SqliteConnectOptions::new())
        .await
        .unwrap();
    migrate_inbox(&pool).await.unwrap();
    let table = "CREATE TABLE ledger (place INTEGER PRIMARY KEY, key TEXT NOT NULL, number INTEGER NOT NULL)";
    sqlx::raw_sql(table).execute(&pool).await.unwrap();
    pool
}
