#[cfg(feature = "telemetry")]
pub(crate) use traced::*;

#[cfg(not(feature = "telemetry"))]
pub(crate) use untraced::*;

/// Without a tracer.
#[cfg(not(feature = "telemetry"))]
mod untraced {
    use nova_models::TraceContext;
    use tracing::Span;

    /// The trace to hand on: the caller's, as it came.
    pub(crate) fn current_trace(
        _span: &Span,
        inbound: Option<TraceContext>,
    ) -> Option<TraceContext> {
        inbound
    }

    /// Without a tracer a span keeps its name.
    #[cfg(feature = "grpc")]
    pub(crate) fn rename(_span: &Span, _name: &str) {}
}

/// With the tracer that a binary may have installed.
#[cfg(feature = "telemetry")]
mod traced {
    use nova_models::TraceContext;
    use opentelemetry::trace::{
        SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState,
    };
    use tracing::Span;
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    /// The trace to hand on, with `span` as the parent where a tracer records it, else the caller's as it came.
    ///
    /// It also makes the caller's span the parent of `span`.
    pub(crate) fn current_trace(
        span: &Span,
        inbound: Option<TraceContext>,
    ) -> Option<TraceContext> {
        if let Some(parent) = inbound.as_ref().and_then(remote) {
            let parent = opentelemetry::Context::new().with_remote_span_context(parent);
            // In vain only without a tracer, where the caller's trace goes on below.
            let _ = span.set_parent(parent);
        }
        let context = span.context();
        let current = context.span().span_context().clone();
        if !current.is_valid() {
            return inbound;
        }
        let span_id = u64::from_be_bytes(current.span_id().to_bytes());
        let trace_id = current.trace_id();
        match inbound {
            // Keeps the caller's `tracestate`.
            Some(inbound) if inbound.trace_id() == trace_id.to_string() => {
                Some(inbound.child(span_id))
            }
            _ => Some(TraceContext::new(
                u128::from_be_bytes(trace_id.to_bytes()),
                span_id,
                current.is_sampled(),
            )),
        }
    }

    /// Gives a span the name that became known by its end.
    #[cfg(feature = "grpc")]
    pub(crate) fn rename(span: &Span, name: &str) {
        span.context().span().update_name(name.to_owned());
    }

    fn remote(trace: &TraceContext) -> Option<SpanContext> {
        let parent = trace.traceparent();
        let trace_id = TraceId::from_hex(trace.trace_id()).ok()?;
        let span_id = SpanId::from_hex(parent.get(36..52)?).ok()?;
        let flags = u8::from_str_radix(parent.get(53..55)?, 16).ok()?;
        let flags = TraceFlags::new(flags);
        let state = TraceState::default();
        Some(SpanContext::new(trace_id, span_id, flags, true, state))
    }
}
