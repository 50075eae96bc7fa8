//! Consumers and jobs.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use chrono::Duration;
use kernel::{Fault, ManualClock};
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait};
use serde::{Deserialize, Serialize};
use store::{
    Consumer, Db, Event, Handler, Job, JobBody, JobFailure, Late, Sealer, Tx, Worker,
    consume::{self, Step},
    job,
    page::PageRequest,
    schema, work,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::note::{Noted, note, signer};

/// Keeps each event's subject in a table, so that an effect taken twice fails; and fails at the
/// events it is told to.
#[derive(Default)]
struct Keeper {
    fails_at: Mutex<Option<i64>>,
    panics: AtomicBool,
    fails_late: AtomicBool,
    tries: AtomicUsize,
}

/// Rows that cannot be written at the end.
#[derive(Default)]
struct Spoiled(bool);

#[async_trait]
impl Late for Spoiled {
    async fn write(self, _: &Tx) -> kernel::Result<()> {
        assert!(self.0);
        Err(Fault::new("asked to fail at the end").into())
    }
}

#[async_trait]
impl Consumer for Keeper {
    fn name(&self) -> &'static str {
        "test.keeper"
    }

    fn reads(&self, kind: &str) -> bool {
        kind == "test.noted.v1"
    }

    async fn take(&self, tx: &Tx, event: &Event) -> kernel::Result<()> {
        self.tries.fetch_add(1, Ordering::Relaxed);
        let body = event.body::<Noted>().unwrap();
        let body = body.map_err(|e| Fault::caused_by("read the note", e))?;
        let row = schema::blob_holder::ActiveModel {
            digest: sea_orm::ActiveValue::Set(event.subject.clone()),
            holder: sea_orm::ActiveValue::Set(body.text),
        };
        schema::blob_holder::Entity::insert(row)
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| store::fault("keep", e))?;
        let fails_at = *self.fails_at.lock().unwrap();
        if fails_at == Some(event.position) && self.fails_late.load(Ordering::Relaxed) {
            tx.later(|spoiled: &mut Spoiled| spoiled.0 = true);
        } else if fails_at == Some(event.position) {
            assert!(!self.panics.load(Ordering::Relaxed), "asked to");
            return Err(Fault::new("asked to fail").into());
        }
        Ok(())
    }
}

impl Keeper {
    fn fail_at(&self, position: Option<i64>) {
        *self.fails_at.lock().unwrap() = position;
    }
}

pub async fn kept(db: &Db) -> u64 {
    schema::blob_holder::Entity::find()
        .count(db.read())
        .await
        .unwrap()
}

fn keeper() -> (Arc<Keeper>, Vec<Arc<dyn Consumer>>) {
    let keeper = Arc::new(Keeper::default());
    (keeper.clone(), vec![keeper])
}

/// The consumer that notes every event once.
pub fn counting_consumers() -> Vec<Arc<dyn Consumer>> {
    keeper().1
}

#[store::db_test]
async fn every_event_takes_effect_once(db: Db) {
    let (_, consumers) = keeper();
    note(&db, 100).await;
    work::settle(&db, &consumers, &[]).await.unwrap();
    assert_eq!(kept(&db).await, 100);
    let standing = &consume::list_standings(&db).await.unwrap()[0];
    assert_eq!((standing.position, standing.behind), (100, 0));
    work::settle(&db, &consumers, &[]).await.unwrap();
    assert_eq!(kept(&db).await, 100);
}

