use std::fmt;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The SHA-256 of a command alone, without its envelope: whether a repeated key comes with the same command.
///
/// Neither the order of an object's members nor white space counts. Numbers are compared as they are written: `1` and `1.0`
/// are two commands.
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
        let mut hash = Sha256::new();
        feed(&mut hash, command);
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

/// Each value begins with its kind and, where it has one, its length: no two values feed the same bytes.
///
/// The recursion ends: the parser refuses more than 128 levels.
fn feed(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Null => hash.update(b"n"),
        Value::Bool(false) => hash.update(b"f"),
        Value::Bool(true) => hash.update(b"t"),
        Value::Number(number) => feed_text(hash, b'#', &number.to_string()),
        Value::String(text) => feed_text(hash, b'"', text),
        Value::Array(items) => {
            feed_length(hash, b'[', items.len());
            items.iter().for_each(|item| feed(hash, item));
        }
        Value::Object(members) => {
            feed_length(hash, b'{', members.len());
            // Sorted here too, because a feature of serde_json elsewhere in the build makes the map keep the order of the text.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in members {
                feed_text(hash, b'"', name);
                feed(hash, value);
            }
        }
    }
}

fn feed_text(hash: &mut Sha256, kind: u8, text: &str) {
    feed_length(hash, kind, text.len());
    hash.update(text);
}

fn feed_length(hash: &mut Sha256, kind: u8, length: usize) {
    hash.update([kind]);
    hash.update(u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(json: &str) -> Fingerprint {
        Fingerprint::of(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn what_is_written_in_another_way_is_the_same_command() {
        let same = of(r#"{"a":[1,{"b":"ä","c":null}],"d":true}"#);
        assert_eq!(
            same,
            of(r#" { "d" : true, "a" : [ 1, { "c":null, "b":"\u00e4" } ] } "#)
        );
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
        ];
        for (i, one) in all.iter().enumerate() {
            for other in &all[..i] {
                assert_ne!(of(one), of(other), "{one} and {other}");
            }
        }
    }

    proptest! {
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
        insta::assert_snapshot!(format!("{:?}", of(r#"{"user_id":7,"cents":[1200,0.5,"x",null]}"#)), @"Fingerprint(e2589c09b4e84c32294f4cf31284e38b561e09fd5aa278cc8d3b31e1e02f142a)");
    }
}
