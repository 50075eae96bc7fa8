//! Changes by the write-ahead log of a real `PostgreSQL`.

use std::sync::Arc;

use exchange::node::run::Node;
use kernel::ManualClock;
use store::{Db, db_test};

use crate::{
    drivers::postgres,
    house::{CIVIL, House, POLICE, migrations, rows, sql},
};

/// A table, its slot and its publication, named for one test.
struct Source {
    connection: String,
    /// How the node reaches it.
    way: String,
    name: String,
}

impl Source {
    fn make(columns: &str) -> Option<Self> {
        let Some(connection) = postgres() else {
            eprintln!("skipped: TONGBAN_TEST_POSTGRES is not set");
            return None;
        };
        if rows(&connection, "SHOW wal_level") != ["logical"] {
            eprintln!("skipped: the server's wal_level is not logical");
            return None;
        }
        let mark = kernel::id::new_v7(chrono::Utc::now()).simple().to_string();
        let source = Self {
            way: connection.clone(),
            connection,
            name: format!("repl_{mark}"),
        };
        source.run(&[&format!("CREATE TABLE {} ({columns})", source.name)]);
        Some(source)
    }

    fn run(&self, statements: &[&str]) {
        let statements: Vec<String> = statements
            .iter()
            .map(|sql| {
                sql.replace("TABLE t ", &format!("TABLE {} ", self.name))
                    .replace(" t ", &format!(" {} ", self.name))
            })
            .collect();
        sql(
            &self.connection,
            &statements.iter().map(String::as_str).collect::<Vec<_>>(),
        );
    }

    fn settings(&self) -> String {
        let (connection, name) = (&self.way, &self.name);
        format!(
            r#"
            [[publication]]
            code = "all"
            title = "日志（合成）"
            key = ["area", "id"]
            every_seconds = 0
            source = {{ kind = "odbc", connection = "{connection}", table = "{name}", replication = {{ slot = "{name}", publication = "{name}" }} }}
            columns = [
                {{ name = "area", length = 10, required = true }},
                {{ name = "id", type = "integer", required = true }},
                {{ name = "name" }},
            ]
            "#
        )
    }

    fn target(&self) -> String {
        let (url, name) = (std::env::var("TONGBAN_TEST_POSTGRES").unwrap(), &self.name);
        format!(
            "[[target]]\npublication = \"all\"\nconnection = \"{url}\"\ntable = \"{name}_copy\"\ncreate = true\n"
        )
    }

    fn all(&self, table: &str) -> Vec<String> {
        rows(
            &self.connection,
            &format!("SELECT area, id, name FROM {table} ORDER BY area, id"),
        )
    }

    fn assert_same(&self) {
        assert_eq!(
            self.all(&self.name),
            self.all(&format!("{}_copy", self.name))
        );
    }

    fn is_confirmed(&self) -> String {
        let sql = format!(
            "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = '{}'",
            self.name
        );
        rows(&self.connection, &sql).join("")
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let name = &self.name;
        let slot = format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{name}'"
        );
        let tables = format!("DROP TABLE IF EXISTS {name}, {name}_copy");
        let publication = format!("DROP PUBLICATION IF EXISTS {name}");
        if let Ok(connection) = exchange::node::source::odbc::connect(&self.connection) {
            for sql in [slot, publication, tables] {
                drop(connection.execute(&sql, (), None));
            }
        }
    }
}

struct Pair {
    provider: Node,
    subscriber: Node,
}

impl Pair {
    async fn open(house: &House, source: &Source) -> Self {
        let mut provider = house.node("police", POLICE, &source.settings()).await;
        let subscriber = house.node("civil", CIVIL, &source.target()).await;
        provider.round(false).await.unwrap();
        house.publish("all").await;
        house.subscribe("all", "civil").await;
        Self {
            provider,
            subscriber,
        }
    }

    /// Batches that were sent.
    async fn flow(&mut self) -> usize {
        let sent = self.provider.round(true).await.unwrap().sent;
        self.subscriber.round(false).await.unwrap();
        sent
    }
}

const COLUMNS: &str = "area VARCHAR(10), id BIGINT, name TEXT, note TEXT, PRIMARY KEY (area, id)";

#[db_test(migrations = migrations)]
async fn changes_come_by_the_log(db: Db, clock: Arc<ManualClock>) {
    if let Some(source) = Source::make(COLUMNS) {
        changes_come(db, clock, source).await;
    }
}

#[db_test(migrations = migrations)]
async fn changes_come_by_the_log_without_odbc(db: Db, clock: Arc<ManualClock>) {
    if let Some(mut source) = Source::make(COLUMNS) {
        source.way = std::env::var("TONGBAN_TEST_POSTGRES").unwrap();
        changes_come(db, clock, source).await;
    }
}

