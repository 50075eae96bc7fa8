//! The durable shell, on both databases.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use chrono::Duration;
use kernel::{
    Clock, Error, ManualClock,
    calendar::{Calendar, Year},
};
use serde_json::{Map, Value, json};
use store::{Db, Tx, Worker, page::PageRequest};
use workflow::{
    Call, CallId, Engine, Filter, InstanceId, Officer, Outcome, ServiceHandler, Task, TaskListener,
    event::TaskFacts,
};

use crate::model::{flows, process, vars};

pub const ORG: &str = "11330000000000000A";

pub fn officer(id: &str) -> Officer {
    Officer {
        id: id.into(),
        groups: vec![format!("examiner@{ORG}")],
        trace: format!("user:{id}"),
    }
}

fn review() -> String {
    process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/>
        <userTask id="review" name="审查" tongban:candidates="examiner" tongban:form="f" tongban:outcomes="approve,refuse" tongban:suspends="site_check"/>
        <exclusiveGateway id="g" default="g-no"/><userTask id="yes" tongban:candidates="approver@X"/><task id="no"/>{}"#,
        flows(r#"s>review>g; g>yes[outcome = "approve"]; g>no; yes>e; no>e"#)
    ))
}

pub async fn deploy(db: &Db, key: &'static str, xml: String) -> workflow::Version {
    db.write(move |tx| {
        let xml = xml.clone();
        async move { workflow::deploy(&tx, key, &xml).await }
    })
    .await
    .unwrap()
}

pub async fn start(
    db: &Db,
    engine: &Arc<Engine>,
    key: &'static str,
    variables: Value,
) -> kernel::Result<InstanceId> {
    let engine = engine.clone();
    db.write(move |tx| {
        let (engine, variables) = (engine.clone(), vars(variables.clone()));
        async move { workflow::start(&tx, &engine, key, "case:1", variables).await }
    })
    .await
}

pub async fn complete(
    db: &Db,
    engine: &Arc<Engine>,
    task: &Task,
    who: Officer,
    variables: Value,
) -> kernel::Result<()> {
    let (engine, id, version) = (engine.clone(), task.facts.task, task.version);
    db.write(move |tx| {
        let (engine, who, variables) = (engine.clone(), who.clone(), vars(variables.clone()));
        async move { workflow::complete(&tx, &engine, id, &who, Some(version), variables).await }
    })
    .await
}

async fn tasks(db: &Db, filter: Filter) -> Vec<Task> {
    workflow::tasks(db, &filter, &PageRequest::default())
        .await
        .unwrap()
        .items
}

pub async fn all(db: &Db) -> Vec<Task> {
    tasks(
        db,
        Filter {
            subject: Some("case:1".into()),
            ..Filter::default()
        },
    )
    .await
}

