use std::collections::BTreeSet;

use metrics_exporter_prometheus::PrometheusBuilder;

use crate::sample::event;
use crate::scripted_publisher::ScriptedPublisher;
use crate::service::Service;

const RULES: &str = include_str!("../../../deploy/prometheus/nova-outbox.rules.yaml");

/// The names that begin as the outbox's metrics do.
fn names(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("outbox_"))
        .collect()
}

#[test]
fn every_metric_that_an_alert_names_is_one_that_a_relay_reports() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let rendered = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let service = Service::sqlite().await;
            service.enqueue([event("a", 1)]).await;
            let relay = service.relay(ScriptedPublisher::acknowledging()).start();
            service.drained().await;
            relay
                .shutdown(std::time::Duration::from_secs(30))
                .await
                .unwrap();
        });
    });
    let text = rendered.render();
    let reported = names(&text);
    let expressions: Vec<_> = RULES
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr:"))
        .collect();
    assert_eq!(expressions.len(), RULES.matches("- alert:").count());
    for expression in expressions {
        let named = names(expression);
        assert!(!named.is_empty(), "{expression}");
        assert!(named.is_subset(&reported), "{expression} of {reported:?}");
    }
}

#[test]
fn the_alerts_that_operators_count_on_are_there() {
    for rule in [
        "expr: sum by (source) (outbox_pending) > 1000\n        for: 5m\n",
        "expr: max by (source) (outbox_oldest_age_seconds) > 60\n",
        "expr: sum by (source) (outbox_dead) > 0\n",
    ] {
        assert!(RULES.contains(rule), "{rule}");
    }
}
