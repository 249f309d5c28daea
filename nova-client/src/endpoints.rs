use std::collections::BTreeMap;

use http::Uri;
use nova_errors::{Effect, ServiceError, Violation};
use nova_models::{EndpointName, ServiceName};

use crate::base_url::BaseUrl;

/// Which URL each target is reached at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Endpoints {
    by_target: BTreeMap<ServiceName, BaseUrl>,
    fallback: Option<BaseUrl>,
}

impl Endpoints {
    pub(crate) fn insert(&mut self, target: ServiceName, url: BaseUrl) {
        self.by_target.insert(target, url);
    }

    pub(crate) fn set_fallback(&mut self, url: BaseUrl) {
        self.fallback = Some(url);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_target.is_empty() && self.fallback.is_none()
    }

    /// The address of a command.
    pub(crate) fn uri(
        &self,
        target: &ServiceName,
        endpoint: &EndpointName,
    ) -> Result<Uri, ServiceError> {
        let base = self
            .by_target
            .get(target)
            .or(self.fallback.as_ref())
            .ok_or_else(|| {
                let violation = Violation::new("target", format!("no URL is known for {target}"));
                ServiceError::Validation(violation.into()).with_effect(Effect::None)
            })?;
        base.command_uri(target, endpoint)
    }
}
