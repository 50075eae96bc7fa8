//! The migration by which places that wait know how messages carry their keys, over rows that were
//! there before it.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;
use store::Db;
use workflow::{Engine, InstanceId};

use crate::{
    correlation::{context_based, work},
    durable::{deploy, start},
    model::{file, flows},
};

const MIGRATION: &str = "m20261126_41_workflow_recipe";

/// The table as it was before the migration: nobody looked at the standard's keys.
async fn go_back(db: &Db) {
    for sql in [
        "DROP INDEX workflow_wait_by_recipe_of_name".to_owned(),
        "DROP INDEX workflow_wait_by_recipe_of_element".to_owned(),
        "UPDATE workflow_wait SET key = ''".to_owned(),
        "ALTER TABLE workflow_wait DROP COLUMN recipe".to_owned(),
        format!("DELETE FROM store_migration WHERE name = '{MIGRATION}'"),
    ] {
        execute(db, sql).await;
    }
}

async fn execute(db: &Db, sql: String) {
    db.write(move |tx| {
        let sql = sql.clone();
        async move {
            tx.execute_unprepared(&sql).await.unwrap();
            Ok(())
        }
    })
    .await
    .unwrap();
}

async fn migrate(db: &Db) -> Vec<String> {
    let mut all = store::migrations();
    all.extend(workflow::migrations());
    store::migrate(db, all).await.unwrap()
}

/// What waits, as `instance heard name`.
async fn waits(db: &Db) -> Vec<(String, String, String)> {
    let backend = db.read().get_database_backend();
    let sql = "SELECT instance, heard, name FROM workflow_wait ORDER BY instance, heard, name";
    let statement = Statement::from_string(backend, sql);
    let rows = db.read().query_all_raw(statement).await.unwrap();
    let text = |row: &sea_orm::QueryResult, name: &str| row.try_get::<String>("", name).unwrap();
    rows.iter()
        .map(|row| (text(row, "instance"), text(row, "heard"), text(row, "name")))
        .collect()
}

fn row(instance: InstanceId, heard: &str, name: &str) -> (String, String, String) {
    (instance.to_string(), heard.to_owned(), name.to_owned())
}

/// Waits for a message, and knows of no keys.
fn plain() -> String {
    file(&format!(
        r#"<message id="m" name="called"/><process id="plain" isExecutable="true"><startEvent id="s"/>
        <receiveTask id="r" messageRef="m"/><endEvent id="e"/>{}</process>"#,
        flows("s>r>e")
    ))
}

#[store::db_test(migrations = workflow::migrations)]
async fn instances_of_before_are_looked_at_again(db: Db) {
    let engine = Arc::new(Engine::default());
    deploy(&db, "p", context_based()).await;
    deploy(&db, "plain", plain()).await;
    let begin = async |key: &'static str, number: i64| {
        let given = json!({"order": {"id": number}});
        start(&db, &engine, key, given).await.unwrap()
    };
    let (first, second) = (begin("p", 1).await, begin("p", 2).await);
    let (over, known) = (begin("p", 3).await, begin("p", 4).await);
    let other = begin("plain", 5).await;
    let cancelling = engine.clone();
    db.write(move |tx| {
        let engine = cancelling.clone();
        async move { workflow::cancel(&tx, &engine, over, "enough", "user:op").await }
    })
    .await
    .unwrap();
    go_back(&db).await;
    // Nobody has looked at this one since there is such a table at all.
    let columns = "INSERT INTO workflow_wait (instance, heard, name, element, key)";
    let sql = format!("{columns} VALUES ('{known}', 'unknown', '', '', '')");
    execute(&db, sql).await;

    assert_eq!(migrate(&db).await, [MIGRATION]);
    assert_eq!(migrate(&db).await, [] as [&str; 0]);
    let mut expected = Vec::new();
    for instance in [first, second, known] {
        expected.push(row(instance, "message", "paid"));
        expected.push(row(instance, "unknown", ""));
    }
    expected.push(row(other, "message", "called"));
    expected.sort();
    assert_eq!(waits(&db).await, expected);

    // A message finds the one that it is meant for, as if the keys had always been known.
    let pays = file(&format!(
        r#"<message id="m" name="paid"/><process id="pays" isExecutable="true"><startEvent id="s"/>
        <intermediateThrowEvent id="t"><messageEventDefinition messageRef="m"/></intermediateThrowEvent><endEvent id="e"/>{}</process>"#,
        flows("s>t>e")
    ));
    deploy(&db, "pays", pays).await;
    let payment = json!({"payment": {"order": 2}, "got": 2});
    start(&db, &engine, "pays", payment).await.unwrap();
    work(&db, &engine).await;
    let got = async |instance: InstanceId| {
        let read = db.write(move |tx| async move { workflow::variables(&tx, instance).await });
        read.await.unwrap().get("got").cloned()
    };
    assert_eq!(got(second).await, Some(json!(2)));
    for instance in [first, known, other] {
        assert_eq!(got(instance).await, None);
    }
    let left = waits(&db).await;
    assert!(
        left.iter().all(|(_, heard, _)| heard != "unknown"),
        "{left:?}"
    );
    assert!(left.iter().all(|(id, ..)| *id != second.to_string()));
}
