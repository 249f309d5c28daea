use serde_json::{Value, json};

use super::doctor::severity;
use super::{run, sqlite_url};

#[tokio::test]
async fn the_tables_are_made_once_and_a_dry_run_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite_url(&folder);
    let missing = run(&url, &["migrate"]).await.ended(1);
    assert!(!folder.path().join("outbox.db").exists(), "{missing:?}");

    let url = format!("{url}?mode=rwc");
    let checked = run(&url, &["doctor", "--json"]).await.ended(3);
    assert_eq!(severity(&checked, "migrations"), "problem");
    assert_eq!(checked.json()["checks"].as_array().unwrap().len(), 1);
    run(&url, &["stats"]).await.ended(1);

    let dry = run(&url, &["migrate", "--dry-run", "--json"])
        .await
        .ended(0)
        .json();
    let latest = dry["to"].as_i64().unwrap();
    assert_eq!(dry, json!({ "from": null, "to": latest, "dry_run": true }));
    let made = run(&url, &["migrate", "--json"]).await.ended(0).json();
    assert_eq!(made["from"], Value::Null);
    let again = run(&url, &["migrate", "--json"]).await.ended(0).json();
    assert_eq!(
        again,
        json!({ "from": latest, "to": latest, "dry_run": false })
    );
    run(&url, &["stats"]).await.ended(0);
}
