use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use identity::{Actor, Gate, Post};
use kernel::{Clock as _, Error, ManualClock};
use serde_json::{Value, json};
use store::{Consumer as _, Db, Event, Handler as _, Job, db_test};
use supervise::{
    Settings,
    board::{self, Filter},
    card::{self, Card, State, Verdict},
    judge::{Level, Rule},
    light::Light,
    react::{Judge, JudgeCase},
    schema::migrations,
};

use crate::days::{calendar, morning};

const ORG: &str = "11110000000000019K";

fn judge(db: &Db) -> Judge {
    let calendar = Arc::new(calendar());
    Judge {
        db: db.clone(),
        settings: Settings::default(),
        calendars: Arc::new(move || calendar.clone()),
    }
}

fn event(what: &str, at: DateTime<Utc>, change: &Value) -> Event {
    let mut data = json!({
        "case_id": "c1", "case_no": "321000-1", "matter_code": "m1", "matter_name": "食品经营许可",
        "matter_version": 1, "org": ORG, "org_name": "示范局（合成）", "region": "321002",
        "at": at, "after": what, "actor": "u1", "actor_name": "合成·甲",
        "d0": "2025-09-01", "promise_due": "2025-09-15", "legal_due": "2025-09-29", "limit_days": 10,
        "accepted_at": morning("2025-09-01"), "has_reason": true, "has_remedy": true, "is_listed": true,
    });
    for (name, value) in change.as_object().unwrap() {
        data[name] = value.clone();
    }
    Event {
        position: 1,
        id: "e".into(),
        at,
        kind: format!("service.case_{what}.v1"),
        subject: "case:c1".into(),
        actor: "user:u1".into(),
        data,
    }
}

async fn take(db: &Db, event: Event) {
    let (judge, event) = (judge(db), Arc::new(event));
    db.write(move |tx| {
        let (judge, event) = (judge.clone(), event.clone());
        async move { judge.take(&tx, &event).await }
    })
    .await
    .unwrap();
}

async fn begin_day(db: &Db, clock: &ManualClock, day: &str) {
    clock.set(morning(day));
    let payload = serde_json::to_value(JudgeCase {
        case_id: "c1".into(),
    })
    .unwrap();
    let job = Job {
        id: "j".into(),
        kind: "supervise.judge_case.v1".into(),
        payload,
        attempts: 0,
        epoch: 1,
    };
    judge(db).run(&job).await.unwrap();
}

async fn cards(db: &Db) -> Vec<Card> {
    let mut cards = card::store::list(db.read(), &card::store::Filter::default(), None, 100)
        .await
        .unwrap();
    cards.reverse();
    cards
}

fn officer(post: &str, org: &str, region: &str) -> Actor {
    let post = Post {
        post: post.into(),
        org: org.into(),
        org_name: String::new(),
        region: region.into(),
        held_for: None,
    };
    let user = identity::UserId::new(&kernel::SystemClock);
    Actor {
        user,
        posts: vec![post],
        name: "合成·官员".into(),
        ..Actor::system()
    }
}

fn gate() -> Gate {
    Gate::of([(
        "supervise.cedar",
        include_str!("../../policies/supervise.cedar"),
    )])
    .unwrap()
}

#[db_test(migrations = migrations)]
async fn a_late_case_turns_red_and_its_cards_follow(db: Db, clock: Arc<ManualClock>) {
    clock.set(morning("2025-09-01"));
    take(&db, event("accepted", clock.now(), &json!({}))).await;
    assert!(cards(&db).await.is_empty());
    for (day, levels) in [
        ("2025-09-11", vec![Level::Notice]),
        ("2025-09-16", vec![Level::Notice, Level::Yellow]),
        ("2025-09-19", vec![Level::Notice, Level::Red]),
        ("2025-09-30", vec![Level::Notice, Level::Red, Level::Red]),
    ] {
        begin_day(&db, &clock, day).await;
        begin_day(&db, &clock, day).await;
        let shown: Vec<_> = cards(&db).await.iter().map(|c| c.level).collect();
        assert_eq!(shown, levels, "{day}");
    }
    let supervisor = officer("supervisor", "x", "321000");
    let lines = board::lines(&db, &gate(), &supervisor).await.unwrap();
    assert_eq!(
        (lines[0].red, lines[0].red_cards, lines[0].score),
        (1, 2, 90)
    );
    let red = Filter {
        light: Some(Light::Red),
        ..Filter::default()
    };
    assert_eq!(
        board::cases(&db, &gate(), &supervisor, &red, None, 10)
            .await
            .unwrap()
            .len(),
        1
    );
    let elsewhere = officer("supervisor", "x", "330000");
    assert!(
        board::lines(&db, &gate(), &elsewhere)
            .await
            .unwrap()
            .is_empty()
    );
}