pub fn refused(result: kernel::Result<()>) -> String {
    match result {
        Err(Error::Refused(text)) => text.key.to_owned(),
        other => panic!("{other:?}"),
    }
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_task_is_listed_claimed_and_completed(db: Db) {
    let engine = Arc::new(Engine::default());
    deploy(&db, "review", review()).await;
    let instance = start(&db, &engine, "review", json!({"org": ORG}))
        .await
        .unwrap();
    let mine = Filter {
        groups: officer("a").groups,
        assignee: Some("a".into()),
        ..Filter::default()
    };
    let listed = tasks(&db, mine.clone()).await;
    assert_eq!(listed.len(), 1);
    let facts = &listed[0].facts;
    assert_eq!(
        (facts.name.as_str(), facts.candidates.clone()),
        ("审查", officer("a").groups)
    );
    assert_eq!(
        (
            facts.form.as_str(),
            facts.suspends.as_str(),
            facts.outcomes.len()
        ),
        ("f", "site_check", 2)
    );
    let stranger = Officer {
        id: "x".into(),
        ..Officer::default()
    };
    let result = complete(&db, &engine, &listed[0], stranger, json!({})).await;
    assert!(matches!(result, Err(Error::Forbidden { .. })));

    let id = facts.task;
    let claim = |who: Officer| {
        let db = db.clone();
        async move {
            db.write(move |tx| {
                let who = who.clone();
                async move { workflow::claim(&tx, id, &who, None).await }
            })
            .await
        }
    };
    claim(officer("a")).await.unwrap();
    claim(officer("a")).await.unwrap();
    assert_eq!(refused(claim(officer("b")).await), "workflow-task-taken");
    let theirs = Filter {
        groups: officer("b").groups,
        assignee: Some("b".into()),
        ..Filter::default()
    };
    assert!(tasks(&db, theirs).await.is_empty());

    let claimed = &tasks(&db, mine).await[0];
    for answer in [json!({"outcome": "maybe"}), json!({}), json!({"value": 1})] {
        let wrong = complete(&db, &engine, claimed, officer("a"), answer.clone()).await;
        assert!(matches!(wrong, Err(Error::Invalid(_))), "{answer}");
    }
    assert_eq!(
        refused(complete(&db, &engine, &listed[0], officer("a"), json!({})).await),
        "workflow-task-changed"
    );
    complete(
        &db,
        &engine,
        claimed,
        officer("a"),
        json!({"outcome": "approve"}),
    )
    .await
    .unwrap();
    let next = all(&db).await;
    assert_eq!((next.len(), next[0].facts.element.as_str()), (1, "yes"));

    let trail = workflow::trail_of(&db, &engine, instance).await.unwrap();
    assert_eq!(
        (trail.trail.clone(), trail.live.clone()),
        (
            vec!["s".into(), "review".into(), "g".into()],
            vec!["yes".to_owned()]
        )
    );
    assert_eq!(trail.steps[1].by, "user:a");
    assert_eq!(trail.told().count(), 2);
}

#[store::db_test(migrations = workflow::migrations)]
async fn of_two_officers_who_complete_one_task_one_wins(db: Db) {
    let engine = Arc::new(Engine::default());
    deploy(&db, "review", review()).await;
    start(&db, &engine, "review", json!({"org": ORG}))
        .await
        .unwrap();
    let task = all(&db).await.remove(0);
    let (first, second) = tokio::join!(
        complete(
            &db,
            &engine,
            &task,
            officer("a"),
            json!({"outcome": "approve"})
        ),
        complete(
            &db,
            &engine,
            &task,
            officer("b"),
            json!({"outcome": "refuse"})
        ),
    );
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    let lost = if first.is_err() { first } else { second };
    assert_eq!(refused(lost), "workflow-task-already-done");
}

#[store::db_test(migrations = workflow::migrations)]
async fn only_changed_content_is_a_new_version_and_running_instances_keep_theirs(db: Db) {
    let engine = Arc::new(Engine::default());
    let first = deploy(&db, "review", review()).await;
    assert_eq!((first.version, first.is_new), (1, true));
    let again = deploy(&db, "review", review()).await;
    assert_eq!((again.version, again.is_new), (1, false));
    start(&db, &engine, "review", json!({"org": ORG}))
        .await
        .unwrap();
    let changed = deploy(
        &db,
        "review",
        review().replace(
            r#"<task id="no"/>"#,
            r#"<userTask id="no" tongban:candidates="x@y"/>"#,
        ),
    )
    .await;
    assert_eq!((changed.version, changed.is_new), (2, true));
    let task = all(&db).await.remove(0);
    complete(
        &db,
        &engine,
        &task,
        officer("a"),
        json!({"outcome": "refuse"}),
    )
    .await
    .unwrap();
    assert!(all(&db).await.is_empty());
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_forbidden_model_is_refused_with_its_findings(db: Db) {
    let xml = process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><endEvent id="e2"/><task id="t"/>{}"#,
        flows("s>e; t>e2")
    ));
    let result = db
        .write(move |tx| {
            let xml = xml.clone();
            async move { workflow::deploy(&tx, "bad", &xml).await }
        })
        .await;
    let Err(Error::Invalid(findings)) = result else {
        panic!("{result:?}")
    };
    assert!(findings.iter().any(|finding| {
        finding
            .text
            .args
            .contains(&("rule", "unreachable-end".into()))
    }));
    let engine = Arc::new(Engine::default());
    assert!(matches!(
        start(&db, &engine, "bad", json!({})).await,
        Err(Error::Refused(_))
    ));
}

