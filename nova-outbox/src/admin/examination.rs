//! From facts to findings: no database here.

#[cfg(feature = "postgres")]
mod postgres;

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::survey::{Engine, Survey};
use crate::{Bucket, Check, SchemaVersion, Severity, Thresholds};

/// The longest that a lease can be: the longest delivery time-out and four of the longest poll intervals.
const LONGEST_LEASE: Duration = Duration::from_secs(3600 + 4 * 60);

pub(super) fn schema(version: SchemaVersion) -> Check {
    let SchemaVersion { applied, latest } = version;
    match applied {
        None => problem(
            "migrations",
            "there are no outbox tables".to_owned(),
            "run `nova-outbox migrate`, and check the schema in the connection's search path",
        ),
        Some(applied) if applied < latest => problem(
            "migrations",
            format!("the tables have version {applied}, this build wants {latest}"),
            "run `nova-outbox migrate`",
        ),
        Some(applied) if applied > latest => warning(
            "migrations",
            format!("the tables have version {applied}, this build knows {latest}"),
            "use the `nova-outbox` of the newest version that runs",
        ),
        Some(applied) => fine("migrations", format!("the tables have version {applied}")),
    }
}

pub(super) fn examine(survey: &Survey, limits: &Thresholds, here: DateTime<Utc>) -> Vec<Check> {
    let mut checks = vec![
        leases(survey),
        backlog(survey, limits),
        holds(survey),
        dead_letters(survey),
        schedule(survey),
        numbers(survey),
        payloads(survey, limits),
        clock(survey, limits, here),
    ];
    match &survey.engine {
        #[cfg(feature = "postgres")]
        Engine::Postgres(facts) => checks.extend(postgres::examine(facts, limits)),
        #[cfg(feature = "sqlite")]
        Engine::Sqlite { journal_mode } => checks.push(journal(journal_mode)),
    }
    checks
}

fn leases(survey: &Survey) -> Check {
    let (owned, relays) = (survey.summary.owned_buckets, survey.summary.relays);
    let unowned = survey.unowned_events;
    if survey.leases != i64::from(Bucket::COUNT) {
        return problem(
            "leases",
            format!("there are {} leases instead of 64", survey.leases),
            "insert the missing buckets, 0 to 63, into outbox_leases: events in them never go out",
        );
    }
    if survey.longest_lease > Some(LONGEST_LEASE) {
        return problem(
            "leases",
            "a lease ends later than a relay can have asked for: the database's clock was set back"
                .to_owned(),
            "stop the relays, `UPDATE outbox_leases SET owner = NULL, expires_at = NULL`, start them again",
        );
    }
    if unowned > 0 {
        return problem(
            "leases",
            format!("{unowned} events are in buckets that no relay owns ({owned} of 64 are owned)"),
            "start a relay; after a crash its buckets are free when their lease ends, within a minute or so",
        );
    }
    if owned < 64 {
        return warning(
            "leases",
            format!("{owned} of 64 buckets are owned, by {relays} relays"),
            "start a relay; where Debezium publishes there is none, and all is well",
        );
    }
    fine(
        "leases",
        format!("all buckets are owned, by {relays} relays"),
    )
}

fn backlog(survey: &Survey, limits: &Thresholds) -> Check {
    let stats = survey.summary.stats;
    let age = stats.oldest_age.unwrap_or_default();
    let found = format!(
        "{} events are pending, the oldest for {}",
        stats.pending,
        Seconds(age)
    );
    if age > limits.oldest_age || stats.pending > limits.pending {
        return problem(
            "backlog",
            found,
            "look at the relays' health and logs: the broker may be away, the relays too few, or events on hold (`list --state retrying`)",
        );
    }
    fine("backlog", found)
}

fn holds(survey: &Survey) -> Check {
    match survey.summary.stats.retrying {
        0 => fine("holds", "no aggregate is on hold".to_owned()),
        held => warning(
            "holds",
            format!("{held} aggregates are on hold after a failure"),
            "`list --state retrying` says why; they go on by themselves when it is mended",
        ),
    }
}

fn dead_letters(survey: &Survey) -> Check {
    match survey.summary.stats.dead {
        0 => fine("dead letters", "there are none".to_owned()),
        dead => problem(
            "dead letters",
            format!(
                "there are {dead}, the oldest for {}",
                Seconds(survey.summary.oldest_dead.unwrap_or_default())
            ),
            "`list --state dead` says why; mend it, then `replay` them, or `purge` what is of no use",
        ),
    }
}

