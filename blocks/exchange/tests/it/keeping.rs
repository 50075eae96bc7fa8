//! Sources whose files come and go, and rows that are mended, marked oddly, or gone.

use std::sync::Arc;

use exchange::{
    hub::{batch, enrolment, overview, publication},
    node::run::Node,
};
use kernel::ManualClock;
use store::{Db, db_test, page::PageRequest};

use crate::house::{CIVIL, House, POLICE, migrations, rows, sql, sqlite, steward};

fn folder(house: &House) -> String {
    std::fs::create_dir_all(house.file("in")).unwrap();
    format!(
        r#"
        [[publication]]
        code = "v"
        title = "示范（合成）"
        key = ["k"]
        every_seconds = 0
        source = {{ kind = "folder", path = "{}" }}
        columns = [
            {{ name = "k", required = true }},
            {{ name = "n", type = "integer" }},
            {{ name = "w" }},
        ]
        "#,
        house.file("in").display()
    )
}

/// A table of SQLite; `how` are further settings of the source.
fn table(house: &House, how: &str) -> String {
    format!(
        r#"
        [[publication]]
        code = "v"
        title = "示范（合成）"
        key = ["k"]
        every_seconds = 0
        source = {{ kind = "odbc", connection = "{}", table = "t"{how} }}
        columns = [
            {{ name = "k", required = true }},
            {{ name = "n", type = "integer" }},
            {{ name = "w" }},
        ]
        "#,
        sqlite(&house.file("source.db"))
    )
}

fn target(house: &House, name: &str) -> String {
    format!(
        "[[target]]\npublication = \"v\"\nconnection = \"{}\"\ntable = \"v\"\ncreate = true\n",
        sqlite(&house.file(name))
    )
}

fn write(house: &House, name: &str, text: &str) {
    std::fs::write(house.file("in").join(name), text).unwrap();
}

fn all(house: &House, name: &str) -> Vec<String> {
    rows(
        &sqlite(&house.file(name)),
        "SELECT k, n, w FROM v ORDER BY k",
    )
}

/// A provider whose publication is open, and a subscriber.
async fn pair(house: &House, settings: &str) -> (Node, Node) {
    let mut provider = house.node("from", POLICE, settings).await;
    let subscriber = house.node("to", CIVIL, &target(house, "to.db")).await;
    provider.round(false).await.unwrap();
    house.publish("v").await;
    house.subscribe("v", "to").await;
    (provider, subscriber)
}

async fn settle(provider: &mut Node, subscriber: &mut Node) {
    for _ in 0..4 {
        provider.round(true).await.unwrap();
    }
    for _ in 0..6 {
        subscriber.round(false).await.unwrap();
    }
}

async fn refused(house: &House) -> Vec<(i64, String)> {
    let page = PageRequest::new(None, None);
    let batches = overview::batches(&house.app, &steward(), None, &page).await;
    let mut all = Vec::new();
    for (one, _) in batches.unwrap().items {
        let found = batch::refused(&house.app, &steward(), &one.id, &page).await;
        let found = found.unwrap().items.into_iter();
        all.extend(found.map(|row| (row.row, row.reason)));
    }
    all
}

/// What was taken is there for new subscribers, whatever lies in the folder by then; files that come
/// late, or by the same name, keep their place.
#[db_test(migrations = migrations)]
async fn taken_files_may_be_moved(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let (mut provider, mut subscriber) = pair(&house, &folder(&house)).await;
    write(&house, "20260301.csv", "k,n,w\n1,1,a\n2,1,a\n");
    settle(&mut provider, &mut subscriber).await;
    let taken = house.file("in").join("20260301.csv");
    std::fs::rename(taken, house.file("archived.csv")).unwrap();
    write(&house, "20260303.csv", "k,n,w\n2,3,c\n3,3,c\n");
    settle(&mut provider, &mut subscriber).await;
    // Earlier by its name, later on the way.
    write(&house, "20260228.csv", "k,n,w\n2,0,z\n0,0,z\n");
    settle(&mut provider, &mut subscriber).await;
    // Each day's changes under one name.
    write(&house, "20260303.csv", "k,n,w\n4,4,d\n");
    settle(&mut provider, &mut subscriber).await;
    let expected = ["0|0|z", "1|1|a", "2|3|c", "3|3|c", "4|4|d"];
    assert_eq!(all(&house, "to.db"), expected);

    std::fs::remove_dir_all(house.file("in")).unwrap();
    std::fs::create_dir(house.file("in")).unwrap();
    let mut late = house.node("late", CIVIL, &target(&house, "late.db")).await;
    house.subscribe("v", "late").await;
    settle(&mut provider, &mut subscriber).await;
    late.round(false).await.unwrap();
    assert_eq!(all(&house, "to.db"), expected);
    assert_eq!(all(&house, "late.db"), expected);
}

