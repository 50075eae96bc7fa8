//! Steps that nobody waits for end where operators see it, whatever refuses them.

use std::sync::{
    Arc, RwLock,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use chrono::Duration;
use kernel::{
    Clock, Error, ManualClock,
    calendar::{Calendar, Year},
};
use serde_json::json;
use store::{Db, Tx, Worker, page::PageRequest};
use workflow::{Engine, InstanceId, TaskListener, event::TaskFacts};

use crate::{
    durable::{ORG, all, complete, deploy, officer, start},
    held::standing,
    model::{flows, process},
};

/// A calendar of the present year; the next ones can be brought in.
struct Years(Arc<RwLock<Calendar>>);

impl Years {
    fn of(engine: &Engine) -> Self {
        let years = Self(Arc::default());
        years.bring(2026..=2026);
        let shared = years.0.clone();
        engine.use_calendars(Arc::new(move |_| {
            Ok(Arc::new(shared.read().unwrap().clone()))
        }));
        years
    }

    fn bring(&self, years: std::ops::RangeInclusive<i32>) {
        for year in years {
            let year = Year {
                year,
                provisional: false,
                off: Vec::new(),
                work: Vec::new(),
            };
            self.0.write().unwrap().insert(&year).unwrap();
        }
    }
}

async fn work(db: &Db, engine: &Arc<Engine>) {
    let worker = Worker::new(&workflow::jobs(db, engine));
    while worker.run_due(db).await.unwrap() > 0 {}
}

fn after_a_timer() -> String {
    process(&format!(
        r#"<startEvent id="s"/><intermediateCatchEvent id="w"><timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition></intermediateCatchEvent>
        <userTask id="t" tongban:candidates="examiner" tongban:days="600"/><endEvent id="e"/>{}"#,
        flows("s>w>t>e")
    ))
}

async fn open(db: &Db) -> usize {
    let (all, page) = (workflow::Filter::default(), PageRequest::default());
    workflow::tasks(db, &all, &page).await.unwrap().items.len()
}

async fn incidents(db: &Db, id: InstanceId) -> i64 {
    standing(db, id).await.1
}

async fn retry(db: &Db, engine: &Arc<Engine>, id: InstanceId) {
    let engine = engine.clone();
    db.write(move |tx| {
        let engine = engine.clone();
        async move {
            let what = workflow::verb::Intervention::Retry(None);
            let by = officer("a");
            workflow::verb::intervene(&tx, &engine, id, what, &by, "合成理由").await
        }
    })
    .await
    .unwrap();
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_timer_before_a_year_without_a_calendar_is_an_incident(db: Db, clock: Arc<ManualClock>) {
    let engine = Arc::new(Engine::default());
    let years = Years::of(&engine);
    deploy(&db, "timer", after_a_timer()).await;
    let id = start(&db, &engine, "timer", json!({"org": ORG}))
        .await
        .unwrap();
    clock.set(clock.now() + Duration::hours(2));
    work(&db, &engine).await;
    assert_eq!(incidents(&db, id).await, 1);
    assert!(all(&db).await.is_empty());

    years.bring(2027..=2030);
    retry(&db, &engine, id).await;
    assert_eq!(incidents(&db, id).await, 0);
    let tasks = all(&db).await;
    assert_eq!(tasks[0].facts.element, "t");
    assert!(tasks[0].facts.due_at.is_some());
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_working_day_timer_is_counted_when_its_calendar_comes(db: Db, clock: Arc<ManualClock>) {
    let engine = Arc::new(Engine::default());
    let years = Years::of(&engine);
    let xml = process(&format!(
        r#"<startEvent id="s"/><intermediateCatchEvent id="w"><timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition></intermediateCatchEvent>
        <intermediateCatchEvent id="d"><timerEventDefinition tongban:workingDays="600"/></intermediateCatchEvent>
        <userTask id="t" tongban:candidates="examiner"/><endEvent id="e"/>{}"#,
        flows("s>w>d>t>e")
    ));
    deploy(&db, "days", xml).await;
    let id = start(&db, &engine, "days", json!({"org": ORG}))
        .await
        .unwrap();
    clock.set(clock.now() + Duration::hours(2));
    work(&db, &engine).await;
    let trail = workflow::trail_of(&db, &engine, id).await.unwrap();
    assert_eq!(trail.live, ["d"]);
    assert!(trail.told().any(|step| step.stopped.contains("calendar")));

    years.bring(2027..=2030);
    db.write(|tx| async move { workflow::deadline::calendar_changed(&tx) })
        .await
        .unwrap();
    work(&db, &engine).await;
    clock.set(clock.now() + Duration::days(1_200));
    work(&db, &engine).await;
    assert_eq!(all(&db).await[0].facts.element, "t");
}

#[store::db_test(migrations = workflow::migrations)]
async fn an_officer_is_told_and_may_come_back(db: Db) {
    let engine = Arc::new(Engine::default());
    let years = Years::of(&engine);
    let xml = process(&format!(
        r#"<startEvent id="s"/><userTask id="a" tongban:candidates="examiner"/>
        <userTask id="t" tongban:candidates="examiner" tongban:days="600"/><endEvent id="e"/>{}"#,
        flows("s>a>t>e")
    ));
    deploy(&db, "officer", xml).await;
    start(&db, &engine, "officer", json!({"org": ORG}))
        .await
        .unwrap();
    let task = all(&db).await.remove(0);
    let refused = complete(&db, &engine, &task, officer("a"), json!({})).await;
    assert!(
        matches!(refused, Err(Error::Refused(text)) if text.key == "kernel-calendar-year-missing")
    );
    assert_eq!(all(&db).await[0].facts.element, "a");
    years.bring(2027..=2030);
    complete(&db, &engine, &task, officer("a"), json!({}))
        .await
        .unwrap();
    assert_eq!(all(&db).await[0].facts.element, "t");
}

/// Takes no task of the element `bad` for a while.
struct Strict(AtomicBool);

#[async_trait]
impl TaskListener for Strict {
    async fn created(&self, _: &Tx, task: &TaskFacts) -> kernel::Result<()> {
        if self.0.load(Ordering::SeqCst) && task.element == "bad" {
            return Err(Error::refused("test-strict"));
        }
        Ok(())
    }
}

fn hearer(task: &str) -> String {
    process(&format!(
        r#"<startEvent id="s"/><intermediateCatchEvent id="c"><signalEventDefinition signalRef="x"/></intermediateCatchEvent>
        <userTask id="{task}" tongban:candidates="examiner"/><endEvent id="e"/>{}"#,
        flows(&format!("s>c>{task}>e"))
    ))
    .replace("<process ", r#"<signal id="x" name="alarm"/><process "#)
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_signal_reaches_all_but_the_one_that_refuses_it(db: Db) {
    let engine = Arc::new(Engine::default());
    engine.listen(Arc::new(Strict(AtomicBool::new(true))));
    deploy(&db, "bad", hearer("bad")).await;
    deploy(&db, "good", hearer("good")).await;
    let cry = process(&format!(
        r#"<startEvent id="s"/><intermediateThrowEvent id="c"><signalEventDefinition signalRef="x"/></intermediateThrowEvent><endEvent id="e"/>{}"#,
        flows("s>c>e")
    ))
    .replace("<process ", r#"<signal id="x" name="alarm"/><process "#);
    deploy(&db, "cry", cry).await;
    for key in ["bad", "good", "bad", "good"] {
        start(&db, &engine, key, json!({"org": ORG})).await.unwrap();
    }
    start(&db, &engine, "cry", json!({})).await.unwrap();
    work(&db, &engine).await;
    let heard: Vec<String> = all(&db)
        .await
        .into_iter()
        .map(|task| task.facts.element)
        .collect();
    assert_eq!(heard, ["good", "good"]);
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_cycle_goes_on_after_a_stroke_that_was_refused(db: Db, clock: Arc<ManualClock>) {
    let engine = Arc::new(Engine::default());
    let strict = Arc::new(Strict(AtomicBool::new(true)));
    engine.listen(strict.clone());
    let xml = process(&format!(
        r#"<startEvent id="s"><timerEventDefinition><timeCycle>R/PT1H</timeCycle></timerEventDefinition></startEvent>
        <userTask id="bad" tongban:candidates="examiner@{ORG}"/><endEvent id="e"/>{}"#,
        flows("s>bad>e")
    ));
    deploy(&db, "hourly", xml).await;
    let begun = clock.now();
    for hour in 1..=2 {
        clock.set(begun + Duration::hours(hour) + Duration::minutes(1));
        work(&db, &engine).await;
    }
    let failed = store::job::list(&db, "failed", &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(failed.items.len(), 2);
    strict.0.store(false, Ordering::SeqCst);
    clock.set(begun + Duration::hours(3) + Duration::minutes(1));
    work(&db, &engine).await;
    assert_eq!(open(&db).await, 1);
    // What failed may be tried again, and the cycle does not double.
    store::job::retry(&db, &failed.items[0].id).await.unwrap();
    work(&db, &engine).await;
    clock.set(begun + Duration::hours(4) + Duration::minutes(1));
    work(&db, &engine).await;
    assert_eq!(open(&db).await, 3);
}
