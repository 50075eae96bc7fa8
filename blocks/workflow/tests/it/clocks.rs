//! Deadlines that are kept: reminders, lateness, pauses, changed calendars, on both databases.

use std::sync::{Arc, RwLock};

use chrono::{DateTime, Duration, Utc};
use kernel::{
    Clock, Error, ManualClock,
    calendar::{Calendar, Year},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};
use store::{Db, Worker, schema::event};
use workflow::{
    Engine, InstanceId,
    deadline::{self, Of},
};

use crate::{
    durable::{ORG, all, complete, deploy, officer, start},
    model::{flows, process},
};

/// An engine whose calendar can be changed, as an installation's can.
struct House {
    engine: Arc<Engine>,
    calendar: Arc<RwLock<Arc<Calendar>>>,
}

impl House {
    fn new() -> Self {
        let house = Self {
            engine: Arc::new(Engine::default()),
            calendar: Arc::new(RwLock::new(Arc::new(Calendar::new()))),
        };
        house.notice(&[]);
        let shared = house.calendar.clone();
        house
            .engine
            .use_calendars(Arc::new(move |_| Ok(shared.read().unwrap().clone())));
        house
    }

    /// The year 2026 with these days off.
    fn notice(&self, off: &[&str]) {
        let mut calendar = Calendar::new();
        calendar
            .insert(&Year {
                year: 2026,
                provisional: false,
                off: off.iter().map(|day| (*day).to_owned()).collect(),
                work: Vec::new(),
            })
            .unwrap();
        *self.calendar.write().unwrap() = Arc::new(calendar);
    }

    /// Runs what is due at a moment in China (`03-09 09:00` of 2026); answers how many jobs ran.
    async fn at(&self, db: &Db, clock: &ManualClock, moment: &str) -> usize {
        clock.set(moment_of(moment));
        let worker = Worker::new(&workflow::jobs(db, &self.engine));
        worker.run_due(db).await.unwrap()
    }
}

fn moment_of(text: &str) -> DateTime<Utc> {
    let whole = format!("2026-{}:00+08:00", text.replace(' ', "T"));
    DateTime::parse_from_rfc3339(&whole).unwrap().to_utc()
}

/// One task with this deadline, and a way out for escalations on its border.
fn limited(attributes: &str) -> String {
    process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><endEvent id="e2"/>
        <userTask id="t" tongban:candidates="examiner" {attributes}/>
        <boundaryEvent id="late" attachedToRef="t" cancelActivity="false"><escalationEventDefinition/></boundaryEvent>
        <userTask id="help" tongban:candidates="examiner"/>{}"#,
        flows("s>t>e; late>help>e2")
    ))
}

/// Bodies of the events of one kind, in order.
async fn events(db: &Db, kind: &str) -> Vec<Value> {
    let rows = event::Entity::find()
        .filter(event::Column::Kind.eq(kind))
        .order_by_asc(event::Column::Seq)
        .all(db.read())
        .await
        .unwrap();
    rows.iter()
        .map(|row| serde_json::from_str(&row.data).unwrap())
        .collect()
}

async fn due(db: &Db) -> Option<DateTime<Utc>> {
    all(db).await[0].facts.due_at
}

