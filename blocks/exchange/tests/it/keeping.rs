//! Sources whose files come and go, and rows that are mended, marked oddly, or gone.

use std::sync::Arc;

use exchange::{
    hub::{batch, enrolment, overview, publication},
    node::{
        config::Config,
        run::Node,
        state::{State, Taken, batch as node_batch, kept, reading},
    },
    wire::Signed,
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

/// A provider whose publication is open, and a subscriber.
struct Flow {
    house: House,
    provider: Node,
    subscriber: Node,
}

impl Flow {
    async fn open(house: House, from: &str, to: &str) -> Self {
        let mut provider = house.node("from", POLICE, from).await;
        let subscriber = house.node("to", CIVIL, to).await;
        provider.round(false).await.unwrap();
        house.publish("v").await;
        house.subscribe("v", "to").await;
        Self {
            house,
            provider,
            subscriber,
        }
    }

    async fn of_folder(db: Db, clock: &Arc<ManualClock>) -> Self {
        let house = House::open(db, clock).await;
        let (from, to) = (folder(&house), target(&house, "to.db"));
        Self::open(house, &from, &to).await
    }

    /// Of a table that these statements make; `how` are further settings of the source.
    async fn of_table(db: Db, clock: &Arc<ManualClock>, how: &str, statements: &[&str]) -> Self {
        let house = House::open(db, clock).await;
        sql(&sqlite(&house.file("source.db")), statements);
        let (from, to) = (table(&house, how), target(&house, "to.db"));
        Self::open(house, &from, &to).await
    }

    /// Changes the source.
    fn sql(&self, statements: &[&str]) {
        sql(&sqlite(&self.house.file("source.db")), statements);
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.house.file("in").join(name), text).unwrap();
    }

    async fn settle(&mut self) {
        for _ in 0..4 {
            self.provider.round(true).await.unwrap();
        }
        for _ in 0..6 {
            self.subscriber.round(false).await.unwrap();
        }
    }

    /// Stops the provider and begins it anew, with settings that are changed.
    async fn reopen(self, change: impl FnOnce(&mut Config)) -> Self {
        let (folder, mut config) = (self.provider.folder.clone(), self.provider.config.clone());
        drop(self.provider);
        change(&mut config);
        Self {
            provider: Node::open(folder, config).await.unwrap(),
            ..self
        }
    }

    async fn ask_full(&self) {
        publication::ask_full(&self.house.app, &steward(), "v")
            .await
            .unwrap();
    }

    /// One more subscriber, who needs all rows.
    async fn late(&self) -> Node {
        let settings = target(&self.house, "late.db");
        let late = self.house.node("late", CIVIL, &settings).await;
        self.house.subscribe("v", "late").await;
        late
    }

    /// How many copies of files the provider keeps.
    fn copies(&self) -> usize {
        let copies = std::fs::read_dir(self.provider.folder.kept()).unwrap();
        copies.count()
    }

    /// Rows of a subscriber's table.
    fn all(&self, name: &str) -> Vec<String> {
        rows(
            &sqlite(&self.house.file(name)),
            "SELECT k, n, w FROM v ORDER BY k",
        )
    }

    async fn refused(&self) -> Vec<String> {
        let page = PageRequest::new(None, None);
        let app = &self.house.app;
        let batches = overview::batches(app, &steward(), None, &page).await;
        let mut all = Vec::new();
        for (one, _) in batches.unwrap().items {
            let found = batch::refused(app, &steward(), &one.id, &page).await;
            all.extend(found.unwrap().items.into_iter().map(|row| row.reason));
        }
        all
    }

    /// What the provider cannot do, as the hub knows it.
    async fn troubles(&self) -> Vec<enrolment::NodeTrouble> {
        let nodes = enrolment::list(&self.house.app, &steward()).await.unwrap();
        let from = nodes.into_iter().find(|node| node.code == "from").unwrap();
        from.troubles
    }
}

/// What was taken is there for new subscribers, whatever lies in the folder by then; files that come
/// late, or by the same name, keep their place.
#[db_test(migrations = migrations)]
async fn taken_files_may_be_moved(db: Db, clock: Arc<ManualClock>) {
    let mut flow = Flow::of_folder(db, &clock).await;
    flow.write("20260301.csv", "k,n,w\n1,1,a\n2,1,a\n");
    flow.settle().await;
    let taken = flow.house.file("in").join("20260301.csv");
    std::fs::rename(taken, flow.house.file("archived.csv")).unwrap();
    flow.write("20260303.csv", "k,n,w\n2,3,c\n3,3,c\n");
    flow.settle().await;
    // Earlier by its name, later on the way.
    flow.write("20260228.csv", "k,n,w\n2,0,z\n0,0,z\n");
    flow.settle().await;
    // Each day's changes under one name.
    flow.write("20260303.csv", "k,n,w\n4,4,d\n");
    flow.settle().await;
    let expected = ["0|0|z", "1|1|a", "2|3|c", "3|3|c", "4|4|d"];
    assert_eq!(flow.all("to.db"), expected);

    std::fs::remove_dir_all(flow.house.file("in")).unwrap();
    std::fs::create_dir(flow.house.file("in")).unwrap();
    let mut late = flow.late().await;
    flow.settle().await;
    late.round(false).await.unwrap();
    assert_eq!(flow.all("to.db"), expected);
    assert_eq!(flow.all("late.db"), expected);
}

