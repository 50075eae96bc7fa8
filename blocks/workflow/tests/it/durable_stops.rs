//! A server that stops anywhere, and several servers on one database.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time,
};

use async_trait::async_trait;
use chrono::Duration;
use kernel::{Clock, Fault, ManualClock};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Map, Value, json};
use store::{Db, Handler, Job, JobFailure, Tx, Worker, schema::event};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use workflow::{
    Call, Engine, InstanceId, Outcome, ServiceHandler, Task, TaskListener, event::TaskFacts,
};

use crate::{
    durable::{ORG, deploy, officer},
    model::{flows, process, vars},
};

/// Tasks, a border timer, a service, a message, and two timers that are due together.
fn story() -> String {
    process(&format!(
        r#"<startEvent id="s"/><parallelGateway id="g"/><parallelGateway id="j"/><endEvent id="e"/>
        <userTask id="a" tongban:candidates="examiner"/>
        <boundaryEvent id="b" attachedToRef="a" cancelActivity="false"><timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition></boundaryEvent>
        <userTask id="urge" tongban:candidates="examiner"/><endEvent id="e2"/>
        <serviceTask id="fee" tongban:call="test.fee"/><intermediateCatchEvent id="paid"><messageEventDefinition messageRef="m"/></intermediateCatchEvent>
        <intermediateCatchEvent id="t1"><timerEventDefinition><timeDuration>PT2H</timeDuration></timerEventDefinition></intermediateCatchEvent>
        <intermediateCatchEvent id="t2"><timerEventDefinition><timeDuration>PT2H</timeDuration></timerEventDefinition></intermediateCatchEvent>
        <userTask id="last" tongban:candidates="examiner"/>{}"#,
        flows("s>g; g>a>j; b>urge>e2; g>fee>paid>j; g>t1>j; g>t2>j; j>last>e")
    ))
    .replace("<process ", r#"<message id="m" name="paid"/><process "#)
}

struct Fee;

#[async_trait]
impl ServiceHandler for Fee {
    async fn call(&self, _: &Tx, _: &Call) -> kernel::Result<Outcome> {
        Ok(Outcome::Done(vars(json!({"fee": 7}))))
    }
}

fn engine() -> Arc<Engine> {
    let engine = Arc::new(Engine::default());
    engine.register("test.fee", Arc::new(Fee));
    engine
}

/// So many tasks at once that the instance is kept in parts; two are enough.
fn large() -> String {
    process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><userTask id="a" tongban:candidates="examiner">
        <multiInstanceLoopCharacteristics tongban:outputCollection="found" tongban:outputElement="7"><loopCardinality>300</loopCardinality><completionCondition>nrOfCompletedInstances &gt;= 2</completionCondition></multiInstanceLoopCharacteristics></userTask>
        <boundaryEvent id="b" attachedToRef="a" cancelActivity="false"><timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition></boundaryEvent>
        <userTask id="urge" tongban:candidates="examiner"/><endEvent id="e2"/><userTask id="last" tongban:candidates="examiner"/>{}"#,
        flows("s>a>last>e; b>urge>e2")
    ))
}

/// A server that is killed after a certain number of writes, and another that goes on.
struct World {
    db: Db,
    clock: Arc<ManualClock>,
    engine: Arc<Engine>,
    subject: String,
    writes: usize,
    stop: Option<usize>,
}

/// Carries a job out and then never answers, as a server that is killed before it can note that.
pub struct Dying(pub Arc<dyn Handler>, pub Arc<Notify>);

#[async_trait]
impl Handler for Dying {
    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        self.0.run(job).await?;
        self.1.notify_one();
        std::future::pending().await
    }
}

impl World {
    async fn new(db: &Db, clock: &Arc<ManualClock>, stop: Option<usize>) -> Self {
        let mut world = Self {
            db: db.clone(),
            clock: clock.clone(),
            engine: engine(),
            subject: format!("case:{}", stop.unwrap_or(0)),
            writes: 0,
            stop,
        };
        world.restart().await;
        world
    }

    /// Nothing lives on but the database.
    async fn restart(&mut self) {
        self.db = Db::open(self.db.settings(), self.clock.clone())
            .await
            .unwrap();
        self.engine = engine();
    }

    /// One write more; whether the server is killed after it.
    fn is_last(&mut self) -> bool {
        self.writes += 1;
        self.stop == Some(self.writes)
    }

    async fn wrote(&mut self) {
        if self.is_last() {
            self.restart().await;
        }
    }

