//! Questions that the hub answers from a registry or a table of the lake.

use std::sync::Arc;

use axum::{body::Body, http::Request};
use gateway::{grant, resource};
use identity::Actor;
use kernel::ManualClock;
use serde_json::{Value, json};
use store::{Db, db_test, page::PageRequest};

use crate::house::{Answer, CITY, CIVIL, House, PERSON, POLICE, granting, migrations, officer};

async fn ask(house: &House, code: &str, question: Value) -> Answer {
    let request = Request::post(format!("/api/gateway/{code}"))
        .header("content-type", "application/json")
        .body(Body::from(question.to_string()))
        .unwrap();
    house.ask(&officer("clerk", CIVIL), request).await
}

async fn register(house: &House, code: &str, query: Value) {
    house
        .register(|asked| {
            asked.code = code.into();
            asked.node = String::new();
            asked.document = None;
            asked.query = Some(serde_json::from_value(query).unwrap());
        })
        .await;
    house
        .grant(|asked| {
            asked.resource = code.into();
            asked.quota_per_day = 100;
        })
        .await;
}

#[db_test(migrations = migrations)]
async fn identity_is_verified_with_yes_or_no(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    house.people().await;
    register(
        &house,
        "verify",
        json!({"registry": "people", "compare": ["xm"]}),
    )
    .await;
    for (number, name, matches) in [
        (PERSON, "张小明", true),
        (PERSON, "张大明", false),
        ("320000200002290111", "张小明", false),
    ] {
        let answer = ask(&house, "verify", json!({"gmsfhm": number, "xm": name})).await;
        assert_eq!(
            answer.json(),
            json!({"matches": matches}),
            "{number} {name}"
        );
    }
    // A question that says more or less than it should is told so.
    let answer = ask(&house, "verify", json!({"gmsfhm": PERSON, "dz": "x"})).await;
    assert_eq!(answer.status, 422);
    let fields: Vec<_> = answer.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(fields, ["dz", "xm"]);
    assert_eq!(house.log().await.len(), 4);

    // The person sees who looked, and what for.
    let page = PageRequest::new(None, None);
    let steward = officer("steward", POLICE);
    let view =
        registry::record::act::view_by_key(&house.app, &steward, "people", PERSON, "核查", true)
            .await
            .unwrap();
    let looks = registry::log::of_record(&house.app, &steward, "people", &view.row.id, &page)
        .await
        .unwrap();
    let by_query: Vec<_> = looks
        .items
        .iter()
        .filter(|l| l.reader_org == CIVIL)
        .collect();
    assert_eq!(by_query.len(), 2);
    assert!(by_query.iter().all(|look| look.purpose == "核对"));
}

#[db_test(migrations = migrations)]
async fn fields_are_given_as_the_grant_lets_them(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    house.people().await;
    register(
        &house,
        "address",
        json!({"registry": "people", "fields": ["xm", "dz"]}),
    )
    .await;
    let answer = ask(&house, "address", json!({"gmsfhm": PERSON})).await;
    assert_eq!(
        answer.json(),
        json!({"found": true, "is_closed": false, "fields": {"xm": "张小明", "dz": "示范路1号（合成）"}})
    );
    let answer = ask(&house, "address", json!({"gmsfhm": "320000200002290111"})).await;
    assert_eq!(answer.json(), json!({"found": false}));
    // The same officer may not read the registry so by himself.
    let clerk = officer("clerk", CIVIL);
    let own =
        registry::record::act::view_by_key(&house.app, &clerk, "people", PERSON, "核对", true);
    assert!(own.await.is_err());
    let steward = officer("steward", POLICE);
    let mut wrong = crate::house::registering();
    wrong.document = None;
    wrong.query =
        Some(serde_json::from_value(json!({"registry": "people", "fields": ["no"]})).unwrap());
    let error = gateway::resource::register(&house.app, &steward, &wrong).await;
    assert!(matches!(error, Err(kernel::Error::Invalid(_))));
}

