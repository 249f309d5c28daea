/// What events stay in order with.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Aggregate {
    pub(super) kind: String,
    pub(super) id: String,
}