#[db_test(migrations = migrations)]
async fn an_event_read_twice_gives_one_card(db: Db, clock: Arc<ManualClock>) {
    clock.set(morning("2025-09-05"));
    take(&db, event("accepted", morning("2025-09-01"), &json!({}))).await;
    let refused = event("refused", clock.now(), &json!({ "has_remedy": false }));
    take(&db, refused.clone()).await;
    take(&db, refused).await;
    let cards = cards(&db).await;
    assert_eq!(cards.len(), 1);
    assert_eq!((cards[0].rule, cards[0].state), (Rule::N01, State::Open));
    assert_eq!(cards[0].reply_due.unwrap().to_string(), "2025-09-12");
}

#[db_test(migrations = migrations)]
async fn a_reader_that_lags_blames_nobody(db: Db, clock: Arc<ManualClock>) {
    clock.set(morning("2025-09-30"));
    let early = json!({ "d0": null, "promise_due": null, "legal_due": null, "accepted_at": null });
    take(&db, event("submitted", morning("2025-09-01"), &early)).await;
    take(&db, event("accepted", morning("2025-09-01"), &json!({}))).await;
    take(&db, event("approved", morning("2025-09-05"), &json!({}))).await;
    assert!(cards(&db).await.is_empty());
}

#[db_test(migrations = migrations)]
async fn two_yellow_cards_make_a_red_one(db: Db, clock: Arc<ManualClock>) {
    clock.set(morning("2025-09-01"));
    let accepted = json!({ "accepted_by": "u1", "steps": [{ "name": "审查", "days": 2, "is_special": false }] });
    take(&db, event("accepted", clock.now(), &accepted)).await;
    begin_day(&db, &clock, "2025-09-04").await;
    take(
        &db,
        event(
            "approved",
            clock.now(),
            &json!({ "accepted_by": "u1", "decided_by": "u1" }),
        ),
    )
    .await;
    // Cards of one write have no order among themselves.
    let mut rules: Vec<_> = cards(&db).await.iter().map(|c| (c.rule, c.level)).collect();
    rules.sort();
    assert_eq!(
        rules,
        [
            (Rule::T06, Level::Yellow),
            (Rule::F02, Level::Yellow),
            (Rule::Y2, Level::Red)
        ]
    );
}

#[db_test(migrations = migrations)]
async fn closing_in_bulk_is_noticed(db: Db, clock: Arc<ManualClock>) {
    clock.set(morning("2025-09-05"));
    for n in 0..25 {
        let id = json!({ "case_id": format!("c{n}") });
        take(&db, event("closed", clock.now(), &id)).await;
    }
    let cards = cards(&db).await;
    assert!(cards.iter().all(|c| c.rule == Rule::F03));
    assert_eq!(cards.len(), 5);
}

#[db_test(migrations = migrations)]
async fn a_card_is_replied_to_and_judged(db: Db, clock: Arc<ManualClock>) {
    clock.set(morning("2025-09-05"));
    take(
        &db,
        event("refused", clock.now(), &json!({ "has_reason": false })),
    )
    .await;
    let id = cards(&db).await[0].id.to_string();
    let gate = gate();
    let examiner = officer("examiner", ORG, "321002");
    let stranger = officer("examiner", "other", "321002");
    let supervisor = officer("supervisor", "x", "321000");

    let hidden = card::act::reply(&db, &gate, &stranger, &id, "x").await;
    assert!(matches!(hidden, Err(Error::NotFound { .. })));
    let empty = card::act::reply(&db, &gate, &examiner, &id, "  ").await;
    assert!(matches!(empty, Err(Error::Invalid(_))));
    let early = card::act::verify(&db, &gate, &supervisor, &id, Verdict::Upheld, "x").await;
    assert!(matches!(early, Err(Error::Refused(_))));

    clock.advance(Duration::days(30));
    card::act::reply(&db, &gate, &examiner, &id, "已补充理由")
        .await
        .unwrap();
    let again = card::act::reply(&db, &gate, &examiner, &id, "again").await;
    assert!(matches!(again, Err(Error::Refused(_))));
    assert!(cards(&db).await[0].is_late);
    let own = card::act::verify(&db, &gate, &examiner, &id, Verdict::Withdrawn, "x").await;
    assert!(matches!(own, Err(Error::Forbidden { .. })));
    card::act::verify(&db, &gate, &supervisor, &id, Verdict::Withdrawn, "理由成立")
        .await
        .unwrap();
    assert_eq!(cards(&db).await[0].state, State::Withdrawn);
}
