//! The Camunda 7 subset, through the router on both databases. The published worker client runs
//! against it in `tests/journeys/camunda.test.mjs`.

use serde_json::{Value, json};
use store::Db;

use crate::{
    house::{House, ORG, migrations},
    model::{file, flows},
};

fn loan() -> String {
    file(&format!(
        r#"<message id="m" name="documents"/><process id="loan" name="贷款" isExecutable="true">
          <startEvent id="s"/>
          <serviceTask id="score" camunda:type="external" camunda:topic="score"><extensionElements>
            <camunda:properties><camunda:property name="model" value="v2"/></camunda:properties></extensionElements></serviceTask>
          <userTask id="decide" name="审批" camunda:candidateGroups="clerk@{ORG}" camunda:formKey="decision"/>
          <receiveTask id="documents" messageRef="m"/><endEvent id="e"/>{}
        </process>"#,
        flows("s>score>decide>documents>e")
    ))
}

#[store::db_test(migrations = migrations)]
async fn scripts_of_another_engine_go_on_working(db: Db) {
    let house = House::open(db).await;
    let administrator = house.program("administrator").await;
    let deployed = administrator.deploys(&loan()).await;
    assert_eq!(deployed.status, 200, "{}", deployed.text);
    assert_eq!(deployed.body["name"], json!("orders"));
    let definitions = &deployed.body["deployedProcessDefinitions"];
    let definition = definitions.as_object().unwrap().values().next().unwrap();
    assert_eq!(
        (&definition["key"], &definition["name"]),
        (&json!("loan"), &json!("贷款"))
    );

    let program = house.program("integrator").await;
    let known = program
        .sees("/engine-rest/process-definition/key/loan")
        .await;
    assert_eq!(known["version"], json!(1));
    let body = json!({"businessKey": "L-1", "variables": {
        "amount": {"value": 1200, "type": "Integer"},
        "person": {"value": "{\"age\": 30}", "type": "Json"},
    }});
    let started = program
        .does("/engine-rest/process-definition/key/loan/start", body)
        .await;
    assert_eq!(
        (&started["ended"], &started["businessKey"]),
        (&json!(false), &json!("L-1"))
    );
    let id = started["id"].as_str().unwrap().to_owned();

    let fetch = json!({"workerId": "w", "maxTasks": 1, "usePriority": true, "topics": [
        {"topicName": "score", "lockDuration": 10_000, "includeExtensionProperties": true}]});
    let fetched = program
        .does("/engine-rest/external-task/fetchAndLock", fetch.clone())
        .await;
    let task = &fetched[0];
    assert_eq!(
        (&task["businessKey"], &task["extensionProperties"]["model"]),
        (&json!("L-1"), &json!("v2"))
    );
    let amount = &task["variables"]["amount"];
    assert_eq!(
        (&amount["value"], &amount["type"]),
        (&json!(1200), &json!("Integer"))
    );
    let path = format!(
        "/engine-rest/external-task/{}",
        task["id"].as_str().unwrap()
    );
    let foreign = program
        .call(
            "POST",
            &format!("{path}/complete"),
            json!({"workerId": "other"}),
        )
        .await;
    assert_eq!(
        (foreign.status.as_u16(), &foreign.body["type"]),
        (400, &json!("BadUserRequestException"))
    );
    let odd =
        json!({"workerId": "w", "variables": {"score": {"value": "many", "type": "Integer"}}});
    let odd = program.call("POST", &format!("{path}/complete"), odd).await;
    assert_eq!(odd.body["type"], json!("InvalidRequestException"));
    assert!(
        odd.body["message"]
            .as_str()
            .unwrap()
            .contains("variables/score")
    );
    let done = json!({"workerId": "w", "variables": {"score": {"value": 7.5, "type": "Double"}}});
    program.does(&format!("{path}/complete"), done).await;

    let tasks = program
        .does("/engine-rest/task", json!({"processInstanceId": id}))
        .await;
    let task = &tasks[0];
    assert_eq!(
        (
            &task["taskDefinitionKey"],
            &task["formKey"],
            &task["assignee"]
        ),
        (&json!("decide"), &json!("decision"), &json!(null))
    );
    let path = format!("/engine-rest/task/{}", task["id"].as_str().unwrap());
    let seen = program.sees(&format!("{path}/form-variables")).await;
    assert_eq!(seen["person"]["type"], json!("Json"));
    let claim = json!({"userId": "clerk"});
    let not_mine = program
        .call("POST", &format!("{path}/claim"), claim.clone())
        .await;
    assert_eq!(not_mine.body["type"], json!("AuthorizationException"));
    administrator.does(&format!("{path}/claim"), claim).await;
    assert_eq!(program.sees(&path).await["assignee"], json!("clerk"));
    let taken = json!({"userId": "integrator"});
    let taken = administrator
        .call("POST", &format!("{path}/claim"), taken)
        .await;
    assert_eq!(taken.body["type"], json!("TaskAlreadyClaimedException"));
    let answer = json!({"variables": {"outcome": {"value": "yes"}}});
    house
        .program("clerk")
        .await
        .does(&format!("{path}/complete"), answer)
        .await;

    let nobody = program
        .call(
            "POST",
            "/engine-rest/message",
            json!({"messageName": "unheard"}),
        )
        .await;
    assert_eq!(
        (nobody.status.as_u16(), &nobody.body["type"]),
        (400, &json!("MismatchingMessageCorrelationException"))
    );
    let message = json!({"messageName": "documents", "businessKey": "L-1", "resultEnabled": true});
    let reached = program.does("/engine-rest/message", message).await;
    assert_eq!(reached[0]["execution"]["id"], json!(id));
    let past = program
        .sees(&format!("/engine-rest/history/process-instance/{id}"))
        .await;
    assert_eq!(past["state"], json!("COMPLETED"));
    let activities = program
        .sees(&format!(
            "/engine-rest/history/activity-instance?processInstanceId={id}"
        ))
        .await;
    assert_eq!(activities.as_array().unwrap().len(), 5);
    let running = program.sees("/engine-rest/process-instance").await;
    assert_eq!(running, json!([]));
}

