use std::collections::BTreeSet;

use nova_errors::{Effect, ServiceError, Violation};

/// A set of methods by their paths.
#[derive(Debug, Clone, Default)]
pub(super) struct Methods {
    /// `/package.Service/Method`
    methods: BTreeSet<String>,
    /// `/package.Service/`, for all methods of a service.
    services: BTreeSet<String>,
}

impl Methods {
    /// Adds `/package.Service/Method`, or a whole service: `/package.Service/*`.
    pub(super) fn add(&mut self, field: &str, path: &str) -> Result<(), ServiceError> {
        let name = |part: &str| {
            let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._".contains(&c);
            !part.is_empty() && part.bytes().all(allowed)
        };
        let parts = path.strip_prefix('/').and_then(|rest| rest.split_once('/'));
        match parts {
            Some((service, "*")) if name(service) => {
                self.services.insert(format!("/{service}/"));
                Ok(())
            }
            Some((service, method)) if name(service) && name(method) => {
                self.methods.insert(path.to_owned());
                Ok(())
            }
            _ => {
                let violation = Violation::new(field, "expected /package.Service/Method");
                Err(ServiceError::Validation(violation.into()).with_effect(Effect::None))
            }
        }
    }

    pub(super) fn contain(&self, path: &str) -> bool {
        let service = path.rfind('/').and_then(|at| path.get(..=at));
        self.methods.contains(path)
            || service.is_some_and(|service| self.services.contains(service))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_and_a_whole_service_are_found_and_nothing_else() {
        let mut methods = Methods::default();
        methods.add("m", "/a.v1.A/Get").unwrap();
        methods.add("m", "/b.v1.B/*").unwrap();
        for path in ["/a.v1.A/Get", "/b.v1.B/Get", "/b.v1.B/List"] {
            assert!(methods.contain(path), "{path}");
        }
        for path in ["/a.v1.A/List", "/a.v1.A/*", "/b.v1.Bb/Get", "/b.v1.B", ""] {
            assert!(!methods.contain(path), "{path}");
        }
    }

    #[test]
    fn what_is_no_path_of_a_method_is_refused() {
        for path in [
            "", "/", "a/b", "/a", "/a/", "//b", "/a/b/c", "/a/b*", "/*/b", "/ä/b",
        ] {
            let error = Methods::default().add("m", path).unwrap_err();
            assert_eq!(error.violations()[0].field, "m", "{path}");
        }
    }
}
