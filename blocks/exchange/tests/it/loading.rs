//! Rows that go into a table of `PostgreSQL` while they come: all of them, once they are proved, or
//! none.

use std::{sync::Arc, time::Duration};

use exchange::node::{config::Config, run::Node};
use kernel::{ManualClock, crypto::GuoMi, crypto::Suite};
use store::{Db, db_test};

use crate::{
    drivers::postgres,
    house::{CIVIL, House, POLICE, migrations, rows, sql, sqlite},
};

/// A source of some thousand rows in several chunks, and a table in `PostgreSQL`.
struct Pair {
    house: House,
    from: String,
    /// The target by ODBC, to look at it.
    look: String,
    table: String,
    provider: Node,
}

impl Pair {
    async fn open(db: Db, clock: &Arc<ManualClock>) -> Option<Self> {
        let Some(look) = postgres() else {
            eprintln!("skipped: TONGBAN_TEST_POSTGRES is not set");
            return None;
        };
        let house = House::open(db, clock).await;
        let from = sqlite(&house.file("source.db"));
        sql(
            &from,
            &[
                "CREATE TABLE numbers (id INTEGER PRIMARY KEY, text TEXT)",
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) \
                 INSERT INTO numbers SELECT i, hex(randomblob(20)) FROM n",
            ],
        );
        let settings = format!(
            "[limits]\nchunk_bytes = 1024\n[[publication]]\ncode = \"numbers\"\ntitle = \"数（合成）\"\n\
             key = [\"id\"]\nevery_seconds = 0\n\
             source = {{ kind = \"odbc\", connection = \"{from}\", table = \"numbers\" }}\n\
             columns = [{{ name = \"id\", type = \"integer\", required = true }}, {{ name = \"text\" }}]\n"
        );
        let mut provider = house.node("police", POLICE, &settings).await;
        provider.round(false).await.unwrap();
        house.publish("numbers").await;
        house.enrol("civil", CIVIL).await;
        house.subscribe("numbers", "civil").await;
        let mark = kernel::id::new_v7(chrono::Utc::now()).simple();
        Some(Self {
            house,
            from,
            look,
            table: format!("loaded_{mark}"),
            provider,
        })
    }

    /// A new life of the subscriber's node.
    async fn subscriber(&self, limits: &str) -> Node {
        let url = std::env::var("TONGBAN_TEST_POSTGRES").unwrap();
        let settings = format!(
            "{limits}\n[[target]]\npublication = \"numbers\"\nconnection = \"{url}\"\ntable = \"{}\"\ncreate = true\n",
            self.table
        );
        let folder = self.house.folder("civil");
        Node::open(folder, Config::parse(&settings).unwrap())
            .await
            .unwrap()
    }

    fn ask(&self, what: &str) -> Vec<String> {
        rows(&self.look, &what.replace("TABLE", &self.table))
    }

    fn all(&self) -> Vec<String> {
        self.ask("SELECT id, text FROM TABLE ORDER BY id")
    }

    fn assert_same(&self) {
        let source = rows(&self.from, "SELECT id, text FROM numbers ORDER BY id");
        assert!(
            self.all() == source,
            "{} and {} rows",
            self.all().len(),
            source.len()
        );
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        sql(
            &self.look,
            &[&format!("DROP TABLE IF EXISTS {}", self.table)],
        );
    }
}

#[db_test(migrations = migrations)]
async fn a_full_delivery_writes_what_differs(db: Db, clock: Arc<ManualClock>) {
    let Some(mut pair) = Pair::open(db, &clock).await else {
        return;
    };
    // A table that somebody made, with a column of his own and types without an equality.
    sql(
        &pair.look,
        &[&format!(
            "CREATE TABLE {} (id BIGINT PRIMARY KEY, text JSON, note TEXT DEFAULT 'new')",
            pair.table
        )],
    );
    sql(
        &pair.from,
        &["UPDATE numbers SET text = '{\"a\": ' || id || '}'"],
    );
    let mut subscriber = pair.subscriber("").await;
    pair.provider.round(true).await.unwrap();
    assert_eq!(subscriber.round(false).await.unwrap().delivered, 1);
    pair.assert_same();
    sql(
        &pair.look,
        &[&format!("UPDATE {} SET note = 'kept'", pair.table)],
    );
    let written =
        "SELECT id, xmin FROM TABLE WHERE id BETWEEN 101 AND 8999 AND id <> 500 ORDER BY id";
    let before = pair.ask(written);

    sql(
        &pair.from,
        &[
            "DELETE FROM numbers WHERE id <= 100",
            "UPDATE numbers SET text = '{\"a\" : 500}' WHERE id = 500",
            "UPDATE numbers SET text = NULL WHERE id = 9000",
            "INSERT INTO numbers VALUES (9001, '[]')",
        ],
    );
    pair.provider.round(true).await.unwrap();
    assert_eq!(subscriber.round(false).await.unwrap().delivered, 1);
    pair.assert_same();
    assert!(
        pair.ask(written) == before,
        "rows that are the same were written again"
    );
    let notes = "SELECT note, COUNT(*) FROM TABLE GROUP BY note ORDER BY note";
    assert_eq!(pair.ask(notes), ["kept|8900", "new|1"]);

    // All of it gone, and all of it back.
    sql(&pair.from, &["DELETE FROM numbers WHERE id > 102"]);
    pair.provider.round(true).await.unwrap();
    assert_eq!(subscriber.round(false).await.unwrap().delivered, 1);
    assert_eq!(pair.all(), ["101|{\"a\": 101}", "102|{\"a\": 102}"]);
}