#[store::db_test]
async fn two_processes_with_one_consumer_take_no_event_twice(db: Db) {
    note(&db, 200).await;
    Sealer::without_key().seal_all(&db).await.unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { consume::drain(&db, &keeper().1[0]).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(kept(&db).await, 200);
    assert_eq!(consume::list_standings(&db).await.unwrap()[0].failures, 0);
}

#[store::db_test]
async fn events_of_other_kinds_are_passed_over(db: Db) {
    struct Deaf;
    #[async_trait]
    impl Consumer for Deaf {
        fn name(&self) -> &'static str {
            "test.deaf"
        }
        fn reads(&self, _: &str) -> bool {
            false
        }
        async fn take(&self, _: &Tx, _: &Event) -> kernel::Result<()> {
            Err(Fault::new("not for me").into())
        }
    }
    note(&db, 40).await;
    let deaf: Arc<dyn Consumer> = Arc::new(Deaf);
    work::settle(&db, &[deaf], &[]).await.unwrap();
    assert_eq!(consume::list_standings(&db).await.unwrap()[0].behind, 0);
}

#[store::db_test]
async fn an_event_that_keeps_failing_is_parked_and_blocks_nobody(db: Db, clock: Arc<ManualClock>) {
    let (keeper, consumers) = keeper();
    keeper.fail_at(Some(10));
    note(&db, 20).await;
    work::settle(&db, &consumers, &[]).await.unwrap();
    assert_eq!(
        kept(&db).await,
        9,
        "those before it are taken, it and its effect are not"
    );
    for _ in 1..consume::PARK_AFTER {
        clock.advance(Duration::minutes(1));
        work::settle(&db, &consumers, &[]).await.unwrap();
    }
    assert_eq!(kept(&db).await, 19);
    let standing = consume::list_standings(&db).await.unwrap().remove(0);
    assert_eq!((standing.behind, standing.failures), (0, 0));
    assert_eq!(standing.parked.len(), 1);
    assert_eq!(standing.parked[0].position, 10);
    assert_eq!(standing.parked[0].reason, "asked to fail");

    consume::retry_parked(&db, &consumers[0], 10)
        .await
        .unwrap_err();
    keeper.fail_at(None);
    consume::retry_parked(&db, &consumers[0], 10).await.unwrap();
    assert_eq!(kept(&db).await, 20);
    assert!(
        consume::list_standings(&db).await.unwrap()[0]
            .parked
            .is_empty()
    );
}

#[store::db_test]
async fn what_cannot_be_written_at_the_end_is_its_events_failure(db: Db, clock: Arc<ManualClock>) {
    let (keeper, consumers) = keeper();
    keeper.fails_late.store(true, Ordering::Relaxed);
    keeper.fail_at(Some(10));
    note(&db, 20).await;
    for _ in 0..consume::PARK_AFTER {
        work::settle(&db, &consumers, &[]).await.unwrap();
        assert!(kept(&db).await >= 9);
        clock.advance(Duration::minutes(1));
    }
    work::settle(&db, &consumers, &[]).await.unwrap();
    assert_eq!(kept(&db).await, 19);
    let standing = consume::list_standings(&db).await.unwrap().remove(0);
    assert_eq!(standing.parked.len(), 1);
    assert_eq!(standing.parked[0].position, 10);
}

#[store::db_test]
async fn a_panic_in_a_consumer_is_a_failure_of_its_event(db: Db) {
    let (keeper, consumers) = keeper();
    keeper.panics.store(true, Ordering::Relaxed);
    keeper.fail_at(Some(2));
    note(&db, 3).await;
    Sealer::without_key().seal_all(&db).await.unwrap();
    assert_eq!(
        consume::step(&db, &consumers[0]).await.unwrap(),
        Step::Moved
    );
    assert!(matches!(
        consume::step(&db, &consumers[0]).await.unwrap(),
        Step::Waits(_)
    ));
    assert_eq!(kept(&db).await, 1);
}

#[derive(Serialize, Deserialize)]
struct Knock {
    door: u32,
}

impl JobBody for Knock {
    const KIND: &'static str = "test.knock.v1";
}

type Answer = Box<dyn Fn(&Job) -> Result<(), JobFailure> + Send + Sync>;

struct Knocker {
    answer: Answer,
    ran: AtomicUsize,
    done: Notify,
}

