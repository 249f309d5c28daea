use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::admin::survey::{Engine, PostgresFacts, Survey};
use crate::{OutboxSummary, row};

const SURVEY: &str = "
    SELECT
        now() AS now,
        (SELECT count(*) FROM outbox_leases) AS leases,
        (SELECT extract(epoch FROM max(expires_at) - now())::float8 FROM outbox_leases) AS longest_lease,
        (SELECT count(*) FROM outbox_events e WHERE NOT EXISTS (
            SELECT FROM outbox_leases l WHERE l.bucket = e.bucket AND l.owner IS NOT NULL AND l.expires_at > now()
        )) AS unowned_events,
        (SELECT count(*) FROM outbox_scheduled WHERE due_at < now() - interval '1 minute') AS overdue,
        (SELECT coalesce(max(octet_length(payload)), 0)::int8 FROM outbox_events) AS largest_payload,
        coalesce((SELECT seqcache = 1 FROM pg_sequence
            WHERE seqrelid = pg_get_serial_sequence('outbox_events', 'seq')::regclass), false) AS in_order";

// A slot or a prepared transaction holds rows as a running transaction does.
const FACTS: &str = "
    SELECT
        coalesce((SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'outbox_events'::regclass), 0) AS dead_rows,
        coalesce((SELECT n_tup_upd FROM pg_stat_user_tables WHERE relid = 'outbox_events'::regclass), 0) AS updates,
        pg_total_relation_size('outbox_events') AS table_bytes,
        current_setting('autovacuum')::bool AND current_setting('track_counts')::bool AS autovacuum,
        coalesce((SELECT reloptions FROM pg_class WHERE oid = 'outbox_events'::regclass), '{}') AS storage,
        (SELECT extract(epoch FROM now() - min(began))::float8 FROM (
            SELECT xact_start AS began FROM pg_stat_activity
            WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker'
            UNION ALL SELECT prepared FROM pg_prepared_xacts
        ) t) AS oldest_transaction,
        coalesce((SELECT array_agg(slot_name::text ORDER BY slot_name) FROM pg_replication_slots WHERE NOT active), '{}') AS idle_slots,
        current_setting('fsync')::bool AS fsync,
        current_setting('synchronous_commit') <> 'off' AS synchronous";

pub(super) async fn survey(
    connection: &mut PgConnection,
    summary: OutboxSummary,
) -> Result<Survey, sqlx::Error> {
    let row = sqlx::query(SURVEY)
        .persistent(false)
        .fetch_one(&mut *connection)
        .await?;
    let facts = sqlx::query(FACTS)
        .persistent(false)
        .fetch_one(connection)
        .await?;
    Ok(Survey {
        summary,
        leases: row.try_get("leases")?,
        longest_lease: seconds(&row, "longest_lease")?,
        unowned_events: row.try_get("unowned_events")?,
        overdue: row.try_get("overdue")?,
        largest_payload: row.try_get("largest_payload")?,
        now: row.try_get("now")?,
        is_numbered_in_order: row.try_get("in_order")?,
        engine: Engine::Postgres(PostgresFacts {
            dead_rows: facts.try_get("dead_rows")?,
            updates: facts.try_get("updates")?,
            table_bytes: facts.try_get("table_bytes")?,
            is_autovacuum_on: facts.try_get("autovacuum")?,
            storage: facts.try_get("storage")?,
            oldest_transaction: seconds(&facts, "oldest_transaction")?,
            idle_slots: facts.try_get("idle_slots")?,
            fsync: facts.try_get("fsync")?,
            is_commit_synchronous: facts.try_get("synchronous")?,
        }),
    })
}

fn seconds(row: &PgRow, column: &str) -> Result<Option<Duration>, sqlx::Error> {
    let seconds: Option<f64> = row.try_get(column)?;
    Ok(seconds.map(|seconds| row::age(Some(seconds))))
}
