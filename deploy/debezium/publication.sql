-- Once per database, by a role that owns the table. Debezium sees inserts alone: whoever deletes the rows costs it nothing.
CREATE PUBLICATION nova_outbox FOR TABLE outbox_events WITH (publish = 'insert');
