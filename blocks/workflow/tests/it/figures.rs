//! Figures of steps, on both databases.

use std::sync::Arc;

use chrono::Duration;
use kernel::ManualClock;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Map, Value, json};
use store::{Db, page::PageRequest};
use workflow::{Engine, Filter, InstanceId, Task, stats};

use crate::model::{flows, process, vars};

/// Two steps; the first comes again when the second says so.
fn circle() -> String {
    process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/>
        <userTask id="write" name="起草" tongban:candidates="clerk@A"/>
        <userTask id="approve" name="审批" tongban:candidates="approver@A" tongban:outcomes="yes,no"/>
        <exclusiveGateway id="g" default="g-e"/>{}"#,
        flows(r#"s>write>approve>g; g>write[outcome = "no"]; g>e"#)
    ))
}

async fn deploy(db: &Db, xml: String) -> String {
    let version = db
        .write(move |tx| {
            let xml = xml.clone();
            async move { workflow::deploy(&tx, "circle", &xml).await }
        })
        .await
        .unwrap();
    version.definition
}

async fn start(db: &Db, engine: &Arc<Engine>, variables: Value) -> InstanceId {
    let engine = engine.clone();
    db.write(move |tx| {
        let (engine, variables) = (engine.clone(), vars(variables.clone()));
        async move { workflow::start(&tx, &engine, "circle", "case:1", variables).await }
    })
    .await
    .unwrap()
}

async fn task_of(db: &Db, instance: InstanceId) -> Task {
    let filter = Filter {
        instance: Some(instance),
        ..Filter::default()
    };
    let mut page = workflow::tasks(db, &filter, &PageRequest::default())
        .await
        .unwrap();
    page.items.remove(0)
}

async fn complete(db: &Db, engine: &Arc<Engine>, instance: InstanceId, vars: Map<String, Value>) {
    let (engine, id) = (engine.clone(), task_of(db, instance).await.facts.task);
    db.write(move |tx| {
        let (engine, vars) = (engine.clone(), vars.clone());
        async move { workflow::complete_by_system(&tx, &engine, id, vars).await }
    })
    .await
    .unwrap();
}

fn step<'a>(figures: &'a stats::Figures, element: &str) -> &'a stats::Step {
    figures
        .steps
        .iter()
        .find(|step| step.element == element)
        .unwrap()
}

#[store::db_test(migrations = workflow::migrations)]
async fn steps_tell_what_stands_there_and_how_long_it_takes(db: Db, clock: Arc<ManualClock>) {
    let engine = Arc::new(Engine::default());
    let definition = deploy(&db, circle()).await;
    let first = start(&db, &engine, json!({})).await;
    let second = start(&db, &engine, json!({})).await;
    start(&db, &engine, json!({})).await;

    clock.advance(Duration::hours(1));
    complete(&db, &engine, first, Map::new()).await;
    clock.advance(Duration::hours(2));
    complete(&db, &engine, second, Map::new()).await;
    complete(&db, &engine, first, vars(json!({"outcome": "no"}))).await;
    clock.advance(Duration::hours(4));
    complete(&db, &engine, first, Map::new()).await;

    let figures = stats::figures(&db, &engine, &definition).await.unwrap();
    assert_eq!((figures.running, figures.stopped), (3, 0));
    assert!(!figures.is_ended_cut && !figures.is_running_cut);
    let write = step(&figures, "write");
    assert_eq!(
        (write.name.as_str(), write.kind.as_str()),
        ("起草", "userTask")
    );
    assert_eq!((write.standing, write.waiting, write.handling), (1, 1, 0));
    assert_eq!((write.done, write.returned, write.late), (3, 1, 0));
    assert_eq!(
        (write.median_seconds, write.p90_seconds),
        (Some(3 * 3600), Some(4 * 3600))
    );
    let approve = step(&figures, "approve");
    assert_eq!(
        (approve.standing, approve.done, approve.returned),
        (2, 1, 0)
    );
    assert_eq!(approve.median_seconds, Some(2 * 3600));

    let standing = stats::standing(&db).await.unwrap();
    assert_eq!(standing.get(&definition), Some(&(3, 3, 0)));

    // What ended before the window is not counted any more; what is open always is.
    clock.advance(Duration::days(stats::WINDOW_DAYS + 1));
    let later = stats::figures(&db, &engine, &definition).await.unwrap();
    assert_eq!(
        (step(&later, "write").done, step(&later, "write").standing),
        (0, 1)
    );
}

