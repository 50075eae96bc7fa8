//! What must hold when things break.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use kernel::{Error, SystemClock};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, Database, EntityTrait, ExprTrait,
    PaginatorTrait, QueryFilter, sea_query::Expr,
};
use store::{
    Db, Engine, Settings, Tx,
    audit::{self, Trust},
    schema::{consumer, event},
    work,
};
use tokio_util::sync::CancellationToken;

use crate::note::{Noted, signer};

fn failed(e: sea_orm::DbErr) -> kernel::Fault {
    store::fault("test", e)
}

/// One row that counts, read and then written.
async fn count_up(tx: &Tx) -> kernel::Result<i64> {
    let row = consumer::Entity::find_by_id("counter")
        .one(&**tx)
        .await
        .map_err(failed)?
        .unwrap();
    consumer::Entity::update_many()
        .col_expr(consumer::Column::Position, Expr::val(row.position + 1))
        .filter(consumer::Column::Name.eq("counter"))
        .exec(&**tx)
        .await
        .map_err(failed)?;
    Ok(row.position + 1)
}

async fn insert(tx: &Tx, name: &str) -> kernel::Result<()> {
    let row = consumer::ActiveModel {
        name: Set(name.to_owned()),
        position: Set(0),
        failures: Set(0),
        retry_at: Set(0),
        last_error: Set(None),
    };
    consumer::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(failed)?;
    Ok(())
}

async fn counter(db: &Db) -> i64 {
    consumer::Entity::find_by_id("counter")
        .one(db.read())
        .await
        .unwrap()
        .unwrap()
        .position
}

/// A reader meets each connection that was cut once.
async fn rows(db: &Db) -> u64 {
    let mut outcome = consumer::Entity::find().count(db.read()).await;
    for _ in 0..db.settings().connections {
        if outcome.is_ok() {
            break;
        }
        outcome = consumer::Entity::find().count(db.read()).await;
    }
    outcome.unwrap()
}

#[store::db_test]
async fn two_hundred_concurrent_increments_all_count(db: Db) {
    db.write(|tx| async move { insert(&tx, "counter").await })
        .await
        .unwrap();
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.write(|tx| async move { count_up(&tx).await }).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap().unwrap());
    }
    answers.sort_unstable();
    assert_eq!(answers, (1..=200).collect::<Vec<_>>());
    assert_eq!(counter(&db).await, 200);
}

/// Callers who look elsewhere kept all turns; a job that renewed its lease did, and the server
/// stood still after its database had been away for a while.
#[store::db_test]
async fn writes_go_on_whose_callers_do_not_look(db: Db) {
    db.write(|tx| async move { insert(&tx, "counter").await })
        .await
        .unwrap();
    let counting = || db.write(|tx| async move { count_up(&tx).await });
    let mut unwatched: Vec<_> = (0..db.settings().connections)
        .map(|_| Box::pin(counting()))
        .collect();
    for write in &mut unwatched {
        assert!(futures::poll!(write).is_pending());
    }
    let wait = std::time::Duration::from_secs(30);
    tokio::time::timeout(wait, counting())
        .await
        .expect("they keep the others waiting")
        .unwrap();
    futures::future::try_join_all(unwatched).await.unwrap();
    assert_eq!(counter(&db).await, i64::from(db.settings().connections) + 1);
}

#[store::db_test]
async fn what_follows_a_write_waits_until_it_is_durable(db: Db) {
    let count = Arc::new(AtomicUsize::new(0));
    let write = |is_refused: bool| {
        let count = count.clone();
        db.write(move |tx| {
            let count = count.clone();
            async move {
                let counted = count.clone();
                tx.when_written(move || {
                    counted.fetch_add(1, Ordering::SeqCst);
                });
                assert_eq!(count.load(Ordering::SeqCst), 0);
                if is_refused {
                    return Err(Error::refused("test-no"));
                }
                Ok(())
            }
        })
    };
    write(true).await.unwrap_err();
    assert_eq!(count.load(Ordering::SeqCst), 0);
    write(false).await.unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[store::db_test]
async fn one_refusal_among_many_writes_undoes_only_itself(db: Db) {
    let tasks: Vec<_> = (0..100)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move {
                db.write(move |tx| async move {
                    insert(&tx, &format!("row{n}")).await?;
                    match n % 4 {
                        0 => Err(Error::refused("test-no")),
                        1 => panic!("asked to"),
                        _ => Ok(()),
                    }
                })
                .await
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        // A panic reaches the caller as a fault.
        done += u64::from(task.await.unwrap().is_ok());
    }
    assert_eq!(done, 50);
    assert_eq!(rows(&db).await, 50);
}

#[store::db_test]
async fn a_write_inside_a_write_is_refused_and_does_not_hang(db: Db) {
    let again = db.clone();
    let outcome = db
        .write(move |_| {
            let again = again.clone();
            async move { again.write(|_| async { Ok(()) }).await }
        })
        .await;
    assert!(matches!(outcome, Err(Error::Fault(_))));
    db.write(|tx| async move { insert(&tx, "after").await })
        .await
        .unwrap();
}

#[store::db_test]
async fn a_handle_left_behind_costs_only_its_own_write(db: Db) {
    let kept: Arc<std::sync::Mutex<Vec<Tx>>> = Arc::default();
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let (db, kept) = (db.clone(), kept.clone());
            tokio::spawn(async move {
                db.write(move |tx| {
                    let kept = kept.clone();
                    async move {
                        insert(&tx, &format!("row{n}")).await?;
                        if n == 20 {
                            kept.lock().unwrap().push(tx.clone());
                        }
                        Ok(())
                    }
                })
                .await
            })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap().is_ok(), n != 20, "write {n}");
    }
    assert_eq!(rows(&db).await, 39);
    kept.lock().unwrap().clear();
    db.write(|tx| async move { insert(&tx, "after").await })
        .await
        .unwrap();
    assert_eq!(rows(&db).await, 40);
}