#[store::db_test(migrations = migrations)]
async fn failures_become_incidents_and_new_tries(db: Db) {
    let house = House::open(db).await;
    house.program("administrator").await.deploys(&loan()).await;
    let program = house.program("integrator").await;
    program
        .does("/engine-rest/process-definition/key/loan/start", json!({}))
        .await;
    let fetch = json!({"workerId": "w", "maxTasks": 1, "topics": [{"topicName": "score"}]});
    let fetched = program
        .does("/engine-rest/external-task/fetchAndLock", fetch.clone())
        .await;
    let id = fetched[0]["id"].as_str().unwrap().to_owned();
    let failure = json!({"workerId": "w", "errorMessage": "down", "retries": 0, "retryTimeout": 0});
    program
        .does(&format!("/engine-rest/external-task/{id}/failure"), failure)
        .await;
    let listed = program.sees("/engine-rest/external-task").await;
    assert_eq!(
        (&listed[0]["retries"], &listed[0]["errorMessage"]),
        (&json!(0), &json!("down"))
    );
    let incidents = program.sees("/engine-rest/incident").await;
    let incident = &incidents[0];
    assert_eq!(
        (
            &incident["activityId"],
            &incident["incidentType"],
            &incident["configuration"],
            &incident["incidentMessage"]
        ),
        (
            &json!("score"),
            &json!("failedExternalTask"),
            &json!(id),
            &json!("`score`: down")
        )
    );
    let retries = format!("/engine-rest/external-task/{id}/retries");
    let set = program.call("PUT", &retries, json!({"retries": 2})).await;
    assert_eq!(set.status, 204, "{}", set.text);
    let again = program
        .does("/engine-rest/external-task/fetchAndLock", fetch)
        .await;
    assert_eq!(again.as_array().unwrap().len(), 1);
    assert_eq!(program.sees("/engine-rest/incident").await, json!([]));
}

/// A task for workers beside one whose Java class runs nowhere.
fn doubtful() -> String {
    file(&format!(
        r#"<process id="doubtful" isExecutable="true"><startEvent id="s"/><parallelGateway id="g"/>
          <serviceTask id="score" camunda:type="external" camunda:topic="score"/>
          <serviceTask id="archive" camunda:class="org.example.Archive"/>
          <parallelGateway id="j"/><endEvent id="e"/>{}</process>"#,
        flows("s>g>score>j>e; g>archive>j")
    ))
}

