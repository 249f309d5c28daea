use std::future::pending;
use std::panic::panic_any;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::Request as HttpRequest;
use futures::stream::{BoxStream, iter, repeat, unfold};
use futures::{Stream, StreamExt};
use http_body_util::BodyExt;
use nova_errors::{Effect, ErrorKind, ServiceError};
use nova_models::CallContext;
use nova_service::{
    BackgroundWorker, GrpcHealth, GrpcLayer, Health, HttpServer, LoadShed, LoadShedLayer, Shutdown,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health as HealthApi, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::ServiceExt;

use crate::observed::{captured, recorded};

const PATIENCE: Duration = Duration::from_secs(20);
const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A unary service that does what the request's text says.
#[derive(Clone, Default)]
struct Unary {
    started: Arc<Notify>,
    go_on: Arc<Notify>,
}

fn asking(what: &str) -> Request<ExportTraceServiceRequest> {
    Request::new(ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            schema_url: what.to_owned(),
            ..ResourceSpans::default()
        }],
    })
}

fn saying(text: String) -> Response<ExportTraceServiceResponse> {
    Response::new(ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            error_message: text,
            ..ExportTracePartialSuccess::default()
        }),
    })
}

fn said(answer: Response<ExportTraceServiceResponse>) -> String {
    answer.into_inner().partial_success.unwrap().error_message
}

fn shown_context() -> String {
    let context = CallContext::current().unwrap_or_default();
    let now = Instant::now().into_std();
    format!(
        "id {:?}, left {:?}, trace {:?}",
        context.request_id.as_deref(),
        context.deadline.map(|deadline| deadline.left(now)),
        context
            .trace
            .as_ref()
            .map(nova_models::TraceContext::trace_id),
    )
}

/// What a peer's failure looks like inside of a handler that has done something already.
fn failed_peer() -> ServiceError {
    let cause = std::io::Error::other("10.0.0.7 refused");
    ServiceError::ServiceUnavailable("no connection".into())
        .with_effect(Effect::None)
        .with_retry_after(Duration::from_millis(250))
        .with_source(cause)
}

#[async_trait]
impl TraceService for Unary {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        match request.get_ref().resource_spans[0].schema_url.as_str() {
            "context" => Ok(saying(shown_context())),
            "peer" => Ok(saying(format!("{:?}", request.remote_addr()))),
            "hang" => pending().await,
            "wait" => {
                self.started.notify_one();
                self.go_on.notified().await;
                Ok(saying("done".to_owned()))
            }
            "panic" => panic!("hunter2"),
            "fail" => Err(failed_peer().into()),
            other => Err(Status::not_found(other)),
        }
    }
}

/// A stream that does what the name of the service says.
#[derive(Clone)]
struct Streaming;

#[async_trait]
impl HealthApi for Streaming {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Err(Status::unimplemented("streams only"))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let item = HealthCheckResponse { status: 1 };
        let one = iter([Ok(item)]);
        let stream: Self::WatchStream = match request.get_ref().service.as_str() {
            "hang" => one.chain(futures::stream::pending()).boxed(),
            "flood" => repeat(Ok(item)).boxed(),
            "panic" => {
                let later = unfold((), |()| async {
                    sleep(Duration::from_millis(1)).await;
                    panic_any("hunter2")
                });
                one.chain(later).boxed()
            }
            "fail" => one.chain(iter([Err(failed_peer().into())])).boxed(),
            "context" => {
                // Polled only when the head of the answer has left the handler.
                let later = unfold(0, |count| async move {
                    sleep(Duration::from_millis(1)).await;
                    let has_context =
                        CallContext::current().is_some_and(|it| it.request_id.is_some());
                    let status = i32::from(has_context);
                    (count < 2).then_some((Ok(HealthCheckResponse { status }), count + 1))
                });
                later.boxed()
            }
            _ => one.boxed(),
        };
        Ok(Response::new(stream))
    }
}

fn app() -> Router {
    let routes = Routes::new(TraceServiceServer::new(Unary::default()))
        .add_service(HealthServer::new(Streaming));
    GrpcLayer::new("auth-service").wrap(routes)
}

async fn unary(
    app: &Router,
    what: &str,
    metadata: &[(&'static str, &'static str)],
) -> Result<Response<ExportTraceServiceResponse>, Status> {
    let mut request = asking(what);
    for (name, value) in metadata {
        request.metadata_mut().insert(*name, value.parse().unwrap());
    }
    TraceServiceClient::new(app.clone()).export(request).await
}

