//! Messages and signals from instance to instance, and processes that time begins.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use kernel::{Clock, ManualClock};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};
use store::{Db, Handler, Worker};
use tokio::sync::Notify;
use workflow::{Engine, InstanceId};

use crate::{
    durable::{ORG, deploy, start},
    durable_stops::Dying,
    model::{file, flows, process, vars},
};

async fn work(db: &Db, engine: &Arc<Engine>) {
    let worker = Worker::new(&workflow::jobs(db, engine));
    while worker.run_due(db).await.unwrap() > 0 {}
}

/// Events of a kind, oldest first, as they were written.
async fn told(db: &Db, kind: &str) -> Vec<Value> {
    let rows = store::schema::event::Entity::find()
        .filter(store::schema::event::Column::Kind.eq(kind))
        .all(db.read())
        .await
        .unwrap();
    rows.iter()
        .map(|row| serde_json::from_str(&row.data).unwrap())
        .collect()
}

/// How instances of a definition's process stand: `process status`.
async fn standing(db: &Db) -> Vec<String> {
    let sql = "SELECT process, status FROM workflow_instance ORDER BY id";
    let backend = db.read().get_database_backend();
    let rows = db
        .read()
        .query_all_raw(sea_orm::Statement::from_string(backend, sql))
        .await
        .unwrap();
    let text = |row: &sea_orm::QueryResult, name: &str| row.try_get::<String>("", name).unwrap();
    let mut all: Vec<String> = rows
        .iter()
        .map(|row| format!("{} {}", text(row, "process"), text(row, "status")))
        .collect();
    all.sort();
    all
}

async fn count(db: &Db, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) AS n FROM {table}");
    let backend = db.read().get_database_backend();
    let row = db
        .read()
        .query_one_raw(sea_orm::Statement::from_string(backend, sql))
        .await
        .unwrap();
    row.unwrap().try_get::<i64>("", "n").unwrap()
}

async fn variables(db: &Db, id: InstanceId) -> serde_json::Map<String, Value> {
    db.write(move |tx| async move { workflow::variables(&tx, id).await })
        .await
        .unwrap()
}

/// A customer who orders and waits, a shop that delivers and is paid.
fn pools() -> String {
    file(&format!(
        r#"<message id="m-order" name="order"/><message id="m-goods" name="goods"/>
        <collaboration id="c"><participant id="p1" processRef="customer"/><participant id="p2" processRef="shop"/>
        <messageFlow id="mf1" sourceRef="ask" targetRef="asked"/><messageFlow id="mf2" sourceRef="give" targetRef="get"/></collaboration>
        <process id="customer" isExecutable="true"><startEvent id="s1"/>
        <intermediateThrowEvent id="ask"><messageEventDefinition messageRef="m-order"/></intermediateThrowEvent>
        <intermediateCatchEvent id="get"><messageEventDefinition messageRef="m-goods"/></intermediateCatchEvent><endEvent id="e1"/>{}</process>
        <process id="shop" isExecutable="true"><startEvent id="asked"><messageEventDefinition messageRef="m-order"/></startEvent>
        <scriptTask id="pack" scriptFormat="feel"><script>{{parcel: goods + "给" + who}}</script></scriptTask>
        <intermediateThrowEvent id="give"><messageEventDefinition messageRef="m-goods"/></intermediateThrowEvent><endEvent id="e2"/>{}</process>"#,
        flows("s1>ask>get>e1"),
        flows("asked>pack>give>e2"),
    ))
}

#[store::db_test(migrations = workflow::migrations)]
async fn pools_talk_along_their_message_flows(db: Db) {
    let engine = Arc::new(Engine::default());
    deploy(&db, "trade", pools()).await;
    let mut begun = Vec::new();
    for who in ["甲", "乙"] {
        let given = json!({"who": who, "goods": "茶"});
        let id = engine_start(&db, &engine, "trade", &format!("business:{who}"), given).await;
        begun.push((who, id));
    }
    work(&db, &engine).await;
    let all = [
        "customer completed",
        "customer completed",
        "shop completed",
        "shop completed",
    ];
    assert_eq!(standing(&db).await, all);
    for (who, id) in begun {
        assert_eq!(
            variables(&db, id).await["parcel"],
            json!(format!("茶给{who}"))
        );
    }
    assert_eq!(told(&db, "workflow.message_taken.v1").await.len(), 4);
    assert_eq!(
        (
            count(&db, "workflow_mail").await,
            count(&db, "workflow_wait").await
        ),
        (0, 0)
    );
}

