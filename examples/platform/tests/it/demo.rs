use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::process::command;

#[tokio::test]
async fn the_demo_holds_every_step_and_prints_one_json_object() {
    let output = command().args(["demo", "--json"]).output().await.unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["ok"], true);
    let steps = summary["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 5);
    for step in steps {
        assert_eq!(step["ok"], true, "{step}");
        assert!(step["name"].is_string() && step["ms"].is_number(), "{step}");
    }
}

#[tokio::test]
async fn a_database_of_the_wrong_kind_is_refused_by_name_and_shows_no_password() {
    for url in [
        "mysql://root:hunter2@localhost/nova",
        "host=db user=nova password=hunter2 dbname=nova",
    ] {
        let output = command()
            .args(["demo", "--json"])
            .env("DATABASE_URL", url)
            .output()
            .await
            .unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(log.contains("DATABASE_URL"), "{log}");
        assert!(!log.contains("hunter2"), "{log}");
        assert!(output.stdout.is_empty());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupted_demo_has_not_held() {
    let mut child = command()
        .arg("demo")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // From the table on the signal is caught, and the scenario waits for the consumers' groups.
    while !lines
        .next_line()
        .await
        .unwrap()
        .unwrap()
        .starts_with("data")
    {}
    let pid = child.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().await;
    assert!(sent.unwrap().success());
    let status = child.wait().await.unwrap();
    assert_eq!(status.code(), Some(1));
}
