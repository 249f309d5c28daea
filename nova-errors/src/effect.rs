/// Where an error arose, seen from the process that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Origin {
    /// In this process.
    #[default]
    Local,
    /// On the way to or from the peer: the connection, or a proxy that answered in its place.
    Transport,
    /// At the peer, which said so.
    Remote,
}

/// Whether the request that failed can have taken effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Effect {
    /// It cannot: it was refused before a handler ran, or never left.
    None,
    /// It can: nobody who knows has said otherwise.
    #[default]
    Unknown,
}

impl Effect {
    /// The word on the wire: `none` or `unknown`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }

    /// The effect that a word on the wire names. Anything but `none` is `Unknown`: a word from a
    /// later version must not make a retry look safe.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        if word == "none" {
            Self::None
        } else {
            Self::Unknown
        }
    }
}