    async fn start(&mut self, key: &'static str) -> InstanceId {
        let (engine, subject) = (self.engine.clone(), self.subject.clone());
        let id = self
            .db
            .write(move |tx| {
                let (engine, subject) = (engine.clone(), subject.clone());
                let vars = vars(json!({"org": ORG}));
                async move { workflow::start(&tx, &engine, key, &subject, vars).await }
            })
            .await
            .unwrap();
        self.wrote().await;
        id
    }

    async fn message(&mut self, id: InstanceId) {
        let engine = self.engine.clone();
        self.db
            .write(move |tx| {
                let engine = engine.clone();
                async move { workflow::message(&tx, &engine, id, "paid", None, Map::new()).await }
            })
            .await
            .unwrap();
        self.wrote().await;
    }

    async fn tasks(&self) -> Vec<Task> {
        let filter = workflow::Filter {
            subject: Some(self.subject.clone()),
            ..workflow::Filter::default()
        };
        let page = store::page::PageRequest {
            limit: 1_000,
            ..store::page::PageRequest::default()
        };
        workflow::tasks(&self.db, &filter, &page)
            .await
            .unwrap()
            .items
    }

    async fn complete(&mut self, element: &str) {
        let tasks = self.tasks().await;
        let task = tasks.iter().find(|task| task.facts.element == element);
        let task = task.unwrap_or_else(|| panic!("{element} is not open: {tasks:?}"));
        crate::durable::complete(&self.db, &self.engine, task, officer("a"), json!({}))
            .await
            .unwrap();
        self.wrote().await;
    }

    /// Runs what is due; a job is claimed, carried out and noted in three writes, after each of
    /// which the server may be killed. Another takes the job when its lease has run out.
    async fn jobs(&mut self) {
        loop {
            let handlers = workflow::jobs(&self.db, &self.engine);
            let claimed = Worker::new(&handlers).claim(&self.db, 1).await.unwrap();
            let Some(job) = claimed.into_iter().next() else {
                return;
            };
            if self.is_last() {
                self.die().await;
                continue;
            }
            if self.is_last() {
                let dead = Arc::new(Notify::new());
                let dying: Vec<Arc<dyn Handler>> = handlers
                    .into_iter()
                    .map(|handler| Arc::new(Dying(handler, dead.clone())) as Arc<dyn Handler>)
                    .collect();
                let worker = Worker::new(&dying);
                tokio::select! {
                    ended = worker.run_one(&self.db, job) => panic!("{ended:?}"),
                    () = dead.notified() => {}
                }
                self.die().await;
                continue;
            }
            Worker::new(&handlers).run_one(&self.db, job).await.unwrap();
            self.wrote().await;
        }
    }

    async fn die(&mut self) {
        self.clock.set(self.clock.now() + Duration::seconds(61));
        self.restart().await;
    }

    fn pass(&self, span: Duration) {
        self.clock.set(self.clock.now() + span);
    }

    /// What is in the database in the end, without ids and moments.
    async fn ending(&self, id: InstanceId) -> Value {
        let trail = workflow::trail_of(&self.db, &self.engine, id)
            .await
            .unwrap();
        let mut stays: Vec<_> = trail
            .steps
            .iter()
            .map(|stay| json!([stay.element, stay.left_at.is_some(), stay.by, stay.stopped]))
            .collect();
        stays.sort_by_key(ToString::to_string);
        let events = event::Entity::find()
            .filter(event::Column::Subject.eq(&self.subject))
            .order_by_asc(event::Column::Seq)
            .all(self.db.read())
            .await
            .unwrap();
        let events: Vec<String> = events.into_iter().map(|event| event.kind).collect();
        let variables = self
            .db
            .write(move |tx| async move { workflow::variables(&tx, id).await })
            .await
            .unwrap();
        let open = self.tasks().await.len();
        json!([trail.status, trail.live, stays, events, variables, open])
    }
}

