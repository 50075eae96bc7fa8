use std::sync::Arc;

use kernel::ManualClock;
use registry::record::act;
use serde_json::json;
use store::{Db, db_test};

use crate::house::{CIVIL, OTHER, PERSON, POLICE, findings, house, migrations, officer};

#[db_test(migrations = migrations)]
async fn each_field_comes_from_the_source_with_authority(db: Db, clock: Arc<ManualClock>) {
    let house = house(db).await;
    let police =
        json!({"gmsfhm": PERSON, "xm": "张小明", "xbdm": "1", "hyzk": "10", "dh": "13800138000"});
    let record = house
        .state("police", "2026-01-01", police)
        .await
        .unwrap()
        .record;
    clock.advance(chrono::TimeDelta::days(1));
    let civil = json!({"gmsfhm": PERSON, "xm": "张晓明", "hyzk": "20", "dh": "13900139000"});
    let stated = house
        .state("civil-affairs", "2026-02-01", civil)
        .await
        .unwrap();
    assert_eq!(stated.record, record);
    let values = house.values(&record).await;
    assert_eq!(values["xm"], "张小明", "the name is the police's");
    assert_eq!(values["hyzk"], "20", "marriage is civil affairs'");
    assert_eq!(values["dh"], "13900139000", "the latest phone wins");

    let view = house.view(&record, None, None).await;
    let name = &view.folded.fields["xm"];
    assert_eq!(
        (name.told.source.as_str(), name.others.len()),
        ("police", 1)
    );
    assert_eq!(name.others[0].source, "civil-affairs");
    // A source with less authority said otherwise: one of the two must look.
    assert_eq!(stated.objections.len(), 1);

    // The older word of the police does not come back when it is said again.
    let again = json!({"gmsfhm": PERSON, "hyzk": "10"});
    assert_eq!(
        house
            .state("police", "2026-01-01", again)
            .await
            .unwrap()
            .statement,
        None
    );
    // What civil affairs takes back, the police answers for again.
    let back = json!({"gmsfhm": PERSON, "hyzk": null});
    house
        .state("civil-affairs", "2026-03-01", back)
        .await
        .unwrap();
    assert_eq!(house.values(&record).await["hyzk"], "10");
}

#[db_test(migrations = migrations)]
async fn the_past_is_known_as_it_was_and_as_it_was_told(db: Db, clock: Arc<ManualClock>) {
    let house = house(db).await;
    // 2 March: born, unmarried since January.
    let first = json!({"gmsfhm": PERSON, "xm": "张小明", "hyzk": "10"});
    let record = house
        .state("civil-affairs", "2026-01-01", first)
        .await
        .unwrap()
        .record;
    clock.advance(chrono::TimeDelta::days(10));
    // 12 March: married since February, as is only now known.
    let second = json!({"gmsfhm": PERSON, "hyzk": "20"});
    house
        .state("civil-affairs", "2026-02-01", second)
        .await
        .unwrap();

    let at = async |known, valid| house.values_at(&record, known, valid).await["hyzk"].clone();
    assert_eq!(at(None, None).await, "20");
    assert_eq!(at(Some("2026-03-05"), None).await, "10", "as known then");
    assert_eq!(at(None, Some("2026-01-15")).await, "10", "as valid then");
    assert_eq!(at(Some("2026-03-05"), Some("2026-02-15")).await, "10");
    assert_eq!(at(Some("2026-03-12"), Some("2026-02-15")).await, "20");
    assert_eq!(
        at(Some("2026-03-01"), None).await,
        json!(null),
        "not known yet"
    );
}

#[db_test(migrations = migrations)]
async fn bad_values_are_told_by_field_and_change_nothing(db: Db) {
    let house = house(db).await;
    let bad = json!({"gmsfhm": "320000199001010038", "xm": "张".repeat(101), "xbdm": "7",
        "csrq": "2026-02-30", "ye": "1.234", "nn": 1});
    let error = house.state("police", "2026-01-01", bad).await.unwrap_err();
    let mut found = findings(&error);
    found.sort();
    assert_eq!(
        found,
        [
            ("fields/csrq".into(), "registry-value-date"),
            ("fields/gmsfhm".into(), "kernel-citizen-check"),
            ("fields/nn".into(), "registry-field-unknown"),
            ("fields/xbdm".into(), "registry-value-code"),
            ("fields/xm".into(), "registry-value-long"),
            ("fields/ye".into(), "registry-value-decimal"),
        ]
    );
    let nameless = house
        .state("police", "2026-01-01", json!({"gmsfhm": PERSON}))
        .await;
    assert_eq!(
        findings(&nameless.unwrap_err()),
        [("fields/xm".into(), "registry-value-required")]
    );
    let later = house
        .state(
            "police",
            "2026-03-03",
            json!({"gmsfhm": PERSON, "xm": "张"}),
        )
        .await;
    assert_eq!(
        findings(&later.unwrap_err()),
        [("valid_from".into(), "registry-valid-from-later")]
    );
    let page = store::page::PageRequest::default();
    let found = act::find(
        &house.app,
        &officer("clerk", CIVIL),
        "people",
        "",
        None,
        &page,
    )
    .await;
    assert_eq!(found.unwrap().page.items, []);
}

