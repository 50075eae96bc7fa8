//! External tasks and calls in the background, on both databases.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use chrono::Duration;
use kernel::{Error, ManualClock};
use serde_json::{Map, Value, json};
use store::{Db, Tx, Worker, page::PageRequest};
use workflow::{
    Call, Engine, ExternalTaskId, InstanceId, Outcome, ServiceHandler,
    external::{self, Completion, ExternalTask, Failure, Fetch, Filter, Thrown, Topic},
};

use crate::model::{flows, process, vars};

fn orders() -> String {
    process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><endEvent id="e2"/>
        <serviceTask id="pay" camunda:type="external" camunda:topic="payment" camunda:taskPriority="${{urgency}}"/>
        <boundaryEvent id="b" attachedToRef="pay"><errorEventDefinition errorRef="none"/></boundaryEvent>
        <userTask id="ask" tongban:candidates="clerk@X"/>{}"#,
        flows("s>pay>e; b>ask>e2")
    ))
    .replace(
        "<process ",
        r#"<error id="none" errorCode="no-cover"/><process "#,
    )
}

struct Shop {
    db: Db,
    engine: Arc<Engine>,
}

impl Shop {
    async fn open(db: Db, xml: String) -> Self {
        db.write(move |tx| {
            let xml = xml.clone();
            async move { workflow::deploy(&tx, "orders", &xml).await }
        })
        .await
        .unwrap();
        let engine = Arc::new(Engine::default());
        Self { db, engine }
    }

    async fn order(&self, variables: Value) -> InstanceId {
        let engine = self.engine.clone();
        self.db
            .write(move |tx| {
                let (engine, vars) = (engine.clone(), vars(variables.clone()));
                async move { workflow::start(&tx, &engine, "orders", "case:1", vars).await }
            })
            .await
            .unwrap()
    }

    async fn fetch(&self, worker: &str, most: u32) -> Vec<ExternalTask> {
        self.fetch_as(&wanted(worker, most)).await.unwrap()
    }

    async fn fetch_as(&self, wanted: &Fetch) -> kernel::Result<Vec<ExternalTask>> {
        external::fetch(&self.db, &self.engine, wanted, "user:worker").await
    }

    async fn complete(
        &self,
        id: ExternalTaskId,
        worker: &str,
        variables: Value,
        local: Value,
    ) -> kernel::Result<()> {
        let engine = self.engine.clone();
        let done = Completion {
            worker: worker.into(),
            vars: vars(variables),
            local: vars(local),
        };
        self.db
            .write(move |tx| {
                let (engine, done) = (engine.clone(), done.clone());
                async move { external::complete(&tx, &engine, id, done, "user:worker").await }
            })
            .await
    }

    async fn fail(&self, id: ExternalTaskId, retries: Option<i64>, pause: i64) {
        let engine = self.engine.clone();
        let failure = Failure {
            worker: "a".into(),
            message: "the bank does not answer".into(),
            details: "at line 1".into(),
            retries,
            pause: Duration::seconds(pause),
        };
        self.db
            .write(move |tx| {
                let (engine, failure) = (engine.clone(), failure.clone());
                async move { external::fail(&tx, &engine, id, &failure, "user:worker").await }
            })
            .await
            .unwrap();
    }

    async fn throw(&self, id: ExternalTaskId, code: &str) {
        let engine = self.engine.clone();
        let thrown = Thrown {
            worker: "a".into(),
            code: code.into(),
            message: "empty".into(),
            vars: vars(json!({"balance": 0})),
        };
        self.db
            .write(move |tx| {
                let (engine, thrown) = (engine.clone(), thrown.clone());
                async move { external::throw(&tx, &engine, id, thrown, "user:worker").await }
            })
            .await
            .unwrap();
    }

    async fn retry(&self, instance: InstanceId) {
        let engine = self.engine.clone();
        self.db
            .write(move |tx| {
                let engine = engine.clone();
                async move { workflow::retry(&tx, &engine, instance, "user:admin").await }
            })
            .await
            .unwrap();
    }