fn schedule(survey: &Survey) -> Check {
    match survey.overdue {
        0 => fine(
            "schedule",
            format!("{} events wait for their time", survey.summary.scheduled),
        ),
        overdue => problem(
            "schedule",
            format!("{overdue} events are overdue for more than a minute"),
            "start a relay: it moves them into the outbox",
        ),
    }
}

fn numbers(survey: &Survey) -> Check {
    if survey.is_numbered_in_order {
        return fine("sequence", "numbers are handed out in order".to_owned());
    }
    problem(
        "sequence",
        "numbers are not handed out in order: events of an aggregate can go out in the wrong one"
            .to_owned(),
        "on PostgreSQL `ALTER TABLE outbox_events ALTER COLUMN seq SET CACHE 1`, on SQLite make the table with AUTOINCREMENT",
    )
}

fn payloads(survey: &Survey, limits: &Thresholds) -> Check {
    let largest = survey.largest_payload;
    let found = format!("the largest payload that waits has {largest} bytes");
    if u64::try_from(largest).unwrap_or_default() > limits.payload {
        return problem(
            "payloads",
            format!("{found}, the limit is {}", limits.payload),
            "the broker may refuse it: raise its message.max.bytes and the producer's message.max.bytes, or set `max_payload` of the outbox lower",
        );
    }
    fine("payloads", found)
}

fn clock(survey: &Survey, limits: &Thresholds, here: DateTime<Utc>) -> Check {
    let apart = (here - survey.now).abs().to_std().unwrap_or_default();
    let found = format!(
        "the database's clock and this machine's are {} apart",
        Seconds(apart)
    );
    if apart > limits.clock {
        return warning(
            "clock",
            found,
            "the outbox goes by the database's alone and is not affected; who compares times of both is: run an NTP client on both",
        );
    }
    fine("clock", found)
}

#[cfg(feature = "sqlite")]
fn journal(mode: &str) -> Check {
    if mode.eq_ignore_ascii_case("wal") {
        return fine("journal", "it is a write-ahead log".to_owned());
    }
    warning(
        "journal",
        format!("its mode is {mode}: readers and writers wait for each other"),
        "`PRAGMA journal_mode = wal`, once",
    )
}

fn fine(name: &'static str, finding: String) -> Check {
    Check {
        name,
        severity: Severity::Fine,
        finding,
        advice: None,
    }
}

fn warning(name: &'static str, finding: String, advice: &str) -> Check {
    Check {
        name,
        severity: Severity::Warning,
        finding,
        advice: Some(advice.to_owned()),
    }
}

fn problem(name: &'static str, finding: String, advice: &str) -> Check {
    Check {
        severity: Severity::Problem,
        ..warning(name, finding, advice)
    }
}

