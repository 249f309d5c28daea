use super::{Seconds, fine, problem, warning};
use crate::admin::survey::PostgresFacts;
use crate::{Check, Thresholds};

/// What the migration sets for the table of events.
pub(super) const STORAGE: [&str; 2] = [
    "autovacuum_vacuum_scale_factor=0",
    "autovacuum_vacuum_threshold=5000",
];

pub(super) fn examine(facts: &PostgresFacts, limits: &Thresholds) -> [Check; 6] {
    [
        dead_rows(facts, limits),
        vacuum(facts),
        transactions(facts, limits),
        slots(facts),
        updates(facts),
        durability(facts),
    ]
}

fn dead_rows(facts: &PostgresFacts, limits: &Thresholds) -> Check {
    let found = format!(
        "{} deleted rows are still in outbox_events, which has {} bytes",
        facts.dead_rows, facts.table_bytes
    );
    if u64::try_from(facts.dead_rows).unwrap_or_default() > limits.dead_rows {
        return warning(
            "dead rows",
            found,
            "autovacuum does not keep up: see the checks of transactions and of autovacuum, then `VACUUM outbox_events`",
        );
    }
    fine("dead rows", found)
}

fn vacuum(facts: &PostgresFacts) -> Check {
    if !facts.is_autovacuum_on {
        return problem(
            "autovacuum",
            "it is off: deleted rows stay for ever, and reads become slower and slower".to_owned(),
            "set autovacuum and track_counts to on",
        );
    }
    let missing = STORAGE.iter().find(|setting| {
        let set = |parameter: &String| parameter == *setting;
        !facts.storage.iter().any(set)
    });
    match missing {
        Some(setting) => warning(
            "autovacuum",
            format!("outbox_events is without {setting}"),
            "ALTER TABLE outbox_events SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)",
        ),
        None => fine(
            "autovacuum",
            "it is on, and set for outbox_events".to_owned(),
        ),
    }
}

fn transactions(facts: &PostgresFacts, limits: &Thresholds) -> Check {
    let age = facts.oldest_transaction.unwrap_or_default();
    let found = format!("the oldest snapshot is held for {}", Seconds(age));
    if age > limits.transaction {
        return warning(
            "transactions",
            found,
            "deleted rows cannot be vacuumed before it ends: find it in pg_stat_activity or pg_prepared_xacts; idle_in_transaction_session_timeout ends such",
        );
    }
    fine("transactions", found)
}

fn slots(facts: &PostgresFacts) -> Check {
    if facts.idle_slots.is_empty() {
        return fine("replication slots", "none is idle".to_owned());
    }
    warning(
        "replication slots",
        format!("nobody reads {}", facts.idle_slots.join(", ")),
        "an idle slot keeps the write-ahead log until the disk is full: start its reader, or pg_drop_replication_slot, and set max_slot_wal_keep_size",
    )
}

fn updates(facts: &PostgresFacts) -> Check {
    match facts.updates {
        0 => fine("updates", "no event was changed in place".to_owned()),
        updates => warning(
            "updates",
            format!("rows of outbox_events were updated {updates} times"),
            "nothing of this crate does that, and Debezium's router stops at it: find the trigger or the job",
        ),
    }
}

fn durability(facts: &PostgresFacts) -> Check {
    if !facts.fsync {
        return problem(
            "durability",
            "fsync is off: a crash of the machine can lose committed events".to_owned(),
            "set fsync to on",
        );
    }
    if !facts.is_commit_synchronous {
        return warning(
            "durability",
            "synchronous_commit is off: a crash can undo the last commits, some of which may be published by then".to_owned(),
            "set synchronous_commit to on for the roles that enqueue",
        );
    }
    fine("durability", "commits are on disk".to_owned())
}
