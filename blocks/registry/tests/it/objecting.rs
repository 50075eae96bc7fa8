use std::sync::Arc;

use kernel::ManualClock;
use registry::{
    Objection,
    objection::{
        Move, State,
        act::{self, Doubt, Moving},
    },
};
use serde_json::json;
use store::{Db, db_test};

use crate::house::{
    CITY, CIVIL, House, OTHER, PERSON, POLICE, citizen, findings, house, migrations, officer,
};

fn doubt(record: &str, field: &str, expected: &str) -> Doubt {
    Doubt {
        registry: "people".into(),
        record: record.into(),
        field: field.into(),
        expected: expected.into(),
        reason: "证件上不同".into(),
    }
}

async fn step(
    house: &House,
    actor: &identity::Actor,
    id: &str,
    step: Move,
    value: &str,
) -> kernel::Result<Objection> {
    step_from(house, actor, id, step, (value, None)).await
}

async fn step_from(
    house: &House,
    actor: &identity::Actor,
    id: &str,
    step: Move,
    (value, valid_from): (&str, Option<&str>),
) -> kernel::Result<Objection> {
    let seen = act::get(&house.app, &officer("steward", CITY), id).await?;
    let moving = Moving {
        step,
        version: seen.version,
        text: "已核查".into(),
        value: value.into(),
        valid_from: valid_from.map(|day| day.parse().unwrap()),
    };
    act::advance(&house.app, actor, id, &moving).await
}

async fn a_person(house: &House) -> String {
    let fields = json!({"gmsfhm": PERSON, "xm": "张小明", "hyzk": "10"});
    house
        .state("police", "2026-01-01", fields)
        .await
        .unwrap()
        .record
}

#[db_test(migrations = migrations)]
async fn a_wrong_value_is_corrected_by_two_people_of_its_source(db: Db, clock: Arc<ManualClock>) {
    let house = house(db).await;
    let record = a_person(&house).await;
    let me = citizen(PERSON);
    let id = act::raise(&house.app, &me, &doubt(&record, "xm", "张晓明"))
        .await
        .unwrap();
    let again = act::raise(&house.app, &me, &doubt(&record, "xm", "张晓明")).await;
    assert_eq!(
        findings(&again.unwrap_err())[0].1,
        "registry-objection-there"
    );

    let examiner = officer("examiner", POLICE);
    let foreign = officer("examiner", CIVIL);
    assert!(matches!(
        step(&house, &foreign, &id, Move::Accept, "").await,
        Err(kernel::Error::Forbidden { .. })
    ));
    let taken = step(&house, &examiner, &id, Move::Accept, "")
        .await
        .unwrap();
    assert_eq!(
        taken.due_on.unwrap().to_string(),
        "2026-03-16",
        "ten working days"
    );
    let same = step(&house, &examiner, &id, Move::FindWrong, "张小明").await;
    assert_eq!(findings(&same.unwrap_err())[0].1, "registry-objection-same");
    step(&house, &examiner, &id, Move::FindWrong, "张晓明")
        .await
        .unwrap();
    assert_eq!(
        house.values(&record).await["xm"],
        "张小明",
        "not before the approval"
    );

    let mut alone = examiner.clone();
    alone.posts[0].post = "approver".into();
    let error = step(&house, &alone, &id, Move::Approve, "")
        .await
        .unwrap_err();
    assert_eq!(findings(&error)[0].1, "registry-objection-two-persons");
    clock.advance(chrono::TimeDelta::days(1));
    let chief = officer("approver", POLICE);
    let done = step(&house, &chief, &id, Move::Approve, "").await.unwrap();
    assert_eq!(done.state, State::Corrected.name());
    let view = house.view(&record, None, None).await;
    let name = &view.folded.fields["xm"].told;
    assert_eq!(house.values(&record).await["xm"], "张晓明");
    assert_eq!(
        name.valid_from.to_string(),
        "2026-01-01",
        "it was wrong from the beginning"
    );
    assert_eq!(done.statement.as_ref(), Some(&name.statement));
    assert_eq!(
        house.values_at(&record, Some("2026-03-02"), None).await["xm"],
        "张小明"
    );
    let over = step(&house, &chief, &id, Move::Approve, "")
        .await
        .unwrap_err();
    assert_eq!(findings(&over)[0].1, "registry-objection-unfit");
}

