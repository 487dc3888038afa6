//! Tests of the policy, without a store, an upstream or a clock.

use super::*;
use crate::request::{Fields, RequestType};

const RULE: RetryRule = RetryRule {
    max_attempts: 3,
    initial: Duration::from_secs(1),
    max: Duration::from_secs(3),
    hold: Duration::from_secs(900),
};
const VERIFY: Resend = Resend::Verify(RequestType::named("GET_PAIRING_STATUS_FOR_CARD"));

fn context(resend: Resend, in_doubt: Option<InDoubt>, attempt: u32) -> AttemptContext {
    let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(60);
    AttemptContext {
        resend,
        in_doubt,
        within: None,
        attempt,
        took: Duration::from_secs(30),
        is_verified: false,
        is_joint: false,
        now,
        jitter: 1.0,
    }
}

fn refused() -> CallFailure {
    CallFailure::NotSent { kind: FailureKind::Connect, message: "refused".to_owned() }
}

fn cut() -> CallFailure {
    CallFailure::InDoubt {
        message: "cut".to_owned(),
        status: None,
        partial: Vec::new(),
        content_type: None,
        is_late: false,
    }
}

fn answer(classification: Classification) -> ClassifiedAnswer {
    let failure = Some(ours("UPSTREAM_BUSY", "503".to_owned()));
    let (text, results) = (String::new(), Fields::new());
    ClassifiedAnswer { text, classification, reference: None, failure, result: None, results }
}

/// Seconds since 1970 of the next attempt, and of the end of resolving for a request in doubt.
fn next(outcome: &Outcome) -> Option<(i64, i64)> {
    match outcome {
        Outcome::RetryLater { at, .. } => Some((at.timestamp(), 0)),
        Outcome::InDoubt { next, .. } => next.map(|n| (n.at.timestamp(), n.until.timestamp())),
        _ => None,
    }
}

#[test]
fn delays_double_up_to_the_bound_with_full_jitter() {
    assert_eq!(RULE.delay(1, 1.0), Duration::from_secs(1));
    assert_eq!(RULE.delay(2, 0.0), Duration::ZERO);
    assert_eq!(RULE.delay(2, 1.0), Duration::from_secs(2));
    assert_eq!(RULE.delay(40, 1.0), Duration::from_secs(3));
}

#[test]
fn what_was_not_sent_is_tried_again_until_the_last_attempt() {
    for resend in [Resend::Safe, VERIFY, Resend::Never] {
        assert_eq!(next(&RULE.after_failure(&refused(), &context(resend, None, 1))), Some((61, 0)));
        let last = RULE.after_failure(&refused(), &context(resend, None, 3));
        assert!(matches!(last, Outcome::Rejected { failure, .. } if failure.code == "CONNECT_FAILED"));
    }
}

#[test]
fn a_doubt_is_looked_into_as_the_resend_rule_allows() {
    let doubt = |resend, before| RULE.after_failure(&cut(), &context(resend, before, 1));
    assert_eq!(next(&doubt(Resend::Safe, None)), Some((61, 960)));
    assert_eq!(next(&doubt(VERIFY, None)), Some((61, 960)));
    assert_eq!(next(&doubt(Resend::Never, None)), None);
    let until = |seconds| Some(InDoubt::Resolving { until: DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds) });
    assert_eq!(next(&doubt(Resend::Safe, until(958))), Some((62, 958)), "the end does not move");
    assert_eq!(next(&doubt(Resend::Safe, until(100))), Some((63, 100)), "a long doubt is looked into less often");
    assert_eq!(next(&doubt(Resend::Safe, until(61))), Some((61, 61)));
    assert_eq!(next(&doubt(Resend::Safe, until(60))), None, "the time is over");
    assert_eq!(next(&doubt(Resend::Safe, Some(InDoubt::RetryOrdered))), None, "what is ordered is sent once");
    for outcome in [doubt(Resend::Safe, None), doubt(VERIFY, None), doubt(Resend::Never, None)] {
        assert!(matches!(outcome, Outcome::InDoubt { failure, .. } if failure.code == "OUTCOME_UNKNOWN"));
    }
}

/// The longest pauses before each verification of a request in doubt, if its first attempt took `took` seconds.
fn pauses(within: Option<Duration>, took: f64) -> Vec<f64> {
    let rule = RetryRule { max: Duration::from_secs(300), ..RULE };
    let took = Duration::from_secs_f64(took);
    let mut context = AttemptContext { within, took, ..context(Resend::Safe, None, 1) };
    let mut pauses = Vec::new();
    while let Outcome::InDoubt { next: Some(Next { at, until }), .. } = rule.after_failure(&cut(), &context) {
        pauses.push((at - context.now).as_seconds_f64());
        context = AttemptContext { in_doubt: Some(InDoubt::Resolving { until }), now: at, ..context };
    }
    pauses
}