async fn changes_come(db: Db, clock: Arc<ManualClock>, source: Source) {
    let house = House::open(db, &clock).await;
    source.run(&["INSERT INTO t SELECT '甲', n, 'x' || n FROM generate_series(1, 100) n"]);
    let mut pair = Pair::open(&house, &source).await;
    assert_eq!(pair.flow().await, 1);
    source.assert_same();
    assert_eq!(pair.flow().await, 0, "nothing changed");
    for changes in [
        vec!["INSERT INTO t VALUES ('乙', 1, '新'), ('a''b', 2, NULL)"],
        vec![
            "UPDATE t SET name = '改' WHERE id <= 50",
            "DELETE FROM t WHERE id = 7",
        ],
        // A key that changes, and one that comes back.
        vec!["UPDATE t SET id = 1000 WHERE area = '甲' AND id = 8"],
        vec![
            "DELETE FROM t WHERE id = 9",
            "INSERT INTO t VALUES ('甲', 9, '又')",
        ],
        // A value that is stored apart and does not change.
        vec!["INSERT INTO t VALUES ('丙', 1, '长', repeat('值', 9000))"],
        vec!["UPDATE t SET name = '短' WHERE area = '丙'"],
        vec!["DELETE FROM t WHERE area = '甲'"],
    ] {
        source.run(&changes);
        assert_eq!(pair.flow().await, 1, "{changes:?}");
        source.assert_same();
    }
    // What was rolled back never was.
    let connection = exchange::node::source::odbc::connect(&source.connection).unwrap();
    connection.set_autocommit(false).unwrap();
    let doomed = format!("INSERT INTO {} VALUES ('丁', 1, 'x')", source.name);
    drop(connection.execute(&doomed, (), None).unwrap());
    connection.rollback().unwrap();
    assert_eq!(pair.flow().await, 0);
    // The log may go as soon as the next reading has begun.
    let before = source.is_confirmed();
    source.run(&["INSERT INTO t VALUES ('戊', 1, 'x')"]);
    pair.flow().await;
    pair.flow().await;
    assert_ne!(source.is_confirmed(), before);
}

#[db_test(migrations = migrations)]
async fn an_emptied_table_and_a_lost_slot_are_read_whole(db: Db, clock: Arc<ManualClock>) {
    let Some(source) = Source::make(COLUMNS) else {
        return;
    };
    let house = House::open(db, &clock).await;
    source.run(&["INSERT INTO t VALUES ('甲', 1, 'x'), ('甲', 2, 'y')"]);
    let mut pair = Pair::open(&house, &source).await;
    pair.flow().await;
    source.run(&["TRUNCATE TABLE t ", "INSERT INTO t VALUES ('乙', 3, 'z')"]);
    assert_eq!(pair.flow().await, 1);
    assert_eq!(source.all(&format!("{}_copy", source.name)), ["乙|3|z"]);

    let drop = format!("SELECT pg_drop_replication_slot('{}')", source.name);
    source.run(&[
        "DELETE FROM t WHERE id = 3",
        "INSERT INTO t VALUES ('丙', 4, 'w')",
        &drop,
    ]);
    assert_eq!(pair.flow().await, 1);
    source.assert_same();
    source.run(&["UPDATE t SET name = 'v' WHERE id = 4"]);
    assert_eq!(pair.flow().await, 1);
    source.assert_same();
}

/// The node stops after it read the log, and the slot has not moved.
#[db_test(migrations = migrations)]
async fn a_node_that_stops_reads_nothing_twice_and_misses_nothing(db: Db, clock: Arc<ManualClock>) {
    let Some(source) = Source::make(COLUMNS) else {
        return;
    };
    let house = House::open(db, &clock).await;
    source.run(&["INSERT INTO t VALUES ('甲', 1, 'x')"]);
    let mut pair = Pair::open(&house, &source).await;
    pair.flow().await;
    for n in 2..8 {
        source.run(&[&format!("INSERT INTO t VALUES ('甲', {n}, 'x')")]);
        let sent = pair.provider.round(true).await.unwrap().sent;
        assert_eq!(sent, 1);
        let folder = house.folder("police");
        drop(pair.provider);
        let config = exchange::node::config::Config::parse(&source.settings()).unwrap();
        pair.provider = Node::open(folder, config).await.unwrap();
        assert_eq!(
            pair.provider.round(true).await.unwrap().sent,
            0,
            "read twice"
        );
    }
    while pair.subscriber.round(false).await.unwrap().delivered > 0 {}
    source.assert_same();
}

/// The log tells no key where the table has none.
#[db_test(migrations = migrations)]
async fn a_table_without_its_key_is_told(db: Db, clock: Arc<ManualClock>) {
    let Some(source) = Source::make("area VARCHAR(10), id BIGINT, name TEXT") else {
        return;
    };
    let house = House::open(db, &clock).await;
    source.run(&["INSERT INTO t VALUES ('甲', 1, 'x')"]);
    let mut pair = Pair::open(&house, &source).await;
    pair.flow().await;
    source.run(&[
        "ALTER TABLE t REPLICA IDENTITY FULL",
        "INSERT INTO t VALUES ('甲', 2, 'y')",
    ]);
    assert_eq!(pair.flow().await, 1);
    source.assert_same();
}

/// A server that keeps only so much of the log gives a slot up that lags behind. It needs one with
/// `max_slot_wal_keep_size`.
#[db_test(migrations = migrations)]
async fn a_slot_that_was_given_up_is_made_anew(db: Db, clock: Arc<ManualClock>) {
    let Some(source) = Source::make(COLUMNS) else {
        return;
    };
    if rows(&source.connection, "SHOW max_slot_wal_keep_size") == ["-1"] {
        eprintln!("skipped: the server's max_slot_wal_keep_size is not set");
        return;
    }
    let house = House::open(db, &clock).await;
    source.run(&["INSERT INTO t SELECT '甲', n, 'x' FROM generate_series(1, 100) n"]);
    let mut pair = Pair::open(&house, &source).await;
    assert_eq!(pair.flow().await, 1);
    let status = format!(
        "SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{}'",
        source.name
    );
    for _ in 0..20 {
        source.run(&[
            "UPDATE t SET name = name || 'y'",
            "SELECT pg_switch_wal()",
            "CHECKPOINT",
        ]);
        if rows(&source.connection, &status) == ["lost"] {
            break;
        }
    }
    assert_eq!(rows(&source.connection, &status), ["lost"]);
    source.run(&["DELETE FROM t WHERE id = 1"]);
    assert_eq!(pair.flow().await, 1);
    source.assert_same();
    source.run(&["DELETE FROM t WHERE id = 2"]);
    assert_eq!(pair.flow().await, 1);
    source.assert_same();
}
