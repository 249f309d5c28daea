//! A file as the tokens of the language: what stands in comments and strings is not code.

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A word, a literal, a bracket or one character of punctuation.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
    /// Whether it belongs to something that is compiled for tests only.
    pub(super) test: bool,
    /// Whether an `#[expect(clippy::…_used, reason = …)]` around it explains why it may panic.
    pub(super) may_panic: bool,
}

/// Reads a whole file.
pub(super) fn read(text: &str) -> Result<Vec<Token>> {
    let stream: TokenStream = text
        .strip_prefix('\u{feff}')
        .unwrap_or(text)
        .parse()
        .map_err(|error| anyhow!("{error}"))?;
    let mut tokens = Vec::new();
    flatten(stream, &mut tokens);
    mark(&mut tokens, is_for_tests, |token| token.test = true);
    mark(&mut tokens, explains_panics, |token| token.may_panic = true);
    Ok(tokens)
}

/// The places where these tokens stand one after the other.
pub(super) fn find<'a>(
    tokens: &'a [Token],
    pattern: &'a [&str],
) -> impl Iterator<Item = &'a [Token]> {
    tokens.windows(pattern.len()).filter(move |window| {
        window
            .iter()
            .zip(pattern)
            .all(|(token, expected)| token.text == *expected)
    })
}

/// The attributes: what stands between the brackets.
pub(super) fn attributes(tokens: &[Token]) -> impl Iterator<Item = &[Token]> {
    (0..tokens.len()).filter_map(|start| attribute_at(tokens, start).map(|(content, _)| content))
}

/// The names of the modules in other files that are compiled for tests only.
pub(super) fn test_modules(tokens: &[Token]) -> impl Iterator<Item = &str> {
    tokens.windows(3).filter_map(|window| match window {
        [module, name, end] if module.test && module.text == "mod" && end.text == ";" => {
            Some(name.text.as_str())
        }
        _ => None,
    })
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let mut push = |text: String, line: usize| {
            tokens.push(Token {
                text,
                line,
                test: false,
                may_panic: false,
            });
        };
        match tree {
            TokenTree::Ident(ident) => push(ident.to_string(), ident.span().start().line),
            TokenTree::Punct(punct) => push(punct.as_char().to_string(), punct.span().start().line),
            TokenTree::Literal(literal) => push(literal.to_string(), literal.span().start().line),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                push(open.to_owned(), group.span_open().start().line);
                flatten(group.stream(), tokens);
                tokens.push(Token {
                    text: close.to_owned(),
                    line: group.span_close().start().line,
                    test: false,
                    may_panic: false,
                });
            }
        }
    }
}

/// Applies `change` to every item whose attributes include one that is `chosen`.
fn mark(tokens: &mut [Token], chosen: fn(&[Token]) -> bool, change: fn(&mut Token)) {
    let mut position = 0;
    while position < tokens.len() {
        let Some((content, mut after)) = attribute_at(tokens, position) else {
            position += 1;
            continue;
        };
        if !chosen(content) {
            position += 1;
            continue;
        }
        let inner = tokens[position + 1].text == "!";
        let end = if inner {
            tokens.len()
        } else {
            while let Some((_, next)) = attribute_at(tokens, after) {
                after = next;
            }
            end_of_item(tokens, after)
        };
        tokens[position..end].iter_mut().for_each(change);
        position = end;
    }
}

/// The content of the attribute that starts at `start`, and where it is over.
fn attribute_at(tokens: &[Token], start: usize) -> Option<(&[Token], usize)> {
    if tokens.get(start)?.text != "#" {
        return None;
    }
    let open = match tokens.get(start + 1)?.text.as_str() {
        "!" => start + 2,
        _ => start + 1,
    };
    if tokens.get(open)?.text != "[" {
        return None;
    }
    let close = closing(tokens, open);
    Some((tokens.get(open + 1..close)?, close + 1))
}

/// Where the bracket that opens at `open` is closed.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (position, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth -= 1;
                if depth == 0 {
                    return position;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// Where the item, statement or field that starts at `start` is over.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let is_statement = tokens.get(start).is_some_and(|token| token.text == "let");
    let mut position = start;
    while let Some(token) = tokens.get(position) {
        match token.text.as_str() {
            ";" => return position + 1,
            "}" | ")" | "]" => return position,
            "{" if !is_statement => return closing(tokens, position) + 1,
            "(" | "[" | "{" => position = closing(tokens, position) + 1,
            _ => position += 1,
        }
    }
    tokens.len()
}

fn is_for_tests(attribute: &[Token]) -> bool {
    let has = |text| attribute.iter().any(|token| token.text == text);
    attribute.first().is_some_and(|name| name.text == "cfg")
        && (has("test") || has("\"test-util\""))
        && !has("not")
}

fn explains_panics(attribute: &[Token]) -> bool {
    const LINTS: [&str; 4] = ["unwrap_used", "expect_used", "panic", "unreachable"];
    let has = |text| attribute.iter().any(|token| token.text == text);
    attribute.first().is_some_and(|name| name.text == "expect")
        && has("reason")
        && LINTS.into_iter().any(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn production(text: &str) -> String {
        let tokens = read(text).expect("Rust");
        let kept: Vec<_> = tokens
            .iter()
            .filter(|token| !token.test)
            .map(|token| token.text.as_str())
            .collect();
        kept.join(" ")
    }

    #[test]
    fn code_for_tests_is_told_from_the_rest() {
        assert_eq!(
            production("#[cfg(test)] mod tests { fn a() {} } fn b() {}"),
            "fn b ( ) { }"
        );
        assert_eq!(production("#[cfg(test)] use a::b; use c;"), "use c ;");
        assert_eq!(
            production("#[cfg(test)] #[must_use] fn a<T: X>() -> [u8; 3] { 1 } fn b() {}"),
            "fn b ( ) { }"
        );
        assert_eq!(
            production("#[cfg(any(test, feature = \"test-util\"))] pub mod c; mod d;"),
            "mod d ;"
        );
        assert_eq!(production("#![cfg(test)] fn a() {}"), "");
        assert_eq!(
            production("fn f() { #[cfg(test)] let x = { 1 } + 2; g() }"),
            "fn f ( ) { g ( ) }"
        );
    }

    #[test]
    fn code_for_everything_but_tests_is_production_code() {
        assert!(production("#[cfg(not(test))] fn a() {}").contains("fn a"));
        assert!(production("#[cfg(feature = \"kafka\")] fn a() {}").contains("fn a"));
    }

    #[test]
    fn lines_are_those_of_the_file() {
        let tokens = read("fn a() {\n    b();\n}\n").expect("Rust");
        let lines: Vec<_> = tokens.iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 1, 1, 1, 1, 2, 2, 2, 2, 3]);
    }

    #[test]
    fn what_is_not_rust_is_an_error() {
        assert!(read("fn a( {").is_err());
    }
}