    async fn list(&self) -> Vec<ExternalTask> {
        external::list(&self.db, &Filter::default(), &PageRequest::default())
            .await
            .unwrap()
            .items
    }

    /// Status, incidents' words, and what waits.
    async fn standing(&self, instance: InstanceId) -> (String, Vec<String>, Vec<String>) {
        let trail = workflow::trail_of(&self.db, &self.engine, instance)
            .await
            .unwrap();
        let stopped = trail.steps.iter().filter(|stay| !stay.stopped.is_empty());
        let stopped = stopped.map(|stay| stay.stopped.clone()).collect();
        (trail.status, stopped, trail.live)
    }

    async fn variables(&self, instance: InstanceId) -> Map<String, Value> {
        self.db
            .write(move |tx| async move { workflow::variables(&tx, instance).await })
            .await
            .unwrap()
    }
}

fn wanted(worker: &str, most: u32) -> Fetch {
    Fetch {
        worker: worker.into(),
        most,
        topics: vec![Topic {
            name: "payment".into(),
            lock: Duration::minutes(1),
            ..Topic::default()
        }],
    }
}

fn refused(result: kernel::Result<()>) -> &'static str {
    match result {
        Err(Error::Refused(text)) => text.key,
        other => panic!("{other:?}"),
    }
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_task_is_fetched_by_priority_under_a_lock_and_completed(db: Db) {
    let shop = Shop::open(db, orders()).await;
    let slow = shop.order(json!({"urgency": 1, "amount": 5})).await;
    let quick = shop.order(json!({"urgency": 9, "amount": 7})).await;
    let first = shop.fetch("a", 1).await.remove(0);
    assert_eq!((first.instance, first.priority), (quick, 9));
    assert_eq!(first.variables["amount"], json!(7));
    assert_eq!(first.element, "pay");
    let second = shop.fetch("b", 5).await;
    assert_eq!(second.len(), 1);
    assert_eq!(second[0].instance, slow);
    assert!(shop.fetch("c", 5).await.is_empty());
    assert_eq!(
        refused(shop.complete(first.id, "b", json!({}), json!({})).await),
        "workflow-external-foreign"
    );
    let receipt = json!({"receipt": "R-9"});
    shop.complete(first.id, "a", receipt, json!({"secret": 1}))
        .await
        .unwrap();
    assert_eq!(shop.standing(quick).await.0, "completed");
    let variables = shop.variables(quick).await;
    assert_eq!(variables["receipt"], json!("R-9"));
    assert!(!variables.contains_key("secret"));
    assert_eq!(
        refused(shop.complete(first.id, "a", json!({}), json!({})).await),
        "workflow-external-over"
    );
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_worker_that_lost_its_lock_is_refused(db: Db, clock: Arc<ManualClock>) {
    let shop = Shop::open(db, orders()).await;
    let instance = shop.order(json!({"urgency": 1})).await;
    let task = shop.fetch("a", 1).await.remove(0);
    let (db, id) = (shop.db.clone(), task.id);
    clock.advance(Duration::seconds(50));
    db.write(move |tx| async move {
        external::extend(&tx, id, "a", Duration::minutes(2), "user:worker").await
    })
    .await
    .unwrap();
    clock.advance(Duration::seconds(100));
    assert!(shop.fetch("b", 1).await.is_empty());
    clock.advance(Duration::seconds(21));
    assert_eq!(
        refused(shop.complete(task.id, "a", json!({}), json!({})).await),
        "workflow-external-lock-lost"
    );
    let again = shop.fetch("b", 1).await;
    assert_eq!(again[0].id, task.id);
    assert_eq!(
        refused(shop.complete(task.id, "a", json!({}), json!({})).await),
        "workflow-external-foreign"
    );
    db.write(move |tx| async move { external::unlock(&tx, id, "user:worker").await })
        .await
        .unwrap();
    assert_eq!(
        refused(shop.complete(task.id, "b", json!({}), json!({})).await),
        "workflow-external-lock-lost"
    );
    let third = shop.fetch("c", 1).await.remove(0);
    shop.complete(third.id, "c", json!({}), json!({}))
        .await
        .unwrap();
    assert_eq!(shop.standing(instance).await.0, "completed");
}

#[store::db_test(migrations = workflow::migrations)]
async fn many_workers_share_tasks_and_none_is_doubled(db: Db) {
    let shop = Arc::new(Shop::open(db, orders()).await);
    for _ in 0..30 {
        shop.order(json!({"urgency": 1})).await;
    }
    let workers = (0..4).map(|n| {
        let shop = shop.clone();
        tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let tasks = shop.fetch(&format!("w{n}"), 3).await;
                if tasks.is_empty() {
                    return mine;
                }
                for task in tasks {
                    shop.complete(task.id, &format!("w{n}"), json!({}), json!({}))
                        .await
                        .unwrap();
                    mine.push(task.id);
                }
            }
        })
    });
    let mut done = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        done.extend(worker.await.unwrap());
    }
    assert_eq!(done.len(), 30);
    done.sort();
    done.dedup();
    assert_eq!(done.len(), 30);
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_failed_task_rests_then_becomes_an_incident_that_begins_anew(
    db: Db,
    clock: Arc<ManualClock>,
) {
    let shop = Shop::open(db, orders()).await;
    let instance = shop.order(json!({"urgency": 1})).await;
    let task = shop.fetch("a", 1).await.remove(0);
    shop.fail(task.id, Some(1), 30).await;
    assert!(shop.fetch("a", 1).await.is_empty());
    clock.advance(Duration::seconds(31));
    let task = shop.fetch("a", 1).await.remove(0);
    assert_eq!(
        (task.retries, task.error_message.as_str()),
        (Some(1), "the bank does not answer")
    );
    // Without a number the tries that are left go down by one.
    shop.fail(task.id, None, 0).await;
    let (status, stopped, _) = shop.standing(instance).await;
    assert_eq!(status, "running");
    assert_eq!(stopped, ["`payment`: the bank does not answer"]);
    assert_eq!(shop.list().await[0].state, "failed");
    assert!(shop.fetch("a", 1).await.is_empty());
    assert_eq!(
        refused(shop.complete(task.id, "a", json!({}), json!({})).await),
        "workflow-external-failed"
    );
    shop.retry(instance).await;
    let anew = shop.fetch("a", 1).await.remove(0);
    assert_ne!(anew.id, task.id);
    assert_eq!(shop.list().await.len(), 1);
    shop.complete(anew.id, "a", json!({}), json!({}))
        .await
        .unwrap();
    assert_eq!(shop.standing(instance).await.0, "completed");
}

