//! What goes wrong at a source, at a target and with clocks: told, without loss, and mended by going
//! on.

use std::{process::Command, sync::Arc};

use chrono::Duration;
use exchange::{hub::overview, node::run::Node};
use kernel::{Clock, ManualClock};
use store::{Db, db_test, page::PageRequest};

use crate::{
    drivers::postgres,
    house::{CIVIL, House, POLICE, migrations, rows, sql, sqlite, steward},
};

/// A publication of the whole table each time, and its target.
fn settings(house: &House, columns: &str) -> String {
    format!(
        r#"
        [[publication]]
        code = "all"
        title = "各种错误（合成）"
        key = ["id"]
        every_seconds = 0
        source = {{ kind = "odbc", connection = "{}", table = "t" }}
        columns = [{{ name = "id", type = "integer", required = true }}, {columns}]
        "#,
        sqlite(&house.file("source.db"))
    )
}

fn target(connection: &str) -> String {
    format!(
        "[[target]]\npublication = \"all\"\nconnection = \"{connection}\"\ntable = \"copy\"\ncreate = true\n"
    )
}

struct Pair {
    house: House,
    from: String,
    to: String,
    provider: Node,
    subscriber: Node,
}

impl Pair {
    async fn open(db: Db, clock: &Arc<ManualClock>, columns: &str, source: &[&str]) -> Self {
        let house = House::open(db, clock).await;
        let (from, to) = (
            sqlite(&house.file("source.db")),
            sqlite(&house.file("target.db")),
        );
        sql(&from, source);
        let settings = settings(&house, columns);
        let mut provider = house.node("police", POLICE, &settings).await;
        let subscriber = house.node("civil", CIVIL, &target(&to)).await;
        provider.round(false).await.unwrap();
        house.publish("all").await;
        house.subscribe("all", "civil").await;
        Self {
            house,
            from,
            to,
            provider,
            subscriber,
        }
    }

    async fn flow(&mut self) {
        assert_eq!(self.provider.round(true).await.unwrap().sent, 1);
        assert_eq!(self.subscriber.round(false).await.unwrap().delivered, 1);
    }

    fn copied(&self) -> Vec<String> {
        rows(&self.to, "SELECT * FROM copy ORDER BY id")
    }

    /// Column and reason of the rows that the newest batch refused.
    async fn refused(&self) -> Vec<(i64, String, String)> {
        let page = PageRequest::new(None, None);
        let (app, who) = (&self.house.app, steward());
        let batches = overview::batches(app, &who, None, &page).await;
        let batch = batches.unwrap().items.remove(0).0;
        let found = exchange::hub::batch::refused(app, &who, &batch.id, &page).await;
        let found = found.unwrap().items.into_iter();
        found.map(|row| (row.row, row.column, row.reason)).collect()
    }
}

fn told(row: i64, column: &str, reason: &str) -> (i64, String, String) {
    (row, column.into(), reason.into())
}

#[db_test(migrations = migrations)]
async fn a_source_that_changes_its_table_says_so(db: Db, clock: Arc<ManualClock>) {
    let columns = r#"{ name = "name", length = 20 }, { name = "age", type = "integer" }"#;
    let mut pair = Pair::open(
        db,
        &clock,
        columns,
        &[
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, age INTEGER)",
            "INSERT INTO t VALUES (1, '张', 30), (2, '李', 40)",
        ],
    )
    .await;
    pair.flow().await;
    assert_eq!(pair.copied(), ["1|张|30", "2|李|40"]);

    // A column more is nobody's business.
    sql(&pair.from, &["ALTER TABLE t ADD COLUMN note TEXT"]);
    sql(
        &pair.from,
        &["UPDATE t SET name = '张三', note = 'x' WHERE id = 1"],
    );
    pair.flow().await;
    assert_eq!(pair.copied(), ["1|张三|30", "2|李|40"]);

    // Another type: what still fits goes on, what does not is told row by row.
    sql(
        &pair.from,
        &[
            "ALTER TABLE t RENAME TO old",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, age TEXT)",
            "INSERT INTO t SELECT id, name, age FROM old",
            "INSERT INTO t VALUES (3, '王', '五十'), (4, '赵', '60')",
        ],
    );
    pair.flow().await;
    assert_eq!(pair.copied(), ["1|张三|30", "2|李|40", "4|赵|60"]);
    assert_eq!(
        pair.refused().await,
        [told(3, "age", "exchange-row-number")]
    );

    // A column gone: nothing is sent, the trouble names it, and what was delivered stays.
    sql(&pair.from, &["ALTER TABLE t RENAME COLUMN age TO years"]);
    let trouble = pair.provider.round(true).await.unwrap_err().to_string();
    assert!(trouble.contains("age"), "{trouble}");
    assert_eq!(pair.subscriber.round(false).await.unwrap().delivered, 0);
    assert_eq!(pair.copied().len(), 3);
    sql(&pair.from, &["ALTER TABLE t RENAME COLUMN years TO age"]);
    sql(&pair.from, &["DELETE FROM t WHERE id >= 3"]);
    pair.flow().await;
    assert!(pair.refused().await.is_empty());
}