#[db_test(migrations = migrations)]
async fn unique_values_and_references_are_kept(db: Db) {
    let house = house(db).await;
    let one = json!({"gmsfhm": PERSON, "xm": "张小明", "sbh": "A1", "ye": "1234567890123.45"});
    let record = house
        .state("civil-affairs", "2026-01-01", one)
        .await
        .unwrap()
        .record;
    assert_eq!(
        house.values(&record).await["ye"],
        "1234567890123.45",
        "to the fen"
    );
    let two = json!({"gmsfhm": OTHER, "xm": "李四", "sbh": "A1"});
    let error = house
        .state("civil-affairs", "2026-01-01", two)
        .await
        .unwrap_err();
    assert_eq!(
        findings(&error),
        [("fields/sbh".into(), "registry-value-unique")]
    );

    let paper = |holder: &str| act::Stating {
        registry: "papers".into(),
        source: "police".into(),
        valid_from: None,
        reason: String::new(),
        fields: json!({"lx": "a|b", "bh": "1", "ry": holder, "sl": 3})
            .as_object()
            .unwrap()
            .clone(),
    };
    let steward = officer("steward", POLICE);
    let error = act::state(&house.app, &steward, &paper(OTHER))
        .await
        .unwrap_err();
    assert_eq!(
        findings(&error),
        [("fields/ry".into(), "registry-value-reference")]
    );
    act::state(&house.app, &steward, &paper(PERSON))
        .await
        .unwrap();
    let page = store::page::PageRequest::default();
    let found = act::find(&house.app, &steward, "papers", "", None, &page)
        .await
        .unwrap();
    assert_eq!(found.page.items[0].key, "a||b|1");
}

#[db_test(migrations = migrations)]
async fn a_merge_joins_what_sources_said_and_can_be_undone(db: Db, clock: Arc<ManualClock>) {
    let house = house(db).await;
    let one = json!({"gmsfhm": PERSON, "xm": "张小明", "dh": "13800138000"});
    let one = house
        .state("police", "2026-01-01", one)
        .await
        .unwrap()
        .record;
    let two = json!({"gmsfhm": OTHER, "xm": "张小明", "hyzk": "20", "sbh": "A1"});
    let two = house
        .state("civil-affairs", "2026-01-01", two)
        .await
        .unwrap()
        .record;
    let before = house.values(&one).await;
    clock.advance(chrono::TimeDelta::days(1));

    let steward = officer("steward", POLICE);
    let merge = act::merge(&house.app, &steward, "people", &two, &one, "同一人")
        .await
        .unwrap();
    let merged = house.values(&one).await;
    assert_eq!(merged["hyzk"], "20");
    assert_eq!(merged["gmsfhm"], PERSON, "it keeps its own number");
    assert_eq!(merged["sbh"], "A1");
    assert_eq!(
        house.view(&one, None, None).await.state,
        registry::record::State::Open
    );
    assert_eq!(
        house.view(&two, None, None).await.state,
        registry::record::State::Merged
    );
    assert_eq!(
        house.values_at(&one, Some("2026-03-02"), None).await,
        before,
        "as known before"
    );
    let again = act::merge(&house.app, &steward, "people", &one, &two, "同一人").await;
    assert_eq!(findings(&again.unwrap_err())[0].1, "registry-merge-merged");

    // What is stated of the old number counts for the record that shows it.
    let more = json!({"gmsfhm": OTHER, "csrq": "2000-02-29"});
    let stated = house.state("police", "2026-02-01", more).await.unwrap();
    assert_eq!(stated.record, one);
    assert_eq!(house.values(&one).await["csrq"], "2000-02-29");

    clock.advance(chrono::TimeDelta::days(1));
    act::unmerge(&house.app, &steward, "people", &merge, "不是同一人")
        .await
        .unwrap();
    assert_eq!(house.values(&one).await, before);
    let back = house.view(&two, None, None).await;
    assert_eq!(back.state, registry::record::State::Open);
    assert_eq!(house.values(&two).await["csrq"], "2000-02-29");
    assert_eq!(
        back.row.values.len(),
        house.values(&two).await.as_object().unwrap().len()
    );
    assert_eq!(
        house.values_at(&one, Some("2026-03-03"), None).await["hyzk"],
        "20"
    );
    let twice = act::unmerge(&house.app, &steward, "people", &merge, "不是同一人").await;
    assert_eq!(findings(&twice.unwrap_err())[0].1, "registry-merge-undone");
}

