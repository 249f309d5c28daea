use serde::Serialize;

use super::limits::{Bound, Limit, Unit};

/// One figure, in its unit, how it compares with its baseline, and whether that is within its limit.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) unit: Unit,
    pub(super) baseline: Option<f64>,
    /// The value over the baseline.
    pub(super) extra: Option<f64>,
    /// The value divided by the baseline.
    pub(super) ratio: Option<f64>,
    pub(super) limit: f64,
    /// What the limit bounds: `ratio`, `extra` or `value`.
    pub(super) limit_on: &'static str,
    pub(super) ok: bool,
}

impl Figure {
    /// A figure of what was measured, in nanoseconds or instructions.
    pub(super) fn new(limit: &Limit, value: f64, baseline: Option<f64>) -> Self {
        let value = limit.unit.convert(value);
        let baseline = baseline.map(|baseline| limit.unit.convert(baseline));
        let extra = baseline.map(|baseline| value - baseline);
        let ratio = baseline.map(|baseline| value / baseline);
        let bounded = match limit.bound {
            Bound::Ratio(_) => ratio,
            Bound::Extra(_) => extra,
            Bound::Value(_) => Some(value),
        };
        let measured = value > 0.0 && baseline.is_none_or(|baseline| baseline > 0.0);
        Self {
            name: limit.name.clone(),
            value,
            unit: limit.unit,
            baseline,
            extra,
            ratio,
            limit: limit.bound.limit(),
            limit_on: limit.bound.name(),
            ok: measured && bounded.is_some_and(|bounded| bounded <= limit.bound.limit()),
        }
    }

    pub(super) fn shown(&self) -> String {
        let unit = self.unit.name();
        let verdict = if self.ok { "ok" } else { "MISSED" };
        let mut line = format!("{verdict:<6} {:<70} {:>10.2} {unit}", self.name, self.value);
        if let (Some(baseline), Some(extra), Some(ratio)) = (self.baseline, self.extra, self.ratio)
        {
            line += &format!(", baseline {baseline:.2}, extra {extra:.2}, ratio {ratio:.3}");
        }
        line + &format!("; limit on the {} {}", self.limit_on, self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(bound: Bound, value: f64, baseline: f64) -> Figure {
        let limit = Limit {
            name: "a".to_owned(),
            id: "a/new".to_owned(),
            baseline: Some("a/old".to_owned()),
            unit: Unit::Microseconds,
            bound,
        };
        Figure::new(&limit, value, Some(baseline))
    }

    #[test]
    fn a_ratio_within_its_limit_is_ok_and_one_past_it_is_missed() {
        let within = figure(Bound::Ratio(2.0), 2_000.0, 1_000.0);
        assert!(within.ok);
        assert!((within.value - 2.0).abs() < 1e-9, "in microseconds");
        assert!(!figure(Bound::Ratio(2.0), 2_001.0, 1_000.0).ok);
    }

    #[test]
    fn an_extra_and_a_value_are_held_against_their_limit_in_the_unit_of_the_figure() {
        assert!(figure(Bound::Extra(2.0), 3_000.0, 1_000.0).ok);
        assert!(!figure(Bound::Extra(2.0), 3_001.0, 1_000.0).ok);
        assert!(figure(Bound::Value(3.0), 3_000.0, 1_000.0).ok);
        assert!(!figure(Bound::Value(3.0), 3_001.0, 1_000.0).ok);
    }

    #[test]
    fn what_was_not_measured_is_missed() {
        for bound in [Bound::Ratio(2.0), Bound::Extra(2.0), Bound::Value(2.0)] {
            assert!(!figure(bound, 1.0, 0.0).ok);
            assert!(!figure(bound, 0.0, 1.0).ok);
            assert!(!figure(bound, f64::NAN, 1.0).ok);
        }
    }
}