#[store::db_test(migrations = migrations)]
async fn an_incident_says_whose_failure_it_is(db: Db) {
    let house = House::open(db).await;
    let deployed = house
        .program("administrator")
        .await
        .deploys(&doubtful())
        .await;
    assert_eq!(deployed.status, 200, "{}", deployed.text);
    let program = house.program("integrator").await;
    let path = "/engine-rest/process-definition/key/doubtful/start";
    program.does(path, json!({})).await;
    let fetch = json!({"workerId": "w", "maxTasks": 1, "topics": [{"topicName": "score"}]});
    let path = "/engine-rest/external-task/fetchAndLock";
    let fetched = program.does(path, fetch).await;
    let id = fetched[0]["id"].as_str().unwrap().to_owned();
    let failure = json!({"workerId": "w", "errorMessage": "down", "retries": 0});
    let path = format!("/engine-rest/external-task/{id}/failure");
    program.does(&path, failure).await;
    let both = program.sees("/engine-rest/incident").await;
    assert_eq!(both.as_array().unwrap().len(), 2, "{both}");
    for (kind, activity, configuration) in [
        ("failedExternalTask", "score", json!(id)),
        ("failedJob", "archive", json!(null)),
    ] {
        let path = format!("/engine-rest/incident?incidentType={kind}");
        let found = program.sees(&path).await;
        assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
        let incident = &found[0];
        assert_eq!(incident["incidentType"], json!(kind));
        assert_eq!(incident["activityId"], json!(activity));
        assert_eq!(incident["configuration"], configuration);
        assert_eq!(incident["rootCauseIncidentId"], incident["id"]);
        let counted = program
            .sees(&format!("/engine-rest/incident/count?incidentType={kind}"))
            .await;
        assert_eq!(counted, json!({"count": 1}));
        let id = incident["id"].as_str().unwrap();
        let path = format!("/engine-rest/incident?incidentId={id}");
        assert_eq!(program.sees(&path).await, found);
    }
    let listed = program.sees("/api/process/incidents").await;
    let failed = listed["items"].as_array().unwrap().iter();
    let failed: Vec<_> = failed.map(|one| &one["external_task"]).collect();
    assert!(failed.contains(&&json!(id)) && failed.contains(&&json!(null)));
}

#[store::db_test(migrations = migrations)]
async fn a_waiting_fetch_answers_as_soon_as_there_is_a_task(db: Db) {
    let house = House::open(db).await;
    house.program("administrator").await.deploys(&loan()).await;
    let program = house.program("integrator").await;
    let fetch = json!({"workerId": "w", "maxTasks": 1, "asyncResponseTimeout": 15_000,
        "topics": [{"topicName": "score", "lockDuration": 1000}]});
    let begun = std::time::Instant::now();
    let (fetched, _) = tokio::join!(
        program.does("/engine-rest/external-task/fetchAndLock", fetch),
        async {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            program
                .does("/engine-rest/process-definition/key/loan/start", json!({}))
                .await
        }
    );
    assert_eq!(fetched.as_array().unwrap().len(), 1);
    assert!(begun.elapsed() < std::time::Duration::from_secs(10));
}

