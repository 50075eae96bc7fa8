//! Doors of deadlines and of migration, and the page that shows a deadline day by day.

use std::sync::Arc;

use identity::{Actor, Party, PartyId, PartyKind};
use serde_json::{Value, json};
use store::Db;
use workflow::{Filter, InstanceId};

use crate::{
    model::{flows, process},
    pages::{House, house, migrations, officer},
};

fn limited(days: u32, name: &str) -> String {
    process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><userTask id="t" name="{name}" tongban:candidates="examiner" tongban:days="{days}" tongban:remind="1d"/>{}"#,
        flows("s>t>e")
    ))
    .replace("<process ", r#"<process tongban:hours="40" "#)
}

async fn counted(db: Db) -> (House, InstanceId) {
    let house = house(db);
    let known = crate::durable::calendar();
    house
        .engine
        .use_calendars(Arc::new(move |_| Ok(known.clone())));
    house.deploy("limited", limited(5, "审查")).await;
    let id = house
        .start("limited", json!({"org": "11330000000000000A"}))
        .await;
    (house, id)
}

async fn task(house: &House, id: InstanceId) -> workflow::Task {
    let filter = Filter {
        instance: Some(id),
        ..Filter::default()
    };
    let page = store::page::PageRequest::default();
    let mut tasks = workflow::tasks(&house.db, &filter, &page).await.unwrap();
    tasks.items.remove(0)
}

async fn json_at(house: &House, actor: &Actor, path: &str) -> (u16, Value) {
    let (status, body) = house.get(actor, path).await;
    (status, serde_json::from_str(&body).unwrap_or_default())
}

#[store::db_test(migrations = migrations)]
async fn a_deadline_is_told_day_by_day(db: Db) {
    let (house, id) = counted(db).await;
    let task = task(&house, id).await.facts.task;
    let path = format!("/api/workflow/tasks/{task}/deadline");
    let (status, told) = json_at(&house, &officer("examiner"), &path).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["limit"], json!({"days": 5}));
    assert_eq!(told["due_at"], "2026-03-09T16:00:00Z");
    let days = told["days"].as_array().unwrap();
    assert_eq!(days.len(), 8);
    assert_eq!(
        days[5],
        json!({"date": "2026-03-07", "counted": 0, "total": 4, "why": "weekend"})
    );
    assert_eq!(told["marks"][0]["mark"], "1d");
    let whole = format!("/api/workflow/instances/{id}/deadline");
    let (_, told) = json_at(&house, &officer("examiner"), &whole).await;
    assert_eq!(told["office_hours"], "09:00-12:00,13:00-18:00");
    assert_eq!(told["days"].as_array().unwrap().len(), 5);
    let citizen = Actor {
        own: Some(Party {
            id: PartyId::new(&kernel::SystemClock),
            kind: PartyKind::Natural,
            name: "韩梅梅".into(),
            code: String::new(),
            phone: String::new(),
            address: String::new(),
        }),
        posts: Vec::new(),
        ..officer("examiner")
    };
    assert_eq!(house.get(&citizen, &path).await.0, 403);
    let nobody = "00000000-0000-7000-8000-000000000000";
    let missing = format!("/api/workflow/tasks/{nobody}/deadline");
    assert_eq!(house.get(&officer("examiner"), &missing).await.0, 404);

    let page = format!("/processes/instances/{id}");
    let (status, page) = house.get(&officer("operator"), &page).await;
    assert_eq!(status, 200);
    for words in [
        "期限逐日计算",
        "2026年3月7日",
        "周末",
        "办理期限：5 个工作日",
        "8:00",
    ] {
        assert!(page.contains(words), "{words} in {page}");
    }
}

/// Where an installation lets fewer people read how processes run.
#[store::db_test(migrations = migrations)]
async fn who_may_see_a_task_may_see_how_its_time_was_counted(db: Db) {
    let (house, id) = counted(db).await;
    let narrow = r#"forbid (principal, action == Action::"workflow.instance.read", resource);"#;
    let policies = workflow::POLICIES.iter().copied();
    house
        .gate
        .load(policies.chain([("narrow.cedar", narrow)]))
        .unwrap();
    let task = task(&house, id).await.facts.task;
    let path = format!("/api/workflow/tasks/{task}/deadline");
    let (status, told) = json_at(&house, &officer("examiner"), &path).await;
    assert_eq!((status, &told["limit"]), (200, &json!({"days": 5})));
    assert_eq!(house.get(&officer("clerk"), &path).await.0, 403);
    let whole = format!("/api/workflow/instances/{id}/deadline");
    assert_eq!(house.get(&officer("examiner"), &whole).await.0, 403);
}

#[store::db_test(migrations = migrations)]
async fn operators_migrate_and_import_and_nobody_else(db: Db) {
    let (house, id) = counted(db).await;
    let from = task(&house, id).await.facts.definition;
    house.deploy("limited", limited(3, "核查")).await;
    let listed = house
        .start("limited", json!({"org": "11330000000000000A"}))
        .await;
    let to = task(&house, listed).await.facts.definition;
    let wanted = json!({"from": from, "to": to}).to_string();
    let send = |post: &'static str, path: &'static str, body: String| {
        let house = &house;
        async move {
            let (status, body, _) = house
                .post(&officer(post), path, "application/json", body)
                .await;
            (
                status,
                serde_json::from_str::<Value>(&body).unwrap_or_default(),
            )
        }
    };
    let import = json!({"definition": to, "subject": "case:9", "at": ["t"], "variables": {"org": "11330000000000000A"}});
    for (path, body) in [
        ("/api/workflow/migrations/check", wanted.clone()),
        ("/api/workflow/migrations", wanted.clone()),
        ("/api/workflow/instances/import", import.to_string()),
    ] {
        assert_eq!(send("examiner", path, body).await.0, 403, "{path}");
    }
    let (status, report) = send("operator", "/api/workflow/migrations/check", wanted.clone()).await;
    assert_eq!(status, 200, "{report}");
    assert_eq!(
        report["difference"]["changed"][0]["what"],
        json!(["name", "attributes"])
    );
    assert_eq!(report["instances"][0]["problems"], json!([]));
    assert_eq!(task(&house, id).await.facts.definition, from);
    let (status, report) = send("operator", "/api/workflow/migrations", wanted).await;
    assert_eq!(
        (status, &report["instances"][0]["instance"]),
        (200, &json!(id))
    );
    assert_eq!(task(&house, id).await.facts.definition, to);
    let unknown = json!({"from": "nobody:1:x", "to": to}).to_string();
    assert_eq!(
        send("operator", "/api/workflow/migrations", unknown)
            .await
            .0,
        404
    );

    let (status, imported) = send(
        "operator",
        "/api/workflow/instances/import",
        import.to_string(),
    )
    .await;
    assert_eq!(status, 201, "{imported}");
    let id: InstanceId = imported["instance"].as_str().unwrap().parse().unwrap();
    assert_eq!(task(&house, id).await.facts.subject, "case:9");
    let nowhere = json!({"definition": to, "subject": "case:9", "at": ["nobody"]}).to_string();
    let (status, said) = send("operator", "/api/workflow/instances/import", nowhere).await;
    assert_eq!(status, 409, "{said}");
}
