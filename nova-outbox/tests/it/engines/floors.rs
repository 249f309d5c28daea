use std::time::{Duration, Instant};

use nova_outbox::{
    Bucket, Outbox, OutboxStore, Outcomes, PostgresOutboxRepository, ReadRequest, RelayId,
};
use sqlx::postgres::PgPool;
use sqlx::{Connection, PgConnection, Postgres};

use super::{pool, scratch, scratch_options};
use crate::sample::event;
use crate::scripted_publisher::{Act, ScriptedPublisher};
use crate::service::{PATIENCE, Service};

const TTL: Duration = Duration::from_secs(600);

/// Reads all there is and settles it.
async fn drain(repository: &PostgresOutboxRepository, relay: RelayId) {
    let buckets: Vec<_> = Bucket::all().collect();
    loop {
        let request = ReadRequest::new(&buckets, &[], 1_000);
        let batch = repository.read(request).await.unwrap();
        if batch.events.is_empty() {
            return;
        }
        let outcomes = Outcomes {
            acknowledged: batch.events.iter().map(|row| row.key).collect(),
            ..Outcomes::default()
        };
        repository.settle(relay, &outcomes).await.unwrap();
    }
}

/// How many blocks of the table and its index a read touches, on a pool of one connection.
async fn blocks_of_a_read(pool: &PgPool, repository: &PostgresOutboxRepository) -> i64 {
    async fn blocks(pool: &PgPool) -> i64 {
        // What the session has counted becomes visible with this.
        sqlx::query("SELECT pg_stat_force_next_flush()")
            .execute(pool)
            .await
            .unwrap();
        sqlx::query_scalar(
            "SELECT heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit
            FROM pg_statio_user_tables
            WHERE relname = 'outbox_events' AND schemaname = current_schema()",
        )
        .fetch_one(pool)
        .await
        .unwrap()
    }
    let buckets: Vec<_> = Bucket::all().collect();
    let before = blocks(pool).await;
    let request = ReadRequest::new(&buckets, &[], 1_000);
    repository.read(request).await.unwrap();
    blocks(pool).await - before
}

/// A snapshot that nothing may be cleaned up behind.
async fn hold_snapshot(options: &sqlx::postgres::PgConnectOptions) -> PgConnection {
    let mut connection = PgConnection::connect_with(options).await.unwrap();
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM outbox_events")
        .execute(&mut connection)
        .await
        .unwrap();
    connection
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn dead_rows_under_a_long_transaction_cost_a_read_little() {
    let options = scratch_options().await;
    let service = Service::<Postgres>::on(pool(options.clone(), 2).await).await;
    let snapshot = hold_snapshot(&options).await;
    let one = pool(options, 1).await;
    let repository = PostgresOutboxRepository::new(one.clone());
    let relay = RelayId::new();
    repository.hold_leases(relay, TTL).await.unwrap();
    for round in 0..20 {
        let events = (0..2_500).map(|a| event(&format!("a{a}"), round));
        service.enqueue(events).await;
        drain(&repository, relay).await;
    }
    // The floors follow within moments, as long as there is something to do.
    let began = Instant::now();
    let mut number = 100;
    while blocks_of_a_read(&one, &repository).await > 500 {
        assert!(began.elapsed() < PATIENCE, "the floors are raised in time");
        service.enqueue([event("a1", number)]).await;
        drain(&repository, relay).await;
        number += 1;
    }
    let without = blocks_of_a_read(&one, &PostgresOutboxRepository::new(one.clone())).await;
    assert!(
        without > 5_000,
        "the dead rows are still there: {without} blocks"
    );
    // The sum of the gauges, and the question whether there is anything, are spared too, and right.
    service.enqueue([event("a1", number)]).await;
    let tenancy = repository.hold_leases(relay, TTL).await.unwrap();
    assert!(tenancy.pending);
    let buckets: Vec<_> = Bucket::all().collect();
    assert_eq!(repository.stats(&buckets).await.unwrap().pending, 1);
    snapshot.close().await.unwrap();
}

/// A transaction has its number and is not committed while thousands of later ones of its bucket come and go.
#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn a_floor_does_not_pass_a_transaction_that_is_committed_late() {
    let service = Service::on(scratch().await).await;
    let bucket = Bucket::of("content", "late");
    let mut others = (0..)
        .map(|n| format!("other-{n}"))
        .filter(|id| Bucket::of("content", id) == bucket);
    let other = others.next().unwrap();
    let publisher = ScriptedPublisher::acknowledging();
    let _relay = service.relay(publisher.clone()).start();
    let mut tx = service.pool.begin().await.unwrap();
    let enqueued = service.outbox.enqueue(&mut tx, event("late", 0)).await;
    enqueued.unwrap();
    // Longer than it takes to raise the floors several times.
    let began = Instant::now();
    let mut number = 0;
    while began.elapsed() < Duration::from_millis(1_500) {
        service.enqueue([event(&other, number)]).await;
        number += 1;
        publisher.wait_for(usize::try_from(number).unwrap()).await;
    }
    tx.commit().await.unwrap();
    service.enqueue([event("late", 1)]).await;
    publisher
        .wait_for(usize::try_from(number).unwrap() + 2)
        .await;
    assert_eq!(publisher.numbers()["late"], [0, 1]);
    service.drained().await;
}

/// Numbers of an aggregate rise in what goes out, however transactions overlap and whatever the floors do meanwhile.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn overlapping_transactions_over_rising_floors_keep_the_order_of_their_locks() {
    const WRITERS: u32 = 5;
    const ROUNDS: u32 = 300;
    let options = scratch_options().await;
    let mut service = Service::<Postgres>::on(pool(options, 10).await).await;
    service.outbox = Outbox::builder("content-service")
        .lock_aggregates(true)
        .build()
        .unwrap();
    let publisher = ScriptedPublisher::new(|event| match event.seq % 97 {
        0 if event.attempts == 0 => Act::Fail,
        n => Act::AcknowledgeLate(u32::try_from(n % 3).unwrap()),
    });
    let relays = [0; 2].map(|_| service.relay(publisher.twin()).start());
    let writers = (0..WRITERS).map(|writer| {
        let service = &service;
        async move {
            for round in 0..ROUNDS {
                let mut tx = service.pool.begin().await.unwrap();
                let id = format!("a{}", fastrand::u32(0..6));
                let number = writer * ROUNDS + round;
                let enqueued = service.outbox.enqueue(&mut tx, event(&id, number)).await;
                enqueued.unwrap();
                // The transactions of other aggregates overtake it.
                for _ in 0..fastrand::u32(0..4) {
                    sqlx::raw_sql("SELECT pg_sleep(0.001)")
                        .execute(&mut *tx)
                        .await
                        .unwrap();
                }
                tx.commit().await.unwrap();
            }
        }
    });
    tokio::time::timeout(PATIENCE, futures::future::join_all(writers))
        .await
        .unwrap();
    service.drained().await;
    for relay in &relays {
        relay.shutdown(Duration::from_secs(30)).await.unwrap();
    }
    let sent = publisher.sent();
    assert_eq!(sent.len(), usize::try_from(WRITERS * ROUNDS).unwrap());
    for aggregate in 0..6 {
        let id = format!("a{aggregate}");
        let of_it = sent.iter().filter(|sent| sent.aggregate == id);
        let seqs: Vec<_> = of_it.map(|sent| sent.seq).collect();
        assert!(seqs.is_sorted_by(|a, b| a < b), "{id}: {seqs:?}");
    }
}
