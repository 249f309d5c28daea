use nova_errors::{ServiceError, Violation};

/// The trace that a call belongs to, by [W3C Trace Context](https://www.w3.org/TR/trace-context/).
///
/// ```
/// use nova_models::TraceContext;
///
/// let trace = TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None)?;
/// assert_eq!(trace.trace_id(), "0af7651916cd43dd8448eb211c80319c");
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    traceparent: String,
    tracestate: Option<String>,
}

impl TraceContext {
    /// The longest `tracestate` that is handed on, in bytes; a longer one is dropped, as the standard allows.
    pub const MAX_TRACESTATE: usize = 512;

    /// A context with these ids; zero is no valid id and becomes one.
    #[must_use]
    pub fn new(trace_id: u128, span_id: u64, sampled: bool) -> Self {
        let (trace_id, span_id) = (trace_id.max(1), span_id.max(1));
        Self {
            traceparent: format!(
                "00-{trace_id:032x}-{span_id:016x}-{:02x}",
                u8::from(sampled)
            ),
            tracestate: None,
        }
    }

    /// Reads the two headers.
    ///
    /// What is handed on is of version 00: what a later version adds, and every flag but "sampled", is left out.
    ///
    /// # Errors
    ///
    /// `Validation` where `traceparent` is not of version 00's form, which later versions extend. Start a new trace then.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Result<Self, ServiceError> {
        let Some(traceparent) = canonical(traceparent) else {
            let violation = Violation::new("traceparent", "expected the form of W3C Trace Context");
            return Err(ServiceError::Validation(violation.into()));
        };
        let visible = |state: &&str| {
            (1..=Self::MAX_TRACESTATE).contains(&state.len())
                && state.bytes().all(|c| (0x20..0x7f).contains(&c))
        };
        Ok(Self {
            traceparent,
            tracestate: tracestate.filter(visible).map(str::to_owned),
        })
    }

    /// The header `traceparent`.
    #[must_use]
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }

    /// The header `tracestate`.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }

    /// The id of the trace, 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        self.traceparent.get(3..35).unwrap_or_default()
    }

    /// The same trace with another span as the parent.
    #[must_use]
    pub fn child(&self, span_id: u64) -> Self {
        let flags = self.traceparent.get(53..55).unwrap_or("00");
        Self {
            traceparent: format!("00-{}-{:016x}-{flags}", self.trace_id(), span_id.max(1)),
            tracestate: self.tracestate.clone(),
        }
    }
}

/// The header in version 00, which is of fixed length.
fn canonical(text: &str) -> Option<String> {
    let hex = |part: &str, len: usize| {
        part.len() == len
            && part
                .bytes()
                .all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
    };
    let nonzero = |part: &str| part.bytes().any(|c| c != b'0');
    let mut parts = text.splitn(5, '-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let rest = parts.next();
    let is_valid = hex(version, 2)
        && version != "ff"
        && (rest.is_none() || version != "00")
        && hex(trace, 32)
        && nonzero(trace)
        && hex(span, 16)
        && nonzero(span)
        && hex(flags, 2);
    if !is_valid {
        return None;
    }
    let sampled = u8::from_str_radix(flags, 16).ok()? & 1;
    Some(format!("00-{trace}-{span}-{sampled:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_breaks_the_form_is_refused() {
        let zero_trace = VALID.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32));
        let zero_span = VALID.replace("b7ad6b7169203331", &"0".repeat(16));
        let upper = VALID.to_uppercase();
        let longer = format!("{VALID}-more");
        let bad = [
            "",
            "00",
            &zero_trace,
            &zero_span,
            &upper,
            &longer,
            "ff-x",
            "ä",
        ];
        for text in bad {
            assert!(TraceContext::parse(text, None).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_a_later_version_adds_is_not_handed_on() {
        let ids = VALID.get(2..53).unwrap();
        let more = "\u{1}".repeat(10_000);
        for (flags, sampled) in [("01", "01"), ("ff", "01"), ("fe", "00")] {
            let later = format!("cc{ids}{flags}-{more}");
            let trace = TraceContext::parse(&later, None).unwrap();
            assert_eq!(trace.traceparent(), format!("00{ids}{sampled}"));
        }
    }

    #[test]
    fn a_child_stays_in_the_trace() {
        let parent = TraceContext::parse(VALID, Some("a=1")).unwrap();
        let child = parent.child(7);
        assert_eq!(child.trace_id(), parent.trace_id());
        assert_eq!(
            child.traceparent(),
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000007-01"
        );
        assert_eq!(child.tracestate(), Some("a=1"));
    }

    #[test]
    fn a_tracestate_over_its_bound_is_dropped() {
        let long = "a".repeat(513);
        let trace = TraceContext::parse(VALID, Some(&long)).unwrap();
        assert_eq!(trace.tracestate(), None);
    }
}
