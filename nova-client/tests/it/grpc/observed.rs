//! What metrics and spans show of calls.

use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::time::timeout;
use tonic::Status;

use super::health_service::{HealthService, Step, reading, request};
use crate::log::{closed, logged};
use crate::script::SECOND;

#[test]
fn each_call_is_recorded_once_with_its_method_and_what_came_of_it() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let service = HealthService::new([
                Step::Fail(Status::unavailable("away")),
                Step::Answer,
                Step::Fail(Status::not_found("feed")),
                Step::Silence,
            ]);
            let mut client = reading(&service);
            client.check(request()).await.unwrap();
            client.check(request()).await.unwrap_err();
            let given_up = timeout(SECOND, client.check(request())).await;
            assert!(given_up.is_err());
        });
    });
    let text = recorder.handle().render();
    let mut lines: Vec<_> = text
        .lines()
        .filter(|line| line.contains("_count{"))
        .collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    rpc_client_call_duration_count{rpc_system_name="grpc",rpc_method="grpc.health.v1.Health/Check",rpc_response_status_code="CANCELLED",error_type="cancelled"} 1
    rpc_client_call_duration_count{rpc_system_name="grpc",rpc_method="grpc.health.v1.Health/Check",rpc_response_status_code="NOT_FOUND",error_type="not_found"} 1
    rpc_client_call_duration_count{rpc_system_name="grpc",rpc_method="grpc.health.v1.Health/Check",rpc_response_status_code="OK"} 1
    "#);
}

#[tokio::test(start_paused = true)]
async fn each_call_is_a_span_by_the_conventions() {
    let log = logged(async {
        let service = HealthService::new([
            Step::Fail(Status::unavailable("away")),
            Step::Answer,
            Step::Fail(Status::not_found("feed")),
        ]);
        let mut client = reading(&service);
        client.check(request()).await.unwrap();
        client.check(request()).await.unwrap_err();
    });
    let log = log.await;
    let calls = closed("call", &log);
    assert_eq!(calls.len(), 2, "{log}");
    for call in &calls {
        for word in [
            r#"otel.kind="client""#,
            r#"otel.name="grpc.health.v1.Health/Check""#,
            r#"rpc.system.name="grpc""#,
            r#"rpc.method="grpc.health.v1.Health/Check""#,
        ] {
            assert!(call.contains(word), "{word} in {call}");
        }
    }
    assert!(calls[0].contains("rpc.response.status_code=OK"), "{log}");
    assert!(calls[0].contains("http.request.resend_count=1"), "{log}");
    assert!(!calls[0].contains("ERROR"), "{log}");
    let failed =
        r#"rpc.response.status_code=NOT_FOUND otel.status_code="ERROR" error.type="not_found""#;
    assert!(calls[1].contains(failed), "{log}");
}
