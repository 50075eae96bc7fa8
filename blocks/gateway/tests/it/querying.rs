//! Questions that the hub answers from a registry.

use std::sync::Arc;

use axum::{body::Body, http::Request};
use kernel::ManualClock;
use serde_json::{Value, json};
use store::{Db, db_test, page::PageRequest};

use crate::house::{Answer, CIVIL, House, PERSON, POLICE, migrations, officer};

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
