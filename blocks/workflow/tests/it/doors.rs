//! The doors for programs, `/api/process/…`, through the router on both databases.

use std::sync::Arc;

use serde_json::{Value, json};
use store::Db;

use crate::{
    house::{House, ORG, Program, migrations},
    model::{file, flows, process},
};

/// Waits for a message, then has a task for clerks and one for workers.
fn order() -> String {
    file(&format!(
        r#"<message id="m" name="paid"/><signal id="sg" name="closing"/><message id="m2" name="ordered"/>
        <process id="order" name="订单" isExecutable="true">
          <startEvent id="s"/><startEvent id="by-message"><messageEventDefinition messageRef="m2"/></startEvent>
          <intermediateCatchEvent id="wait" tongban:correlation="order_id"><messageEventDefinition messageRef="m"/></intermediateCatchEvent>
          <userTask id="review" name="审查" tongban:candidates="clerk@{ORG}"/>
          <boundaryEvent id="b" attachedToRef="review"><signalEventDefinition signalRef="sg"/></boundaryEvent>
          <serviceTask id="ship" tongban:topic="shipping"/>
          <endEvent id="e"/><endEvent id="e2"/>{}
        </process>"#,
        flows("s>wait>review>ship>e; by-message>wait; b>e2")
    ))
}

async fn deploy(program: &Program<'_>, xml: String) -> Value {
    let reply = program
        .send("POST", "/api/process/definitions", "application/xml", xml)
        .await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.body
}

async fn start(program: &Program<'_>, key: Value, order_id: i64) -> String {
    let body = json!({"key": "order", "business_key": key, "variables": {"order_id": order_id}});
    let started = program.does("/api/process/instances", body).await;
    started["id"].as_str().unwrap().to_owned()
}

#[store::db_test(migrations = migrations)]
async fn a_program_takes_an_order_from_start_to_end(db: Db) {
    let house = House::open(db).await;
    let (administrator, program) = (
        house.program("administrator").await,
        house.program("integrator").await,
    );
    let deployed = deploy(&administrator, order()).await;
    assert_eq!(
        (&deployed["key"], &deployed["version"], &deployed["is_new"]),
        (&json!("order"), &json!(1), &json!(true))
    );
    let id = start(&program, json!("A-17"), 7).await;
    let listed = program
        .sees("/api/process/instances?key=order&business_key=A-17&status=running")
        .await;
    assert_eq!(listed["items"][0]["id"], json!(id));
    assert_eq!(listed["items"][0]["subject"], json!("business:A-17"));

    let paid = json!({"name": "paid", "key": 7, "variables": {"paid": 5}});
    let reached = program.does("/api/process/messages", paid).await;
    assert_eq!(reached, json!({"instance": id, "is_start": false}));
    let tasks = program
        .sees(&format!("/api/process/tasks?instance={id}"))
        .await;
    let task = &tasks["items"][0];
    assert_eq!(
        (&task["element"], &task["is_free"]),
        (&json!("review"), &json!(true))
    );
    let path = format!(
        "/api/process/tasks/{}/complete",
        task["id"].as_str().unwrap()
    );
    // It is not the program's task, and the program keeps no processes.
    assert_eq!(program.call("POST", &path, json!({})).await.status, 403);
    let clerk = house.program("clerk").await;
    clerk.does(&path, json!({"variables": {"ok": true}})).await;
    let again = clerk.call("POST", &path, json!({})).await;
    assert_eq!(
        (again.status.as_u16(), &again.body["rule"]),
        (409, &json!("workflow-task-already-done"))
    );

    let fetch =
        json!({"worker": "w", "max_tasks": 5, "topics": [{"name": "shipping", "lock": 1000}]});
    let fetched = program
        .does("/api/process/external-tasks/fetch", fetch)
        .await;
    assert_eq!(fetched[0]["variables"]["paid"], json!(5));
    let path = format!(
        "/api/process/external-tasks/{}/complete",
        fetched[0]["id"].as_str().unwrap()
    );
    program
        .does(&path, json!({"worker": "w", "variables": {"parcel": "P"}}))
        .await;
    let ended = program.sees(&format!("/api/process/instances/{id}")).await;
    assert_eq!(ended["status"], json!("completed"));
    let variables = program
        .sees(&format!("/api/process/instances/{id}/variables"))
        .await;
    assert_eq!(variables["parcel"], json!("P"));
    let trail = program
        .sees(&format!("/api/process/instances/{id}/trail"))
        .await;
    assert_eq!(trail["trail"], json!(["s", "wait", "review", "ship", "e"]));
}