fn knocker(
    answer: impl Fn(&Job) -> Result<(), JobFailure> + Send + Sync + 'static,
) -> (Arc<Knocker>, Vec<Arc<dyn Handler>>) {
    let answer: Answer = Box::new(answer);
    let knocker = Arc::new(Knocker {
        answer,
        ran: AtomicUsize::new(0),
        done: Notify::new(),
    });
    (knocker.clone(), vec![knocker])
}

#[async_trait]
impl Handler for Knocker {
    fn kind(&self) -> &'static str {
        Knock::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        self.ran.fetch_add(1, Ordering::Relaxed);
        self.done.notify_one();
        (self.answer)(job)
    }
}

impl Knocker {
    fn ran(&self) -> usize {
        self.ran.load(Ordering::Relaxed)
    }
}

async fn knock(db: &Db, in_hours: i64) {
    db.write(move |tx| async move {
        tx.enqueue_at(tx.now() + Duration::hours(in_hours), &Knock { door: 7 })
    })
    .await
    .unwrap();
}

#[store::db_test]
async fn a_job_runs_when_it_is_due_and_is_gone_after(db: Db, clock: Arc<ManualClock>) {
    let (knocker, handlers) = knocker(|job| {
        assert_eq!(job.body::<Knock>().unwrap().door, 7);
        Ok(())
    });
    let worker = Worker::new(&handlers);
    knock(&db, 24).await;
    assert_eq!(worker.run_due(&db).await.unwrap(), 0);
    clock.advance(Duration::hours(24));
    assert_eq!(worker.run_due(&db).await.unwrap(), 1);
    assert_eq!(knocker.ran(), 1);
    assert_eq!(job::count(&db).await.unwrap(), job::Counts::default());
}

#[store::db_test]
async fn a_refused_write_enqueues_nothing(db: Db) {
    let refused = db.write(|tx| async move {
        tx.enqueue(&Knock { door: 1 })?;
        Err::<(), _>(kernel::Error::refused("test-no"))
    });
    refused.await.unwrap_err();
    assert_eq!(job::count(&db).await.unwrap(), job::Counts::default());
}

#[store::db_test]
async fn a_job_that_fails_is_tried_later_and_in_the_end_kept(db: Db, clock: Arc<ManualClock>) {
    let (knocker, handlers) = knocker(|_| Err(JobFailure::Retry(Fault::new("nobody at home"))));
    let worker = Worker::new(&handlers);
    knock(&db, 0).await;
    for tries in 1..=store::GIVE_UP_AFTER {
        assert_eq!(worker.run_due(&db).await.unwrap(), 1);
        assert_eq!(knocker.ran(), usize::try_from(tries).unwrap());
        assert_eq!(worker.run_due(&db).await.unwrap(), 0, "not at once again");
        clock.advance(Duration::hours(2));
    }
    assert_eq!(worker.run_due(&db).await.unwrap(), 0);
    let failed = job::list(&db, "failed", &PageRequest::default())
        .await
        .unwrap()
        .items;
    assert_eq!(failed[0].last_error.as_deref(), Some("nobody at home"));

    job::retry(&db, &failed[0].id).await.unwrap();
    assert_eq!(worker.run_due(&db).await.unwrap(), 1);
    assert!(
        job::remove(&db, &failed[0].id).await.is_err(),
        "it waits again"
    );
}

#[store::db_test]
async fn a_job_that_cannot_succeed_or_panics_is_kept_at_once(db: Db) {
    let (_, handlers) = knocker(|_| Err(JobFailure::Fail(Fault::new("no such door"))));
    knock(&db, 0).await;
    Worker::new(&handlers).run_due(&db).await.unwrap();
    assert_eq!(job::count(&db).await.unwrap().failed, 1);
    let (_, handlers) = knocker(|_| panic!("asked to"));
    knock(&db, 0).await;
    Worker::new(&handlers).run_due(&db).await.unwrap();
    assert_eq!(job::count(&db).await.unwrap().failed, 2);
    let failed = job::list(&db, "failed", &PageRequest::new(None, Some(1)))
        .await
        .unwrap();
    let next = PageRequest::new(failed.next, Some(1));
    let last = job::list(&db, "failed", &next).await.unwrap();
    assert_ne!(failed.items[0].id, last.items[0].id);
    assert_eq!(last.next, None);
    job::remove(&db, &last.items[0].id).await.unwrap();
    assert_eq!(job::count(&db).await.unwrap().failed, 1);
}

