//! Apache Kafka from Maven Central: a single KRaft node on a Java virtual machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{apt, maven, program};

const POM: &str = include_str!("../../../deploy/kafka/pom.xml");
const SETTINGS: &str = include_str!("../../../deploy/kafka/server.properties");

/// Kafka 4's servers need it.
const OLDEST_JAVA: u32 = 17;

/// Sixteen bytes in Kafka's alphabet. Every node is a cluster of its own, so they may all bear the same name.
const CLUSTER_ID: &str = "bm92YS1lbmdpbmVzLTEyMw";

/// Formats the storage if it is new, and returns the command that serves it.
pub(super) fn prepare(folder: &Path, port: u16, controller_port: Option<u16>) -> Result<Command> {
    let controller_port = controller_port.context("the broker has no port for its controller")?;
    let java = java()?;
    let classes = format!("{}/*", jars()?.display());
    let data = folder.join("data");
    let settings = folder.join("server.properties");
    fs::write(
        &settings,
        format!(
            "{SETTINGS}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
             controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}\n\
             log.dirs={}\n",
            data.display()
        ),
    )?;
    if !data.join("meta.properties").exists() {
        program::capture(
            Command::new(&java)
                .args([
                    "-Xmx128m",
                    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                    "-cp",
                    &classes,
                ])
                .args([
                    "kafka.tools.StorageTool",
                    "format",
                    "--standalone",
                    "-t",
                    CLUSTER_ID,
                    "-c",
                ])
                .arg(&settings),
        )
        .context("cannot format Kafka's storage")?;
    }
    let mut command = Command::new(java);
    command
        .args(["-Xms128m", "-Xmx512m", "-XX:+ExitOnOutOfMemoryError"])
        .args([
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Djava.awt.headless=true",
        ])
        .args(["-cp", &classes, "kafka.Kafka"])
        .arg(settings)
        .current_dir(folder);
    Ok(command)
}

/// A virtual machine that is new enough.
fn java() -> Result<PathBuf> {
    let java = apt::ensure("java", "default-jre-headless")?;
    let output = Command::new(&java)
        .arg("-version")
        .output()
        .context("cannot start java")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match major_version(&said) {
        Some(version) if version >= OLDEST_JAVA => Ok(java),
        _ => bail!(
            "Kafka needs Java {OLDEST_JAVA} or newer, and {} says:\n{said}",
            java.display()
        ),
    }
}

/// Reads `openjdk version "17.0.15" 2025-04-15`, and `"1.8.0_402"` as 1.
fn major_version(said: &str) -> Option<u32> {
    let quoted = said.split('"').nth(1)?;
    let digits = quoted.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// The folder with the broker's jars, from the cache or from Maven Central.
fn jars() -> Result<PathBuf> {
    maven::jars(&format!("kafka-{}", version()?), POM)
}

fn version() -> Result<&'static str> {
    POM.split_once("<kafka.version>")
        .and_then(|(_, rest)| rest.split_once('<'))
        .map(|(version, _)| version)
        .context("deploy/kafka/pom.xml names no kafka.version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_and_the_jars_have_the_same_version() {
        let compose = include_str!("../../../deploy/compose.yaml");
        let image = format!("image: apache/kafka:{}\n", version().expect("a version"));
        assert!(
            compose.contains(&image),
            "deploy/compose.yaml has no {image}"
        );
    }

    #[test]
    fn docker_and_the_jars_have_the_same_settings() {
        let compose = include_str!("../../../deploy/compose.yaml");
        let set_by_the_image = [
            "inter.broker.listener.name",
            "listener.security.protocol.map",
        ];
        for line in SETTINGS.lines() {
            let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#'))
            else {
                continue;
            };
            if set_by_the_image.contains(&name) {
                continue;
            }
            let variable = format!("KAFKA_{}: ", name.to_uppercase().replace('.', "_"));
            let in_compose = compose
                .lines()
                .find_map(|line| line.trim().strip_prefix(&variable))
                .map(|value| value.trim_matches('"'));
            assert_eq!(in_compose, Some(value), "{name}");
        }
    }

    #[test]
    fn the_java_version_is_read_from_what_java_says() {
        assert_eq!(
            major_version("openjdk version \"17.0.15\" 2025-04-15"),
            Some(17)
        );
        assert_eq!(major_version("openjdk version \"21\" 2023-09-19"), Some(21));
        assert_eq!(major_version("java version \"1.8.0_402\""), Some(1));
        assert_eq!(major_version("command not found"), None);
    }
}
