-- Sets an older outbox table aside. Stop its relays and writers first.
BEGIN;
ALTER TABLE outbox_events RENAME TO outbox_events_older;
-- An index keeps its name when its table is renamed, and the new table wants it.
ALTER INDEX IF EXISTS outbox_events_pkey RENAME TO outbox_events_older_pkey;
COMMIT;
