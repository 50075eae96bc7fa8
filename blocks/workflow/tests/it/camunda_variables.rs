//! Variables that programs of Camunda change, and signals that they send.

use serde_json::{Value, json};
use store::Db;

use crate::{
    house::{House, Program, Reply, migrations},
    model::{file, flows},
};

/// A task of the process beside one of a sub-process that has a variable of its own.
fn claim() -> String {
    file(&format!(
        r#"<signal id="sg" name="storm"/><process id="claim" isExecutable="true"><startEvent id="s"/><parallelGateway id="g"/>
          <userTask id="outer" camunda:assignee="clerk"/>
          <subProcess id="sub"><extensionElements><tongban:input target="own" source="1"/></extensionElements>
            <startEvent id="ss"/><userTask id="inner" camunda:assignee="clerk"/><endEvent id="se"/>{}</subProcess>
          <intermediateCatchEvent id="c"><signalEventDefinition signalRef="sg"/></intermediateCatchEvent>
          <parallelGateway id="j"/><endEvent id="e"/>{}</process>"#,
        flows("ss>inner>se"),
        flows("s>g>outer>j>e; g>sub>j; g>c>j")
    ))
}

/// A started claim with an amount of 1,200: its address.
async fn started(house: &House) -> String {
    let deployed = house.program("administrator").await.deploys(claim()).await;
    assert_eq!(deployed.status, 200, "{}", deployed.text);
    let program = house.program("integrator").await;
    let path = "/engine-rest/process-definition/key/claim/start";
    let body = json!({"variables": {"amount": {"value": 1200}}});
    let started = program.does(path, body).await;
    format!(
        "/engine-rest/process-instance/{}",
        started["id"].as_str().unwrap()
    )
}

async fn task(program: &Program<'_>, element: &str) -> String {
    let path = format!("/engine-rest/task?taskDefinitionKey={element}");
    let found = program.sees(&path).await;
    format!("/engine-rest/task/{}", found[0]["id"].as_str().unwrap())
}

#[track_caller]
fn is_refused(reply: &Reply, status: u16, kind: &str, says: &str) {
    assert_eq!(
        (reply.status.as_u16(), &reply.body["type"]),
        (status, &json!(kind)),
        "{}",
        reply.text
    );
    let message = reply.body["message"].as_str().unwrap();
    assert!(message.contains(says), "{message}");
}

#[store::db_test(migrations = migrations)]
async fn variables_of_an_instance_are_changed_and_leave_a_deed(db: Db) {
    let house = House::open(db).await;
    let instance = started(&house).await;
    let operator = house.program("administrator").await;
    let amount = format!("{instance}/variables/amount");
    let seen = operator.sees(&amount).await;
    let expected = json!({"value": 1200, "type": "Integer", "valueInfo": {}});
    assert_eq!(seen, expected);
    let body = json!({"value": 900, "type": "Integer"});
    let set = operator.call("PUT", &amount, body).await;
    assert_eq!(set.status, 204, "{}", set.text);
    let quiet = format!("{amount}?deserializeValue=false");
    assert_eq!(operator.sees(&quiet).await["value"], json!(900));
    let several = format!("{instance}/variables");
    let body = json!({"modifications": {"paid": {"value": true, "type": "Boolean"},
        "until": {"value": "2026-01-01T00:00:00.000+0000", "type": "Date"}, "gone": {"value": null}}, "deletions": []});
    operator.does(&several, body).await;
    let seen = operator
        .sees(&format!("{several}?deserializeValues=false"))
        .await;
    let kinds = ["amount", "paid", "until", "gone"].map(|name| seen[name]["type"].clone());
    assert_eq!(json!(kinds), json!(["Integer", "Boolean", "Date", "Null"]));
    let id = instance.rsplit('/').next().unwrap();
    let path = format!("/api/workflow/instances/{id}/deeds");
    let deeds = operator.sees(&path).await;
    let deeds = deeds.as_array().unwrap();
    let set: Vec<_> = deeds.iter().filter(|deed| deed["verb"] == "set").collect();
    assert_eq!(set.len(), 2, "{deeds:?}");
    assert_eq!(set[0]["reason"], json!("set by a program"));
}

