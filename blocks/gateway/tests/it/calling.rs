//! Calls from a consumer through hub and node to a department's API and back.

use std::sync::{Arc, atomic::Ordering};

use axum::{body::Body, http::Request};
use gateway::Settings;
use kernel::ManualClock;
use serde_json::json;
use store::{Db, db_test};

use crate::house::{CIVIL, House, POLICE, line, migrations, officer};

#[db_test(migrations = migrations)]
async fn a_call_reaches_an_api_without_an_open_port(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let provider = house.ready().await;
    let answer = house.get("/api/gateway/persons/persons/7?x=1").await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(answer.json()["id"], "7");
    assert!(answer.header("server-timing").contains("api;dur="));
    assert!(!answer.header("tongban-call").is_empty());

    // What the API says is said as it is, its refusals too.
    let answer = house.get("/api/gateway/persons/persons/0").await;
    assert_eq!(answer.status, 404);
    // A small body there and back.
    let answer = house
        .post("/api/gateway/persons/echo", b"hello".to_vec())
        .await;
    assert_eq!(&answer.body.unwrap()[..], b"hello");
    let all = house.log().await;
    let answered = |status| ("answered".to_owned(), status);
    assert_eq!(all, [answered(200), answered(404), answered(200)]);
    assert_eq!(provider.api.calls.load(Ordering::SeqCst), 3);
}

#[db_test(migrations = migrations)]
async fn large_bodies_flow_both_ways(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let _provider = house.ready().await;
    let large: Vec<u8> = (0..10 << 20)
        .map(|place: u32| place.to_le_bytes()[1])
        .collect();
    let answer = house.post("/api/gateway/persons/echo", large.clone()).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.body.unwrap() == large,
        "the body is not what was sent"
    );
    let answer = house.get("/api/gateway/persons/bytes?n=10485760").await;
    assert_eq!(answer.body.unwrap().len(), 10 << 20);
    assert_eq!(house.log().await.len(), 2);
}

#[db_test(migrations = migrations)]
async fn the_international_suite_serves_as_well(db: Db, clock: Arc<ManualClock>) {
    let settings = Settings {
        suite: "international".into(),
        ..Settings::default()
    };
    let house = House::open_with(db, &clock, settings).await;
    let _provider = house.ready().await;
    let answer = house.get("/api/gateway/persons/persons/7").await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let call = answer.header("tongban-call").to_owned();
    let found = gateway::overview::verify(&house.app, &officer("steward", POLICE), &call).await;
    let checks = found.unwrap().checks;
    let is_genuine = |name: &str| {
        let check = checks.iter().find(|check| check.name == name).unwrap();
        check.standing.name() == "genuine"
    };
    assert!(is_genuine("request") && is_genuine("answer") && is_genuine("delivery"));
}

#[db_test(migrations = migrations)]
async fn what_does_not_fit_the_document_is_not_called(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let provider = house.ready().await;
    for (path, status, rule) in [
        ("/api/gateway/persons/nothing", 404, "gateway-path-unknown"),
        (
            "/api/gateway/persons/persons/a%2Fb",
            404,
            "gateway-path-unknown",
        ),
        (
            "/api/gateway/persons/persons/%2e%2e",
            404,
            "gateway-path-unknown",
        ),
        (
            "/api/gateway/persons/persons/%61ll",
            404,
            "gateway-path-unknown",
        ),
        (
            "/api/gateway/persons/persons/7;x",
            404,
            "gateway-path-unknown",
        ),
        ("/api/gateway/persons/echo", 405, "gateway-method-other"),
        ("/api/gateway/nothing/persons/7", 404, ""),
    ] {
        let answer = house.get(path).await;
        assert_eq!(
            (answer.status, answer.rule().as_str()),
            (status, rule),
            "{path}"
        );
    }
    let answer = house.get("/api/gateway/persons/echo").await;
    assert_eq!(answer.header("allow"), "POST");
    assert_eq!(provider.api.calls.load(Ordering::SeqCst), 0);
    assert!(house.log().await.is_empty());
}

