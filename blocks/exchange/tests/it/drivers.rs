//! `PostgreSQL` and `MariaDB` by their ODBC drivers, both as source and as target.
//!
//! The servers are those of `TONGBAN_TEST_POSTGRES` and `TONGBAN_TEST_MARIADB` (an ODBC connection
//! string; `tools/mariadb.sh start` prints one); without them a test says so and ends.

use std::sync::Arc;

use kernel::ManualClock;
use store::{Db, db_test};

use crate::house::{CIVIL, House, POLICE, migrations, rows, sql};

/// The connection string of a PostgreSQL URL.
pub fn postgres() -> Option<String> {
    let url = std::env::var("TONGBAN_TEST_POSTGRES").ok()?;
    let rest = url.strip_prefix("postgres://")?;
    let (user, rest) = rest.split_once('@')?;
    let (address, database) = rest.split_once('/')?;
    let (host, port) = address.split_once(':').unwrap_or((address, "5432"));
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    Some(format!(
        "Driver={{PostgreSQL ANSI}};Server={host};Port={port};Database={database};UID={user};PWD={password};ConnSettings=SET client_encoding TO 'UTF8'"
    ))
}

fn settings(connection: &str, table: &str) -> String {
    format!(
        r#"
        [[publication]]
        code = "all"
        title = "各种类型（合成）"
        key = ["id"]
        every_seconds = 0
        source = {{ kind = "odbc", connection = "{connection}", table = "{table}", watermark = "changed", overlap = 0 }}
        columns = [
            {{ name = "id", type = "integer", required = true }},
            {{ name = "name", length = 50 }},
            {{ name = "sum", type = {{ decimal = {{ digits = 12, scale = 2 }} }} }},
            {{ name = "rate", type = "float" }},
            {{ name = "is_open", type = "boolean" }},
            {{ name = "born", type = "date" }},
            {{ name = "changed", type = "timestamp" }},
        ]
        "#
    )
}

fn target(connection: &str, table: &str) -> String {
    format!(
        r#"
        [[target]]
        publication = "all"
        connection = "{connection}"
        table = "{table}"
        create = true
        "#
    )
}

/// How source and target are reached.
struct Ways<'a> {
    out_of: &'a str,
    into: &'a str,
}

impl<'a> Ways<'a> {
    fn both(connection: &'a str) -> Self {
        Self {
            out_of: connection,
            into: connection,
        }
    }
}

async fn through(db: Db, clock: Arc<ManualClock>, connection: String, ways: Ways<'_>, truth: &str) {
    let house = House::open(db, &clock).await;
    let mark = kernel::id::new_v7(chrono::Utc::now()).simple().to_string();
    let (from, to) = (format!("from_{mark}"), format!("to_{mark}"));
    let moment = if truth == "1" {
        "DATETIME(6)"
    } else {
        "TIMESTAMP"
    };
    sql(
        &connection,
        &[
            &format!(
                "CREATE TABLE {from} (id BIGINT PRIMARY KEY, name VARCHAR(50), sum DECIMAL(12,2), rate DOUBLE PRECISION, is_open BOOLEAN, born DATE, changed {moment})"
            ),
            &format!(
                "INSERT INTO {from} VALUES (1, '张😀', 12.30, 0.5, {truth}, '1990-02-03', '2026-03-02 09:00:00.123456')"
            ),
            &format!(
                "INSERT INTO {from} VALUES (2, NULL, NULL, NULL, NULL, NULL, '2026-03-02 09:00:01')"
            ),
            &format!(
                "INSERT INTO {from} VALUES (3, '古', -0.01, -1e10, {truth}, '1000-01-01', '1000-01-01 00:00:00')"
            ),
        ],
    );
    let mut provider = house
        .node("police", POLICE, &settings(ways.out_of, &from))
        .await;
    let mut subscriber = house.node("civil", CIVIL, &target(ways.into, &to)).await;
    provider.round(false).await.unwrap();
    house.publish("all").await;
    house.subscribe("all", "civil").await;
    provider.round(false).await.unwrap();
    subscriber.round(false).await.unwrap();
    let select = |table: &str| format!("SELECT * FROM {table} ORDER BY id");
    assert_eq!(
        rows(&connection, &select(&from)),
        rows(&connection, &select(&to))
    );
    assert_eq!(rows(&connection, &select(&to)).len(), 3);

    sql(
        &connection,
        &[&format!(
            "UPDATE {from} SET name = '改', changed = '2026-03-02 09:00:02' WHERE id = 1"
        )],
    );
    provider.round(true).await.unwrap();
    subscriber.round(false).await.unwrap();
    assert_eq!(
        rows(&connection, &select(&from)),
        rows(&connection, &select(&to))
    );
    sql(
        &connection,
        &[&format!("DROP TABLE {from}"), &format!("DROP TABLE {to}")],
    );
}

