//! Instances that hold much are kept in parts.

use std::{collections::BTreeMap, sync::Arc};

use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;
use store::{Db, page::PageRequest};
use workflow::{Engine, Filter, InstanceId, Task};

use crate::{
    durable::{ORG, complete, deploy, officer, start},
    model::{flows, process},
};

/// As many tasks at once as it is told, each with its number; what each gives is gathered.
fn survey() -> String {
    process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/>
        <userTask id="visit" tongban:candidates="examiner">
          <multiInstanceLoopCharacteristics tongban:collection="houses" tongban:elementVariable="house" tongban:outputCollection="found" tongban:outputElement="people"/>
        </userTask>
        <boundaryEvent id="over" attachedToRef="visit"><timerEventDefinition><timeDuration>P30D</timeDuration></timerEventDefinition></boundaryEvent>
        <userTask id="sum" tongban:candidates="examiner"/><endEvent id="late"/>{}"#,
        flows("s>visit>sum>e; over>late")
    ))
}

async fn begin(db: &Db, engine: &Arc<Engine>, houses: usize) -> InstanceId {
    deploy(db, "survey", survey()).await;
    let houses: Vec<usize> = (0..houses).collect();
    start(db, engine, "survey", json!({"org": ORG, "houses": houses}))
        .await
        .unwrap()
}

/// The parts in which instances are kept, by number.
pub async fn parts(db: &Db) -> BTreeMap<i64, String> {
    let sql = "SELECT part, state FROM workflow_state";
    let query = Statement::from_string(db.read().get_database_backend(), sql);
    let rows = db.read().query_all_raw(query).await.unwrap();
    let pair = |row: &sea_orm::QueryResult| {
        (
            row.try_get("", "part").unwrap(),
            row.try_get("", "state").unwrap(),
        )
    };
    rows.iter().map(pair).collect()
}

async fn open(db: &Db, limit: u32) -> Vec<Task> {
    let page = PageRequest {
        limit,
        ..PageRequest::default()
    };
    workflow::tasks(db, &Filter::default(), &page)
        .await
        .unwrap()
        .items
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_step_writes_only_the_parts_that_it_changes(db: Db) {
    let engine = Arc::new(Engine::default());
    let id = begin(&db, &engine, 1_000).await;
    let before = parts(&db).await;
    assert!(before.len() >= 20, "{} parts", before.len());
    let tasks = open(&db, 3).await;
    for (n, engine) in [engine.clone(), engine.clone(), Arc::new(Engine::default())]
        .iter()
        .enumerate()
    {
        let before = parts(&db).await;
        complete(&db, engine, &tasks[n], officer("a"), json!({"people": n}))
            .await
            .unwrap();
        let after = parts(&db).await;
        let changed = before.iter().filter(|(n, text)| after.get(n) != Some(text));
        // That of the task, and that of the activity, which counts.
        assert!((1..=2).contains(&changed.count()));
    }
    // Whoever has no memory of it reads the same.
    let trail = workflow::trail_of(&db, &engine, id).await.unwrap();
    let anew = workflow::trail_of(&db, &Engine::default(), id)
        .await
        .unwrap();
    assert_eq!(trail, anew);
    assert_eq!(trail.live, ["visit"]);
    let by = engine.clone();
    db.write(move |tx| {
        let engine = by.clone();
        async move { workflow::cancel(&tx, &engine, id, "enough", "system").await }
    })
    .await
    .unwrap();
    assert_eq!(parts(&db).await, BTreeMap::new());
    assert_eq!(open(&db, 10).await, []);
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_large_instance_comes_to_its_end(db: Db) {
    let mut engine = Arc::new(Engine::default());
    let id = begin(&db, &engine, 520).await;
    assert_ne!(parts(&db).await, BTreeMap::new());
    let mut done = 0;
    while done < 520 {
        for task in open(&db, 40).await {
            assert_eq!(task.facts.element, "visit");
            complete(&db, &engine, &task, officer("a"), json!({"people": 1}))
                .await
                .unwrap();
            done += 1;
        }
        // A server that begins anew remembers nothing.
        engine = Arc::new(Engine::default());
    }
    assert_eq!(parts(&db).await, BTreeMap::new(), "it holds little now");
    let last = open(&db, 10).await;
    assert_eq!(last.len(), 1);
    complete(&db, &engine, &last[0], officer("a"), json!({}))
        .await
        .unwrap();
    let trail = workflow::trail_of(&db, &engine, id).await.unwrap();
    assert_eq!(trail.status, "completed");
    assert!(trail.steps.iter().all(|stay| stay.left_at.is_some()));
    let found = db
        .write(move |tx| async move { workflow::variables(&tx, id).await })
        .await
        .unwrap();
    assert_eq!(found["found"], json!(vec![1; 520]));
}