/// A worker gives up; the deadline of its task does not.
#[store::db_test(migrations = workflow::migrations)]
async fn the_border_timer_of_a_task_that_stopped_fires_when_it_is_due(
    db: Db,
    clock: Arc<ManualClock>,
) {
    let xml = orders().replace(
        r#"<errorEventDefinition errorRef="none"/>"#,
        "<timerEventDefinition><timeDuration>PT4S</timeDuration></timerEventDefinition>",
    );
    let shop = Shop::open(db.clone(), xml).await;
    let worker = Worker::new(&workflow::jobs(&db, &shop.engine));
    let [late, retried] = [1, 2].map(|urgency| shop.order(json!({"urgency": urgency})));
    let (late, retried) = (late.await, retried.await);
    for task in shop.fetch("a", 2).await {
        shop.fail(task.id, Some(0), 0).await;
    }
    clock.advance(Duration::seconds(2));
    shop.retry(retried).await;
    assert_eq!(shop.fetch("a", 2).await.len(), 1);
    for instance in [late, retried] {
        assert_eq!(shop.standing(instance).await.2, ["pay"]);
    }
    clock.advance(Duration::seconds(2));
    assert_eq!(worker.run_due(&db).await.unwrap(), 2);
    for instance in [late, retried] {
        assert_eq!(shop.standing(instance).await.2, ["ask"]);
    }
    assert!(shop.fetch("a", 2).await.is_empty());
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_task_that_finds_no_way_out_is_fetched_once(db: Db) {
    let xml = orders()
        .replace(
            r#"<endEvent id="e2"/>"#,
            r#"<endEvent id="e2"/><endEvent id="e3"/>"#,
        )
        .replace(
            &flows("s>pay>e; b>ask>e2"),
            &flows("s>pay; pay>e[paid = 1]; pay>e3[paid = 2]; b>ask>e2"),
        );
    let shop = Shop::open(db, xml).await;
    let instance = shop.order(json!({"urgency": 1, "paid": 0})).await;
    let task = shop.fetch("a", 1).await.remove(0);
    shop.complete(task.id, "a", json!({}), json!({}))
        .await
        .unwrap();
    let (status, stopped, live) = shop.standing(instance).await;
    assert_eq!(
        (status.as_str(), stopped.len(), live),
        ("running", 1, vec!["pay".to_owned()])
    );
    let engine = shop.engine.clone();
    let pays = move |tx| {
        let engine = engine.clone();
        async move { workflow::set(&tx, &engine, instance, vars(json!({"paid": 1}))).await }
    };
    shop.db.write(pays).await.unwrap();
    shop.retry(instance).await;
    assert!(shop.fetch("a", 1).await.is_empty());
    assert_eq!(shop.standing(instance).await.0, "completed");
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_business_error_goes_to_the_border_or_stops_the_task(db: Db) {
    let shop = Shop::open(db, orders()).await;
    let caught = shop.order(json!({"urgency": 1})).await;
    let task = shop.fetch("a", 1).await.remove(0);
    shop.throw(task.id, "no-cover").await;
    assert_eq!(shop.standing(caught).await.2, ["ask"]);
    assert_eq!(shop.variables(caught).await["balance"], json!(0));
    let uncaught = shop.order(json!({"urgency": 1})).await;
    let task = shop.fetch("a", 1).await.remove(0);
    shop.throw(task.id, "unheard-of").await;
    assert_eq!(shop.standing(uncaught).await.1.len(), 1);
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_task_goes_with_its_instance(db: Db) {
    let shop = Shop::open(db, orders()).await;
    let instance = shop.order(json!({"urgency": 1})).await;
    let task = shop.fetch("a", 1).await.remove(0);
    let engine = shop.engine.clone();
    shop.db
        .write(move |tx| {
            let engine = engine.clone();
            async move { workflow::cancel(&tx, &engine, instance, "no", "user:a").await }
        })
        .await
        .unwrap();
    assert!(shop.list().await.is_empty());
    assert_eq!(
        refused(shop.complete(task.id, "a", json!({}), json!({})).await),
        "workflow-external-over"
    );
}

#[store::db_test(migrations = workflow::migrations)]
async fn inputs_and_outputs_of_an_external_task_are_mapped(db: Db) {
    let xml = process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><serviceTask id="pay" tongban:topic="payment" tongban:retries="2">
          <extensionElements>
            <camunda:inputOutput><camunda:inputParameter name="sum">${{amount * 2}}</camunda:inputParameter>
            <camunda:outputParameter name="paid">${{got}}</camunda:outputParameter></camunda:inputOutput>
          </extensionElements></serviceTask>
        <userTask id="hold" tongban:candidates="clerk@X"/>{}"#,
        flows("s>pay>hold>e")
    ));
    let shop = Shop::open(db, xml).await;
    let instance = shop.order(json!({"amount": 4, "other": 1})).await;
    let mut only = wanted("a", 1);
    only.topics[0].variables = Some(vec!["sum".into(), "other".into()]);
    let task = shop.fetch_as(&only).await.unwrap().remove(0);
    assert_eq!(
        Value::Object(task.variables.clone()),
        json!({"sum": 8, "other": 1})
    );
    assert_eq!(task.retries, Some(2));
    shop.complete(task.id, "a", json!({"note": "n"}), json!({"got": 8}))
        .await
        .unwrap();
    let variables = shop.variables(instance).await;
    assert_eq!(
        (&variables["paid"], &variables["note"]),
        (&json!(8), &json!("n"))
    );
    assert!(!variables.contains_key("got"));
}

#[store::db_test(migrations = workflow::migrations)]
async fn an_open_task_moves_to_the_new_version_with_its_instance(db: Db) {
    let model = |id: &str, inner: &str| {
        process(&format!(
            r#"<startEvent id="s"/><endEvent id="e"/><serviceTask id="{id}" tongban:topic="{id}">{inner}</serviceTask><userTask id="hold" tongban:candidates="clerk@X"/>{}"#,
            flows(&format!("s>{id}>hold>e"))
        ))
    };
    let shop = Shop::open(db, model("pay", "")).await;
    let instance = shop.order(json!({})).await;
    let mapped = r#"<extensionElements><camunda:inputOutput><camunda:outputParameter name="total">${amount * 2}</camunda:outputParameter></camunda:inputOutput></extensionElements>"#;
    let (xml, engine) = (model("payment", mapped), shop.engine.clone());
    let moved = shop.db.write(move |tx| {
        let (xml, engine) = (xml.clone(), engine.clone());
        async move {
            let to = workflow::deploy(&tx, "orders", &xml).await?.definition;
            let plan = workflow::migrate::Plan {
                elements: [("pay".to_owned(), Some("payment".to_owned()))].into(),
                ..workflow::migrate::Plan::default()
            };
            workflow::migrate::one(&tx, &engine, instance, &to, &plan, "user:op").await?;
            Ok(to)
        }
    });
    let to = moved.await.unwrap();
    let task = shop.fetch("a", 1).await.remove(0);
    assert_eq!(
        (&task.element, &task.definition),
        (&"payment".to_owned(), &to)
    );
    shop.complete(task.id, "a", json!({}), json!({"amount": 5}))
        .await
        .unwrap();
    assert_eq!(shop.variables(instance).await["total"], json!(10));
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_request_that_asks_for_nothing_sensible_is_told_everything(db: Db) {
    let shop = Shop::open(db, orders()).await;
    let mut odd = wanted(" ", 0);
    odd.topics[0].lock = Duration::zero();
    odd.topics.push(Topic::default());
    let Err(Error::Invalid(findings)) = shop.fetch_as(&odd).await else {
        panic!("taken")
    };
    let fields: Vec<_> = findings.iter().map(|f| f.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "worker",
            "max_tasks",
            "topics/0/lock",
            "topics/1/name",
            "topics/1/lock"
        ]
    );
    let mut unknown = wanted("a", 1);
    unknown.topics[0].name = "nobody-sends-this".into();
    assert_eq!(shop.fetch_as(&unknown).await.unwrap(), []);
}

/// Refuses so many times, then answers.
struct Moody {
    refusals: usize,
    calls: AtomicUsize,
}

#[async_trait]
impl ServiceHandler for Moody {
    async fn call(&self, _: &Tx, call: &Call) -> kernel::Result<Outcome> {
        assert_eq!(call.vars["sum"], json!(6));
        if self.calls.fetch_add(1, Ordering::SeqCst) < self.refusals {
            return Err(Error::refused("no"));
        }
        Ok(Outcome::Done(vars(json!({"fee": 3}))))
    }
}

fn background() -> String {
    process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/>
        <serviceTask id="call" camunda:asyncBefore="true" camunda:delegateExpression="${{fees}}"><extensionElements>
          <camunda:failedJobRetryTimeCycle>R3/PT10M</camunda:failedJobRetryTimeCycle>
          <camunda:inputOutput><camunda:inputParameter name="sum">${{amount * 2}}</camunda:inputParameter></camunda:inputOutput>
        </extensionElements></serviceTask>{}"#,
        flows("s>call>e")
    ))
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_call_in_the_background_is_tried_again_after_its_pause(db: Db, clock: Arc<ManualClock>) {
    let shop = Shop::open(db.clone(), background()).await;
    let moody = Arc::new(Moody {
        refusals: 2,
        calls: AtomicUsize::new(0),
    });
    shop.engine.register("fees", moody.clone());
    let instance = shop.order(json!({"amount": 3})).await;
    assert_eq!(moody.calls.load(Ordering::SeqCst), 0);
    let worker = Worker::new(&workflow::jobs(&db, &shop.engine));
    for tries in 1..=3 {
        worker.run_due(&db).await.unwrap();
        assert_eq!(moody.calls.load(Ordering::SeqCst), tries);
        clock.advance(Duration::minutes(9));
        worker.run_due(&db).await.unwrap();
        assert_eq!(moody.calls.load(Ordering::SeqCst), tries);
        clock.advance(Duration::minutes(1));
    }
    assert_eq!(shop.standing(instance).await.0, "completed");
    assert_eq!(shop.variables(instance).await["fee"], json!(3));
}

