//! What an operator does to others' tasks, by the rules that hold for everybody.

use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use store::Db;

use crate::{
    house::{House, ORG, Program, migrations},
    model::{file, flows},
};

/// The clerk's one task of a process whose task has these attributes.
async fn task_with(house: &House, attributes: &str) -> String {
    let xml = file(&format!(
        r#"<process id="p" isExecutable="true"><startEvent id="s"/><userTask id="t" tongban:candidates="clerk@{ORG}" {attributes}/><endEvent id="e"/>{}</process>"#,
        flows("s>t>e")
    ));
    let administrator = house.program("administrator").await;
    let deployed = administrator.deploys(&xml).await;
    assert!(deployed.status.is_success(), "{}", deployed.text);
    let start = json!({"key": "p", "variables": {}});
    let program = house.program("integrator").await;
    program.does("/api/process/instances", start).await;
    let listed = house
        .program("clerk")
        .await
        .sees("/api/workflow/tasks")
        .await;
    let last = listed["items"].as_array().unwrap().last().unwrap();
    last["id"].as_str().unwrap().to_owned()
}

/// The answers of both doors to the same completion.
async fn completes(operator: &Program<'_>, task: &str, name: &str, value: &str) -> [Value; 2] {
    let other = json!({"variables": {name: {"value": value, "type": "String"}}});
    let own = json!({"variables": {name: value}});
    let camunda = format!("/engine-rest/task/{task}/complete");
    let first = operator.call("POST", &camunda, other).await;
    let second = operator
        .call("POST", &format!("/api/process/tasks/{task}/complete"), own)
        .await;
    [first, second].map(|reply| json!(reply.status.as_u16()))
}

#[store::db_test(migrations = migrations)]
async fn an_operator_completes_by_the_rules_of_the_task(db: Db) {
    let house = House::open(db).await;
    let operator = house.program("administrator").await;
    let guarded = task_with(&house, r#"tongban:fields="name:read,note:write""#).await;
    let [camunda, own] = completes(&operator, &guarded, "name", "x").await;
    assert_eq!((camunda, own), (json!(400), json!(422)));

    let pause = "UPDATE workflow_task SET suspended_at = 1 WHERE state = 'open'";
    let resume = "UPDATE workflow_task SET suspended_at = NULL";
    let set = |text: &'static str| {
        house.db.write(move |tx| async move {
            tx.execute_unprepared(text).await.unwrap();
            Ok(())
        })
    };
    set(pause).await.unwrap();
    for status in completes(&operator, &guarded, "note", "x").await {
        assert!(status.as_u64().unwrap() >= 400, "{status}");
    }
    set(resume).await.unwrap();
    let [camunda, own] = completes(&operator, &guarded, "note", "x").await;
    assert_eq!(camunda, json!(204));
    assert!(own.as_u64().unwrap() >= 400, "it is done already: {own}");
}

#[store::db_test(migrations = migrations)]
async fn an_operator_signs_for_nobody(db: Db) {
    let house = House::open(db).await;
    let operator = house.program("administrator").await;
    let signed = task_with(
        &house,
        r#"tongban:sign="all" tongban:outcomes="agree,refuse""#,
    )
    .await;
    let answers = completes(&operator, &signed, "outcome", "agree").await;
    assert_eq!(answers, [json!(403), json!(403)]);
    let own = json!({"variables": {"outcome": "agree"}});
    let clerk = house.program("clerk").await;
    let path = format!("/api/process/tasks/{signed}/complete");
    let reply = clerk.call("POST", &path, own).await;
    assert!(reply.status.is_success(), "{}", reply.text);
}

/// The answer of whoever prepares it goes to the delegator, also when an operator gives it.
#[store::db_test(migrations = migrations)]
async fn an_operator_answers_the_delegator(db: Db) {
    let house = House::open(db).await;
    let operator = house.program("administrator").await;
    let task = task_with(&house, "").await;
    let clerk = house.program("clerk").await;
    let path = |verb: &str| format!("/api/workflow/tasks/{task}/{verb}");
    let claimed = clerk.call("POST", &path("claim"), json!({})).await;
    assert!(claimed.status.is_success(), "{}", claimed.text);
    let asked = Statement::from_string(
        house.db.read().get_database_backend(),
        "SELECT id FROM identity_user WHERE login = 'integrator'",
    );
    let other = house.db.read().query_one_raw(asked).await.unwrap().unwrap();
    let other: String = other.try_get("", "id").unwrap();
    let hand = json!({"to": other, "reason": "away"});
    let delegated = clerk.call("POST", &path("delegate"), hand).await;
    assert!(delegated.status.is_success(), "{}", delegated.text);
    let answer = json!({"variables": {"note": "x"}});
    let complete = format!("/api/process/tasks/{task}/complete");
    let mine = async || {
        let listed = clerk.sees("/api/workflow/tasks").await;
        listed["items"].as_array().unwrap().len()
    };
    assert_eq!(mine().await, 0, "the other one prepares it");
    let prepared = operator.call("POST", &complete, answer.clone()).await;
    assert!(prepared.status.is_success(), "{}", prepared.text);
    assert_eq!(mine().await, 1, "it came back");
    let done = operator.call("POST", &complete, answer).await;
    assert!(done.status.is_success(), "{}", done.text);
    assert_eq!(mine().await, 0);
}

/// Models that other engines run give the first task to whoever started the process.
#[store::db_test(migrations = migrations)]
async fn the_initiator_is_known_by_the_name_that_the_model_gives(db: Db) {
    let house = House::open(db).await;
    let xml = file(&format!(
        r#"<process id="p" isExecutable="true"><startEvent id="s" camunda:initiator="starter"/>
        <userTask id="t" camunda:assignee="${{starter}}"/><endEvent id="e"/>{}</process>"#,
        flows("s>t>e")
    ));
    let deployed = house.program("administrator").await.deploys(&xml).await;
    assert!(deployed.status.is_success(), "{}", deployed.text);
    let clerk = house.program("integrator").await;
    let start = "/engine-rest/process-definition/key/p/start";
    let started = clerk
        .does(start, json!({"withVariablesInReturn": true}))
        .await;
    assert!(started["variables"]["starter"]["value"].is_string());
    let tasks = clerk.sees("/engine-rest/task").await;
    assert_eq!(tasks[0]["assignee"], json!("integrator"));
}

/// What is only drawn was not checked as what runs is, and would go wrong ways silently.
#[store::db_test(migrations = migrations)]
async fn what_is_only_drawn_does_not_begin(db: Db) {
    let house = House::open(db).await;
    let xml = file(&format!(
        r#"<process id="p" isExecutable="false"><startEvent id="s"/><endEvent id="e"/>{}</process>"#,
        flows("s>e")
    ));
    let deployed = house.program("administrator").await.deploys(&xml).await;
    assert!(deployed.status.is_success(), "{}", deployed.text);
    let program = house.program("integrator").await;
    let start = json!({"key": "p"});
    let refused = program.call("POST", "/api/process/instances", start).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(refused.text.contains("isExecutable"), "{}", refused.text);
}
