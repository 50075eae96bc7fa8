//! Batches that are replayed, tampered with, or another's.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use exchange::{
    data::{
        Column, Shape, Type,
        checksum::Checksum,
        chunk::{self, Kind, Mark},
    },
    hub::{batch as batches, publication},
    node::{
        Folder,
        client::{Client, Trouble},
    },
    wire::{
        Announce, Announced, BatchKind, Commit, Manifest, Offered, Place, Receipt, Refusals,
        RefusedRow, Signed, action, shape_digest,
    },
};
use kernel::{ManualClock, clock::micros};
use store::{Db, db_test, page::PageRequest};

use crate::house::{CIVIL, House, POLICE, migrations, steward};

pub fn shape() -> Shape {
    let id = Column {
        name: "id".into(),
        kind: Type::Integer,
        required: true,
        ..Column::default()
    };
    Shape {
        columns: vec![id],
        key: vec!["id".into()],
    }
}

/// A node that says what it likes.
pub struct Forger {
    pub folder: Folder,
    pub client: Client,
}

impl Forger {
    pub async fn of(house: &House, node: &str, org: &str) -> Self {
        let folder = house.enrol(node, org).await;
        let client = Client::member(&folder, &folder.membership().unwrap()).unwrap();
        Self { folder, client }
    }

    pub async fn announce(&mut self) -> Announced {
        self.announce_as(shape()).await
    }

    pub async fn announce_as(&mut self, shape: Shape) -> Announced {
        let asked = Announce {
            code: "numbers".into(),
            resource: String::new(),
            title: "数（合成）".into(),
            shape,
        };
        self.client.act(action::ANNOUNCE, &asked).await.unwrap()
    }

    pub fn sign(&self, manifest: &Manifest) -> Signed {
        Signed::sign(&self.folder.signing_key().unwrap(), manifest).unwrap()
    }

    pub async fn offer(&mut self, signed: &Signed) -> Result<Offered, Trouble> {
        self.client.act(action::OFFER, signed).await
    }

    pub async fn put(&mut self, batch: &str, place: u32, bytes: &[u8]) -> Result<usize, Trouble> {
        let chunk = (
            Place {
                batch: batch.into(),
                place,
                mark: None,
            },
            bytes.to_vec(),
        );
        self.client.put(futures::stream::iter([chunk])).await
    }

    pub async fn refusals(&mut self, batch: &str, rows: Vec<RefusedRow>) -> Result<(), Trouble> {
        let told = Refusals {
            batch: batch.into(),
            rows,
        };
        self.client.act(action::REFUSALS, &told).await
    }

    pub async fn commit(&mut self, batch: &str) -> Result<Signed, Trouble> {
        let commit = Commit {
            batch: batch.into(),
        };
        self.client.act(action::COMMIT, &commit).await
    }
}

pub fn batch(node: &str, sequence: i64, numbers: &[i64]) -> (Manifest, Vec<u8>) {
    let schema = shape().schema();
    let rows = RecordBatch::try_new(
        schema.clone(),
        vec![Arc::new(Int64Array::from(numbers.to_vec()))],
    );
    let rows = rows.unwrap();
    let bytes = chunk::write(&schema, std::slice::from_ref(&rows)).unwrap();
    let mut checksum = Checksum::default();
    checksum.add(&rows).unwrap();
    let manifest = Manifest {
        batch: kernel::id::new_v7(chrono::Utc::now()).to_string(),
        node: node.into(),
        publication: "numbers".into(),
        sequence,
        kind: BatchKind::Full,
        rows: numbers.len() as u64,
        deletes: 0,
        refused: 0,
        checksum,
        shape: shape_digest(&shape()).unwrap(),
        read_at: micros(chrono::Utc::now()),
        chunks: vec![Mark::of(Kind::Rows, numbers.len(), &bytes)],
    };
    (manifest, bytes)
}

pub fn refused<T: std::fmt::Debug>(outcome: Result<T, Trouble>, with: &str) {
    match outcome {
        Err(Trouble::Refused(why)) => assert!(why.contains(with), "{why}"),
        other => panic!("{with}: {other:?}"),
    }
}