#[db_test(migrations = migrations)]
async fn odd_values_arrive_whole_or_are_told(db: Db, clock: Arc<ManualClock>) {
    let columns = r#"{ name = "text", length = 40 }, { name = "rate", type = "float" }, { name = "born", type = "date" }"#;
    let mut pair = Pair::open(
        db,
        &clock,
        columns,
        &[
            "CREATE TABLE t (id INTEGER, text TEXT, rate REAL, born TEXT)",
            "INSERT INTO t VALUES (1, '👨‍👩‍👧 家庭', 1.5, '0001-01-01')",
            "INSERT INTO t VALUES (3, '无穷', 9e999, '2026-01-01')",
            "INSERT INTO t VALUES (4, '一行' || char(10) || '二行	\\ \"''', -0.0, '9999-12-31')",
            "INSERT INTO t VALUES (5, '先', 1, '2026-01-01')",
            "INSERT INTO t VALUES (6, '', 1, '0000-00-00')",
        ],
    )
    .await;
    pair.flow().await;
    let kept = rows(&pair.to, "SELECT id, text, born FROM copy ORDER BY id");
    assert_eq!(
        kept,
        [
            "1|👨‍👩‍👧 家庭|0001-01-01",
            "4|一行\n二行\t\\ \"'|9999-12-31",
            "5|先|2026-01-01",
        ]
    );
    let mut refused = pair.refused().await;
    refused.sort();
    assert_eq!(
        refused,
        [
            told(2, "rate", "exchange-row-number"),
            told(5, "born", "exchange-row-date"),
        ]
    );
}

/// A view whose key is none: of each key the first row goes, the others are told.
#[db_test(migrations = migrations)]
async fn repeated_keys_are_refused_row_by_row(db: Db, clock: Arc<ManualClock>) {
    let mut pair = Pair::open(
        db,
        &clock,
        r#"{ name = "name", length = 20 }"#,
        &[
            "CREATE TABLE t (id INTEGER, name TEXT)",
            "INSERT INTO t VALUES (1, '张'), (2, '李'), (2, '又'), (3, '王'), (2, '再')",
        ],
    )
    .await;
    pair.flow().await;
    assert_eq!(pair.copied(), ["1|张", "2|李", "3|王"]);
    let mut refused = pair.refused().await;
    refused.sort();
    assert_eq!(
        refused,
        [
            told(3, "id", "exchange-row-repeated"),
            told(5, "id", "exchange-row-repeated"),
        ]
    );
    sql(&pair.from, &["DELETE FROM t WHERE name IN ('李', '又')"]);
    pair.flow().await;
    assert_eq!(pair.copied(), ["1|张", "2|再", "3|王"]);
}

#[db_test(migrations = migrations)]
async fn two_hundred_columns_arrive(db: Db, clock: Arc<ManualClock>) {
    let names: Vec<String> = (0..200).map(|n| format!("c{n}")).collect();
    let columns: Vec<String> = names
        .iter()
        .map(|name| format!(r#"{{ name = "{name}", length = 30 }}"#))
        .collect();
    let create = format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, {} TEXT)",
        names.join(" TEXT, ")
    );
    let values: Vec<String> = (0..200).map(|n| format!("'值{n}-' || n")).collect();
    let insert = format!(
        "INSERT INTO t WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 2000) SELECT n, {} FROM s",
        values.join(", ")
    );
    let mut pair = Pair::open(db, &clock, &columns.join(", "), &[&create, &insert]).await;
    pair.flow().await;
    let all = format!("SELECT id, {} FROM ", names.join(", "));
    let copied = rows(&pair.to, &format!("{all} copy ORDER BY id"));
    assert_eq!(copied.len(), 2_000);
    assert_eq!(copied, rows(&pair.from, &format!("{all} t ORDER BY id")));
}

