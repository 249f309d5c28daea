use std::time::{Duration, Instant};

use nova_errors::{ServiceError, Violation};
use nova_models::{Deadline, RequestId, ServiceName, TraceContext, headers};

use super::Settings;
use crate::header_view::{HeaderView, text_of};
use crate::json::invalid;

/// What the headers of a request say about the call.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) request_id: RequestId,
    /// The caller's id where it was not taken over.
    pub(crate) client_request_id: Option<RequestId>,
    /// By the caller's own word, for logs.
    pub(crate) source: Option<ServiceName>,
    pub(crate) deadline: Result<Option<Deadline>, ServiceError>,
    pub(crate) trace: Option<TraceContext>,
}

impl Inbound {
    pub(crate) fn read(headers: &impl HeaderView, settings: &Settings, now: Instant) -> Self {
        let given: Option<RequestId> = headers
            .text(headers::REQUEST_ID)
            .and_then(|id| id.parse().ok());
        let longest = settings
            .max_deadline
            .map(|limit| Deadline::after(now, limit));
        if !settings.trusts_callers {
            return Self {
                request_id: RequestId::new(),
                client_request_id: given,
                source: None,
                deadline: Ok(longest),
                trace: None,
            };
        }
        let deadline = deadline(headers, now).map(|given| match (given, longest) {
            (Some(given), Some(longest)) => Some(given.earlier(longest)),
            (given, longest) => given.or(longest),
        });
        Self {
            request_id: given.unwrap_or_else(RequestId::new),
            client_request_id: None,
            source: headers
                .text(headers::SOURCE)
                .and_then(|name| name.parse().ok()),
            deadline,
            trace: trace(headers),
        }
    }
}

fn deadline(headers: &impl HeaderView, now: Instant) -> Result<Option<Deadline>, ServiceError> {
    let Some(value) = headers.first(headers::DEADLINE_MS) else {
        return Ok(None);
    };
    let millis = text_of(value)
        // `parse` alone takes a sign too.
        .filter(|text| text.bytes().all(|c| c.is_ascii_digit()))
        .and_then(|text| text.parse().ok());
    match millis {
        Some(millis) => Ok(Some(Deadline::after(now, Duration::from_millis(millis)))),
        None => Err(invalid(Violation::new(
            headers::DEADLINE_MS,
            "expected a whole number of milliseconds",
        ))),
    }
}

fn trace(headers: &impl HeaderView) -> Option<TraceContext> {
    let parent = headers.text(headers::TRACEPARENT)?;
    TraceContext::parse(parent, headers.text(headers::TRACESTATE)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServiceLayer;
    use axum::http::{HeaderName, HeaderValue};

    fn inbound(layer: &ServiceLayer, given: &[(&'static str, &'static str)]) -> Inbound {
        let headers: axum::http::HeaderMap = given
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        Inbound::read(&headers, &layer.settings, Instant::now())
    }

    #[test]
    fn a_deadline_is_digits_alone() {
        let layer = ServiceLayer::new("a");
        for bad in [
            "",
            "-1",
            "+1",
            "1.5",
            "soon",
            "1e3",
            " 1",
            "99999999999999999999",
        ] {
            let found = inbound(&layer, &[(headers::DEADLINE_MS, bad)]);
            let error = found.deadline.unwrap_err();
            assert_eq!(error.violations()[0].field, headers::DEADLINE_MS, "{bad:?}");
        }
        for good in ["0", "250", "18446744073709551615"] {
            let found = inbound(&layer, &[(headers::DEADLINE_MS, good)]);
            assert!(found.deadline.unwrap().is_some(), "{good:?}");
        }
    }

    #[test]
    fn what_is_not_valid_is_not_handed_on() {
        let layer = ServiceLayer::new("a");
        let found = inbound(
            &layer,
            &[
                (headers::REQUEST_ID, "not valid"),
                (headers::TRACEPARENT, "junk"),
                (headers::SOURCE, "Not A Name"),
            ],
        );
        assert_eq!(found.request_id.len(), 36);
        assert_eq!(found.trace, None);
        assert_eq!(found.source, None);
    }

    #[test]
    fn the_public_edge_takes_nothing_from_the_caller() {
        let layer = ServiceLayer::new("gateway")
            .public()
            .max_deadline(Duration::from_secs(1));
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let given = [
            (headers::REQUEST_ID, "mine"),
            (headers::DEADLINE_MS, "junk"),
            (headers::TRACEPARENT, parent),
        ];
        let found = inbound(&layer, &given);
        assert_ne!(found.request_id.as_str(), "mine");
        assert_eq!(found.client_request_id.as_deref(), Some("mine"));
        assert!(found.deadline.unwrap().is_some());
        assert_eq!(found.trace, None);
    }
}
