//! What the Camunda doors tell of the past: tasks, steps and variables of running and ended
//! instances.

use std::sync::Arc;

use chrono::Duration;
use kernel::ManualClock;
use serde_json::{Value, json};
use store::Db;

use crate::{
    house::{House, ORG, Program, migrations},
    model::{file, flows},
    queries::{all, number},
};

fn claim() -> String {
    file(&format!(
        r#"<process id="claim" isExecutable="true"><startEvent id="s"/>
          <userTask id="review" name="Review" camunda:candidateGroups="clerk@{ORG}" camunda:dueDate="${{until}}"/>
          <userTask id="sign" name="Signature" camunda:assignee="clerk"/><endEvent id="e"/>{}</process>"#,
        flows("s>review>sign>e")
    ))
}

/// Of three claims the first was reviewed, the second cancelled, the third is as it came; a minute
/// lies between all that.
async fn claims(house: &House, clock: &ManualClock) -> Vec<String> {
    let administrator = house.program("administrator").await;
    let deployed = administrator.deploys(claim()).await;
    assert_eq!(deployed.status, 200, "{}", deployed.text);
    let (program, clerk) = (
        house.program("integrator").await,
        house.program("clerk").await,
    );
    let mut ids = Vec::new();
    for n in 1..=3 {
        clock.advance(Duration::minutes(1));
        let body = json!({"businessKey": format!("H-{n}"), "variables": {
            "until": {"value": format!("2030-01-0{n}T12:00:00Z")}, "amount": {"value": n}}});
        let path = "/engine-rest/process-definition/key/claim/start";
        let started = program.does(path, body).await;
        ids.push(started["id"].as_str().unwrap().to_owned());
    }
    clock.advance(Duration::minutes(1));
    let path = format!("/engine-rest/task?processInstanceId={}", ids[0]);
    let tasks = program.sees(&path).await;
    let review = format!("/engine-rest/task/{}", tasks[0]["id"].as_str().unwrap());
    clerk.does(&format!("{review}/claim"), json!({})).await;
    clerk.does(&format!("{review}/complete"), json!({})).await;
    clock.advance(Duration::minutes(1));
    let path = format!("/engine-rest/process-instance/{}", ids[1]);
    let cancelled = administrator.call("DELETE", &path, json!({})).await;
    assert_eq!(cancelled.status, 204, "{}", cancelled.text);
    ids
}

#[store::db_test(migrations = migrations)]
async fn tasks_of_the_past_are_found(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db).await;
    let ids = claims(&house, &clock).await;
    let program = house.program("integrator").await;
    for (query, expected) in [
        ("", 4),
        ("finished=true", 2),
        ("unfinished=true", 2),
        ("finished=true&unfinished=true", 0),
        ("taskAssignee=clerk", 2),
        ("taskAssignee=clerk&finished=true", 1),
        ("taskAssignee=nobody", 0),
        ("assigned=true", 2),
        ("unassigned=true", 2),
        ("processFinished=true", 1),
        ("processUnfinished=true", 3),
        ("taskDefinitionKey=review", 3),
        ("taskDefinitionKeyIn=sign,none", 1),
        ("taskName=review", 3),
        ("taskName=rev%25", 0),
        ("taskNameLike=%25nat%25", 1),
        ("processInstanceBusinessKey=H-1", 2),
        ("processInstanceBusinessKeyIn=H-2,H-3", 2),
        ("processInstanceBusinessKeyLike=h-%25", 4),
        ("processDefinitionKey=claim&withoutTenantId=true", 4),
        ("processDefinitionKey=none", 0),
        ("taskDueDate=2030-01-02T12:00:00.000%2B0000", 1),
        ("taskDueDateAfter=2030-01-01T12:00:00.000%2B0000", 2),
        ("taskDueDateBefore=2030-01-02T12:00:00.000%2B0000", 1),
        ("withoutTaskDueDate=true", 1),
        ("startedAfter=2020-01-01T00:00:00.000%2B0800", 4),
        ("finishedAfter=2020-01-01T00:00:00.000%2B0800", 2),
        ("finishedBefore=2020-01-01T00:00:00.000%2B0800", 0),
    ] {
        let asked = format!("history/task?{query}");
        assert_eq!(number(&program, &asked).await, expected, "{query}");
    }
    let path = "/engine-rest/history/task?sortBy=endTime&sortOrder=asc";
    let found = program.sees(path).await;
    let why = all(&found, "deleteReason");
    assert_eq!(why, ["completed", "deleted", "", ""]);
    let (review, of) = (&found[0], all(&found, "processInstanceId"));
    assert_eq!(of[..2], ids[..2]);
    assert_eq!(review["assignee"], json!("clerk"));
    assert_eq!(review["duration"], json!(3 * 60_000));
    let body = json!({"processInstanceId": ids[0], "sorting": [{"sortBy": "startTime", "sortOrder": "asc"}]});
    let path = "/engine-rest/history/task?maxResults=1&firstResult=1";
    let found = program.does(path, body).await;
    assert_eq!(all(&found, "taskDefinitionKey"), ["sign"]);
    let whole = program.sees("/engine-rest/history/task").await;
    assert_eq!(
        all(&whole, "processInstanceId")[0],
        ids[0],
        "the newest first"
    );
}