/// Hears of jobs that are given up; at first it cannot.
#[derive(Default)]
struct Mourner {
    heard: Mutex<Vec<String>>,
    fails: AtomicBool,
}

#[async_trait]
impl Handler for Mourner {
    fn kind(&self) -> &'static str {
        Knock::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        match job.body::<Knock>()?.door {
            0 => Err(JobFailure::Fail(Fault::new("no such door"))),
            1 => Err(JobFailure::Retry(Fault::new("nobody at home"))),
            _ => panic!("asked to"),
        }
    }

    async fn given_up(&self, _: &Job, reason: &Fault) -> kernel::Result<()> {
        if self.fails.swap(false, Ordering::Relaxed) {
            return Err(Fault::new("not now").into());
        }
        self.heard.lock().unwrap().push(reason.chain());
        Ok(())
    }
}

async fn knock_at(db: &Db, door: u32) {
    db.write(move |tx| async move { tx.enqueue(&Knock { door }) })
        .await
        .unwrap();
}

#[store::db_test]
async fn who_waits_for_a_job_hears_that_it_was_given_up(db: Db, clock: Arc<ManualClock>) {
    let mourner = Arc::new(Mourner::default());
    let handlers: Vec<Arc<dyn Handler>> = vec![mourner.clone()];
    let worker = Worker::new(&handlers);
    let heard = || std::mem::take(&mut *mourner.heard.lock().unwrap());
    // A worker that dies at each try says nothing; the one that gives up says it, until it is heard.
    knock_at(&db, 1).await;
    for _ in 0..store::GIVE_UP_AFTER {
        assert_eq!(worker.claim(&db, 1).await.unwrap().len(), 1);
        clock.advance(Duration::minutes(2));
    }
    mourner.fails.store(true, Ordering::Relaxed);
    assert!(worker.run_due(&db).await.is_err());
    assert_eq!(job::count(&db).await.unwrap().failed, 0);
    clock.advance(Duration::minutes(2));
    assert_eq!(worker.run_due(&db).await.unwrap(), 1);
    assert_eq!(heard(), ["given up: the lease ran out too often"]);
    assert_eq!(job::count(&db).await.unwrap().failed, 1);
    for door in [0, 2] {
        knock_at(&db, door).await;
        assert_eq!(worker.run_due(&db).await.unwrap(), 1);
    }
    assert_eq!(heard(), ["no such door", "the job panicked"]);
    // One that may come again is not given up before its last try.
    knock_at(&db, 1).await;
    for tries in 1..=store::GIVE_UP_AFTER {
        assert_eq!(heard(), [""; 0], "{tries}");
        assert_eq!(worker.run_due(&db).await.unwrap(), 1);
        clock.advance(Duration::hours(2));
    }
    assert_eq!(heard(), ["nobody at home"]);
}

#[store::db_test]
async fn what_cannot_be_read_is_set_aside_and_blocks_nobody(db: Db, clock: Arc<ManualClock>) {
    let (_, consumers) = keeper();
    let (_, handlers) = knocker(|job| job.body::<Knock>().map(|_| ()));
    note(&db, 2).await;
    knock(&db, 0).await;
    db.write(|tx| async move {
        for sql in [
            "UPDATE store_event SET data = 'not json' WHERE subject = 'note:0'",
            "UPDATE store_job SET payload = 'not json'",
        ] {
            tx.execute_unprepared(sql)
                .await
                .map_err(|e| store::fault("spoil", e))?;
        }
        Ok(())
    })
    .await
    .unwrap();
    for _ in 0..consume::PARK_AFTER {
        work::settle(&db, &consumers, &handlers).await.unwrap();
        clock.advance(Duration::minutes(1));
    }
    assert_eq!(kept(&db).await, 1);
    assert_eq!(job::count(&db).await.unwrap().failed, 1);
}