/// The whole story; answers its ending and the number of writes.
async fn tell(db: &Db, clock: &Arc<ManualClock>, stop: Option<usize>) -> (Value, usize) {
    let mut world = World::new(db, clock, stop).await;
    let id = world.start("story").await;
    world.pass(Duration::hours(1));
    world.jobs().await;
    world.message(id).await;
    world.complete("urge").await;
    world.complete("a").await;
    world.pass(Duration::hours(1));
    world.jobs().await;
    world.complete("last").await;
    world.pass(Duration::hours(9));
    world.jobs().await;
    (world.ending(id).await, world.writes)
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_server_killed_after_any_write_ends_like_one_never_killed(
    db: Db,
    clock: Arc<ManualClock>,
) {
    deploy(&db, "story", story()).await;
    let (expected, writes) = tell(&db, &clock, None).await;
    assert_eq!(expected[0], "completed");
    // Three jobs of three writes each, and five acts.
    assert_eq!(writes, 14, "{expected:#}");
    for stop in 1..=writes {
        let (ending, _) = tell(&db, &clock, Some(stop)).await;
        assert_eq!(ending, expected, "killed after write {stop}");
    }
}

/// The story of an instance that is kept in parts, until enough is done.
async fn tell_large(db: &Db, clock: &Arc<ManualClock>, stop: Option<usize>) -> (Value, usize) {
    let mut world = World::new(db, clock, stop).await;
    let id = world.start("large").await;
    world.complete("a").await;
    assert!(
        crate::large::parts(db).await.len() > 5,
        "it is kept in parts"
    );
    world.pass(Duration::hours(1));
    world.jobs().await;
    world.complete("urge").await;
    world.complete("a").await;
    assert_eq!(
        crate::large::parts(db).await.len(),
        0,
        "it holds little now"
    );
    world.complete("last").await;
    (world.ending(id).await, world.writes)
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_large_instance_ends_the_same_whenever_its_server_is_killed(
    db: Db,
    clock: Arc<ManualClock>,
) {
    deploy(&db, "large", large()).await;
    let (expected, writes) = tell_large(&db, &clock, None).await;
    assert_eq!(expected[0], "completed");
    // A job of three writes, and five acts.
    assert_eq!(writes, 8, "{expected:#}");
    for stop in 1..=writes {
        let (ending, _) = tell_large(&db, &clock, Some(stop)).await;
        assert_eq!(ending, expected, "killed after write {stop}");
    }
}

/// Fails a step in its middle until it has failed often enough.
struct Faulty(AtomicUsize);

#[async_trait]
impl TaskListener for Faulty {
    async fn created(&self, _: &Tx, task: &TaskFacts) -> kernel::Result<()> {
        if task.element == "last" && self.0.fetch_add(1, Ordering::SeqCst) < 2 {
            return Err(Fault::new("the disk is full").into());
        }
        Ok(())
    }
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_step_that_fails_in_its_middle_leaves_nothing_behind(db: Db, clock: Arc<ManualClock>) {
    deploy(&db, "story", story()).await;
    let mut world = World::new(&db, &clock, None).await;
    let id = world.start("story").await;
    world.message(id).await;
    world.complete("a").await;
    world.engine.listen(Arc::new(Faulty(AtomicUsize::new(0))));
    world.pass(Duration::hours(2));
    let before = world.ending(id).await;
    // The second of the timers brings the last task, and its job fails twice.
    let worker = Worker::new(&workflow::jobs(&world.db, &world.engine));
    assert_eq!(worker.run_due(&world.db).await.unwrap(), 3);
    let after = world.ending(id).await;
    assert_eq!(after[5], 0, "{before:#} {after:#}");
    for _ in 0..2 {
        world.pass(Duration::minutes(1));
        worker.run_due(&world.db).await.unwrap();
    }
    let tasks = world.tasks().await;
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].facts.element, "last");
}

/// Elements that were left, with how often, over all instances.
async fn left(db: &Db, engine: &Engine, ids: &[InstanceId]) -> BTreeMap<(String, usize), usize> {
    let mut found = BTreeMap::new();
    for id in ids {
        let mut once = BTreeMap::<String, usize>::new();
        for stay in workflow::trail_of(db, engine, *id).await.unwrap().steps {
            *once.entry(stay.element).or_default() += usize::from(stay.left_at.is_some());
        }
        for entry in once {
            *found.entry(entry).or_default() += 1;
        }
    }
    found
}

/// Four timers due at one moment, each with a service behind it, and nothing else.
fn timers() -> String {
    let mut body = String::new();
    let mut list = "s>g; j>e".to_owned();
    for n in 0..4 {
        body += &format!(
            r#"<intermediateCatchEvent id="t{n}"><timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition></intermediateCatchEvent><serviceTask id="f{n}" tongban:call="test.fee"/>"#
        );
        list += &format!("; g>t{n}>f{n}>j");
    }
    process(&format!(
        r#"<startEvent id="s"/><parallelGateway id="g"/><parallelGateway id="j"/><endEvent id="e"/>{body}{}"#,
        flows(&list)
    ))
}

#[store::db_test(migrations = workflow::migrations)]
async fn two_servers_share_the_timers_and_one_may_be_killed(db: Db, clock: Arc<ManualClock>) {
    const INSTANCES: usize = 40;
    if db.engine() != store::Engine::Postgres {
        return;
    }
    deploy(&db, "timers", timers()).await;
    let first = engine();
    let mut ids = Vec::new();
    for _ in 0..INSTANCES {
        let engine = first.clone();
        let id = db.write(move |tx| {
            let engine = engine.clone();
            async move { workflow::start(&tx, &engine, "timers", "case:1", Map::new()).await }
        });
        ids.push(id.await.unwrap());
    }
    clock.set(clock.now() + Duration::hours(1));
    let stop = CancellationToken::new();
    let mut servers = Vec::new();
    for _ in 0..2 {
        let own = Db::open(db.settings(), clock.clone()).await.unwrap();
        let worker = Worker::new(&workflow::jobs(&own, &engine()));
        let stop = stop.clone();
        servers.push(tokio::spawn(async move { worker.run(&own, &stop).await }));
    }
    let killed = servers.pop().unwrap();
    let started = time::Instant::now();
    let mut has_died = false;
    loop {
        tokio::time::sleep(time::Duration::from_millis(50)).await;
        let jobs = store::job::count(&db).await.unwrap();
        let ahead = jobs.waiting + jobs.running;
        if !has_died && ahead < 120 {
            killed.abort();
            has_died = true;
        }
        if ahead == 0 {
            break;
        }
        // Jobs that come back after a collision, or whose server is dead, have their time.
        if jobs.due == 0 {
            clock.set(clock.now() + Duration::seconds(5));
        }
        assert!(
            started.elapsed() < time::Duration::from_secs(90),
            "{jobs:?}"
        );
    }
    stop.cancel();
    assert!(has_died);
    assert_eq!(store::job::count(&db).await.unwrap().failed, 0);
    let found = left(&db, &first, &ids).await;
    for n in 0..4 {
        for element in [format!("t{n}"), format!("f{n}")] {
            assert_eq!(
                found.get(&(element.clone(), 1)),
                Some(&INSTANCES),
                "{element} {found:?}"
            );
        }
    }
    assert_eq!(found.get(&("e".to_owned(), 1)), Some(&INSTANCES));
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_circle_without_a_wait_is_stopped_soon(db: Db) {
    let xml = process(&format!(
        r#"<startEvent id="s"/><exclusiveGateway id="x"/><task id="a"/><exclusiveGateway id="g" default="g-e"/><endEvent id="e"/>{}"#,
        flows("s>x>a>g; g>x[true]; g>e")
    ));
    deploy(&db, "circle", xml).await;
    let engine = engine();
    let started = time::Instant::now();
    let shared = engine.clone();
    let id = db
        .write(move |tx| {
            let engine = shared.clone();
            async move { workflow::start(&tx, &engine, "circle", "case:1", Map::new()).await }
        })
        .await
        .unwrap();
    let took = started.elapsed();
    // Without a stop it would take hours.
    assert!(took < time::Duration::from_mins(1), "{took:?}");
    let trail = workflow::trail_of(&db, &engine, id).await.unwrap();
    assert!(
        trail
            .steps
            .iter()
            .any(|stay| stay.stopped.contains("circle"))
    );
    assert!(trail.steps.len() <= 2_000);
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_timer_in_the_past_fires_at_once(db: Db) {
    let xml = process(&format!(
        r#"<startEvent id="s"/><intermediateCatchEvent id="t"><timerEventDefinition><timeDate>2001-01-01T00:00:00Z</timeDate></timerEventDefinition></intermediateCatchEvent><endEvent id="e"/>{}"#,
        flows("s>t>e")
    ));
    deploy(&db, "past", xml).await;
    let engine = engine();
    let shared = engine.clone();
    let id = db
        .write(move |tx| {
            let engine = shared.clone();
            async move { workflow::start(&tx, &engine, "past", "case:1", Map::new()).await }
        })
        .await
        .unwrap();
    let worker = Worker::new(&workflow::jobs(&db, &engine));
    assert_eq!(worker.run_due(&db).await.unwrap(), 1);
    let trail = workflow::trail_of(&db, &engine, id).await.unwrap();
    assert_eq!(trail.status, "completed");
}