#[store::db_test(migrations = migrations)]
async fn steps_are_ordered_and_bounded(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db).await;
    let ids = claims(&house, &clock).await;
    let program = house.program("integrator").await;
    let of = |query: &str| {
        format!(
            "history/activity-instance?processInstanceId={}{query}",
            ids[0]
        )
    };
    let whole = program.sees(&format!("/engine-rest/{}", of(""))).await;
    let moment = |n: usize, field: &str| whole[n][field].as_str().unwrap().replace('+', "%2B");
    let (begun, reviewed) = (moment(0, "startTime"), moment(1, "endTime"));
    for (query, expected) in [
        (String::new(), 3),
        ("&finished=true".into(), 2),
        ("&unfinished=true".into(), 1),
        ("&activityType=userTask".into(), 2),
        (format!("&startedAfter={begun}"), 1),
        (format!("&startedBefore={reviewed}"), 2),
        (format!("&finishedAfter={begun}"), 1),
        (format!("&finishedBefore={reviewed}"), 1),
    ] {
        assert_eq!(number(&program, &of(&query)).await, expected, "{query}");
    }
    for (sort, expected) in [
        ("activityId&sortOrder=asc", ["review", "s", "sign"]),
        ("activityName&sortOrder=desc", ["s", "sign", "review"]),
        ("endTime&sortOrder=desc", ["review", "s", "sign"]),
        ("endTime&sortOrder=asc", ["s", "review", "sign"]),
        ("duration&sortOrder=desc", ["review", "s", "sign"]),
        ("startTime&sortOrder=desc", ["sign", "s", "review"]),
        ("occurrence&sortOrder=desc", ["sign", "review", "s"]),
        ("instanceId&sortOrder=desc", ["s", "review", "sign"]),
    ] {
        let path = format!("/engine-rest/{}", of(&format!("&sortBy={sort}")));
        let found = program.sees(&path).await;
        assert_eq!(all(&found, "activityId"), expected, "{sort}");
    }
    let body = json!({"processInstanceId": ids[0], "finished": true,
        "sorting": [{"sortBy": "activityType", "sortOrder": "desc"}, {"sortBy": "startTime"}]});
    let path = "/engine-rest/history/activity-instance";
    let found = program.does(&format!("{path}?maxResults=1"), body).await;
    assert_eq!(all(&found, "activityId"), ["review"]);
}

async fn refuses(program: &Program<'_>, path: &str, body: Option<Value>, name: &str) {
    let path = format!("/engine-rest/history/{path}");
    let reply = match body {
        Some(body) => program.call("POST", &path, body).await,
        None => program.get(&path).await,
    };
    assert_eq!(
        (reply.status.as_u16(), &reply.body["type"]),
        (400, &json!("InvalidRequestException")),
        "{path}: {}",
        reply.text
    );
    let message = reply.body["message"].as_str().unwrap();
    assert!(message.contains(name), "{path}: {message}");
}

#[store::db_test(migrations = migrations)]
async fn variables_stay_after_the_end(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db).await;
    let ids = claims(&house, &clock).await;
    let program = house.program("integrator").await;
    let of = |query: &str| {
        format!(
            "history/variable-instance?processInstanceId={}{query}",
            ids[1]
        )
    };
    for (query, expected) in [
        ("", 2),
        ("&variableName=amount", 1),
        ("&variableNameIn=amount,none", 1),
        ("&variableNameLike=UN%25", 1),
        ("&variableName=none", 0),
        ("&deserializeValues=false&includeDeleted=false", 2),
    ] {
        assert_eq!(number(&program, &of(query)).await, expected, "{query}");
    }
    let path = format!(
        "/engine-rest/{}",
        of("&sortBy=variableName&sortOrder=desc&maxResults=1")
    );
    assert_eq!(all(&program.sees(&path).await, "name"), ["until"]);
    let body = json!({"processInstanceId": ids[1], "variableName": "amount"});
    let path = "/engine-rest/history/variable-instance?deserializeValues=false";
    let found = program.does(path, body).await;
    assert_eq!(
        (&found[0]["value"], &found[0]["type"]),
        (&json!(2), &json!("Integer"))
    );
}

#[store::db_test(migrations = migrations)]
async fn what_histories_do_not_know_is_refused_by_name(db: Db) {
    let house = House::open(db).await;
    let program = house.program("integrator").await;
    for path in ["activity-instance", "variable-instance"] {
        refuses(&program, path, None, "processInstanceId").await;
        refuses(&program, path, Some(json!({})), "processInstanceId").await;
        let count = format!("{path}/count");
        refuses(&program, &count, None, "processInstanceId").await;
        // An instance that is not there has done nothing.
        for id in ["00000000-0000-7000-8000-000000000000", "x"] {
            let asked = format!("history/{path}?processInstanceId={id}");
            assert_eq!(number(&program, &asked).await, 0);
        }
    }
    let of = "processInstanceId=00000000-0000-7000-8000-000000000000";
    for (path, name) in [
        ("process-instance", "executedActivityAfter"),
        ("process-instance", "variables"),
        ("activity-instance", "canceled"),
        ("activity-instance", "tenantIdIn"),
        ("task", "taskVariables"),
        ("task", "taskOwner"),
        ("task", "taskInvolvedUser"),
        ("variable-instance", "variableTypeIn"),
        ("variable-instance", "variableValue"),
    ] {
        refuses(&program, &format!("{path}?{of}&{name}=x"), None, name).await;
        let body = json!({"processInstanceId": "x", name: "x"});
        refuses(&program, path, Some(body), name).await;
    }
    for path in [
        "process-instance",
        "activity-instance",
        "task",
        "variable-instance",
    ] {
        refuses(
            &program,
            &format!("{path}?{of}&sortBy=size"),
            None,
            "sortBy",
        )
        .await;
        let order = format!("{path}?{of}&sortOrder=up");
        refuses(&program, &order, None, "sort").await;
    }
    let deleted = format!("variable-instance?{of}&includeDeleted=true");
    refuses(&program, &deleted, None, "true").await;
}