#[db_test(migrations = migrations)]
async fn only_the_source_of_the_number_closes_a_record(db: Db) {
    let house = house(db).await;
    let one = json!({"gmsfhm": PERSON, "xm": "张小明"});
    let record = house
        .state("police", "2026-01-01", one)
        .await
        .unwrap()
        .record;
    let close = async |source: &str, org, reopen| {
        let actor = officer("steward", org);
        let app = &house.app;
        let closing = act::Closing {
            source: source.into(),
            reopen,
            valid_from: None,
            reason: "死亡".into(),
        };
        act::close(app, &actor, "people", &record, &closing).await
    };
    let error = close("civil-affairs", CIVIL, false).await.unwrap_err();
    assert_eq!(findings(&error)[0].1, "registry-close-not-authority");
    assert!(matches!(
        close("police", CIVIL, false).await,
        Err(kernel::Error::Forbidden { .. })
    ));
    close("police", POLICE, false).await.unwrap();
    let closed = house.view(&record, None, None).await;
    assert_eq!(closed.state, registry::record::State::Closed);
    assert!(closed.folded.is_closed);
    assert!(
        !house
            .view(&record, None, Some("2026-03-01"))
            .await
            .folded
            .is_closed
    );
    close("police", POLICE, true).await.unwrap();
    assert_eq!(
        house.view(&record, None, None).await.state,
        registry::record::State::Open
    );
}

#[db_test(migrations = migrations)]
async fn a_merge_is_not_undone_into_what_another_has(db: Db) {
    const THIRD: &str = "320000198512120059";
    let house = house(db).await;
    let mut records = Vec::new();
    for number in [PERSON, OTHER, THIRD] {
        let fields = json!({"gmsfhm": number, "xm": "张小明"});
        let stated = house.state("police", "2026-01-01", fields).await.unwrap();
        records.push(stated.record);
    }
    for (number, insured, day) in [(PERSON, "U-A", "2026-01-01"), (OTHER, "U-B", "2026-01-02")] {
        let fields = json!({"gmsfhm": number, "sbh": insured});
        house.state("civil-affairs", day, fields).await.unwrap();
    }
    let steward = officer("steward", POLICE);
    let merge = act::merge(
        &house.app,
        &steward,
        "people",
        &records[0],
        &records[1],
        "同一人",
    )
    .await
    .unwrap();
    assert_eq!(house.values(&records[1]).await["sbh"], "U-B");
    // It is shown nowhere now, so a third record may take it.
    let taken = json!({"gmsfhm": THIRD, "sbh": "U-A"});
    house
        .state("civil-affairs", "2026-02-01", taken)
        .await
        .unwrap();
    let undo = async || act::unmerge(&house.app, &steward, "people", &merge, "不是同一人").await;
    let error = undo().await.unwrap_err();
    let kernel::Error::Refused(text) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(text.key, "registry-merge-taken");
    let holder = text.args.iter().find(|(name, _)| *name == "record");
    assert_eq!(holder.unwrap().1, records[2]);
    // Who merges and may not read is not told whose it is.
    let gate = house.app.part::<identity::Gate>().unwrap();
    let own = (
        "registry.cedar",
        include_str!("../../policies/registry.cedar"),
    );
    let closed = (
        "closed.cedar",
        "forbid (principal, action == Action::\"registry.read\", resource);",
    );
    gate.load([own, closed]).unwrap();
    let kernel::Error::Refused(text) = undo().await.unwrap_err() else {
        panic!("it is refused")
    };
    assert_eq!(text.key, "registry-merge-taken-unnamed");
    assert_eq!(text.args, [("field", "sbh".to_owned())]);
    gate.load([own]).unwrap();
    let still = house.view(&records[0], None, None).await;
    assert_eq!(still.state, registry::record::State::Merged);
    let free = json!({"gmsfhm": THIRD, "sbh": "U-C"});
    house
        .state("civil-affairs", "2026-02-02", free)
        .await
        .unwrap();
    undo().await.unwrap();
    let insured: Vec<_> = [
        house.values(&records[0]).await,
        house.values(&records[1]).await,
    ]
    .iter()
    .map(|values| values["sbh"].clone())
    .collect();
    assert_eq!(insured, ["U-A", "U-B"]);
}