#[store::db_test(migrations = migrations)]
async fn errors_have_the_form_that_clients_read(db: Db) {
    let house = House::open(db).await;
    let program = house.program("integrator").await;
    let nobody = house.stranger(None);
    for (reply, status, kind) in [
        (
            nobody.get("/engine-rest/task").await,
            401,
            "AuthenticationException",
        ),
        (
            house.program("clerk").await.get("/engine-rest/task").await,
            403,
            "AuthorizationException",
        ),
        (
            program
                .get("/engine-rest/process-definition/key/none")
                .await,
            404,
            "InvalidRequestException",
        ),
        (
            program
                .call(
                    "POST",
                    "/engine-rest/external-task/fetchAndLock",
                    json!({"topics": 3}),
                )
                .await,
            400,
            "InvalidRequestException",
        ),
        (
            program
                .call(
                    "POST",
                    "/engine-rest/process-definition/key/none/start",
                    json!({}),
                )
                .await,
            400,
            "RestException",
        ),
        (
            program.call("DELETE", "/engine-rest/task", json!({})).await,
            405,
            "RestException",
        ),
    ] {
        assert_eq!(
            (reply.status.as_u16(), &reply.body["type"]),
            (status, &Value::from(kind)),
            "{}",
            reply.text
        );
        assert!(!reply.body["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(
        nobody.sees("/engine-rest/engine").await,
        json!([{"name": "default"}])
    );
    let bad = house
        .program("administrator")
        .await
        .deploys("<definitions/>")
        .await;
    assert_eq!(bad.status, 400, "{}", bad.text);
}

#[store::db_test(migrations = migrations)]
async fn a_date_comes_back_as_a_date(db: Db) {
    let house = House::open(db).await;
    house.program("administrator").await.deploys(&loan()).await;
    let program = house.program("integrator").await;
    let date = json!({"value": "2026-01-01T00:00:00.000+0000", "type": "Date"});
    let text = json!({"value": "2026-01-01T00:00:00+00:00", "type": "String"});
    let body = json!({"variables": {"until": date, "said": text}});
    let path = "/engine-rest/process-definition/key/loan/start";
    let started = program.does(path, body).await;
    let is_same = |seen: &Value| {
        for (name, given) in [("until", &date), ("said", &text)] {
            let (value, kind) = (&seen[name]["value"], &seen[name]["type"]);
            assert_eq!((value, kind), (&given["value"], &given["type"]), "{seen}");
        }
    };
    let id = started["id"].as_str().unwrap();
    let path = format!("/engine-rest/process-instance/{id}/variables");
    is_same(&program.sees(&path).await);
    let fetch = json!({"workerId": "w", "maxTasks": 1, "topics": [{"topicName": "score", "lockDuration": 10_000}]});
    let path = "/engine-rest/external-task/fetchAndLock";
    let fetched = program.does(path, fetch).await;
    is_same(&fetched[0]["variables"]);
    // What came back is taken in again, in another zone.
    let path = format!(
        "/engine-rest/external-task/{}/complete",
        fetched[0]["id"].as_str().unwrap()
    );
    let done = json!({"workerId": "w", "variables": {"until": {"value": "2026-01-01T08:00:00.250+0800", "type": "Date"}}});
    program.does(&path, done).await;
    let tasks = program.sees("/engine-rest/task").await;
    let path = format!(
        "/engine-rest/task/{}/variables",
        tasks[0]["id"].as_str().unwrap()
    );
    let seen = program.sees(&path).await;
    let until = json!({"value": "2026-01-01T08:00:00.250+0800", "type": "Date", "valueInfo": {}});
    assert_eq!(seen["until"], until);
}

/// A conditional start event asks variables that somebody brings.
#[store::db_test(migrations = migrations)]
async fn a_condition_that_holds_begins_its_process(db: Db) {
    let house = House::open(db).await;
    let administrator = house.program("administrator").await;
    let start = |id: &str, condition: &str| {
        format!(
            r#"<startEvent id="{id}"><conditionalEventDefinition><condition>{condition}</condition></conditionalEventDefinition></startEvent>"#
        )
    };
    let xml = file(&format!(
        r#"<process id="flood" isExecutable="true">{}{}<userTask id="t" camunda:candidateGroups="clerk@{ORG}"/><endEvent id="e"/>{}</process>"#,
        start("high", "level &gt; 3"),
        start("rain", "rain = true"),
        flows("high>t; rain>t; t>e")
    ));
    let deployed = administrator.deploys(&xml).await;
    assert_eq!(deployed.status, 200, "{}", deployed.text);
    let other = administrator.deploys(&loan()).await;
    let definition = |reply: &Value| {
        let all = reply["deployedProcessDefinitions"].as_object().unwrap();
        all.keys().next().unwrap().clone()
    };
    let program = house.program("integrator").await;
    let ask = async |body: Value| program.does("/engine-rest/condition", body).await;
    let level = |level: i64| json!({"level": {"value": level, "type": "Integer"}});
    assert_eq!(ask(json!({"variables": level(3)})).await, json!([]));
    let begun = ask(json!({"variables": level(4), "businessKey": "F-1"})).await;
    assert_eq!(begun.as_array().map(Vec::len), Some(1));
    assert_eq!(
        (
            &begun[0]["definitionKey"],
            &begun[0]["businessKey"],
            &begun[0]["ended"]
        ),
        (&json!("flood"), &json!("F-1"), &json!(false))
    );
    let id = begun[0]["id"].as_str().unwrap();
    let known = program
        .sees(&format!("/engine-rest/process-instance/{id}/variables"))
        .await;
    assert_eq!(known["level"]["value"], json!(4));
    let both = json!({"variables": {"level": {"value": 9}, "rain": {"value": true}},
        "processDefinitionId": definition(&deployed.body)});
    assert_eq!(ask(both).await.as_array().map(Vec::len), Some(2));
    // What has no such start is a mistake where it is named.
    let named = json!({"variables": level(4), "processDefinitionId": definition(&other.body)});
    let refused = program.call("POST", "/engine-rest/condition", named).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["type"]),
        (400, &json!("InvalidRequestException"))
    );
    let clerk = house.program("clerk").await;
    let refused = clerk
        .call("POST", "/engine-rest/condition", json!({}))
        .await;
    assert_eq!(refused.status, 403);
}
