//! Comments that STYLE rules out: banners, headers with names and history, examples that nobody compiles.

use super::finding::Finding;
use super::sources::Source;

const BANNER: &str = "no banners: a file that needs sections is two files";
const HEADER: &str = "no author, copyright or history headers: git knows";
const IGNORED: &str = "an example must compile: use no_run, or compile_fail, or a test";

/// Checks a file's comments, line by line.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut in_header = true;
    let mut findings = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let line = line.trim_start();
        let comment = ["//", "/*", "*"]
            .iter()
            .any(|start| line.starts_with(start));
        in_header &= comment || line.is_empty();
        let message = if comment && is_banner(line) {
            BANNER
        } else if in_header && is_about_people_or_time(line) {
            HEADER
        } else if is_ignored_example(line) {
            IGNORED
        } else {
            continue;
        };
        findings.push(Finding::new(&source.path, index + 1, message));
    }
    findings
}

fn is_banner(comment: &str) -> bool {
    let decoration = |c: char| "/*=-#~_+".contains(c);
    let content = comment
        .trim_start_matches("//")
        .trim_start_matches('!')
        .trim();
    // Three make a rule of Markdown, which docs may have.
    let run = content.chars().take_while(|c| decoration(*c)).count();
    run >= 4 || comment.starts_with("/***") || comment.starts_with("//////")
}

fn is_about_people_or_time(comment: &str) -> bool {
    const WORDS: [&str; 8] = [
        "copyright",
        "(c)",
        "@author",
        "author:",
        "created by",
        "created on",
        "modified by",
        "history:",
    ];
    let lower = comment.to_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
}

fn is_ignored_example(line: &str) -> bool {
    let doc = line
        .strip_prefix("///")
        .or_else(|| line.strip_prefix("//!"));
    let Some(info) = doc.and_then(|text| text.trim_start().strip_prefix("```")) else {
        return false;
    };
    info.split(',').any(|word| word.trim() == "ignore")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::finding::lines;
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let source = Source::new(Path::new("a.rs"), text.to_owned()).expect("Rust");
        lines(check(&source))
    }

    #[test]
    fn banners_are_found() {
        for banner in [
            "// ====",
            "// ---- Public API ----",
            "//------",
            "/**** API ****/",
            "    // ####",
            "/////////",
            "//! =====",
        ] {
            assert_eq!(
                findings(&format!("fn a() {{}}\n{banner}\n")),
                [format!("2: {BANNER}")],
                "{banner}"
            );
        }
    }

    #[test]
    fn headers_about_people_and_time_are_found() {
        for header in [
            "// Copyright 2025 Somebody",
            "// Author: Somebody",
            "/* Created by somebody */",
            "//! @author me",
        ] {
            assert_eq!(
                findings(&format!("{header}\nfn a() {{}}\n")),
                [format!("1: {HEADER}")],
                "{header}"
            );
        }
    }

    #[test]
    fn examples_that_nobody_compiles_are_found() {
        assert_eq!(
            findings("/// ```ignore\n/// x\n/// ```\nfn a() {}"),
            [format!("1: {IGNORED}")]
        );
        assert_eq!(
            findings("//! ```rust,ignore\n//! ```\n"),
            [format!("1: {IGNORED}")]
        );
    }

    #[test]
    fn ordinary_comments_are_fine() {
        assert_eq!(
            findings(
                "//! The author's own words.\n\nfn a() {} // -- see above\n/// ```no_run\n/// a();\n/// ```\n\
                 /// | a | b |\n/// |---|---|\n/// - a list\nfn b() {}\n/// The author of a post: copyright is theirs.\nfn c() {}"
            ),
            [""; 0]
        );
    }
}