#[store::db_test(migrations = workflow::migrations)]
async fn tries_in_the_background_may_be_calculated(db: Db, clock: Arc<ManualClock>) {
    let calculated = background().replace("R3/PT10M", "R${often}/PT${sum}M");
    let shop = Shop::open(db.clone(), calculated).await;
    let moody = Arc::new(Moody {
        refusals: usize::MAX,
        calls: AtomicUsize::new(0),
    });
    shop.engine.register("fees", moody.clone());
    let instance = shop.order(json!({"amount": 3, "often": 5})).await;
    let worker = Worker::new(&workflow::jobs(&db, &shop.engine));
    for tries in 1..=5 {
        worker.run_due(&db).await.unwrap();
        assert_eq!(moody.calls.load(Ordering::SeqCst), tries);
        clock.advance(Duration::minutes(5));
        worker.run_due(&db).await.unwrap();
        assert_eq!(moody.calls.load(Ordering::SeqCst), tries);
        clock.advance(Duration::minutes(1));
    }
    let (_, stopped, _) = shop.standing(instance).await;
    assert!(stopped[0].contains("failed 5 times"), "{stopped:?}");
}

#[store::db_test(migrations = workflow::migrations)]
async fn tries_that_are_no_number_are_told_at_the_first_failure(db: Db, clock: Arc<ManualClock>) {
    let calculated = background().replace("R3/PT10M", "${often}");
    let shop = Shop::open(db.clone(), calculated).await;
    let moody = Arc::new(Moody {
        refusals: 1,
        calls: AtomicUsize::new(0),
    });
    shop.engine.register("fees", moody.clone());
    let instance = shop.order(json!({"amount": 3, "often": "daily"})).await;
    let worker = Worker::new(&workflow::jobs(&db, &shop.engine));
    worker.run_due(&db).await.unwrap();
    let (_, stopped, _) = shop.standing(instance).await;
    assert!(
        stopped[0].contains("failed 1 times") && stopped[0].contains("`daily` is no number"),
        "{stopped:?}"
    );
    shop.retry(instance).await;
    clock.advance(Duration::minutes(1));
    worker.run_due(&db).await.unwrap();
    assert_eq!(shop.standing(instance).await.0, "completed");
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_call_in_the_background_that_never_succeeds_is_an_incident(
    db: Db,
    clock: Arc<ManualClock>,
) {
    let shop = Shop::open(db.clone(), background()).await;
    let moody = Arc::new(Moody {
        refusals: 3,
        calls: AtomicUsize::new(0),
    });
    shop.engine.register("fees", moody.clone());
    let instance = shop.order(json!({"amount": 3})).await;
    let worker = Worker::new(&workflow::jobs(&db, &shop.engine));
    for _ in 0..6 {
        worker.run_due(&db).await.unwrap();
        clock.advance(Duration::minutes(10));
    }
    assert_eq!(moody.calls.load(Ordering::SeqCst), 3);
    let (_, stopped, _) = shop.standing(instance).await;
    assert!(stopped[0].contains("failed 3 times"), "{stopped:?}");
    shop.retry(instance).await;
    worker.run_due(&db).await.unwrap();
    assert_eq!(shop.standing(instance).await.0, "completed");
}