/// The hub's clock is ten minutes late, as if the node's were fast.
#[db_test(migrations = migrations)]
async fn a_node_whose_clock_is_ahead_is_told(db: Db, clock: Arc<ManualClock>) {
    let mut pair = Pair::open(
        db,
        &clock,
        r#"{ name = "name", length = 20 }"#,
        &[
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)",
            "INSERT INTO t VALUES (1, '张')",
        ],
    )
    .await;
    let right = clock.now();
    clock.set(right - Duration::minutes(10));
    let trouble = pair.provider.round(true).await.unwrap_err().to_string();
    assert!(trouble.contains("clock"), "{trouble}");
    clock.set(right);
    // What was read is sent as it was, once.
    assert_eq!(pair.provider.round(false).await.unwrap().sent, 1);
    assert_eq!(pair.subscriber.round(false).await.unwrap().delivered, 1);
    assert_eq!(pair.copied(), ["1|张"]);
    // A node whose clock is late is no danger to the order of things.
    clock.set(right + Duration::minutes(10));
    sql(&pair.from, &["INSERT INTO t VALUES (2, '李')"]);
    pair.flow().await;
}

#[db_test(migrations = migrations)]
async fn a_locked_source_is_read_later(db: Db, clock: Arc<ManualClock>) {
    let Some(connection) = postgres() else {
        eprintln!("skipped: TONGBAN_TEST_POSTGRES is not set");
        return;
    };
    let house = House::open(db, &clock).await;
    let mark = kernel::id::new_v7(chrono::Utc::now()).simple().to_string();
    let table = format!("locked_{mark}");
    sql(
        &connection,
        &[
            &format!("CREATE TABLE {table} (id BIGINT PRIMARY KEY)"),
            &format!("INSERT INTO {table} SELECT generate_series(1, 3)"),
        ],
    );
    let impatient = connection.replace(
        "SET client_encoding",
        "SET lock_timeout = 200; SET client_encoding",
    );
    let settings = format!(
        "[[publication]]\ncode = \"all\"\ntitle = \"锁（合成）\"\nkey = [\"id\"]\nevery_seconds = 0\n\
         source = {{ kind = \"odbc\", connection = \"{impatient}\", table = \"{table}\" }}\n\
         columns = [{{ name = \"id\", type = \"integer\", required = true }}]\n"
    );
    let mut provider = house.node("police", POLICE, &settings).await;
    provider.round(false).await.unwrap();
    house.publish("all").await;
    let holder = exchange::node::source::odbc::connect(&connection).unwrap();
    holder.set_autocommit(false).unwrap();
    let lock = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
    drop(holder.execute(&lock, (), None).unwrap());
    let trouble = provider.round(true).await.unwrap_err().to_string();
    assert!(trouble.contains("lock"), "{trouble}");
    holder.rollback().unwrap();
    assert_eq!(provider.round(true).await.unwrap().sent, 1);
    sql(&connection, &[&format!("DROP TABLE {table}")]);
}

/// A file system that is taken away again.
struct Small(std::path::PathBuf);

impl Small {
    fn mount(folder: std::path::PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&folder).unwrap();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(&folder)
            .output();
        let is_mounted = done.is_ok_and(|done| done.status.success());
        is_mounted.then_some(Self(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[db_test(migrations = migrations)]
async fn a_targets_full_disk_loses_nothing(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let Some(small) = Small::mount(house.file("small")) else {
        eprintln!("skipped: only root can mount a small disk");
        return;
    };
    let (from, to) = (
        sqlite(&house.file("source.db")),
        sqlite(&small.0.join("target.db")),
    );
    sql(
        &from,
        &[
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)",
            "INSERT INTO t VALUES (1, '张')",
        ],
    );
    let settings = settings(&house, r#"{ name = "name" }"#);
    let mut provider = house.node("police", POLICE, &settings).await;
    let mut subscriber = house.node("civil", CIVIL, &target(&to)).await;
    provider.round(false).await.unwrap();
    house.publish("all").await;
    house.subscribe("all", "civil").await;
    provider.round(true).await.unwrap();
    assert_eq!(subscriber.round(false).await.unwrap().delivered, 1);

    let more = "INSERT INTO t WITH RECURSIVE s(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM s WHERE n < 400) SELECT n, hex(randomblob(500)) FROM s";
    sql(&from, &[more]);
    let ballast = small.0.join("ballast");
    std::fs::write(&ballast, vec![0; 700_000]).unwrap();
    provider.round(true).await.unwrap();
    let trouble = subscriber.round(false).await.unwrap_err().to_string();
    assert!(trouble.contains("full"), "{trouble}");
    let all = "SELECT id, name FROM copy ORDER BY id";
    assert_eq!(rows(&to, all), ["1|张"], "what was there is there");

    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(subscriber.round(false).await.unwrap().delivered, 1);
    assert_eq!(
        rows(&to, all),
        rows(&from, "SELECT id, name FROM t ORDER BY id")
    );
}
