//! Cases as people move them.

use std::sync::Arc;

use kernel::{Error, ManualClock};
use service::case::{
    Channel, Delivery, Event, Flag, Outcome, State, act,
    store::{self as rows, Applicant},
    submit,
};
use store::{Db, db_test};

use crate::world::{World, instant, kinds, licence, migrations, timeline};

fn refusal_key(error: Error) -> &'static str {
    match error {
        Error::Refused(text) => text.key,
        other => panic!("{other:?}"),
    }
}

#[db_test(migrations = migrations)]
async fn a_case_goes_from_submission_to_delivery(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let receipt = w.submitted(licence()).await;
    assert_eq!((receipt.number.len(), receipt.password.len()), (30, 6));
    let accepted = w.act(&w.clerk, &receipt, Event::Accept).await.unwrap();
    assert_eq!(accepted.state(), State::Accepted);
    assert_eq!(
        accepted.facts.promise_due.unwrap().to_string(),
        "2026-03-09"
    );
    w.later(1);
    let review = Event::Review {
        step: "审查".into(),
        opinion: "材料齐全".into(),
        on_site: None,
    };
    w.act(&w.examiner, &receipt, review).await.unwrap();
    let approve = Event::Approve {
        opinion: "同意".into(),
    };
    let closed = w.act(&w.approver, &receipt, approve).await.unwrap();
    assert_eq!(closed.state(), State::Closed);
    assert_eq!(act::outcome(&closed.facts), Some(Outcome::Approved));
    assert!(closed.facts.flags.is_empty());
    let deliver = || Event::Deliver {
        how: Delivery::Window,
        receiver: "合成甲".into(),
    };
    let delivered = w.act(&w.clerk, &receipt, deliver()).await.unwrap();
    let again = w.act(&w.clerk, &receipt, deliver()).await.unwrap_err();
    assert_eq!(refusal_key(again), "service-case-already-delivered");
    assert_eq!(
        timeline(&w, &delivered).await,
        [
            "submitted",
            "pre_passed",
            "received",
            "accepted",
            "reviewed",
            "approved",
            "closed",
            "delivered"
        ]
    );
    let kinds = kinds(&db).await;
    assert_eq!(kinds.first().unwrap(), "service.case_submitted.v1");
    assert_eq!(kinds.last().unwrap(), "service.case_delivered.v1");
    assert_eq!(kinds.len(), 8);
    let notices = rows::list_notices(db.read(), receipt.case).await.unwrap();
    let notices: Vec<_> = notices.iter().map(|n| n.kind.as_str()).collect();
    assert_eq!(notices, ["receipt", "acceptance", "approval", "delivery"]);
}

#[db_test(migrations = migrations)]
async fn handing_in_twice_makes_one_case(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let hand_in = || submit::submit(&w.desk, &w.citizen, w.application("draft-1", licence()));
    let (a, b, c) = futures::join!(hand_in(), hand_in(), hand_in());
    let first = a.unwrap();
    assert_eq!(first, b.unwrap());
    assert_eq!(first, c.unwrap());
    let (cases, _) = rows::list_own(db.read(), &[], &w.citizen.user.to_string(), "", 10)
        .await
        .unwrap();
    assert_eq!(cases.len(), 1);
    assert_eq!(kinds(&db).await.len(), 1);
}

#[db_test(migrations = migrations)]
async fn numbers_are_unique_when_many_hand_in_at_once(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let w = &w;
    let all = (0..150).map(|n| async move {
        let key = format!("draft-{n}");
        submit::submit(&w.desk, &w.citizen, w.application(&key, licence()))
            .await
            .unwrap()
            .number
    });
    let numbers: std::collections::BTreeSet<_> =
        futures::future::join_all(all).await.into_iter().collect();
    assert_eq!(numbers.len(), 150);
    assert!(
        numbers
            .iter()
            .all(|n| kernel::code::case_no::parse(n).is_ok())
    );
}

#[db_test(migrations = migrations)]
async fn only_the_right_people_see_and_move_a_case(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let receipt = w.submitted(licence()).await;
    for nobody in [&w.stranger, &w.fire] {
        let seen = act::view(&w.desk, nobody, receipt.case).await;
        assert!(
            matches!(seen, Err(Error::NotFound { .. })),
            "{}",
            nobody.name
        );
    }
    for reader in [
        &w.citizen,
        &w.clerk,
        &w.examiner,
        &w.approver,
        &w.supervisor,
    ] {
        assert!(
            act::view(&w.desk, reader, receipt.case).await.is_ok(),
            "{}",
            reader.name
        );
    }
    for (actor, event) in [
        (&w.citizen, Event::Accept),
        (&w.examiner, Event::Accept),
        (&w.supervisor, Event::Accept),
        (
            &w.clerk,
            Event::Approve {
                opinion: String::new(),
            },
        ),
        (
            &w.examiner,
            Event::Approve {
                opinion: String::new(),
            },
        ),
    ] {
        let answer = w.act(actor, &receipt, event.clone()).await;
        assert!(
            matches!(answer, Err(Error::Forbidden { .. })),
            "{} {event:?}",
            actor.name
        );
    }
}

