//! What the Camunda doors answer to queries: parts of lists, filters, orders, and nothing to what
//! they do not know.

use serde_json::{Value, json};
use store::Db;

use crate::{
    house::{House, ORG, Program, migrations},
    model::{file, flows},
};

/// A task for clerks, and beside it one for workers.
fn claim() -> String {
    file(&format!(
        r#"<process id="claim" name="理赔" isExecutable="true"><startEvent id="s"/><parallelGateway id="g"/>
          <userTask id="review" name="Review of ${{what}}" camunda:candidateGroups="clerk@{ORG}" camunda:dueDate="${{until}}"/>
          <serviceTask id="score" camunda:type="external" camunda:topic="score" camunda:taskPriority="${{priority}}"/>
          <parallelGateway id="j"/><endEvent id="e"/>{}</process>"#,
        flows("s>g>review>j>e; g>score>j")
    ))
}

fn other() -> String {
    file(&format!(
        r#"<process id="other_one" name="Other" isExecutable="true"><startEvent id="s"/>
          <userTask id="wait" name="Waiting" camunda:assignee="clerk"/><endEvent id="e"/>{}</process>"#,
        flows("s>wait>e")
    ))
}

/// Five claims `Q-1` to `Q-5`, due on as many days of January 2030, and one of the other.
async fn city(house: &House) -> Vec<String> {
    let administrator = house.program("administrator").await;
    for xml in [claim(), other()] {
        let deployed = administrator.deploys(&xml).await;
        assert_eq!(deployed.status, 200, "{}", deployed.text);
    }
    let program = house.program("integrator").await;
    let mut ids = Vec::new();
    for n in 1..=5 {
        let body = json!({"businessKey": format!("Q-{n}"), "variables": {
            "until": {"value": format!("2030-01-0{n}T12:00:00Z")}, "what": {"value": "x"},
            "priority": {"value": n * 10}}});
        let path = "/engine-rest/process-definition/key/claim/start";
        let started = program.does(path, body).await;
        ids.push(started["id"].as_str().unwrap().to_owned());
    }
    let path = "/engine-rest/process-definition/key/other_one/start";
    program.does(path, json!({"businessKey": "R_1"})).await;
    ids
}

/// How many a query finds; what counts them says the same.
pub async fn number(program: &Program<'_>, path: &str) -> usize {
    let found = program.sees(&format!("/engine-rest/{path}")).await;
    let found = found.as_array().unwrap().len();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    if !query.contains("firstResult") {
        let count = format!("/engine-rest/{path}/count?{query}");
        let counted = program.sees(&count).await;
        assert_eq!(counted, json!({ "count": found }), "{count}");
    }
    found
}

