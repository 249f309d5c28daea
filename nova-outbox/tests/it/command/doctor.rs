use std::time::Duration;

use nova_outbox::{OutboxDatabase, OutboxStore, RelayId};
use serde_json::Value;
use sqlx::{Executor, Pool};

use super::{Operated, Ran};
use crate::sample::event;

/// The severity of a check by its name.
#[track_caller]
pub(crate) fn severity(ran: &Ran, name: &str) -> String {
    let report = ran.json();
    let mut checks = report["checks"].as_array().unwrap().iter();
    let check = checks.find(|check| check["name"] == name);
    let check = check.unwrap_or_else(|| panic!("no check of {name}: {report}"));
    let severity = check["severity"].as_str().unwrap().to_owned();
    let is_fine = severity == "fine";
    assert_eq!(
        check["advice"] == Value::Null,
        is_fine,
        "advice where it is wanted: {check}"
    );
    severity
}

/// What every outbox is checked for, found one after the other.
pub(crate) async fn finds_what_is_wrong<DB: OutboxDatabase>(operated: &Operated<DB>)
where
    for<'c> &'c Pool<DB>: Executor<'c, Database = DB>,
{
    let service = &operated.service;
    let doctor = async || operated.run(&["doctor", "--json"]).await;
    assert_eq!(severity(&doctor().await.ended(3), "leases"), "warning");
    service.enqueue([event("a", 1), event("b", 2)]).await;
    assert_eq!(severity(&doctor().await.ended(3), "leases"), "problem");

    let relay = RelayId::new();
    let repository = service.repository();
    let minute = Duration::from_secs(60);
    repository.hold_leases(relay, minute).await.unwrap();
    let well = doctor().await;
    for name in [
        "migrations",
        "leases",
        "backlog",
        "holds",
        "dead letters",
        "schedule",
        "sequence",
        "payloads",
        "clock",
    ] {
        assert_eq!(severity(&well, name), "fine", "{name}: {well:?}");
    }
    let small = operated
        .run(&["doctor", "--json", "--max-payload", "0"])
        .await;
    assert_eq!(severity(&small.ended(3), "payloads"), "problem");

    repository
        .hold_leases(relay, Duration::from_secs(24 * 3600))
        .await
        .unwrap();
    assert_eq!(
        severity(&doctor().await, "leases"),
        "problem",
        "no relay asks for a day"
    );
    repository.leave(relay).await.unwrap();

    operated.fail(|row| row.aggregate_id == "a", None).await;
    operated
        .fail(|row| row.aggregate_id == "b", Some(minute))
        .await;
    let ill = doctor().await.ended(3);
    assert_eq!(severity(&ill, "dead letters"), "problem");
    assert_eq!(severity(&ill, "holds"), "warning");
    assert_eq!(ill.json()["worst"], "problem");

    let pool = &service.pool;
    pool.execute("DELETE FROM outbox_leases WHERE bucket = 7")
        .await
        .unwrap();
    let text = operated.run(&["doctor"]).await.ended(3).out;
    assert!(
        text.contains("problem  leases: there are 63 leases"),
        "{text}"
    );
}

#[tokio::test]
async fn the_doctor_finds_what_is_wrong_and_says_what_to_do() {
    finds_what_is_wrong(&Operated::sqlite().await).await;
}

#[tokio::test]
async fn an_outbox_in_good_health_ends_the_doctor_with_nothing() {
    let operated = Operated::sqlite().await;
    let repository = operated.service.repository();
    let relay = RelayId::new();
    repository
        .hold_leases(relay, Duration::from_secs(60))
        .await
        .unwrap();
    let ran = operated.run(&["doctor", "--json"]).await.ended(0).json();
    assert_eq!(ran["worst"], "fine");
}
