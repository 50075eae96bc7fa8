//! Chunks that go while their source is read, and nothing that counts before its manifest.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, extract::Query, routing::get};
use exchange::{
    data::{
        checksum::Checksum,
        chunk::{Kind, Mark},
    },
    hub::{batch as batches, overview},
    node::{
        client::{Client, Trouble},
        config::Config,
        run::Node,
    },
    wire::{
        Announced, BatchKind, Begin, Begun, GiveUp, Manifest, Offered, Place, action, shape_digest,
    },
};
use kernel::{ManualClock, clock::micros};
use serde_json::json;
use store::{Db, db_test, page::PageRequest};
use tokio::sync::Notify;

use crate::{
    forging::{Forger, batch, refused, shape},
    house::{CIVIL, House, POLICE, migrations, rows, sql, sqlite, steward},
};

async fn known(house: &House) -> Vec<batches::Batch> {
    let page = PageRequest::new(None, None);
    let found = overview::batches(&house.app, &steward(), None, &page).await;
    found.unwrap().items.into_iter().map(|(b, _)| b).collect()
}

fn begin_of(manifest: &Manifest) -> Begin {
    Begin {
        batch: manifest.batch.clone(),
        publication: manifest.publication.clone(),
        sequence: manifest.sequence,
        kind: manifest.kind,
        shape: manifest.shape.clone(),
        read_at: manifest.read_at,
    }
}

async fn begin(forger: &mut Forger, asked: &Begin) -> Result<Begun, Trouble> {
    forger.client.act(action::BEGIN, asked).await
}

async fn put(
    forger: &mut Forger,
    batch: &str,
    place: u32,
    mark: Option<&Mark>,
    bytes: &[u8],
) -> Result<usize, Trouble> {
    let place = Place {
        batch: batch.into(),
        place,
        mark: mark.cloned(),
    };
    let chunks = futures::stream::iter([(place, bytes.to_vec())]);
    forger.client.put(chunks).await
}

/// A batch of two chunks.
fn two(sequence: i64) -> (Manifest, [Vec<u8>; 2]) {
    let (mut manifest, first) = batch("police", sequence, &[1, 2, 3]);
    let (more, second) = batch("police", sequence, &[4, 5]);
    manifest.chunks.extend(more.chunks);
    manifest.rows += more.rows;
    manifest.checksum = manifest.checksum.and(more.checksum);
    (manifest, [first, second])
}

#[db_test(migrations = migrations)]
async fn chunks_count_when_their_manifest_is_here(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let mut police = Forger::of(&house, "police", POLICE).await;
    let mut civil = Forger::of(&house, "civil", CIVIL).await;
    police.announce().await;
    let (manifest, bytes) = two(1);
    let asked = begin_of(&manifest);
    refused(begin(&mut police, &asked).await, "not open");
    house.publish("numbers").await;
    refused(begin(&mut civil, &asked).await, "another node's");
    let early = Begin {
        sequence: 2,
        ..asked.clone()
    };
    refused(begin(&mut police, &early).await, "1 comes next");
    let other = Begin {
        shape: "x".into(),
        ..asked.clone()
    };
    refused(
        begin(&mut police, &other).await,
        "not those that were opened",
    );
    let future = Begin {
        read_at: asked.read_at + 3_600_000_000,
        ..asked.clone()
    };
    refused(begin(&mut police, &future).await, "clock");
    assert!(begin(&mut police, &asked).await.unwrap().held.is_empty());

    // A chunk is what its own mark says, and of the publication's columns.
    let (id, marks) = (manifest.batch.as_str(), &manifest.chunks);
    let [first, second] = &bytes;
    refused(put(&mut police, id, 0, None, first).await, "not found");
    refused(
        put(&mut police, id, 0, Some(&marks[0]), second).await,
        "tampered",
    );
    refused(
        put(&mut police, id, 200_000, Some(&marks[0]), first).await,
        "not found",
    );
    let rubbish = Mark::of(Kind::Rows, 3, b"rubbish");
    let sent = put(&mut police, id, 0, Some(&rubbish), b"rubbish").await;
    refused(sent, "does not hold");
    refused(
        put(&mut civil, id, 0, Some(&marks[0]), first).await,
        "not found",
    );
    for _ in 0..2 {
        put(&mut police, id, 0, Some(&marks[0]), first)
            .await
            .unwrap();
    }
    assert_eq!(begin(&mut police, &asked).await.unwrap().held, [0]);
    refused(begin(&mut civil, &asked).await, "not found");
    refused(police.commit(id).await, "no manifest");
    assert!(known(&house).await.iter().all(|batch| !batch.is_accepted));

    // The manifest is signed by the node, for its own batch; then what is missing is sent.
    let mut altered = police.sign(&manifest);
    altered.text = altered.text.replace("\"rows\":5", "\"rows\":6");
    refused(police.offer(&altered).await, "not signed by this node");
    refused(
        civil.offer(&civil.sign(&manifest)).await,
        "names another node",
    );
    let signed = police.sign(&manifest);
    assert_eq!(police.offer(&signed).await.unwrap().missing, [1]);
    refused(police.commit(id).await, "Chunk 1 is missing");
    put(&mut police, id, 1, Some(&marks[1]), second)
        .await
        .unwrap();
    let receipt = police.commit(id).await.unwrap();
    assert_eq!(police.offer(&signed).await.unwrap().receipt, Some(receipt));
    let give_up = GiveUp { batch: id.into() };
    let _: () = police.client.act(action::GIVE_UP, &give_up).await.unwrap();
    assert!(known(&house).await[0].is_accepted, "what is accepted stays");
}