#[db_test(migrations = migrations)]
async fn postgresql_comes_through(db: Db, clock: Arc<ManualClock>) {
    match postgres() {
        Some(connection) => {
            through(
                db,
                clock,
                connection.clone(),
                Ways::both(&connection),
                "TRUE",
            )
            .await;
        }
        None => eprintln!("skipped: TONGBAN_TEST_POSTGRES is not set"),
    }
}

#[db_test(migrations = migrations)]
async fn postgresql_takes_rows_by_copy(db: Db, clock: Arc<ManualClock>) {
    match (postgres(), std::env::var("TONGBAN_TEST_POSTGRES")) {
        (Some(connection), Ok(url)) => {
            let ways = Ways {
                out_of: &connection.clone(),
                into: &url,
            };
            through(db, clock, connection, ways, "TRUE").await;
        }
        _ => eprintln!("skipped: TONGBAN_TEST_POSTGRES is not set"),
    }
}

#[db_test(migrations = migrations)]
async fn postgresql_tells_rows_by_copy(db: Db, clock: Arc<ManualClock>) {
    match (postgres(), std::env::var("TONGBAN_TEST_POSTGRES")) {
        (Some(connection), Ok(url)) => {
            through(db, clock, connection, Ways::both(&url), "TRUE").await;
        }
        _ => eprintln!("skipped: TONGBAN_TEST_POSTGRES is not set"),
    }
}

/// What statements write and what `COPY` writes is the same, whatever stands in the rows.
#[db_test(migrations = migrations)]
async fn copy_and_statements_write_the_same(db: Db, clock: Arc<ManualClock>) {
    let (Some(odbc), Ok(url)) = (postgres(), std::env::var("TONGBAN_TEST_POSTGRES")) else {
        eprintln!("skipped: TONGBAN_TEST_POSTGRES is not set");
        return;
    };
    let house = House::open(db, &clock).await;
    let from = crate::house::sqlite(&house.file("source.db"));
    sql(
        &from,
        &[
            "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, sum TEXT, rate REAL, is_open INTEGER, born TEXT, changed TEXT)",
            "INSERT INTO t VALUES (1, '\\N', '0.00', 0.1, 1, '0001-01-01', '1970-01-01 00:00:00')",
            "INSERT INTO t VALUES (2, 'a' || char(9) || 'b' || char(10) || char(13) || '\\', '-9999999999.99', -1e-300, 0, '9999-12-31', '2026-03-02 09:00:00.000001')",
            "INSERT INTO t VALUES (3, '', NULL, 1.7e308, NULL, NULL, '2026-03-02 09:00:01')",
            "INSERT INTO t VALUES (4, '👨‍👩‍👧 \"''; DROP TABLE t', '0.01', 3, 1, '1900-02-28', '2026-03-02 09:00:02')",
        ],
    );
    let mark = kernel::id::new_v7(chrono::Utc::now()).simple().to_string();
    let tables = [format!("by_odbc_{mark}"), format!("by_copy_{mark}")];
    let mut provider = house.node("police", POLICE, &settings(&from, "t")).await;
    provider.round(false).await.unwrap();
    house.publish("all").await;
    let mut subscribers = Vec::new();
    for (node, connection, table) in [("one", &odbc, &tables[0]), ("two", &url, &tables[1])] {
        subscribers.push(house.node(node, CIVIL, &target(connection, table)).await);
        house.subscribe("all", node).await;
    }
    let changes = [
        "SELECT 1",
        "UPDATE t SET name = 'x\\.', changed = '2026-03-02 09:00:03' WHERE id = 2",
        "INSERT INTO t VALUES (5, '\\.', '1.5', 0, 1, '2026-01-01', '2026-03-02 09:00:04')",
    ];
    for change in changes {
        sql(&from, &[change]);
        provider.round(true).await.unwrap();
        for node in &mut subscribers {
            node.round(false).await.unwrap();
        }
        let [by_odbc, by_copy] = tables
            .clone()
            .map(|table| rows(&odbc, &format!("SELECT * FROM {table} ORDER BY id")));
        assert_eq!(by_odbc, by_copy, "{change}");
        assert!(by_copy.len() >= 4, "{by_copy:?}");
    }
    for table in tables {
        sql(&odbc, &[&format!("DROP TABLE {table}")]);
    }
}

