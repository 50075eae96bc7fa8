//! States, transitions and dates as plain functions.

use chrono::{DateTime, Duration, NaiveDate, TimeZone, Utc};
use kernel::calendar::Calendar;
use service::case::{
    Days, Delivery, Event, Facts, Flag, Outcome, Procedure, Refusal, State, Suspension, Terms,
    due::{self, Light},
    joint::{self, OnReject, Part, Whole},
    rules::{Circumstance, is_possible, transition},
};

use crate::days::{calendar, day};

fn terms() -> Terms {
    Terms {
        is_licence: true,
        promise: Days::working(5),
        legal: Some(Days::working(10)),
        procedures: vec![Procedure {
            key: "site-check".into(),
            name: "现场核查".into(),
            kind: "勘验".into(),
            max_days: 5,
        }],
        ..Terms::default()
    }
}

/// A case in a state, with what would have happened on the way on 2025-09-22 (a Monday).
fn in_state(state: State) -> Facts {
    let at = noon("2025-09-22");
    let mut facts = Facts::new(terms());
    facts.state = state;
    facts.last_at = Some(at);
    facts.received_at = Some(at);
    match state {
        State::Received => facts.answer_due = Some(day("2025-09-28")),
        State::Correcting => {
            facts.correction_due = Some(day("2025-09-23"));
            facts.corrections = 1;
        }
        State::Accepted | State::Suspended | State::AcceptedCorrecting => {
            facts.d0 = Some(day("2025-09-22"));
            facts.promise_due = Some(day("2025-09-28"));
            facts.accepted_by = Some("clerk".into());
        }
        _ => {}
    }
    if state == State::Suspended {
        facts.suspensions.push(Suspension {
            procedure: "site-check".into(),
            name: "现场核查".into(),
            reason: "首次申请".into(),
            declared_days: 3,
            from: day("2025-09-23"),
            until: None,
            result: String::new(),
        });
    }
    facts
}

fn noon(date: &str) -> DateTime<Utc> {
    let date: NaiveDate = day(date);
    Utc.from_utc_datetime(&date.and_hms_opt(4, 0, 0).unwrap())
}

fn on(
    date: &str,
    facts: &Facts,
    event: &Event,
    actor: &str,
    calendar: &Calendar,
) -> Result<Facts, Refusal> {
    let at = Circumstance {
        now: noon(date),
        actor,
        calendar,
    };
    transition(facts, event, &at)
}

/// Every event with arguments that no guard refuses.
#[expect(clippy::too_many_lines, reason = "a table")]
fn events() -> Vec<(Event, &'static [(State, State)])> {
    use State::*;
    let text = || "理由".to_owned();
    vec![
        (Event::Submit, &[(Draft, Submitted)]),
        (Event::PassPreReview, &[(Submitted, PrePassed)]),
        (
            Event::ReturnPreReview {
                defects: vec![text()],
            },
            &[(Submitted, PreReturned)],
        ),
        (Event::Resubmit, &[(PreReturned, Submitted)]),
        (
            Event::Receive,
            &[
                (PrePassed, Received),
                (Draft, Received),
                (Registering, Received),
            ],
        ),
        (
            Event::CorrectOnSpot { note: text() },
            &[(Received, Received)],
        ),
        (
            Event::NotifyCorrection {
                missing: vec![text()],
            },
            &[(Received, Correcting)],
        ),
        (
            Event::SupplyCorrection,
            &[(Correcting, Received), (AcceptedCorrecting, Accepted)],
        ),
        (Event::ExpireCorrection, &[(Correcting, Aborted)]),
        (Event::Accept, &[(Received, Accepted)]),
        (Event::DeemAccepted, &[]),
        (
            Event::RefuseAcceptance {
                reason: text(),
                competent: String::new(),
                remedy: text(),
            },
            &[(Received, NotAccepted)],
        ),
        (
            Event::StartSpecial {
                procedure: "site-check".into(),
                reason: text(),
                declared_days: 3,
            },
            &[(Accepted, Suspended)],
        ),
        (
            Event::EndSpecial { result: text() },
            &[(Suspended, Accepted)],
        ),
        (
            Event::Extend {
                days: 10,
                reason: text(),
            },
            &[(Accepted, Accepted)],
        ),
        (
            Event::Review {
                step: text(),
                opinion: text(),
                on_site: None,
            },
            &[(Accepted, Accepted)],
        ),
        (Event::Approve { opinion: text() }, &[(Accepted, Approved)]),
        (
            Event::ApprovePart { opinion: text() },
            &[(Accepted, Approved)],
        ),
        (
            Event::Refuse {
                reason: text(),
                remedy: text(),
            },
            &[(Accepted, Refused)],
        ),
        (Event::Close, &[(Approved, Closed), (Refused, Closed)]),
        (
            Event::Deliver {
                how: Delivery::Window,
                receiver: text(),
            },
            &[(Closed, Closed)],
        ),
        (
            Event::Withdraw { reason: text() },
            &[
                (Submitted, Withdrawn),
                (PreReturned, Withdrawn),
                (PrePassed, Withdrawn),
                (Registering, Withdrawn),
                (Received, Withdrawn),
                (Correcting, Withdrawn),
                (Accepted, Withdrawn),
                (Suspended, Withdrawn),
                (AcceptedCorrecting, Withdrawn),
            ],
        ),
        (
            Event::Abort { ground: text() },
            &[(Accepted, Aborted), (Suspended, Aborted)],
        ),
        (Event::OpenRevocation { case: text() }, &[(Closed, Closed)]),
    ]
}

