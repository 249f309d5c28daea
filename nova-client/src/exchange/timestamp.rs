use std::fmt;
use std::str;

use chrono::{DateTime, Datelike, SecondsFormat, Timelike, Utc};
use serde::Serializer;

/// Writes a time as chrono writes it (RFC 3339, with 0, 3, 6 or 9 digits of the second), at a tenth of the cost: an envelope
/// takes as long for its time as for all else around the command.
pub(super) fn serialize<S: Serializer>(
    time: &DateTime<Utc>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Rfc3339(*time))
}

struct Rfc3339(DateTime<Utc>);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECOND: u32 = 1_000_000_000;

        let Self(time) = self;
        let nanos = time.nanosecond();
        let year = match u32::try_from(time.year()) {
            Ok(year @ 0..=9999) if nanos < SECOND => year,
            // Another era, or a leap second.
            _ => return f.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        };
        let [y, e, a, r] = four(year);
        let [o, n] = two(time.month());
        let [d, t] = two(time.day());
        let [h, u] = two(time.hour());
        let [m, i] = two(time.minute());
        let [s, c] = two(time.second());
        let second = [
            y, e, a, r, b'-', o, n, b'-', d, t, b'T', h, u, b':', m, i, b':', s, c,
        ];
        write(f, &second)?;
        let [_, m1, m2, m3] = four(nanos / 1_000_000);
        let [_, u1, u2, u3] = four(nanos / 1_000 % 1_000);
        let [_, n1, n2, n3] = four(nanos % 1_000);
        if nanos == 0 {
            f.write_str("Z")
        } else if nanos % 1_000_000 == 0 {
            write(f, &[b'.', m1, m2, m3, b'Z'])
        } else if nanos % 1_000 == 0 {
            write(f, &[b'.', m1, m2, m3, u1, u2, u3, b'Z'])
        } else {
            write(f, &[b'.', m1, m2, m3, u1, u2, u3, n1, n2, n3, b'Z'])
        }
    }
}

fn write(f: &mut fmt::Formatter<'_>, ascii: &[u8]) -> fmt::Result {
    f.write_str(str::from_utf8(ascii).map_err(|_| fmt::Error)?)
}

fn four(number: u32) -> [u8; 4] {
    let [a, b] = two(number / 100);
    let [c, d] = two(number);
    [a, b, c, d]
}

/// The last two digits.
fn two(number: u32) -> [u8; 2] {
    [digit(number / 10), digit(number)]
}

fn digit(number: u32) -> u8 {
    // Below ten, so that nothing is cut.
    b'0' + (number % 10) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agrees(seconds: i64, nanos: u32) -> Result<(), TestCaseError> {
        if let Some(time) = DateTime::from_timestamp(seconds, nanos) {
            let text = Rfc3339(time).to_string();
            prop_assert_eq!(&text, &time.to_rfc3339_opts(SecondsFormat::AutoSi, true));
            prop_assert_eq!(serde_json::to_string(&time).unwrap(), format!("{text:?}"));
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn it_writes_what_chrono_writes(
            seconds in -62_200_000_000_i64..253_500_000_000,
            nanos in 0_u32..1_000_000_000,
        ) {
            for unit in [1, 1_000, 1_000_000, 1_000_000_000] {
                agrees(seconds, nanos / unit * unit)?;
            }
        }
    }

    #[test]
    fn the_edges_of_the_calendar_and_leap_seconds_are_written_as_well() {
        let edges = [
            -62_167_219_201,
            -62_167_219_200,
            0,
            253_402_300_799,
            253_402_300_800,
        ];
        for seconds in edges {
            agrees(seconds, 0).unwrap();
            agrees(seconds, 999_999_999).unwrap();
        }
        // The end of June 2015.
        agrees(1_435_708_799, 1_500_000_000).unwrap();
    }
}