#[db_test(migrations = migrations)]
async fn a_merge_below_another_is_undone(db: Db) {
    const THIRD: &str = "320000198512120059";
    let house = house(db).await;
    let mut records = Vec::new();
    for (number, insured) in [(PERSON, "U-A"), (OTHER, "U-B"), (THIRD, "U-C")] {
        let fields = json!({"gmsfhm": number, "xm": "张小明", "sbh": insured});
        let stated = house.state("police", "2026-01-01", fields).await.unwrap();
        records.push(stated.record);
    }
    let steward = officer("steward", POLICE);
    let merge = async |from: &str, into: &str| {
        act::merge(&house.app, &steward, "people", from, into, "同一人")
            .await
            .unwrap()
    };
    let first = merge(&records[0], &records[1]).await;
    merge(&records[1], &records[2]).await;
    act::unmerge(&house.app, &steward, "people", &first, "不是同一人")
        .await
        .unwrap();
    assert_eq!(house.values(&records[0]).await["sbh"], "U-A");
    let middle = house.view(&records[1], None, None).await;
    assert_eq!(middle.state, registry::record::State::Merged);
    assert_eq!(
        middle.row.values.get("sbh"),
        None,
        "it is shown by the last"
    );
}

#[db_test(migrations = migrations)]
async fn a_record_stands_as_it_stood_on_the_day(db: Db, clock: Arc<ManualClock>) {
    use registry::record::State;
    let house = house(db).await;
    let mut records = Vec::new();
    for number in [PERSON, OTHER] {
        let fields = json!({"gmsfhm": number, "xm": "张小明"});
        let stated = house.state("police", "2026-01-01", fields).await.unwrap();
        records.push(stated.record);
    }
    clock.advance(chrono::TimeDelta::days(1));
    let steward = officer("steward", POLICE);
    let (one, two) = (&records[0], &records[1]);
    let merge = act::merge(&house.app, &steward, "people", two, one, "同一人")
        .await
        .unwrap();
    let closing = act::Closing {
        source: "police".into(),
        reopen: false,
        valid_from: Some("2026-02-01".parse().unwrap()),
        reason: "死亡".into(),
    };
    act::close(&house.app, &steward, "people", one, &closing)
        .await
        .unwrap();
    let at = async |record: &str, known: Option<&str>, valid: Option<&str>| {
        let view = house.view(record, known, valid).await;
        (view.state, view.merged_into)
    };
    let counted = (State::Merged, Some(one.clone()));
    assert_eq!(at(two, None, None).await, counted);
    assert_eq!(at(two, Some("2026-03-02"), None).await, (State::Open, None));
    assert_eq!(at(one, None, None).await, (State::Closed, None));
    assert_eq!(at(one, Some("2026-03-02"), None).await, (State::Open, None));
    assert_eq!(at(one, None, Some("2026-01-15")).await, (State::Open, None));
    clock.advance(chrono::TimeDelta::days(1));
    act::unmerge(&house.app, &steward, "people", &merge, "不是同一人")
        .await
        .unwrap();
    assert_eq!(at(two, None, None).await, (State::Open, None));
    assert_eq!(at(two, Some("2026-03-03"), None).await, counted);
    let path = format!("/api/registry/people/records/{two}?known_on=2026-03-03");
    let (status, seen) = house.get(&steward, &path).await;
    assert_eq!((status, &seen["state"]), (200, &json!("merged")), "{seen}");
    assert_eq!(seen["merged_into"], json!(one));
}

#[db_test(migrations = migrations)]
async fn a_word_taken_back_does_not_show_what_another_has(db: Db) {
    let house = house(db).await;
    let person = |number: &str, insured: serde_json::Value| json!({"gmsfhm": number, "xm": "张小明", "sbh": insured});
    let one = house
        .state("police", "2026-01-01", person(PERSON, "A1".into()))
        .await
        .unwrap()
        .record;
    house
        .state("civil-affairs", "2026-01-01", person(PERSON, "B1".into()))
        .await
        .unwrap();
    // What the police say of the first is shown nowhere.
    house
        .state("civil-affairs", "2026-01-01", person(OTHER, "A1".into()))
        .await
        .unwrap();
    let back = person(PERSON, serde_json::Value::Null);
    let error = house.state("civil-affairs", "2026-02-01", back).await;
    let unique = [("fields/sbh".into(), "registry-value-unique")];
    assert_eq!(findings(&error.unwrap_err()), unique);
    assert_eq!(house.values(&one).await["sbh"], "B1");
}
