use std::sync::Arc;

use axum::http::HeaderMap;
use nova_errors::{Chain, Effect, GrpcCode, ServiceError};
use nova_models::{CallContext, Deadline, RequestId};
use tokio::time::Instant;
use tonic::Status;
use tracing::{Span, field};

use super::GrpcLayer;
use super::method_names::MethodNames;
use super::timeout::grpc_timeout;
use crate::load_shed::is_shed;
use crate::service_layer::{Inbound, current_trace, rename};

/// A call on its way, until its answer has ended. Dropped before, its client has left.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) request_id: RequestId,
    pub(super) context: CallContext,
    pub(super) span: Span,
    method: String,
    service: Arc<str>,
    names: Arc<MethodNames>,
    started: Instant,
    is_over: bool,
}

impl Call {
    /// The call, and whether its headers make sense.
    pub(super) fn begin(
        layer: &GrpcLayer,
        path: &str,
        headers: &HeaderMap,
    ) -> (Self, Result<(), ServiceError>) {
        let settings = layer.settings();
        let started = Instant::now();
        let inbound = Inbound::read(headers, settings, started.into_std());
        let method = path.trim_start_matches('/').to_owned();
        let span = span(&settings.service, &method, &inbound);
        let mut context = CallContext::new();
        context.request_id = Some(inbound.request_id.clone());
        context.trace = current_trace(&span, inbound.trace);
        let timeout = if settings.trusts_callers {
            grpc_timeout(headers)
        } else {
            Ok(None)
        };
        let understood = inbound.deadline.and_then(|deadline| {
            let callers = timeout?.map(|left| Deadline::after(started.into_std(), left));
            context.deadline = match (deadline, callers) {
                (Some(deadline), Some(callers)) => Some(deadline.earlier(callers)),
                (deadline, callers) => deadline.or(callers),
            };
            Ok(())
        });
        let call = Self {
            request_id: inbound.request_id,
            context,
            span,
            method,
            service: settings.service.clone(),
            names: layer.names().clone(),
            started,
            is_over: false,
        };
        let understood = understood.map_err(|refused| refused.with_effect(Effect::None));
        (call, understood)
    }

    /// Ends the call with an error of this side, as the status that its peer sees.
    pub(super) fn fail(&mut self, error: &ServiceError) -> Status {
        let code = error.kind().grpc_code();
        if is_shed(error) {
            self.span
                .in_scope(|| tracing::debug!(error = %Chain(error), "call refused"));
            self.measure(code);
        } else {
            self.end(code, || Chain(error).to_string());
        }
        Status::from(error)
    }

    /// Ends the call with what its handler said in headers or trailers. The answer is put right where it claims too much.
    pub(super) fn finish(&mut self, said: &mut HeaderMap, status: Option<&Status>) {
        let Some(found) = Status::from_header_map(said) else {
            self.end(GrpcCode::Unknown, || "no status at the end".to_owned());
            return;
        };
        let code = GrpcCode::from_number(found.code() as i32);
        let cause = status.and_then(|status| std::error::Error::source(status));
        self.end(code, || match cause {
            Some(cause) => Chain(cause).to_string(),
            None => found.message().to_owned(),
        });
        if code != GrpcCode::Ok {
            disclaim(said, &found);
        }
    }

    fn end(&mut self, code: GrpcCode, what: impl FnOnce() -> String) {
        if self.is_over {
            return;
        }
        let entered = self.span.enter();
        match code {
            GrpcCode::Ok | GrpcCode::Cancelled => {}
            // Anybody can ask for what is not there.
            code if is_servers_fault(code) && code != GrpcCode::Unimplemented => {
                tracing::error!(status = %code, error = what(), "call failed");
            }
            _ => tracing::info!(status = %code, error = what(), "call refused"),
        }
        drop(entered);
        self.measure(code);
    }

    fn measure(&mut self, code: GrpcCode) {
        self.is_over = true;
        let name = code.to_string();
        let method = self.names.label(&self.method, code);
        rename(&self.span, &method);
        self.span.record("rpc.response.status_code", name.as_str());
        if is_servers_fault(code) {
            self.span.record("otel.status_code", "ERROR");
        }
        metrics::histogram!(
            "rpc.server.call.duration",
            "service" => self.service.clone(),
            "rpc.system.name" => "grpc",
            "rpc.method" => method,
            "rpc.response.status_code" => name,
        )
        .record(self.started.elapsed().as_secs_f64());
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(GrpcCode::Cancelled, String::new);
    }
}

/// The codes by which the OpenTelemetry conventions tell that a server has failed.
fn is_servers_fault(code: GrpcCode) -> bool {
    matches!(
        code,
        GrpcCode::Unknown
            | GrpcCode::DeadlineExceeded
            | GrpcCode::Unimplemented
            | GrpcCode::Internal
            | GrpcCode::Unavailable
            | GrpcCode::DataLoss
    )
}

/// Takes back the effect none, which is not a handler's to claim.
fn disclaim(said: &mut HeaderMap, status: &Status) {
    const DETAILS: &str = "grpc-status-details-bin";
    if status.details().is_empty() {
        return;
    }
    let error = ServiceError::from(status.clone());
    if error.effect() == Effect::None {
        let honest = Status::from(error.with_effect(Effect::Unknown));
        said.remove(DETAILS);
        // In vain only for a message that is no header, and this one was.
        let _ = honest.add_header(said);
    }
}

fn span(service: &str, method: &str, inbound: &Inbound) -> Span {
    tracing::info_span!(
        "rpc.call",
        otel.kind = "server",
        otel.status_code = field::Empty,
        service,
        rpc.system.name = "grpc",
        rpc.method = method,
        rpc.response.status_code = field::Empty,
        request_id = inbound.request_id.as_str(),
        client_request_id = inbound.client_request_id.as_deref(),
        source = inbound.source.as_ref().map(AsRef::<str>::as_ref),
        trace_id = inbound
            .trace
            .as_ref()
            .map(nova_models::TraceContext::trace_id),
    )
}