#[store::db_test]
async fn jobs_without_a_handler_stay(db: Db) {
    knock(&db, 0).await;
    assert_eq!(Worker::new(&[]).run_due(&db).await.unwrap(), 0);
    assert_eq!(job::count(&db).await.unwrap().due, 1);
}

#[store::db_test]
async fn a_worker_that_lost_its_lease_cannot_complete_the_job(db: Db, clock: Arc<ManualClock>) {
    let stolen = Arc::new(Mutex::new(None));
    let (later, lease) = (stolen.clone(), clock.clone());
    let (slow, handlers) = knocker(move |job| {
        *later.lock().unwrap() = Some(job.epoch);
        // The machine sleeps longer than the lease, and wakes to find …
        lease.advance(Duration::minutes(10));
        Ok(())
    });
    knock(&db, 0).await;
    let (second, others) = knocker(|job| {
        assert_eq!(job.epoch, 2);
        Err(JobFailure::Retry(Fault::new(
            "the second worker is not done",
        )))
    });
    // … that its claim was taken over, which the test does between claim and completion.
    let claimed = Worker::new(&handlers).claim(&db, 1).await.unwrap();
    clock.advance(Duration::minutes(10));
    Worker::new(&others).run_due(&db).await.unwrap();
    for job in claimed {
        Worker::new(&handlers).run_one(&db, job).await.unwrap();
    }
    assert_eq!((slow.ran(), second.ran()), (1, 1));
    assert_eq!(
        job::count(&db).await.unwrap().waiting,
        1,
        "the second claim's end stands"
    );
}

#[store::db_test]
async fn a_job_with_a_key_waits_only_once(db: Db) {
    for _ in 0..3 {
        db.write(|tx| async move {
            tx.enqueue_unique("door:7", tx.now(), &Knock { door: 7 })?;
            tx.enqueue_unique("door:8", tx.now(), &Knock { door: 8 })?;
            tx.enqueue(&Knock { door: 9 })
        })
        .await
        .unwrap();
    }
    assert_eq!(job::count(&db).await.unwrap().waiting, 5);
    let again = db.clone();
    let (knocker, handlers) = knocker(|_| Ok(()));
    Worker::new(&handlers).run_due(&db).await.unwrap();
    assert_eq!(knocker.ran(), 5);
    again
        .write(|tx| async move { tx.enqueue_unique("door:7", tx.now(), &Knock { door: 7 }) })
        .await
        .unwrap();
    assert_eq!(job::count(&db).await.unwrap().waiting, 1);
}

#[store::db_test]
async fn many_workers_run_each_job_once(db: Db) {
    let (knocker, handlers) = knocker(|_| Ok(()));
    for _ in 0..100 {
        knock(&db, 0).await;
    }
    let tasks: Vec<_> = (0..5)
        .map(|_| {
            let (db, worker) = (db.clone(), Worker::new(&handlers));
            tokio::spawn(async move { worker.run_due(&db).await.unwrap() })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += task.await.unwrap();
    }
    assert_eq!((count, knocker.ran()), (100, 100));
}

#[store::db_test]
async fn background_work_wakes_by_itself_and_stops_when_told(db: Db) {
    let (_, consumers) = keeper();
    let (knocker, handlers) = knocker(|_| Ok(()));
    let token = CancellationToken::new();
    let running = work::start(&db, signer(), &consumers, &handlers, token.clone());
    note(&db, 3).await;
    knock(&db, 0).await;
    knocker.done.notified().await;
    let mut sealed = 0;
    while sealed < 3 {
        tokio::task::yield_now().await;
        sealed = kept(&db).await;
    }
    token.cancel();
    running.await.unwrap();
    let report = store::audit::verify(&db, &store::audit::Trust::default(), |_, _| ())
        .await
        .unwrap();
    assert_eq!((report.events, report.unsigned), (3, 0));
    assert!(report.is_whole());
}

#[derive(Serialize, Deserialize)]
struct Haul;

impl JobBody for Haul {
    const KIND: &'static str = "test.haul.v1";
}

/// Work that goes on until it is let go, two at a time.
#[derive(Default)]
struct Hauler {
    running: AtomicUsize,
    most: AtomicUsize,
    go: CancellationToken,
}

#[async_trait]
impl Handler for Hauler {
    fn kind(&self) -> &'static str {
        Haul::KIND
    }

    fn lane(&self) -> Option<usize> {
        Some(2)
    }

    async fn run(&self, _: &Job) -> Result<(), JobFailure> {
        let now = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        self.go.cancelled().await;
        self.running.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }
}