#[db_test(migrations = migrations)]
async fn chunks_that_no_manifest_names_are_gone(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let mut police = Forger::of(&house, "police", POLICE).await;
    police.announce().await;
    house.publish("numbers").await;
    let (manifest, [first, second]) = two(1);
    let id = manifest.batch.as_str();
    let marks = &manifest.chunks;

    // Both places hold the other's chunk, and there is one too many.
    begin(&mut police, &begin_of(&manifest)).await.unwrap();
    put(&mut police, id, 0, Some(&marks[1]), &second)
        .await
        .unwrap();
    put(&mut police, id, 1, Some(&marks[0]), &first)
        .await
        .unwrap();
    put(&mut police, id, 2, Some(&marks[0]), &first)
        .await
        .unwrap();
    let signed = police.sign(&manifest);
    assert_eq!(police.offer(&signed).await.unwrap().missing, [0, 1]);
    // What was on its way when the manifest came is not taken in its place.
    refused(
        put(&mut police, id, 0, Some(&marks[1]), &second).await,
        "tampered",
    );
    refused(
        put(&mut police, id, 2, Some(&marks[0]), &first).await,
        "not found",
    );
    refused(police.commit(id).await, "Chunk 0 is missing");
    put(&mut police, id, 0, None, &first).await.unwrap();
    put(&mut police, id, 1, None, &second).await.unwrap();
    police.commit(id).await.unwrap();
    let taken = &known(&house).await[0];
    assert_eq!((taken.rows, taken.chunks, taken.is_accepted), (5, 2, true));

    // The same chunk twice, of which one stays.
    let (mut twice, bytes) = batch("police", 2, &[7]);
    let mark = twice.chunks[0].clone();
    begin(&mut police, &begin_of(&twice)).await.unwrap();
    for place in 0..2 {
        put(&mut police, &twice.batch, place, Some(&mark), &bytes)
            .await
            .unwrap();
    }
    twice.read_at += 1;
    assert!(
        police
            .offer(&police.sign(&twice))
            .await
            .unwrap()
            .missing
            .is_empty()
    );
    police.commit(&twice.batch).await.unwrap();

    // Rows that do not add up.
    let (mut wrong, bytes) = batch("police", 3, &[8]);
    wrong.checksum = Checksum::default();
    begin(&mut police, &begin_of(&wrong)).await.unwrap();
    put(&mut police, &wrong.batch, 0, Some(&wrong.chunks[0]), &bytes)
        .await
        .unwrap();
    police.offer(&police.sign(&wrong)).await.unwrap();
    refused(police.commit(&wrong.batch).await, "checksum");
}

/// A table that is read whole each time, its rows in chunks of some thousand.
fn provider(house: &House) -> String {
    format!(
        r#"
        [limits]
        chunk_bytes = 1024
        [[publication]]
        code = "numbers"
        title = "数（合成）"
        key = ["id"]
        every_seconds = 0
        source = {{ kind = "odbc", connection = "{}", table = "numbers" }}
        columns = [{{ name = "id", type = "integer", required = true }}, {{ name = "text" }}]
        "#,
        sqlite(&house.file("source.db"))
    )
}

fn target(house: &House) -> String {
    format!(
        "[[target]]\npublication = \"numbers\"\nconnection = \"{}\"\ntable = \"numbers\"\ncreate = true\n",
        sqlite(&house.file("target.db"))
    )
}

fn fill(house: &House) -> String {
    let from = sqlite(&house.file("source.db"));
    sql(
        &from,
        &[
            "CREATE TABLE numbers (id INTEGER, text TEXT)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) \
             INSERT INTO numbers SELECT i, hex(randomblob(9)) FROM n",
        ],
    );
    from
}

fn left(house: &House, node: &str) -> usize {
    let out = house.folder(node).0.join("out");
    std::fs::read_dir(out).map_or(0, Iterator::count)
}