#[store::db_test(migrations = migrations)]
async fn a_message_reaches_one_place_or_none(db: Db) {
    let house = House::open(db).await;
    deploy(&house.program("administrator").await, order()).await;
    let program = house.program("integrator").await;
    let send = async |body: Value| program.call("POST", "/api/process/messages", body).await;
    let refused = async |body: Value| {
        let reply = send(body).await;
        assert_eq!(reply.status, 409, "{}", reply.text);
        reply.body["rule"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        refused(json!({"name": "paid"})).await,
        "workflow-message-nobody"
    );
    let first = start(&program, json!("A"), 1).await;
    let second = start(&program, json!("B"), 2).await;
    assert_eq!(
        refused(json!({"name": "paid"})).await,
        "workflow-message-many"
    );
    assert_eq!(
        refused(json!({"name": "paid", "key": 3})).await,
        "workflow-message-nobody"
    );
    let reply = send(json!({"name": "paid", "business_key": "A"})).await;
    assert_eq!(reply.body["instance"], json!(first));
    let reply = send(json!({"name": "paid", "having": {"order_id": 2}})).await;
    assert_eq!(reply.body["instance"], json!(second));
    let began = send(json!({"name": "ordered", "business_key": "C"})).await;
    assert_eq!(began.body["is_start"], json!(true), "{}", began.text);
    let third = began.body["instance"].as_str().unwrap().to_owned();
    let live = program
        .sees(&format!("/api/process/instances/{third}/trail"))
        .await;
    assert_eq!(live["live"], json!(["wait"]));
    assert_eq!(send(json!({"name": " "})).await.status, 422);
}

#[store::db_test(migrations = migrations)]
async fn a_signal_is_heard_by_all_that_wait(db: Db) {
    let house = House::open(db).await;
    deploy(&house.program("administrator").await, order()).await;
    let program = house.program("integrator").await;
    for n in 1..=3 {
        start(&program, Value::Null, n).await;
    }
    for n in 1..=2 {
        program
            .does("/api/process/messages", json!({"name": "paid", "key": n}))
            .await;
    }
    let heard = program
        .does("/api/process/signals", json!({"name": "closing"}))
        .await;
    assert_eq!(heard, json!({"heard": 2, "started": 0}));
    let running = program.sees("/api/process/instances?status=running").await;
    assert_eq!(running["items"].as_array().unwrap().len(), 1);
}

#[store::db_test(migrations = migrations)]
async fn an_administrator_sets_right_what_stopped(db: Db) {
    let house = House::open(db).await;
    let administrator = house.program("administrator").await;
    let xml = process(&format!(
        r#"<startEvent id="s"/><serviceTask id="call" name="收费" tongban:call="fees" tongban:kind="${{kind}}"/><endEvent id="e"/>{}"#,
        flows("s>call>e")
    ));
    let definition = deploy(&administrator, xml).await["id"].clone();
    let program = house.program("integrator").await;
    let started = program
        .does("/api/process/instances", json!({"key": "p"}))
        .await;
    let id = started["id"].as_str().unwrap().to_owned();
    assert_eq!(started["incidents"], json!(1));
    let incidents = program.sees("/api/process/incidents?key=p").await;
    let incident = &incidents["items"][0];
    assert_eq!(
        (
            &incident["instance"],
            &incident["element"],
            &incident["name"]
        ),
        (&json!(id), &json!("call"), &json!("收费"))
    );
    assert!(incident["since"].is_string());
    assert!(
        incident["text"].as_str().unwrap().contains("kind"),
        "{incident}"
    );
    let statistics = program
        .sees(&format!(
            "/api/process/definitions/{}/statistics",
            definition.as_str().unwrap()
        ))
        .await;
    let at_call = &statistics.as_array().unwrap()[0];
    assert_eq!(
        (&at_call["live"], &at_call["incidents"]),
        (&json!(1), &json!(1))
    );

    let path = format!("/api/process/instances/{id}/variables");
    let variables = json!({"variables": {"kind": "a"}});
    assert_eq!(
        program.call("PATCH", &path, variables.clone()).await.status,
        403
    );
    let silent = administrator.call("PATCH", &path, variables).await;
    assert_eq!(silent.body["errors"][0]["field"], json!("reason"));
    let said = json!({"variables": {"kind": "a"}, "reason": "it was missing"});
    assert_eq!(administrator.call("PATCH", &path, said).await.status, 204);
    house.engine.register("fees", Arc::new(Free));
    let retried = administrator
        .does(
            "/api/process/incidents/retry",
            json!({"instances": [id, "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11"]}),
        )
        .await;
    assert_eq!(retried[0]["refused"], json!(""));
    assert_eq!(retried[1]["refused"], json!("process instance not found"));
    let ended = program.sees(&format!("/api/process/instances/{id}")).await;
    assert_eq!(ended["status"], json!("completed"));
    let cancel = format!("/api/process/instances/{id}/cancel");
    let late = administrator
        .call("POST", &cancel, json!({"reason": "late"}))
        .await;
    assert_eq!(late.body["rule"], json!("workflow-not-running"));
}

struct Free;

#[async_trait::async_trait]
impl workflow::ServiceHandler for Free {
    async fn call(&self, _: &store::Tx, _: &workflow::Call) -> kernel::Result<workflow::Outcome> {
        Ok(workflow::Outcome::Done(serde_json::Map::new()))
    }
}

#[store::db_test(migrations = migrations)]
async fn what_an_application_owns_is_acted_on_through_it(db: Db) {
    let house = House::open(db).await;
    let administrator = house.program("administrator").await;
    deploy(&administrator, order()).await;
    let engine = house.engine.clone();
    let id = house
        .db
        .write(move |tx| {
            let engine = engine.clone();
            let vars = crate::model::vars(json!({"order_id": 1}));
            async move { workflow::start(&tx, &engine, "order", "case:1", vars).await }
        })
        .await
        .unwrap();
    administrator
        .does("/api/process/messages", json!({"name": "paid"}))
        .await;
    let tasks = administrator
        .sees(&format!("/api/process/tasks?instance={id}"))
        .await;
    assert_eq!(tasks["items"][0]["is_free"], json!(false));
    let task = tasks["items"][0]["id"].as_str().unwrap();
    for (path, body) in [
        (format!("/api/process/tasks/{task}/complete"), json!({})),
        (
            format!("/api/process/instances/{id}/cancel"),
            json!({"reason": "x"}),
        ),
    ] {
        let reply = administrator.call("POST", &path, body).await;
        assert_eq!(reply.body["rule"], json!("workflow-task-owned"), "{path}");
    }
    let path = format!("/api/process/instances/{id}/variables");
    let hidden = administrator.get(&path).await;
    assert_eq!(hidden.body["rule"], json!("workflow-task-owned"));
}

#[store::db_test(migrations = migrations)]
async fn hostile_and_wrong_files_are_refused_with_findings(db: Db) {
    let house = House::open(db).await;
    let administrator = house.program("administrator").await;
    let send = async |xml: String| {
        administrator
            .send("POST", "/api/process/definitions", "application/xml", xml)
            .await
    };
    let bomb = r#"<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>"#;
    for xml in [
        bomb.to_owned(),
        "not xml".to_owned(),
        String::new(),
        process(
            r#"<startEvent id="s"/><endEvent id="e"/><sequenceFlow id="f" sourceRef="s" targetRef="x"/>"#,
        ),
        format!("<definitions>{}", "<a>".repeat(5_000)),
        format!("<definitions>{}</definitions>", " ".repeat(21 << 20)),
    ] {
        let reply = send(xml).await;
        assert_eq!(reply.status, 422, "{}", reply.text);
        let error = &reply.body["errors"][0];
        assert!(!error["message"].as_str().unwrap().is_empty(), "{error}");
    }
    let program = house.program("integrator").await;
    let reply = program
        .send(
            "POST",
            "/api/process/definitions",
            "application/xml",
            order(),
        )
        .await;
    assert_eq!(reply.status, 403);
    let listed = program.sees("/api/process/definitions").await;
    assert_eq!(listed["items"], json!([]));
    deploy(&administrator, order()).await;
    let second = deploy(&administrator, order().replace("订单", "订单2")).await;
    assert_eq!(second["version"], json!(2));
    let versions = program
        .sees("/api/process/definitions?key=order&limit=1")
        .await;
    assert_eq!(versions["items"][0]["version"], json!(2));
    let next = versions["next"].as_str().unwrap();
    let rest = program
        .sees(&format!("/api/process/definitions?key=order&after={next}"))
        .await;
    assert_eq!(rest["items"][0]["version"], json!(1));
    let xml = program
        .get(&format!("/api/process/definitions/{next}/xml"))
        .await;
    assert!(xml.text.contains("订单2"));
}

#[store::db_test(migrations = migrations)]
async fn a_body_that_is_a_list_begins_nothing(db: Db) {
    let house = House::open(db).await;
    let administrator = house.program("administrator").await;
    let program = house.program("integrator").await;
    deploy(&administrator, order()).await;
    let reply = program
        .call("POST", "/api/process/instances", json!(["order"]))
        .await;
    assert_eq!(reply.status, 422, "{}", reply.text);
    assert_eq!(reply.body["errors"][0]["field"], json!("body"));
    let path = "/engine-rest/process-definition/key/order/start";
    let reply = program.call("POST", path, json!([])).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    assert_eq!(reply.body["type"], json!("InvalidRequestException"));
    let all = program.sees("/api/process/instances").await;
    assert_eq!(all["items"], json!([]));
}

#[store::db_test(migrations = migrations)]
async fn a_filter_that_is_none_is_refused(db: Db) {
    let house = House::open(db).await;
    let program = house.program("integrator").await;
    for (path, field) in [
        ("/api/process/instances?status=open", "status"),
        ("/api/process/instances?after=1", "after"),
        ("/api/process/tasks?state=finished", "state"),
        ("/api/process/tasks?after=x", "after"),
        ("/api/process/external-tasks?state=running", "state"),
        ("/api/process/incidents?after=zz", "after"),
        ("/api/process/messages?after=zz", "after"),
        ("/api/process/definitions?after=order", "after"),
    ] {
        let reply = program.get(path).await;
        assert_eq!(reply.status, 422, "{path}: {}", reply.text);
        assert_eq!(reply.body["errors"][0]["field"], json!(field), "{path}");
    }
    program.sees("/api/process/instances?status=running").await;
    program.sees("/api/process/tasks?state=claimed").await;
}

#[store::db_test(migrations = migrations)]
async fn variables_beyond_all_bounds_are_refused(db: Db) {
    let house = House::open(db).await;
    let administrator = house.program("administrator").await;
    deploy(&administrator, order()).await;
    let program = house.program("integrator").await;
    let start =
        |size: usize| json!({"key": "order", "variables": {"order_id": 1, "x": "x".repeat(size)}});
    let large = program
        .call("POST", "/api/process/instances", start(17 << 20))
        .await;
    assert_eq!(large.status, 409, "{}", large.text);
    assert!(large.text.contains("16 MB"), "{}", large.text);
    let none = program.sees("/api/process/instances").await;
    assert_eq!(none["items"], json!([]));
    let fits = program
        .call("POST", "/api/process/instances", start(1 << 20))
        .await;
    assert_eq!(fits.status, 201, "{}", fits.text);
}

#[store::db_test(migrations = migrations)]
async fn only_those_whose_work_it_is_come_in(db: Db) {
    let house = House::open(db).await;
    let nobody = house.stranger(None);
    assert_eq!(nobody.get("/api/process/instances").await.status, 401);
    let clerk = house.program("clerk").await;
    for path in [
        "/api/process/definitions",
        "/api/process/instances",
        "/api/process/incidents",
        "/api/process/tasks",
        "/api/process/external-tasks",
    ] {
        assert_eq!(clerk.get(path).await.status, 403, "{path}");
    }
    let fetch = json!({"worker": "w", "max_tasks": 1, "topics": [{"name": "a", "lock": 1}]});
    let path = "/api/process/external-tasks/fetch";
    assert_eq!(clerk.call("POST", path, fetch).await.status, 403);
    // Basic authentication takes the login with its own token only.
    let token = house.token("integrator").await;
    for (login, status) in [("integrator", 200), ("administrator", 401)] {
        let basic = house.stranger(Some(basic(login, &token)));
        assert_eq!(basic.get("/api/process/instances").await.status, status);
    }
    for path in ["/api/process/instances", "/engine-rest/process-instance"] {
        let dead = house
            .stranger(Some("Bearer tb_dead".into()))
            .get(path)
            .await;
        assert_eq!(dead.body["status"], json!(401), "{path}: {}", dead.text);
    }
    let password = house.stranger(Some(basic("integrator", "secret")));
    assert_eq!(password.get("/api/process/instances").await.status, 401);
}

fn basic(login: &str, secret: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    format!("Basic {}", STANDARD.encode(format!("{login}:{secret}")))
}

#[store::db_test(migrations = migrations)]
async fn a_model_comes_back_as_it_was_sent(db: Db) {
    let house = House::open(db).await;
    let administrator = house.program("administrator").await;
    // Prefixes, comments, foreign extensions, a diagram and odd spaces of another maker.
    let sent = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- made elsewhere -->
<b:definitions xmlns:b="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:di="http://www.omg.org/spec/BPMN/20100524/DI"
  xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" xmlns:x="urn:foreign"   targetNamespace='urn:t' id="d" x:tool="&quot;A&quot;">
	<b:process id="foreign" name="外来 &amp; 原样" isExecutable="true">
		<b:extensionElements><x:note kind="a">  two  spaces <![CDATA[<raw>]]></x:note></b:extensionElements>
		<b:startEvent id="s"/><b:endEvent id="e"/>
		<b:sequenceFlow id="f" sourceRef="s" targetRef="e"/>
	</b:process>
	<di:BPMNDiagram id="g"><di:BPMNPlane id="p" bpmnElement="foreign"><di:BPMNShape id="sh" bpmnElement="s"><dc:Bounds x="1.5" y="2" width="36" height="36"/></di:BPMNShape></di:BPMNPlane></di:BPMNDiagram>
</b:definitions>
"#;
    let deployed = deploy(&administrator, sent.to_owned()).await;
    let id = deployed["id"].as_str().unwrap();
    let back = administrator
        .get(&format!("/api/process/definitions/{id}/xml"))
        .await;
    assert_eq!(back.text, sent);
}
