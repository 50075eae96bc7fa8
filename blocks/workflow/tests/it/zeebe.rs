//! What files of Camunda 8 say in their extension elements: taken over, or listed as without effect.

use serde_json::{Value, json};
use store::Db;
use workflow::{check::read_and_check, read};

use crate::{
    house::{House, ORG, migrations},
    model::{flows, process},
};

/// A file with these nodes on the way from start to end.
fn zeebe(nodes: &str, list: &str) -> String {
    let xml = process(&format!(
        r#"<startEvent id="s"/>{nodes}<endEvent id="e"/>{}"#,
        flows(list)
    ));
    let named = r#"<definitions xmlns:zeebe="http://camunda.org/schema/zeebe/1.0""#;
    xml.replace("<definitions", named)
}

fn step(element: &str, inside: &str) -> String {
    zeebe(
        &format!(
            r#"<{element} id="t"><extensionElements>{inside}</extensionElements></{element}>"#
        ),
        "s>t>e",
    )
}

#[store::db_test(migrations = migrations)]
async fn feel_after_an_equals_sign_is_evaluated(db: Db) {
    let house = House::open(db).await;
    let nodes = format!(
        r#"<parallelGateway id="g"/><parallelGateway id="j"/>
        <userTask id="own"><extensionElements><zeebe:userTask/><zeebe:assignmentDefinition assignee="=boss"/>
          <zeebe:formDefinition formId="=&quot;form-&quot; + kind"/><zeebe:taskSchedule dueDate="=until"/><zeebe:priorityDefinition priority="=20 + 5"/></extensionElements></userTask>
        <userTask id="posts"><extensionElements><zeebe:assignmentDefinition candidateGroups="=[post + &quot;@{ORG}&quot;]"/></extensionElements></userTask>
        <userTask id="users"><extensionElements><zeebe:assignmentDefinition candidateUsers="clerk, integrator"/></extensionElements></userTask>
        <serviceTask id="work"><extensionElements><zeebe:taskDefinition type="=&quot;pay-&quot; + kind" retries="=1 + 1"/></extensionElements></serviceTask>"#
    );
    let xml = zeebe(&nodes, "s>g; g>own>j; g>posts>j; g>users>j; g>work>j; j>e");
    let deployed = house.program("administrator").await.deploys(&xml).await;
    assert_eq!(deployed.status, 200, "{}", deployed.text);
    let program = house.program("integrator").await;
    let body = json!({"variables": {"boss": {"value": "clerk"}, "post": {"value": "clerk"},
        "kind": {"value": "a"}, "until": {"value": "2030-01-02"}}});
    program
        .does("/engine-rest/process-definition/key/p/start", body)
        .await;
    assert_eq!(program.sees("/engine-rest/incident").await, json!([]));
    let tasks = program.sees("/engine-rest/task").await;
    let task = |element: &str| -> Value {
        let mut tasks = tasks.as_array().unwrap().iter();
        let found = tasks.find(|task| task["taskDefinitionKey"] == element);
        found.unwrap().clone()
    };
    let own = task("own");
    assert_eq!(
        (&own["assignee"], &own["formKey"], &own["priority"]),
        (&json!("clerk"), &json!("form-a"), &json!(25))
    );
    assert!(
        own["due"]
            .as_str()
            .unwrap()
            .starts_with("2030-01-01T16:00:00")
    );
    let clerk = house.program("clerk").await;
    for element in ["posts", "users"] {
        let id = task(element)["id"].as_str().unwrap().to_owned();
        let path = format!("/engine-rest/task/{id}/claim");
        clerk.does(&path, json!({"userId": "clerk"})).await;
    }
    let work = program.sees("/engine-rest/external-task").await;
    assert_eq!(work[0]["topicName"], json!("pay-a"));
}

#[store::db_test(migrations = migrations)]
async fn an_expression_without_a_value_stops_the_task(db: Db) {
    let house = House::open(db).await;
    let xml = step(
        "userTask",
        r#"<zeebe:assignmentDefinition assignee="=boss"/>"#,
    );
    house.program("administrator").await.deploys(&xml).await;
    let program = house.program("integrator").await;
    let path = "/engine-rest/process-definition/key/p/start";
    program.does(path, json!({})).await;
    let incidents = program.sees("/engine-rest/incident").await;
    assert_eq!(incidents[0]["activityId"], json!("t"));
    let message = incidents[0]["incidentMessage"].as_str().unwrap();
    assert!(message.contains("assignee=\"=boss\""), "{message}");
}

