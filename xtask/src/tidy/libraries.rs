//! What a library never does: read the environment, build a runtime, print, end the process, panic, or use `unsafe`.

use super::finding::Finding;
use super::sources::Source;
use super::tokens::{self, Token};

const ENVIRONMENT: &str = "a library does not read the environment: take the value as an argument";
const RUNTIME: &str = "a library does not build a runtime: its user does";
const EXIT: &str = "a library does not end the process: return an error";
const PRINT: &str = "a library does not print: use tracing, or return the value";
const PANIC: &str = "a library does not panic: return an error, or say why it cannot happen with #[expect(…, reason = \"…\")]";
const UNSAFE: &str = "there is no unsafe code here";

/// Functions of `std::env` that look at the process's surroundings; `{` stands for an import of several.
const ENVIRONMENT_FUNCTIONS: [&str; 12] = [
    "var",
    "var_os",
    "vars",
    "vars_os",
    "args",
    "args_os",
    "set_var",
    "remove_var",
    "current_dir",
    "home_dir",
    "temp_dir",
    "{",
];

/// Checks a file of a library.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let tokens: Vec<Token> = source
        .tokens
        .iter()
        .filter(|token| !token.test)
        .cloned()
        .collect();
    let mut findings = Vec::new();
    let mut report = |pattern: &[&str], message: &str, panics: bool| {
        findings.extend(
            tokens::find(&tokens, pattern)
                .filter(|found| !(panics && found[0].may_panic))
                // The name is where a reader looks, not the dot before it.
                .map(|found| Finding::new(&source.path, found[found.len() - 2].line, message)),
        );
    };
    for function in ENVIRONMENT_FUNCTIONS {
        report(&["env", ":", ":", function], ENVIRONMENT, false);
    }
    report(&["Runtime", ":", ":", "new"], RUNTIME, false);
    report(&["new_multi_thread", "("], RUNTIME, false);
    report(&["new_current_thread", "("], RUNTIME, false);
    for function in ["exit", "abort"] {
        report(&["process", ":", ":", function], EXIT, false);
    }
    for printer in ["print", "println", "eprint", "eprintln", "dbg"] {
        report(&[printer, "!"], PRINT, false);
    }
    for method in ["unwrap", "expect", "unwrap_err", "expect_err"] {
        report(&[".", method, "("], PANIC, true);
    }
    for panic in ["panic", "todo", "unimplemented", "unreachable"] {
        report(&[panic, "!"], PANIC, true);
    }
    findings.extend(
        tokens
            .iter()
            .filter(|token| token.text == "unsafe")
            .map(|token| Finding::new(&source.path, token.line, UNSAFE)),
    );
    findings
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::finding::lines;
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let source = Source::new(Path::new("nova-x/src/lib.rs"), text.to_owned()).expect("Rust");
        lines(check(&source))
    }

    fn one(line: usize, message: &str) -> Vec<String> {
        vec![format!("{line}: {message}")]
    }

    #[test]
    fn reading_the_environment_is_found_however_it_is_written() {
        assert_eq!(
            findings("fn f() {\n std::env::var(\"A\");\n}"),
            one(2, ENVIRONMENT)
        );
        assert_eq!(
            findings("use std::{env, fmt}; fn f() { env::var_os(\"A\"); }"),
            one(1, ENVIRONMENT)
        );
        assert_eq!(findings("use std::env::var;"), one(1, ENVIRONMENT));
        assert_eq!(findings("use std::env::{self, var};"), one(1, ENVIRONMENT));
        assert_eq!(
            findings("fn f() { tokio::select! { _ = a => std::env::args() } }"),
            one(1, ENVIRONMENT)
        );
    }

    #[test]
    fn what_the_compiler_knows_is_no_environment() {
        assert_eq!(
            findings("const V: &str = env!(\"CARGO_PKG_VERSION\");"),
            [""; 0]
        );
        assert_eq!(
            findings("fn f() -> &'static str { std::env::consts::OS }"),
            [""; 0]
        );
    }

    #[test]
    fn ending_the_process_and_building_a_runtime_are_found() {
        assert_eq!(findings("fn f() { std::process::exit(1) }"), one(1, EXIT));
        assert_eq!(findings("fn f() { process::abort() }"), one(1, EXIT));
        assert_eq!(findings("fn f() { Runtime::new() }"), one(1, RUNTIME));
        assert_eq!(
            findings("fn f() { Builder::new_current_thread() }"),
            one(1, RUNTIME)
        );
    }

    #[test]
    fn printing_is_found() {
        for printer in ["print", "println", "eprint", "eprintln", "dbg"] {
            assert_eq!(
                findings(&format!("fn f() {{ {printer}!(1) }}")),
                one(1, PRINT),
                "{printer}"
            );
        }
    }

    #[test]
    fn panicking_is_found() {
        assert_eq!(findings("fn f() {\n a\n .unwrap();\n}"), one(3, PANIC));
        assert_eq!(findings("fn f() { a.expect(\"b\") }"), one(1, PANIC));
        for panic in ["panic", "todo", "unimplemented", "unreachable"] {
            assert_eq!(
                findings(&format!("fn f() {{ {panic}!() }}")),
                one(1, PANIC),
                "{panic}"
            );
        }
    }

    #[test]
    fn a_panic_that_is_explained_is_fine() {
        let explained = "#[expect(clippy::expect_used, reason = \"a constant\")]";
        assert_eq!(
            findings(&format!("{explained} fn f() {{ a.expect(\"b\") }}")),
            [""; 0]
        );
        assert_eq!(
            findings(&format!(
                "{explained} fn f() {{}} fn g() {{ a.expect(\"b\") }}"
            )),
            one(1, PANIC)
        );
        assert_eq!(
            findings("#[expect(clippy::expect_used)] fn f() { a.expect(\"b\") }"),
            one(1, PANIC)
        );
    }

    #[test]
    fn unsafe_code_is_found() {
        assert_eq!(findings("fn f() { unsafe { g() } }"), one(1, UNSAFE));
    }

    #[test]
    fn comments_strings_and_tests_are_not_library_code() {
        assert_eq!(
            findings(
                "/// `a.unwrap()` panics; unsafe.\nfn f() -> &'static str { \"std::env::var()\" } // println!()\n\
                 #[cfg(test)] mod tests { fn g() { a.unwrap(); println!() } }"
            ),
            [""; 0]
        );
        assert_eq!(
            findings("fn f() { a.unwrap_or(1); a.unwrap_or_default() }"),
            [""; 0]
        );
    }
}
