use std::fmt;

use nova_errors::{ServiceError, Violation};
use serde::Deserialize;

/// What somebody registers with, as it came.
#[derive(Deserialize)]
pub(crate) struct Registration {
    username: String,
    email: String,
    password: String,
}

/// A registration that keeps the rules.
pub(crate) struct NewAccount {
    pub(crate) username: String,
    /// In lower case, so that an address has one account however it is written.
    pub(crate) email: String,
    pub(crate) password: Password,
}

impl Registration {
    /// # Errors
    ///
    /// `Validation` that names every field that breaks a rule.
    pub(crate) fn parse(self) -> Result<NewAccount, ServiceError> {
        let mut broken = Vec::new();
        if !is_username(&self.username) {
            broken.push(Violation::new(
                "username",
                "expected 3 to 32 characters of [a-z0-9_]",
            ));
        }
        if !is_email(&self.email) {
            broken.push(Violation::new("email", "expected an e-mail address"));
        }
        if !(Password::MIN..=Password::MAX).contains(&self.password.len()) {
            broken.push(Violation::new("password", "expected 8 to 128 bytes"));
        }
        if broken.is_empty() {
            return Ok(NewAccount {
                username: self.username,
                email: self.email.to_ascii_lowercase(),
                password: Password(self.password),
            });
        }
        let error = ServiceError::Validation("the registration is not valid".into());
        Err(broken.into_iter().fold(error, ServiceError::with_violation))
    }
}

/// What somebody logs in with. `username` may be the e-mail address.
#[derive(Deserialize)]
pub(crate) struct Login {
    username: String,
    pub(crate) password: Password,
}

impl Login {
    /// The name or the address as accounts have it; `None` where no account can.
    pub(crate) fn name(&self) -> Option<String> {
        let name = self.username.to_ascii_lowercase();
        (is_username(&name) || is_email(&name)).then_some(name)
    }
}

/// A password in clear. It never shows in `Debug`.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Password(String);

impl Password {
    const MIN: usize = 8;
    /// The longest, in bytes: hashing takes time in proportion.
    pub(crate) const MAX: usize = 128;

    pub(crate) fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

fn is_username(text: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
    (3..=32).contains(&text.len()) && text.bytes().all(allowed)
}

/// The form of RFC 5321 that is in use: a dot-atom before the `@`, a name of at least two labels after it.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let is_atom = |atom: &str| {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&c);
        !atom.is_empty() && atom.bytes().all(allowed)
    };
    let is_label = |label: &str| {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 254
        && local.len() <= 64
        && local.split('.').all(is_atom)
        && domain.contains('.')
        && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(username: &str, email: &str, password: &str) -> Registration {
        Registration {
            username: username.to_owned(),
            email: email.to_owned(),
            password: password.to_owned(),
        }
    }

    #[test]
    fn every_broken_rule_is_named_and_no_value_is_shown() {
        let parsed = registration("Al", "nobody", "hunter2").parse();
        let error = parsed.err().unwrap();
        let fields: Vec<_> = error
            .violations()
            .iter()
            .map(|v| v.field.as_str())
            .collect();
        assert_eq!(fields, ["username", "email", "password"]);
        assert!(!format!("{error:?}").contains("hunter2"));
    }

    #[test]
    fn names_have_a_grammar() {
        for name in ["abc", "a_1", &"a".repeat(32)] {
            assert!(is_username(name), "{name}");
        }
        for name in [
            "",
            "ab",
            "Abc",
            "a b",
            "a-b",
            "äbc",
            "a\0b",
            &"a".repeat(33),
        ] {
            assert!(!is_username(name), "{name:?}");
        }
    }

    #[test]
    fn addresses_have_a_grammar() {
        for email in ["a@b.cd", "a.b+c@x-y.example.org", "o'neil@example.com"] {
            assert!(is_email(email), "{email}");
        }
        let bad = [
            "",
            "a",
            "@b.cd",
            "a@",
            "a@b",
            "a@b.",
            "a@.b",
            "a@-b.cd",
            "a@b..cd",
            ".a@b.cd",
            "a..b@c.de",
            "a b@c.de",
            "a@b@c.de",
            "a@b.cd\r\nbcc: x@y.zz",
            "ä@b.cd",
            &format!("{}@b.cd", "a".repeat(65)),
            &format!("a@{}.cd", "b".repeat(64)),
        ];
        for email in bad {
            assert!(!is_email(email), "{email:?}");
        }
    }

    #[test]
    fn an_address_is_kept_in_lower_case() {
        let parsed = registration("alice", "Alice@Example.ORG", "correct horse").parse();
        assert_eq!(parsed.ok().unwrap().email, "alice@example.org");
    }
}
