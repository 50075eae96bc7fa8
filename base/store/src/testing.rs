//! What `#[db_test]` runs on.

use std::{future::Future, panic::AssertUnwindSafe, path::PathBuf, sync::Arc};

use chrono::{DateTime, Utc};
use futures::FutureExt;
use kernel::ManualClock;
use sea_orm::{ConnectionTrait, Database};
use sea_orm_migration::MigrationTrait;

use crate::{Db, Settings};

/// Monday, 2 March 2026, nine o'clock in China: a working morning far from any holiday.
pub fn a_working_morning() -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_413_200, 0).unwrap_or_default()
}

/// Runs a test on a fresh SQLite file.
pub fn on_sqlite<Fut: Future>(
    migrations: Vec<Box<dyn MigrationTrait>>,
    test: impl FnOnce(Db, Arc<ManualClock>) -> Fut,
) -> Fut::Output {
    let folder = Folder::create();
    let url = format!("sqlite://{}", folder.0.join("test.db").display());
    runtime().block_on(async {
        let (db, clock) = open(&url, migrations).await;
        test(db, clock).await
    })
}

/// Runs a test in a fresh schema of the server named by `TONGBAN_TEST_POSTGRES`; says so and
/// answers `None` when there is no server.
pub fn on_postgres<Fut: Future>(
    migrations: Vec<Box<dyn MigrationTrait>>,
    test: impl FnOnce(Db, Arc<ManualClock>) -> Fut,
) -> Option<Fut::Output> {
    let Ok(server) = std::env::var("TONGBAN_TEST_POSTGRES") else {
        eprintln!("skipped on PostgreSQL: TONGBAN_TEST_POSTGRES is not set");
        return None;
    };
    let schema = format!("test_{}", uuid::Uuid::new_v4().simple());
    runtime().block_on(async {
        administer(&server, &format!("CREATE SCHEMA {schema}")).await;
        let mark = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{mark}options[search_path]={schema}&application_name={schema}");
        let run = async {
            let (db, clock) = open(&url, migrations).await;
            test(db, clock).await
        };
        let outcome = AssertUnwindSafe(run).catch_unwind().await;
        administer(&server, &format!("DROP SCHEMA {schema} CASCADE")).await;
        Some(outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

#[expect(clippy::expect_used, reason = "a test that cannot begin has failed")]
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("start a runtime")
}

#[expect(clippy::expect_used, reason = "a test that cannot begin has failed")]
async fn open(url: &str, migrations: Vec<Box<dyn MigrationTrait>>) -> (Db, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(a_working_morning()));
    let settings = Settings {
        url: url.to_owned(),
        connections: 8,
    };
    let db = Db::open(&settings, clock.clone())
        .await
        .expect("open the test database");
    let mut all = crate::migrations();
    all.extend(migrations);
    crate::migrate(&db, all)
        .await
        .expect("migrate the test database");
    (db, clock)
}

#[expect(clippy::expect_used, reason = "a test that cannot begin has failed")]
async fn administer(server: &str, sql: &str) {
    let connection = Database::connect(server)
        .await
        .expect("reach TONGBAN_TEST_POSTGRES");
    connection.execute_unprepared(sql).await.expect(sql);
    connection.close().await.expect("close");
}

/// A folder that is gone after the test; in memory where Linux offers it.
struct Folder(PathBuf);

impl Folder {
    #[expect(clippy::expect_used, reason = "a test that cannot begin has failed")]
    fn create() -> Self {
        let memory = PathBuf::from("/dev/shm");
        let root = if memory.is_dir() {
            memory
        } else {
            std::env::temp_dir()
        };
        let path = root.join(format!("tongban-test-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&path).expect("create a folder for the test");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
