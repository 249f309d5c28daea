/// Which version of the outbox's tables a database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaVersion {
    /// The last migration that was applied; `None` where there are no tables.
    pub applied: Option<i32>,
    /// The last migration of this build.
    pub latest: i32,
}

impl SchemaVersion {
    /// Whether [`migrate`](crate::migrate) would do something.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.applied < Some(self.latest)
    }
}
