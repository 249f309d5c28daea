//! The arrows among the crates, and what every manifest takes from the workspace.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::finding::Finding;
use crate::workspace::{Package, Workspace};

/// Who stands directly on whom; what those stand on may be used too.
const ARROWS: [(&str, &[&str]); 7] = [
    ("nova-errors", &[]),
    ("nova-models", &["nova-errors"]),
    ("nova-client", &["nova-models"]),
    ("nova-service", &["nova-models"]),
    ("nova-events", &["nova-service"]),
    ("nova-outbox", &["nova-events"]),
    ("nova-auth-client", &["nova-client"]),
];

const INHERITED: [&str; 4] = ["version", "edition", "rust-version", "license"];

/// Checks every manifest of the workspace.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let names: BTreeSet<&str> = workspace
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let path = package.dir.join("Cargo.toml");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let manifest = Manifest {
            path: workspace.relative(&path).to_owned(),
            text,
            package,
            members: &names,
        };
        findings.extend(manifest.inheritance());
        findings.extend(manifest.dependencies());
    }
    Ok(findings)
}

struct Manifest<'a> {
    path: PathBuf,
    text: String,
    package: &'a Package,
    members: &'a BTreeSet<&'a str>,
}

/// Which table a dependency stands in.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Section {
    Normal,
    Dev,
    Build,
}

impl Manifest<'_> {
    fn inheritance(&self) -> Vec<Finding> {
        let package = self.package.manifest.get("package");
        let mut findings: Vec<_> = INHERITED
            .into_iter()
            .filter(|key| {
                !package
                    .and_then(|package| package.get(key))
                    .is_some_and(is_inherited)
            })
            .map(|key| {
                self.finding(
                    key,
                    format!("`{key}` comes from the workspace: {key}.workspace = true"),
                )
            })
            .collect();
        if !self.package.manifest.get("lints").is_some_and(is_inherited) {
            findings.push(self.finding(
                "[lints]",
                "the lints come from the workspace: [lints] workspace = true",
            ));
        }
        findings
    }

    fn dependencies(&self) -> Vec<Finding> {
        let manifest = &self.package.manifest;
        let targets = manifest
            .get("target")
            .and_then(Value::as_table)
            .into_iter()
            .flat_map(Table::values)
            .filter_map(Value::as_table);
        std::iter::once(manifest)
            .chain(targets)
            .flat_map(|table| {
                [
                    ("dependencies", Section::Normal),
                    ("dev-dependencies", Section::Dev),
                    ("build-dependencies", Section::Build),
                ]
                .into_iter()
                .filter_map(|(key, section)| Some((table.get(key)?.as_table()?, section)))
            })
            .flat_map(|(table, section)| {
                table
                    .iter()
                    .map(move |(name, value)| (name, value, section))
            })
            .filter_map(|(name, value, section)| {
                self.complaint(name, value, section)
                    .map(|message| self.finding(name, message))
            })
            .collect()
    }

    fn complaint(&self, name: &str, value: &Value, section: Section) -> Option<String> {
        let own = self.package.name.as_str();
        let by_path_alone = value.get("path").is_some() && value.get("version").is_none();
        if !self.members.contains(name) {
            return (!is_inherited(value))
                .then(|| format!("`{name}` has its version in the root: {{ workspace = true }}"));
        }
        if own == "xtask" {
            return Some(format!(
                "xtask builds without the workspace's other crates, `{name}` too"
            ));
        }
        if !self.package.is_library() {
            return (!is_inherited(value))
                .then(|| format!("`{name}` has its path in the root: {{ workspace = true }}"));
        }
        if section == Section::Dev {
            let fine = by_path_alone || (is_inherited(value) && may_use(own, name));
            return (!fine).then(|| {
                format!("`{name}` is against the arrows: by path only, without a version")
            });
        }
        if !may_use(own, name) {
            return Some(format!("the arrows don't lead from `{own}` to `{name}`"));
        }
        (!is_inherited(value))
            .then(|| format!("`{name}` has its version in the root: {{ workspace = true }}"))
    }

    fn finding(&self, key: &str, message: impl Into<String>) -> Finding {
        Finding::new(&self.path, line_of(&self.text, key), message)
    }
}