#[store::db_test]
async fn a_long_queue_in_a_lane_keeps_no_other_job_waiting(db: Db) {
    let hauler = Arc::new(Hauler::default());
    let (knocker, mut handlers) = knocker(|_| Ok(()));
    handlers.push(hauler.clone());
    for _ in 0..20 {
        db.write(|tx| async move { tx.enqueue(&Haul) })
            .await
            .unwrap();
    }
    let token = CancellationToken::new();
    let running = work::start(&db, signer(), &[], &handlers, token.clone());
    while hauler.running.load(Ordering::Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
    knock(&db, 0).await;
    knocker.done.notified().await;
    hauler.go.cancel();
    while job::count(&db).await.unwrap() != job::Counts::default() {
        tokio::task::yield_now().await;
    }
    assert_eq!(hauler.most.load(Ordering::Relaxed), 2);
    token.cancel();
    running.await.unwrap();
}

#[store::db_test]
async fn a_write_remembers_for_itself_only(db: Db) {
    let known = db
        .write(|tx| async move {
            tx.remember("door", 7_u32);
            tx.remember("door", String::from("red"));
            tx.remember("door", 8_u32);
            let same_key = (tx.recall::<u32>("door"), tx.recall::<String>("door"));
            Ok((same_key, tx.recall::<u32>("window")))
        })
        .await
        .unwrap();
    assert_eq!(known, ((Some(8), Some("red".into())), None));
    let next = db.write(|tx| async move { Ok(tx.recall::<u32>("door")) });
    assert_eq!(next.await.unwrap(), None);
}

#[store::db_test]
async fn a_retry_of_nothing_is_refused(db: Db) {
    assert!(matches!(
        job::retry(&db, "none").await,
        Err(kernel::Error::Refused(_))
    ));
    assert!(db.read().execute_unprepared("SELECT 1").await.is_ok());
}

#[store::db_test]
async fn a_worker_claims_the_longest_due_of_its_kinds_and_none_of_another(db: Db) {
    let (_, knocks) = knocker(|_| Ok(()));
    let hauler: Arc<dyn Handler> = Arc::new(Hauler::default());
    db.write(|tx| async move {
        for days in 0..40 {
            tx.enqueue_at(tx.now() - Duration::days(100 + days), &Haul)?;
        }
        for (door, hours) in [(1, 3), (2, 1), (3, 2), (4, -1)] {
            tx.enqueue_at(tx.now() - Duration::hours(hours), &Knock { door })?;
        }
        Ok(())
    })
    .await
    .unwrap();
    let doors = |jobs: Vec<Job>| -> Vec<Option<u64>> {
        jobs.iter()
            .map(|job| job.payload["door"].as_u64())
            .collect()
    };
    let own = Worker::new(&knocks);
    assert_eq!(doors(own.claim(&db, 2).await.unwrap()), [Some(1), Some(3)]);
    let both = Worker::new(&[knocks[0].clone(), hauler]);
    let hauls = both.claim(&db, 40).await.unwrap();
    assert!(hauls.iter().all(|job| job.kind == Haul::KIND));
    assert_eq!(doors(both.claim(&db, 8).await.unwrap()), [Some(2)]);
    assert_eq!(own.claim(&db, 8).await.unwrap().len(), 0);
}