/// A duration to the tenth of a second.
struct Seconds(Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} s", self.0.as_secs_f64())
    }
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::postgres::STORAGE;
    use super::*;
    use crate::admin::survey::PostgresFacts;
    use crate::{OutboxStats, OutboxSummary};

    fn facts() -> PostgresFacts {
        PostgresFacts {
            dead_rows: 5_000,
            updates: 0,
            table_bytes: 1 << 20,
            is_autovacuum_on: true,
            storage: STORAGE.map(str::to_owned).to_vec(),
            oldest_transaction: None,
            idle_slots: Vec::new(),
            fsync: true,
            is_commit_synchronous: true,
        }
    }

    fn survey(facts: PostgresFacts) -> Survey {
        let summary = OutboxSummary {
            owned_buckets: 64,
            relays: 1,
            ..OutboxSummary::default()
        };
        Survey {
            summary,
            leases: 64,
            longest_lease: Some(Duration::from_secs(52)),
            unowned_events: 0,
            overdue: 0,
            largest_payload: 256,
            now: DateTime::UNIX_EPOCH,
            is_numbered_in_order: true,
            engine: Engine::Postgres(facts),
        }
    }

    /// The findings that are not fine, by name.
    fn found(survey: &Survey) -> Vec<(&'static str, Severity)> {
        let limits = Thresholds::default();
        let checks = examine(survey, &limits, DateTime::UNIX_EPOCH);
        let bad = checks
            .iter()
            .filter(|check| check.severity > Severity::Fine);
        bad.inspect(|check| assert!(check.advice.is_some(), "{check:?}"))
            .map(|check| (check.name, check.severity))
            .collect()
    }

    #[test]
    fn nothing_is_found_where_nothing_is_wrong() {
        assert_eq!(found(&survey(facts())), []);
    }

    #[test]
    fn what_is_wrong_with_the_database_is_found_one_by_one() {
        let minutes = |n: u64| Some(Duration::from_secs(n * 60));
        let cases = [
            (
                PostgresFacts {
                    dead_rows: 100_001,
                    ..facts()
                },
                "dead rows",
                Severity::Warning,
            ),
            (
                PostgresFacts {
                    updates: 1,
                    ..facts()
                },
                "updates",
                Severity::Warning,
            ),
            (
                PostgresFacts {
                    is_autovacuum_on: false,
                    ..facts()
                },
                "autovacuum",
                Severity::Problem,
            ),
            (
                PostgresFacts {
                    storage: Vec::new(),
                    ..facts()
                },
                "autovacuum",
                Severity::Warning,
            ),
            (
                PostgresFacts {
                    oldest_transaction: minutes(6),
                    ..facts()
                },
                "transactions",
                Severity::Warning,
            ),
            (
                PostgresFacts {
                    idle_slots: vec!["old".to_owned()],
                    ..facts()
                },
                "replication slots",
                Severity::Warning,
            ),
            (
                PostgresFacts {
                    fsync: false,
                    ..facts()
                },
                "durability",
                Severity::Problem,
            ),
            (
                PostgresFacts {
                    is_commit_synchronous: false,
                    ..facts()
                },
                "durability",
                Severity::Warning,
            ),
        ];
        for (facts, name, severity) in cases {
            assert_eq!(found(&survey(facts)), [(name, severity)]);
        }
    }

    #[test]
    fn what_is_wrong_with_the_outbox_is_found_one_by_one() {
        let with = |change: fn(&mut Survey)| {
            let mut survey = survey(facts());
            change(&mut survey);
            found(&survey)
        };
        let old = |survey: &mut Survey| {
            survey.summary.stats.oldest_age = Some(Duration::from_millis(60_001));
        };
        let day = |survey: &mut Survey| survey.longest_lease = Some(Duration::from_secs(86_400));
        let hour = |survey: &mut Survey| survey.now += chrono::TimeDelta::hours(1);
        let dead = |survey: &mut Survey| {
            survey.summary.stats = OutboxStats {
                dead: 1,
                ..OutboxStats::default()
            };
        };
        assert_eq!(with(old), [("backlog", Severity::Problem)]);
        assert_eq!(
            with(|s| s.summary.stats.pending = 1_001),
            [("backlog", Severity::Problem)]
        );
        assert_eq!(
            with(|s| s.summary.stats.retrying = 1),
            [("holds", Severity::Warning)]
        );
        assert_eq!(with(dead), [("dead letters", Severity::Problem)]);
        assert_eq!(with(|s| s.overdue = 1), [("schedule", Severity::Problem)]);
        assert_eq!(with(|s| s.leases = 63), [("leases", Severity::Problem)]);
        assert_eq!(with(day), [("leases", Severity::Problem)]);
        assert_eq!(
            with(|s| s.unowned_events = 1),
            [("leases", Severity::Problem)]
        );
        assert_eq!(
            with(|s| s.summary.owned_buckets = 63),
            [("leases", Severity::Warning)]
        );
        assert_eq!(
            with(|s| s.is_numbered_in_order = false),
            [("sequence", Severity::Problem)]
        );
        assert_eq!(
            with(|s| s.largest_payload = 921_601),
            [("payloads", Severity::Problem)]
        );
        assert_eq!(with(hour), [("clock", Severity::Warning)]);
    }

    #[test]
    fn tables_of_another_version_are_told_with_what_to_do() {
        let severity = |applied| {
            let check = schema(SchemaVersion { applied, latest: 2 });
            check.severity
        };
        assert_eq!(severity(None), Severity::Problem);
        assert_eq!(severity(Some(1)), Severity::Problem);
        assert_eq!(severity(Some(2)), Severity::Fine);
        assert_eq!(severity(Some(3)), Severity::Warning);
    }
}