/// A file that cannot be read waits alone, and the hub knows; rows of another width wait with a
/// reason.
#[db_test(migrations = migrations)]
async fn one_bad_file_holds_nothing_up(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let (mut provider, mut subscriber) = pair(&house, &folder(&house)).await;
    write(&house, "1.xlsx", "this is no sheet");
    write(
        &house,
        "2.json",
        "\u{feff}{\"k\": \"1\", \"n\": 1}\n{\"k\": \"2\"\n{\"k\": \"3\"}\n",
    );
    write(&house, "3.csv", "k,n,w\n4,4,comma, in it\n5\n6,6,f\n");
    // Both at once, as a new subscriber's; then nothing is left but the bad one.
    provider.round(true).await.unwrap();
    let trouble = provider.round(true).await.unwrap_err().to_string();
    assert!(trouble.contains("1.xlsx"), "{trouble}");
    subscriber.round(false).await.unwrap();
    assert_eq!(all(&house, "to.db"), ["1|1|-", "3|-|-", "6|6|f"]);
    let told: Vec<String> = refused(&house).await.into_iter().map(|(_, r)| r).collect();
    assert_eq!(
        told,
        [
            "exchange-row-cells",
            "exchange-row-cells",
            "exchange-row-json"
        ]
    );
    let troubles = async || {
        let nodes = enrolment::list(&house.app, &steward()).await.unwrap();
        let from = nodes.into_iter().find(|node| node.code == "from").unwrap();
        from.troubles
    };
    let told = troubles().await.remove(0);
    assert_eq!(told.publication, "v");
    assert!(told.problem.unwrap().contains("1.xlsx"));

    std::fs::remove_file(house.file("in").join("1.xlsx")).unwrap();
    settle(&mut provider, &mut subscriber).await;
    assert!(troubles().await.is_empty());
}

/// Mended rows stay until the source itself has their keys.
#[db_test(migrations = migrations)]
async fn mended_rows_outlive_full_batches(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let from = sqlite(&house.file("source.db"));
    sql(
        &from,
        &[
            "CREATE TABLE t (k TEXT PRIMARY KEY, n TEXT, w TEXT, changed BIGINT)",
            "INSERT INTO t VALUES ('1', '1', 'a', 1)",
            "INSERT INTO t VALUES ('2', 'x', 'b', 2)",
            "INSERT INTO t VALUES ('3', 'x', 'c', 3)",
        ],
    );
    let settings = table(&house, ", watermark = \"changed\", overlap = 0");
    let (mut provider, mut subscriber) = pair(&house, &settings).await;
    settle(&mut provider, &mut subscriber).await;
    std::fs::write(house.file("mended.csv"), "k,n,w\n2,2,mended\n3,3,mended\n").unwrap();
    provider
        .resend("v", &house.file("mended.csv"))
        .await
        .unwrap();
    let full = async || {
        publication::ask_full(&house.app, &steward(), "v")
            .await
            .unwrap();
    };
    full().await;
    settle(&mut provider, &mut subscriber).await;
    let both = ["1|1|a", "2|2|mended", "3|3|mended"];
    assert_eq!(all(&house, "to.db"), both);
    // Opened again, the node still has them.
    let (home, config) = (provider.folder.clone(), provider.config.clone());
    drop(provider);
    let mut provider = Node::open(home, config).await.unwrap();
    full().await;
    settle(&mut provider, &mut subscriber).await;
    assert_eq!(all(&house, "to.db"), both);

    sql(
        &from,
        &["UPDATE t SET n = '20', w = 'own', changed = 4 WHERE k = '2'"],
    );
    settle(&mut provider, &mut subscriber).await;
    full().await;
    settle(&mut provider, &mut subscriber).await;
    assert_eq!(all(&house, "to.db"), ["1|1|a", "2|20|own", "3|3|mended"]);
    // Gone at the source, a key that it told once stays gone.
    sql(&from, &["DELETE FROM t WHERE k = '2'"]);
    full().await;
    settle(&mut provider, &mut subscriber).await;
    assert_eq!(all(&house, "to.db"), ["1|1|a", "3|3|mended"]);
}

