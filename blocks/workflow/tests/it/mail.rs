//! Messages that nobody took, through the doors and on the page, on both databases.

use serde_json::{Value, json};
use store::{Db, Worker};

use crate::{
    house::{House, migrations},
    model::{flows, process},
    pages,
};

fn model(event: &str, id: &str, key: &str) -> String {
    process(&format!(
        r#"<startEvent id="s"/><{event} id="{id}" {key}><messageEventDefinition messageRef="m"/></{event}><endEvent id="e"/>{}"#,
        flows(&format!("s>{id}>e"))
    ))
    .replace("<process", r#"<message id="m" name="payment"/><process"#)
}

fn sender() -> String {
    model("intermediateThrowEvent", "pay", "")
}

fn receiver() -> String {
    model(
        "intermediateCatchEvent",
        "paid",
        r#"tongban:correlation="order""#,
    )
}

async fn work(db: &Db, engine: &std::sync::Arc<workflow::Engine>) {
    let worker = Worker::new(&workflow::jobs(db, engine));
    while worker.run_due(db).await.unwrap() > 0 {}
}

#[store::db_test(migrations = migrations)]
async fn an_operator_gives_a_message_to_one_of_several(db: Db) {
    let house = House::open(db).await;
    let (operator, program, clerk) = (
        house.program("administrator").await,
        house.program("integrator").await,
        house.program("clerk").await,
    );
    for (key, xml) in [("sender", sender()), ("receiver", receiver())] {
        let path = format!("/api/process/definitions?key={key}");
        let reply = operator.send("POST", &path, "application/xml", xml).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
    }
    let start = |key: &'static str, business: &'static str, variables: Value| json!({"key": key, "business_key": business, "variables": variables});
    let mut ids = Vec::new();
    for (business, order) in [("A", 1), ("B", 2)] {
        let body = start("receiver", business, json!({"order": order}));
        let begun = program.does("/api/process/instances", body).await;
        ids.push(begun["id"].as_str().unwrap().to_owned());
    }
    let body = start("sender", "C", json!({"sum": 70}));
    program.does("/api/process/instances", body.clone()).await;
    program.does("/api/process/instances", body).await;
    work(&house.db, &house.engine).await;

    let list = program.sees("/api/process/messages").await;
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{list}");
    assert_eq!(
        (
            &items[0]["name"],
            &items[0]["problem"],
            &items[0]["subject"]
        ),
        (&json!("payment"), &json!("several"), &json!("business:C"))
    );
    let (first, second) = (&items[0]["id"], &items[1]["id"]);
    let path =
        |id: &Value, act: &str| format!("/api/process/messages/{}/{act}", id.as_str().unwrap());
    let places = program.sees(&path(first, "places")).await;
    assert_eq!(places.as_array().unwrap().len(), 2);
    let wanted =
        json!({"instance": ids[1], "element": "paid", "key": "2", "subject": "business:B"});
    assert!(places.as_array().unwrap().contains(&wanted), "{places}");

    let body = json!({"instance": ids[1], "element": "paid", "reason": "银行确认"});
    let deliver = path(first, "deliver");
    assert_eq!(clerk.call("POST", &deliver, body.clone()).await.status, 403);
    let silent = json!({"instance": ids[1], "element": "paid"});
    let silent = operator.call("POST", &deliver, silent).await;
    assert_eq!(silent.body["errors"][0]["field"], json!("reason"));
    let wrong = json!({"instance": ids[1], "element": "e", "reason": "why"});
    let wrong = operator.call("POST", &deliver, wrong).await;
    assert_eq!(wrong.body["errors"][0]["field"], json!("place"));
    assert_eq!(
        operator.call("POST", &deliver, body.clone()).await.status,
        204
    );
    assert_eq!(operator.call("POST", &deliver, body).await.status, 404);
    let ended = program
        .sees(&format!("/api/process/instances/{}", ids[1]))
        .await;
    assert_eq!(ended["status"], json!("completed"));
    let other = program
        .sees(&format!("/api/process/instances/{}", ids[0]))
        .await;
    assert_eq!(other["status"], json!("running"));

    let reason = json!({"reason": "电话已办结"});
    let discard = path(second, "discard");
    assert_eq!(
        clerk.call("POST", &discard, reason.clone()).await.status,
        403
    );
    assert_eq!(
        operator.call("POST", &discard, reason.clone()).await.status,
        204
    );
    assert_eq!(operator.call("POST", &discard, reason).await.status, 404);
    let list = program.sees("/api/process/messages").await;
    assert_eq!(list["items"], json!([]));
}

#[store::db_test(migrations = pages::migrations)]
async fn the_page_shows_who_could_take_a_message(db: Db) {
    let house = pages::house(db);
    let operator = pages::officer("operator");
    let (_, page) = house.get(&operator, "/processes/messages").await;
    assert!(page.contains("所有消息都已送达"));
    house.deploy("sender", sender()).await;
    house.deploy("receiver", receiver()).await;
    let id = house.start("receiver", json!({"order": 1})).await;
    house.start("receiver", json!({"order": 2})).await;
    house.start("sender", json!({"sum": 70})).await;
    work(&house.db, &house.engine).await;
    let (_, page) = house.get(&operator, "/processes/messages").await;
    assert!(page.contains("符合的不止一处"), "{page}");
    let path = page.split("action=\"/processes/messages/").nth(1).unwrap();
    let path = format!("/processes/messages/{}", path.split('"').next().unwrap());
    let (_, looked) = house
        .get(&pages::officer("supervisor"), "/processes/messages")
        .await;
    assert!(!looked.contains(&path));

    let (status, again, _) = house
        .form(&operator, &path, "act=deliver&place=&reason=why")
        .await;
    assert_eq!(status, 422);
    assert!(again.contains("请选择由谁接收这条消息"));
    let chosen = format!("act=deliver&place={id}%2Fpaid&reason=");
    let (status, again, _) = house.form(&operator, &path, &chosen).await;
    assert_eq!(status, 422);
    assert!(again.contains("请说明理由"));
    assert!(again.contains(&format!("<option value=\"{id}/paid\" selected>")));
    let (status, ..) = house
        .form(&pages::officer("steward"), &path, &format!("{chosen}why"))
        .await;
    assert_eq!(status, 403);
    let (status, _, to) = house.form(&operator, &path, &format!("{chosen}why")).await;
    assert_eq!((status, to.as_str()), (303, "/processes/messages"));
    let trail = workflow::trail_of(&house.db, &house.engine, id)
        .await
        .unwrap();
    assert_eq!(trail.status, "completed");
    let handed = house.events("workflow.message_handed.v1").await;
    assert_eq!((handed.len(), &handed[0]["reason"]), (1, &json!("why")));
}