#[db_test(migrations = migrations)]
async fn what_says_nothing_new_leaves_nothing_behind(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let from = fill(&house);
    let mut node = house.node("police", POLICE, &provider(&house)).await;
    node.round(false).await.unwrap();
    house.publish("numbers").await;
    assert_eq!(node.round(true).await.unwrap().sent, 1);
    assert_eq!(node.round(true).await.unwrap().sent, 0);
    assert_eq!((known(&house).await.len(), left(&house, "police")), (1, 0));
    assert!(known(&house).await[0].chunks > 2);
    // The same rows in another order: chunks differ and go, and the hub hears that it was nothing.
    sql(
        &from,
        &[
            "CREATE TABLE aside AS SELECT * FROM numbers WHERE id <= 3000",
            "DELETE FROM numbers WHERE id <= 3000",
            "INSERT INTO numbers SELECT * FROM aside",
        ],
    );
    assert_eq!(node.round(true).await.unwrap().sent, 0);
    assert_eq!((known(&house).await.len(), left(&house, "police")), (1, 0));
    sql(&from, &["UPDATE numbers SET text = 'new' WHERE id = 9000"]);
    assert_eq!(node.round(true).await.unwrap().sent, 1);
    // A key that is told twice: what went ahead was of another reading.
    sql(&from, &["UPDATE numbers SET id = 1 WHERE id = 4000"]);
    assert_eq!(node.round(true).await.unwrap().sent, 1);
    let newest = &known(&house).await[0];
    assert_eq!((newest.rows, newest.refused), (8999, 1));
}

/// Before each round the node, or whoever it was in its last life, got as far as `steps`; the hub
/// began anew, too.
#[db_test(migrations = migrations)]
async fn killed_after_each_step_the_next_life_goes_on(db: Db, clock: Arc<ManualClock>) {
    let mut house = House::open(db, &clock).await;
    let from = fill(&house);
    let folder = house.enrol("police", POLICE).await;
    let mut subscriber = house.node("civil", CIVIL, &target(&house)).await;
    let config = Config::parse(&provider(&house)).unwrap();
    let mut node = Node::open(folder.clone(), config.clone()).await.unwrap();
    node.round(false).await.unwrap();
    house.publish("numbers").await;
    house.subscribe("numbers", "civil").await;
    drop(node);
    for steps in 0..=6 {
        let mut life = Forger {
            client: Client::member(&folder, &folder.membership().unwrap()).unwrap(),
            folder: folder.clone(),
        };
        let standing: Announced = {
            let publication = &config.publications[0];
            let asked = exchange::wire::Announce {
                code: publication.code.clone(),
                resource: String::new(),
                title: publication.title.clone(),
                shape: publication.shape(),
            };
            life.client.act(action::ANNOUNCE, &asked).await.unwrap()
        };
        die_after(&mut life, &config, standing.next_sequence, steps).await;
        house.restart().await;
        sql(
            &from,
            &[&format!(
                "UPDATE numbers SET text = '{steps}' WHERE id % 7 = {steps}"
            )],
        );
        let mut node = Node::open(folder.clone(), config.clone()).await.unwrap();
        assert_eq!(node.round(true).await.unwrap().sent, 1, "{steps}");
        while subscriber.round(false).await.unwrap().delivered > 0 {}
        let all = "SELECT id, text FROM numbers ORDER BY id";
        assert_eq!(
            rows(&sqlite(&house.file("target.db")), all),
            rows(&from, all),
            "{steps}"
        );
        assert!(
            known(&house).await.iter().all(|batch| batch.is_accepted),
            "{steps}"
        );
        assert_eq!(left(&house, "police"), 0, "{steps}");
    }
}

/// Does so many steps of a batch by hand: begin, a chunk, another, the manifest, the last chunk, the
/// commit. None of it is in the node's memory.
async fn die_after(life: &mut Forger, config: &Config, sequence: i64, steps: usize) {
    let shape = config.publications[0].shape();
    let (schema, mut marks, mut chunks) = (shape.schema(), Vec::new(), Vec::new());
    let mut checksum = Checksum::default();
    for id in 0..3_i64 {
        let columns: Vec<arrow::array::ArrayRef> = vec![
            Arc::new(arrow::array::Int64Array::from(vec![id])),
            Arc::new(arrow::array::StringArray::from(vec!["never read"])),
        ];
        let some = arrow::array::RecordBatch::try_new(schema.clone(), columns).unwrap();
        checksum.add(&some).unwrap();
        let bytes = exchange::data::chunk::write(&schema, &[some]).unwrap();
        marks.push(Mark::of(Kind::Rows, 1, &bytes));
        chunks.push(bytes);
    }
    let manifest = Manifest {
        batch: kernel::id::new_v7(chrono::Utc::now()).to_string(),
        node: "police".into(),
        publication: "numbers".into(),
        sequence,
        kind: BatchKind::Full,
        rows: 3,
        deletes: 0,
        refused: 0,
        checksum,
        shape: shape_digest(&shape).unwrap(),
        read_at: micros(chrono::Utc::now()) - 1_000_000,
        chunks: marks.clone(),
    };
    let id = manifest.batch.as_str();
    // As a reading that was cut off leaves it.
    let folder = life.folder.outgoing(id);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("000000.arrows"), &chunks[0]).unwrap();
    for step in 1..=steps {
        match step {
            1 => drop(begin(life, &begin_of(&manifest)).await.unwrap()),
            2 | 3 => {
                let (place, at) = (step - 2, u32::from(step == 3));
                let sent = put(life, id, at, Some(&marks[place]), &chunks[place]);
                assert_eq!(sent.await.unwrap(), 1);
            }
            4 => {
                let offered: Offered = life.offer(&life.sign(&manifest)).await.unwrap();
                assert_eq!(offered.missing, [2]);
            }
            5 => drop(put(life, id, 2, None, &chunks[2]).await.unwrap()),
            _ => drop(life.commit(id).await.unwrap()),
        }
    }
}

