use std::collections::{BTreeMap, BTreeSet};

use nova_errors::ServiceError;
use schemars::JsonSchema;

use super::example::Example;
use super::{BreakingChange, Change, EventContract, asyncapi, canonical};
use crate::received_record::payload;
use crate::{DomainEvent, TopicPrefix};

/// The events of a platform or of a service: who produces and who consumes them.
///
/// See the [module](super) for an example.
#[derive(Debug, Clone)]
#[must_use]
pub struct EventCatalogue {
    pub(super) title: String,
    pub(super) version: String,
    pub(super) prefix: TopicPrefix,
    pub(super) partitions: BTreeMap<String, u16>,
    pub(super) events: Vec<CataloguedEvent>,
}

/// An event, and between whom it goes.
#[derive(Debug, Clone)]
pub(super) struct CataloguedEvent {
    pub(super) contract: EventContract,
    pub(super) producer: String,
    pub(super) consumers: Vec<String>,
    /// Whether a payload of that version reads as the type.
    reads: fn(u32, &[u8]) -> Result<(), ServiceError>,
}

impl EventCatalogue {
    /// How many partitions a topic has, unless [`partitions`](Self::partitions) says otherwise.
    pub const DEFAULT_PARTITIONS: u16 = 3;

    /// The name of the AsyncAPI document among the [`files`](Self::files).
    pub const ASYNCAPI: &'static str = "asyncapi.json";

    /// A catalogue without events; `title` and `version` are those of its AsyncAPI document.
    pub fn new(title: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            version: version.into(),
            prefix: TopicPrefix::default(),
            partitions: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    /// Adds an event, and the names of the services that produce and consume it: `[A-Za-z0-9._-]`.
    pub fn event<E: DomainEvent + JsonSchema>(
        mut self,
        producer: &str,
        consumers: &[&str],
    ) -> Self {
        self.events.push(CataloguedEvent {
            contract: EventContract::of::<E>(),
            producer: producer.to_owned(),
            consumers: consumers.iter().map(|name| (*name).to_owned()).collect(),
            reads: |version, json| payload::<E>(version, json).map(|_| ()),
        });
        self
    }

    /// Sets what the topics begin with: `nova` by default.
    pub fn topic_prefix(mut self, prefix: TopicPrefix) -> Self {
        self.prefix = prefix;
        self
    }

    /// Sets how many partitions the topic of an aggregate type has.
    pub fn partitions(mut self, aggregate_type: impl Into<String>, partitions: u16) -> Self {
        self.partitions.insert(aggregate_type.into(), partitions);
        self
    }

    /// The contracts of the events, in the order in which they were added.
    pub fn contracts(&self) -> impl Iterator<Item = &EventContract> {
        self.events.iter().map(|event| &event.contract)
    }

    /// What breaks those who know the events as they were `released`: the contracts that are checked in, of all versions.
    ///
    /// Beside the newest version of each, examples of the older ones are read, so that no upcast is forgotten. An example takes
    /// what the schema says of it under `examples`.
    #[must_use]
    pub fn breaking_changes_since(&self, released: &[EventContract]) -> Vec<BreakingChange> {
        let mut newest: BTreeMap<&str, &EventContract> = BTreeMap::new();
        for contract in released {
            let latest = newest.entry(contract.event_type()).or_insert(contract);
            if contract.schema_version() > latest.schema_version() {
                *latest = contract;
            }
        }
        let of_newest = newest
            .into_values()
            .flat_map(|old| match self.find(old.event_type()) {
                Some(event) => event.contract.breaking_changes_since(old),
                None => vec![self.missing(old, released)],
            });
        let of_older = released.iter().filter_map(|old| self.unreadable(old));
        of_newest.chain(of_older).collect()
    }

    /// The files to be checked in, by name: a contract for each event and version, those of `released` that are older than
    /// the types included, and the AsyncAPI document.
    ///
    /// # Errors
    ///
    /// As [`asyncapi`](Self::asyncapi).
    pub fn files(
        &self,
        released: &[EventContract],
    ) -> Result<BTreeMap<String, String>, ServiceError> {
        let older = released.iter().filter(|old| {
            self.find(old.event_type())
                .is_some_and(|event| event.contract.schema_version() > old.schema_version())
        });
        let mut files: BTreeMap<_, _> = self
            .contracts()
            .chain(older)
            .map(|contract| (contract.file_name(), contract.to_string()))
            .collect();
        let document = canonical::text(self.asyncapi()?);
        files.insert(Self::ASYNCAPI.to_owned(), document);
        Ok(files)
    }

    /// The [AsyncAPI](https://www.asyncapi.com) 3.0 document: a channel per topic with its partitions, a message per event with
    /// its headers and key, an operation per service and topic.
    ///
    /// # Errors
    ///
    /// `Validation` where two events have one name, or a name does not fit its grammar.
    pub fn asyncapi(&self) -> Result<serde_json::Value, ServiceError> {
        asyncapi::document(self)
    }

    fn find(&self, event_type: &str) -> Option<&CataloguedEvent> {
        self.events
            .iter()
            .find(|event| event.contract.event_type() == event_type)
    }

    /// An event whose name is gone was renamed where a new one is known by its name, or has its payload.
    fn missing(&self, old: &EventContract, released: &[EventContract]) -> BreakingChange {
        let known: BTreeSet<_> = released.iter().map(EventContract::event_type).collect();
        let renamed = self.contracts().find(|new| {
            let alias = new.aliases().iter().any(|alias| alias == old.event_type());
            alias || (!known.contains(new.event_type()) && new.is_alike(old))
        });
        let change = match renamed {
            Some(new) => Change::EventRenamed {
                to: new.event_type().to_owned(),
            },
            None => Change::EventRemoved,
        };
        BreakingChange {
            event_type: old.event_type().to_owned(),
            field: None,
            change,
        }
    }

    fn unreadable(&self, old: &EventContract) -> Option<BreakingChange> {
        let event = self.find(old.event_type())?;
        let version = old.schema_version();
        if version >= event.contract.schema_version() {
            return None;
        }
        let examples = [false, true].into_iter().filter_map(|optional_fields| {
            let root = old.payload();
            let example = Example {
                root,
                optional_fields,
            };
            serde_json::to_vec(&example.of(root)?).ok()
        });
        let mut failures = examples.filter_map(|json| (event.reads)(version, &json).err());
        let error = failures.next()?;
        Some(BreakingChange {
            event_type: old.event_type().to_owned(),
            field: None,
            change: Change::VersionUnreadable {
                version,
                cause: nova_errors::Chain(&error).to_string(),
            },
        })
    }
}