/// Nodes of one database share the table of marks, which whoever comes first makes.
#[db_test(migrations = migrations)]
async fn nodes_may_create_tables_at_once(db: Db, clock: Arc<ManualClock>) {
    let Some(connection) = postgres() else {
        eprintln!("skipped: TONGBAN_TEST_POSTGRES is not set");
        return;
    };
    let house = House::open(db, &clock).await;
    let mark = kernel::id::new_v7(chrono::Utc::now()).simple().to_string();
    sql(&connection, &[&format!("CREATE DATABASE d_{mark}")]);
    let (server, own) = (connection.clone(), format!("Database=d_{mark};"));
    let (before, rest) = connection.split_once("Database=").unwrap();
    let (_, after) = rest.split_once(';').unwrap();
    let connection = format!("{before}{own}{after}");
    let from = crate::house::sqlite(&house.file("source.db"));
    sql(
        &from,
        &[
            "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, sum TEXT, rate REAL, is_open BOOLEAN, born TEXT, changed TEXT)",
            "INSERT INTO t VALUES (1, '张', '1.20', 0.5, 1, '1990-02-03', '2026-03-02 09:00:00')",
        ],
    );
    let mut provider = house.node("police", POLICE, &settings(&from, "t")).await;
    provider.round(false).await.unwrap();
    house.publish("all").await;
    let mut subscribers = Vec::new();
    for n in 0..4 {
        let node = format!("civil-{n}");
        let target = target(&connection, &format!("rows_{n}"));
        subscribers.push(house.node(&node, CIVIL, &target).await);
        house.subscribe("all", &node).await;
    }
    provider.round(false).await.unwrap();
    let rounds = subscribers.iter_mut().map(|node| node.round(false));
    for round in futures::future::join_all(rounds).await {
        assert_eq!(round.unwrap().delivered, 1);
    }
    let marks = rows(&connection, "SELECT subscription FROM tongban_applied");
    assert_eq!(marks.len(), 4);
    drop(subscribers);
    sql(&server, &[&format!("DROP DATABASE d_{mark} WITH (FORCE)")]);
}

#[db_test(migrations = migrations)]
async fn mariadb_comes_through(db: Db, clock: Arc<ManualClock>) {
    match std::env::var("TONGBAN_TEST_MARIADB") {
        Ok(connection) => {
            through(db, clock, connection.clone(), Ways::both(&connection), "1").await;
        }
        Err(_) => eprintln!("skipped: TONGBAN_TEST_MARIADB is not set"),
    }
}
