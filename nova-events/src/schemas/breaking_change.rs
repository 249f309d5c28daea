use std::fmt;

/// A change of an event that breaks somebody: which event, where in its payload, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakingChange {
    /// The event type, as it was released.
    pub event_type: String,
    /// The field of the payload, such as `lines[].price`; `None` for a change of the event as a whole.
    pub field: Option<String>,
    /// What changed.
    pub change: Change,
}

/// What changed about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// There is no type for the event any more.
    EventRemoved,
    /// The event has another name: readers that know the old one pass over it.
    EventRenamed {
        /// The name now.
        to: String,
    },
    /// Another aggregate type, and so another topic.
    TopicChanged {
        /// The aggregate type that was released.
        from: String,
        /// The one now.
        to: String,
    },
    /// Another record key: events of one aggregate lose their order.
    KeyChanged {
        /// The field that was released; `None` where it was put together.
        from: Option<String>,
        /// The one now.
        to: Option<String>,
    },
    /// Records of an older name are not read any more.
    AliasRemoved {
        /// The older name.
        alias: String,
    },
    /// A version that was released comes again.
    VersionLowered {
        /// The version that was released.
        from: u32,
        /// The one now.
        to: u32,
    },
    /// Old readers miss the field.
    FieldRemoved,
    /// Old records lack the field.
    RequiredFieldAdded,
    /// Old readers refuse fields that they don't know.
    UnexpectedFieldAdded,
    /// Old records may lack the field.
    FieldMadeRequired,
    /// New records may lack the field, which old readers require.
    FieldMadeOptional,
    /// Another type, format or bound, or null where it was not.
    TypeChanged {
        /// What was released.
        from: String,
        /// What is there now.
        to: String,
    },
    /// A word that records have is known no more.
    WordRemoved {
        /// The word.
        word: String,
    },
    /// A word that old readers refuse, as their enum is closed.
    WordAdded {
        /// The word.
        word: String,
    },
    /// The newest type does not read an example of an older version.
    VersionUnreadable {
        /// The older version.
        version: u32,
        /// Why not.
        cause: String,
    },
}

impl fmt::Display for BreakingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.event_type)?;
        match &self.field {
            Some(field) => write!(f, "field `{field}` ")?,
            None if self.change.is_of_payload() => f.write_str("the payload ")?,
            None => {}
        }
        self.change.fmt(f)
    }
}

impl Change {
    /// Whether it is a change of a value, and so in need of a subject.
    const fn is_of_payload(&self) -> bool {
        matches!(
            self,
            Self::TypeChanged { .. } | Self::WordRemoved { .. } | Self::WordAdded { .. }
        )
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = |name: &Option<String>| match name {
            Some(name) => format!("field `{name}`"),
            None => "put together".to_owned(),
        };
        match self {
            Self::EventRemoved => f.write_str("the event was removed"),
            Self::EventRenamed { to } => write!(f, "the event was renamed to {to}"),
            Self::TopicChanged { from, to } => {
                write!(
                    f,
                    "the aggregate type, which decides the topic, changed from {from} to {to}"
                )
            }
            Self::KeyChanged { from, to } => {
                write!(
                    f,
                    "the record key changed from {} to {}",
                    field(from),
                    field(to)
                )
            }
            Self::AliasRemoved { alias } => write!(f, "the older name {alias} was removed"),
            Self::VersionLowered { from, to } => {
                write!(f, "the version was lowered from {from} to {to}")
            }
            Self::FieldRemoved => f.write_str("was removed"),
            Self::RequiredFieldAdded => f.write_str("is new and required"),
            Self::UnexpectedFieldAdded => {
                f.write_str("is new where older readers refuse unknown fields")
            }
            Self::FieldMadeRequired => f.write_str("became required"),
            Self::FieldMadeOptional => f.write_str("became optional"),
            Self::TypeChanged { from, to } => write!(f, "changed from {from} to {to}"),
            Self::WordRemoved { word } => write!(f, "lost the word {word:?}"),
            Self::WordAdded { word } => {
                write!(f, "got the word {word:?}, which older readers refuse")
            }
            Self::VersionUnreadable { version, cause } => {
                write!(f, "version {version} is not read any more: {cause}")
            }
        }
    }
}