#[db_test(migrations = migrations)]
async fn a_correction_keeps_the_rules_of_a_statement(db: Db) {
    let house = house(db).await;
    let record = a_person(&house).await;
    let doubted = async |field: &str| {
        let clerk = officer("clerk", CIVIL);
        let doubt = doubt(&record, field, "");
        let id = act::raise(&house.app, &clerk, &doubt).await.unwrap();
        let org = if field == "sbh" { CIVIL } else { POLICE };
        let examiner = officer("examiner", org);
        step(&house, &examiner, &id, Move::Accept, "")
            .await
            .unwrap();
        (id, examiner)
    };
    let (id, examiner) = doubted("hyzk").await;
    let error = step(&house, &examiner, &id, Move::FindWrong, "99").await;
    assert_eq!(
        findings(&error.unwrap_err()),
        [("value".into(), "registry-value-code")]
    );
    step(&house, &examiner, &id, Move::FindWrong, "20")
        .await
        .unwrap();
    let chief = officer("approver", POLICE);
    step(&house, &chief, &id, Move::Approve, "").await.unwrap();
    assert_eq!(house.values(&record).await["hyzk"], "20");

    // The number was free when it was proposed, and is another's when it is approved.
    let (id, examiner) = doubted("sbh").await;
    step(&house, &examiner, &id, Move::FindWrong, "S-1")
        .await
        .unwrap();
    let fields = json!({"gmsfhm": OTHER, "xm": "李四"});
    house.state("police", "2026-01-01", fields).await.unwrap();
    let fields = json!({"gmsfhm": OTHER, "sbh": "S-1"});
    house
        .state("civil-affairs", "2026-01-01", fields)
        .await
        .unwrap();
    let chief = officer("approver", CIVIL);
    let error = step(&house, &chief, &id, Move::Approve, "").await;
    let unique = [("value".into(), "registry-value-unique")];
    assert_eq!(findings(&error.unwrap_err()), unique);
    step(&house, &chief, &id, Move::SendBack, "").await.unwrap();
    let error = step(&house, &examiner, &id, Move::FindWrong, "S-1").await;
    assert_eq!(findings(&error.unwrap_err()), unique);
    step(&house, &examiner, &id, Move::FindWrong, "S-2")
        .await
        .unwrap();
    step(&house, &chief, &id, Move::Approve, "").await.unwrap();
    assert_eq!(house.values(&record).await["sbh"], "S-2");
}

#[db_test(migrations = migrations)]
async fn a_correction_from_an_earlier_day_holds_today(db: Db) {
    let house = house(db).await;
    let record = a_person(&house).await;
    let wrong = json!({"gmsfhm": PERSON, "xm": "张晓名"});
    house.state("police", "2026-02-01", wrong).await.unwrap();
    let clerk = officer("clerk", CIVIL);
    let doubt = doubt(&record, "xm", "张晓明");
    let id = act::raise(&house.app, &clerk, &doubt).await.unwrap();
    let (examiner, chief) = (officer("examiner", POLICE), officer("approver", POLICE));
    step(&house, &examiner, &id, Move::Accept, "")
        .await
        .unwrap();
    let right = ("张晓明", Some("2010-05-01"));
    step_from(&house, &examiner, &id, Move::FindWrong, right)
        .await
        .unwrap();
    let done = step(&house, &chief, &id, Move::Approve, "").await.unwrap();
    assert_eq!(done.state, State::Corrected.name());
    let view = house.view(&record, None, None).await;
    let told = &view.folded.fields["xm"].told;
    assert_eq!(done.statement.as_ref(), Some(&told.statement));
    assert_eq!(house.values(&record).await["xm"], "张晓明");
    assert_eq!(
        view.row.values["xm"], told.value,
        "and where it is searched"
    );
    for day in ["2010-05-01", "2026-01-15", "2026-02-15"] {
        let values = house.values_at(&record, None, Some(day)).await;
        assert_eq!(values["xm"], "张晓明", "{day}");
    }
}

