use std::time::Duration;

use http::{HeaderName, HeaderValue};

/// What is left of the deadline ([gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)).
pub(super) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The largest number that the header holds: eight digits.
const MAX_VALUE: u128 = 99_999_999;

/// As fine as eight digits allow, and rounded down: the peer must not count on time that is not there.
pub(super) fn header_value(left: Duration) -> HeaderValue {
    let (value, unit) = match (left.as_micros(), left.as_millis()) {
        (micros, _) if micros <= MAX_VALUE => (micros, 'u'),
        (_, millis) if millis <= MAX_VALUE => (millis, 'm'),
        _ => (u128::from(left.as_secs()).min(MAX_VALUE), 'S'),
    };
    // Digits and a letter are a header value.
    HeaderValue::try_from(format!("{value}{unit}")).unwrap_or(HeaderValue::from_static("0u"))
}

/// The time that a header says; nothing where it breaks the form.
pub(super) fn read(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_finest_unit_that_fits_is_taken() {
        let text = |left| header_value(left).to_str().unwrap().to_owned();
        assert_eq!(text(Duration::ZERO), "0u");
        assert_eq!(text(Duration::from_nanos(1_999)), "1u");
        assert_eq!(text(Duration::from_secs(10)), "10000000u");
        assert_eq!(text(Duration::from_secs(100)), "100000m");
        assert_eq!(text(Duration::from_secs(86_400)), "86400000m");
        assert_eq!(text(Duration::MAX), "99999999S");
    }

    #[test]
    fn what_breaks_the_form_is_nothing() {
        for text in [
            "",
            "u",
            "1",
            "1x",
            "-1u",
            "+1u",
            "1.5S",
            "123456789u",
            "1 u",
        ] {
            assert_eq!(read(&HeaderValue::from_static(text)), None, "{text}");
        }
        let not_text = HeaderValue::from_bytes(b"1\xff").unwrap();
        assert_eq!(read(&not_text), None);
    }

    proptest! {
        #[test]
        fn what_is_read_back_is_never_longer_and_hardly_shorter(micros in 0_u64..86_400_000_000) {
            let left = Duration::from_micros(micros);
            let back = read(&header_value(left)).unwrap();
            prop_assert!(back <= left);
            prop_assert!(left - back < Duration::from_millis(1));
        }

        #[test]
        fn no_value_makes_it_panic(bytes: Vec<u8>) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let _ = read(&value);
            }
        }
    }
}