#[store::db_test(migrations = migrations)]
async fn what_cannot_be_set_changes_nothing(db: Db) {
    let house = House::open(db).await;
    let instance = started(&house).await;
    let operator = house.program("administrator").await;
    let several = format!("{instance}/variables");
    let before = operator.sees(&several).await;
    let amount = format!("{several}/amount");
    let number = json!({"value": 1, "type": "Integer"});

    let program = house.program("integrator").await;
    let reply = program.call("PUT", &amount, number.clone()).await;
    is_refused(&reply, 403, "AuthorizationException", "");
    let reply = program.call("DELETE", &amount, json!({})).await;
    is_refused(&reply, 403, "AuthorizationException", "");

    let body = json!({"modifications": {"amount": number}, "deletions": ["amount"]});
    let reply = operator.call("POST", &several, body).await;
    is_refused(&reply, 400, "RestException", "amount stays");
    let reply = operator.call("DELETE", &amount, json!({})).await;
    is_refused(&reply, 400, "RestException", "null");
    let odd = json!({"value": "many", "type": "Integer"});
    let reply = operator.call("PUT", &amount, odd.clone()).await;
    is_refused(&reply, 400, "InvalidRequestException", "variables/amount");
    let body = json!({"modifications": {"paid": number, "amount": odd}});
    let reply = operator.call("POST", &several, body).await;
    is_refused(&reply, 400, "InvalidRequestException", "variables/amount");
    let body = json!({"value": 1, "typ": "Integer"});
    let reply = operator.call("PUT", &amount, body).await;
    is_refused(&reply, 400, "InvalidRequestException", "typ");
    for (method, path) in [("GET", "none"), ("GET", "amount/data")] {
        let reply = operator
            .call(method, &format!("{several}/{path}"), json!({}))
            .await;
        assert_eq!(reply.status, 404, "{path}: {}", reply.text);
    }
    assert_eq!(operator.sees(&several).await, before);

    operator.call("DELETE", &instance, json!({})).await;
    let reply = operator.call("PUT", &amount, number).await;
    is_refused(&reply, 400, "RestException", "");
}

#[store::db_test(migrations = migrations)]
async fn a_task_sets_what_is_the_processs_and_nothing_else(db: Db) {
    let house = House::open(db).await;
    let instance = started(&house).await;
    let operator = house.program("administrator").await;
    let (outer, inner) = (
        task(&operator, "outer").await,
        task(&operator, "inner").await,
    );
    let number = |value: Value| json!({"value": value, "type": "Integer"});
    for (path, value) in [(&outer, 900), (&inner, 800)] {
        let amount = format!("{path}/variables/amount");
        let set = operator.call("PUT", &amount, number(json!(value))).await;
        assert_eq!(set.status, 204, "{}", set.text);
        let seen = operator.sees(&amount).await;
        assert_eq!(seen["value"], json!(value));
        let seen = operator.sees(&format!("{instance}/variables/amount")).await;
        assert_eq!(seen["value"], json!(value));
    }
    let body = json!({"modifications": {"own": number(json!(5)), "amount": number(json!(5))}});
    let reply = operator
        .call("POST", &format!("{inner}/variables"), body.clone())
        .await;
    is_refused(&reply, 400, "RestException", "“own”");
    assert_eq!(
        operator.sees(&format!("{inner}/variables/own")).await["value"],
        json!(1)
    );
    operator.does(&format!("{outer}/variables"), body).await;
    let seen = operator
        .sees(&format!("{outer}/form-variables?variableNames=own,none"))
        .await;
    assert_eq!(
        seen,
        json!({"own": {"value": 5, "type": "Integer", "valueInfo": {}}})
    );
    let reply = operator
        .call("DELETE", &format!("{outer}/variables/amount"), json!({}))
        .await;
    is_refused(&reply, 400, "RestException", "amount stays");
    // Who may complete a task may not change the process behind others' backs.
    let clerk = house.program("clerk").await;
    let amount = format!("{outer}/variables/amount");
    let reply = clerk.call("PUT", &amount, number(json!(1))).await;
    is_refused(&reply, 403, "AuthorizationException", "");
    operator.does(&format!("{outer}/complete"), json!({})).await;
    let reply = operator.call("PUT", &amount, number(json!(1))).await;
    is_refused(&reply, 404, "InvalidRequestException", "");
}

#[store::db_test(migrations = migrations)]
async fn a_signal_reaches_what_waits_for_it(db: Db) {
    let house = House::open(db).await;
    let instance = started(&house).await;
    let program = house.program("integrator").await;
    let standing = "/engine-rest/process-instance/count?activityIdIn=c";
    assert_eq!(program.sees(standing).await, json!({"count": 1}));
    let body = json!({"name": "storm", "variables": {"wind": {"value": 11, "type": "Integer"}},
        "executionId": null, "tenantId": null});
    let sent = program.call("POST", "/engine-rest/signal", body).await;
    assert_eq!(sent.status, 204, "{}", sent.text);
    assert_eq!(program.sees(standing).await, json!({"count": 0}));
    let wind = program.sees(&format!("{instance}/variables/wind")).await;
    assert_eq!(wind["value"], json!(11));
    // Nobody waits any more, which is no mistake of the sender.
    let again = json!({"name": "storm"});
    let sent = program.call("POST", "/engine-rest/signal", again).await;
    assert_eq!(sent.status, 204, "{}", sent.text);
    for (body, says) in [
        (json!({}), "name"),
        (json!({"name": "storm", "executionId": "x"}), "executionId"),
        (json!({"name": "storm", "tenantId": "x"}), "tenantId"),
    ] {
        let reply = program.call("POST", "/engine-rest/signal", body).await;
        is_refused(&reply, 400, "InvalidRequestException", says);
    }
    let clerk = house.program("clerk").await;
    let body = json!({"name": "storm"});
    let reply = clerk.call("POST", "/engine-rest/signal", body).await;
    is_refused(&reply, 403, "AuthorizationException", "");
}
