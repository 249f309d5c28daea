use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Effect, Origin};

/// One rule that a request breaks: which field, and what was expected of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Violation {
    /// The field, as a path from the root of the request: `items[3].price`.
    pub field: String,
    /// What was expected, fit for the eyes of the caller.
    pub message: String,
}

impl Violation {
    /// A violation of `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// What a [`ServiceError`](crate::ServiceError) carries beside its kind.
///
/// It is one pointer wide, made from a string, and allocates nothing when it is empty
/// ([`ErrorDetail::default`]). Cloning one is an atomic increment: an error that is handed out
/// often, such as the one of an open circuit breaker, can be made once. The `with_…` methods of
/// `ServiceError` add the rest.
#[derive(Clone, Default)]
pub struct ErrorDetail(Option<Arc<Inner>>);

#[derive(Clone, Default)]
struct Inner {
    message: Cow<'static, str>,
    code: Option<Cow<'static, str>>,
    violations: Vec<Violation>,
    retry_after: Option<Duration>,
    retryable: Option<bool>,
    attempts: u32,
    retries_spent: bool,
    origin: Origin,
    effect: Effect,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl ErrorDetail {
    fn edit(&mut self) -> &mut Inner {
        Arc::make_mut(self.0.get_or_insert_default())
    }

    pub(crate) fn set_message(&mut self, message: Cow<'static, str>) {
        self.edit().message = message;
    }

    pub(crate) fn set_code(&mut self, code: Cow<'static, str>) {
        self.edit().code = Some(code);
    }

    pub(crate) fn push_violation(&mut self, violation: Violation) {
        self.edit().violations.push(violation);
    }

    pub(crate) fn set_retry_after(&mut self, after: Option<Duration>) {
        self.edit().retry_after = after;
    }

    pub(crate) fn set_retryable(&mut self, retryable: bool) {
        self.edit().retryable = Some(retryable);
    }

    pub(crate) fn set_attempts(&mut self, attempts: u32) {
        self.edit().attempts = attempts;
    }

    pub(crate) fn set_retries_spent(&mut self) {
        self.edit().retries_spent = true;
    }

    pub(crate) fn set_origin(&mut self, origin: Origin) {
        self.edit().origin = origin;
    }

    pub(crate) fn set_effect(&mut self, effect: Effect) {
        self.edit().effect = effect;
    }

    pub(crate) fn set_source(&mut self, source: Arc<dyn Error + Send + Sync>) {
        self.edit().source = Some(source);
    }

    fn get(&self) -> Option<&Inner> {
        self.0.as_deref()
    }

    /// The message; `None` where there is none.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.get()
            .map(|inner| inner.message.as_ref())
            .filter(|message| !message.is_empty())
    }

    pub(crate) fn code(&self) -> Option<&str> {
        self.get().and_then(|inner| inner.code.as_deref())
    }

    /// The rules that the request breaks.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        self.get().map_or(&[], |inner| &inner.violations)
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.get().and_then(|inner| inner.retry_after)
    }

    pub(crate) fn retryable(&self) -> Option<bool> {
        self.get().and_then(|inner| inner.retryable)
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.get().map_or(0, |inner| inner.attempts)
    }

    pub(crate) fn retries_spent(&self) -> bool {
        self.get().is_some_and(|inner| inner.retries_spent)
    }

    pub(crate) fn origin(&self) -> Origin {
        self.get().map_or(Origin::Local, |inner| inner.origin)
    }

    pub(crate) fn effect(&self) -> Effect {
        self.get().map_or(Effect::Unknown, |inner| inner.effect)
    }

    pub(crate) fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.get()?.source.as_deref()?;
        Some(source)
    }
}

impl From<&'static str> for ErrorDetail {
    fn from(message: &'static str) -> Self {
        let mut detail = Self::default();
        detail.set_message(Cow::Borrowed(message));
        detail
    }
}

impl From<String> for ErrorDetail {
    fn from(message: String) -> Self {
        let mut detail = Self::default();
        detail.set_message(Cow::Owned(message));
        detail
    }
}

impl From<Violation> for ErrorDetail {
    fn from(violation: Violation) -> Self {
        let mut detail = Self::from(format!("{}: {}", violation.field, violation.message));
        detail.push_violation(violation);
        detail
    }
}

impl fmt::Debug for ErrorDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ErrorDetail");
        if let Some(message) = self.message() {
            out.field("message", &message);
        }
        if let Some(code) = self.code() {
            out.field("code", &code);
        }
        if !self.violations().is_empty() {
            out.field("violations", &self.violations());
        }
        if let Some(after) = self.retry_after() {
            out.field("retry_after", &after);
        }
        if self.attempts() > 0 {
            out.field("attempts", &self.attempts());
        }
        if self.retries_spent() {
            out.field("retries_spent", &true);
        }
        out.field("origin", &self.origin())
            .field("effect", &self.effect());
        if let Some(source) = self.source() {
            out.field("source", &source);
        }
        out.finish()
    }
}
