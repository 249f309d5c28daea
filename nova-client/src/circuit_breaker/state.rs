/// What a circuit is at; packed into one word, so that every change is one compare-and-swap.
///
/// Times are milliseconds from the circuit's origin; no two states of a kind have the same, so they tell one
/// half-open phase from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Calls go through.
    Closed { since: u64 },
    /// Calls are turned away.
    Open { until: u64 },
    /// Some calls go through as probes.
    HalfOpen {
        since: u64,
        in_flight: u16,
        succeeded: u16,
    },
}

const TAG_BITS: u32 = 2;
/// Holds `CircuitBreaker::MAX_PROBES`.
const COUNT_BITS: u32 = 10;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
const TIME_SHIFT: u32 = TAG_BITS + 2 * COUNT_BITS;

impl State {
    pub(super) fn pack(self) -> u64 {
        match self {
            Self::Closed { since } => since << TIME_SHIFT,
            Self::Open { until } => until << TIME_SHIFT | 1,
            Self::HalfOpen {
                since,
                in_flight,
                succeeded,
            } => {
                let in_flight = u64::from(in_flight) << (TAG_BITS + COUNT_BITS);
                let succeeded = u64::from(succeeded) << TAG_BITS;
                since << TIME_SHIFT | in_flight | succeeded | 2
            }
        }
    }

    pub(super) fn unpack(word: u64) -> Self {
        let time = word >> TIME_SHIFT;
        let count = |shift: u32| u16::try_from((word >> shift) & COUNT_MASK).unwrap_or(u16::MAX);
        match word & 3 {
            0 => Self::Closed { since: time },
            1 => Self::Open { until: time },
            _ => Self::HalfOpen {
                since: time,
                in_flight: count(TAG_BITS + COUNT_BITS),
                succeeded: count(TAG_BITS),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_state_survives_its_word(time in 0_u64..1 << 42, in_flight in 0_u16..=1000, succeeded in 0_u16..=1000) {
            let states = [
                State::Closed { since: time },
                State::Open { until: time },
                State::HalfOpen { since: time, in_flight, succeeded },
            ];
            for state in states {
                prop_assert_eq!(State::unpack(state.pack()), state);
            }
        }
    }
}
