use std::borrow::Cow;

use nova_errors::{Effect, ServiceError};
use nova_models::{CallContext, Deadline, RequestId};
use tokio::time::Instant;
use tracing::{Span, field};

use super::Settings;
use super::answer::{self, Answer, Rendered};
use super::duration_metric::{DurationMetric, known};
use super::inbound::Inbound;
use super::run::run;
use super::trace::current_trace;
use crate::command::{COMMAND_ROUTE, CommandMark, command_path};
use crate::header_view::HeaderView;

/// What a framework knows of a request before a handler has it.
pub(crate) struct Head<'a, H> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// The pattern of the route, where there is one.
    pub(crate) route: Option<Cow<'a, str>>,
    pub(crate) headers: &'a H,
}

/// A request on its way through the layer, whichever framework carries it. Dropped before its [conclusion](Self::conclude), its client
/// has left.
pub(crate) struct InFlight {
    metric: DurationMetric,
    span: Span,
    mark: CommandMark,
    request_id: RequestId,
    deadline: Result<Option<Deadline>, ServiceError>,
    context: CallContext,
    has_route: bool,
    looks_like_command: bool,
}

/// What the framework puts into its answer.
pub(crate) struct Conclusion {
    pub(crate) request_id: RequestId,
    /// In place of the answer's body, where it is an error.
    pub(crate) rendered: Option<Rendered>,
}

impl InFlight {
    pub(crate) fn begin(settings: &Settings, head: Head<'_, impl HeaderView>) -> Self {
        let inbound = Inbound::read(head.headers, settings, Instant::now().into_std());
        let span = span(&head, &inbound, settings);
        let mut context = CallContext::new();
        context.request_id = Some(inbound.request_id.clone());
        context.trace = current_trace(&span, inbound.trace);
        let mark = CommandMark::default();
        if !settings.trusts_callers {
            // The first id stays: that of an envelope is the caller's too.
            mark.set_request_id(inbound.request_id.clone());
        }
        Self {
            span,
            mark,
            request_id: inbound.request_id,
            deadline: inbound.deadline,
            context,
            has_route: head.route.is_some(),
            looks_like_command: looks_like_command(&head, settings),
            metric: DurationMetric::start(
                settings.service.clone(),
                head.method,
                head.route.map(Cow::into_owned),
            ),
        }
    }

    /// What the framework hands on to the extractors.
    pub(crate) fn mark(&self) -> CommandMark {
        self.mark.clone()
    }

    /// Whether a failure before any extractor ran is answered as an envelope, and the body is to be [watched](crate::command::WatchedBody).
    pub(crate) fn looks_like_command(&self) -> bool {
        self.looks_like_command
    }

    /// Runs the handler in its context, until its deadline.
    pub(crate) async fn run<F: Future>(&self, handler: F) -> Result<F::Output, ServiceError> {
        let mut context = self.context.clone();
        context.deadline = self
            .deadline
            .clone()
            .map_err(|refused| refused.with_effect(Effect::None))?;
        run(context, &self.span, handler).await
    }

    /// Ends the request with what was found in its answer.
    pub(crate) fn conclude(self, status: u16, answer: Answer) -> Conclusion {
        let request_id = self.mark.request_id().unwrap_or(&self.request_id).clone();
        let error = answer.into_error(status, self.has_route).map(|error| {
            let effect = self.mark.effect_of(&error);
            error.with_effect(effect)
        });
        self.span.record("request_id", request_id.as_str());
        // OpenTelemetry has no unsigned numbers: it would be exported as text.
        self.span
            .record("http.response.status_code", i64::from(status));
        if status >= 500 {
            self.span.record("otel.status_code", "ERROR");
        }
        let rendered = error.map(|error| {
            self.span.in_scope(|| answer::log(&error, status));
            let is_command = self.looks_like_command || self.mark.is_set();
            Rendered::new(&error, status, &request_id, is_command)
        });
        self.metric.finish(status);
        Conclusion {
            request_id,
            rendered,
        }
    }
}

/// Whether a failure before any extractor ran is to be answered as an envelope.
fn looks_like_command<H>(head: &Head<'_, H>, settings: &Settings) -> bool {
    head.method == "POST"
        && (head.route.as_deref() == Some(COMMAND_ROUTE)
            || command_path(head.path).is_some_and(|(target, _)| *target == *settings.service))
}

fn span<H>(head: &Head<'_, H>, inbound: &Inbound, settings: &Settings) -> Span {
    let (method, route) = (known(head.method), head.route.as_deref());
    let span = tracing::info_span!(
        "http.request",
        otel.name = field::Empty,
        otel.kind = "server",
        otel.status_code = field::Empty,
        service = %settings.service,
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
        request_id = inbound.request_id.as_str(),
        client_request_id = inbound.client_request_id.as_deref(),
        source = inbound.source.as_ref().map(AsRef::<str>::as_ref),
        trace_id = inbound.trace.as_ref().map(nova_models::TraceContext::trace_id),
    );
    if let (false, Some(route)) = (span.is_disabled(), route) {
        span.record("otel.name", format!("{method} {route}"));
    }
    span
}
