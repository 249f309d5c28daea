/// What became of a record: the label `outcome` of `nova_consumer_handled_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The handler succeeded.
    Handled,
    /// The event was handled before; the handler did not run.
    Duplicate,
    /// No handler is registered for the event type.
    Unknown,
    /// The record has a null value.
    Tombstone,
    /// The record is poison, or its handler failed for good: it is in the dead letters.
    DeadLettered,
    /// The same, and there are no dead letters: it is in the log alone.
    Dropped,
}

impl Outcome {
    /// The word on the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Handled => "handled",
            Self::Duplicate => "duplicate",
            Self::Unknown => "unknown",
            Self::Tombstone => "tombstone",
            Self::DeadLettered => "dead_lettered",
            Self::Dropped => "dropped",
        }
    }
}