/// A department's API whose second page waits.
async fn slow_api(go_on: Arc<Notify>) -> String {
    let page = async move |Query(query): Query<std::collections::HashMap<String, i64>>| {
        let is_second = query.contains_key("from");
        let ids = if is_second { 20_000..20_010 } else { 0..20_000 };
        if is_second {
            go_on.notified().await;
            go_on.notify_one();
        }
        let items: Vec<_> = ids
            .map(|id| json!({"id": id, "text": format!("行{id}")}))
            .collect();
        let next = (!is_second).then_some("?from=20000");
        Json(json!({"items": items, "next": next}))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/rows", listener.local_addr().unwrap());
    let routes = Router::new().route("/rows", get(page));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    url
}

fn by_http(url: &str) -> String {
    format!(
        r#"
        [limits]
        chunk_bytes = 1024
        [[publication]]
        code = "numbers"
        title = "数（合成）"
        key = ["id"]
        every_seconds = 0
        source = {{ kind = "http", url = "{url}" }}
        columns = [{{ name = "id", type = "integer", required = true }}, {{ name = "text" }}]
        "#
    )
}

/// Waits until the hub holds chunks of a batch that is still being read.
async fn until_chunks_are_there(house: &House, client: &mut Client) {
    loop {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let all = known(house).await;
        let Some(batch) = all.iter().find(|batch| !batch.is_accepted) else {
            continue;
        };
        let asked = Begin {
            batch: batch.id.clone(),
            publication: "numbers".into(),
            sequence: batch.sequence,
            kind: batch.kind,
            shape: shape_digest(&shape()).unwrap(),
            read_at: 0,
        };
        let begun: Begun = client.act(action::BEGIN, &asked).await.unwrap();
        if begun.held.len() >= 2 {
            assert_eq!(
                (batch.chunks, batch.rows),
                (0, 0),
                "its manifest is not here"
            );
            return;
        }
    }
}

#[db_test(migrations = migrations)]
async fn chunks_go_while_the_source_is_read(db: Db, clock: Arc<ManualClock>) {
    let mut house = House::open(db, &clock).await;
    let go_on = Arc::new(Notify::new());
    let settings = by_http(&slow_api(go_on.clone()).await);
    let config = Config::parse(&settings).unwrap();
    let folder = house.enrol("police", POLICE).await;
    let mut client = Client::member(&folder, &folder.membership().unwrap()).unwrap();
    let mut subscriber = house.node("civil", CIVIL, &target(&house)).await;
    let mut node = Node::open(folder.clone(), config.clone()).await.unwrap();
    node.round(false).await.unwrap();
    house.publish("numbers").await;
    house.subscribe("numbers", "civil").await;

    // The node dies in the middle of its reading, and the hub stops, too.
    tokio::select! {
        outcome = node.round(true) => panic!("the second page waits: {outcome:?}"),
        () = until_chunks_are_there(&house, &mut client) => {}
    }
    drop(node);
    house.restart().await;
    let mut node = Node::open(folder, config).await.unwrap();
    let (sent, ()) = tokio::join!(node.round(true), async {
        until_chunks_are_there(&house, &mut client).await;
        go_on.notify_one();
    });
    assert_eq!(sent.unwrap().sent, 1);
    let all = known(&house).await;
    assert_eq!(
        (all.len(), all[0].rows, all[0].is_accepted),
        (1, 20_010, true)
    );
    assert!(all[0].chunks >= 3);
    assert_eq!(subscriber.round(false).await.unwrap().delivered, 1);
    let count = rows(
        &sqlite(&house.file("target.db")),
        "SELECT COUNT(*), MAX(id) FROM numbers",
    );
    assert_eq!(count, ["20010|20009"]);
}
