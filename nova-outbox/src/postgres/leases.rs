use std::time::Duration;

use sqlx::{PgConnection, Row};

use super::scheduled::wait;
use crate::{Bucket, Lease, RelayId, Tenancy};

// One statement, so that an idle relay costs one a poll. Its parts see the tables as they were before it.
const HOLD: &str = "
    WITH me AS (
        INSERT INTO outbox_relays (relay, expires_at) VALUES ($1, now() + make_interval(secs => $2))
        ON CONFLICT (relay) DO UPDATE SET expires_at = excluded.expires_at
    ), gone AS (
        DELETE FROM outbox_relays WHERE relay <> $1 AND expires_at <= now()
    ), others AS (
        SELECT count(*) AS number, count(*) FILTER (WHERE relay < $1) AS before
        FROM outbox_relays WHERE relay <> $1 AND expires_at > now()
    ), share AS (
        SELECT 64 / (number + 1) + CASE WHEN before < 64 % (number + 1) THEN 1 ELSE 0 END AS buckets
        FROM others
    ), mine AS (
        SELECT bucket FROM outbox_leases WHERE owner = $1 AND expires_at > now()
    ), free AS (
        SELECT bucket FROM outbox_leases WHERE owner IS NULL OR expires_at <= now()
        ORDER BY bucket
        LIMIT greatest((SELECT buckets FROM share) - (SELECT count(*) FROM mine), 0)
        FOR UPDATE SKIP LOCKED
    ), held AS (
        UPDATE outbox_leases SET
            owner = $1,
            expires_at = now() + make_interval(secs => $2),
            epoch = epoch + CASE WHEN owner = $1 AND expires_at > now() THEN 0 ELSE 1 END
        WHERE bucket IN (SELECT bucket FROM mine UNION ALL SELECT bucket FROM free)
            AND (owner IS NULL OR owner = $1 OR expires_at <= now())
        RETURNING bucket, epoch
    )
    SELECT share.buckets AS share, held.bucket, held.epoch,
        EXISTS (
            SELECT FROM outbox_events e WHERE e.bucket = held.bucket AND e.seq >= ($3::int8[])[held.bucket + 1]
        ) AS pending,
        (SELECT extract(epoch FROM min(s.due_at) - now())::float8
            FROM outbox_scheduled s WHERE s.bucket = held.bucket) AS due_in
    FROM share LEFT JOIN held ON true";

const RELEASE: &str = "
    UPDATE outbox_leases l SET owner = NULL, expires_at = NULL
    FROM unnest($2::int2[], $3::int8[]) AS r (bucket, epoch)
    WHERE l.bucket = r.bucket AND l.epoch = r.epoch AND l.owner = $1";

const LEAVE: &str = "
    WITH gone AS (DELETE FROM outbox_relays WHERE relay = $1)
    UPDATE outbox_leases SET owner = NULL, expires_at = NULL WHERE owner = $1";

pub(super) async fn hold(
    connection: &mut PgConnection,
    relay: RelayId,
    ttl: Duration,
    floors: Vec<i64>,
) -> Result<Tenancy, sqlx::Error> {
    let rows = sqlx::query(HOLD)
        .bind(relay.as_uuid())
        .bind(ttl.as_secs_f64())
        .bind(floors)
        .persistent(false)
        .fetch_all(connection)
        .await?;
    let mut tenancy = Tenancy::default();
    for row in rows {
        tenancy.share = usize::try_from(row.try_get::<i64, _>("share")?).unwrap_or_default();
        let bucket: Option<i16> = row.try_get("bucket")?;
        if let Some(bucket) = bucket.and_then(Bucket::new) {
            let epoch = row.try_get("epoch")?;
            tenancy.leases.push(Lease { bucket, epoch });
            tenancy.pending |= row.try_get::<bool, _>("pending")?;
            let due_in: Option<f64> = row.try_get("due_in")?;
            tenancy.next_due = tenancy.next_due.into_iter().chain(due_in.map(wait)).min();
        }
    }
    Ok(tenancy)
}

pub(super) async fn release(
    connection: &mut PgConnection,
    relay: RelayId,
    leases: &[Lease],
) -> Result<(), sqlx::Error> {
    let buckets: Vec<i16> = leases.iter().map(|l| l.bucket.number()).collect();
    let epochs: Vec<i64> = leases.iter().map(|l| l.epoch).collect();
    sqlx::query(RELEASE)
        .bind(relay.as_uuid())
        .bind(buckets)
        .bind(epochs)
        .persistent(false)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn leave(
    connection: &mut PgConnection,
    relay: RelayId,
) -> Result<(), sqlx::Error> {
    sqlx::query(LEAVE)
        .bind(relay.as_uuid())
        .persistent(false)
        .execute(connection)
        .await?;
    Ok(())
}
