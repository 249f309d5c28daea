use redis::Script;

/// What has to happen at once in Redis. Each touches one key, so that a cluster runs them too.
pub(super) struct Scripts {
    pub(super) claim: Script,
    pub(super) confirm: Script,
    pub(super) renew: Script,
    pub(super) release: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            claim: Script::new(include_str!("claim.lua")),
            confirm: Script::new(include_str!("confirm.lua")),
            renew: Script::new(include_str!("renew.lua")),
            release: Script::new(include_str!("release.lua")),
        }
    }
}

/// Redis counts in whole milliseconds, from 1.
pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .max(1)
}
