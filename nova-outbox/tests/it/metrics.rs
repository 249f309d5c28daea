use metrics_exporter_prometheus::PrometheusBuilder;

use crate::sample::event;
use crate::scripted_publisher::{Act, ScriptedPublisher};
use crate::service::Service;

#[test]
fn the_metrics_of_the_contract_are_there_with_their_source() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let rendered = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let service = Service::sqlite().await;
            let publisher = ScriptedPublisher::new(|event| {
                if event.event.aggregate_id() == "bad" {
                    Act::Fail
                } else {
                    Act::Acknowledge
                }
            });
            service
                .enqueue([event("a", 1), event("a", 2), event("bad", 1)])
                .await;
            let relay = service.relay(publisher).start();
            service.drained().await;
            let text = rendered.render();
            for line in [
                "outbox_published_total{source=\"content-service\"} 2",
                "outbox_dead{source=\"content-service\"} 1",
                "outbox_publish_latency_seconds_count{source=\"content-service\"} 2",
            ] {
                assert!(text.contains(line), "{line} is not in\n{text}");
            }
            for name in [
                "outbox_pending",
                "outbox_retrying",
                "outbox_oldest_age_seconds",
            ] {
                assert!(
                    text.contains(&format!("{name}{{source=")),
                    "{name} is not in\n{text}"
                );
            }
            relay
                .shutdown(std::time::Duration::from_secs(30))
                .await
                .unwrap();
        });
    });
    assert!(
        rendered
            .render()
            .contains("outbox_dead{source=\"content-service\"} 0")
    );
}