#[test]
fn every_state_takes_exactly_the_events_of_the_table() {
    let calendar = calendar();
    for (event, moves) in events() {
        for state in State::ALL {
            let answer = on("2025-09-24", &in_state(state), &event, "officer", &calendar);
            let expected = moves
                .iter()
                .find(|(from, _)| *from == state)
                .map(|(_, to)| *to);
            match (expected, answer) {
                (Some(to), Ok(facts)) => assert_eq!(facts.state, to, "{state:?} {event:?}"),
                (None, Err(Refusal::WrongState { .. })) => assert!(!is_possible(state, &event)),
                // By timer only, and its time has not come.
                (None, Err(Refusal::NotYetDue)) => assert_eq!(event, Event::DeemAccepted),
                (_, answer) => panic!("{state:?} {event:?} {answer:?}"),
            }
        }
    }
}

#[test]
fn codes_of_states_are_read_back() {
    for state in State::ALL {
        assert_eq!(State::of_code(state.code()), Some(state));
    }
}

#[test]
fn correction_is_asked_for_once_and_within_five_days() {
    let calendar = calendar();
    let ask = Event::NotifyCorrection {
        missing: vec!["平面图".into(), " ".into()],
    };
    let received = in_state(State::Received);
    let asked = on("2025-09-28", &received, &ask, "clerk", &calendar).unwrap();
    assert_eq!(asked.missing, ["平面图"]);
    assert_eq!(asked.answer_due, None);
    assert_eq!(
        on("2025-09-29", &received, &ask, "clerk", &calendar),
        Err(Refusal::AnswerTooLate)
    );
    let supplied = on(
        "2025-09-29",
        &asked,
        &Event::SupplyCorrection,
        "citizen",
        &calendar,
    )
    .unwrap();
    // Five working days anew, across the October holiday with its make-up Saturday.
    assert_eq!(supplied.answer_due, Some(day("2025-10-13")));
    assert_eq!(
        on("2025-09-30", &supplied, &ask, "clerk", &calendar),
        Err(Refusal::CorrectionTwice)
    );
    let nothing = Event::NotifyCorrection {
        missing: vec!["  ".into()],
    };
    assert_eq!(
        on("2025-09-24", &received, &nothing, "clerk", &calendar),
        Err(Refusal::ListEmpty)
    );
}

#[test]
fn an_applicant_who_does_not_come_ends_the_case_after_the_date() {
    let calendar = calendar();
    let mut facts = in_state(State::Correcting);
    facts.correction_due = Some(day("2025-10-13"));
    let expire = Event::ExpireCorrection;
    assert_eq!(
        on("2025-10-13", &facts, &expire, "system", &calendar),
        Err(Refusal::NotYetDue)
    );
    let ended = on("2025-10-14", &facts, &expire, "system", &calendar).unwrap();
    assert_eq!(ended.state, State::Aborted);
}

#[test]
fn silence_for_five_days_counts_as_acceptance_from_receipt() {
    let calendar = calendar();
    let facts = in_state(State::Received);
    let deem = Event::DeemAccepted;
    assert_eq!(
        on("2025-09-28", &facts, &deem, "system", &calendar),
        Err(Refusal::NotYetDue)
    );
    let accepted = on("2025-09-29", &facts, &deem, "system", &calendar).unwrap();
    assert_eq!(accepted.d0, Some(day("2025-09-22")));
    assert!(accepted.flags.contains(&Flag::LateAnswer));
    // A clerk who accepts late does not move the first day either.
    let late = on("2025-09-30", &facts, &Event::Accept, "clerk", &calendar).unwrap();
    assert_eq!(late.d0, Some(day("2025-09-22")));
}