#[db_test(migrations = migrations)]
async fn a_table_of_the_lake_answers(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    house.payments().await;
    register(
        &house,
        "paid",
        json!({"lake": "payments", "key": ["person", "year"], "compare": ["sum"]}),
    )
    .await;
    for (person, year, sum, matches) in [
        (PERSON, json!(2026), json!("400.50"), true),
        (PERSON, json!("2025"), json!("400.50"), false),
        ("O'Neil", json!(2026), json!("1.00"), true),
        ("x' OR '1'='1", json!(2026), json!("1.00"), false),
        (PERSON, json!("no year"), json!("400.50"), false),
    ] {
        let question = json!({"person": person, "year": year, "sum": sum});
        let answer = ask(&house, "paid", question).await;
        assert_eq!(
            answer.json(),
            json!({"matches": matches}),
            "{person} {year}"
        );
    }
    register(
        &house,
        "payments-of",
        json!({"lake": "payments", "key": ["person"], "fields": ["year", "sum", "paid_on"]}),
    )
    .await;
    let answer = ask(&house, "payments-of", json!({"person": PERSON})).await;
    let mut answer = answer.json();
    let rows = answer["rows"].as_array_mut().unwrap();
    rows.sort_by_key(|row| row["year"].as_i64());
    assert_eq!(
        answer,
        json!({"found": true, "rows": [
            {"year": 2025, "sum": "380.00", "paid_on": "2025-03-01"},
            {"year": 2026, "sum": "400.50", "paid_on": "2026-02-02"},
        ]})
    );
    let answer = ask(&house, "payments-of", json!({"person": "nobody"})).await;
    assert_eq!(answer.json(), json!({"found": false, "rows": []}));
    // Who was asked about is told, and nobody else of the same table.
    let page = PageRequest::new(None, None);
    let tables = ["payments".to_owned()];
    for (number, questions) in [(PERSON, 4), ("320000200002290111", 0)] {
        let numbers = [number.to_owned()];
        let told = lake::questions_about(house.app.db().read(), &numbers, &tables, &page).await;
        let told = told.unwrap().items;
        assert_eq!(told.len(), questions, "{number}");
        for (question, of) in told {
            assert_eq!(
                (question.purpose.as_str(), of.as_slice()),
                ("核对", &tables[..])
            );
        }
    }
    // The lake keeps who asked, for which department, and why.
    let steward = officer("steward", POLICE);
    let uses = lake::uses(&house.app, &steward, "payments", &page)
        .await
        .unwrap();
    assert_eq!(uses.items.len(), 7);
    assert!(
        uses.items
            .iter()
            .all(|used| used.purpose == "核对" && used.who_org == CIVIL)
    );
}

#[db_test(migrations = migrations)]
async fn only_own_tables_are_offered(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    house.payments().await;
    for (org, query, key) in [
        (
            CIVIL,
            json!({"lake": "payments", "key": ["person"], "fields": ["sum"]}),
            "gateway-query-table",
        ),
        (
            POLICE,
            json!({"lake": "payments", "fields": ["sum"]}),
            "gateway-query-key",
        ),
        (
            POLICE,
            json!({"lake": "payments", "key": ["person"], "fields": ["no"]}),
            "gateway-query-field",
        ),
        (
            POLICE,
            json!({"lake": "payments", "registry": "people", "key": ["person"], "fields": ["sum"]}),
            "gateway-query-where",
        ),
        (
            POLICE,
            json!({"lake": "payments", "key": ["person"]}),
            "gateway-query-kind",
        ),
    ] {
        let mut wrong = crate::house::registering();
        (wrong.document, wrong.org) = (None, org.into());
        wrong.query = Some(serde_json::from_value(query).unwrap());
        let error = gateway::resource::register(&house.app, &officer("steward", org), &wrong).await;
        let Err(kernel::Error::Invalid(findings)) = error else {
            panic!("{key}");
        };
        assert_eq!(findings[0].text.key, key);
    }
}

/// A registration of a question, as a steward of that organisation sends it.
async fn offer(
    house: &House,
    actor: &Actor,
    org: &str,
    query: Value,
) -> kernel::Result<resource::Resource> {
    let mut asked = crate::house::registering();
    (asked.code, asked.org, asked.document) = ("question".into(), org.into(), None);
    asked.query = Some(serde_json::from_value(query).unwrap());
    resource::register(&house.app, actor, &asked).await
}

fn rules<T: std::fmt::Debug>(outcome: kernel::Result<T>) -> Vec<&'static str> {
    match outcome {
        Err(kernel::Error::Invalid(findings)) => findings.iter().map(|f| f.text.key).collect(),
        Err(kernel::Error::Refused(text)) => vec![text.key],
        other => panic!("{other:?}"),
    }
}

#[db_test(migrations = migrations)]
async fn a_registry_is_offered_by_who_answers_for_it(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    house.people().await;
    let (police, civil, city) = (
        officer("steward", POLICE),
        officer("steward", CIVIL),
        officer("steward", CITY),
    );
    for query in [
        json!({"registry": "people", "fields": ["xm", "dz"]}),
        json!({"registry": "people", "compare": ["xm", "dz"]}),
    ] {
        let refused = offer(&house, &civil, CIVIL, query.clone()).await;
        assert_eq!(rules(refused), ["gateway-query-foreign"; 2]);
        for (actor, org) in [(&civil, POLICE), (&police, CITY)] {
            let refused = offer(&house, actor, org, query.clone()).await;
            assert!(matches!(refused, Err(kernel::Error::Forbidden { .. })));
        }
    }
    let query = json!({"registry": "people", "fields": ["xm"]});
    offer(&house, &city, CITY, query.clone()).await.unwrap();
    resource::set_state(&house.app, &city, "question", resource::State::Withdrawn)
        .await
        .unwrap();
    let mut asked = crate::house::registering();
    (asked.code, asked.document) = ("question-2".into(), None);
    asked.query = Some(serde_json::from_value(query).unwrap());
    resource::register(&house.app, &police, &asked)
        .await
        .unwrap();
}