#[store::db_test]
async fn readers_cannot_write_on_sqlite(db: Db) {
    if db.engine() == Engine::Sqlite {
        let outcome = db
            .read()
            .execute_unprepared("DELETE FROM store_event")
            .await;
        assert!(outcome.is_err());
    }
}

#[store::db_test]
async fn a_full_database_answers_503_and_keeps_what_it_acknowledged(db: Db) {
    if db.engine() == Engine::Postgres {
        return;
    }
    let limit = "PRAGMA max_page_count = 120";
    db.write(move |tx| async move {
        tx.execute_unprepared(limit).await.map_err(failed)?;
        Ok(())
    })
    .await
    .unwrap();
    let acknowledged = fill(&db, 40).await;
    assert!(acknowledged < 40, "it should have been full");
    assert_eq!(
        event::Entity::find().count(db.read()).await.unwrap(),
        acknowledged * 5
    );
    db.write(|tx| async move { insert(&tx, "small").await })
        .await
        .unwrap();
}

/// Writes large things side by side; answers how many were acknowledged, having checked that the
/// others were told to come back.
async fn fill(db: &Db, writes: usize) -> u64 {
    let tasks: Vec<_> = (0..writes)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move {
                db.write(move |tx| async move {
                    for _ in 0..5 {
                        tx.emit(
                            format!("note:{n}"),
                            "system",
                            &Noted {
                                text: "x".repeat(20_000),
                            },
                        )?;
                    }
                    Ok(())
                })
                .await
            })
        })
        .collect();
    let mut acknowledged = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => acknowledged += 1,
            Err(Error::Fault(fault)) => assert!(fault.is_transient, "{}", fault.chain()),
            Err(other) => panic!("{other}"),
        }
    }
    acknowledged
}

/// A mounted file system of two megabytes.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        mount
            .is_ok_and(|status| status.success())
            .then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(
            Command::new("umount")
                .arg("--lazy")
                .arg(self.0.path())
                .status(),
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_answers_503_and_keeps_what_it_acknowledged() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: only root can mount a small disk");
        return;
    };
    let url = format!("sqlite://{}/full.db", disk.0.path().display());
    let settings = Settings {
        url,
        connections: 2,
    };
    let db = Db::open(&settings, Arc::new(SystemClock)).await.unwrap();
    store::migrate(&db, store::migrations()).await.unwrap();
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![0; 600_000]).unwrap();
    let acknowledged = fill(&db, 60).await;
    assert!(acknowledged < 60, "it should have been full");
    assert_eq!(
        event::Entity::find().count(db.read()).await.unwrap(),
        acknowledged * 5
    );
    std::fs::remove_file(ballast).unwrap();
    db.write(|tx| async move { insert(&tx, "small").await })
        .await
        .unwrap();
    assert_eq!(rows(&db).await, 1);
}

/// Ends every connection of this test's database.
async fn terminate(db: &Db) {
    let url = &db.settings().url;
    let name = url.rsplit_once("application_name=").unwrap().1.to_owned();
    let server = std::env::var("TONGBAN_TEST_POSTGRES").unwrap();
    let admin = Database::connect(server).await.unwrap();
    let sql = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'"
    );
    admin.execute_unprepared(&sql).await.unwrap();
    admin.close().await.unwrap();
}

#[store::db_test]
async fn a_write_survives_that_its_connection_is_cut(db: Db) {
    if db.engine() == Engine::Sqlite {
        return;
    }
    let is_cut = Arc::new(AtomicBool::new(false));
    let again = db.clone();
    db.write(move |tx| {
        let (is_cut, again) = (is_cut.clone(), again.clone());
        async move {
            insert(&tx, "first").await?;
            if !is_cut.swap(true, Ordering::Relaxed) {
                terminate(&again).await;
            }
            insert(&tx, "second").await
        }
    })
    .await
    .unwrap();
    assert_eq!(rows(&db).await, 2);
}

