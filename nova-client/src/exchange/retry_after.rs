use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;

use crate::wall_clock::WallClock;

/// What `Retry-After` says ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110), section 10.2.3): seconds, or a date, which is zero
/// where it has passed. Anything else counts as absent.
pub(super) fn read(headers: &HeaderMap, clock: &WallClock) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    // `parse` alone would take a sign.
    if !value.is_empty() && value.bytes().all(|c| c.is_ascii_digit()) {
        return value.parse().ok().map(Duration::from_secs);
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(clock.now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn after(value: &[u8]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_bytes(value).ok()?);
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        read(&headers, &WallClock::new(move || now))
    }

    #[test]
    fn seconds_and_all_three_forms_of_a_date_are_read() {
        assert_eq!(after(b"120"), Some(Duration::from_secs(120)));
        assert_eq!(after(b"0"), Some(Duration::ZERO));
        let minute = Some(Duration::from_secs(60));
        assert_eq!(after(b"Sun, 06 Nov 1994 08:50:37 GMT"), minute);
        assert_eq!(after(b"Sunday, 06-Nov-94 08:50:37 GMT"), minute);
        assert_eq!(after(b"Sun Nov  6 08:50:37 1994"), minute);
    }

    #[test]
    fn a_date_that_has_passed_is_no_wait() {
        assert_eq!(
            after(b"Sun, 06 Nov 1994 08:00:00 GMT"),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn garbage_counts_as_absent() {
        let garbage: [&[u8]; 8] = [
            b"",
            b"soon",
            b"-1",
            b"+1",
            b"1.5",
            b"99999999999999999999999",
            b"Sun, 99 Nov 1994 08:49:37 GMT",
            b"\xff\xfe",
        ];
        for value in garbage {
            assert_eq!(after(value), None, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn no_value_makes_it_panic(value: Vec<u8>) {
            let _ = after(&value);
        }
    }
}
