-- Carries what an older outbox had not published over to the new one, in order. Run `nova-outbox migrate` before.
-- What is carried over is marked as published in the older table, so that it is not carried over twice.
BEGIN IMMEDIATE;

-- The bucket of an aggregate, as the crate computes it: murmur2 of the type, a zero byte and the id.
-- SQLite has no exclusive or: it is (a | b) - (a & b).
CREATE TEMP TABLE outbox_buckets AS
WITH RECURSIVE pending AS (
    SELECT DISTINCT aggregate_type, aggregate_id,
        hex(CAST(aggregate_type AS BLOB)) || '00' || hex(CAST(aggregate_id AS BLOB)) AS key
    FROM outbox_events_older WHERE published_at IS NULL
), places (key, place) AS (
    SELECT key, 0 FROM pending
    UNION ALL
    SELECT key, place + 1 FROM places WHERE 2 * (place + 1) < length(key)
), bytes AS (
    SELECT key, place,
        16 * (instr('0123456789ABCDEF', substr(key, 2 * place + 1, 1)) - 1)
            + instr('0123456789ABCDEF', substr(key, 2 * place + 2, 1)) - 1 AS byte
    FROM places
), raw AS (
    SELECT key, place / 4 AS number, count(*) AS size, sum(byte << (8 * (place % 4))) AS block
    FROM bytes GROUP BY key, place / 4
), multiplied AS (
    SELECT key, number, size, block, (block * 1540483477) & 4294967295 AS mixed FROM raw
), blocks AS MATERIALIZED (
    SELECT key, number, size,
        CASE size WHEN 4
            THEN (((mixed | (mixed >> 24)) - (mixed & (mixed >> 24))) * 1540483477) & 4294967295
            ELSE block
        END AS block
    FROM multiplied
), hashes (key, number, hash) AS (
    SELECT key, 0, (2538058380 | (length(key) / 2)) - (2538058380 & (length(key) / 2)) FROM pending
    UNION ALL
    SELECT h.key, h.number + 1,
        CASE b.size WHEN 4
            THEN (((h.hash * 1540483477) & 4294967295) | b.block) - (((h.hash * 1540483477) & 4294967295) & b.block)
            ELSE (((h.hash | b.block) - (h.hash & b.block)) * 1540483477) & 4294967295
        END
    FROM hashes h JOIN blocks b ON b.key = h.key AND b.number = h.number
), last AS (
    SELECT key, hash FROM hashes WHERE number = (length(key) / 2 + 3) / 4
), stirred AS (
    SELECT key, (((hash | (hash >> 13)) - (hash & (hash >> 13))) * 1540483477) & 4294967295 AS hash FROM last
)
SELECT p.aggregate_type, p.aggregate_id,
    (((s.hash | (s.hash >> 15)) - (s.hash & (s.hash >> 15))) & 2147483647) % 64 AS bucket
FROM pending p JOIN stirred s ON s.key = p.key;

INSERT INTO outbox_events (id, bucket, aggregate_type, aggregate_id, event_type, payload, schema_version, created_at)
SELECT lower(o.id), b.bucket, o.aggregate_type, o.aggregate_id, o.event_type, CAST(o.payload AS BLOB), 1,
    strftime('%Y-%m-%dT%H:%M:%fZ', o.created_at)
FROM outbox_events_older o
JOIN outbox_buckets b ON b.aggregate_type = o.aggregate_type AND b.aggregate_id = o.aggregate_id
WHERE o.published_at IS NULL
ORDER BY o.created_at, o.id;

DROP TABLE outbox_buckets;
UPDATE outbox_events_older SET published_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE published_at IS NULL;
COMMIT;
