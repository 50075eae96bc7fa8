use supervise::{
    Settings,
    fact::{Fact, Step},
    judge::{self, Level, Rule, Standing},
    light::Light,
    picture::Picture,
};

use crate::days::{calendar, date, morning};

/// A case accepted on Monday 2025-09-01 with ten working days: due on 09-15.
fn accepted() -> Picture {
    let mut case = Picture::default();
    let fact = Fact {
        case_id: "c1".into(),
        after: "accepted".into(),
        at: morning("2025-09-01"),
        accepted_at: Some(morning("2025-09-01")),
        accepted_by: Some("clerk".into()),
        d0: Some(date("2025-09-01")),
        promise_due: Some(date("2025-09-15")),
        legal_due: Some(date("2025-09-29")),
        limit_days: 10,
        matter_version: 3,
        ..Fact::default()
    };
    case.take("accepted", &fact);
    case
}

fn on(case: &Picture, day: &str) -> Standing {
    judge::day(case, date(day), &calendar(), &Settings::default()).unwrap()
}

fn rules(hits: &[judge::Hit]) -> Vec<(Rule, Level)> {
    hits.iter().map(|h| (h.rule, h.level)).collect()
}

#[test]
fn the_light_follows_the_days() {
    let case = accepted();
    for (day, light, remaining) in [
        ("2025-09-01", Light::Green, 10),
        ("2025-09-10", Light::Green, 3),
        ("2025-09-11", Light::Yellow, 2),
        ("2025-09-13", Light::Yellow, 1),
        ("2025-09-15", Light::Yellow, 0),
        ("2025-09-16", Light::Red, -1),
    ] {
        let standing = on(&case, day);
        assert_eq!(
            (standing.light, standing.remaining),
            (light, Some(remaining)),
            "{day}"
        );
    }
}

#[test]
fn days_over_the_promise_turn_yellow_then_red() {
    let case = accepted();
    assert_eq!(
        rules(&on(&case, "2025-09-12").hits),
        [(Rule::T03, Level::Notice)]
    );
    assert_eq!(
        rules(&on(&case, "2025-09-18").hits),
        [(Rule::T04, Level::Yellow)]
    );
    assert_eq!(
        rules(&on(&case, "2025-09-19").hits),
        [(Rule::T04, Level::Red)]
    );
    assert_eq!(
        rules(&on(&case, "2025-09-30").hits),
        [(Rule::T04, Level::Red), (Rule::T05, Level::Red)]
    );
}

#[test]
fn the_next_change_is_the_next_day_that_matters() {
    let case = accepted();
    let mut day = date("2025-09-01");
    let mut days = Vec::new();
    while let Some(next) = on(&case, &day.to_string()).next_change {
        assert!(next > day);
        days.push(next.to_string());
        day = next;
    }
    assert_eq!(
        days,
        ["2025-09-11", "2025-09-16", "2025-09-19", "2025-09-30"]
    );
}

#[test]
fn a_suspended_clock_stands_still() {
    let mut case = accepted();
    let fact = Fact {
        after: "suspended".into(),
        at: morning("2025-09-03"),
        special: Some("site_check".into()),
        declared_days: Some(5),
        is_listed: true,
        promise_due: case.promise_due,
        limit_days: 10,
        ..Fact::default()
    };
    case.take("special_started", &fact);
    let standing = on(&case, "2025-09-10");
    assert_eq!(
        (standing.light, standing.remaining),
        (Light::Green, Some(8))
    );
    assert!(standing.hits.is_empty());
    assert_eq!(
        rules(&on(&case, "2025-09-11").hits),
        [(Rule::T08, Level::Yellow)]
    );
}

#[test]
fn a_step_has_its_own_limit() {
    let mut case = accepted();
    case.steps = vec![step("受理", 1), step("审查", 3), step("决定", 2)];
    case.steps_done = vec!["受理".into()];
    assert!(on(&case, "2025-09-04").hits.is_empty());
    assert_eq!(
        rules(&on(&case, "2025-09-05").hits),
        [(Rule::T06, Level::Yellow)]
    );
}

fn step(name: &str, days: u32) -> Step {
    Step {
        name: name.into(),
        days,
        is_special: false,
    }
}

