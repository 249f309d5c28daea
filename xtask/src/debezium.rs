//! Debezium in place of the relay: that the configuration in `deploy/debezium` gives the same records.

use anyhow::{Context, Result};

use crate::engines::{self, Engine};
use crate::workspace::Workspace;
use crate::{apt, maven, program, test_run};

const POM: &str = include_str!("../../deploy/debezium/pom.xml");

/// Runs the test with Kafka Connect and Debezium from Maven Central, on engines that run already or are started for it.
pub(crate) fn run(workspace: &Workspace) -> Result<test_run::Count> {
    let java = apt::ensure("java", "default-jre-headless")?;
    let jars = maven::jars(&format!("debezium-{}", version()?), POM)?;
    let started = engines::up(workspace, &[Engine::Postgres, Engine::Kafka])?;
    let mut command = program::cargo();
    command
        .current_dir(&workspace.root)
        .args([
            "test",
            "--package",
            "nova-outbox",
            "--features",
            "kafka,postgres",
        ])
        .args(["--test", "it", "--", "--ignored", "debezium::"])
        .env("NOVA_JAVA", java)
        .env("NOVA_DEBEZIUM_JARS", jars);
    let outcome = engines::environment(workspace)
        .and_then(|environment| test_run::run(command.envs(environment)));
    if !started.is_empty() {
        engines::down(workspace, &started, true)?;
    }
    outcome
}

fn version() -> Result<&'static str> {
    POM.split_once("<debezium.version>")
        .and_then(|(_, rest)| rest.split_once('<'))
        .map(|(version, _)| version)
        .context("deploy/debezium/pom.xml names no debezium.version")
}