#[test]
fn suspended_days_do_not_count() {
    let calendar = calendar();
    for (count, until, due) in [
        (10, "2025-10-15", "2025-10-27"),
        (5, "2025-09-28", "2025-10-09"),
    ] {
        let mut facts = in_state(State::Received);
        facts.terms.promise = Days::working(count);
        let accepted = on("2025-09-22", &facts, &Event::Accept, "clerk", &calendar).unwrap();
        if count == 10 {
            assert_eq!(accepted.promise_due, Some(day("2025-10-11")));
        }
        let start = Event::StartSpecial {
            procedure: "site-check".into(),
            reason: "首次申请".into(),
            declared_days: 5,
        };
        let paused = on("2025-09-25", &accepted, &start, "examiner", &calendar).unwrap();
        assert_eq!((paused.promise_due, paused.legal_due), (None, None));
        let end = Event::EndSpecial {
            result: "符合".into(),
        };
        let running = on(until, &paused, &end, "examiner", &calendar).unwrap();
        assert_eq!(running.promise_due, Some(day(due)), "{count}");
    }
}

#[test]
fn only_listed_procedures_stop_the_clock() {
    let calendar = calendar();
    let start = |procedure: &str, declared_days| Event::StartSpecial {
        procedure: procedure.into(),
        reason: "理由".into(),
        declared_days,
    };
    let facts = in_state(State::Accepted);
    let answer =
        |event: &Event| on("2025-09-24", &facts, event, "examiner", &calendar).unwrap_err();
    assert_eq!(
        answer(&start("auction", 3)),
        Refusal::NotListed {
            procedure: "auction".into()
        }
    );
    assert_eq!(answer(&start("site-check", 0)), Refusal::DaysMissing);
    assert_eq!(
        answer(&start("site-check", 6)),
        Refusal::DaysTooMany { most: 5 }
    );
}

#[test]
fn a_procedure_longer_than_told_is_flagged() {
    let calendar = calendar();
    let end = Event::EndSpecial {
        result: "符合".into(),
    };
    let facts = in_state(State::Suspended);
    let in_time = on("2025-09-26", &facts, &end, "examiner", &calendar).unwrap();
    assert!(in_time.flags.is_empty());
    let late = on("2025-09-28", &facts, &end, "examiner", &calendar).unwrap();
    assert!(late.flags.contains(&Flag::LongerThanDeclared));
}

#[test]
fn an_extension_is_given_once_in_time_and_within_bounds() {
    let calendar = calendar();
    let extend = |days| Event::Extend {
        days,
        reason: "案情复杂".into(),
    };
    let facts = in_state(State::Accepted);
    let extended = on("2025-09-24", &facts, &extend(10), "approver", &calendar).unwrap();
    assert_eq!(extended.promise_due, Some(day("2025-10-17")));
    let refused = |date, facts: &Facts, event: &Event| {
        on(date, facts, event, "approver", &calendar).unwrap_err()
    };
    assert_eq!(
        refused("2025-09-25", &extended, &extend(1)),
        Refusal::ExtendedTwice
    );
    assert_eq!(
        refused("2025-09-29", &facts, &extend(1)),
        Refusal::ExtensionTooLate
    );
    assert_eq!(
        refused("2025-09-24", &facts, &extend(11)),
        Refusal::DaysTooMany { most: 10 }
    );
    let silent = Event::Extend {
        days: 3,
        reason: " ".into(),
    };
    assert_eq!(
        refused("2025-09-24", &facts, &silent),
        Refusal::ReasonMissing
    );
    let mut joint = facts.clone();
    joint.terms.is_joint = true;
    assert!(on("2025-09-24", &joint, &extend(15), "approver", &calendar).is_ok());
}

#[test]
fn refusals_need_reasons_and_remedies() {
    let calendar = calendar();
    let refuse = |reason: &str, remedy: &str| Event::Refuse {
        reason: reason.into(),
        remedy: remedy.into(),
    };
    let facts = in_state(State::Accepted);
    let answer = |event: &Event| on("2025-09-24", &facts, event, "approver", &calendar);
    assert_eq!(answer(&refuse(" ", "复议")), Err(Refusal::ReasonMissing));
    assert_eq!(answer(&refuse("不符合", "")), Err(Refusal::RemedyMissing));
    let refused = answer(&refuse("不符合", "六十日内申请复议")).unwrap();
    assert_eq!(refused.decision.unwrap().outcome, Outcome::Refused);
    assert_eq!(refused.delivery_due, Some(day("2025-10-14")));
}

#[test]
fn one_person_may_accept_and_decide_but_it_is_flagged() {
    let calendar = calendar();
    let approve = Event::Approve {
        opinion: String::new(),
    };
    let facts = in_state(State::Accepted);
    let same = on("2025-09-24", &facts, &approve, "clerk", &calendar).unwrap();
    assert!(same.flags.contains(&Flag::SamePerson));
    let other = on("2025-09-24", &facts, &approve, "approver", &calendar).unwrap();
    assert!(other.flags.is_empty());
}

