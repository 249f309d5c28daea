use std::time::{Duration, Instant};

use nova_models::{CallContext, Deadline};

/// What is kept back of an inherited deadline, so that the caller's answer arrives before its own caller gives up.
const MARGIN: Duration = Duration::from_millis(10);

/// The deadline of a call: `own` from `now`, or the context's less a margin, whichever is earlier.
pub(crate) fn overall(own: Duration, context: &CallContext, now: Instant) -> Deadline {
    let own = Deadline::after(now, own);
    let Some(inherited) = context.deadline else {
        return own;
    };
    let left = inherited.left(now).saturating_sub(MARGIN);
    own.earlier(Deadline::after(now, left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inherited(now: Instant, left: Duration) -> CallContext {
        let mut context = CallContext::new();
        context.deadline = Some(Deadline::after(now, left));
        context
    }

    #[test]
    fn the_earlier_of_both_holds_and_the_inherited_one_keeps_a_margin() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let left = |context: &CallContext| overall(second, context, now).left(now);

        assert_eq!(left(&CallContext::new()), second);
        assert_eq!(left(&inherited(now, second * 5)), second);
        assert_eq!(left(&inherited(now, second / 2)), second / 2 - MARGIN);
        assert_eq!(left(&inherited(now, MARGIN / 2)), Duration::ZERO);
    }
}