#[db_test(migrations = migrations)]
async fn a_correction_that_does_not_show_is_none(db: Db) {
    let house = house(db).await;
    let record = a_person(&house).await;
    let clerk = officer("clerk", CIVIL);
    let doubt = doubt(&record, "hyzk", "20");
    let id = act::raise(&house.app, &clerk, &doubt).await.unwrap();
    let (examiner, chief) = (officer("examiner", POLICE), officer("approver", POLICE));
    step(&house, &examiner, &id, Move::Accept, "")
        .await
        .unwrap();
    step(&house, &examiner, &id, Move::FindWrong, "20")
        .await
        .unwrap();
    // Meanwhile the source with more authority says the same as was doubted.
    let other = json!({"gmsfhm": PERSON, "hyzk": "10"});
    house
        .state("civil-affairs", "2026-02-01", other)
        .await
        .unwrap();
    let error = step(&house, &chief, &id, Move::Approve, "").await;
    assert_eq!(
        findings(&error.unwrap_err())[0].1,
        "registry-objection-not-shown"
    );
    let seen = act::get(&house.app, &clerk, &id).await.unwrap();
    assert_eq!(seen.state, State::Proposed.name());
    assert_eq!(house.values(&record).await["hyzk"], "10");
}

#[db_test(migrations = migrations)]
async fn who_mediates_stands_above_both_sides(db: Db) {
    let house = house(db).await;
    let record = a_person(&house).await;
    let clerk = officer("clerk", CIVIL);
    let doubt = doubt(&record, "xm", "");
    let id = act::raise(&house.app, &clerk, &doubt).await.unwrap();
    let examiner = officer("examiner", POLICE);
    step(&house, &examiner, &id, Move::Accept, "")
        .await
        .unwrap();
    step(&house, &examiner, &id, Move::FindRight, "")
        .await
        .unwrap();
    step(&house, &clerk, &id, Move::Dispute, "").await.unwrap();
    for org in [POLICE, CIVIL] {
        let error = step(&house, &officer("steward", org), &id, Move::Settle, "").await;
        let forbidden = matches!(error, Err(kernel::Error::Forbidden { .. }));
        assert!(forbidden, "{org}");
    }
    let mediator = officer("supervisor", CITY);
    step(&house, &mediator, &id, Move::Settle, "")
        .await
        .unwrap();
}

#[db_test(migrations = migrations)]
async fn nobody_learns_of_other_people_by_objecting(db: Db) {
    let house = house(db).await;
    let record = a_person(&house).await;
    let error = act::raise(&house.app, &citizen(OTHER), &doubt(&record, "xm", "")).await;
    assert!(matches!(error, Err(kernel::Error::NotFound { .. })));
    let officer = officer("clerk", CIVIL);
    let error = act::raise(&house.app, &officer, &doubt(&record, "gmsfhm", "")).await;
    assert_eq!(findings(&error.unwrap_err())[0].1, "registry-objection-key");
    let id = act::raise(&house.app, &officer, &doubt(&record, "hyzk", "20"))
        .await
        .unwrap();
    let seen = act::get(&house.app, &citizen(OTHER), &id).await;
    assert!(matches!(seen, Err(kernel::Error::NotFound { .. })));
}

#[db_test(migrations = migrations)]
async fn a_clock_that_runs_out_is_told_once(db: Db, clock: Arc<ManualClock>) {
    let house = house(db).await;
    let record = a_person(&house).await;
    let clerk = officer("clerk", CIVIL);
    let id = act::raise(&house.app, &clerk, &doubt(&record, "hyzk", "20"))
        .await
        .unwrap();
    house.settle().await;
    let seen = async || act::get(&house.app, &clerk, &id).await.unwrap();
    assert_eq!(seen().await.due_on.unwrap().to_string(), "2026-03-03");
    clock.advance(chrono::TimeDelta::hours(30));
    house.settle().await;
    assert!(!seen().await.is_overdue, "Tuesday afternoon");
    clock.advance(chrono::TimeDelta::hours(12));
    house.settle().await;
    assert!(seen().await.is_overdue, "Wednesday morning");
    let again = step(&house, &officer("examiner", POLICE), &id, Move::Accept, "")
        .await
        .unwrap();
    assert!(!again.is_overdue, "the next clock is another");
}
