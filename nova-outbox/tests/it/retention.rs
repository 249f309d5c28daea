use std::sync::Arc;
use std::time::Duration;

use nova_errors::ErrorKind;
use nova_outbox::{DeadLetterRetention, OutboxAdmin, OutboxDatabase};
use nova_service::{BackgroundWorker, Shutdown};
use sqlx::{Executor, Pool, Sqlite};

use crate::command::Operated;
use crate::sample::event;
use crate::service::{PATIENCE, Service};

/// Of ten dead letters, five become old; the worker deletes these, and stops when it is told.
pub(crate) async fn old_ones_go<DB: OutboxDatabase>(
    operated: &Operated<DB>,
    admin: impl Fn(Pool<DB>) -> OutboxAdmin,
) where
    for<'c> &'c Pool<DB>: Executor<'c, Database = DB>,
{
    let service: &Service<DB> = &operated.service;
    service
        .enqueue((0..10).map(|n| event(&format!("a{n}"), n)))
        .await;
    operated.fail(|_| true, None).await;
    let pool = &service.pool;
    pool.execute("UPDATE outbox_dead SET died_at = '2020-01-01T00:00:00.000Z' WHERE seq <= 5")
        .await
        .unwrap();
    let worker = DeadLetterRetention::new(admin(pool.clone()), DeadLetterRetention::DEFAULT_AGE);
    let worker = Arc::new(worker.unwrap());
    let (trigger, shutdown) = Shutdown::new();
    let running = tokio::spawn({
        let worker = Arc::clone(&worker);
        async move { worker.run(shutdown).await }
    });
    service.wait_for(|stats| stats.dead == 5).await;
    worker.health_check().await.unwrap();
    trigger.shutdown();
    let ended = tokio::time::timeout(PATIENCE, running).await.unwrap();
    ended.unwrap().unwrap();
    assert_eq!(service.stats().await.dead, 5);
}

#[tokio::test]
async fn old_dead_letters_are_deleted_and_young_ones_kept() {
    let operated = Operated::<Sqlite>::sqlite().await;
    old_ones_go(&operated, OutboxAdmin::from).await;
}

#[tokio::test]
async fn a_database_that_refuses_fails_the_health_check_and_not_the_service() {
    let service = Service::sqlite().await;
    sqlx::raw_sql("DROP TABLE outbox_dead")
        .execute(&service.pool)
        .await
        .unwrap();
    let admin = OutboxAdmin::from(service.pool.clone());
    let worker = DeadLetterRetention::new(admin, Duration::from_secs(3600));
    let worker = Arc::new(worker.unwrap());
    let (trigger, shutdown) = Shutdown::new();
    let running = tokio::spawn({
        let worker = Arc::clone(&worker);
        async move { worker.run(shutdown).await }
    });
    let fails = async {
        while worker.health_check().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, fails).await.unwrap();
    assert!(!running.is_finished());
    trigger.shutdown();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_age_out_of_its_bounds_is_refused() {
    let admin = OutboxAdmin::from(Service::sqlite().await.pool);
    for seconds in [0, 3599, 3651 * 24 * 3600] {
        let age = Duration::from_secs(seconds);
        let error = DeadLetterRetention::new(admin.clone(), age).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Validation);
        assert_eq!(error.violations()[0].field, "age");
    }
}