#[db_test(migrations = migrations)]
async fn a_body_that_is_too_large_is_refused(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let _provider = house.provider().await;
    house
        .register(|asked| {
            asked.request_limit = 1 << 20;
            asked.answer_limit = 1 << 20;
        })
        .await;
    house.grant(|_| {}).await;
    // One that says its length, and one that does not.
    let answer = house
        .post("/api/gateway/persons/echo", vec![0; (1 << 20) + 1])
        .await;
    assert_eq!(
        (answer.status, answer.rule().as_str()),
        (413, "gateway-too-large")
    );
    let pieces =
        futures::stream::iter((0..40).map(|_| Ok::<_, std::io::Error>(vec![0_u8; 1 << 15])));
    let request = Request::post("/api/gateway/persons/echo")
        .body(Body::from_stream(pieces))
        .unwrap();
    let answer = house.ask(&officer("examiner", CIVIL), request).await;
    assert_eq!(
        (answer.status, answer.rule().as_str()),
        (413, "gateway-too-large")
    );
    // An answer is bounded, too: what flows already breaks off.
    let answer = house.get("/api/gateway/persons/bytes?n=2000000").await;
    assert!(answer.body.is_err(), "{}", answer.status);
    assert_eq!(house.log().await[0].0, "too_large");
}

#[db_test(migrations = migrations)]
async fn a_node_that_is_away_and_an_api_that_is_late_are_told(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let provider = house.ready().await;
    let answer = house.get("/api/gateway/persons/slow").await;
    assert_eq!(
        (answer.status, answer.rule().as_str()),
        (504, "gateway-late")
    );
    provider.line.abort();
    house.until_line("police-1", false).await;
    let answer = house.get("/api/gateway/persons/persons/7").await;
    assert_eq!(
        (answer.status, answer.rule().as_str()),
        (503, "gateway-node-away")
    );
    assert!(
        answer.json()["title"]
            .as_str()
            .unwrap()
            .contains("police-1")
    );
    assert_eq!(answer.header("retry-after"), "10");
    // An API that is not there, behind a node that is.
    let again = line(&provider.folder, "http://127.0.0.1:9");
    house.until_line("police-1", true).await;
    let answer = house.get("/api/gateway/persons/persons/7").await;
    assert_eq!(
        (answer.status, answer.rule().as_str()),
        (502, "gateway-api-away")
    );
    again.abort();
    let outcomes: Vec<_> = house
        .log()
        .await
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(outcomes, ["away", "late"]);
}

#[db_test(migrations = migrations)]
async fn a_revoked_node_is_called_no_more(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let _provider = house.ready().await;
    let steward = officer("steward", POLICE);
    exchange::hub::enrolment::revoke(&house.app, &steward, "police-1", "丢失")
        .await
        .unwrap();
    let answer = house.get("/api/gateway/persons/persons/7").await;
    assert_eq!(answer.rule(), "gateway-node-away");
}

#[db_test(migrations = migrations)]
async fn fields_are_masked_or_nothing_is_handed_over(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let _provider = house.provider().await;
    house.register(|_| {}).await;
    house
        .grant(|asked| {
            asked.masks = serde_json::from_value(json!([
                {"field": "gmsfhm", "as": "id"}, {"field": "phone"}
            ]))
            .unwrap();
        })
        .await;
    let answer = house.get("/api/gateway/persons/persons/7").await;
    assert_eq!(
        answer.json(),
        json!({"id": "7", "gmsfhm": "320000********0039", "name": "张小明"})
    );
    for path in ["plain", "bytes?n=300000"] {
        let answer = house.get(&format!("/api/gateway/persons/{path}")).await;
        assert_eq!(
            (answer.status, answer.rule().as_str()),
            (502, "gateway-unmaskable")
        );
    }
}
