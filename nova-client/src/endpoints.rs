use std::collections::BTreeMap;

use nova_errors::ServiceError;
use nova_models::ServiceName;

use crate::balance::BalanceLayer;
use crate::base_url::BaseUrl;

/// Which URLs each target is reached at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Endpoints {
    pub(crate) by_target: BTreeMap<ServiceName, Vec<BaseUrl>>,
    pub(crate) fallback: Option<BaseUrl>,
}

impl Endpoints {
    pub(crate) fn insert(
        &mut self,
        target: ServiceName,
        urls: Vec<BaseUrl>,
    ) -> Result<(), ServiceError> {
        BalanceLayer::<BaseUrl>::validate(urls.len())?;
        self.by_target.insert(target, urls);
        Ok(())
    }

    pub(crate) fn set_fallback(&mut self, url: BaseUrl) {
        self.fallback = Some(url);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_target.is_empty() && self.fallback.is_none()
    }
}
