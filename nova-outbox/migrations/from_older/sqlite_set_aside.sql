-- Sets an older outbox table aside. Stop its relay and writers first.
ALTER TABLE outbox_events RENAME TO outbox_events_older;