#[store::db_test]
async fn a_database_that_is_gone_answers_503_and_nothing_is_half_written(db: Db) {
    if db.engine() == Engine::Sqlite {
        return;
    }
    let tries = Arc::new(AtomicUsize::new(0));
    let (again, counted) = (db.clone(), tries.clone());
    let outcome = db
        .write(move |tx| {
            let (again, counted) = (again.clone(), counted.clone());
            async move {
                counted.fetch_add(1, Ordering::Relaxed);
                insert(&tx, "first").await?;
                terminate(&again).await;
                insert(&tx, "second").await
            }
        })
        .await;
    assert!(matches!(outcome, Err(Error::Fault(fault)) if fault.is_transient));
    assert!((1..=3).contains(&tries.load(Ordering::Relaxed)));
    // Every connection of the pool was cut; the next write finds another by itself.
    db.write(|tx| async move { insert(&tx, "after").await })
        .await
        .unwrap();
    assert_eq!(rows(&db).await, 1);
}

const CHILD: &str = "TONGBAN_TEST_CHILD";

/// Runs in a process of its own that the tests below kill: writes from many tasks, and prints
/// what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs as the child of other tests"]
async fn child() {
    let Ok(url) = std::env::var(CHILD) else {
        return;
    };
    let settings = Settings {
        url,
        connections: 8,
    };
    let db = Db::open(&settings, Arc::new(SystemClock)).await.unwrap();
    let consumers = crate::background::counting_consumers();
    work::start(&db, signer(), &consumers, &[], CancellationToken::new());
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                loop {
                    let name = uuid::Uuid::new_v4().to_string();
                    let subject = name.clone();
                    db.write(move |tx| {
                        let subject = subject.clone();
                        async move {
                            insert(&tx, &subject).await?;
                            tx.emit(
                                &subject,
                                "system",
                                &Noted {
                                    text: subject.clone(),
                                },
                            )
                        }
                    })
                    .await
                    .unwrap();
                    eprintln!("acknowledged {name}");
                }
            })
        })
        .collect();
    futures::future::join_all(tasks).await;
}

fn spawn_child(url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "faults::child", "--nocapture"])
        .env(CHILD, url)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The name in a line, unless the kill cut the line off.
fn acknowledged_in(line: &str) -> Option<String> {
    let name = line.strip_prefix("acknowledged ")?;
    (name.len() == 36).then(|| name.to_owned())
}

#[store::db_test]
async fn what_was_acknowledged_before_kill_9_is_there_once(db: Db) {
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let mut child = spawn_child(&db.settings().url);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let enough = acknowledged.len() + 150 + 70 * round;
        while acknowledged.len() < enough {
            acknowledged.extend(acknowledged_in(&lines.next().unwrap().unwrap()));
        }
        // SIGKILL: no handler runs.
        child.kill().unwrap();
        child.wait().unwrap();
        // What was said before the end still counts.
        for line in lines.map_while(Result::ok) {
            acknowledged.extend(acknowledged_in(&line));
        }
    }
    let consumers = crate::background::counting_consumers();
    work::settle(&db, &consumers, &[]).await.unwrap();
    for name in &acknowledged {
        let rows = consumer::Entity::find_by_id(name)
            .count(db.read())
            .await
            .unwrap();
        let events = event::Entity::find().filter(event::Column::Subject.eq(name));
        assert_eq!(
            (rows, events.count(db.read()).await.unwrap()),
            (1, 1),
            "{name}"
        );
    }
    let events = event::Entity::find().count(db.read()).await.unwrap();
    let rows = consumer::Entity::find()
        .filter(Expr::col(consumer::Column::Name).like("%-%"))
        .count(db.read())
        .await
        .unwrap();
    assert_eq!(
        events, rows,
        "an event without its row, or a row without its event"
    );
    assert_eq!(
        crate::background::kept(&db).await,
        events,
        "an effect is missing or doubled"
    );
    let report = audit::verify(&db, &Trust::default(), |_, _| ())
        .await
        .unwrap();
    assert!(report.is_whole(), "{:?}", report.problem);
}

/// Everybody looks whether the row is there, and puts it there if not. On `PostgreSQL` those who
/// looked too early find the key taken; what they must not find is an error.
#[store::db_test]
async fn a_key_taken_meanwhile_is_seen(db: Db) {
    let made = Arc::new(AtomicUsize::new(0));
    let taking = (0..16).map(|_| {
        let (db, made) = (db.clone(), made.clone());
        tokio::spawn(async move {
            let is_made = db
                .write(|tx| async move {
                    let found = consumer::Entity::find_by_id("seat").one(&*tx).await;
                    if found.map_err(failed)?.is_some() {
                        return Ok(false);
                    }
                    // The others look, too.
                    tokio::task::yield_now().await;
                    insert(&tx, "seat").await?;
                    Ok(true)
                })
                .await
                .unwrap();
            made.fetch_add(usize::from(is_made), Ordering::Relaxed);
        })
    });
    for task in taking.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(made.load(Ordering::Relaxed), 1);
}