#[db_test(migrations = migrations)]
async fn a_question_is_opened_by_a_second_person_for_others(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    house.people().await;
    let first = officer("steward", POLICE);
    let query = json!({"registry": "people", "compare": ["xm"]});
    offer(&house, &first, POLICE, query.clone()).await.unwrap();
    let mut asked = granting();
    asked.resource = "question".into();
    let alone = grant::grant(&house.app, &first, &asked).await;
    assert_eq!(rules(alone), ["gateway-grant-alone"]);
    let second = officer("approver", POLICE);
    asked.org = POLICE.into();
    let own = grant::grant(&house.app, &second, &asked).await;
    assert_eq!(rules(own), ["gateway-grant-own"]);
    asked.org = CIVIL.into();
    let foreign = grant::grant(&house.app, &officer("steward", CIVIL), &asked).await;
    assert!(matches!(foreign, Err(kernel::Error::Forbidden { .. })));
    let made = grant::grant(&house.app, &second, &asked).await.unwrap();

    // What the provider stopped is not let go on by who gets it, nor by the first person alone.
    grant::set_state(&house.app, &first, &made.id, grant::State::Suspended)
        .await
        .unwrap();
    let resumed = |actor: Actor| {
        let (app, id) = (house.app.clone(), made.id.clone());
        async move { grant::set_state(&app, &actor, &id, grant::State::Active).await }
    };
    let foreign = resumed(officer("steward", CIVIL)).await;
    assert!(matches!(foreign, Err(kernel::Error::Forbidden { .. })));
    assert_eq!(rules(resumed(first.clone()).await), ["gateway-grant-alone"]);
    resumed(officer("steward", CITY)).await.unwrap();

    // What was granted stays what was granted.
    offer(&house, &first, POLICE, query).await.unwrap();
    let more = json!({"registry": "people", "fields": ["gmsfhm", "xm", "dz"]});
    let wider = offer(&house, &first, POLICE, more.clone()).await;
    assert_eq!(rules(wider), ["gateway-query-granted"]);
    grant::set_state(&house.app, &first, &made.id, grant::State::Withdrawn)
        .await
        .unwrap();
    offer(&house, &first, POLICE, more).await.unwrap();
}

#[db_test(migrations = migrations)]
async fn a_question_ends_with_the_authority_for_its_fields(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    house.people().await;
    register(
        &house,
        "verify",
        json!({"registry": "people", "compare": ["xm", "dz"]}),
    )
    .await;
    let question = json!({"gmsfhm": PERSON, "xm": "张小明", "dz": "示范路1号（合成）"});
    let answer = ask(&house, "verify", question.clone()).await;
    assert_eq!(answer.json(), json!({"matches": true}));
    let shown = async || {
        let steward = officer("steward", POLICE);
        resource::get(&house.app, &steward, "verify").await.unwrap()
    };
    assert!(shown().await.foreign.is_empty());

    // The address becomes civil affairs' to say; what is known of a resource holds for a second.
    house.people_by("civil", CIVIL).await;
    assert_eq!(shown().await.foreign, ["dz"]);
    let mut answer = ask(&house, "verify", question.clone()).await;
    for _ in 0..100 {
        if answer.status != 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        answer = ask(&house, "verify", question.clone()).await;
    }
    assert_eq!(
        (answer.status, answer.rule().as_str()),
        (503, "gateway-query-not-own")
    );
    assert!(answer.json()["title"].as_str().unwrap().contains("dz"));
    // Above both departments one may go on offering it, and the other fields stay the police's.
    let city = officer("steward", CITY);
    let query = json!({"registry": "people", "compare": ["xm", "dz"]});
    offer(&house, &city, CITY, query).await.unwrap();
    register(
        &house,
        "verify-name",
        json!({"registry": "people", "compare": ["xm"]}),
    )
    .await;
    let answer = ask(
        &house,
        "verify-name",
        json!({"gmsfhm": PERSON, "xm": "张小明"}),
    )
    .await;
    assert_eq!(answer.json(), json!({"matches": true}));
}
