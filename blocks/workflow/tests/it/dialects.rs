//! What files of other engines say in their attributes, taken by running processes.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use store::{Db, Tx};
use workflow::{Call, Outcome, ServiceHandler};

use crate::{
    house::{House, ORG, migrations},
    model::{flows, process, vars},
};

struct Bean;

#[async_trait]
impl ServiceHandler for Bean {
    async fn call(&self, _: &Tx, _: &Call) -> kernel::Result<Outcome> {
        Ok(Outcome::Done(vars(json!({"sent": true}))))
    }
}

#[store::db_test(migrations = migrations)]
async fn both_kinds_of_braces_are_filled_in(db: Db) {
    let house = House::open(db).await;
    house.engine.register("tweetAdapter", Arc::new(Bean));
    let xml = process(&format!(
        r##"<startEvent id="s"/><serviceTask id="tweet" camunda:delegateExpression="#{{tweetAdapter}}"/>
        <parallelGateway id="g"/><userTask id="own" camunda:assignee="#{{boss}}"/>
        <userTask id="posts" camunda:candidateGroups="#{{post}}@{ORG}" camunda:dueDate="#{{until}}"/>
        <userTask id="users" camunda:candidateUsers="#{{boss}}" camunda:formKey="form-#{{post}}"/>
        <parallelGateway id="j"/><endEvent id="e"/>{}"##,
        flows("s>tweet>g>own>j>e; g>posts>j; g>users>j")
    ));
    let deployed = house.program("administrator").await.deploys(&xml).await;
    assert_eq!(deployed.status, 200, "{}", deployed.text);
    let program = house.program("integrator").await;
    let body = json!({"withVariablesInReturn": true, "variables": {
        "boss": {"value": "clerk"}, "post": {"value": "clerk"}, "until": {"value": "2030-01-02"}}});
    let path = "/engine-rest/process-definition/key/p/start";
    let started = program.does(path, body).await;
    assert_eq!(started["variables"]["sent"]["value"], json!(true));
    assert_eq!(program.sees("/engine-rest/incident").await, json!([]));
    let tasks = program.sees("/engine-rest/task").await;
    let task = |element: &str| -> Value {
        let mut tasks = tasks.as_array().unwrap().iter();
        let found = tasks.find(|task| task["taskDefinitionKey"] == element);
        found.unwrap().clone()
    };
    assert_eq!(task("own")["assignee"], json!("clerk"));
    let due = task("posts")["due"].as_str().unwrap().to_owned();
    assert!(due.starts_with("2030-01-01T16:00:00"), "{due}");
    assert_eq!(task("users")["formKey"], json!("form-clerk"));
    let clerk = house.program("clerk").await;
    for element in ["posts", "users"] {
        let id = task(element)["id"].as_str().unwrap().to_owned();
        let path = format!("/engine-rest/task/{id}/claim");
        clerk.does(&path, json!({"userId": "clerk"})).await;
    }
}
