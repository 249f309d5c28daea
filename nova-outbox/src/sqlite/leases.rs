use std::time::Duration;

use sqlx::types::Json;
use sqlx::{Row, SqliteConnection};

use super::read::milliseconds;
use super::scheduled::next_due;
use crate::{Bucket, Lease, RelayId, Tenancy};

const JOIN: &str = "
    INSERT INTO outbox_relays (relay, expires_at)
    VALUES (?1, CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER) + ?2)
    ON CONFLICT (relay) DO UPDATE SET expires_at = excluded.expires_at";

const FORGET: &str = "
    DELETE FROM outbox_relays
    WHERE relay <> ?1 AND expires_at <= CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)";

const SHARE: &str = "
    SELECT 64 / count(*) + (sum(relay < ?1) < 64 % count(*)) AS share FROM outbox_relays";

// The expiry of one's own lease is read once, so that the epoch and the choice agree.
const HOLD: &str = "
    WITH clock (now) AS (SELECT CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)),
    mine AS (
        SELECT bucket FROM outbox_leases, clock WHERE owner = ?1 AND expires_at > now
    ), free AS (
        SELECT bucket FROM outbox_leases, clock WHERE owner IS NULL OR expires_at <= now
        ORDER BY bucket
        LIMIT max(?3 - (SELECT count(*) FROM mine), 0)
    )
    UPDATE outbox_leases SET
        owner = ?1,
        expires_at = (SELECT now FROM clock) + ?2,
        epoch = epoch + (bucket NOT IN (SELECT bucket FROM mine))
    WHERE bucket IN (SELECT bucket FROM mine) OR bucket IN (SELECT bucket FROM free)
    RETURNING bucket, epoch";

const PENDING: &str = "
    SELECT EXISTS (
        SELECT 1 FROM outbox_leases l JOIN outbox_events e ON e.bucket = l.bucket WHERE l.owner = ?1
    )";

const RELEASE: &str = "
    UPDATE outbox_leases SET owner = NULL, expires_at = NULL
    WHERE owner = ?1 AND EXISTS (
        SELECT 1 FROM json_each(?2) r WHERE r.value ->> 0 = bucket AND r.value ->> 1 = epoch
    )";

pub(super) async fn hold(
    connection: &mut SqliteConnection,
    relay: RelayId,
    ttl: Duration,
) -> Result<Tenancy, sqlx::Error> {
    let id = relay.as_uuid().hyphenated();
    let ttl = milliseconds(ttl);
    sqlx::query(JOIN)
        .bind(id)
        .bind(ttl)
        .execute(&mut *connection)
        .await?;
    sqlx::query(FORGET)
        .bind(id)
        .execute(&mut *connection)
        .await?;
    let share: i64 = sqlx::query_scalar(SHARE)
        .bind(id)
        .fetch_one(&mut *connection)
        .await?;
    let rows = sqlx::query(HOLD)
        .bind(id)
        .bind(ttl)
        .bind(share)
        .fetch_all(&mut *connection)
        .await?;
    let mut tenancy = Tenancy {
        share: usize::try_from(share).unwrap_or_default(),
        ..Tenancy::default()
    };
    for row in rows {
        if let Some(bucket) = Bucket::new(row.try_get("bucket")?) {
            let epoch = row.try_get("epoch")?;
            tenancy.leases.push(Lease { bucket, epoch });
        }
    }
    tenancy.pending = sqlx::query_scalar(PENDING)
        .bind(id)
        .fetch_one(&mut *connection)
        .await?;
    let buckets: Vec<_> = tenancy.leases.iter().map(|lease| lease.bucket).collect();
    tenancy.next_due = next_due(connection, &buckets).await?;
    Ok(tenancy)
}

pub(super) async fn release(
    connection: &mut SqliteConnection,
    relay: RelayId,
    leases: &[Lease],
) -> Result<(), sqlx::Error> {
    let leases: Vec<(i16, i64)> = leases
        .iter()
        .map(|l| (l.bucket.number(), l.epoch))
        .collect();
    sqlx::query(RELEASE)
        .bind(relay.as_uuid().hyphenated())
        .bind(Json(leases))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn leave(
    connection: &mut SqliteConnection,
    relay: RelayId,
) -> Result<(), sqlx::Error> {
    let id = relay.as_uuid().hyphenated();
    sqlx::query("DELETE FROM outbox_relays WHERE relay = ?1")
        .bind(id)
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE outbox_leases SET owner = NULL, expires_at = NULL WHERE owner = ?1")
        .bind(id)
        .execute(connection)
        .await?;
    Ok(())
}