#[test]
fn nobody_waits_forever_before_acceptance() {
    let mut case = Picture::default();
    let submitted = Fact {
        after: "submitted".into(),
        at: morning("2025-09-01"),
        ..Fact::default()
    };
    case.take("submitted", &submitted);
    assert!(on(&case, "2025-09-02").hits.is_empty());
    assert_eq!(
        rules(&on(&case, "2025-09-03").hits),
        [(Rule::T01, Level::Yellow)]
    );
    let received = Fact {
        after: "received".into(),
        at: morning("2025-09-03"),
        answer_due: Some(date("2025-09-10")),
        ..Fact::default()
    };
    case.take("received", &received);
    assert!(on(&case, "2025-09-10").hits.is_empty());
    assert_eq!(
        rules(&on(&case, "2025-09-11").hits),
        [(Rule::T02, Level::Red)]
    );
}

#[test]
fn a_result_must_be_delivered() {
    let mut case = accepted();
    let fact = Fact {
        after: "approved".into(),
        at: morning("2025-09-05"),
        delivery_due: Some(date("2025-09-19")),
        ..Fact::default()
    };
    case.take("approved", &fact);
    assert_eq!(on(&case, "2025-09-19").light, Light::Off);
    assert_eq!(
        rules(&on(&case, "2025-09-20").hits),
        [(Rule::T07, Level::Yellow)]
    );
    case.take(
        "delivered",
        &Fact {
            after: "closed".into(),
            ..fact
        },
    );
    assert!(on(&case, "2025-09-20").hits.is_empty());
}

#[test]
fn a_year_without_calendar_is_an_error() {
    let mut case = accepted();
    case.promise_due = Some(date("2026-01-15"));
    assert!(judge::day(&case, date("2025-12-30"), &calendar(), &Settings::default()).is_err());
}

/// What an event shows, with the picture of an accepted case before it.
fn shown(what: &str, change: impl FnOnce(&mut Fact, &mut Picture)) -> Vec<(Rule, Level)> {
    let mut before = accepted();
    let mut fact = Fact {
        case_id: "c1".into(),
        at: morning("2025-09-05"),
        accepted_at: Some(morning("2025-09-01")),
        accepted_by: Some("clerk".into()),
        d0: Some(date("2025-09-01")),
        has_reason: true,
        has_remedy: true,
        is_listed: true,
        matter_version: 3,
        ..Fact::default()
    };
    change(&mut fact, &mut before);
    rules(&judge::event(what, &fact, &before, Some(3)))
}

#[test]
fn flow_and_content_are_judged_from_events() {
    let red = |rule| vec![(rule, Level::Red)];
    let yellow = |rule| vec![(rule, Level::Yellow)];
    assert!(shown("reviewed", |_, _| ()).is_empty());
    assert_eq!(shown("deemed_accepted", |_, _| ()), red(Rule::T02));
    assert_eq!(
        shown("extended", |f, _| f.at = morning("2025-09-16")),
        red(Rule::T09)
    );
    assert_eq!(shown("extended", |_, b| b.extensions = 1), red(Rule::T09));
    assert_eq!(
        shown("approved", |_, b| b.steps =
            vec![step("审查", 3), step("决定", 2)]),
        red(Rule::F01)
    );
    assert_eq!(
        shown("approved", |f, _| f.decided_by = Some("clerk".into())),
        yellow(Rule::F02)
    );
    assert_eq!(
        shown("reviewed", |f, _| f.at = morning("2025-08-31")),
        red(Rule::F03)
    );
    assert_eq!(
        shown("correction_notified", |f, _| f.corrections = 2),
        red(Rule::F04)
    );
    assert_eq!(
        shown("special_started", |f, _| f.is_listed = false),
        red(Rule::F05)
    );
    let never_accepted = |f: &mut Fact, b: &mut Picture| {
        f.accepted_at = None;
        b.is_accepted = false;
    };
    assert_eq!(shown("closed", never_accepted), red(Rule::F06));
    assert_eq!(
        shown("accepted", |f, _| f.matter_version = 2),
        yellow(Rule::F07)
    );
    assert_eq!(
        shown("refused", |f, _| f.has_remedy = false),
        red(Rule::N01)
    );
    assert_eq!(
        shown("correction_notified", |f, _| f.unlisted_materials =
            vec!["其他材料".into()]),
        red(Rule::N02)
    );
}

#[test]
fn a_date_that_moves_leaves_a_case_with_whom_it_is() {
    let fact = |actor: &str, due: &str| Fact {
        actor: actor.into(),
        actor_name: actor.into(),
        promise_due: Some(due.parse().unwrap()),
        ..Fact::default()
    };
    let mut case = Picture::default();
    case.take("accepted", &fact("u1", "2027-01-07"));
    case.take("recounted", &fact("system", "2027-01-09"));
    assert_eq!((&*case.holder, &*case.holder_name), ("u1", "u1"));
    assert_eq!(case.promise_due, Some("2027-01-09".parse().unwrap()));
}