/// One text that is too long waits alone.
#[db_test(migrations = migrations)]
async fn one_long_text_holds_nothing_up(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let from = sqlite(&house.file("source.db"));
    sql(
        &from,
        &[
            "CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER, w TEXT)",
            "INSERT INTO t VALUES ('1', 1, 'a'), ('3', 3, 'c')",
            &format!("INSERT INTO t VALUES ('2', 2, '{}')", "长".repeat(2000)),
        ],
    );
    let (mut provider, mut subscriber) = pair(&house, &table(&house, "")).await;
    settle(&mut provider, &mut subscriber).await;
    assert_eq!(all(&house, "to.db"), ["1|1|a", "3|3|c"]);
    let told: Vec<String> = refused(&house).await.into_iter().map(|(_, r)| r).collect();
    assert_eq!(told, ["exchange-row-length"]);
}

/// One row from the future does not hide what changes now.
#[db_test(migrations = migrations)]
async fn a_mark_in_the_future_hides_nothing(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let from = sqlite(&house.file("source.db"));
    sql(
        &from,
        &[
            "CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER, w TEXT, changed TIMESTAMP)",
            "INSERT INTO t VALUES ('1', 1, 'a', '2026-01-01 00:00:00')",
            "INSERT INTO t VALUES ('2', 1, 'future', '2099-01-01 00:00:00')",
        ],
    );
    let settings = table(&house, ", watermark = \"changed\", overlap = 0");
    let (mut provider, mut subscriber) = pair(&house, &settings).await;
    settle(&mut provider, &mut subscriber).await;
    sql(
        &from,
        &[
            "UPDATE t SET w = 'b', changed = '2026-01-02 00:00:00' WHERE k = '1'",
            "INSERT INTO t VALUES ('3', 3, 'new', '2026-01-03 00:00:00')",
        ],
    );
    settle(&mut provider, &mut subscriber).await;
    let expected = ["1|1|b", "2|1|future", "3|3|new"];
    assert_eq!(all(&house, "to.db"), expected);
    // The row alone is not told again and again.
    assert_eq!(provider.round(true).await.unwrap().sent, 0);
}

/// A row for which the condition says nothing is there; one for which it comes true goes.
#[db_test(migrations = migrations)]
async fn rows_that_count_as_gone_are_known_in_all_ways(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let from = sqlite(&house.file("source.db"));
    sql(
        &from,
        &[
            "CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER, w TEXT, state TEXT)",
            "CREATE TABLE log (k TEXT, seq INTEGER PRIMARY KEY)",
            "INSERT INTO t VALUES ('1', 1, 'a', NULL)",
            "INSERT INTO t VALUES ('2', 2, 'b', 'here')",
            "INSERT INTO t VALUES ('3', 3, 'c', 'gone')",
            "INSERT INTO log VALUES ('1', 1)",
        ],
    );
    let how = r#", deleted = "state = 'gone'", changes = { table = "log", sequence = "seq" }"#;
    let (mut provider, mut subscriber) = pair(&house, &table(&house, how)).await;
    settle(&mut provider, &mut subscriber).await;
    assert_eq!(all(&house, "to.db"), ["1|1|a", "2|2|b"]);
    sql(
        &from,
        &[
            "UPDATE t SET state = 'gone' WHERE k = '2'",
            "UPDATE t SET w = 'z' WHERE k = '1'",
            "INSERT INTO log VALUES ('2', 2)",
            "INSERT INTO log VALUES ('1', 3)",
        ],
    );
    settle(&mut provider, &mut subscriber).await;
    assert_eq!(all(&house, "to.db"), ["1|1|z"]);
}