/// A customer whose one order goes to two pools.
fn three_pools() -> String {
    let pool = |id: &str, start: &str| {
        format!(
            r#"<process id="{id}" isExecutable="true"><startEvent id="{start}"><messageEventDefinition messageRef="m"/></startEvent>
            <scriptTask id="{id}-t" scriptFormat="feel"><script>{{heard: goods}}</script></scriptTask><endEvent id="{id}-e"/>{}</process>"#,
            flows(&format!("{start}>{id}-t>{id}-e"))
        )
    };
    file(&format!(
        r#"<message id="m" name="order"/>
        <collaboration id="c"><participant id="p1" processRef="customer"/><participant id="p2" processRef="shop"/><participant id="p3" processRef="bank"/>
        <messageFlow id="mf1" sourceRef="ask" targetRef="asked"/><messageFlow id="mf2" sourceRef="ask" targetRef="told"/></collaboration>
        <process id="customer" isExecutable="true"><startEvent id="s1"/>
        <intermediateThrowEvent id="ask"><messageEventDefinition messageRef="m"/></intermediateThrowEvent><endEvent id="e1"/>{}</process>{}{}"#,
        flows("s1>ask>e1"),
        pool("shop", "asked"),
        pool("bank", "told"),
    ))
}

#[store::db_test(migrations = workflow::migrations)]
async fn both_pools_get_what_one_event_throws(db: Db) {
    let engine = Arc::new(Engine::default());
    deploy(&db, "trade", three_pools()).await;
    let given = json!({"goods": "茶"});
    engine_start(&db, &engine, "trade", "business:1", given).await;
    work(&db, &engine).await;
    let all = ["bank completed", "customer completed", "shop completed"];
    assert_eq!(standing(&db).await, all);
    let taken = told(&db, "workflow.message_taken.v1").await;
    assert_eq!(taken.len(), 2, "{taken:?}");
    assert_eq!(count(&db, "workflow_mail").await, 0);
}

async fn engine_start(
    db: &Db,
    engine: &Arc<Engine>,
    key: &'static str,
    subject: &str,
    given: Value,
) -> InstanceId {
    let (engine, subject) = (engine.clone(), subject.to_owned());
    db.write(move |tx| {
        let (engine, subject, given) = (engine.clone(), subject.clone(), vars(given.clone()));
        async move { workflow::start(&tx, &engine, key, &subject, given).await }
    })
    .await
    .unwrap()
}

