use http::{HeaderMap, header};
use nova_errors::ServiceError;

/// The token of `Authorization: Bearer …`; `None` where there is no such header.
///
/// For those who verify tokens themselves; [`AuthLayer`](crate::AuthLayer) does it for everybody else.
///
/// ```
/// use http::{HeaderMap, HeaderValue, header};
/// use nova_auth_client::bearer_token;
///
/// let mut headers = HeaderMap::new();
/// assert_eq!(bearer_token(&headers)?, None);
/// headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer a.b.c"));
/// assert_eq!(bearer_token(&headers)?, Some("a.b.c"));
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
///
/// # Errors
///
/// `Authentication` for another scheme, for more than one header, and for one that is no text: a request
/// that tries to say who it is and fails is not an anonymous one.
pub fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, ServiceError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let token = value
        .to_str()
        .ok()
        .filter(|_| values.next().is_none())
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim_matches(' '));
    match token {
        Some(token) => Ok(Some(token)),
        None => Err(ServiceError::Authentication(
            "expected one header `Authorization: Bearer`".into(),
        )
        .with_reason("malformed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        values
            .iter()
            .map(|value| {
                (
                    header::AUTHORIZATION,
                    HeaderValue::from_bytes(value).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for value in ["Bearer a.b", "bearer a.b", "BEARER  a.b "] {
            let headers = headers(&[value.as_bytes()]);
            assert_eq!(bearer_token(&headers).unwrap(), Some("a.b"));
        }
        assert_eq!(bearer_token(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn anything_else_is_a_refusal_and_not_an_anonymous_request() {
        let cases: [&[&[u8]]; 6] = [
            &[b"Basic a"],
            &[b"Bearer"],
            &[b"Bearera"],
            &[b""],
            &[b"Bearer \xff"],
            &[b"Bearer a", b"Bearer b"],
        ];
        for values in cases {
            let error = bearer_token(&headers(values)).unwrap_err();
            assert_eq!(error.code(), "authentication.malformed", "{values:?}");
        }
    }
}
