use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower::Layer;

use super::{IdempotencyService, IdempotencyStore};

/// Does a command once for an idempotency key: a repeated one gets the answer of the first.
///
/// It goes around the endpoints of a [`CommandRouter`](crate::CommandRouter), inside of the [`ServiceLayer`](crate::ServiceLayer) and of what authenticates the
/// caller, and takes every POST for a command. The handlers need no change.
///
/// | the key | the answer |
/// |---|---|
/// | is new | the handler's |
/// | was used with the same command | that of the first, with the header `idempotency-replayed: true` and this request's id |
/// | was used with another command | `IdempotencyMismatch`, effect none |
/// | is in flight | `Aborted` with [`Retry-After`](crate::Claim::RETRY_AFTER), effect none |
///
/// - A key counts within the authenticated subject ([`CallContext::subject`](nova_models::CallContext)), the target and the endpoint. A subject is to be
///   one caller: where tenants number their users alike, the tenant belongs into it.
/// - Callers whom nobody has authenticated share one scope: who has a key *and* the command gets the answer. An extractor that authenticates
///   comes too late, because a repeated command reaches no handler. [`require_subject`](Self::require_subject) makes sure.
/// - The same command is one with the same [`Fingerprint`](crate::Fingerprint), whatever its envelope.
/// - A success is kept, and a failure that will not pass. One that may pass
///   ([`is_retryable`](nova_errors::ServiceError::is_retryable)) is not, nor one from before the handler had the command: the next attempt runs. A panic is a failure that will not pass.
/// - What is kept is the reply or the error, and the status: the error as callers see it, without its causes; the reply as it is. Leave a command whose reply is a
///   secret, such as a token, outside of the layer. Other headers of the handler's answer are not kept. A reply over
///   [`max_answer`](Self::max_answer), or one that is no envelope, is not kept either: the repeated command does not run again, and is answered `conflict.answer_not_kept`.
/// - A handler that is dropped, because its deadline is over or the client left, gives the key back.
/// - Where the store does not answer, no handler runs.
///
/// # How often a command takes effect
///
/// With a `SqlIdempotencyStore`: once, for what the handler does in its `CommandTransaction`. With the others, and for what it does elsewhere, the command may
/// run again after a crash, after its handler was dropped or failed in a way that may pass, when a claim runs out, or where the answer could not be
/// stored. A handler that calls others hands its own key on, so that they can tell.
///
/// # Metrics
///
/// `nova_idempotent_commands_total` by `outcome`: `new`, `replayed`, `mismatch`, `in_flight`, `unkeyed`, `store_failed`. `nova_idempotency_unconfirmed_total`:
/// answers that were not stored, so that their commands may run again.
///
/// ```
/// use nova_errors::ServiceError;
/// use nova_service::{Command, CommandReply, CommandRouter, IdempotencyLayer, MemoryIdempotencyStore};
///
/// async fn charge(command: Command<u64>) -> Result<CommandReply<String>, ServiceError> {
///     Ok(command.reply(format!("charged {}", *command)))
/// }
///
/// let commands: axum::Router = CommandRouter::new("billing-service")
///     .command("charges/create", charge)
///     .layer(IdempotencyLayer::new(MemoryIdempotencyStore::default()))
///     .build()?;
/// # Ok::<(), ServiceError>(())
/// ```
#[derive(Clone)]
pub struct IdempotencyLayer {
    settings: Arc<Settings>,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(super) store: Arc<dyn IdempotencyStore>,
    pub(super) retention: Duration,
    pub(super) max_answer: usize,
    pub(super) requires_key: bool,
    pub(super) requires_subject: bool,
}

impl IdempotencyLayer {
    /// How long an answer is kept by default: 24 hours.
    pub const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

    /// The shortest retention: a minute, which is longer than a call with all its attempts may take by `nova-client`'s defaults (10 s).
    pub const MIN_RETENTION: Duration = Duration::from_secs(60);

    /// The longest retention: 30 days.
    pub const MAX_RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// The largest answer that is kept by default, in bytes with its envelope: 256 KiB.
    pub const MAX_ANSWER: usize = 256 * 1024;

    /// A layer that keeps the answers in `store`.
    pub fn new(store: impl IdempotencyStore) -> Self {
        Self {
            settings: Arc::new(Settings {
                store: Arc::new(store),
                retention: Self::RETENTION,
                max_answer: Self::MAX_ANSWER,
                requires_key: false,
                requires_subject: false,
            }),
        }
    }

    /// Sets how long an answer is kept, from [`MIN_RETENTION`](Self::MIN_RETENTION) to [`MAX_RETENTION`](Self::MAX_RETENTION): [`RETENTION`](Self::RETENTION) unless set.
    ///
    /// A caller that tries again later than that has its command done again. So it has to be longer than the latest retry of *any* caller: not
    /// only of a call, but of what repeats calls, such as a consumer of events that was down for a week-end, or somebody who replays
    /// dead letters.
    #[must_use]
    pub fn retention(mut self, retention: Duration) -> Self {
        let retention = retention.clamp(Self::MIN_RETENTION, Self::MAX_RETENTION);
        Arc::make_mut(&mut self.settings).retention = retention;
        self
    }

    /// Sets the largest answer that is kept, in bytes with its envelope: [`MAX_ANSWER`](Self::MAX_ANSWER) unless set.
    #[must_use]
    pub fn max_answer(mut self, bytes: usize) -> Self {
        Arc::make_mut(&mut self.settings).max_answer = bytes;
        self
    }

    #[cfg(feature = "actix")]
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Refuses commands without a key as `Validation`. Unless this is set they run, unprotected.
    #[must_use]
    pub fn require_key(mut self) -> Self {
        Arc::make_mut(&mut self.settings).requires_key = true;
        self
    }

    /// Refuses commands of callers whom nobody has authenticated, as `Authentication`. Set it where every caller is: a layer that authenticates inside of this
    /// one instead of around it then shows at the first command, and not when one caller gets another's answer.
    #[must_use]
    pub fn require_subject(mut self) -> Self {
        Arc::make_mut(&mut self.settings).requires_subject = true;
        self
    }
}

impl<S> Layer<S> for IdempotencyLayer {
    type Service = IdempotencyService<S>;

    fn layer(&self, inner: S) -> IdempotencyService<S> {
        IdempotencyService::new(inner, self.settings.clone())
    }
}

impl fmt::Debug for IdempotencyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyLayer")
            .field("retention", &self.settings.retention)
            .field("max_answer", &self.settings.max_answer)
            .field("requires_key", &self.settings.requires_key)
            .field("requires_subject", &self.settings.requires_subject)
            .finish_non_exhaustive()
    }
}