fn sender() -> String {
    process(&format!(
        r#"<startEvent id="s"/><intermediateThrowEvent id="pay" tongban:correlation="order"><messageEventDefinition messageRef="m"/></intermediateThrowEvent><endEvent id="e"/>{}"#,
        flows("s>pay>e")
    ))
    .replace("<process", r#"<message id="m" name="payment"/><process"#)
}

fn receiver() -> String {
    process(&format!(
        r#"<startEvent id="s"/><intermediateCatchEvent id="paid" tongban:correlation="order"><messageEventDefinition messageRef="m"/></intermediateCatchEvent><endEvent id="e"/>{}"#,
        flows("s>paid>e")
    ))
    .replace("<process", r#"<message id="m" name="payment"/><process"#)
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_message_finds_the_one_with_its_key(db: Db) {
    let engine = Arc::new(Engine::default());
    deploy(&db, "sender", sender()).await;
    deploy(&db, "receiver", receiver()).await;
    let mut waiting = Vec::new();
    for order in 1..=3 {
        let id = engine_start(&db, &engine, "receiver", "", json!({"order": order})).await;
        waiting.push(id);
    }
    start(&db, &engine, "sender", json!({"order": 2, "sum": 70}))
        .await
        .unwrap();
    work(&db, &engine).await;
    assert_eq!(variables(&db, waiting[1]).await["sum"], json!(70));
    assert!(!variables(&db, waiting[0]).await.contains_key("sum"));
    assert_eq!(count(&db, "workflow_wait").await, 2);
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_message_waits_for_somebody_who_wants_it(db: Db, clock: Arc<ManualClock>) {
    let engine = Arc::new(Engine::default());
    deploy(&db, "sender", sender()).await;
    deploy(&db, "receiver", receiver()).await;
    start(&db, &engine, "sender", json!({"order": 7}))
        .await
        .unwrap();
    work(&db, &engine).await;
    assert_eq!(count(&db, "workflow_mail").await, 1);
    // Another order does not take it.
    engine_start(&db, &engine, "receiver", "", json!({"order": 8})).await;
    work(&db, &engine).await;
    assert_eq!(count(&db, "workflow_mail").await, 1);
    engine_start(&db, &engine, "receiver", "", json!({"order": 7})).await;
    work(&db, &engine).await;
    assert_eq!(count(&db, "workflow_mail").await, 0);
    // What nobody ever wants goes in the end, and that is told.
    start(&db, &engine, "sender", json!({"order": 9}))
        .await
        .unwrap();
    work(&db, &engine).await;
    clock.advance(Duration::days(31));
    work(&db, &engine).await;
    assert_eq!(count(&db, "workflow_mail").await, 0);
    let lost = told(&db, "workflow.message_undelivered.v1").await;
    assert_eq!((lost.len(), &lost[0]["name"]), (1, &json!("payment")));
}

#[store::db_test(migrations = workflow::migrations)]
async fn of_several_hearers_the_message_takes_none(db: Db) {
    let engine = Arc::new(Engine::default());
    deploy(
        &db,
        "sender",
        sender().replace(r#" tongban:correlation="order""#, ""),
    )
    .await;
    deploy(&db, "receiver", receiver()).await;
    for order in [1, 2] {
        engine_start(&db, &engine, "receiver", "", json!({"order": order})).await;
    }
    engine_start(&db, &engine, "sender", "", json!({})).await;
    work(&db, &engine).await;
    assert_eq!(
        (
            count(&db, "workflow_mail").await,
            count(&db, "workflow_wait").await
        ),
        (1, 2)
    );
    // About the same thing there is one only.
    engine_start(&db, &engine, "receiver", "business:9", json!({"order": 9})).await;
    engine_start(&db, &engine, "sender", "business:9", json!({})).await;
    work(&db, &engine).await;
    assert_eq!(
        (
            count(&db, "workflow_mail").await,
            count(&db, "workflow_wait").await
        ),
        (1, 2)
    );
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_thrown_signal_reaches_every_other_instance(db: Db) {
    let engine = Arc::new(Engine::default());
    let signal =
        |model: String| model.replace("<process", r#"<signal id="g" name="storm"/><process"#);
    let throws = process(&format!(
        r#"<startEvent id="s"/><intermediateThrowEvent id="warn"><signalEventDefinition signalRef="g"/></intermediateThrowEvent><endEvent id="e"/>{}"#,
        flows("s>warn>e")
    ));
    let hears = process(&format!(
        r#"<startEvent id="s"/><intermediateCatchEvent id="heard"><signalEventDefinition signalRef="g"/></intermediateCatchEvent><endEvent id="e"/>{}"#,
        flows("s>heard>e")
    ))
    .replace(r#"process id="p""#, r#"process id="hears""#);
    let begins = process(&format!(
        r#"<startEvent id="s"><signalEventDefinition signalRef="g"/></startEvent><endEvent id="e"/>{}"#,
        flows("s>e")
    ))
    .replace(r#"process id="p""#, r#"process id="begins""#);
    deploy(&db, "throws", signal(throws)).await;
    deploy(&db, "hears", signal(hears)).await;
    deploy(&db, "begins", signal(begins)).await;
    for _ in 0..3 {
        engine_start(&db, &engine, "hears", "", json!({})).await;
    }
    engine_start(&db, &engine, "throws", "", json!({})).await;
    work(&db, &engine).await;
    let all = [
        "begins completed",
        "hears completed",
        "hears completed",
        "hears completed",
        "p completed",
    ];
    assert_eq!(standing(&db).await, all);
}

/// What comes second goes to the instance that the first began, and begins none of its own.
#[store::db_test(migrations = workflow::migrations)]
async fn a_parallel_multiple_start_begins_one_instance(db: Db) {
    let engine = Arc::new(Engine::default());
    let declared = |model: String| {
        let events = r#"<signal id="g" name="storm"/><signal id="h" name="flood"/><process"#;
        model.replace("<process", events)
    };
    let throws = |key: &str, signal: &str| {
        let id = format!(r#"process id="{key}""#);
        declared(process(&format!(
            r#"<startEvent id="s"/><intermediateThrowEvent id="warn"><signalEventDefinition signalRef="{signal}"/></intermediateThrowEvent><endEvent id="e"/>{}"#,
            flows("s>warn>e")
        )))
        .replace(r#"process id="p""#, &id)
    };
    let begins = process(&format!(
        r#"<startEvent id="s" parallelMultiple="true"><signalEventDefinition signalRef="g"/><signalEventDefinition signalRef="h"/></startEvent><endEvent id="e"/>{}"#,
        flows("s>e")
    ))
    .replace(r#"process id="p""#, r#"process id="begins""#);
    deploy(&db, "a", throws("a", "g")).await;
    deploy(&db, "b", throws("b", "h")).await;
    deploy(&db, "begins", declared(begins)).await;
    engine_start(&db, &engine, "b", "", json!({})).await;
    work(&db, &engine).await;
    assert_eq!(standing(&db).await, ["b completed", "begins running"]);
    engine_start(&db, &engine, "a", "", json!({})).await;
    work(&db, &engine).await;
    let all = ["a completed", "b completed", "begins completed"];
    assert_eq!(standing(&db).await, all);
}

/// The server stops between what a thrown signal does and the note that it was done.
#[store::db_test(migrations = workflow::migrations)]
async fn a_signal_is_heard_once_though_the_server_is_killed(db: Db, clock: Arc<ManualClock>) {
    let engine = Arc::new(Engine::default());
    let signal =
        |model: String| model.replace("<process", r#"<signal id="g" name="storm"/><process"#);
    let throws = process(&format!(
        r#"<startEvent id="s"/><intermediateThrowEvent id="warn"><signalEventDefinition signalRef="g"/></intermediateThrowEvent><endEvent id="e"/>{}"#,
        flows("s>warn>e")
    ));
    let hears = process(&format!(
        r#"<startEvent id="s"/><userTask id="watch" tongban:candidates="examiner"/>
        <boundaryEvent id="heard" attachedToRef="watch" cancelActivity="false"><signalEventDefinition signalRef="g"/></boundaryEvent>
        <endEvent id="e"/><endEvent id="e2"/>{}"#,
        flows("s>watch>e; heard>e2")
    ))
    .replace(r#"process id="p""#, r#"process id="hears""#);
    let begins = process(&format!(
        r#"<startEvent id="s"><signalEventDefinition signalRef="g"/></startEvent><endEvent id="e"/>{}"#,
        flows("s>e")
    ))
    .replace(r#"process id="p""#, r#"process id="begins""#);
    deploy(&db, "throws", signal(throws)).await;
    deploy(&db, "hears", signal(hears)).await;
    deploy(&db, "begins", signal(begins)).await;
    let hearer = engine_start(&db, &engine, "hears", "", json!({"org": ORG})).await;
    engine_start(&db, &engine, "throws", "", json!({})).await;
    assert_eq!(count(&db, "workflow_signal").await, 1);
    kill_after(&db, &engine, "workflow.broadcast.v1").await;
    clock.advance(Duration::seconds(61));
    work(&db, &engine).await;
    assert_eq!(
        standing(&db).await,
        ["begins completed", "hears running", "p completed"]
    );
    let trail = workflow::trail_of(&db, &engine, hearer).await.unwrap();
    let heard = trail.steps.iter().filter(|stay| stay.element == "heard");
    assert_eq!(heard.count(), 1);
    assert_eq!(count(&db, "workflow_signal").await, 0);
}

/// Carries out the one job that is due, which is of this kind, and is killed before it can note
/// that.
async fn kill_after(db: &Db, engine: &Arc<Engine>, kind: &str) {
    let dead = Arc::new(Notify::new());
    let dying: Vec<Arc<dyn Handler>> = workflow::jobs(db, engine)
        .into_iter()
        .map(|handler| Arc::new(Dying(handler, dead.clone())) as Arc<dyn Handler>)
        .collect();
    let worker = Worker::new(&dying);
    let job = worker.claim(db, 1).await.unwrap().pop().unwrap();
    assert_eq!(job.kind, kind);
    tokio::select! {
        ended = worker.run_one(db, job) => panic!("{ended:?}"),
        () = dead.notified() => {}
    }
}

/// Instances that waited before there was a table of what waits are found nevertheless.
#[store::db_test(migrations = workflow::migrations)]
async fn instances_of_before_are_looked_at_first(db: Db) {
    let engine = Arc::new(Engine::default());
    deploy(&db, "sender", sender()).await;
    deploy(&db, "receiver", receiver()).await;
    let old = engine_start(&db, &engine, "receiver", "", json!({"order": 1})).await;
    db.write(|tx| async move {
        for sql in [
            "DELETE FROM workflow_wait",
            "INSERT INTO workflow_wait (instance, heard, name, element, key) SELECT id, 'unknown', '', '', '' FROM workflow_instance",
        ] {
            let done = tx.execute_unprepared(sql).await;
            done.map_err(|e| store::fault("test", e))?;
        }
        Ok(())
    })
    .await
    .unwrap();
    start(&db, &engine, "sender", json!({"order": 1, "sum": 5}))
        .await
        .unwrap();
    work(&db, &engine).await;
    assert_eq!(variables(&db, old).await["sum"], json!(5));
    assert_eq!(count(&db, "workflow_wait").await, 0);
}

fn timed(timer: &str) -> String {
    process(&format!(
        r#"<startEvent id="s"><timerEventDefinition>{timer}</timerEventDefinition></startEvent><endEvent id="e"/>{}"#,
        flows("s>e")
    ))
}

async fn begun(db: &Db) -> u64 {
    let all = store::schema::event::Entity::find();
    let all = all.filter(store::schema::event::Column::Kind.eq("workflow.instance_started.v1"));
    all.count(db.read()).await.unwrap()
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_cycle_begins_a_process_again_and_again(db: Db, clock: Arc<ManualClock>) {
    let engine = Arc::new(Engine::default());
    deploy(&db, "timed", timed("<timeCycle>R3/PT1H</timeCycle>")).await;
    work(&db, &engine).await;
    assert_eq!(begun(&db).await, 0);
    for times in [1, 2, 3, 3] {
        clock.advance(Duration::hours(1));
        work(&db, &engine).await;
        assert_eq!(begun(&db).await, times);
    }
}

#[store::db_test(migrations = workflow::migrations)]
async fn strokes_missed_are_made_up_for_once(db: Db, clock: Arc<ManualClock>) {
    let engine = Arc::new(Engine::default());
    deploy(&db, "timed", timed("<timeCycle>R/PT1H</timeCycle>")).await;
    clock.advance(Duration::minutes(330));
    work(&db, &engine).await;
    assert_eq!(begun(&db).await, 1);
    clock.advance(Duration::minutes(61));
    work(&db, &engine).await;
    assert_eq!(begun(&db).await, 2);
}

#[store::db_test(migrations = workflow::migrations)]
async fn only_the_newest_version_begins_by_time(db: Db, clock: Arc<ManualClock>) {
    let engine = Arc::new(Engine::default());
    let at: DateTime<Utc> = clock.now() + Duration::hours(2);
    let date = at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    deploy(&db, "timed", timed("<timeDuration>PT1H</timeDuration>")).await;
    deploy(&db, "timed", timed(&format!("<timeDate>{date}</timeDate>"))).await;
    clock.advance(Duration::minutes(90));
    work(&db, &engine).await;
    assert_eq!(begun(&db).await, 0);
    clock.advance(Duration::minutes(31));
    work(&db, &engine).await;
    assert_eq!(begun(&db).await, 1);
}
