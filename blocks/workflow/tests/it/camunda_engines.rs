//! The Camunda doors under the name of their engine, as programs address them that know several.

use serde_json::{Value, json};
use store::Db;

use crate::house::{House, migrations};

const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

/// Method and address of every described door.
fn doors(document: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        if !path.starts_with("/engine-rest/") {
            continue;
        }
        let filled: Vec<_> = path
            .split('/')
            .map(|part| if part.starts_with('{') { NOBODY } else { part })
            .collect();
        for method in methods.as_object().unwrap().keys() {
            found.push((method.to_uppercase(), filled.join("/")));
        }
    }
    found
}

#[store::db_test(migrations = migrations)]
async fn every_door_stands_under_the_name_of_its_engine_too(db: Db) {
    let house = House::open(db).await;
    let stranger = house.stranger(None);
    let document = stranger.sees("/api/openapi.json").await;
    let doors = doors(&document);
    assert!(doors.len() > 50, "only {} doors", doors.len());
    let (clerk, operator) = (
        house.program("clerk").await,
        house.program("administrator").await,
    );
    for (method, path) in doors {
        let named = path.replacen("/engine-rest", "/engine-rest/engine/default", 1);
        for program in [&stranger, &clerk, &operator] {
            let plain = program.call(&method, &path, json!({})).await;
            let same = program.call(&method, &named, json!({})).await;
            assert_eq!(
                (same.status, &same.text),
                (plain.status, &plain.text),
                "{method} {named}"
            );
            assert_ne!(plain.status, 405, "{method} {path}");
        }
    }
}

#[store::db_test(migrations = migrations)]
async fn an_engine_that_is_not_there_is_refused(db: Db) {
    let house = House::open(db).await;
    let program = house.program("integrator").await;
    for (method, path) in [
        ("GET", "task"),
        ("POST", "task/count"),
        ("GET", "process-definition/key/order"),
        ("DELETE", "process-instance/x"),
    ] {
        let path = format!("/engine-rest/engine/other/{path}");
        let reply = program.call(method, &path, json!({})).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.body["type"]),
            (400, &json!("InvalidRequestException")),
            "{path}: {}",
            reply.text
        );
        let message = reply.body["message"].as_str().unwrap();
        assert!(message.starts_with("No process engine available"));
        assert!(message.contains("“other”") && message.contains("“default”"));
    }
    let query = "/engine-rest/engine/default/task?firstResult=0&nonsense=1";
    let refused = program.get(query).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    let plain = program.get("/engine-rest/engine/other").await;
    assert_eq!(plain.status, 404, "{}", plain.text);
}
