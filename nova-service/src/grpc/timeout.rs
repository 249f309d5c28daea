use std::time::Duration;

use axum::http::HeaderMap;
use nova_errors::{ServiceError, Violation};

use crate::header_view::HeaderView;
use crate::json::invalid;

const GRPC_TIMEOUT: &str = "grpc-timeout";

/// How long the caller waits, by the header of the [protocol](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): up to 8 digits and a unit.
pub(super) fn grpc_timeout(headers: &HeaderMap) -> Result<Option<Duration>, ServiceError> {
    if headers.first(GRPC_TIMEOUT).is_none() {
        return Ok(None);
    }
    match headers.text(GRPC_TIMEOUT).and_then(parse) {
        Some(timeout) => Ok(Some(timeout)),
        None => Err(invalid(Violation::new(
            GRPC_TIMEOUT,
            "expected 1 to 8 digits and one of H, M, S, m, u, n",
        ))),
    }
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let is_number =
        (1..=8).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    let number: u64 = is_number.then_some(digits)?.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 60 * 60),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_tonic_writes_is_read(nanos in 0..u64::MAX) {
            let timeout = Duration::from_nanos(nanos);
            let mut request = tonic::Request::new(());
            request.set_timeout(timeout);
            let headers = request.into_parts().0.into_headers();
            let read = grpc_timeout(&headers).unwrap().unwrap();
            // It leaves out what doesn't fit into 8 digits.
            prop_assert!(read <= timeout && timeout - read <= timeout / 1000, "{headers:?}");
        }

        #[test]
        fn what_makes_no_sense_is_refused(text in "[ -~]{0,12}") {
            let is_timeout = text.len() <= 9
                && text.ends_with(['H', 'M', 'S', 'm', 'u', 'n'])
                && text.bytes().rev().skip(1).all(|c| c.is_ascii_digit())
                && text.len() > 1;
            prop_assert_eq!(parse(&text).is_some(), is_timeout);
        }
    }

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        assert_eq!(
            parse("99999999H"),
            Some(Duration::from_secs(99_999_999 * 3600))
        );
        assert_eq!(parse("2M"), Some(Duration::from_secs(120)));
        assert_eq!(parse("1S"), Some(Duration::from_secs(1)));
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse("7u"), Some(Duration::from_micros(7)));
        assert_eq!(parse("0n"), Some(Duration::ZERO));
        for bad in [
            "",
            "m",
            "1",
            "-1m",
            "+1m",
            "1.5S",
            "123456789m",
            "1s",
            "1 m",
            "1é",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