/// Whether the arrows lead from `from` to `to`.
fn may_use(from: &str, to: &str) -> bool {
    ARROWS
        .iter()
        .find(|(name, _)| *name == from)
        .is_some_and(|(_, below)| below.iter().any(|name| *name == to || may_use(name, to)))
}

fn is_inherited(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

/// The first line that sets the key, or the first of the file.
fn line_of(text: &str, key: &str) -> usize {
    text.lines()
        .position(|line| {
            line.strip_prefix(key)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '.', '=']))
        })
        .map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::super::finding::lines;
    use super::*;

    const INHERITING: &str = "version.workspace = true\nedition.workspace = true\nrust-version.workspace = true\n\
                              license.workspace = true\n[lints]\nworkspace = true\n";

    fn findings_of(name: &str, package: &str, rest: &str) -> Vec<String> {
        let text = format!("[package]\nname = \"{name}\"\n{package}{rest}");
        let package = Package {
            name: name.to_owned(),
            dir: PathBuf::new(),
            manifest: text.parse().expect("TOML"),
        };
        let members: BTreeSet<&str> = ARROWS
            .iter()
            .map(|(name, _)| *name)
            .chain(["nova-kit", "xtask"])
            .collect();
        let manifest = Manifest {
            path: PathBuf::from("Cargo.toml"),
            text,
            package: &package,
            members: &members,
        };
        lines(
            manifest
                .inheritance()
                .into_iter()
                .chain(manifest.dependencies()),
        )
    }

    fn findings(name: &str, rest: &str) -> Vec<String> {
        findings_of(name, INHERITING, rest)
    }

    #[test]
    fn a_dependency_along_the_arrows_is_fine() {
        let rest =
            "[dependencies]\nnova-errors = { workspace = true }\nnova-service.workspace = true\n";
        assert_eq!(findings("nova-outbox", rest), [""; 0]);
    }

    #[test]
    fn a_dependency_against_the_arrows_is_found() {
        for (from, to) in [
            ("nova-errors", "nova-models"),
            ("nova-client", "nova-service"),
            ("nova-events", "nova-outbox"),
            ("nova-service", "nova-client"),
            ("nova-auth-client", "nova-service"),
            ("nova-outbox", "nova-kit"),
        ] {
            let found = findings(
                from,
                &format!("[dependencies]\n{to} = {{ workspace = true }}\n"),
            );
            assert_eq!(
                found,
                [format!("10: the arrows don't lead from `{from}` to `{to}`")]
            );
            let optional = format!(
                "[target.'cfg(unix)'.dependencies]\n{to} = {{ workspace = true, optional = true }}\n"
            );
            assert_eq!(findings(from, &optional).len(), 1, "{from} {to}");
        }
    }

    #[test]
    fn a_crate_that_is_not_in_the_table_may_use_none_of_the_family() {
        assert_eq!(
            findings(
                "nova-new",
                "[dependencies]\nnova-errors = { workspace = true }\n"
            )
            .len(),
            1
        );
    }

    #[test]
    fn a_dev_dependency_against_the_arrows_is_by_path_only() {
        let dev = |value| {
            findings(
                "nova-errors",
                &format!("[dev-dependencies]\nnova-models = {value}\n"),
            )
            .len()
        };
        assert_eq!(dev("{ path = \"../nova-models\" }"), 0);
        assert_eq!(dev("{ workspace = true }"), 1);
        assert_eq!(dev("{ path = \"../nova-models\", version = \"0.1\" }"), 1);
    }

    #[test]
    fn a_version_of_its_own_is_found() {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            assert_eq!(
                findings("nova-errors", &format!("[{section}]\nserde = \"1\"\n")).len(),
                1,
                "{section}"
            );
        }
        assert_eq!(
            findings(
                "nova-errors",
                "[dependencies]\nserde = { workspace = true }\n"
            ),
            [""; 0]
        );
    }

    #[test]
    fn what_is_not_inherited_is_found() {
        let found = findings_of(
            "nova-errors",
            "version = \"0.2.0\"\nedition.workspace = true\n",
            "",
        );
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].starts_with("3: `version`"), "{found:?}");
    }

    #[test]
    fn xtask_depends_on_nothing_of_the_workspace() {
        assert_eq!(
            findings(
                "xtask",
                "publish = false\n[dependencies]\nnova-errors = { workspace = true }\n"
            )
            .len(),
            1
        );
    }
}