#[test]
fn a_site_check_needs_two_different_officers() {
    let calendar = calendar();
    let check = |names: &[&str]| Event::Review {
        step: "现场核查".into(),
        opinion: "符合".into(),
        on_site: Some(names.iter().map(|n| (*n).to_owned()).collect()),
    };
    let facts = in_state(State::Accepted);
    for names in [&["张三"][..], &["张三", "张三 "], &["张三", ""]] {
        let answer = on("2025-09-24", &facts, &check(names), "examiner", &calendar);
        assert_eq!(answer, Err(Refusal::TwoOfficersNeeded));
    }
    assert!(
        on(
            "2025-09-24",
            &facts,
            &check(&["张三", "李四"]),
            "examiner",
            &calendar
        )
        .is_ok()
    );
}

#[test]
fn a_clock_moved_back_does_not_move_a_case_back() {
    let calendar = calendar();
    let facts = in_state(State::Received);
    let accepted = on("2025-09-01", &facts, &Event::Accept, "clerk", &calendar).unwrap();
    assert_eq!(accepted.d0, Some(day("2025-09-22")));
    assert_eq!(accepted.last_at, facts.last_at);
}

#[test]
fn a_missing_calendar_year_is_an_error() {
    let mut facts = in_state(State::Received);
    facts.last_at = None;
    facts.answer_due = None;
    let answer = on("2027-03-01", &facts, &Event::Accept, "clerk", &calendar());
    assert!(matches!(answer, Err(Refusal::Calendar(_))), "{answer:?}");
}

#[test]
fn natural_days_end_on_a_working_day() {
    let natural = Days {
        count: 7,
        unit: service::case::Unit::Natural,
    };
    let end = due::after(&calendar(), day("2025-09-24"), natural, &[]).unwrap();
    assert_eq!(end, day("2025-10-09"));
}

#[test]
fn lights_follow_the_days_left() {
    let calendar = calendar();
    let mut facts = in_state(State::Received);
    facts.terms.promise = Days::working(10);
    let facts = on("2025-09-22", &facts, &Event::Accept, "clerk", &calendar).unwrap();
    for (date, light, left) in [
        ("2025-09-22", Light::Green, 10),
        ("2025-09-29", Light::Green, 4),
        ("2025-10-09", Light::Yellow, 2),
        ("2025-10-11", Light::Yellow, 0),
        ("2025-10-13", Light::Red, -1),
    ] {
        let signal = due::signal(&facts, day(date), &calendar).unwrap();
        assert_eq!(
            (signal.light, signal.days_left),
            (light, Some(left)),
            "{date}"
        );
    }
    let paused = due::signal(&in_state(State::Suspended), day("2025-12-01"), &calendar).unwrap();
    assert_eq!(paused.light, Light::Paused);
}

#[test]
fn the_whole_follows_from_its_parts() {
    let part = |state, outcome| Part { state, outcome };
    let granted = part(State::Closed, Some(Outcome::Approved));
    let refused = part(State::Closed, Some(Outcome::Refused));
    let stopped = part(State::Aborted, None);
    let open = part(State::Accepted, None);
    for (parts, whole) in [
        (vec![granted, open], Whole::Handling),
        (vec![granted, granted], Whole::Ended(Outcome::Approved)),
        (vec![granted, refused], Whole::Ended(Outcome::Partial)),
        (vec![granted, stopped], Whole::Ended(Outcome::Partial)),
        (vec![refused, stopped], Whole::Ended(Outcome::Refused)),
    ] {
        assert_eq!(joint::whole(&parts), whole, "{parts:?}");
    }
    assert!(joint::must_stop(&[refused, open], OnReject::StopAll));
    assert!(!joint::must_stop(&[refused, open], OnReject::Continue));
    assert!(!joint::must_stop(&[granted, open], OnReject::StopAll));
}

#[test]
fn a_theme_promises_its_longest_part_and_the_closing_days() {
    let of = |count| Terms {
        promise: Days::working(count),
        ..Terms::default()
    };
    let terms = joint::terms(&[of(5), of(3), of(7)], 1, 45);
    assert_eq!(terms.promise, Days::working(8));
    assert!(terms.is_joint);
    assert!(!joint::terms(&[of(5)], 1, 45).is_joint);
}

#[test]
fn time_in_events_never_runs_backwards() {
    let calendar = calendar();
    let facts = in_state(State::Accepted);
    let at = Circumstance {
        now: facts.last_at.unwrap() - Duration::days(3),
        actor: "approver",
        calendar: &calendar,
    };
    let decided = transition(
        &facts,
        &Event::Approve {
            opinion: String::new(),
        },
        &at,
    )
    .unwrap();
    assert_eq!(decided.decided_at, facts.last_at);
}
