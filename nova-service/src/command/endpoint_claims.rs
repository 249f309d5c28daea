use std::collections::BTreeSet;

use nova_errors::{ServiceError, Violation};
use nova_models::{Command as TypedCommand, EndpointName, ServiceName};

use super::command_path::path_of;
use crate::json::invalid;

/// The endpoints of a service, each claimed once. It keeps the first fault, for whoever builds a router of them.
#[derive(Debug, Clone)]
pub(crate) struct EndpointClaims {
    service: String,
    endpoints: BTreeSet<String>,
    fault: Option<ServiceError>,
}

impl EndpointClaims {
    pub(crate) fn new(service: String) -> Self {
        Self {
            service,
            endpoints: BTreeSet::new(),
            fault: None,
        }
    }

    /// The path of `endpoint`; `None` where it cannot be had.
    pub(crate) fn claim(&mut self, endpoint: &str) -> Option<String> {
        match self.check(endpoint) {
            Ok(()) => Some(path_of(&self.service, endpoint)),
            Err(fault) => {
                self.note(fault);
                None
            }
        }
    }

    /// Whether the typed command is for this service.
    pub(crate) fn is_for<C: TypedCommand>(&mut self) -> bool {
        let is_ours = C::TARGET == self.service;
        if !is_ours {
            let message = format!("{} is for {}, not {}", C::ENDPOINT, C::TARGET, self.service);
            self.note(invalid(Violation::new("target", message)));
        }
        is_ours
    }

    pub(crate) fn finish(self) -> Result<ServiceName, ServiceError> {
        let service = ServiceName::new(self.service)?;
        self.fault.map_or(Ok(service), Err)
    }

    fn check(&mut self, endpoint: &str) -> Result<(), ServiceError> {
        ServiceName::new(self.service.clone())?;
        EndpointName::new(endpoint.to_owned())?;
        if self.endpoints.insert(endpoint.to_owned()) {
            return Ok(());
        }
        let message = format!("{endpoint} is there twice");
        Err(invalid(Violation::new("endpoint", message)))
    }

    fn note(&mut self, fault: ServiceError) {
        self.fault.get_or_insert(fault);
    }
}
