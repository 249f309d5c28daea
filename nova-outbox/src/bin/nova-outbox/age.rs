use std::str::FromStr;
use std::time::Duration;

/// An age: a whole number and a unit, `90s`, `15m`, `12h`, `30d` or `2w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Age(pub(crate) Duration);

impl FromStr for Age {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a number and a unit: 90s, 15m, 12h, 30d or 2w";
        let unit = text.chars().next_back().ok_or(EXPECTED)?;
        let seconds: u64 = match unit {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            'w' => 7 * 24 * 60 * 60,
            _ => return Err(EXPECTED),
        };
        let number = text.strip_suffix(unit).unwrap_or_default();
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = Some(number)
            .filter(|_| is_number)
            .and_then(|number| number.parse().ok())
            .ok_or(EXPECTED)?;
        // More than a database can subtract from a time is no age.
        let age = number.checked_mul(seconds).filter(|age| *age <= MAX);
        Ok(Self(Duration::from_secs(
            age.ok_or("expected at most 5200 weeks")?,
        )))
    }
}

const MAX: u64 = 5200 * 7 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_and_a_unit() {
        let age = |text: &str| text.parse::<Age>().map(|age| age.0.as_secs());
        assert_eq!(age("90s"), Ok(90));
        assert_eq!(age("2w"), Ok(14 * 24 * 3600));
        for wrong in ["", "s", "30", "1.5h", "-1d", "+1d", "1dd", "d1", "1y", "1ß"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
        for long in ["99999999999999999999w", "18446744073709551615w", "5201w"] {
            assert!(age(long).is_err(), "{long}");
        }
    }
}