#[test]
fn a_doubt_is_looked_into_soon_and_then_less_and_less_often() {
    // Counted from the first sending: 0.1 s of 120 s are over.
    let pin = pauses(Some(Duration::from_secs(120)), 0.1);
    assert_eq!(pin.iter().take(6).map(|s| s.round()).collect::<Vec<_>>(), [1.0, 1.0, 2.0, 4.0, 9.0, 18.0], "{pin:?}");
    assert!((pin.iter().sum::<f64>() - 119.9).abs() < 0.001, "to the end of its own window: {pin:?}");
    let late = pauses(Some(Duration::from_secs(120)), 30.0);
    assert!(late[0] <= 1.0 && late.len() > 4, "however long the answer was waited for: {late:?}");
    let hold = pauses(None, 30.0);
    assert!(hold[0] <= 1.0 && hold.iter().any(|s| *s > 200.0), "{hold:?}");
    assert!((hold.iter().sum::<f64>() - 900.0).abs() < 0.001, "{hold:?}");
    assert_eq!(pauses(Some(Duration::from_secs(120)), 120.0), [0.0; 0], "its window is over");
}

#[test]
fn a_date_that_is_set_moves_no_end_but_that_of_a_pin_forward() {
    let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
    let until = |request_type: RequestType, hours: i64| match carried(
        InDoubt::Resolving { until: now },
        request_type.resend_within(),
        TimeDelta::hours(hours),
    ) {
        InDoubt::Resolving { until } => (until - now).num_hours(),
        other => panic!("{other:?}"),
    };
    let both = |kind| [until(kind, -1), until(kind, 1)];
    assert_eq!(both(RequestType::named("ADD_SUBSCRIPTIONS")), [-1, 1]);
    assert_eq!(both(RequestType::named("UPDATE_CA_PIN_TO_DEFAULT_VALUE")), [-1, 0]);
}

#[test]
fn a_definite_no_to_a_repetition_leaves_the_doubt() {
    let leaves = |in_doubt, is_verified| {
        let context = AttemptContext { is_verified, ..context(VERIFY, in_doubt, 2) };
        match RULE.after_answer(answer(Classification::Rejected), None, &context) {
            Outcome::Rejected { leaves_doubt, .. } => leaves_doubt,
            other => panic!("{other:?}"),
        }
    };
    assert!(!leaves(None, false) && leaves(Some(InDoubt::RetryOrdered), false), "only what was sent before");
    assert!(!leaves(Some(InDoubt::RetryOrdered), true), "unless that is known not to have been done");
}

#[test]
fn what_may_have_arrived_is_never_rejected_for_want_of_an_answer() {
    let before = Some(InDoubt::Resolving { until: DateTime::UNIX_EPOCH + TimeDelta::seconds(900) });
    for attempt in [2, 3, 1000] {
        let outcome = RULE.after_failure(&refused(), &context(Resend::Safe, before, attempt));
        assert!(matches!(outcome, Outcome::InDoubt { next: Some(_), .. }));
    }
    let outcome = RULE.after_failure(&refused(), &context(Resend::Never, Some(InDoubt::RetryOrdered), 9));
    assert!(matches!(outcome, Outcome::InDoubt { next: None, .. }));
}

#[test]
fn a_busy_upstream_is_left_alone_as_it_asks() {
    let busy = || answer(Classification::Overloaded);
    let of = |retry_after, resend| RULE.after_answer(busy(), retry_after, &context(resend, None, 1));
    assert_eq!(next(&of(None, Resend::Safe)), Some((61, 0)));
    assert_eq!(next(&of(Some(" 30 "), VERIFY)), Some((90, 0)));
    assert_eq!(next(&of(Some("Thu, 01 Jan 1970 00:01:10 GMT"), Resend::Safe)), Some((70, 0)));
    assert_eq!(next(&of(Some("Thu, 01 Jan 1970 00:00:10 GMT"), Resend::Safe)), Some((61, 0)), "that is past");
    assert_eq!(next(&of(Some("99999999999"), Resend::Safe)), Some((3660, 0)));
    assert_eq!(next(&of(Some("soon"), Resend::Safe)), Some((61, 0)));
    assert!(matches!(of(None, Resend::Never), Outcome::InDoubt { next: None, .. }));
    let doubt = Some(InDoubt::Resolving { until: DateTime::UNIX_EPOCH + TimeDelta::seconds(900) });
    let of = |retry_after| RULE.after_answer(busy(), Some(retry_after), &context(Resend::Safe, doubt, 2));
    assert_eq!([next(&of("30")), next(&of("3000"))], [Some((90, 900)), Some((900, 900))], "in a doubt, too");
    let later = RULE.after_answer(answer(Classification::RetryLater), None, &context(Resend::Never, None, 1));
    assert!(matches!(later, Outcome::RetryLater { .. }), "a SOAP answer that says so is definite");
}

#[test]
fn a_rejection_of_a_call_for_several_requests_is_the_outcome_of_none() {
    let of_one = context(Resend::Safe, None, 3);
    let of_many = AttemptContext { is_joint: true, ..of_one };
    for classification in [Classification::Rejected, Classification::SessionEnded, Classification::HttpRejected] {
        assert!(matches!(RULE.after_answer(answer(classification), None, &of_one), Outcome::Rejected { .. }));
        assert!(matches!(RULE.after_answer(answer(classification), None, &of_many), Outcome::SendAlone { .. }));
    }
    // A request that was not delivered in time is never sent.
    let outcome = RULE.after_answer(answer(Classification::Overloaded), None, &of_many);
    assert!(matches!(outcome, Outcome::Rejected { .. }));
    assert!(matches!(RULE.after_answer(answer(Classification::Completed), None, &of_many), Outcome::Completed { .. }));
}