#[store::db_test(migrations = workflow::migrations)]
async fn reminders_and_lateness_come_once_each(db: Db, clock: Arc<ManualClock>) {
    let house = House::new();
    let xml = limited(r#"tongban:days="5" tongban:remind="2d,4h" tongban:escalate="chief""#);
    deploy(&db, "limited", xml).await;
    start(&db, &house.engine, "limited", json!({"org": ORG}))
        .await
        .unwrap();
    // From Monday 2 March to the end of Monday the 9th.
    assert_eq!(due(&db).await, Some(moment_of("03-10 00:00")));
    assert_eq!(house.at(&db, &clock, "03-06 08:59").await, 0);
    assert_eq!(house.at(&db, &clock, "03-06 09:00").await, 1);
    assert_eq!(house.at(&db, &clock, "03-09 14:00").await, 1);
    let left: Vec<Value> = events(&db, "workflow.deadline_near.v1")
        .await
        .iter()
        .map(|near| near["left"].clone())
        .collect();
    assert_eq!(left, ["2d", "4h"]);
    assert_eq!(house.at(&db, &clock, "03-09 23:59").await, 0);
    assert_eq!(house.at(&db, &clock, "03-10 00:00").await, 1);
    assert_eq!(house.at(&db, &clock, "04-10 00:00").await, 0);
    let missed = events(&db, "workflow.deadline_missed.v1").await;
    assert_eq!(missed.len(), 1);
    assert_eq!(missed[0]["escalated_to"], json!([format!("chief@{ORG}")]));
    let tasks = all(&db).await;
    assert!(tasks[0].facts.candidates.contains(&format!("chief@{ORG}")));
    // The border caught the escalation that a late task throws.
    assert_eq!(tasks[1].facts.element, "help");
}

#[store::db_test(migrations = workflow::migrations)]
async fn reminders_that_were_slept_through_come_as_one(db: Db, clock: Arc<ManualClock>) {
    let house = House::new();
    let xml = limited(r#"tongban:days="5" tongban:remind="3d,2d,1d""#);
    deploy(&db, "limited", xml).await;
    start(&db, &house.engine, "limited", json!({"org": ORG}))
        .await
        .unwrap();
    assert_eq!(house.at(&db, &clock, "03-06 10:00").await, 1);
    let near = events(&db, "workflow.deadline_near.v1").await;
    assert_eq!((near.len(), &near[0]["left"]), (1, &json!("2d")));
    // Nothing reminds of an end that has passed.
    assert_eq!(house.at(&db, &clock, "03-20 10:00").await, 1);
    assert_eq!(events(&db, "workflow.deadline_near.v1").await.len(), 1);
    assert_eq!(events(&db, "workflow.deadline_missed.v1").await.len(), 1);
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_task_that_is_done_reminds_nobody(db: Db, clock: Arc<ManualClock>) {
    let house = House::new();
    let xml = limited(r#"tongban:hours="4" tongban:remind="1h" tongban:escalate="chief""#);
    deploy(&db, "limited", xml).await;
    start(&db, &house.engine, "limited", json!({"org": ORG}))
        .await
        .unwrap();
    assert_eq!(due(&db).await, Some(moment_of("03-02 14:00")));
    let task = all(&db).await.remove(0);
    complete(&db, &house.engine, &task, officer("a"), json!({}))
        .await
        .unwrap();
    assert_eq!(house.at(&db, &clock, "03-20 10:00").await, 1);
    assert!(events(&db, "workflow.deadline_near.v1").await.is_empty());
    assert!(events(&db, "workflow.deadline_missed.v1").await.is_empty());
    let read = deadline::read(&db, &house.engine, Of::Task(task.facts.task))
        .await
        .unwrap();
    assert_eq!((read.state.as_str(), read.days.len()), ("over", 1));
}

async fn act(db: &Db, engine: &Arc<Engine>, what: &'static str, of: Of) -> kernel::Result<()> {
    let engine = engine.clone();
    db.write(move |tx| {
        let engine = engine.clone();
        async move {
            match (what, of) {
                ("pause", of) => deadline::pause(&tx, of, "site check", "user:a").await,
                ("resume", of) => deadline::resume(&tx, &engine, of, "user:a").await,
                (_, Of::Task(task)) => deadline::extend(&tx, &engine, task, 3, "user:a").await,
                (what, _) => panic!("{what}"),
            }
        }
    })
    .await
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_clock_stands_goes_on_and_is_extended(db: Db, clock: Arc<ManualClock>) {
    let house = House::new();
    let engine = &house.engine;
    let xml = limited(r#"tongban:days="5" tongban:remind="2d""#);
    deploy(&db, "limited", xml).await;
    let instance = start(&db, engine, "limited", json!({"org": ORG}))
        .await
        .unwrap();
    let task = Of::Task(all(&db).await[0].facts.task);
    // From Thursday to the Tuesday after: three working days do not count.
    house.at(&db, &clock, "03-05 10:00").await;
    act(&db, engine, "pause", Of::Instance(instance))
        .await
        .unwrap();
    act(&db, engine, "pause", task).await.unwrap();
    assert_eq!(due(&db).await, None);
    assert_eq!(house.at(&db, &clock, "03-10 15:00").await, 1);
    assert!(events(&db, "workflow.deadline_near.v1").await.is_empty());
    let read = deadline::read(&db, engine, task).await.unwrap();
    assert_eq!((read.state.as_str(), read.due_at), ("standing", None));
    assert_eq!(read.days.last().unwrap().total, 2);
    act(&db, engine, "resume", task).await.unwrap();
    act(&db, engine, "resume", task).await.unwrap();
    // The 3rd and 4th counted, then the 11th, 12th and 13th.
    assert_eq!(due(&db).await, Some(moment_of("03-14 00:00")));
    assert_eq!(house.at(&db, &clock, "03-12 09:00").await, 1);
    act(&db, engine, "extend", task).await.unwrap();
    assert_eq!(due(&db).await, Some(moment_of("03-19 00:00")));
    // The new end is reminded of as well.
    house.at(&db, &clock, "03-17 09:00").await;
    assert_eq!(events(&db, "workflow.deadline_near.v1").await.len(), 2);
    assert_eq!(house.at(&db, &clock, "03-19 00:00").await, 1);
    assert_eq!(events(&db, "workflow.deadline_missed.v1").await.len(), 1);
    let why: Vec<Value> = events(&db, "workflow.deadline_moved.v1")
        .await
        .iter()
        .map(|moved| moved["why"].clone())
        .collect();
    assert_eq!(why, ["suspended", "resumed", "extended"]);
}

fn changed(db: &Db) -> impl Future<Output = kernel::Result<()>> {
    let db = db.clone();
    async move {
        db.write(|tx| async move { deadline::calendar_changed(&tx) })
            .await
    }
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_changed_calendar_moves_deadlines_and_working_day_timers(
    db: Db,
    clock: Arc<ManualClock>,
) {
    let house = House::new();
    let xml = process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><endEvent id="e2"/>
        <userTask id="t" tongban:candidates="examiner" tongban:days="5"/>
        <boundaryEvent id="b" attachedToRef="t" cancelActivity="false"><timerEventDefinition tongban:workingDays="2"/></boundaryEvent>
        <userTask id="urge" tongban:candidates="examiner"/>{}"#,
        flows("s>t>e; b>urge>e2")
    ));
    deploy(&db, "limited", xml).await;
    // More than one write of the job has room for.
    for _ in 0..60 {
        start(&db, &house.engine, "limited", json!({"org": ORG}))
            .await
            .unwrap();
    }
    house.notice(&["03-04", "03-05"]);
    changed(&db).await.unwrap();
    changed(&db).await.unwrap();
    house.at(&db, &clock, "03-02 12:00").await;
    let tasks = all(&db).await;
    assert!(
        tasks
            .iter()
            .all(|task| task.facts.due_at == Some(moment_of("03-12 00:00")))
    );
    assert_eq!(events(&db, "workflow.deadline_moved.v1").await.len(), 120);
    // The timers were due when the 4th was over; now it is the 6th.
    house.at(&db, &clock, "03-05 00:00").await;
    assert!(all(&db).await.iter().all(|task| task.facts.element == "t"));
    house.at(&db, &clock, "03-07 00:00").await;
    let urged = workflow::tasks(
        &db,
        &workflow::Filter {
            state: Some("open".into()),
            ..workflow::Filter::default()
        },
        &store::page::PageRequest::new(None, Some(200)),
    )
    .await
    .unwrap()
    .items;
    assert_eq!(
        urged.iter().filter(|t| t.facts.element == "urge").count(),
        60
    );
    house.at(&db, &clock, "03-08 00:00").await;
    // The same calendar again moves nothing.
    changed(&db).await.unwrap();
    house.at(&db, &clock, "03-08 00:00").await;
    assert_eq!(events(&db, "workflow.deadline_moved.v1").await.len(), 120);
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_process_has_a_deadline_of_its_own(db: Db, clock: Arc<ManualClock>) {
    let house = House::new();
    let xml = limited("").replace(
        r#"isExecutable="true""#,
        r#"isExecutable="true" tongban:hours="${limit}" tongban:remind="1h" tongban:escalate="chief""#,
    );
    deploy(&db, "limited", xml).await;
    let engine = &house.engine;
    let instance: InstanceId = start(&db, engine, "limited", json!({"org": ORG, "limit": 10}))
        .await
        .unwrap();
    let read = deadline::read(&db, engine, Of::Instance(instance))
        .await
        .unwrap();
    assert_eq!(read.due_at, Some(moment_of("03-03 11:00")));
    assert_eq!((read.days[0].counted, read.days[1].total), (480, 600));
    let none = deadline::read(&db, engine, Of::Task(all(&db).await[0].facts.task)).await;
    assert!(matches!(none, Err(Error::NotFound { .. })));
    house.at(&db, &clock, "03-03 10:00").await;
    house.at(&db, &clock, "03-03 11:00").await;
    assert_eq!(events(&db, "workflow.deadline_near.v1").await.len(), 1);
    let missed = events(&db, "workflow.deadline_missed.v1").await;
    assert_eq!(missed[0]["task"], Value::Null);
    assert_eq!(missed[0]["instance"], json!(instance));
    clock.set(clock.now() + Duration::days(1));
    let wrong = start(&db, engine, "limited", json!({"org": ORG, "limit": "soon"})).await;
    assert!(matches!(wrong, Err(Error::Refused(_))), "{wrong:?}");
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_wrong_deadline_stops_the_step_with_its_reason(db: Db) {
    let house = House::new();
    deploy(&db, "limited", limited(r#"tongban:days="${n}""#)).await;
    let engine = &house.engine;
    let instance = start(&db, engine, "limited", json!({"org": ORG, "n": "x"}))
        .await
        .unwrap();
    let trail = workflow::trail_of(&db, engine, instance).await.unwrap();
    let stopped = trail.steps.iter().find(|stay| stay.element == "t").unwrap();
    assert!(stopped.stopped.contains("tongban:days"), "{stopped:?}");
}