/// What the subscriber keeps beside the rows stays when they change, and what points to them.
async fn local_columns_stay(db: Db, clock: Arc<ManualClock>, connection: &str, name: &str) {
    let house = House::open(db, &clock).await;
    let settings = format!(
        "[[target]]\npublication = \"v\"\nconnection = \"{connection}\"\ntable = \"{name}\"\n"
    );
    let to = if connection.starts_with("postgres://") {
        crate::drivers::postgres().unwrap()
    } else {
        connection.to_owned()
    };
    sql(
        &to,
        &[
            &format!(
                "CREATE TABLE {name} (k VARCHAR(20) PRIMARY KEY, n BIGINT, w VARCHAR(20), note VARCHAR(20))"
            ),
            &format!(
                "CREATE TABLE {name}_child (k VARCHAR(20) REFERENCES {name} (k) ON DELETE CASCADE)"
            ),
        ],
    );
    let mut provider = house.node("from", POLICE, &folder(&house)).await;
    let mut subscriber = house.node("to", CIVIL, &settings).await;
    write(&house, "1.csv", "k,n,w\n1,1,a\n2,2,b\n");
    provider.round(false).await.unwrap();
    house.publish("v").await;
    house.subscribe("v", "to").await;
    settle(&mut provider, &mut subscriber).await;
    sql(
        &to,
        &[
            &format!("UPDATE {name} SET note = 'own'"),
            &format!("INSERT INTO {name}_child VALUES ('1')"),
        ],
    );
    let found = || {
        let all = format!("SELECT k, n, w, note FROM {name} ORDER BY k");
        let child = format!("SELECT k FROM {name}_child");
        (rows(&to, &all), rows(&to, &child).len())
    };
    write(&house, "2.csv", "k,n,w\n1,10,z\n3,3,c\n");
    settle(&mut provider, &mut subscriber).await;
    let expected = ["1|10|z|own", "2|2|b|own", "3|3|c|-"];
    assert_eq!(found(), (expected.map(String::from).to_vec(), 1));
    publication::ask_full(&house.app, &steward(), "v")
        .await
        .unwrap();
    settle(&mut provider, &mut subscriber).await;
    assert_eq!(found(), (expected.map(String::from).to_vec(), 1));
    sql(
        &to,
        &[
            &format!("DROP TABLE {name}_child"),
            &format!("DROP TABLE {name}"),
        ],
    );
}

#[db_test(migrations = migrations)]
async fn local_columns_stay_in_sqlite(db: Db, clock: Arc<ManualClock>) {
    let dir = tempfile::tempdir().unwrap();
    let connection = sqlite(&dir.path().join("own.db"));
    local_columns_stay(db, clock, &connection, "own").await;
}

#[db_test(migrations = migrations)]
async fn local_columns_stay_in_servers(db: Db, clock: Arc<ManualClock>) {
    let name = format!("own_{}", kernel::id::new_v7(chrono::Utc::now()).simple());
    let Ok(url) = std::env::var("TONGBAN_TEST_POSTGRES") else {
        eprintln!("skipped: TONGBAN_TEST_POSTGRES is not set");
        return;
    };
    local_columns_stay(db, clock, &url, &name).await;
}

#[db_test(migrations = migrations)]
async fn local_columns_stay_by_odbc(db: Db, clock: Arc<ManualClock>) {
    let name = format!("own_{}", kernel::id::new_v7(chrono::Utc::now()).simple());
    let Ok(connection) = std::env::var("TONGBAN_TEST_MARIADB") else {
        eprintln!("skipped: TONGBAN_TEST_MARIADB is not set");
        return;
    };
    local_columns_stay(db, clock, &connection, &name).await;
}