/// Copies beyond what the settings allow go, the oldest first; who needs all rows is told
/// which files to put back.
#[db_test(migrations = migrations)]
async fn copies_of_files_are_bounded(db: Db, clock: Arc<ManualClock>) {
    let flow = Flow::of_folder(db, &clock).await;
    let mut flow = flow.reopen(|config| config.limits.kept_bytes = 26).await;
    // Eleven bytes each.
    for name in ["1", "2", "3"] {
        flow.write(&format!("{name}.csv"), &format!("k,n,w\n{name},1,a"));
        flow.settle().await;
        let taken = format!("{name}.csv");
        std::fs::remove_file(flow.house.file("in").join(taken)).unwrap();
    }
    assert_eq!(flow.copies(), 2);
    assert_eq!(flow.all("to.db"), ["1|1|a", "2|1|a", "3|1|a"]);

    let mut late = flow.late().await;
    let trouble = flow.provider.round(true).await.unwrap_err().to_string();
    assert!(trouble.contains("put them back: 1.csv (of "), "{trouble}");
    flow.write("1.csv", "k,n,w\n1,1,a");
    flow.settle().await;
    late.round(false).await.unwrap();
    assert_eq!(flow.all("late.db"), ["1|1|a", "2|1|a", "3|1|a"]);
    // Put back it is not new, and its copy goes again.
    assert_eq!(flow.provider.round(true).await.unwrap().sent, 0);
    assert_eq!(flow.copies(), 2);
}

/// A copy may be needed to read its batch once more, until the hub has it.
#[tokio::test]
async fn a_copy_stays_until_the_receipt_is_here() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(folder.path()).await.unwrap();
    let batch = batch_row("b1");
    let read = reading::Model {
        publication: "v".into(),
        watermark: None,
        content: String::new(),
        read_at: 1,
    };
    let file = |name: &str, is_resent| kept::Model {
        publication: "v".into(),
        name: name.into(),
        digest: name.into(),
        place: name.into(),
        is_resent,
        batch: "b1".into(),
        taken_at: 1,
    };
    let taken = Taken {
        kept: vec![file("1.csv", false), file("mended.csv", true)],
        ..Taken::default()
    };
    state.add_batch(batch, read, taken).await.unwrap();
    assert_eq!(state.receipted().await.unwrap(), []);
    let receipt = Signed {
        text: "{}".into(),
        signature: String::new(),
    };
    state.note_receipt("b1", &receipt).await.unwrap();
    // What was mended is nowhere else, and stays.
    assert_eq!(state.receipted().await.unwrap(), [file("1.csv", false)]);
}

fn batch_row(id: &str) -> node_batch::Model {
    node_batch::Model {
        id: id.into(),
        publication: "v".into(),
        sequence: 1,
        manifest: "{}".into(),
        manifest_signature: String::new(),
        refused: "[]".into(),
        receipt: None,
        receipt_signature: None,
        created_at: 1,
        receipted_at: None,
    }
}

/// An older version of a file, put back for a new subscriber, keeps its rank.
#[db_test(migrations = migrations)]
async fn a_version_that_is_put_back_does_not_count_more(db: Db, clock: Arc<ManualClock>) {
    let flow = Flow::of_folder(db, &clock).await;
    let mut flow = flow.reopen(|config| config.limits.kept_bytes = 13).await;
    for text in ["k,n,w\n1,1,a\n2,1,a", "k,n,w\n1,2,b"] {
        flow.write("day.csv", text);
        flow.settle().await;
    }
    assert_eq!(flow.copies(), 1);
    let mut late = flow.late().await;
    let trouble = flow.provider.round(true).await.unwrap_err().to_string();
    assert!(trouble.contains("day.csv"), "{trouble}");
    flow.write("day.csv", "k,n,w\n1,1,a\n2,1,a");
    flow.settle().await;
    late.round(false).await.unwrap();
    assert_eq!(flow.all("late.db"), ["1|2|b", "2|1|a"]);
    assert_eq!(flow.all("to.db"), ["1|2|b", "2|1|a"]);
}