async fn watch(
    app: &Router,
    what: &str,
    timeout: Option<Duration>,
) -> impl Stream<Item = Result<i32, Status>> + use<> {
    let mut request = Request::new(HealthCheckRequest {
        service: what.to_owned(),
    });
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    let stream = HealthClient::new(app.clone()).watch(request).await.unwrap();
    stream.into_inner().map(|item| item.map(|item| item.status))
}

#[tokio::test(start_paused = true)]
async fn a_handler_runs_in_the_context_of_its_metadata() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let metadata = [
        ("x-request-id", "req-1"),
        ("x-nova-deadline-ms", "60000"),
        ("grpc-timeout", "250m"),
        ("traceparent", parent),
    ];
    let answer = unary(&app(), "context", &metadata).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "req-1");
    insta::assert_snapshot!(said(answer), @r#"id Some("req-1"), left Some(250ms), trace Some("0af7651916cd43dd8448eb211c80319c")"#);

    let metadata = [("x-nova-deadline-ms", "100"), ("grpc-timeout", "1S")];
    let answer = said(unary(&app(), "context", &metadata).await.unwrap());
    assert!(answer.contains("left Some(100ms)"), "{answer}");
    let answer = said(unary(&app(), "context", &[]).await.unwrap());
    assert!(answer.contains("left None"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn the_public_edge_takes_nothing_from_the_caller_and_has_its_own_limit() {
    let routes = Routes::new(TraceServiceServer::new(Unary::default()));
    let layer = GrpcLayer::new("a").public().max_deadline(PATIENCE);
    let app = layer.wrap(routes);
    let metadata = [("x-request-id", "req-1"), ("grpc-timeout", "junk")];
    let answer = said(unary(&app, "context", &metadata).await.unwrap());
    assert!(!answer.contains("req-1"), "{answer}");
    assert!(answer.contains("left Some(20s)"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_handler_stops_when_its_deadline_is_gone_and_none_starts_after() {
    let started = Instant::now();
    let status = unary(&app(), "hang", &[("grpc-timeout", "250m")])
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(started.elapsed(), Duration::from_millis(250));
    assert_eq!(ServiceError::from(status).effect(), Effect::Unknown);

    let status = unary(&app(), "context", &[("grpc-timeout", "0n")])
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(ServiceError::from(status).effect(), Effect::None);
}

#[tokio::test]
async fn metadata_that_makes_no_sense_is_refused_by_name() {
    for (name, value) in [("grpc-timeout", "soon"), ("x-nova-deadline-ms", "-1")] {
        let status = unary(&app(), "context", &[(name, value)])
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        let error = ServiceError::from(status);
        assert_eq!(error.violations()[0].field, name);
        assert_eq!(error.effect(), Effect::None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_internal_and_keeps_its_words() {
    let status = unary(&app(), "panic", &[]).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Internal, "internal error")
    );

    let mut stream = pin!(watch(&app(), "panic", None).await);
    assert_eq!(stream.next().await.unwrap().unwrap(), 1);
    let status = stream.next().await.unwrap().unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Internal, "internal error")
    );
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_handler_does_not_claim_that_nothing_happened_because_its_peer_says_so() {
    let status = unary(&app(), "fail", &[]).await.unwrap_err();
    let mut stream = pin!(watch(&app(), "fail", None).await);
    assert_eq!(stream.next().await.unwrap().unwrap(), 1);
    for status in [status, stream.next().await.unwrap().unwrap_err()] {
        let error = ServiceError::from(status);
        assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
        assert_eq!(error.public_message(), "no connection");
        assert_eq!(error.retry_after(), Some(Duration::from_millis(250)));
        assert_eq!(error.effect(), Effect::Unknown);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_the_context_and_ends_at_the_deadline() {
    let found: Vec<_> = watch(&app(), "context", None).await.collect().await;
    let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
    assert_eq!(found, [1, 1]);

    let limit = Duration::from_millis(250);
    let started = Instant::now();
    let mut stream = pin!(watch(&app(), "hang", Some(limit)).await);
    assert_eq!(stream.next().await.unwrap().unwrap(), 1);
    let status = stream.next().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(started.elapsed(), limit);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_pauses_ends_at_the_deadline_too() {
    let mut stream = pin!(watch(&app(), "flood", Some(Duration::from_millis(5))).await);
    assert_eq!(stream.next().await.unwrap().unwrap(), 1);
    tokio::time::advance(Duration::from_millis(5)).await;
    let end = stream.filter_map(|item| async { item.err() });
    assert_eq!(
        pin!(end).next().await.unwrap().code(),
        Code::DeadlineExceeded
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_layer_inside_refuses_is_a_status() {
    let shed = LoadShed::new("a", 1).unwrap();
    let _full = shed.admit(None).await.unwrap();
    let routes = Routes::new(TraceServiceServer::new(Unary::default()))
        .add_service(HealthServer::new(Streaming));
    let router = routes.into_axum_router().layer(LoadShedLayer::new(shed));
    let app = GrpcLayer::new("a").wrap(router.into());
    let status = unary(&app, "context", &[]).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(
        status.metadata().get("content-type").unwrap(),
        "application/grpc"
    );
    let error = ServiceError::from(status);
    assert_eq!(error.code(), "service_unavailable.overloaded");
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(error.retry_after(), Some(LoadShed::RETRY_AFTER));
    // Probes get through.
    let found: Vec<_> = watch(&app, "", None).await.collect().await;
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn a_failure_is_logged_once_with_its_causes_and_the_request() {
    let (lines, _guard) = captured();
    let app = app();
    let request_id = ("x-request-id", "req-1");
    unary(&app, "fail", &[request_id]).await.unwrap_err();
    unary(&app, "panic", &[]).await.unwrap_err();
    unary(&app, "no such", &[]).await.unwrap_err();
    let text = lines.text();
    assert_eq!(
        text.matches("no connection: 10.0.0.7 refused").count(),
        1,
        "{text}"
    );
    assert!(text.contains(r#"request_id="req-1""#), "{text}");
    assert_eq!(text.matches("panic: hunter2").count(), 1, "{text}");
    assert_eq!(text.matches("ERROR rpc.call{").count(), 2, "{text}");
    assert!(
        text.contains("INFO") && text.contains("NOT_FOUND"),
        "{text}"
    );
}

#[test]
fn durations_are_counted_by_method_and_status_until_the_answer_has_ended() {
    let found = recorded(async {
        let app = app();
        unary(&app, "context", &[]).await.unwrap();
        unary(&app, "fail", &[]).await.unwrap_err();
        unary(&app, "hang", &[("grpc-timeout", "1m")])
            .await
            .unwrap_err();
        watch(&app, "", None).await.count().await;
        watch(&app, "fail", None).await.count().await;
        // The client leaves, before and after the head of the answer.
        let left = timeout(Duration::from_millis(1), unary(&app, "hang", &[]));
        assert!(left.await.is_err());
        drop(watch(&app, "hang", None).await);
        for path in ["/a.Invented/Service", "/grpc.health.v1.Health/Invented"] {
            let request = HttpRequest::post(path).header("content-type", "application/grpc");
            let request = request.body(Body::empty()).unwrap();
            let answer = app.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.headers()["grpc-status"], "12");
        }
    });
    insta::assert_snapshot!(found);
}

#[tokio::test]
async fn the_answer_to_a_refused_call_is_one_head_as_grpc_asks() {
    let request = HttpRequest::post(EXPORT).header("grpc-timeout", "0n");
    let answer = app()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/grpc");
    assert_eq!(answer.headers()["grpc-status"], "4");
    assert!(
        answer
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .is_empty()
    );
}

fn serving(found: &Response<HealthCheckResponse>) -> ServingStatus {
    found.get_ref().status()
}

#[tokio::test(start_paused = true)]
async fn health_tells_what_readiness_finds() {
    let is_up = Arc::new(AtomicBool::new(true));
    let (trigger, shutdown) = Shutdown::new();
    let health = Health::new("a", "1")
        .owned("database", {
            let is_up = is_up.clone();
            move || {
                let is_up = is_up.load(Ordering::SeqCst);
                async move {
                    if is_up {
                        return Ok(());
                    }
                    Err(ServiceError::ServiceUnavailable("away".into()))
                }
            }
        })
        .peer("kafka", || async {
            Err(ServiceError::Timeout("away".into()))
        })
        .shutdown(shutdown);
    let server = GrpcHealth::new(health)
        .serves::<TraceServiceServer<Unary>>()
        .into_server();
    let app = GrpcLayer::new("a").wrap(Routes::new(server));
    let mut client = HealthClient::new(app.clone());
    let ask = |service: &str| HealthCheckRequest {
        service: service.to_owned(),
    };
    let named = "opentelemetry.proto.collector.trace.v1.TraceService";
    for service in ["", named] {
        // A peer that is away changes nothing.
        let found = client.check(ask(service)).await.unwrap();
        assert_eq!(serving(&found), ServingStatus::Serving);
    }
    let status = client.check(ask("a.B")).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);

    let mut changes = pin!(watch(&app, named, None).await);
    let mut unknown = pin!(watch(&app, "a.B", None).await);
    let (up, down) = (
        ServingStatus::Serving as i32,
        ServingStatus::NotServing as i32,
    );
    assert_eq!(changes.next().await.unwrap().unwrap(), up);
    let unknown_service = ServingStatus::ServiceUnknown as i32;
    assert_eq!(unknown.next().await.unwrap().unwrap(), unknown_service);
    let asked = Instant::now();
    is_up.store(false, Ordering::SeqCst);
    assert_eq!(changes.next().await.unwrap().unwrap(), down);
    assert!(asked.elapsed() <= 2 * Health::CACHE);
    assert_eq!(
        serving(&client.check(ask("")).await.unwrap()),
        ServingStatus::NotServing
    );
    is_up.store(true, Ordering::SeqCst);
    assert_eq!(changes.next().await.unwrap().unwrap(), up);

    trigger.shutdown();
    assert_eq!(changes.next().await.unwrap().unwrap(), down);
    assert!(changes.next().await.is_none());
    assert!(unknown.next().await.is_none());
    assert_eq!(
        serving(&client.check(ask("")).await.unwrap()),
        ServingStatus::NotServing
    );
}

#[tokio::test]
async fn a_server_of_grpc_drains_and_tells_its_handlers_the_peer() {
    let handler = Unary::default();
    let (trigger, shutdown) = Shutdown::new();
    let health = Health::new("a", "1").shutdown(shutdown.clone());
    let routes = Routes::new(TraceServiceServer::new(handler.clone()))
        .add_service(GrpcHealth::new(health).into_server());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = HttpServer::new(listener, GrpcLayer::new("a").wrap(routes)).named("grpc");
    assert_eq!(server.name(), "grpc");
    let server = tokio::spawn(async move { server.run(shutdown).await });

    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let mut client = TraceServiceClient::new(channel.clone());
    let peer = said(client.export(asking("peer")).await.unwrap());
    assert!(peer.starts_with("Some(127.0.0.1:"), "{peer}");
    let watching = HealthClient::new(channel)
        .watch(HealthCheckRequest::default())
        .await
        .unwrap();

    let call = tokio::spawn(async move { client.export(asking("wait")).await });
    handler.started.notified().await;
    trigger.shutdown();
    let told = watching.into_inner().map(|item| item.unwrap().status);
    assert_eq!(
        timeout(PATIENCE, told.collect::<Vec<_>>()).await.unwrap(),
        [1, 2]
    );
    assert!(!server.is_finished());
    handler.go_on.notify_one();
    let answer = timeout(PATIENCE, call).await.unwrap().unwrap().unwrap();
    assert_eq!(said(answer), "done");
    timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn the_layer_works_under_tonics_own_server() {
    let (trigger, shutdown) = Shutdown::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        tonic::transport::Server::builder()
            .layer(GrpcLayer::new("a"))
            .add_service(TraceServiceServer::new(Unary::default()))
            .serve_with_incoming_shutdown(TcpIncoming::from(listener), async move {
                shutdown.requested().await;
            })
            .await
    });
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut client = TraceServiceClient::new(endpoint.connect().await.unwrap());
    let answer = said(client.export(asking("context")).await.unwrap());
    assert!(answer.starts_with("id Some("), "{answer}");
    let peer = said(client.export(asking("peer")).await.unwrap());
    assert!(peer.starts_with("Some(127.0.0.1:"), "{peer}");
    let status = client.export(asking("panic")).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    drop(client);
    trigger.shutdown();
    timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
}
