use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use crate::stack::Stack;

/// What the platform tells: a line per step as it happens, or one JSON object at the end.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    steps: Vec<Step>,
    complete: bool,
}

#[derive(Debug, Serialize)]
struct Step {
    name: &'static str,
    ok: bool,
    ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Summary<'a> {
    ok: bool,
    steps: &'a [Step],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            steps: Vec::new(),
            complete: false,
        }
    }

    pub(crate) fn listening(&self, stack: &Stack) {
        self.say(format_args!("{:<18} {:<28} {}", "service", "HTTP", "gRPC"));
        for (service, http, grpc) in stack.table() {
            self.say(format_args!("{service:<18} {http:<28} {grpc}"));
        }
        self.say(format_args!("{:<18} {}", "Kafka", stack.brokers()));
        self.say(format_args!("{:<18} {}\n", "data", stack.data()));
    }

    /// Notes the outcome of a step.
    pub(crate) fn step(
        &mut self,
        name: &'static str,
        took: Duration,
        outcome: &anyhow::Result<()>,
    ) {
        let ms = (took.as_secs_f64() * 1e6).round() / 1e3;
        let ok = outcome.is_ok();
        let error = outcome.as_ref().err().map(|error| format!("{error:#}"));
        self.say(format_args!(
            "{} {name} ({ms:.1} ms){}",
            if ok { "ok  " } else { "FAIL" },
            error
                .as_ref()
                .map(|error| format!(": {error}"))
                .unwrap_or_default()
        ));
        self.steps.push(Step {
            name,
            ok,
            ms,
            error,
        });
    }

    /// Notes that the scenario was played to its end, or to the step that failed.
    pub(crate) fn complete(&mut self) {
        self.complete = true;
    }

    pub(crate) fn serving(&self) {
        if !self.steps.iter().all(|step| step.ok) {
            self.say(format_args!(
                "\nThe scenario failed, but the services go on."
            ));
        }
        self.say(format_args!(
            "\nServing, with a light simulated load. Ctrl-C stops everything."
        ));
    }

    /// Ends the report. The exit code is 0 when every step held, and what was started has stopped; a scenario that was
    /// interrupted has not held.
    pub(crate) fn finish(self, outcome: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
        let held = self.complete && self.steps.iter().all(|step| step.ok);
        if self.json {
            let error = match &outcome {
                Err(error) => Some(format!("{error:#}")),
                Ok(()) if !self.complete => Some("interrupted".to_owned()),
                Ok(()) => None,
            };
            let summary = Summary {
                ok: held && error.is_none(),
                steps: &self.steps,
                error,
            };
            println!("{}", serde_json::to_string(&summary)?);
        }
        outcome?;
        Ok(if held {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn say(&self, line: std::fmt::Arguments<'_>) {
        if !self.json {
            println!("{line}");
        }
    }
}