#[db_test(migrations = migrations)]
async fn correction_stops_the_answer_and_starts_it_anew(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let receipt = w.submitted(licence()).await;
    let ask = || Event::NotifyCorrection {
        missing: vec!["平面布局图不清晰".into()],
    };
    let asked = w.act(&w.clerk, &receipt, ask()).await.unwrap();
    assert_eq!(
        (asked.state(), asked.facts.answer_due),
        (State::Correcting, None)
    );
    w.later(7);
    let supplied = w
        .act(&w.citizen, &receipt, Event::SupplyCorrection)
        .await
        .unwrap();
    assert_eq!(supplied.state(), State::Received);
    assert_eq!(supplied.facts.answer_due.unwrap().to_string(), "2026-03-16");
    let again = w.act(&w.clerk, &receipt, ask()).await.unwrap_err();
    assert_eq!(refusal_key(again), "service-case-correction-twice");
}

#[db_test(migrations = migrations)]
async fn a_refused_application_says_why_and_what_next(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let receipt = w.submitted(licence()).await;
    let refuse = |remedy: &str| Event::RefuseAcceptance {
        reason: "不属于本机关职权".into(),
        competent: "示范区市场监管局（合成）".into(),
        remedy: remedy.into(),
    };
    let silent = w.act(&w.clerk, &receipt, refuse("")).await.unwrap_err();
    assert!(matches!(silent, Error::Invalid(_)));
    let unchanged = rows::get(db.read(), receipt.case).await.unwrap();
    assert_eq!(unchanged.state(), State::Submitted);
    let refused = w
        .act(&w.clerk, &receipt, refuse("可申请复议"))
        .await
        .unwrap();
    assert_eq!(refused.state(), State::NotAccepted);
}

#[db_test(migrations = migrations)]
async fn a_withdrawn_case_moves_no_more(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let receipt = w.submitted(licence()).await;
    let withdraw = || Event::Withdraw {
        reason: "不开店了".into(),
    };
    let stranger = w.act(&w.stranger, &receipt, withdraw()).await;
    assert!(matches!(stranger, Err(Error::NotFound { .. })));
    w.act(&w.citizen, &receipt, withdraw()).await.unwrap();
    let late = w.act(&w.clerk, &receipt, Event::Accept).await.unwrap_err();
    assert_eq!(refusal_key(late), "service-case-wrong-state");
}

#[db_test(migrations = migrations)]
async fn a_special_procedure_moves_the_dates(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let receipt = w.submitted(licence()).await;
    w.act(&w.clerk, &receipt, Event::Accept).await.unwrap();
    w.later(1);
    let start = Event::StartSpecial {
        procedure: "site-check".into(),
        reason: "首次申请".into(),
        declared_days: 3,
    };
    w.act(&w.examiner, &receipt, start).await.unwrap();
    w.later(2);
    let end = Event::EndSpecial {
        result: "符合".into(),
    };
    let running = w.act(&w.examiner, &receipt, end).await.unwrap();
    // Tuesday to Thursday do not count: five days after Monday 2 March end on Thursday 12 March.
    assert_eq!(running.facts.promise_due.unwrap().to_string(), "2026-03-12");
    let extend = Event::Extend {
        days: 10,
        reason: "案情复杂".into(),
    };
    let extended = w.act(&w.approver, &receipt, extend.clone()).await.unwrap();
    assert_eq!(
        extended.facts.promise_due.unwrap().to_string(),
        "2026-03-26"
    );
    let twice = w.act(&w.approver, &receipt, extend).await.unwrap_err();
    assert_eq!(refusal_key(twice), "service-case-extended-twice");
}

#[db_test(migrations = migrations)]
async fn an_instant_item_is_done_at_once(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let receipt = w.submitted(instant()).await;
    let approve = Event::Approve {
        opinion: String::new(),
    };
    let closed = w.act(&w.approver, &receipt, approve).await.unwrap();
    assert_eq!(closed.state(), State::Closed);
    assert_eq!(
        timeline(&w, &closed).await,
        [
            "submitted",
            "pre_passed",
            "received",
            "accepted",
            "approved",
            "closed"
        ]
    );
    assert!(!closed.facts.flags.contains(&Flag::SamePerson));
}

#[db_test(migrations = migrations)]
async fn a_clerk_hands_in_for_a_walk_in(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let mut application = w.application("window-1", licence());
    application.channel = Channel::Window;
    application.applicant = Applicant {
        party: None,
        kind: "natural".into(),
        name: "合成丙".into(),
        code: "110000199001011234".into(),
        ..Applicant::default()
    };
    let citizen = submit::submit(&w.desk, &w.citizen, application.clone()).await;
    assert!(matches!(citizen, Err(Error::Forbidden { .. })));
    let receipt = submit::submit(&w.desk, &w.clerk, application)
        .await
        .unwrap();
    let case = rows::get(db.read(), receipt.case).await.unwrap();
    assert_eq!(case.state(), State::Received);
    assert!(case.facts.answer_due.is_some());
}

#[db_test(migrations = migrations)]
async fn two_officers_deciding_at_once_decide_once(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let receipt = w.submitted(licence()).await;
    w.act(&w.clerk, &receipt, Event::Accept).await.unwrap();
    let approve = Event::Approve {
        opinion: "同意".into(),
    };
    let refuse = Event::Refuse {
        reason: "不符合".into(),
        remedy: "复议".into(),
    };
    let (a, b) = futures::join!(
        w.act(&w.approver, &receipt, approve),
        w.act(&w.approver, &receipt, refuse)
    );
    let failed = [a.err(), b.err()].into_iter().flatten().collect::<Vec<_>>();
    assert_eq!(failed.len(), 1);
    let decided = timeline(&w, &rows::get(db.read(), receipt.case).await.unwrap()).await;
    assert_eq!(
        decided
            .iter()
            .filter(|e| *e == "approved" || *e == "refused")
            .count(),
        1
    );
}