#[test]
fn expressions_that_are_not_understood_are_refused() {
    for (element, inside, rule) in [
        (
            "userTask",
            r#"<zeebe:assignmentDefinition assignee="=boss +"/>"#,
            "expression-syntax",
        ),
        (
            "userTask",
            r#"<zeebe:taskSchedule dueDate="soon"/>"#,
            "expression-syntax",
        ),
        (
            "userTask",
            r#"<zeebe:taskSchedule dueDate="=now() + duration(&quot;P1D&quot;)"/>"#,
            "expression-syntax",
        ),
        (
            "serviceTask",
            r#"<zeebe:taskDefinition type="pay" retries="many"/>"#,
            "expression-syntax",
        ),
        (
            "businessRuleTask",
            r#"<zeebe:calledDecision decisionId="=which" resultVariable="r"/>"#,
            "expression-syntax",
        ),
        (
            "callActivity",
            r#"<zeebe:calledElement processId="=which"/>"#,
            "call-without-process",
        ),
    ] {
        let (model, findings) = read_and_check(step(element, inside).as_bytes());
        assert!(model.is_none(), "{inside}");
        let found = findings.iter().find(|one| one.rule == rule);
        let found = found.unwrap_or_else(|| panic!("{inside}: {findings:?}"));
        assert!(found.element == "t" && found.line > 0, "{found:?}");
    }
}

/// Nothing of theirs is silently without effect.
#[test]
fn what_has_no_effect_is_listed() {
    for (element, inside, listed) in [
        ("userTask", r"<zeebe:userTask/>", vec![]),
        (
            "userTask",
            r#"<zeebe:taskSchedule dueDate="P1D" followUpDate="=then"/>"#,
            vec![r#"<zeebe:taskSchedule followUpDate="=then">"#],
        ),
        (
            "userTask",
            r#"<zeebe:formDefinition formId="f" bindingType="versionTag" versionTag="v1"/>"#,
            vec![
                r#"<zeebe:formDefinition bindingType="versionTag">"#,
                r#"<zeebe:formDefinition versionTag="v1">"#,
            ],
        ),
        (
            "userTask",
            r#"<zeebe:taskDefinition type="pay"/><zeebe:taskListeners/>"#,
            vec!["<zeebe:taskDefinition>", "<zeebe:taskListeners>"],
        ),
        (
            "serviceTask",
            r#"<zeebe:taskDefinition type="pay" retries="3"/><zeebe:assignmentDefinition assignee="a"/><zeebe:taskHeaders/>"#,
            vec!["<zeebe:assignmentDefinition>", "<zeebe:taskHeaders>"],
        ),
        (
            "scriptTask",
            r#"<zeebe:script expression="=1 + 1" resultVariable="two"/>"#,
            vec![],
        ),
        (
            "callActivity",
            r#"<zeebe:calledElement processId="p" propagateAllChildVariables="false"/>"#,
            vec![r#"<zeebe:calledElement propagateAllChildVariables="false">"#],
        ),
    ] {
        let model = read::read(step(element, inside).as_bytes()).unwrap();
        let found: Vec<_> = model.ignored.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(found, listed, "{inside}");
    }
}

#[test]
fn a_correlation_key_is_an_expression_only_after_an_equals_sign() {
    for (key, correlation) in [("=order.id", "order.id"), ("order", "\"order\"")] {
        let caught = r#"<intermediateCatchEvent id="t"><messageEventDefinition messageRef="m"/></intermediateCatchEvent>"#;
        let message = format!(
            r#"<message id="m" name="M"><extensionElements><zeebe:subscription correlationKey="{key}"/></extensionElements></message><process"#
        );
        let xml = zeebe(caught, "s>t>e").replace("<process", &message);
        let model = read::read(xml.as_bytes()).unwrap();
        let node = &model[model.lookup("t").unwrap()];
        assert_eq!(node.attribute("correlation"), Some(correlation));
    }
}
