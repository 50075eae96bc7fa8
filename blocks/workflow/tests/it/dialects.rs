//! What files of other engines say in their attributes, taken by running processes.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{Clock, ManualClock};
use serde_json::{Value, json};
use store::{Db, Tx};
use workflow::{Call, Outcome, ServiceHandler};

use crate::{
    house::{House, ORG, migrations},
    model::{auto, file, flows, process, run, vars},
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
        <camunda:property name="veto" value="chief"/>
        <camunda:property name="colour" value="red"/></camunda:properties></extensionElements></userTask>"#,
    );
    assert_eq!(
        ignored,
        [
            "<camunda:property name=\"assignee\">",
            "<camunda:property name=\"days\">",
            "<camunda:property name=\"veto\">"
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
fn tries_are_taken_over_as_far_as_they_are_understood() {
    let tried = |element: &str, cycle: &str| {
        read(&format!(
            r#"<{element} id="t" camunda:asyncBefore="true" camunda:delegateExpression="${{fees}}"><extensionElements>
            <camunda:failedJobRetryTimeCycle>{cycle}</camunda:failedJobRetryTimeCycle></extensionElements></{element}>"#
        ))
    };
    for cycle in [
        "R5/PT1M",
        "PT10M,PT1H",
        "${cycle}",
        "R${often}/PT1M",
        "#{a.b}",
    ] {
        let (ignored, attributes) = tried("serviceTask", cycle);
        assert_eq!(ignored.len(), 0, "{cycle}: {ignored:?}");
        assert_eq!(attributes["retries"], cycle);
    }
    for (element, cycle) in [("serviceTask", "${bean.cycle()}"), ("userTask", "R5/PT1M")] {
        let (ignored, attributes) = tried(element, cycle);
        let told = format!("<camunda:failedJobRetryTimeCycle>{cycle}");
        assert!(ignored.contains(&told), "{ignored:?}");
        assert!(!attributes.contains_key("retries"));
    }
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

/// The shape in which Camunda shows how an invoice is handled: lanes, forms, due dates counted from
/// now, groups from a decision, a Java class for the archive, a called review.
fn invoice() -> String {
    file(&format!(
        r#"<collaboration id="co"><participant id="pool" name="Invoices" processRef="invoice"/></collaboration>
        <process id="invoice" name="Invoice" isExecutable="true" camunda:versionTag="V1" camunda:historyTimeToLive="P30D">
          <laneSet id="lanes"><lane id="l1" name="Approver"><flowNodeRef>approve</flowNodeRef><flowNodeRef>approved</flowNodeRef></lane><lane id="l2" name="Accountant"><flowNodeRef>pay</flowNodeRef></lane></laneSet>
          <startEvent id="received" camunda:formKey="embedded:app:start.html"/>
          <businessRuleTask id="assign" camunda:decisionRef="approvers" camunda:mapDecisionResult="collectEntries" camunda:resultVariable="groups"/>
          <userTask id="approve" camunda:candidateGroups="${{groups}}" camunda:dueDate="${{dateTime().plusWeeks(1).toDate()}}" camunda:followUpDate="${{dateTime().plusDays(3)}}" camunda:formKey="embedded:app:approve.html"/>
          <exclusiveGateway id="approved"/>
          <callActivity id="review" calledElement="reviewing"><extensionElements><camunda:in variables="all"/><camunda:out source="clarified" target="clarified"/></extensionElements></callActivity>
          <exclusiveGateway id="clear"/>
          <userTask id="pay" camunda:candidateGroups="clerk@{ORG}" camunda:dueDate="${{dateTime().plusDays(3)}}" camunda:formKey="embedded:app:pay.html"/>
          <serviceTask id="archive" camunda:class="org.example.Archive" camunda:asyncBefore="true"/>
          <endEvent id="processed"/><endEvent id="refused"/>
          <sequenceFlow id="yes" sourceRef="approved" targetRef="pay"><conditionExpression xsi:type="tFormalExpression">${{approved}}</conditionExpression></sequenceFlow>
          <sequenceFlow id="no" sourceRef="approved" targetRef="review"><conditionExpression xsi:type="tFormalExpression">${{!approved}}</conditionExpression></sequenceFlow>
          <sequenceFlow id="still" sourceRef="clear" targetRef="refused"><conditionExpression xsi:type="tFormalExpression">${{clarified == 'no' || until &lt; now()}}</conditionExpression></sequenceFlow>
          <sequenceFlow id="again" sourceRef="clear" targetRef="approve"><conditionExpression xsi:type="tFormalExpression">${{clarified == 'yes' &amp;&amp; until &gt;= now()}}</conditionExpression></sequenceFlow>
          {}</process>
        <process id="reviewing" isExecutable="true"><startEvent id="rs"/><userTask id="look" camunda:assignee="${{creator}}" camunda:dueDate="${{dateTime().plusDays(1).toDate()}}"/><endEvent id="re"/>{}</process>"#,
        flows("received>assign>approve>approved; review>clear; pay>archive>processed"),
        flows("rs>look>re")
    ))
}

const APPROVERS: &str = r##"<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="d" name="d" namespace="t">
    <inputData id="i" name="amount"><variable name="amount" typeRef="number"/></inputData>
    <decision id="approvers" name="approvers"><variable name="approvers"/>
    <informationRequirement id="r"><requiredInput href="#i"/></informationRequirement>
    <literalExpression><text>if amount &gt; 100 then ["clerk@ORG"] else ["clerk@ORG"]</text></literalExpression></decision></definitions>"##;

#[store::db_test(migrations = migrations)]
async fn invoices_are_handled_as_camunda_shows_it(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db).await;
    let administrator = house.program("administrator").await;
    for (kind, file) in [("dmn", APPROVERS.replace("ORG", ORG)), ("bpmn", invoice())] {
        let deployed = administrator
            .send("POST", "/api/process/definitions", "application/xml", file)
            .await;
        assert_eq!(deployed.status, 201, "{kind}: {}", deployed.text);
    }
    let program = house.program("integrator").await;
    let until = Value::from("2031-01-01T00:00:00.000+0000");
    let body = json!({"variables": {"amount": {"value": 120}, "creator": {"value": "clerk"},
        "until": {"value": until, "type": "Date"}}});
    let path = "/engine-rest/process-definition/key/invoice/start";
    program.does(path, body).await;
    let clerk = house.program("clerk").await;
    let begun = clock.now();
    let due = async |element: &str, days: i64| {
        let tasks = program.sees("/engine-rest/task").await;
        assert_eq!(tasks.as_array().unwrap().len(), 1, "{tasks}");
        assert_eq!(tasks[0]["taskDefinitionKey"], json!(element));
        let expected = begun + chrono::Duration::days(days);
        let seconds = expected.format("%Y-%m-%dT%H:%M:%S").to_string();
        let due = tasks[0]["due"].as_str().unwrap();
        assert!(due.starts_with(&seconds), "{element}: {due}, not {seconds}");
        tasks[0]["id"].as_str().unwrap().to_owned()
    };
    let done = async |id: String, variables: Value| {
        let path = format!("/engine-rest/task/{id}");
        let claim = json!({"userId": "clerk"});
        clerk.call("POST", &format!("{path}/claim"), claim).await;
        let body = json!({"variables": variables});
        clerk.does(&format!("{path}/complete"), body).await;
    };
    let given = |name: &str, value: Value| json!({name: {"value": value}});
    done(due("approve", 7).await, given("approved", json!(false))).await;
    done(due("look", 1).await, given("clarified", json!("yes"))).await;
    done(due("approve", 7).await, given("approved", json!(true))).await;
    done(due("pay", 3).await, json!({})).await;
    // Java runs nowhere here: whoever operates it sees that, and at which step.
    let incidents = program.sees("/engine-rest/incident").await;
    assert_eq!(incidents[0]["activityId"], json!("archive"));
}

/// Timers and conditions count from the step, not from the moment at which somebody looks.
#[test]
fn conditions_and_timers_ask_for_the_moment_of_the_step() {
    let xml = process(&format!(
        r#"<startEvent id="s"/><userTask id="t"/><exclusiveGateway id="g" default="g-early"/><task id="late"/><task id="early"/>
        <intermediateCatchEvent id="c"><timerEventDefinition><timeDate>${{dateTime().plusHours(2).toDate()}}</timeDate></timerEventDefinition></intermediateCatchEvent>
        <endEvent id="e"/>{}"#,
        flows("s>t>g; g>late[${until < now()}]; g>early; late>c; early>c; c>e")
    ));
    let until = json!({"until": "2026-01-05T12:00:00Z"});
    let script = |wait: &str, rest: &str| {
        format!(r#"[{{"advance":"{wait}"}},{{"complete":"t"}},{{"advance":"{rest}"}}]"#)
    };
    let ran = run(&xml, until.clone(), &script("PT13H", "PT3H")).ends("completed");
    assert!(ran.entered().contains(&"late"));
    let ran = run(&xml, until, &script("PT11H", "PT1H")).ends("waiting");
    assert!(ran.entered().contains(&"early"));
    assert_eq!(ran.waiting(), ["c"]);
}
