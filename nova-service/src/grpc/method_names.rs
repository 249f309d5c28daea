use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use nova_errors::GrpcCode;

/// The methods that are told apart in metrics: callers can invent names, so that there is a bound.
#[derive(Debug, Default)]
pub(super) struct MethodNames(Mutex<HashSet<Arc<str>>>);

const OTHER: &str = "_OTHER";

impl MethodNames {
    const MAX: usize = 1024;
    const MAX_LEN: usize = 256;

    /// The label of a call that ended with `code`.
    pub(super) fn label(&self, method: &str, code: GrpcCode) -> Arc<str> {
        if code == GrpcCode::Unimplemented || method.len() > Self::MAX_LEN {
            return OTHER.into();
        }
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = names.get(method) {
            return name.clone();
        }
        if names.len() >= Self::MAX {
            return OTHER.into();
        }
        let name: Arc<str> = method.into();
        names.insert(name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invented_names_are_one_and_their_number_is_bounded() {
        let names = MethodNames::default();
        assert_eq!(&*names.label("a.B/C", GrpcCode::Unimplemented), OTHER);
        assert_eq!(&*names.label(&"x".repeat(257), GrpcCode::Ok), OTHER);
        for number in 0..MethodNames::MAX {
            let name = format!("a.B/M{number}");
            assert_eq!(*names.label(&name, GrpcCode::Unauthenticated), *name);
        }
        assert_eq!(&*names.label("a.B/Late", GrpcCode::Ok), OTHER);
        assert_eq!(&*names.label("a.B/M7", GrpcCode::Ok), "a.B/M7");
    }
}
