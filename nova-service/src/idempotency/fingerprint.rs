use std::borrow::Cow;
use std::fmt;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The SHA-256 of a command alone, without its envelope: whether a repeated key comes with the same command.
///
/// Neither the order of an object's members nor white space counts, nor how a string is escaped. Numbers are compared as they are
/// written, however long: `1` and `1.0` are two commands.
///
/// ```
/// use nova_service::Fingerprint;
/// use serde_json::json;
///
/// let same = Fingerprint::of(&json!({"user_id": 7, "cents": 1200}));
/// assert_eq!(same, Fingerprint::of(&json!({"cents": 1200, "user_id": 7})));
/// assert_ne!(same, Fingerprint::of(&json!({"cents": 1201, "user_id": 7})));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of the envelope's `command`.
    #[must_use]
    pub fn of(command: &Value) -> Self {
        Self::of_text(&command.to_string())
    }

    /// Of the text itself, as a parsed number is no longer what was written. A parser has found it well-formed, and no deeper than its
    /// bound of 128 levels, which ends the recursion here too.
    pub(super) fn of_text(command: &str) -> Self {
        let mut hash = Sha256::new();
        feed(&mut hash, &mut Rest(command));
        Self(hash.finalize().into())
    }

    /// The digest, to be stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// What is still to be read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn next(&mut self) -> Option<char> {
        self.0 = self.0.trim_ascii_start();
        self.0.chars().next()
    }

    fn skip(&mut self, mark: char) -> bool {
        self.next();
        let rest = self.0.strip_prefix(mark);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.0.split_at_checked(length).unwrap_or((self.0, ""));
        self.0 = rest;
        taken
    }

    fn string(&mut self) -> Cow<'a, str> {
        self.next();
        let mut is_escaped = true; // The quote that it begins with.
        let end = self.0.bytes().position(|c| {
            let is_end = c == b'"' && !is_escaped;
            is_escaped = c == b'\\' && !is_escaped;
            is_end
        });
        let written = self.take(end.map_or(self.0.len(), |end| end + 1));
        match serde_json::from_str(written) {
            Ok(text) => Cow::Owned(text),
            Err(_) => Cow::Borrowed(written),
        }
    }

    /// A number or a name: all up to what can follow one.
    fn word(&mut self) -> &'a str {
        let end = self.0.find([',', ']', '}', ' ', '\t', '\n', '\r']);
        self.take(end.unwrap_or(self.0.len()).max(1))
    }
}

/// Each value begins with its kind, and each text with its length: no two values feed the same bytes.
fn feed(hash: &mut Sha256, rest: &mut Rest<'_>) {
    match rest.next() {
        Some('{') => {
            rest.skip('{');
            let mut members = Vec::new();
            while rest.next().is_some() && !rest.skip('}') {
                rest.skip(',');
                let name = rest.string();
                rest.skip(':');
                let mut value = Sha256::new();
                feed(&mut value, rest);
                members.push((name, value.finalize()));
            }
            members.sort();
            hash.update(b"{");
            for (name, value) in members {
                feed_text(hash, &name);
                hash.update(value);
            }
            hash.update(b"}");
        }
        Some('[') => {
            rest.skip('[');
            hash.update(b"[");
            while rest.next().is_some() && !rest.skip(']') {
                rest.skip(',');
                feed(hash, rest);
            }
            hash.update(b"]");
        }
        Some('"') => feed_text(hash, &rest.string()),
        _ => {
            hash.update(b"#");
            feed_text(hash, rest.word());
        }
    }
}

fn feed_text(hash: &mut Sha256, text: &str) {
    hash.update(b"\"");
    hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(json: &str) -> Fingerprint {
        let parsed: Result<Value, _> = serde_json::from_str(json);
        assert!(parsed.is_ok(), "{json}");
        Fingerprint::of_text(json)
    }

    #[test]
    fn what_is_written_in_another_way_is_the_same_command() {
        let same = of(r#"{"a":[1,{"b":"ä","c":null}],"d":true}"#);
        assert_eq!(
            same,
            of(r#" { "d" : true, "\u0061" : [ 1, { "c":null, "b":"\u00e4" } ] } "#)
        );
        assert_eq!(of(r#""\"\\""#), of(r#""\u0022\u005c""#));
        assert_eq!(of("[ ]"), of("[]"));
        assert_eq!(of("{\r\n\t}"), of("{}"));
    }

    #[test]
    fn numbers_that_a_float_cannot_tell_apart_are_two_commands() {
        assert_ne!(
            of(r#"{"wei":12345678901234567890123}"#),
            of(r#"{"wei":12345678901234567890124}"#)
        );
        assert_ne!(of("0.1"), of("0.10000000000000000001"));
        assert_ne!(of("1.0"), of("1e0"));
    }

    #[test]
    fn a_member_that_is_there_twice_counts_twice() {
        let last_wins = of(r#"{"cents":2}"#);
        assert_ne!(last_wins, of(r#"{"cents":1,"cents":2}"#));
    }

    #[test]
    fn what_is_another_value_is_another_command() {
        let all = [
            "null",
            "false",
            "true",
            "0",
            "1",
            "1.0",
            "-1",
            r#""""#,
            r#""1""#,
            "[]",
            "[[]]",
            "[1]",
            "[1,1]",
            "{}",
            r#"{"":1}"#,
            r#"{"a":1}"#,
            r#"["a",1]"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":[],"b":1}"#,
            r#"{"a":["b",1]}"#,
            r#""\"""#,
            r#""\\""#,
            r#"["a,b"]"#,
            r#"["a","b"]"#,
            r#""true""#,
        ];
        for (i, one) in all.iter().enumerate() {
            for other in &all[..i] {
                assert_ne!(of(one), of(other), "{one} and {other}");
            }
        }
    }

    fn any_command() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            // Minus zero equals zero, and is written in another way.
            any::<f64>().prop_map(|float| Value::from(float + 0.0)),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(any::<String>(), inner, 0..4)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn white_space_and_escapes_never_count(command in any_command()) {
            let pretty = serde_json::to_string_pretty(&command).unwrap();
            let ascii = pretty.chars().fold(String::new(), |mut text, c| {
                if c.is_ascii() {
                    text.push(c);
                } else {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        text.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                text
            });
            prop_assert_eq!(Fingerprint::of(&command), of(&pretty));
            prop_assert_eq!(Fingerprint::of(&command), of(&ascii));
        }

        #[test]
        fn two_commands_are_the_same_where_their_values_are(one in any_command(), other in any_command()) {
            prop_assert_eq!(one == other, Fingerprint::of(&one) == Fingerprint::of(&other));
        }

        #[test]
        fn any_text_comes_to_an_end(junk in ".{0,64}") {
            Fingerprint::of_text(&junk);
        }

        #[test]
        fn the_order_of_members_never_counts(members in proptest::collection::btree_map(".{0,8}", 0_u32..9, 0..8)) {
            let written = |pairs: Vec<(&String, &u32)>| {
                let pairs: Vec<_> = pairs
                    .iter()
                    .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
                    .collect();
                of(&format!("{{{}}}", pairs.join(",")))
            };
            let forwards = written(members.iter().collect());
            prop_assert_eq!(forwards, written(members.iter().rev().collect()));
        }
    }

    #[test]
    fn a_fingerprint_stays_the_same_over_versions() {
        insta::assert_snapshot!(format!("{:?}", of(r#"{"user_id":7,"cents":[1200,0.5,"x",null]}"#)), @"Fingerprint(5ab43561be3675d6bf82ad95b5b205aa6bb3ecb935b0323504d14977d7b12c8b)");
    }
}