#[db_test(migrations = migrations)]
async fn a_batch_is_taken_once_and_only_as_it_was_signed(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let mut police = Forger::of(&house, "police", POLICE).await;
    let mut civil = Forger::of(&house, "civil", CIVIL).await;
    police.announce().await;
    let (manifest, bytes) = batch("police", 1, &[1, 2, 3]);
    let signed = police.sign(&manifest);
    refused(police.offer(&signed).await, "not open");
    house.publish("numbers").await;

    // Signed by another, or with another text than was signed.
    refused(
        police.offer(&civil.sign(&manifest)).await,
        "not signed by this node",
    );
    let mut altered = signed.clone();
    altered.text = altered.text.replace("\"rows\":3", "\"rows\":4");
    refused(police.offer(&altered).await, "not signed by this node");
    // Another node's words from one's own mouth, and one's own words for another's publication.
    refused(civil.offer(&signed).await, "not signed by this node");
    refused(
        civil.offer(&civil.sign(&manifest)).await,
        "names another node",
    );
    let (foreign, _) = batch("civil", 1, &[1]);
    refused(civil.offer(&civil.sign(&foreign)).await, "another node's");
    // From the future.
    let mut early = manifest.clone();
    early.read_at += 3_600_000_000;
    refused(police.offer(&police.sign(&early)).await, "clock");
    early.read_at = manifest.read_at + 60_000_000;
    early.sequence = 2;
    refused(police.offer(&police.sign(&early)).await, "1 comes next");

    assert_eq!(police.offer(&signed).await.unwrap().missing, [0]);
    let (other, _) = batch("police", 1, &[9]);
    let reused = Manifest {
        batch: manifest.batch.clone(),
        ..other
    };
    refused(
        police.offer(&police.sign(&reused)).await,
        "Another manifest",
    );
    let mut tampered = bytes.clone();
    *tampered.last_mut().unwrap() ^= 1;
    refused(police.put(&manifest.batch, 0, &tampered).await, "tampered");
    refused(civil.put(&manifest.batch, 0, &bytes).await, "not found");
    refused(police.commit(&manifest.batch).await, "Chunk 0 is missing");
    police.put(&manifest.batch, 0, &bytes).await.unwrap();
    let receipt = police.commit(&manifest.batch).await.unwrap();

    // Said again, it is the same receipt; as a new batch it comes too late.
    assert_eq!(police.commit(&manifest.batch).await.unwrap(), receipt);
    assert_eq!(
        police.offer(&signed).await.unwrap().receipt,
        Some(receipt.clone())
    );
    let (replayed, _) = batch("police", 1, &[1, 2, 3]);
    refused(police.offer(&police.sign(&replayed)).await, "2 comes next");
    let hub_key = police.folder.membership().unwrap().hub_key().unwrap();
    let said: Receipt = receipt.open(&hub_key).unwrap();
    assert_eq!((said.rows, said.checksum), (3, manifest.checksum));
}

#[db_test(migrations = migrations)]
async fn rows_that_do_not_add_up_are_not_taken(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let mut police = Forger::of(&house, "police", POLICE).await;
    police.announce().await;
    house.publish("numbers").await;
    let (mut manifest, bytes) = batch("police", 1, &[1, 2, 3]);
    manifest.checksum = Checksum::default();
    police.offer(&police.sign(&manifest)).await.unwrap();
    police.put(&manifest.batch, 0, &bytes).await.unwrap();
    refused(police.commit(&manifest.batch).await, "checksum");

    // A chunk whose buffer claims to unpack to 64 TiB, which no memory holds.
    let (mut manifest, mut bomb) = batch("police", 1, &[7; 1_000]);
    let magic = [0x28, 0xb5, 0x2f, 0xfd];
    let at = bomb.windows(4).position(|four| four == magic).unwrap();
    bomb[at - 8..at].copy_from_slice(&(1_u64 << 46).to_le_bytes());
    manifest.chunks = vec![Mark::of(Kind::Rows, 1_000, &bomb)];
    police.offer(&police.sign(&manifest)).await.unwrap();
    refused(police.put(&manifest.batch, 0, &bomb).await, "does not hold");

    // A chunk that is no Arrow, and one that is too many rows, though the digests fit.
    let rubbish = vec![0xff; 64];
    let (mut manifest, _) = batch("police", 1, &[1, 2, 3]);
    manifest.chunks = vec![Mark::of(Kind::Rows, 3, &rubbish)];
    police.offer(&police.sign(&manifest)).await.unwrap();
    refused(
        police.put(&manifest.batch, 0, &rubbish).await,
        "does not hold",
    );
    let (mut manifest, bytes) = batch("police", 1, &[1, 2, 3]);
    manifest.chunks = vec![Mark::of(Kind::Rows, 2, &bytes)];
    manifest.rows = 2;
    police.offer(&police.sign(&manifest)).await.unwrap();
    refused(police.put(&manifest.batch, 0, &bytes).await, "tampered");
}