/// Each instance of a sub-process has its own task; none of them was returned.
#[store::db_test(migrations = workflow::migrations)]
async fn several_instances_of_a_sub_process_are_no_returns(db: Db) {
    let engine = Arc::new(Engine::default());
    let inner = flows("s1>ask>e1");
    let xml = process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><subProcess id="sub"><multiInstanceLoopCharacteristics isSequential="true"><loopCardinality>3</loopCardinality></multiInstanceLoopCharacteristics>
        <startEvent id="s1"/><endEvent id="e1"/><userTask id="ask" tongban:candidates="clerk@A"/>{inner}</subProcess>{}"#,
        flows("s>sub>e")
    ));
    let definition = deploy(&db, xml).await;
    let instance = start(&db, &engine, json!({})).await;
    for _ in 0..3 {
        complete(&db, &engine, instance, Map::new()).await;
    }
    let figures = stats::figures(&db, &engine, &definition).await.unwrap();
    let ask = step(&figures, "ask");
    assert_eq!((ask.done, ask.returned), (3, 0));
}

/// With three times ten thousand tasks the planners take the indexes made for these questions.
/// Measured once by hand on a million ended tasks of one version: see the guide of processes.
#[store::db_test(migrations = workflow::migrations)]
async fn figures_are_answered_from_indexes(db: Db) {
    let backend = db.read().get_database_backend();
    let is_sqlite = backend == sea_orm::DatabaseBackend::Sqlite;
    let series = if is_sqlite {
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)"
    } else {
        "WITH n AS (SELECT generate_series(1, 30000) AS i)"
    };
    let fill = format!(
        "{series} INSERT INTO workflow_task (id, instance, definition, subject, token, element, name, kind, state, \
         candidates, org, form, outcomes, suspends, officers, attributes, created_at, done_at, version) \
         SELECT 't' || i, 'i' || i, 'd' || (i % 100), 's', 1, 'e', 'n', 'userTask', \
         CASE WHEN i % 50 = 0 THEN 'open' ELSE 'done' END, '', '', '', '', '', 1, '{{}}', i, \
         CASE WHEN i % 50 = 0 THEN NULL ELSE i + 5 END, 1 FROM n"
    );
    db.write(move |tx| {
        let fill = fill.clone();
        async move {
            tx.execute_unprepared(&fill).await.unwrap();
            tx.execute_unprepared("ANALYZE workflow_task")
                .await
                .unwrap();
            Ok(())
        }
    })
    .await
    .unwrap();
    let explain = if is_sqlite {
        "EXPLAIN QUERY PLAN"
    } else {
        "EXPLAIN"
    };
    for (question, index) in [
        (
            "SELECT element, state, COUNT(*) FROM workflow_task WHERE definition = 'd7' \
             AND state IN ('open', 'claimed') GROUP BY element, state",
            "workflow_task_standing",
        ),
        (
            "SELECT element, instance FROM workflow_task WHERE definition = 'd7' AND done_at >= 100 AND parent IS NULL \
             ORDER BY done_at DESC LIMIT 10000",
            "workflow_task_ended",
        ),
        (
            "SELECT definition, COUNT(*) FROM workflow_task WHERE state IN ('open', 'claimed') GROUP BY definition",
            "workflow_task_standing",
        ),
    ] {
        let rows = db
            .read()
            .query_all_raw(Statement::from_string(
                backend,
                format!("{explain} {question}"),
            ))
            .await
            .unwrap();
        let plan: Vec<String> = rows
            .iter()
            .map(|row| {
                let column = if is_sqlite { "detail" } else { "QUERY PLAN" };
                row.try_get::<String>("", column).unwrap()
            })
            .collect();
        assert!(plan.join("\n").contains(index), "{question}: {plan:#?}");
    }
}
