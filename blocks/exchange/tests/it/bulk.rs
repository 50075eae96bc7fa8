//! Rows on their way into targets by ODBC: many at once, and one by one where one is refused.

use std::{fmt::Write, sync::Arc, time::Instant};

use exchange::{
    hub::{delivery, overview},
    node::run::Node,
};
use kernel::ManualClock;
use store::{Db, db_test, page::PageRequest};

use crate::house::{CIVIL, House, POLICE, migrations, rows, sql, sqlite, steward};

const ROWS: u64 = 3000;

fn source(house: &House) -> String {
    std::fs::create_dir_all(house.file("in")).unwrap();
    format!(
        r#"
        [[publication]]
        code = "v"
        title = "示范（合成）"
        key = ["k", "d"]
        every_seconds = 0
        source = {{ kind = "folder", path = "{}" }}
        columns = [
            {{ name = "k", required = true, length = 20 }},
            {{ name = "d", type = "date", required = true }},
            {{ name = "n", type = "integer" }},
            {{ name = "sum", type = {{ decimal = {{ digits = 12, scale = 2 }} }} }},
            {{ name = "w" }},
        ]
        "#,
        house.file("in").display()
    )
}

/// A file of rows, in whose column `n` stands what is told of the row's number.
fn write(house: &House, name: &str, told: impl Fn(u64) -> u64) {
    let mut text = "k,d,n,sum,w\n".to_owned();
    for row in 1..=ROWS {
        let empty = if row % 7 == 0 { "" } else { "字" };
        writeln!(text, "{row},2026-03-02,{},{row}.25,{empty}", told(row)).unwrap();
    }
    std::fs::write(house.file("in").join(name), text).unwrap();
}

/// A provider with rows that were sent, and a subscriber.
async fn flow(house: &House, connection: &str, table: &str) -> (Node, Node) {
    let target = format!(
        "[[target]]\npublication = \"v\"\nconnection = \"{connection}\"\ntable = \"{table}\"\n"
    );
    let mut provider = house.node("from", POLICE, &source(house)).await;
    let subscriber = house.node("to", CIVIL, &target).await;
    provider.round(false).await.unwrap();
    house.publish("v").await;
    house.subscribe("v", "to").await;
    write(house, "1.csv", |row| row);
    provider.round(true).await.unwrap();
    (provider, subscriber)
}

/// Fills a table and changes all of its rows; `statements` tells how many wrote rows the last time.
async fn few(db: Db, clock: Arc<ManualClock>, connection: &str, statements: &str) {
    let house = House::open(db, &clock).await;
    let table = format!("bulk_{}", kernel::id::new_v7(chrono::Utc::now()).simple());
    let written = if statements.contains("written") {
        ", written DATETIME(6) DEFAULT NOW(6) ON UPDATE NOW(6)"
    } else {
        ""
    };
    sql(
        connection,
        &[&format!(
            "CREATE TABLE {table} (k VARCHAR(20), d DATE, n BIGINT, sum DECIMAL(12,2), w TEXT{written}, \
             PRIMARY KEY (k, d))"
        )],
    );
    let (mut provider, mut subscriber) = flow(&house, connection, &table).await;
    let found = |what: &str| {
        let found = rows(connection, &format!("SELECT {what} FROM {table}"));
        found[0].parse::<u64>().unwrap()
    };
    for (what, told) in [("filled", 0), ("changed", 1)] {
        if told > 0 {
            write(&house, "2.csv", |row| row + told);
            provider.round(true).await.unwrap();
        }
        let begun = Instant::now();
        assert_eq!(subscriber.round(false).await.unwrap().delivered, 1);
        let elapsed = begun.elapsed();
        let statements = found(&format!("COUNT(DISTINCT {statements})"));
        eprintln!("{ROWS} rows {what} by {statements} statements in {elapsed:?}");
        assert!(statements < ROWS / 100, "{statements}");
        let sums = (1..=ROWS).sum::<u64>() + told * ROWS;
        assert_eq!((found("COUNT(*)"), found("SUM(n)")), (ROWS, sums));
    }
    let some = format!("SELECT n, sum, w FROM {table} WHERE k IN ('7', '8') ORDER BY k");
    assert_eq!(rows(connection, &some), ["8|7.25|-", "9|8.25|字"]);
    sql(connection, &[&format!("DROP TABLE {table}")]);
}

