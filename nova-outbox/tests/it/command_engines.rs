//! The command on real PostgreSQL: its address is in `DATABASE_URL`.

use nova_outbox::OutboxStore;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool, Postgres};
use uuid::Uuid;

use crate::command::doctor::{finds_what_is_wrong, severity};
use crate::command::{Operated, dead_letters, lists};
use crate::service::Service;
use crate::{moving, retention};

pub(crate) fn setting(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask engines up`"))
}

/// A pool on a schema of its own, and its name.
pub(crate) async fn scratch_schema() -> (PgPool, String) {
    let url = setting("DATABASE_URL");
    let schema = format!("command_{}", Uuid::new_v4().simple());
    let pool = PgPool::connect(&url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA {schema}")))
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let options: PgConnectOptions = url.parse().unwrap();
    let pool = PgPoolOptions::new()
        .max_connections(4)
        .connect_with(options.options([("search_path", &schema)]))
        .await
        .unwrap();
    (pool, schema)
}

async fn operated() -> Operated<Postgres> {
    let (pool, schema) = scratch_schema().await;
    let url = setting("DATABASE_URL");
    let separator = if url.contains('?') { '&' } else { '?' };
    Operated {
        service: Service::on(pool).await,
        url: format!("{url}{separator}options=-csearch_path%3D{schema}"),
        _folder: None,
    }
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn an_event_on_postgres_is_counted_listed_and_shown_in_each_state() {
    lists::each_state(&operated().await).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn pages_on_postgres_follow_each_other_without_a_gap_or_a_double() {
    lists::pages(&operated().await).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn dead_letters_on_postgres_are_replayed_in_order_as_the_same_events() {
    dead_letters::replayed_in_order(&operated().await).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn a_filter_on_postgres_chooses_what_is_replayed_and_what_is_purged() {
    dead_letters::chosen_by_filter(&operated().await).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn a_signal_ends_a_replay_on_postgres_between_two_batches() {
    dead_letters::interrupted(&operated().await).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn two_replays_at_once_move_each_dead_letter_once_and_in_order() {
    dead_letters::two_at_once(&operated().await).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn the_doctor_finds_what_is_wrong_on_postgres() {
    finds_what_is_wrong(&operated().await).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn the_doctor_looks_at_what_order_and_speed_rest_on() {
    let operated = operated().await;
    let doctor = async || operated.run(&["doctor", "--json"]).await;
    let well = doctor().await;
    for name in [
        "sequence",
        "autovacuum",
        "dead rows",
        "updates",
        "transactions",
        "durability",
    ] {
        assert_eq!(severity(&well, name), "fine", "{name}: {well:?}");
    }
    let change = async |sql: &'static str| {
        sqlx::raw_sql(sql)
            .execute(&operated.service.pool)
            .await
            .unwrap();
    };
    change("ALTER TABLE outbox_events ALTER COLUMN seq SET CACHE 20").await;
    assert_eq!(severity(&doctor().await.ended(3), "sequence"), "problem");
    change("ALTER TABLE outbox_events RESET (autovacuum_vacuum_threshold)").await;
    assert_eq!(severity(&doctor().await, "autovacuum"), "warning");
    operated
        .service
        .enqueue([crate::sample::event("a", 1)])
        .await;
    change("UPDATE outbox_events SET source = NULL").await;
    // Statistics come with a delay.
    let deadline = std::time::Instant::now() + crate::service::PATIENCE;
    while severity(&doctor().await, "updates") != "warning" {
        assert!(std::time::Instant::now() < deadline);
    }
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn what_the_command_says_without_tables_is_to_migrate() {
    let (pool, schema) = scratch_schema().await;
    let url = format!(
        "{}?options=-csearch_path%3D{schema}",
        setting("DATABASE_URL")
    );
    let run = async |arguments: &[&str]| crate::command::run(&url, arguments).await;
    let ran = run(&["doctor", "--json"]).await.ended(3);
    assert_eq!(severity(&ran, "migrations"), "problem");
    run(&["stats"]).await.ended(1);
    run(&["migrate", "--dry-run"]).await.ended(0);
    run(&["stats"]).await.ended(1);
    run(&["migrate"]).await.ended(0);
    run(&["stats"]).await.ended(0);
    let service = Service::<Postgres>::on(pool).await;
    let buckets: Vec<_> = nova_outbox::Bucket::all().collect();
    assert_eq!(
        service.repository().stats(&buckets).await.unwrap().pending,
        0
    );
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn old_dead_letters_on_postgres_are_deleted_and_young_ones_kept() {
    let operated = operated().await;
    retention::old_ones_go(&operated, nova_outbox::OutboxAdmin::from).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn what_waits_in_an_older_outbox_on_postgres_is_carried_over_in_order() {
    let (pool, _) = scratch_schema().await;
    moving::postgres(pool).await;
}