/// One field of all that a query finds, in its order.
pub fn all(found: &Value, field: &str) -> Vec<String> {
    let found = found.as_array().unwrap().iter();
    found
        .map(|one| one[field].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[store::db_test(migrations = migrations)]
async fn programs_page_through_lists_to_their_end(db: Db) {
    let house = House::open(db).await;
    city(&house).await;
    let program = house.program("integrator").await;
    for (path, size) in [
        ("task", 6),
        ("process-instance", 6),
        ("history/process-instance", 6),
        ("external-task", 5),
        ("process-definition", 2),
    ] {
        let mut seen: Vec<String> = Vec::new();
        for first in (0..10).step_by(2) {
            let page = format!("/engine-rest/{path}?firstResult={first}&maxResults=2");
            let page = program.sees(&page).await;
            let expected = size_of(size, first);
            assert_eq!(
                page.as_array().unwrap().len(),
                expected,
                "{path} from {first}"
            );
            seen.extend(all(&page, "id"));
            if path != "process-definition" {
                let place = format!("/engine-rest/{path}?firstResult={first}&maxResults=2");
                assert_eq!(program.does(&place, json!({})).await, page, "{path}");
            }
        }
        let whole = program.sees(&format!("/engine-rest/{path}")).await;
        assert_eq!(seen, all(&whole, "id"), "{path}");
        assert_eq!(
            number(&program, &format!("{path}?firstResult=1000")).await,
            0
        );
    }
}

fn size_of(whole: usize, first: usize) -> usize {
    whole.saturating_sub(first).min(2)
}

#[store::db_test(migrations = migrations)]
async fn a_count_is_that_of_the_whole_list(db: Db) {
    let house = House::open(db).await;
    city(&house).await;
    let program = house.program("integrator").await;
    for (path, query, size) in [
        ("task", json!({"taskDefinitionKey": "review"}), 5),
        (
            "task",
            json!({"candidateUser": "clerk", "nameLike": "re%"}),
            5,
        ),
        (
            "process-instance",
            json!({"processDefinitionKey": "claim"}),
            5,
        ),
        ("process-instance", json!({"activityIdIn": ["wait"]}), 1),
        (
            "history/process-instance",
            json!({"processInstanceBusinessKeyIn": ["Q-1", "R_1"]}),
            2,
        ),
        (
            "external-task",
            json!({"priorityHigherThanOrEquals": 40}),
            2,
        ),
    ] {
        let path = format!("/engine-rest/{path}/count");
        let counted = program.does(&path, query.clone()).await;
        assert_eq!(counted, json!({ "count": size }), "{path} {query}");
        // Programs send the query with which they list.
        let mut listed = query;
        listed["sorting"] = json!([{"sortBy": "id", "sortOrder": "desc"}]);
        listed["maxResults"] = json!(1);
        assert_eq!(program.does(&path, listed).await, counted, "{path}");
        let odd = json!({"nonsense": true});
        let odd = program.call("POST", &path, odd).await;
        assert_eq!(odd.status, 400, "{path}: {}", odd.text);
    }
    let whole = program.sees("/engine-rest/task/count?maxResults=1").await;
    assert_eq!(whole, json!({"count": 6}));
}

#[store::db_test(migrations = migrations)]
async fn stopped_places_are_counted(db: Db) {
    let house = House::open(db).await;
    city(&house).await;
    let program = house.program("integrator").await;
    assert_eq!(number(&program, "incident").await, 0);
    let fetch = json!({"workerId": "w", "maxTasks": 3, "topics": [{"topicName": "score"}]});
    let path = "/engine-rest/external-task/fetchAndLock";
    let fetched = program.does(path, fetch).await;
    for task in fetched.as_array().unwrap() {
        let path = format!(
            "/engine-rest/external-task/{}/failure",
            task["id"].as_str().unwrap()
        );
        let failure = json!({"workerId": "w", "errorMessage": "down", "retries": 0});
        program.does(&path, failure).await;
    }
    let instance = fetched[0]["processInstanceId"].as_str().unwrap();
    for (query, expected) in [
        ("incident".to_owned(), 3),
        ("incident?processDefinitionKey=claim".to_owned(), 3),
        ("incident?processDefinitionKey=other_one".to_owned(), 0),
        (format!("incident?processInstanceId={instance}"), 1),
        ("incident?activityId=score".to_owned(), 3),
        ("incident?activityId=review".to_owned(), 0),
    ] {
        assert_eq!(number(&program, &query).await, expected, "{query}");
    }
}

#[store::db_test(migrations = migrations)]
async fn the_newest_of_each_key_is_told_from_older_ones(db: Db) {
    let house = House::open(db).await;
    city(&house).await;
    let administrator = house.program("administrator").await;
    let again = claim().replace("理赔", "再理赔");
    assert_eq!(administrator.deploys(&again).await.status, 200);
    let program = house.program("integrator").await;
    for (query, expected) in [
        ("process-definition", 3),
        ("process-definition?latestVersion=true", 2),
        ("process-definition?latestVersion=true&key=claim", 1),
        ("process-definition?latestVersion=true&version=1", 1),
        ("process-definition?key=claim&version=1", 1),
        (
            "process-definition?nameLike=%25%E7%90%86%E8%B5%94&latestVersion=true",
            1,
        ),
    ] {
        assert_eq!(number(&program, query).await, expected, "{query}");
    }
    let path = "/engine-rest/process-definition?key=claim&maxResults=1";
    assert_eq!(program.sees(path).await[0]["version"], json!(2));
}

#[store::db_test(migrations = migrations)]
async fn tasks_are_found_by_what_the_tables_know(db: Db) {
    let house = House::open(db).await;
    let ids = city(&house).await;
    let program = house.program("integrator").await;
    let in_january = "2030-01-0";
    for (query, expected) in [
        ("name=waiting", 1),
        ("name=wait%25", 0),
        ("nameLike=%25it%25", 1),
        ("nameLike=review%25", 5),
        ("taskDefinitionKeyLike=re%25", 5),
        ("taskDefinitionKeyIn=review,wait", 6),
        ("processDefinitionKeyIn=other_one,none", 1),
        ("processInstanceBusinessKeyLike=q-%25", 5),
        ("processInstanceBusinessKeyLike=R\\_%25", 1),
        ("processInstanceBusinessKeyIn=Q-1,Q-3", 2),
        ("assignee=clerk", 1),
        ("assigned=true", 1),
        ("unassigned=true", 5),
        ("candidateUser=clerk", 5),
        ("candidateUser=integrator", 0),
        ("candidateUser=nobody", 0),
        ("withoutDueDate=true", 1),
        ("suspended=true", 0),
        ("active=true&withoutTenantId=true", 6),
        ("createdBefore=2020-01-01T00:00:00.000%2B0800", 0),
        ("createdAfter=2020-01-01T00:00:00.000%2B0800", 6),
    ] {
        assert_eq!(
            number(&program, &format!("task?{query}")).await,
            expected,
            "{query}"
        );
    }
    for (query, expected) in [("dueBefore", 2), ("dueAfter", 2), ("dueDate", 1)] {
        let query = format!("task?{query}={in_january}3T12:00:00.000%2B0000");
        assert_eq!(number(&program, &query).await, expected, "{query}");
    }
    let group = format!("task?candidateGroups=none,clerk@{ORG}");
    assert_eq!(number(&program, &group).await, 5);
    let several = format!("task?processInstanceIdIn={},{}", ids[0], ids[1]);
    assert_eq!(number(&program, &several).await, 2);
    let none = json!({"processInstanceIdIn": []});
    assert_eq!(program.does("/engine-rest/task", none).await, json!([]));

    let latest = json!({"taskDefinitionKey": "review", "sorting": [{"sortBy": "dueDate", "sortOrder": "desc"}]});
    let found = program.does("/engine-rest/task?maxResults=2", latest).await;
    let instances = all(&found, "processInstanceId");
    assert_eq!(instances, [ids[4].clone(), ids[3].clone()]);
    let found = program.sees("/engine-rest/task?sortBy=dueDate").await;
    assert_eq!(found[0]["processInstanceId"], json!(ids[0]));
    assert_eq!(found[5]["due"], json!(null), "what is not due comes last");
}

#[store::db_test(migrations = migrations)]
async fn a_task_whose_clock_stands_still_is_suspended(db: Db) {
    let house = House::open(db).await;
    let (administrator, clerk) = (
        house.program("administrator").await,
        house.program("clerk").await,
    );
    let deployed = administrator.deploys(&other()).await;
    assert_eq!(deployed.status, 200, "{}", deployed.text);
    let program = house.program("integrator").await;
    let path = "/engine-rest/process-definition/key/other_one/start";
    program.does(path, json!({"businessKey": "S-1"})).await;
    let tasks = program.sees("/engine-rest/task").await;
    let task = tasks[0]["id"].as_str().unwrap();
    let why = json!({"ground": "supplement", "reason": "合成理由"});
    let path = format!("/api/workflow/tasks/{task}/suspend");
    let reply = clerk.call("POST", &path, why).await;
    assert!(reply.status.is_success(), "{}", reply.text);
    let found = program.sees("/engine-rest/task?suspended=true").await;
    assert_eq!(
        (&found[0]["id"], &found[0]["suspended"]),
        (&json!(task), &json!(true))
    );
    assert_eq!(number(&program, "task?active=true").await, 0);
}

#[store::db_test(migrations = migrations)]
async fn instances_and_definitions_are_found_by_what_is_known_of_them(db: Db) {
    let house = House::open(db).await;
    let ids = city(&house).await;
    let (administrator, program) = (
        house.program("administrator").await,
        house.program("integrator").await,
    );
    let ended = format!("/engine-rest/process-instance/{}", ids[0]);
    let reply = administrator.call("DELETE", &ended, json!({})).await;
    assert_eq!(reply.status, 204, "{}", reply.text);
    for (query, expected) in [
        ("process-instance?businessKeyLike=q-%25", 4),
        ("process-instance?processDefinitionKeyIn=claim,other_one", 5),
        ("process-instance?processDefinitionKeyNotIn=claim", 1),
        ("process-instance?activityIdIn=review", 4),
        ("process-instance?activityIdIn=wait,score", 5),
        ("process-instance?activityIdIn=revie", 0),
        ("process-instance?activityIdIn=review&firstResult=3", 1),
        ("process-instance?suspended=true", 0),
        ("history/process-instance?finished=true", 1),
        ("history/process-instance?unfinished=true", 5),
        ("history/process-instance?externallyTerminated=true", 1),
        (
            "history/process-instance?externallyTerminated=true&active=true",
            6,
        ),
        ("history/process-instance?completed=true", 0),
        (
            "history/process-instance?processInstanceBusinessKeyLike=%25-1",
            1,
        ),
        (
            "history/process-instance?startedAfter=2020-01-01T00:00:00.000%2B0800",
            6,
        ),
        (
            "history/process-instance?startedBefore=2020-01-01T00:00:00.000%2B0800",
            0,
        ),
        (
            "history/process-instance?finishedAfter=2020-01-01T00:00:00.000%2B0800",
            1,
        ),
        ("process-definition?keyLike=cl%25", 1),
        ("process-definition?keyLike=other\\_%25", 1),
        ("process-definition?nameLike=%25赔", 1),
        ("process-definition?name=other", 1),
        ("process-definition?keysIn=claim,none", 1),
        ("process-definition?version=2", 0),
        ("process-definition?latestVersion=true&active=true", 2),
    ] {
        let asked = query.replace('赔', "%E8%B5%94");
        assert_eq!(number(&program, &asked).await, expected, "{query}");
    }
    let both = format!("process-instance?processInstanceIds={},{}", ids[0], ids[1]);
    assert_eq!(number(&program, &both).await, 1);
    let path = "/engine-rest/history/process-instance?sortBy=businessKey&sortOrder=asc";
    assert_eq!(program.sees(path).await[0]["id"], json!(ids[0]));
    let path = "/engine-rest/process-definition?sortBy=key&sortOrder=desc";
    assert_eq!(program.sees(path).await[0]["key"], json!("other_one"));
    let path = format!(
        "/engine-rest/history/activity-instance?processInstanceId={}",
        ids[1]
    );
    let users = program.sees(&format!("{path}&activityType=userTask")).await;
    assert_eq!(all(&users, "activityId"), ["review"]);
    assert_eq!(
        program
            .sees(&format!("{path}&maxResults=1"))
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[store::db_test(migrations = migrations)]
async fn external_tasks_are_found_by_what_is_known_of_them(db: Db) {
    let house = House::open(db).await;
    let ids = city(&house).await;
    let program = house.program("integrator").await;
    let fetch = json!({"workerId": "w", "maxTasks": 2, "usePriority": true, "sorting": [],
        "topics": [{"topicName": "score", "lockDuration": 60_000, "withoutTenantId": false,
            "processDefinitionIdIn": null, "tenantIdIn": null, "processVariables": null}]});
    let path = "/engine-rest/external-task/fetchAndLock";
    let fetched = program.does(path, fetch).await;
    assert_eq!(fetched.as_array().unwrap().len(), 2);
    for (query, expected) in [
        ("locked=true", 2),
        ("notLocked=true", 3),
        ("workerId=w", 2),
        ("activityIdIn=score,none", 5),
        ("activityId=none", 0),
        ("priorityHigherThanOrEquals=30", 3),
        (
            "priorityHigherThanOrEquals=30&priorityLowerThanOrEquals=30",
            1,
        ),
        ("withRetriesLeft=true", 5),
        ("noRetriesLeft=true", 0),
        ("lockExpirationAfter=2020-01-01T00:00:00.000%2B0800", 2),
        ("lockExpirationBefore=2020-01-01T00:00:00.000%2B0800", 0),
    ] {
        let asked = format!("external-task?{query}");
        assert_eq!(number(&program, &asked).await, expected, "{query}");
    }
    let path = "/engine-rest/external-task?sortBy=taskPriority&sortOrder=desc&maxResults=1";
    assert_eq!(
        program.sees(path).await[0]["processInstanceId"],
        json!(ids[4])
    );
}

/// Ignored, such a parameter would be answered with what it was to leave out.
#[store::db_test(migrations = migrations)]
async fn a_field_that_is_null_was_left_out(db: Db) {
    let house = House::open(db).await;
    city(&house).await;
    let program = house.program("integrator").await;
    let all = program.does("/engine-rest/task", json!({})).await;
    let nulls = json!({"assigned": null, "unassigned": null, "sorting": null, "nameLike": null,
        "tenantIdIn": null});
    assert_eq!(program.does("/engine-rest/task", nulls).await, all);
    let fetch = json!({"workerId": "w", "maxTasks": 1, "usePriority": null, "topics": [
        {"topicName": "none", "lockDuration": 1000, "localVariables": null, "tenantIdIn": null}]});
    let path = "/engine-rest/external-task/fetchAndLock";
    assert_eq!(program.does(path, fetch).await, json!([]));
    // The value of a variable may well be null.
    let body = json!({"businessKey": null, "withVariablesInReturn": true, "variables": {
        "a": {"value": null, "type": "Null"}}});
    let path = "/engine-rest/process-definition/key/other_one/start";
    let started = program.does(path, body).await;
    assert_eq!(started["variables"]["a"]["value"], json!(null), "{started}");
    assert!(started["variables"].as_object().unwrap().contains_key("a"));
}

#[store::db_test(migrations = migrations)]
async fn what_is_not_known_is_refused_by_name(db: Db) {
    let house = House::open(db).await;
    let program = house.program("integrator").await;
    let refused = |reply: crate::house::Reply, name: &str| {
        let message = reply.body["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert_eq!(
            (reply.status.as_u16(), &reply.body["type"]),
            (400, &json!("InvalidRequestException")),
            "{name}: {}",
            reply.text
        );
        assert!(message.contains(name), "{name}: {message}");
    };
    for (path, name) in [
        ("task", "processVariables"),
        ("process-instance", "variables"),
        ("history/process-instance", "executedActivityIdIn"),
        ("history/activity-instance", "taskAssignee"),
        ("process-definition", "startableBy"),
        ("external-task", "tenantIdIn"),
        ("incident", "causeIncidentId"),
    ] {
        let asked = format!("/engine-rest/{path}?{name}=x");
        refused(program.get(&asked).await, name);
    }
    for path in [
        "task",
        "process-instance",
        "history/process-instance",
        "external-task",
    ] {
        let path = format!("/engine-rest/{path}");
        let body = json!({"orQueries": [{"name": "x"}]});
        refused(program.call("POST", &path, body).await, "orQueries");
        let asked = format!("{path}?deserialize=true");
        refused(program.call("POST", &asked, json!({})).await, "deserialize");
        refused(
            program.get(&format!("{path}?sortBy=nonsense")).await,
            "sortBy",
        );
        refused(
            program.get(&format!("{path}?maxResults=-1")).await,
            "maxResults",
        );
    }
    for (path, body, name) in [
        (
            "process-definition/key/p/start",
            json!({"startInstructions": []}),
            "startInstructions",
        ),
        (
            "process-definition/key/p/start",
            json!({"skipIoMappings": true}),
            "skipIoMappings",
        ),
        ("message", json!({"messageName": "m", "all": true}), "all"),
        (
            "message",
            json!({"messageName": "m", "localCorrelationKeys": {}}),
            "localCorrelationKeys",
        ),
        (
            "external-task/0/complete",
            json!({"workerId": "w", "nonsense": 1}),
            "nonsense",
        ),
    ] {
        let path = format!("/engine-rest/{path}");
        refused(program.call("POST", &path, body).await, name);
    }
    let soon = program.get("/engine-rest/task?dueBefore=soon").await;
    refused(soon, "soon");
    for topic in [
        json!({"topicName": "t", "lockDuration": 1000, "processVariables": {"a": 1}}),
        json!({"topicName": "t", "lockDuration": 1000, "processVariable": {}}),
        json!({"topicName": "t", "lockDuration": 1000, "tenantIdIn": ["a"]}),
    ] {
        let name = topic
            .as_object()
            .unwrap()
            .keys()
            .find(|key| !["topicName", "lockDuration"].contains(&key.as_str()));
        let name = name.unwrap().clone();
        let fetch = json!({"workerId": "w", "maxTasks": 1, "topics": [topic]});
        let path = "/engine-rest/external-task/fetchAndLock";
        refused(program.call("POST", path, fetch).await, &name);
    }
}
