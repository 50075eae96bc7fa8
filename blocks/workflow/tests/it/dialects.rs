//! What files of other engines say in their attributes, taken by running processes.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use store::{Db, Tx};
use workflow::{Call, Outcome, ServiceHandler};

use crate::{
    house::{House, ORG, migrations},
    model::{auto, file, flows, process, vars},
};

/// What the reader lists as without effect, and the only task's attributes.
fn read(task: &str) -> (Vec<String>, std::collections::BTreeMap<String, String>) {
    let xml = process(&format!(
        r#"<startEvent id="s"/>{task}<endEvent id="e"/>{}"#,
        flows("s>t>e")
    ));
    let zeebe = r#"<definitions xmlns:zeebe="http://camunda.org/schema/zeebe/1.0""#;
    let xml = xml.replace("<definitions", zeebe);
    let model = workflow::read::read(xml.as_bytes()).unwrap();
    let ignored = model.ignored.iter().map(|one| one.what.clone()).collect();
    let node = model.lookup("t").map(|ix| model[ix].attributes.clone());
    (ignored, node.unwrap())
}

#[test]
fn a_property_with_a_name_of_ours_directs_nothing() {
    let (ignored, attributes) = read(
        r#"<userTask id="t"><extensionElements><camunda:properties>
        <camunda:property name="assignee" value="nobody"/><camunda:property name="days" value="x"/>
        <camunda:property name="colour" value="red"/></camunda:properties></extensionElements></userTask>"#,
    );
    assert_eq!(
        ignored,
        [
            "<camunda:property name=\"assignee\">",
            "<camunda:property name=\"days\">"
        ]
    );
    assert_eq!(attributes.keys().collect::<Vec<_>>(), ["colour"]);
}

#[test]
fn parts_of_mappings_without_effect_are_listed() {
    let (ignored, _) = read(
        r##"<callActivity id="t" calledElement="p"><extensionElements><camunda:in businessKey="#{execution.processBusinessKey}"/>
        <camunda:in variables="all" local="true"/></extensionElements></callActivity>"##,
    );
    assert_eq!(
        ignored,
        [
            "<camunda:in businessKey=\"#{execution.processBusinessKey}\">",
            "<camunda:in local=\"true\">"
        ]
    );
    let (ignored, attributes) = read(
        r#"<serviceTask id="t"><extensionElements><zeebe:taskDefinition type="pay" retries="5"/></extensionElements></serviceTask>"#,
    );
    assert_eq!((ignored.len(), attributes["retries"].as_str()), (0, "5"));
    let (ignored, _) = read(
        r#"<callActivity id="t"><extensionElements><zeebe:calledElement processId="p" propagateAllChildVariables="false"/></extensionElements></callActivity>"#,
    );
    assert_eq!(
        ignored,
        ["<zeebe:calledElement propagateAllChildVariables=\"false\">"]
    );
}

#[test]
fn a_source_names_a_variable_whatever_its_characters() {
    let xml = file(&format!(
        r#"<process id="p" isExecutable="true"><startEvent id="s"/><callActivity id="c" calledElement="q"><extensionElements>
        <camunda:in source="order-id" target="oid"/><camunda:out source="oid" target="back"/></extensionElements></callActivity><endEvent id="e"/>{}</process>
        <process id="q" isExecutable="true"><startEvent id="qs"/><endEvent id="qe"/>{}</process>"#,
        flows("s>c>e"),
        flows("qs>qe")
    ));
    let ran = auto(&xml, json!({"order-id": "A7", "order": 5, "id": 3}));
    assert_eq!(ran.last["variables"]["back"], json!("A7"));
}

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
