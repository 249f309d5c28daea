//! Attributes that must say why.

use super::finding::Finding;
use super::sources::Source;
use super::tokens::{self, Token};

/// Checks a file's attributes.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    tokens::attributes(&source.tokens)
        .filter_map(|attribute| {
            let message = complaint(attribute)?;
            Some(Finding::new(&source.path, attribute.first()?.line, message))
        })
        .collect()
}

fn complaint(attribute: &[Token]) -> Option<&'static str> {
    let has = |text| attribute.iter().any(|token| token.text == text);
    match attribute.first()?.text.as_str() {
        "allow" => Some("use #[expect(…, reason = \"…\")] instead of #[allow]"),
        "expect" if !has("reason") => Some("#[expect] needs a reason"),
        "ignore" if !has("=") => Some("#[ignore] needs a reason: #[ignore = \"…\"]"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::finding::lines;
    use super::*;

    fn findings(text: &str) -> usize {
        let source = Source::new(Path::new("a.rs"), text.to_owned()).expect("Rust");
        lines(check(&source)).len()
    }

    #[test]
    fn an_attribute_without_a_reason_is_found() {
        assert_eq!(findings("#[ignore] fn a() {}"), 1);
        assert_eq!(findings("#[expect(dead_code)] fn a() {}"), 1);
        assert_eq!(findings("#[allow(dead_code)] fn a() {}"), 1);
        assert_eq!(findings("#![allow(dead_code)]"), 1);
        assert_eq!(findings("mod a { #[test] #[ignore] fn b() {} }"), 1);
    }

    #[test]
    fn an_attribute_with_a_reason_is_fine() {
        assert_eq!(findings("#[ignore = \"needs real engines\"] fn a() {}"), 0);
        assert_eq!(
            findings("#[expect(dead_code, reason = \"shown in docs\")] fn a() {}"),
            0
        );
        assert_eq!(findings("// #[ignore]\nfn a() { b(\"#[allow(x)]\") }"), 0);
    }
}