/// A file that cannot be read waits alone, and the hub knows; rows of another width wait with a
/// reason.
#[db_test(migrations = migrations)]
async fn one_bad_file_holds_nothing_up(db: Db, clock: Arc<ManualClock>) {
    let mut flow = Flow::of_folder(db, &clock).await;
    flow.write("1.xlsx", "this is no sheet");
    flow.write(
        "2.json",
        "\u{feff}{\"k\": \"1\", \"n\": 1}\n{\"k\": \"2\"\n{\"k\": \"3\"}\n",
    );
    flow.write("3.csv", "k,n,w\n4,4,comma, in it\n5\n6,6,f\n");
    // Both at once, as a new subscriber's; then nothing is left but the bad one.
    flow.provider.round(true).await.unwrap();
    let trouble = flow.provider.round(true).await.unwrap_err().to_string();
    assert!(trouble.contains("1.xlsx"), "{trouble}");
    flow.subscriber.round(false).await.unwrap();
    assert_eq!(flow.all("to.db"), ["1|1|-", "3|-|-", "6|6|f"]);
    assert_eq!(
        flow.refused().await,
        [
            "exchange-row-cells",
            "exchange-row-cells",
            "exchange-row-json"
        ]
    );
    let told = flow.troubles().await.remove(0);
    assert_eq!(told.publication, "v");
    assert!(told.problem.unwrap().contains("1.xlsx"));

    std::fs::remove_file(flow.house.file("in").join("1.xlsx")).unwrap();
    flow.settle().await;
    assert!(flow.troubles().await.is_empty());
}

/// Mended rows stay until the source itself has their keys.
#[db_test(migrations = migrations)]
async fn mended_rows_outlive_full_batches(db: Db, clock: Arc<ManualClock>) {
    let statements = [
        "CREATE TABLE t (k TEXT PRIMARY KEY, n TEXT, w TEXT, changed BIGINT)",
        "INSERT INTO t VALUES ('1', '1', 'a', 1)",
        "INSERT INTO t VALUES ('2', 'x', 'b', 2)",
        "INSERT INTO t VALUES ('3', 'x', 'c', 3)",
    ];
    let mut flow = Flow::of_table(
        db,
        &clock,
        ", watermark = \"changed\", overlap = 0",
        &statements,
    )
    .await;
    flow.settle().await;
    let mended = flow.house.file("mended.csv");
    std::fs::write(&mended, "k,n,w\n2,2,mended\n3,3,mended\n").unwrap();
    flow.provider.resend("v", &mended).await.unwrap();
    flow.ask_full().await;
    flow.settle().await;
    let both = ["1|1|a", "2|2|mended", "3|3|mended"];
    assert_eq!(flow.all("to.db"), both);
    // Opened again, the node still has them.
    let mut flow = flow.reopen(|_| {}).await;
    flow.ask_full().await;
    flow.settle().await;
    assert_eq!(flow.all("to.db"), both);

    flow.sql(&["UPDATE t SET n = '20', w = 'own', changed = 4 WHERE k = '2'"]);
    flow.settle().await;
    flow.ask_full().await;
    flow.settle().await;
    assert_eq!(flow.all("to.db"), ["1|1|a", "2|20|own", "3|3|mended"]);
    // Gone at the source, a key that it told once stays gone.
    flow.sql(&["DELETE FROM t WHERE k = '2'"]);
    flow.ask_full().await;
    flow.settle().await;
    assert_eq!(flow.all("to.db"), ["1|1|a", "3|3|mended"]);
}

/// One text that is too long waits alone.
#[db_test(migrations = migrations)]
async fn one_long_text_holds_nothing_up(db: Db, clock: Arc<ManualClock>) {
    let statements = [
        "CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER, w TEXT)",
        "INSERT INTO t VALUES ('1', 1, 'a'), ('3', 3, 'c')",
        &format!("INSERT INTO t VALUES ('2', 2, '{}')", "长".repeat(2000)),
    ];
    let mut flow = Flow::of_table(db, &clock, "", &statements).await;
    flow.settle().await;
    assert_eq!(flow.all("to.db"), ["1|1|a", "3|3|c"]);
    assert_eq!(flow.refused().await, ["exchange-row-length"]);
}

