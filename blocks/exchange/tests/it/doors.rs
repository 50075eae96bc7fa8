//! The API, and who may call it.

use std::sync::Arc;

use axum::{body::Body, http::Request};
use exchange::{
    node::{
        client::{Client, Trouble},
        enrol,
    },
    wire::{Announce, Announced, Work, action},
};
use identity::Actor;
use kernel::ManualClock;
use serde_json::{Value, json};
use store::{Db, db_test};

use crate::forging::shape;
use crate::house::{CITY, CIVIL, House, POLICE, migrations, officer, steward};

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
    let (operator, auditor) = (officer("operator", CITY), officer("auditor", CIVIL));
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

/// What belongs to a department is moved by its own people and by those above it; a post elsewhere
/// counts for nothing.
#[db_test(migrations = migrations)]
async fn a_post_reaches_its_own_department_and_those_below(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let (city, own, other) = (
        officer("steward", CITY),
        officer("steward", POLICE),
        officer("steward", CIVIL),
    );
    let invitation =
        |node: &str, org: &str| json!({"node": node, "title": "前置机（合成）", "org": org});
    let invite = async |actor: &Actor, node: &str, org: &str| {
        let (status, body) = house
            .ask(actor, post("nodes", &invitation(node, org)))
            .await;
        (status, body)
    };
    assert_eq!(invite(&own, "police-2", POLICE).await.0, 200);
    assert_eq!(invite(&city, "police-2", POLICE).await.0, 200);
    assert_eq!(invite(&other, "police-2", POLICE).await.0, 403);
    assert_eq!(
        invite(&officer("operator", CIVIL), "police-2", POLICE)
            .await
            .0,
        403
    );
    // Nobody knows that organisation: it is for those who have nothing above them.
    let unknown = "11320000009900777U";
    assert_eq!(invite(&city, "guest-1", unknown).await.0, 200);
    assert_eq!(invite(&own, "guest-1", unknown).await.0, 403);

    // A node that came in is its department's for good, whoever invites it again.
    let first = house.invite("police-1", POLICE).await;
    let late = house.invite("police-1", CIVIL).await;
    enrol::enrol(&house.folder("police-1"), &house.url, &first)
        .await
        .unwrap();
    for actor in [&city, &other] {
        assert_eq!(invite(actor, "police-1", CIVIL).await.0, 422);
    }
    let taken = enrol::enrol(&house.folder("thief"), &house.url, &late).await;
    let Err(Trouble::Refused(why)) = taken else {
        panic!("{taken:?}");
    };
    assert!(why.contains("another department"), "{why}");
    let folder = house.folder("police-1");
    let mut client = Client::member(&folder, &folder.membership().unwrap()).unwrap();
    let _: Work = client.act(action::WORK, &()).await.unwrap();

    let asked = Announce {
        code: "numbers".into(),
        resource: String::new(),
        title: "数（合成）".into(),
        shape: shape(),
    };
    let _: Announced = client.act(action::ANNOUNCE, &asked).await.unwrap();
    house.enrol("civil-1", CIVIL).await;
    let subscribing = json!({"publication": "numbers", "node": "civil-1", "purpose": "核对",
        "basis": "示范条例第一条"});
    let made = house.ask(&own, post("subscriptions", &subscribing)).await;
    let made: Value = serde_json::from_str(&made.1).unwrap();
    house.enrol("civil-2", CIVIL).await;
    let other_node = json!({"publication": "numbers", "node": "civil-2", "purpose": "核对",
        "basis": "示范条例第一条"});
    let step = format!("subscriptions/{}/steps", made["id"].as_str().unwrap());
    for (path, body) in [
        ("publications/numbers/steps", json!({"step": "open"})),
        ("publications/numbers/steps", json!({"step": "full"})),
        ("subscriptions", other_node),
        (step.as_str(), json!({"state": "suspended"})),
        ("nodes/police-1/revoke", json!({"reason": "丢失"})),
    ] {
        let refused = house.ask(&other, post(path, &body)).await;
        assert_eq!(refused.0, 403, "{path} {}", refused.1);
        let done = house.ask(&own, post(path, &body)).await;
        assert_eq!(done.0, 200, "{path} {}", done.1);
    }
    let again = house
        .ask(
            &steward(),
            post("nodes/civil-1/revoke", &json!({"reason": "x"})),
        )
        .await;
    assert_eq!(again.0, 200);
}