/// Answers as it is told, and counts.
struct Service {
    calls: AtomicUsize,
    outcome: Mutex<kernel::Result<Outcome>>,
    last: Mutex<Option<Call>>,
}

impl Service {
    fn new(outcome: Outcome) -> Arc<Self> {
        Arc::new(Self {
            calls: AtomicUsize::new(0),
            outcome: Mutex::new(Ok(outcome)),
            last: Mutex::new(None),
        })
    }
}

#[async_trait]
impl ServiceHandler for Service {
    async fn call(&self, _: &Tx, call: &Call) -> kernel::Result<Outcome> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        *self.last.lock().unwrap() = Some(call.clone());
        match &*self.outcome.lock().unwrap() {
            Ok(outcome) => Ok(outcome.clone()),
            Err(_) => Err(Error::refused("no")),
        }
    }
}

fn service() -> String {
    process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><serviceTask id="call" tongban:call="test.service" tongban:matter="m-${{kind}}"/>
        <userTask id="after" tongban:candidates="examiner"/>{}"#,
        flows("s>call>after>e")
    ))
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_service_in_process_answers_within_the_step(db: Db) {
    let engine = Arc::new(Engine::default());
    let service_handler = Service::new(Outcome::Done(vars(json!({"fee": 3}))));
    engine.register("test.service", service_handler.clone());
    deploy(&db, "service", service()).await;
    let instance = start(&db, &engine, "service", json!({"org": ORG, "kind": 7}))
        .await
        .unwrap();
    let call = service_handler.last.lock().unwrap().clone().unwrap();
    assert_eq!(
        (call.subject.as_str(), call.attributes["matter"].as_str()),
        ("case:1", "m-7")
    );
    assert_eq!(all(&db).await[0].facts.element, "after");
    let fee = db
        .write(move |tx| async move { workflow::variables(&tx, instance).await })
        .await
        .unwrap();
    assert_eq!(fee["fee"], json!(3));
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_service_left_waiting_is_done_once(db: Db) {
    let engine = Arc::new(Engine::default());
    let handler = Service::new(Outcome::Wait);
    engine.register("test.service", handler.clone());
    deploy(&db, "service", service()).await;
    start(&db, &engine, "service", json!({"org": ORG, "kind": 7}))
        .await
        .unwrap();
    assert!(all(&db).await.is_empty());
    let id: CallId = handler.last.lock().unwrap().clone().unwrap().id;
    let done = || {
        let (db, engine) = (db.clone(), engine.clone());
        async move {
            db.write(move |tx| {
                let engine = engine.clone();
                async move { workflow::call_done(&tx, &engine, id, Map::new()).await }
            })
            .await
        }
    };
    done().await.unwrap();
    assert_eq!(refused(done().await), "workflow-call-already-done");
    assert_eq!(all(&db).await.len(), 1);
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_refused_service_is_an_incident_that_can_be_tried_again(db: Db) {
    let engine = Arc::new(Engine::default());
    deploy(&db, "service", service()).await;
    let instance = start(&db, &engine, "service", json!({"org": ORG, "kind": 7}))
        .await
        .unwrap();
    let trail = workflow::trail_of(&db, &engine, instance).await.unwrap();
    assert!(
        trail
            .steps
            .iter()
            .any(|stay| stay.stopped.contains("test.service")),
        "{trail:#?}"
    );
    engine.register("test.service", Service::new(Outcome::Done(Map::new())));
    let again = engine.clone();
    db.write(move |tx| {
        let engine = again.clone();
        async move { workflow::retry(&tx, &engine, instance, "user:admin").await }
    })
    .await
    .unwrap();
    assert_eq!(all(&db).await[0].facts.element, "after");
}

pub fn calendar() -> Arc<Calendar> {
    let mut calendar = Calendar::new();
    let year = Year {
        year: 2026,
        off: Vec::new(),
        work: Vec::new(),
        provisional: false,
    };
    calendar.insert(&year).unwrap();
    Arc::new(calendar)
}

fn deadline() -> String {
    process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><endEvent id="e2"/><userTask id="t" tongban:candidates="examiner" tongban:days="5"/>
        <boundaryEvent id="b" attachedToRef="t" cancelActivity="false"><timerEventDefinition tongban:workingDays="5"/></boundaryEvent>
        <userTask id="urge" tongban:candidates="examiner"/>{}"#,
        flows("s>t>e; b>urge>e2")
    ))
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_working_day_timer_fires_once_when_its_day_is_over(db: Db, clock: Arc<ManualClock>) {
    let engine = Arc::new(Engine::default());
    let known = calendar();
    engine.use_calendars(Arc::new(move |_| Ok(known.clone())));
    deploy(&db, "deadline", deadline()).await;
    start(&db, &engine, "deadline", json!({"org": ORG}))
        .await
        .unwrap();
    // From Monday 2 March five working days end with Monday 9 March.
    let due = all(&db).await[0].facts.due_at.unwrap();
    assert_eq!(due.to_rfc3339(), "2026-03-09T16:00:00+00:00");
    let worker = Worker::new(&workflow::jobs(&db, &engine));
    clock.set(due - Duration::seconds(1));
    assert_eq!(worker.run_due(&db).await.unwrap(), 0);
    clock.set(due);
    // The timer, and the end of the task's own limit.
    assert_eq!(worker.run_due(&db).await.unwrap(), 2);
    clock.set(due + Duration::days(30));
    assert_eq!(worker.run_due(&db).await.unwrap(), 0);
    let elements: Vec<String> = all(&db)
        .await
        .into_iter()
        .map(|task| task.facts.element)
        .collect();
    assert_eq!(elements, ["t", "urge"]);
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_timer_that_is_needed_no_longer_does_nothing(db: Db, clock: Arc<ManualClock>) {
    let engine = Arc::new(Engine::default());
    let known = calendar();
    engine.use_calendars(Arc::new(move |_| Ok(known.clone())));
    deploy(&db, "deadline", deadline()).await;
    start(&db, &engine, "deadline", json!({"org": ORG}))
        .await
        .unwrap();
    let task = all(&db).await.remove(0);
    complete(&db, &engine, &task, officer("a"), json!({}))
        .await
        .unwrap();
    clock.set(clock.now() + Duration::days(60));
    assert_eq!(
        Worker::new(&workflow::jobs(&db, &engine))
            .run_due(&db)
            .await
            .unwrap(),
        2
    );
    assert!(all(&db).await.is_empty());
}

#[store::db_test(migrations = workflow::migrations)]
async fn without_a_calendar_nothing_starts(db: Db) {
    let engine = Arc::new(Engine::default());
    deploy(&db, "deadline", deadline()).await;
    let result = start(&db, &engine, "deadline", json!({"org": ORG})).await;
    assert!(
        matches!(&result, Err(Error::Refused(text)) if text.key == "workflow-no-calendar"),
        "{result:?}"
    );
    assert!(all(&db).await.is_empty());
}

/// Notes what it hears.
#[derive(Default)]
struct Ear(Mutex<Vec<String>>);

#[async_trait]
impl TaskListener for Ear {
    async fn created(&self, _: &Tx, task: &TaskFacts) -> kernel::Result<()> {
        self.0
            .lock()
            .unwrap()
            .push(format!("created {}", task.element));
        Ok(())
    }

    async fn completed(
        &self,
        _: &Tx,
        task: &TaskFacts,
        by: &str,
        _: &Map<String, Value>,
    ) -> kernel::Result<()> {
        self.0
            .lock()
            .unwrap()
            .push(format!("completed {} {by}", task.element));
        Ok(())
    }

    async fn gone(&self, _: &Tx, task: &TaskFacts) -> kernel::Result<()> {
        self.0
            .lock()
            .unwrap()
            .push(format!("gone {}", task.element));
        Ok(())
    }

    async fn ended(
        &self,
        _: &Tx,
        _: InstanceId,
        subject: &str,
        status: &str,
    ) -> kernel::Result<()> {
        self.0.lock().unwrap().push(format!("{subject} {status}"));
        Ok(())
    }
}

#[store::db_test(migrations = workflow::migrations)]
async fn listeners_hear_of_tasks_and_ends(db: Db) {
    let engine = Arc::new(Engine::default());
    let ear = Arc::new(Ear::default());
    engine.listen(ear.clone());
    deploy(&db, "review", review()).await;
    let instance = start(&db, &engine, "review", json!({"org": ORG}))
        .await
        .unwrap();
    let task = all(&db).await.remove(0);
    complete(
        &db,
        &engine,
        &task,
        officer("a"),
        json!({"outcome": "approve"}),
    )
    .await
    .unwrap();
    let again = engine.clone();
    db.write(move |tx| {
        let engine = again.clone();
        async move { workflow::cancel(&tx, &engine, instance, "withdrawn", "user:c").await }
    })
    .await
    .unwrap();
    let heard = ear.0.lock().unwrap().clone();
    assert_eq!(
        heard,
        [
            "created review",
            "completed review a",
            "created yes",
            "case:1 cancelled",
            "gone yes"
        ]
    );
    assert!(all(&db).await.is_empty());
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_decision_deployed_before_is_asked(db: Db) {
    let engine = Arc::new(Engine::default());
    deploy(&db, "fees", crate::decisions::FEE.to_owned()).await;
    let xml = process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><businessRuleTask id="d" tongban:decision="Fee" tongban:result="fee"/>
        <userTask id="t" tongban:candidates="examiner"/>{}"#,
        flows("s>d>t>e")
    ));
    deploy(&db, "fee", xml).await;
    let instance = start(&db, &engine, "fee", json!({"org": ORG, "area": 90}))
        .await
        .unwrap();
    let variables = db
        .write(move |tx| async move { workflow::variables(&tx, instance).await })
        .await
        .unwrap();
    assert_eq!(variables["fee"], json!(200));
}

#[store::db_test(migrations = workflow::migrations)]
async fn an_instance_that_is_forgotten_after_every_write_goes_on(db: Db) {
    deploy(&db, "review", review()).await;
    // A new engine for every act: nothing may live in memory only.
    start(
        &db,
        &Arc::new(Engine::default()),
        "review",
        json!({"org": ORG}),
    )
    .await
    .unwrap();
    let task = all(&db).await.remove(0);
    complete(
        &db,
        &Arc::new(Engine::default()),
        &task,
        officer("a"),
        json!({"outcome": "approve"}),
    )
    .await
    .unwrap();
    let task = all(&db).await.remove(0);
    let approver = Officer {
        id: "c".into(),
        groups: vec!["approver@X".into()],
        trace: "user:c".into(),
    };
    complete(
        &db,
        &Arc::new(Engine::default()),
        &task,
        approver,
        json!({}),
    )
    .await
    .unwrap();
    let trails = workflow::trail(&db, &Engine::default(), "case:1")
        .await
        .unwrap();
    assert_eq!((trails.len(), trails[0].status.as_str()), (1, "completed"));
    assert!(trails[0].live.is_empty());
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_task_is_released_and_transferred_with_a_reason(db: Db) {
    let engine = Arc::new(Engine::default());
    deploy(&db, "review", review()).await;
    start(&db, &engine, "review", json!({"org": ORG}))
        .await
        .unwrap();
    let id = all(&db).await[0].facts.task;
    let transfer = |reason: &'static str| {
        let db = db.clone();
        async move {
            db.write(move |tx| async move {
                workflow::transfer(&tx, id, &officer("a"), "b", reason).await
            })
            .await
        }
    };
    assert!(matches!(transfer(" ").await, Err(Error::Invalid(_))));
    transfer("on leave").await.unwrap();
    assert_eq!(refused(transfer("again").await), "workflow-task-taken");
    assert_eq!(all(&db).await[0].facts.assignee.as_deref(), Some("b"));
    db.write(move |tx| async move { workflow::release(&tx, id, &officer("b")).await })
        .await
        .unwrap();
    assert_eq!(all(&db).await[0].state, "open");
}
