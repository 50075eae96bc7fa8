//! Nodes, hub and network stopped at random in the middle of transfers: in the end source and
//! target are equal, nothing is doubled, and every receipt is genuine.
//!
//! `TONGBAN_TEST_EXCHANGE_ROWS` and `TONGBAN_TEST_EXCHANGE_KILLS` make it large.

use std::{sync::Arc, time::Duration};

use exchange::{
    hub::overview,
    node::{Folder, client::Trouble, config::Config, run::Node},
    wire::{Receipt, Signed},
};
use kernel::ManualClock;
use rand::RngExt;
use store::{Db, Engine, db_test};

use crate::{
    drivers::postgres,
    house::{CIVIL, House, POLICE, migrations, rows, sql, sqlite, steward},
};

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(usual)
}

fn provider(house: &House) -> String {
    format!(
        r#"
        [limits]
        chunk_bytes = 16384
        poll_seconds = 1
        [[publication]]
        code = "numbers"
        title = "数（合成）"
        key = ["id"]
        every_seconds = 0
        source = {{ kind = "odbc", connection = "{}", table = "numbers", watermark = "changed", overlap = 0, deleted = "gone = 1" }}
        columns = [{{ name = "id", type = "integer", required = true }}, {{ name = "text" }}]
        "#,
        sqlite(&house.file("source.db"))
    )
}

/// Where rows go, how the node reaches it, and how a look at it does.
struct Place {
    node: String,
    look: String,
    table: String,
}

/// A hub on `PostgreSQL` has its subscriber there too, which is written by `COPY`.
fn place(house: &House) -> Place {
    if let (Engine::Postgres, Some(look)) = (house.app.db().engine(), postgres()) {
        let mark = kernel::id::new_v7(chrono::Utc::now()).simple();
        return Place {
            node: std::env::var("TONGBAN_TEST_POSTGRES").unwrap(),
            look,
            table: format!("numbers_{mark}"),
        };
    }
    let file = sqlite(&house.file("target.db"));
    Place {
        node: file.clone(),
        look: file,
        table: "numbers".into(),
    }
}

fn target(place: &Place) -> String {
    format!(
        r#"
        [limits]
        poll_seconds = 1
        [[target]]
        publication = "numbers"
        connection = "{}"
        table = "{}"
        create = true
        "#,
        place.node, place.table
    )
}

/// Runs a node for a while, then drops it in the middle of whatever it is doing.
async fn live(folder: Folder, config: String, millis: u64) {
    let config = Config::parse(&config).unwrap();
    let work = async {
        let mut node = Node::open(folder, config).await.unwrap();
        loop {
            // The hub may be away; the next life tries again.
            drop(node.round(false).await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    drop(tokio::time::timeout(Duration::from_millis(millis), work).await);
}

async fn every_receipt_is_genuine(sender: &Node) {
    let hub_key = sender.folder.membership().unwrap().hub_key().unwrap();
    let batches = sender.state().batches(1000).await.unwrap();
    assert!(!batches.is_empty());
    for row in batches {
        let receipt = Signed {
            text: row.receipt.unwrap(),
            signature: row.receipt_signature.unwrap(),
        };
        let said: Receipt = receipt.open(&hub_key).unwrap();
        assert_eq!((said.batch, said.sequence), (row.id, row.sequence));
    }
}

#[db_test(migrations = migrations)]
async fn killed_at_random_nothing_is_lost_and_nothing_doubled(db: Db, clock: Arc<ManualClock>) {
    let mut house = House::open(db, &clock).await;
    let count = number("TONGBAN_TEST_EXCHANGE_ROWS", 3_000);
    let kills = number("TONGBAN_TEST_EXCHANGE_KILLS", 12);
    let from = sqlite(&house.file("source.db"));
    let place = place(&house);
    sql(
        &from,
        &[
            "CREATE TABLE numbers (id INTEGER PRIMARY KEY, text TEXT, changed BIGINT, gone INTEGER)",
            &format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
                 INSERT INTO numbers SELECT i, hex(randomblob(40)), 1, 0 FROM n"
            ),
        ],
    );
    let sender = house.enrol("sender", POLICE).await;
    let receiver = house.enrol("receiver", CIVIL).await;
    let (sending, receiving) = (provider(&house), target(&place));
    live(sender.clone(), sending.clone(), 300).await;
    house.publish("numbers").await;
    house.subscribe("numbers", "receiver").await;
    for life in 1..=kills {
        let (a, b) = (
            rand::rng().random_range(20..600),
            rand::rng().random_range(20..600),
        );
        let nodes = async {
            tokio::join!(
                live(sender.clone(), sending.clone(), a),
                live(receiver.clone(), receiving.clone(), b)
            )
        };
        if life % 3 == 0 {
            let (_, ()) = tokio::join!(nodes, async {
                tokio::time::sleep(Duration::from_millis(a / 2)).await;
                house.restart().await;
            });
        } else {
            nodes.await;
        }
        let mark = life + 1;
        sql(
            &from,
            &[
                &format!(
                    "UPDATE numbers SET text = 'changed {mark}', changed = {mark} WHERE id % 17 = {life}"
                ),
                &format!("UPDATE numbers SET gone = 1, changed = {mark} WHERE id % 101 = {life}"),
                &format!("INSERT INTO numbers VALUES ({count} + {life}, 'new', {mark}, 0)"),
            ],
        );
    }
    // Left in peace, both finish.
    let mut sender = Node::open(sender, Config::parse(&sending).unwrap())
        .await
        .unwrap();
    let mut receiver = Node::open(receiver, Config::parse(&receiving).unwrap())
        .await
        .unwrap();
    let mut quiet = 0;
    let mut troubles = 0;
    while quiet < 2 {
        let sent = sender.round(true).await.map(|round| round.sent);
        let delivered = receiver.round(false).await.map(|round| round.delivered);
        match (sent, delivered) {
            (Ok(0), Ok(0)) => quiet += 1,
            (Ok(_), Ok(_)) => quiet = 0,
            // What the last life began may end at the hub only now, and be in the way once.
            (Err(Trouble::Fault(_)), _) | (_, Err(Trouble::Fault(_))) if troubles < 5 => {
                troubles += 1;
            }
            refused => panic!("{refused:?}"),
        }
    }
    let kept = format!("SELECT id, text FROM {} ORDER BY id", place.table);
    let source = rows(
        &from,
        "SELECT id, text FROM numbers WHERE gone = 0 ORDER BY id",
    );
    let there = rows(&place.look, &kept);
    let differing = source.iter().zip(&there).find(|(a, b)| a != b);
    assert!(
        there == source,
        "{} and {} rows, {differing:?}",
        source.len(),
        there.len()
    );

    if place.node != place.look {
        sql(&place.look, &[&format!("DROP TABLE {}", place.table)]);
    }
    every_receipt_is_genuine(&sender).await;
    let flows = overview::flows(&house.app, &steward()).await.unwrap();
    assert_eq!((flows[0].waiting, flows[0].failed), (0, 0));
}
