//! What workers outside get first, and how often they may try.

use std::sync::Arc;

use kernel::calendar::{Calendar, Year};
use serde_json::{Value, json};
use store::Db;

use crate::{
    house::{House, ORG, Program, migrations},
    model::{file, flows},
};

fn topics() -> String {
    let task = |topic: &str| {
        format!(
            r#"<serviceTask id="{topic}" camunda:type="external" camunda:topic="{topic}" camunda:taskPriority="${{{topic}_priority}}"/>"#
        )
    };
    file(&format!(
        r#"<process id="p" isExecutable="true"><startEvent id="s"/><parallelGateway id="g"/>
          {}{}{}<parallelGateway id="j"/><endEvent id="e"/>{}</process>"#,
        task("pa"),
        task("pb"),
        task("pc"),
        flows("s>g>pa>j; g>pb>j; g>pc>j; j>e")
    ))
}

async fn start(program: &Program<'_>, priorities: [i64; 3]) {
    let [a, b, c] = priorities.map(|priority| json!({"value": priority}));
    let body = json!({"variables": {"pa_priority": a, "pb_priority": b, "pc_priority": c}});
    program
        .does("/engine-rest/process-definition/key/p/start", body)
        .await;
}

async fn fetch(program: &Program<'_>, most: u32, topics: &[&str]) -> Vec<Value> {
    let topics = topics
        .iter()
        .map(|topic| json!({"topicName": topic, "lockDuration": 60_000}));
    let body = json!({"workerId": "w", "maxTasks": most, "topics": topics.collect::<Vec<_>>()});
    let fetched = program
        .does("/engine-rest/external-task/fetchAndLock", body)
        .await;
    fetched.as_array().unwrap().clone()
}

#[store::db_test(migrations = migrations)]
async fn a_higher_priority_comes_first_whatever_the_topic(db: Db) {
    let house = House::open(db).await;
    let administrator = house.program("administrator").await;
    let deployed = administrator.deploys(&topics()).await;
    assert_eq!(deployed.status, 200, "{}", deployed.text);
    let program = house.program("integrator").await;
    start(&program, [0, 50, 20]).await;
    start(&program, [7, 40, 60]).await;
    let mut order = Vec::new();
    for most in [1, 1, 3, 9] {
        let tasks = fetch(&program, most, &["pa", "pb", "pc"]).await;
        order.push(
            tasks
                .iter()
                .map(|task| task["priority"].as_i64().unwrap())
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(order, [vec![60], vec![50], vec![40, 20, 7], vec![0]]);
}

#[store::db_test(migrations = migrations)]
async fn new_tries_after_an_incident_are_the_new_tasks(db: Db) {
    let house = House::open(db).await;
    let administrator = house.program("administrator").await;
    administrator.deploys(&topics()).await;
    let program = house.program("integrator").await;
    start(&program, [0, 0, 0]).await;
    let path = |task: &Value| {
        format!(
            "/engine-rest/external-task/{}",
            task["id"].as_str().unwrap()
        )
    };
    let first = fetch(&program, 1, &["pb"]).await.remove(0);
    let failure = json!({"workerId": "w", "errorMessage": "x", "retries": 0});
    program
        .does(&format!("{}/failure", path(&first)), failure)
        .await;
    let given = program
        .call(
            "PUT",
            &format!("{}/retries", path(&first)),
            json!({"retries": 3}),
        )
        .await;
    assert_eq!(given.status, 204, "{}", given.text);
    let again = fetch(&program, 1, &["pb"]).await.remove(0);
    assert_eq!(again["retries"], 3);
    let failure = json!({"workerId": "w", "errorMessage": "x"});
    program
        .does(&format!("{}/failure", path(&again)), failure)
        .await;
    let left = program.sees(&path(&again)).await;
    assert_eq!(left["retries"], 2);
    let incidents = program.sees("/engine-rest/incident").await;
    assert_eq!(incidents, json!([]));
}

/// Its task stays locked for it, and nothing has changed.
#[store::db_test(migrations = migrations)]
async fn a_worker_whose_next_step_is_refused_completes_later(db: Db) {
    let house = House::open(db).await;
    let xml = file(&format!(
        r#"<process id="p" isExecutable="true"><startEvent id="s"/>
        <serviceTask id="pa" camunda:type="external" camunda:topic="pa"/>
        <userTask id="t" tongban:candidates="clerk@{ORG}" tongban:days="3"/><endEvent id="e"/>{}</process>"#,
        flows("s>pa>t>e")
    ));
    let deployed = house.program("administrator").await.deploys(&xml).await;
    assert_eq!(deployed.status, 200, "{}", deployed.text);
    let program = house.program("integrator").await;
    start(&program, [0, 0, 0]).await;
    let task = fetch(&program, 1, &["pa"]).await.remove(0);
    let path = format!(
        "/engine-rest/external-task/{}/complete",
        task["id"].as_str().unwrap()
    );
    let done = json!({"workerId": "w", "variables": {"paid": {"value": true}}});
    let refused = program.call("POST", &path, done.clone()).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert!(fetch(&program, 1, &["pa"]).await.is_empty());
    let variables = format!(
        "/engine-rest/process-instance/{}/variables",
        task["processInstanceId"].as_str().unwrap()
    );
    assert_eq!(program.sees(&variables).await.get("paid"), None);

    let mut calendar = Calendar::default();
    for year in 2025..=2035 {
        let (off, work) = (Vec::new(), Vec::new());
        let provisional = false;
        let year = Year {
            year,
            provisional,
            off,
            work,
        };
        calendar.insert(&year).unwrap();
    }
    let calendar = Arc::new(calendar);
    let known = move |_: &str| Ok(calendar.clone());
    house.engine.use_calendars(Arc::new(known));
    let taken = program.call("POST", &path, done).await;
    assert_eq!(taken.status, 204, "{}", taken.text);
    let listed = house.program("clerk").await;
    let listed = listed.sees("/api/workflow/tasks").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}
