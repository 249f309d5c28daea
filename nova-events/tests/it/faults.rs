//! Short fault runs: on the broker in this process here, with processes that are killed and a broker that is stopped with
//! the engines.

use std::process::Command;

use sqlx::{PgPool, Postgres};

use crate::chaos::{Done, Kind, Member, Plan, run};
use crate::kafka::{brokers, topic};
use crate::ledger;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_inverted_or_committed_too_early_while_members_come_and_go() {
    let topic = topic(4);
    let plan = Plan {
        brokers: brokers(),
        topic: &topic,
        seed: 7,
        visits: 4,
        kills: 0,
        process: None,
        broker: None,
    };
    let done = run(plan, &ledger::sqlite().await).await;
    assert_eq!(done.violations, Vec::<String>::new(), "{done:?}");
    assert!(done.produced > 200 && done.poison > 0, "{done:?}");
}

/// The same with processes that are killed while they work, and the broker stopped and started.
pub(crate) async fn with_kills(
    brokers: &str,
    topic: &str,
    (url, pool): (&str, &PgPool),
    broker: &(dyn Fn(bool) + Sync),
) -> Done {
    let process = |member: &Member| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--ignored", "--exact", "faults::member_process"])
            .env("CHAOS_KIND", member.kind.name())
            .env("CHAOS_BROKERS", &member.brokers)
            .env("CHAOS_TOPIC", &member.topic)
            .env("CHAOS_GROUP", &member.group)
            .env("CHAOS_LOG", &member.log)
            .env("CHAOS_DATABASE_URL", url);
        command
    };
    let plan = Plan {
        brokers,
        topic,
        seed: fastrand::u64(..),
        visits: 4,
        kills: 8,
        process: Some(&process),
        broker: Some(broker),
    };
    run(plan, pool).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process that other tests start and kill"]
async fn member_process() {
    let Ok(kind) = std::env::var("CHAOS_KIND") else {
        return;
    };
    let setting = |name: &str| std::env::var(name).unwrap();
    let member = Member {
        kind: match kind.as_str() {
            "inbox" => Kind::Inbox,
            _ => Kind::Plain,
        },
        brokers: setting("CHAOS_BROKERS"),
        topic: setting("CHAOS_TOPIC"),
        group: setting("CHAOS_GROUP"),
        log: setting("CHAOS_LOG").into(),
    };
    let pool = PgPool::connect(&setting("CHAOS_DATABASE_URL")).await;
    let _member = member.start::<Postgres>(Some(&pool.unwrap()));
    std::future::pending::<()>().await;
}