/// Suspended while a batch was on its way, and opened with a column more.
#[db_test(migrations = migrations)]
async fn a_batch_of_former_columns_is_forgotten(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let mut police = Forger::of(&house, "police", POLICE).await;
    police.announce().await;
    house.publish("numbers").await;
    let reopened = async |police: &mut Forger, shape: Shape| {
        publication::set_open(&house.app, &steward(), "numbers", false)
            .await
            .unwrap();
        police.announce_as(shape).await;
        house.publish("numbers").await;
    };
    let wider = || {
        let note = Column {
            name: "note".into(),
            ..Column::default()
        };
        let mut shape = shape();
        shape.columns.push(note);
        shape
    };
    // It is refused whether it is committed or offered once more, and then it is gone.
    let (manifest, bytes) = batch("police", 1, &[1, 2, 3]);
    let signed = police.sign(&manifest);
    police.offer(&signed).await.unwrap();
    police.put(&manifest.batch, 0, &bytes).await.unwrap();
    reopened(&mut police, wider()).await;
    refused(
        police.commit(&manifest.batch).await,
        "not those that were opened",
    );
    refused(police.commit(&manifest.batch).await, "not found");
    reopened(&mut police, shape()).await;
    police.offer(&signed).await.unwrap();
    police.put(&manifest.batch, 0, &bytes).await.unwrap();
    reopened(&mut police, wider()).await;
    refused(police.offer(&signed).await, "not those that were opened");
    refused(police.commit(&manifest.batch).await, "not found");

    // The wish for all rows is still there, and what was accepted before stays so.
    assert!(police.announce_as(wider()).await.wants_full);
    reopened(&mut police, shape()).await;
    police.offer(&signed).await.unwrap();
    police.put(&manifest.batch, 0, &bytes).await.unwrap();
    let receipt = police.commit(&manifest.batch).await.unwrap();
    reopened(&mut police, wider()).await;
    let standing = police.offer(&signed).await.unwrap();
    assert_eq!(standing.receipt, Some(receipt));
}

#[db_test(migrations = migrations)]
async fn refused_rows_are_those_of_the_manifest_and_no_more(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let mut police = Forger::of(&house, "police", POLICE).await;
    police.announce().await;
    house.publish("numbers").await;
    let (mut manifest, bytes) = batch("police", 1, &[1, 2, 3]);
    manifest.refused = 2;
    police.offer(&police.sign(&manifest)).await.unwrap();
    police.put(&manifest.batch, 0, &bytes).await.unwrap();
    let row = |row: i64| RefusedRow {
        row,
        column: "id".into(),
        reason: "exchange-row-number".into(),
        values: vec![("id".into(), Some("x".into()))],
    };
    let id = manifest.batch.clone();
    refused(police.commit(&id).await, "not told");
    for wrong in [
        vec![row(1), row(2), row(3)],
        vec![row(0)],
        vec![RefusedRow {
            column: "no such name".into(),
            ..row(1)
        }],
        vec![RefusedRow {
            reason: "x".repeat(1000),
            ..row(1)
        }],
    ] {
        refused(
            police.refusals(&id, wrong).await,
            "not those of the manifest",
        );
    }
    police.refusals(&id, vec![row(1)]).await.unwrap();
    refused(police.commit(&id).await, "not told");
    // Of a row that is enormous the reason is kept; told again it is there once.
    let large = RefusedRow {
        values: vec![("id".into(), Some("x".repeat(100_000)))],
        ..row(2)
    };
    for _ in 0..2 {
        police
            .refusals(&id, vec![row(1), large.clone()])
            .await
            .unwrap();
    }
    police.commit(&id).await.unwrap();
    let page = PageRequest::new(None, None);
    let kept = batches::refused(&house.app, &steward(), &id, &page).await;
    let kept: Vec<_> = kept.unwrap().items;
    assert_eq!(kept.len(), 2);
    assert_eq!((kept[0].row, kept[0].values.len()), (1, 1));
    assert_eq!((kept[1].row, kept[1].values.len()), (2, 0));
}