/// Each statement of a transaction has a number there, which its rows keep.
#[db_test(migrations = migrations)]
async fn rows_come_by_few_statements_into_postgresql(db: Db, clock: Arc<ManualClock>) {
    match crate::drivers::postgres() {
        Some(connection) => few(db, clock, &connection, "cmin::text").await,
        None => eprintln!("skipped: TONGBAN_TEST_POSTGRES is not set"),
    }
}

/// The moment of a statement is that of all its rows there.
#[db_test(migrations = migrations)]
async fn rows_come_by_few_statements_into_mariadb(db: Db, clock: Arc<ManualClock>) {
    match std::env::var("TONGBAN_TEST_MARIADB") {
        Ok(connection) => few(db, clock, &connection, "written").await,
        Err(_) => eprintln!("skipped: TONGBAN_TEST_MARIADB is not set"),
    }
}

/// Rows with the key of one and the other unique value of another are not mistaken for that one, and
/// tables without a key of their own take changes as well.
#[db_test(migrations = migrations)]
async fn only_the_key_tells_which_row_changes(db: Db, clock: Arc<ManualClock>) {
    let dir = tempfile::tempdir().unwrap();
    let own = sqlite(&dir.path().join("keys.db"));
    let servers = [
        crate::drivers::postgres(),
        std::env::var("TONGBAN_TEST_MARIADB").ok(),
    ];
    let house = House::open(db, &clock).await;
    let connections: Vec<String> = servers.into_iter().flatten().chain([own]).collect();
    let mut provider = house.node("from", POLICE, &source(&house)).await;
    provider.round(false).await.unwrap();
    house.publish("v").await;
    let mut subscribers = Vec::new();
    for (place, connection) in connections.iter().enumerate() {
        for (keys, kind) in [(", PRIMARY KEY (k, d), UNIQUE (n)", "two"), ("", "none")] {
            let table = format!("{kind}_{}", kernel::id::new_v7(chrono::Utc::now()).simple());
            sql(
                connection,
                &[&format!(
                    "CREATE TABLE {table} (k VARCHAR(20), d DATE, n BIGINT, sum DECIMAL(12,2), w VARCHAR(20){keys})"
                )],
            );
            let node = format!("to-{kind}-{place}");
            let target = format!(
                "[[target]]\npublication = \"v\"\nconnection = \"{connection}\"\ntable = \"{table}\"\n"
            );
            subscribers.push((connection, table, house.node(&node, CIVIL, &target).await));
            house.subscribe("v", &node).await;
        }
    }
    let day = "2026-03-02";
    let files = [
        format!("k,d,n,sum,w\n1,{day},1,1,a\n2,{day},2,2,b\n"),
        format!("k,d,n,sum,w\n2,{day},20,2,z\n3,{day},2,3,c\n"),
    ];
    for (place, text) in files.iter().enumerate() {
        std::fs::write(house.file("in").join(format!("{place}.csv")), text).unwrap();
        provider.round(true).await.unwrap();
        for (_, _, subscriber) in &mut subscribers {
            assert_eq!(subscriber.round(false).await.unwrap().delivered, 1);
        }
    }
    for (connection, table, _) in subscribers {
        let all = rows(
            connection,
            &format!("SELECT k, n, w FROM {table} ORDER BY k"),
        );
        assert_eq!(all, ["1|1|a", "2|20|z", "3|2|c"], "{connection}");
        sql(connection, &[&format!("DROP TABLE {table}")]);
    }
}