/// A column that the source calls otherwise stops its publication; the hub knows what it became, and
/// with the new name in the settings rows go on.
#[db_test(migrations = migrations)]
async fn a_renamed_column_is_named(db: Db, clock: Arc<ManualClock>) {
    let statements = [
        "CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER, w TEXT, note TEXT)",
        "INSERT INTO t VALUES ('1', 1, 'a', '-')",
    ];
    let mut flow = Flow::of_table(db, &clock, "", &statements).await;
    flow.settle().await;
    flow.sql(&[
        "ALTER TABLE t RENAME COLUMN n TO number",
        "INSERT INTO t VALUES ('2', 2, 'b', '-')",
    ]);
    flow.provider.round(true).await.unwrap_err();
    let told = flow.troubles().await.remove(0).problem.unwrap();
    let guess = "column n is not there any more; it probably became number (same type, same place)";
    assert!(told.contains(guess), "{told}");
    assert!(told.contains("from ="), "{told}");
    assert_eq!(flow.all("to.db"), ["1|1|a"]);

    let renamed = |config: &mut Config| {
        config.publications[0].columns[1].from = Some("number".into());
    };
    let mut flow = flow.reopen(renamed).await;
    flow.settle().await;
    assert!(flow.troubles().await.is_empty());
    assert_eq!(flow.all("to.db"), ["1|1|a", "2|2|b"]);
}

/// Headings of files are known by their place.
#[db_test(migrations = migrations)]
async fn a_renamed_heading_is_named(db: Db, clock: Arc<ManualClock>) {
    let mut flow = Flow::of_folder(db, &clock).await;
    flow.write("1.csv", "k,number,w\n1,1,a\n");
    let trouble = flow.provider.round(true).await.unwrap_err().to_string();
    let guess = "it probably became number (same place)";
    assert!(trouble.contains(guess), "{trouble}");
    assert_eq!(flow.troubles().await.remove(0).publication, "v");
}

/// One row from the future does not hide what changes now.
#[db_test(migrations = migrations)]
async fn a_mark_in_the_future_hides_nothing(db: Db, clock: Arc<ManualClock>) {
    let statements = [
        "CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER, w TEXT, changed TIMESTAMP)",
        "INSERT INTO t VALUES ('1', 1, 'a', '2026-01-01 00:00:00')",
        "INSERT INTO t VALUES ('2', 1, 'future', '2099-01-01 00:00:00')",
    ];
    let mut flow = Flow::of_table(
        db,
        &clock,
        ", watermark = \"changed\", overlap = 0",
        &statements,
    )
    .await;
    flow.settle().await;
    flow.sql(&[
        "UPDATE t SET w = 'b', changed = '2026-01-02 00:00:00' WHERE k = '1'",
        "INSERT INTO t VALUES ('3', 3, 'new', '2026-01-03 00:00:00')",
    ]);
    flow.settle().await;
    let expected = ["1|1|b", "2|1|future", "3|3|new"];
    assert_eq!(flow.all("to.db"), expected);
    // The row alone is not told again and again.
    assert_eq!(flow.provider.round(true).await.unwrap().sent, 0);
}

/// A row for which the condition says nothing is there; one for which it comes true goes.
#[db_test(migrations = migrations)]
async fn rows_that_count_as_gone_are_known_in_all_ways(db: Db, clock: Arc<ManualClock>) {
    let statements = [
        "CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER, w TEXT, state TEXT)",
        "CREATE TABLE log (k TEXT, seq INTEGER PRIMARY KEY)",
        "INSERT INTO t VALUES ('1', 1, 'a', NULL)",
        "INSERT INTO t VALUES ('2', 2, 'b', 'here')",
        "INSERT INTO t VALUES ('3', 3, 'c', 'gone')",
        "INSERT INTO log VALUES ('1', 1)",
    ];
    let mut flow = Flow::of_table(
        db,
        &clock,
        r#", deleted = "state = 'gone'", changes = { table = "log", sequence = "seq" }"#,
        &statements,
    )
    .await;
    flow.settle().await;
    assert_eq!(flow.all("to.db"), ["1|1|a", "2|2|b"]);
    flow.sql(&[
        "UPDATE t SET state = 'gone' WHERE k = '2'",
        "UPDATE t SET w = 'z' WHERE k = '1'",
        "INSERT INTO log VALUES ('2', 2)",
        "INSERT INTO log VALUES ('1', 3)",
    ]);
    flow.settle().await;
    assert_eq!(flow.all("to.db"), ["1|1|z"]);
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
    let from = folder(&house);
    let mut flow = Flow::open(house, &from, &settings).await;
    flow.write("1.csv", "k,n,w\n1,1,a\n2,2,b\n");
    flow.settle().await;
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
    flow.write("2.csv", "k,n,w\n1,10,z\n3,3,c\n");
    flow.settle().await;
    let expected = ["1|10|z|own", "2|2|b|own", "3|3|c|-"];
    assert_eq!(found(), (expected.map(String::from).to_vec(), 1));
    flow.ask_full().await;
    flow.settle().await;
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
