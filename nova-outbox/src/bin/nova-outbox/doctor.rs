use std::fmt::Write;

use clap::Args;
use nova_outbox::{OutboxAdmin, Severity, Thresholds};
use serde_json::json;

use crate::arguments::Global;
use crate::failure::Failure;
use crate::output::{printable, report};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The largest payload that the broker takes, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = Thresholds::default().payload)]
    max_payload: u64,
}

pub(crate) async fn run(
    admin: &OutboxAdmin,
    global: &Global,
    options: &Options,
) -> Result<(), Failure> {
    let mut limits = Thresholds::default();
    limits.payload = options.max_payload;
    let checks = admin.examine(&limits).await?;
    let worst = checks.iter().map(|check| check.severity).max();
    let worst = worst.unwrap_or(Severity::Fine);
    report(
        global,
        || {
            let checks: Vec<_> = checks
                .iter()
                .map(|check| {
                    json!({
                        "name": check.name,
                        "severity": check.severity.as_str(),
                        "finding": check.finding,
                        "advice": check.advice,
                    })
                })
                .collect();
            json!({ "checks": checks, "worst": worst.as_str() })
        },
        || {
            let mut text = String::new();
            for check in &checks {
                let (severity, finding) = (check.severity.as_str(), printable(&check.finding));
                let _ = writeln!(text, "{severity:8} {}: {finding}", check.name);
                if let Some(advice) = &check.advice {
                    let _ = writeln!(text, "         → {advice}");
                }
            }
            text
        },
    )?;
    if worst > Severity::Fine {
        return Err(Failure::Findings);
    }
    Ok(())
}