/// The row that a table refuses is told by its number, whether the table is filled or changed;
/// nothing of the delivery is there, and all of it when the table is mended.
async fn the_row_is_named(db: Db, clock: Arc<ManualClock>, connection: &str) {
    let house = House::open(db, &clock).await;
    let table = format!("strict_{}", kernel::id::new_v7(chrono::Utc::now()).simple());
    let strict = format!(
        "CREATE TABLE {table} (k VARCHAR(20), d DATE, n BIGINT CHECK (n <> 2222 AND n <> 5555), \
         sum DECIMAL(12,2), w VARCHAR(20), PRIMARY KEY (k, d))"
    );
    sql(connection, &[&strict]);
    let (mut provider, mut subscriber) = flow(&house, connection, &table).await;
    let count = || {
        rows(
            connection,
            &format!("SELECT COUNT(*) FROM {table} WHERE n > 3000"),
        )
    };
    let failed = async || {
        let page = PageRequest::new(None, None);
        let batches = overview::batches(&house.app, &steward(), None, &page).await;
        let (_, deliveries) = batches.unwrap().items.remove(0);
        (deliveries[0].id.clone(), deliveries[0].problem.clone())
    };
    assert_eq!(subscriber.round(false).await.unwrap().delivered, 1);
    let (id, problem) = failed().await;
    assert!(
        problem.ends_with("is number 2222 of the delivery"),
        "{problem}"
    );
    let all = format!("SELECT COUNT(*) FROM {table}");
    assert_eq!(rows(connection, &all), ["0"]);
    let looser = strict.replace("n <> 2222 AND ", "");
    sql(connection, &[&format!("DROP TABLE {table}"), &looser]);
    delivery::retry(&house.app, &steward(), &id).await.unwrap();
    subscriber.round(false).await.unwrap();
    assert_eq!(rows(connection, &all), ["3000"]);

    write(&house, "2.csv", |row| row + 3000);
    provider.round(true).await.unwrap();
    subscriber.round(false).await.unwrap();
    let (id, problem) = failed().await;
    assert!(
        problem.ends_with("is number 2555 of the delivery"),
        "{problem}"
    );
    assert_eq!(count(), ["0"]);
    let change = [
        format!("CREATE TABLE {table}_new AS SELECT * FROM {table}"),
        format!("DROP TABLE {table}"),
        format!("ALTER TABLE {table}_new RENAME TO {table}"),
    ];
    sql(connection, &[&change[0], &change[1], &change[2]]);
    delivery::retry(&house.app, &steward(), &id).await.unwrap();
    subscriber.round(false).await.unwrap();
    assert_eq!(
        (count(), rows(connection, &all)),
        (vec!["3000".to_owned()], vec!["3000".to_owned()])
    );
    sql(connection, &[&format!("DROP TABLE {table}")]);
}

#[db_test(migrations = migrations)]
async fn a_refused_row_is_named_in_sqlite(db: Db, clock: Arc<ManualClock>) {
    let dir = tempfile::tempdir().unwrap();
    let connection = sqlite(&dir.path().join("strict.db"));
    the_row_is_named(db, clock, &connection).await;
}

#[db_test(migrations = migrations)]
async fn a_refused_row_is_named_in_postgresql(db: Db, clock: Arc<ManualClock>) {
    match crate::drivers::postgres() {
        Some(connection) => the_row_is_named(db, clock, &connection).await,
        None => eprintln!("skipped: TONGBAN_TEST_POSTGRES is not set"),
    }
}

#[db_test(migrations = migrations)]
async fn a_refused_row_is_named_in_mariadb(db: Db, clock: Arc<ManualClock>) {
    match std::env::var("TONGBAN_TEST_MARIADB") {
        Ok(connection) => the_row_is_named(db, clock, &connection).await,
        Err(_) => eprintln!("skipped: TONGBAN_TEST_MARIADB is not set"),
    }
}
