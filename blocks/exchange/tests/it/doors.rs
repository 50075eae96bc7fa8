//! The API, and who may call it.

use std::sync::Arc;

use axum::{body::Body, http::Request};
use kernel::ManualClock;
use serde_json::{Value, json};
use store::{Db, db_test};

use crate::house::{CIVIL, House, POLICE, migrations, officer};

fn get(path: &str) -> Request<Body> {
    Request::get(format!("/api/exchange/{path}"))
        .body(Body::empty())
        .unwrap()
}

fn post(path: &str, body: &Value) -> Request<Body> {
    Request::post(format!("/api/exchange/{path}"))
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

#[db_test(migrations = migrations)]
async fn each_door_asks_who_comes(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let (steward, clerk) = (officer("steward", POLICE), officer("clerk", POLICE));
    let (operator, auditor) = (officer("operator", CIVIL), officer("auditor", CIVIL));
    let (status, keys) = house.ask(&clerk, get("keys")).await;
    assert!(
        status == 200 && keys.contains("BEGIN CERTIFICATE"),
        "{keys}"
    );
    for path in [
        "nodes",
        "publications",
        "subscriptions",
        "batches",
        "flows",
        "days/2026-03-02",
    ] {
        assert_eq!(house.ask(&clerk, get(path)).await.0, 403, "{path}");
        for actor in [&steward, &operator, &auditor] {
            assert_eq!(house.ask(actor, get(path)).await.0, 200, "{path}");
        }
    }
    let node = json!({"node": "police-1", "title": "前置机（合成）", "org": POLICE});
    assert_eq!(house.ask(&auditor, post("nodes", &node)).await.0, 403);
    let (status, made) = house.ask(&operator, post("nodes", &node)).await;
    assert_eq!(status, 200, "{made}");
    let made: Value = serde_json::from_str(&made).unwrap();
    assert!(made["code"].as_str().unwrap().starts_with("TB1."));
    let wrong = json!({"node": "a b", "title": "", "org": "1"});
    assert_eq!(house.ask(&operator, post("nodes", &wrong)).await.0, 422);
    let open = json!({"step": "open"});
    assert_eq!(
        house
            .ask(&operator, post("publications/x/steps", &open))
            .await
            .0,
        403
    );
    assert_eq!(
        house
            .ask(&steward, post("publications/x/steps", &open))
            .await
            .0,
        404
    );
    let reason = json!({"reason": "x"});
    assert_eq!(
        house.ask(&steward, post("nodes/x/revoke", &reason)).await.0,
        404
    );
    assert_eq!(house.ask(&steward, get("batches/x")).await.0, 404);
    assert_eq!(
        house.ask(&steward, get("batches/x/refused.csv")).await.0,
        404
    );
}