/// What the hub did not sign was never there, though its rows came.
#[db_test(migrations = migrations)]
async fn rows_without_the_hubs_word_are_taken_back(db: Db, clock: Arc<ManualClock>) {
    let Some(mut pair) = Pair::open(db, &clock).await else {
        return;
    };
    let file = pair.house.folder("civil").0.join("hub.json");
    let right = std::fs::read_to_string(&file).unwrap();
    let mut told: serde_json::Value = serde_json::from_str(&right).unwrap();
    let other = GuoMi.generate_key().unwrap().public_key().to_pem().unwrap();
    told["hub_key"] = other.into();
    std::fs::write(&file, told.to_string()).unwrap();

    pair.provider.round(true).await.unwrap();
    let mut deceived = pair.subscriber("").await;
    let trouble = deceived.round(false).await.unwrap_err().to_string();
    assert!(trouble.contains("not signed by the hub"), "{trouble}");
    drop(deceived);
    assert_eq!(pair.all().len(), 0);
    std::fs::write(&file, right).unwrap();
    let mut subscriber = pair.subscriber("").await;
    assert_eq!(subscriber.round(false).await.unwrap().delivered, 1);
    pair.assert_same();
}

/// A chunk that is damaged at the hub, and one that is gone.
#[db_test(migrations = migrations)]
async fn a_chunk_that_is_not_what_it_was_undoes_the_others(db: Db, clock: Arc<ManualClock>) {
    let Some(mut pair) = Pair::open(db, &clock).await else {
        return;
    };
    let mut subscriber = pair.subscriber("").await;
    pair.provider.round(true).await.unwrap();
    assert_eq!(subscriber.round(false).await.unwrap().delivered, 1);
    let first = pair.all();
    for is_gone in [false, true] {
        let fresh = "UPDATE numbers SET text = hex(randomblob(20)) WHERE id > 4500";
        sql(&pair.from, &[fresh]);
        pair.provider.round(true).await.unwrap();
        let newest = pair.provider.state().batches(1).await.unwrap().remove(0);
        let manifest: exchange::wire::Manifest = serde_json::from_str(&newest.manifest).unwrap();
        let digest = &manifest.chunks.last().unwrap().digest;
        let file = find(&pair.house.file("blobs"), digest);
        let right = std::fs::read(&file).unwrap();
        if is_gone {
            std::fs::remove_file(&file).unwrap();
        } else {
            let mut wrong = right.clone();
            *wrong.last_mut().unwrap() ^= 1;
            std::fs::write(&file, wrong).unwrap();
        }
        subscriber.round(false).await.unwrap_err();
        if !is_gone {
            assert!(pair.all() == first, "what was there is there");
        }
        std::fs::write(&file, right).unwrap();
        assert_eq!(subscriber.round(false).await.unwrap().delivered, 1);
        pair.assert_same();
    }
}

fn find(folder: &std::path::Path, name: &str) -> std::path::PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().replace('/', "").contains(name) {
                return path;
            }
        }
    }
    panic!("no file of {name}")
}

/// The line is slow, and the node dies at one moment or another.
#[db_test(migrations = migrations)]
async fn killed_while_rows_come_none_of_them_count(db: Db, clock: Arc<ManualClock>) {
    let Some(mut pair) = Pair::open(db, &clock).await else {
        return;
    };
    let slow = "[limits]\nbytes_per_second = 150000\n";
    let mut before = 0;
    for turn in 1..=4_u64 {
        let fresh = "UPDATE numbers SET text = hex(randomblob(20))";
        sql(&pair.from, &[fresh]);
        pair.provider.round(true).await.unwrap();
        let mut doomed = pair.subscriber(slow).await;
        let patience = Duration::from_millis(150 * turn);
        let cut = tokio::time::timeout(patience, doomed.round(false)).await;
        assert!(cut.is_err(), "the line is too fast for this test");
        drop(doomed);
        if turn > 1 {
            assert_eq!(pair.all().len(), before);
            let source = rows(&pair.from, "SELECT id, text FROM numbers ORDER BY id");
            assert!(pair.all() != source, "{turn}");
        }
        let mut subscriber = pair.subscriber("").await;
        assert_eq!(subscriber.round(false).await.unwrap().delivered, 1);
        pair.assert_same();
        before = pair.all().len();
    }
}
