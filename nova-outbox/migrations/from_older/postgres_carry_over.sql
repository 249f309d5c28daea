-- Carries what an older outbox had not published over to the new one, in order. Run `nova-outbox migrate` before.
-- What is carried over is marked as published in the older table, so that it is not carried over twice.
BEGIN;

-- The bucket of an aggregate, as the crate computes it: murmur2 of the type, a zero byte and the id.
-- To make it is a write: the transaction has its id before it draws a number, on which relays that run rely.
CREATE FUNCTION pg_temp.outbox_bucket(aggregate_type text, aggregate_id text) RETURNS smallint
LANGUAGE plpgsql AS $$
DECLARE
    multiplier CONSTANT bigint := 1540483477;
    low_bits   CONSTANT bigint := 4294967295;
    key        CONSTANT bytea  := convert_to(aggregate_type, 'UTF8') || '\x00'::bytea || convert_to(aggregate_id, 'UTF8');
    size       CONSTANT int    := length(key);
    hash       bigint := 2538058380 # size;
    block      bigint;
    place      int := 0;
BEGIN
    WHILE size - place >= 4 LOOP
        block := get_byte(key, place)::bigint
            | (get_byte(key, place + 1)::bigint << 8)
            | (get_byte(key, place + 2)::bigint << 16)
            | (get_byte(key, place + 3)::bigint << 24);
        block := (block * multiplier) & low_bits;
        block := ((block # (block >> 24)) * multiplier) & low_bits;
        hash := ((hash * multiplier) & low_bits) # block;
        place := place + 4;
    END LOOP;
    IF place < size THEN
        FOR i IN place .. size - 1 LOOP
            hash := hash # (get_byte(key, i)::bigint << (8 * (i - place)));
        END LOOP;
        hash := (hash * multiplier) & low_bits;
    END IF;
    hash := ((hash # (hash >> 13)) * multiplier) & low_bits;
    hash := hash # (hash >> 15);
    RETURN (hash & 2147483647) % 64;
END
$$;

INSERT INTO outbox_events (id, bucket, aggregate_type, aggregate_id, event_type, payload, schema_version, created_at)
SELECT id::uuid, pg_temp.outbox_bucket(aggregate_type, aggregate_id::text), aggregate_type, aggregate_id::text, event_type,
    convert_to(payload::text, 'UTF8'), 1, created_at
FROM outbox_events_older
WHERE published_at IS NULL
ORDER BY created_at, id;

DROP FUNCTION pg_temp.outbox_bucket(text, text);
UPDATE outbox_events_older SET published_at = now() WHERE published_at IS NULL;
COMMIT;
