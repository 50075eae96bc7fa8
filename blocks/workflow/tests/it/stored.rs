//! A definition that was deployed runs on, whatever rules came later.

use std::sync::Arc;

use sea_orm::ConnectionTrait;
use serde_json::json;
use store::Db;
use workflow::Engine;

use crate::{
    durable::{ORG, all, complete, deploy, officer, start},
    model::{flows, process},
};

#[store::db_test(migrations = workflow::migrations)]
async fn a_stored_definition_is_not_checked_again(db: Db) {
    let engine = Arc::new(Engine::default());
    let xml = process(&format!(
        r#"<startEvent id="s"/><userTask id="t" tongban:candidates="examiner"/><endEvent id="e"/>{}"#,
        flows("s>t>e")
    ));
    deploy(&db, "old", xml).await;
    start(&db, &engine, "old", json!({"org": ORG}))
        .await
        .unwrap();
    // As a release stored it whose rules allowed an end event that leads on.
    db.write(|tx| async move {
        let text = "UPDATE workflow_definition SET xml = replace(xml, \
            '<endEvent id=\"e\"/>', '<endEvent id=\"e\"/><sequenceFlow id=\"x\" sourceRef=\"e\" targetRef=\"t\"/>')";
        let changed = tx.execute_unprepared(text).await.unwrap();
        assert_eq!(changed.rows_affected(), 1);
        Ok(())
    })
    .await
    .unwrap();
    let later = Arc::new(Engine::default());
    let task = all(&db).await.remove(0);
    complete(&db, &later, &task, officer("a"), json!({}))
        .await
        .unwrap();
    assert!(
        all(&db)
            .await
            .iter()
            .all(|open| open.facts.task != task.facts.task)
    );
}
