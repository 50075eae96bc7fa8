//! What is over goes after its time, and nothing else.

use std::sync::Arc;

use kernel::ManualClock;
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait, Statement};
use serde_json::json;
use store::{Db, schema::event};
use workflow::{
    Engine,
    prune::{Keep, prune},
};

use crate::{
    durable::{ORG, all, complete, deploy, officer, start},
    model::{flows, process},
};

fn one_task() -> String {
    process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><userTask id="t" tongban:candidates="examiner"/>{}"#,
        flows("s>t>e")
    ))
}

async fn rows(db: &Db, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) AS n FROM {table}");
    let row = db
        .read()
        .query_one_raw(Statement::from_string(
            db.read().get_database_backend(),
            sql,
        ))
        .await
        .unwrap();
    row.unwrap().try_get::<i64>("", "n").unwrap()
}

#[store::db_test(migrations = workflow::migrations)]
async fn instances_go_when_they_are_kept_long_enough(db: Db, clock: Arc<ManualClock>) {
    let engine = Arc::new(Engine::default());
    deploy(&db, "short", one_task()).await;
    deploy(&db, "long", one_task().replace("<task", "<task ")).await;
    // More than one batch of the short ones, a few long ones, and one that still runs.
    for key in [("short", 130), ("long", 3)] {
        for _ in 0..key.1 {
            start(&db, &engine, key.0, json!({"org": ORG}))
                .await
                .unwrap();
        }
    }
    let page = store::page::PageRequest::new(None, Some(200));
    let tasks = workflow::tasks(&db, &workflow::Filter::default(), &page)
        .await
        .unwrap();
    assert_eq!(tasks.items.len(), 133);
    for task in &tasks.items {
        complete(&db, &engine, task, officer("a"), json!({}))
            .await
            .unwrap();
    }
    start(&db, &engine, "short", json!({"org": ORG}))
        .await
        .unwrap();
    let events = event::Entity::find().count(db.read()).await.unwrap();

    let keep = Keep::parse("30; short=10").unwrap();
    clock.set(db.clock().now() + chrono::Duration::days(9));
    assert_eq!(prune(&db, &keep).await.unwrap(), 0);
    clock.set(db.clock().now() + chrono::Duration::days(2));
    assert_eq!(prune(&db, &keep).await.unwrap(), 130);
    assert_eq!(rows(&db, "workflow_instance").await, 4);
    assert_eq!(rows(&db, "workflow_task").await, 4);
    assert_eq!(rows(&db, "workflow_candidate").await, 1);
    clock.set(db.clock().now() + chrono::Duration::days(30));
    assert_eq!(prune(&db, &keep).await.unwrap(), 3);
    // What runs stays, with its trail, and the events stay.
    assert_eq!(rows(&db, "workflow_instance").await, 1);
    assert_eq!(all(&db).await.len(), 1);
    assert_eq!(rows(&db, "workflow_trail").await, 3);
    assert_eq!(
        event::Entity::find().count(db.read()).await.unwrap(),
        events
    );
}
