//! One step holds the database for some seconds at the most, whatever its model asks for.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use store::Db;
use workflow::{Engine, InstanceId};

use crate::{
    aside::enable,
    durable::{ORG, all, complete, deploy, officer, start},
    house::{House, migrations},
    model::{file, flows, process},
};

/// What a step may take here, where the code is slow and the machine busy.
const SHORT: Duration = Duration::from_secs(25);

/// How an instance stands, and how many of its tokens stopped.
pub async fn standing(db: &Db, id: InstanceId) -> (String, i64) {
    let text = format!("SELECT status, incidents FROM workflow_instance WHERE id = '{id}'");
    let asked = Statement::from_string(db.read().get_database_backend(), text);
    let row = db.read().query_one_raw(asked).await.unwrap().unwrap();
    (
        row.try_get("", "status").unwrap(),
        row.try_get("", "incidents").unwrap(),
    )
}

async fn stopped_at(db: Db, xml: String, variables: Value) -> (String, String) {
    enable();
    let house = House::open(db).await;
    let administrator = house.program("administrator").await;
    let deployed = administrator.deploys(&xml).await;
    assert!(deployed.status.is_success(), "{}", deployed.text);
    let program = house.program("integrator").await;
    let begun = Instant::now();
    let start = json!({"key": "p", "variables": variables});
    let started = program.does("/api/process/instances", start).await;
    assert!(begun.elapsed() < SHORT, "{:?}", begun.elapsed());
    let path = format!(
        "/api/process/incidents?instance={}",
        started["id"].as_str().unwrap()
    );
    let incidents = program.sees(&path).await;
    let text = |name: &str| {
        incidents["items"][0][name]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    (text("element"), text("text"))
}

fn circle(condition: &str) -> String {
    file(&format!(
        r#"<process id="p" isExecutable="true"><startEvent id="s"/><exclusiveGateway id="m"/>
        <exclusiveGateway id="g" default="g-m"/><endEvent id="e"/>{}</process>"#,
        flows(&format!("s>m; m>g; g>m; g>e[{condition}]"))
    ))
}

#[store::db_test(migrations = migrations)]
async fn a_condition_that_never_ends_is_an_incident_and_not_false(db: Db) {
    let slow = circle("count(for i in 1..n, j in 1..n, k in 1..n return i) = 1");
    let (element, text) = stopped_at(db, slow, json!({"n": 9_000})).await;
    assert_eq!(element, "g");
    assert!(text.contains("takes longer than two seconds"), "{text}");
}

#[store::db_test(migrations = migrations)]
async fn a_circle_of_costly_conditions_is_stopped_soon(db: Db) {
    let many: Vec<u32> = (0..10_000).collect();
    let costly = circle("count(many) = 0");
    let (element, text) = stopped_at(db, costly, json!({"many": many})).await;
    assert_eq!(element, "g");
    assert!(text.contains("longer than five seconds together"), "{text}");
}

fn sends(repeats: &str, paths: &str) -> String {
    process(&format!(
        r#"<startEvent id="s"/><userTask id="t" tongban:candidates="examiner"/><exclusiveGateway id="m"/>
        <sendTask id="send" messageRef="m1">{repeats}</sendTask><endEvent id="e"/>{}"#,
        flows(paths)
    ))
    .replace("<process ", r#"<message id="m1" name="told"/><process "#)
}

#[store::db_test(migrations = workflow::migrations)]
async fn many_sends_of_one_step_are_no_circle(db: Db) {
    let engine = Arc::new(Engine::default());
    let repeats = "<multiInstanceLoopCharacteristics><loopCardinality>1500</loopCardinality></multiInstanceLoopCharacteristics>";
    deploy(&db, "many", sends(repeats, "s>t>m>send>e")).await;
    let id = start(&db, &engine, "many", json!({"org": ORG}))
        .await
        .unwrap();
    let task = all(&db).await.remove(0);
    complete(&db, &engine, &task, officer("a"), json!({}))
        .await
        .unwrap();
    assert_eq!(standing(&db, id).await, ("completed".to_owned(), 0));
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_circle_of_sends_is_an_incident(db: Db) {
    let engine = Arc::new(Engine::default());
    let again = "<multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics>";
    for (n, repeats) in ["", again].into_iter().enumerate() {
        let key = ["circle", "circle-of-several"][n];
        let gateway = r#"<exclusiveGateway id="g" default="g-m"/><endEvent"#;
        let xml = sends(repeats, "s>t>m>send>g; g>m; g>e[false]").replace("<endEvent", gateway);
        deploy(&db, key, xml).await;
        let id = start(&db, &engine, key, json!({"org": ORG})).await.unwrap();
        let task = all(&db).await.remove(0);
        complete(&db, &engine, &task, officer("a"), json!({}))
            .await
            .unwrap();
        let (status, incidents) = standing(&db, id).await;
        assert_eq!(status, "running");
        assert!(incidents > 0, "{key}");
    }
}

/// Whether enough is done is not known: the rest is neither given up nor begun.
async fn not_known_to_be_enough(db: Db, body: &str, way: &str) {
    let slow = "count(for i in 1..n, j in 1..n, k in 1..n return i) = 1";
    let until = format!("<completionCondition>{slow}</completionCondition>");
    let body = body.replace("{until}", &until);
    let xml = file(&format!(
        r#"<process id="p" isExecutable="true"><startEvent id="s"/>{body}<endEvent id="e"/>{}</process>"#,
        flows(way)
    ));
    let (element, text) = stopped_at(db, xml, json!({"n": 9_000})).await;
    assert_eq!(element, "w");
    assert!(text.contains("takes longer than two seconds"), "{text}");
}

#[store::db_test(migrations = migrations)]
async fn whether_enough_instances_are_done_may_be_unknown(db: Db) {
    let body = r#"<task id="w"><multiInstanceLoopCharacteristics isSequential="true">
        <loopCardinality>2</loopCardinality>{until}</multiInstanceLoopCharacteristics></task>"#;
    not_known_to_be_enough(db, body, "s>w; w>e").await;
}

#[store::db_test(migrations = migrations)]
async fn whether_enough_is_done_ad_hoc_may_be_unknown(db: Db) {
    let body = r#"<adHocSubProcess id="a"><task id="w"/>{until}</adHocSubProcess>"#;
    not_known_to_be_enough(db, body, "s>a; a>e").await;
}
