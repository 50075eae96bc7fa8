//! Several files in one deployment: all of them or none, what is called first, what is imported.

use serde_json::{Value, json};
use store::Db;

use crate::{
    house::{House, Program, Reply, migrations},
    model::{file, flows, process},
};

/// Posts files to the door of the other engine.
async fn deploy(program: &Program<'_>, files: &[(&str, &str)]) -> Reply {
    let mut body = String::new();
    for (name, text) in files {
        body.push_str("--x\r\nContent-Disposition: form-data; name=\"");
        body.push_str(&format!("{name}\"; filename=\"{name}\"\r\n"));
        body.push_str(&format!(
            "Content-Type: application/octet-stream\r\n\r\n{text}\r\n"
        ));
    }
    body.push_str("--x--\r\n");
    let kind = "multipart/form-data; boundary=x";
    program
        .send("POST", "/engine-rest/deployment/create", kind, body)
        .await
}

fn named(id: &str, body: &str) -> String {
    process(body).replace("id=\"p\"", &format!("id=\"{id}\""))
}

fn user(id: &str) -> String {
    named(
        id,
        &format!(
            r#"<startEvent id="s"/><userTask id="t"/><endEvent id="e"/>{}"#,
            flows("s>t>e")
        ),
    )
}

fn caller(id: &str, called: &str) -> String {
    named(
        id,
        &format!(
            r#"<startEvent id="s"/><callActivity id="c" calledElement="{called}"/><endEvent id="e"/>{}"#,
            flows("s>c>e")
        ),
    )
}

async fn known(program: &Program<'_>) -> Vec<String> {
    let seen = program.sees("/engine-rest/process-definition").await;
    let all = seen.as_array().unwrap().iter();
    all.map(|one| one["key"].as_str().unwrap().to_owned())
        .collect()
}

#[store::db_test(migrations = migrations)]
async fn one_refused_file_leaves_the_others_out(db: Db) {
    let house = House::open(db).await;
    let administrator = house.program("administrator").await;
    let broken = user("bad").replace("targetRef=\"e\"", "targetRef=\"zzz\"");
    let files = [("good.bpmn", user("good")), ("bad.bpmn", broken)];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let refused = deploy(&administrator, &files).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    let program = house.program("integrator").await;
    assert_eq!(known(&program).await, Vec::<String>::new());
}

#[store::db_test(migrations = migrations)]
async fn what_is_called_comes_first_and_pictures_are_left_aside(db: Db) {
    let house = House::open(db).await;
    let administrator = house.program("administrator").await;
    let (outer, inner, last) = (
        caller("outer", "inner"),
        caller("inner", "last"),
        user("last"),
    );
    let files = [
        ("outer.bpmn", outer.as_str()),
        ("inner.bpmn", inner.as_str()),
        ("last.bpmn", last.as_str()),
        ("form.form", "{}"),
        ("picture.PNG", "?"),
    ];
    let deployed = deploy(&administrator, &files).await;
    assert_eq!(deployed.status, 200, "{}", deployed.text);
    assert_eq!(
        deployed.body["deployedProcessDefinitions"]
            .as_object()
            .unwrap()
            .len(),
        3
    );
    let ignored: Vec<_> = deployed.body["ignored"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    let ignored: Vec<_> = ignored.iter().map(|one| &one["what"]).collect();
    assert_eq!(ignored, ["file form.form", "file picture.PNG"]);
    let program = house.program("integrator").await;
    program
        .does("/engine-rest/process-definition/key/outer/start", json!({}))
        .await;
    assert_eq!(program.sees("/engine-rest/incident").await, json!([]));
    let tasks = program.sees("/engine-rest/task").await;
    assert_eq!(tasks[0]["taskDefinitionKey"], json!("t"));
}

const IMPORT: &str = r#"<import importType="http://www.omg.org/spec/BPMN/20100524/MODEL" location="lib/common.bpmn" namespace="lib"/>"#;

#[store::db_test(migrations = migrations)]
async fn a_version_keeps_what_it_imports(db: Db) {
    let house = House::open(db).await;
    let administrator = house.program("administrator").await;
    let common = file(r#"<message id="M" name="hello"/>"#);
    let main = file(&format!(
        r#"{IMPORT}<process id="main" isExecutable="true"><startEvent id="s"/><receiveTask id="r" messageRef="l:M"/><endEvent id="e"/>{}</process>"#,
        flows("s>r>e")
    ))
    .replace("<definitions", r#"<definitions xmlns:l="lib""#);
    let files = [
        ("main.bpmn", main.as_str()),
        ("common.bpmn", common.as_str()),
    ];
    let deployed = deploy(&administrator, &files).await;
    assert_eq!(deployed.status, 200, "{}", deployed.text);

    // Another server has only the tables.
    let other = House::open(house.db.clone()).await;
    let program = other.program("integrator").await;
    let path = "/engine-rest/process-definition/key/main/start";
    program.does(path, json!({})).await;
    let message = json!({"messageName": "hello", "resultEnabled": true});
    let reached = program.does("/engine-rest/message", message).await;
    assert_eq!(reached[0]["execution"]["ended"], json!(true), "{reached}");
    let xml = program
        .sees("/engine-rest/process-definition/key/main/xml")
        .await;
    assert_eq!(xml["bpmn20Xml"], Value::from(main));
}

#[store::db_test(migrations = migrations)]
async fn a_decision_keeps_the_models_that_it_imports(db: Db) {
    let house = House::open(db).await;
    let administrator = house.program("administrator").await;
    let dmn = |name: &str, import: &str, requires: &str, text: &str| {
        format!(
            r#"<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="{name}" name="{name}" namespace="https://example.org/{name}">{import}
            <decision id="{name}-d" name="{name}"><variable name="{name}"/>{requires}<literalExpression><text>{text}</text></literalExpression></decision></definitions>"#
        )
    };
    let rate = dmn("rate", "", "", "7");
    // Found by its namespace: nothing says where it is.
    let import = r#"<import name="common" namespace="https://example.org/rate" importType="https://www.omg.org/spec/DMN/20191111/MODEL/"/>"#;
    let requires = r#"<informationRequirement><requiredDecision href="https://example.org/rate#rate-d"/></informationRequirement>"#;
    let fee = dmn("fee", import, requires, "common.rate * 3");
    let main = file(&format!(
        r#"<process id="main" isExecutable="true"><startEvent id="s"/><businessRuleTask id="b" tongban:decision="fee" tongban:result="due"/><receiveTask id="r"/><endEvent id="e"/>{}</process>"#,
        flows("s>b>r>e")
    ));
    let files = [
        ("main.bpmn", main.as_str()),
        ("fee.dmn", fee.as_str()),
        ("rate.dmn", rate.as_str()),
    ];
    let deployed = deploy(&administrator, &files).await;
    assert_eq!(deployed.status, 200, "{}", deployed.text);
    // Alone it cannot decide.
    let alone = deploy(&administrator, &[("fee.dmn", fee.as_str())]).await;
    assert_eq!(alone.status, 400, "{}", alone.text);
    let other = House::open(house.db.clone()).await;
    let program = other.program("integrator").await;
    let path = "/engine-rest/process-definition/key/main/start";
    let started = program.does(path, json!({})).await;
    let id = started["id"].as_str().unwrap();
    let due = program
        .sees(&format!("/engine-rest/process-instance/{id}/variables/due"))
        .await;
    assert_eq!(due["value"], json!(21));
}
