//! Names that say nothing.

use std::path::{Component, Path};

use super::finding::Finding;

const EMPTY_NAMES: [&str; 7] = [
    "common", "helper", "helpers", "misc", "util", "utils", "shared",
];

/// Checks the name of a file and of the folders that it is in.
pub(super) fn check(path: &Path) -> Option<Finding> {
    if path.file_name().is_some_and(|name| name == "mod.rs") {
        return Some(Finding::new(
            path,
            1,
            "no mod.rs: the module `a` is in a.rs, its children in a/",
        ));
    }
    let named_after_nothing = path.components().any(|component| {
        let Component::Normal(name) = component else {
            return false;
        };
        let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str());
        stem.is_some_and(|stem| EMPTY_NAMES.contains(&stem))
    });
    named_after_nothing.then(|| {
        Finding::new(
            path,
            1,
            "a file bears the name of the concept that it holds",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_nothing_are_found() {
        for path in [
            "nova-x/src/utils.rs",
            "nova-x/src/a/mod.rs",
            "nova-x/tests/common/server.rs",
            "nova-x/src/helpers/a.rs",
        ] {
            assert!(check(Path::new(path)).is_some(), "{path}");
        }
    }

    #[test]
    fn names_of_concepts_are_fine() {
        for path in [
            "nova-x/src/retry_budget.rs",
            "nova-x/src/common_name.rs",
            "nova-x/src/lib.rs",
        ] {
            assert!(check(Path::new(path)).is_none(), "{path}");
        }
    }
}
