use nova_errors::ServiceError;
use sha2::{Digest, Sha256};

/// What stands for a token in memory: its SHA-256, so that no cache holds a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenKey([u8; 32]);

impl TokenKey {
    /// The longest token, in bytes.
    pub(crate) const MAX_TOKEN: usize = 8 * 1024;

    /// The key of a token of the form `b64token`: <https://www.rfc-editor.org/rfc/rfc6750#section-2.1>.
    ///
    /// # Errors
    ///
    /// `Authentication` where it is empty, too long, or has another form: nobody need be asked.
    pub(crate) fn of(token: &str) -> Result<Self, ServiceError> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"-._~+/".contains(&c);
        let body = token.trim_end_matches('=');
        if body.is_empty() || token.len() > Self::MAX_TOKEN || !body.bytes().all(allowed) {
            return Err(
                ServiceError::Authentication("the access token is malformed".into())
                    .with_reason("malformed"),
            );
        }
        Ok(Self(Sha256::digest(token).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_token_is_refused_without_a_call() {
        let long = "a".repeat(TokenKey::MAX_TOKEN + 1);
        let bad = [
            "", "=", "a b", "a\n", "a\0", "a,b", "ä", "a=b", " a", "a ", &long,
        ];
        for token in bad {
            let error = TokenKey::of(token).unwrap_err();
            assert_eq!(error.code(), "authentication.malformed", "{token:?}");
            assert!(token.len() < 3 || !error.to_string().contains(token));
        }
        for token in ["a", "a.b.c", "A-._~+/9==", &"a".repeat(TokenKey::MAX_TOKEN)] {
            assert!(TokenKey::of(token).is_ok(), "{token:?}");
        }
    }

    #[test]
    fn tokens_that_differ_have_keys_that_differ() {
        assert_ne!(TokenKey::of("a").unwrap(), TokenKey::of("a=").unwrap());
    }
}
