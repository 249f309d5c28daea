//! The check of histories finds what it is there for: each rule is fed a history that breaks it alone.

use nova_events::conformance::{ConsumerHistory, HistoryStep, HistoryViolation};

fn produced(offset: i64, number: Option<u32>) -> HistoryStep {
    HistoryStep::Produced {
        partition: 0,
        offset,
        key: "a".to_owned(),
        number,
    }
}

fn began(number: u32) -> HistoryStep {
    HistoryStep::Began {
        key: "a".to_owned(),
        number,
    }
}

fn handled(number: u32) -> HistoryStep {
    HistoryStep::Handled {
        key: "a".to_owned(),
        number,
    }
}

fn effect(number: u32) -> HistoryStep {
    HistoryStep::TookEffect {
        key: "a".to_owned(),
        number,
    }
}

const fn committed(position: i64) -> HistoryStep {
    HistoryStep::Committed {
        partition: 0,
        position,
    }
}

const fn dead_lettered(offset: i64) -> HistoryStep {
    HistoryStep::DeadLettered {
        partition: 0,
        offset,
    }
}

/// Three events, the second of which is poison; the first is handled twice, as after a crash.
fn good() -> Vec<HistoryStep> {
    vec![
        produced(5, Some(0)),
        produced(6, None),
        produced(7, Some(1)),
        began(0),
        handled(0),
        began(0),
        handled(0),
        committed(6),
        began(1),
        handled(1),
        committed(8),
        dead_lettered(6),
        effect(0),
        effect(1),
    ]
}

fn violations(steps: impl IntoIterator<Item = HistoryStep>) -> Vec<HistoryViolation> {
    let mut history = ConsumerHistory::default();
    history.extend(steps);
    history.violations()
}

#[test]
fn a_history_without_a_fault_has_no_violation() {
    assert_eq!(violations(good()), []);
}

#[test]
fn an_event_that_nobody_handled_is_lost() {
    let mut steps = good();
    steps.insert(3, produced(9, Some(2)));
    let lost = HistoryViolation::Lost {
        partition: 0,
        offset: 9,
        key: "a".to_owned(),
        number: Some(2),
    };
    assert_eq!(violations(steps), [lost]);
}

#[test]
fn poison_that_is_in_no_dead_letter_is_lost() {
    let steps = good().into_iter().filter(|step| *step != dead_lettered(6));
    let found = violations(steps);
    let lost = |violation: &_| matches!(violation, HistoryViolation::Lost { offset: 6, .. });
    assert!(found.iter().any(lost), "{found:?}");
}

#[test]
fn an_event_whose_effect_is_missing_is_lost() {
    let steps = good().into_iter().filter(|step| *step != effect(1));
    let found = violations(steps);
    assert!(matches!(
        found.as_slice(),
        [HistoryViolation::Lost { offset: 7, .. }]
    ));
}

#[test]
fn an_event_that_began_before_an_earlier_one_of_its_key_was_done_is_an_inversion() {
    let mut steps = good();
    steps.insert(3, began(1));
    let inverted = HistoryViolation::Inverted {
        key: "a".to_owned(),
        number: 1,
        undone: 0,
    };
    assert_eq!(violations(steps), [inverted]);
}

#[test]
fn a_commit_past_a_record_that_is_not_done_is_found() {
    let mut steps = good();
    steps.insert(8, committed(8));
    let past = HistoryViolation::CommittedPast {
        partition: 0,
        position: 8,
        undone: 7,
    };
    assert_eq!(violations(steps), [past]);
}

#[test]
fn an_effect_that_is_there_twice_is_found() {
    let mut steps = good();
    steps.push(effect(0));
    let doubled = HistoryViolation::Doubled {
        key: "a".to_owned(),
        number: 0,
    };
    assert_eq!(violations(steps), [doubled]);
}

#[test]
fn a_dead_letter_neither_blocks_its_key_nor_the_position() {
    let steps = [
        produced(5, Some(0)),
        produced(6, Some(1)),
        began(0),
        began(1),
        handled(1),
        committed(7),
        dead_lettered(5),
    ];
    assert_eq!(violations(steps), []);
}
