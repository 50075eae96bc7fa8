//! Measures durable writes: each inserts a row and an event, as most acts do.
//!
//! `cargo run --release -p store --example writes [URL]`; without a URL, a SQLite file in the
//! present folder, on which every commit is synced to disk.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use kernel::SystemClock;
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde::{Deserialize, Serialize};
use store::{Db, EventBody, Settings, schema::blob_holder, work};
use tokio_util::sync::CancellationToken;

#[derive(Serialize, Deserialize)]
struct Measured {
    text: String,
}

impl EventBody for Measured {
    const KIND: &'static str = "store.measured.v1";
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir_in(".")?;
    let file = format!("sqlite://{}/writes.db", folder.path().display());
    let url = std::env::args().nth(1).unwrap_or(file);
    let settings = Settings {
        url,
        connections: 16,
    };
    let db = Db::open(&settings, Arc::new(SystemClock)).await?;
    store::migrate(&db, store::migrations()).await?;
    let mut lines = vec!["callers  writes/s  p50 ms  p99 ms".to_owned()];
    for callers in [1, 16, 128] {
        lines.push(measure(&db, callers, false).await);
    }
    for callers in [1, 16, 128] {
        lines.push(measure(&db, callers, true).await + "  row and event");
    }
    let token = CancellationToken::new();
    let key = kernel::crypto::Suite::generate_key(&kernel::crypto::GuoMi)?;
    let signer = Arc::new(store::KeySigner::new(key)?);
    let background = work::start(&db, signer, &[], &[], token.clone());
    lines.push(measure(&db, 128, true).await + "  and sealed");
    token.cancel();
    background.await?;
    eprintln!("{}", lines.join("\n"));
    Ok(())
}

async fn measure(db: &Db, callers: usize, emits: bool) -> String {
    let count = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + Duration::from_secs(3);
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (db, count) = (db.clone(), count.clone());
            tokio::spawn(async move {
                let mut waits = Vec::new();
                while Instant::now() < until {
                    let started = Instant::now();
                    if write(&db, emits).await.is_ok() {
                        count.fetch_add(1, Ordering::Relaxed);
                        waits.push(started.elapsed());
                    }
                }
                waits
            })
        })
        .collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await.unwrap_or_default());
    }
    waits.sort_unstable();
    let at = |percent: usize| {
        let wait = waits
            .get(waits.len() * percent / 100)
            .copied()
            .unwrap_or_default();
        wait.as_secs_f64() * 1000.0
    };
    let per_second = count.load(Ordering::Relaxed) / 3;
    format!(
        "{callers:>7}  {per_second:>8}  {:>6.2}  {:>6.2}",
        at(50),
        at(99)
    )
}

async fn write(db: &Db, emits: bool) -> kernel::Result<()> {
    let id = uuid::Uuid::now_v7().to_string();
    db.write(move |tx| {
        let id = id.clone();
        async move {
            let row = blob_holder::ActiveModel {
                digest: Set(id.clone()),
                holder: Set("measure".to_owned()),
            };
            blob_holder::Entity::insert(row)
                .exec_without_returning(&*tx)
                .await
                .map_err(|e| store::fault("insert", e))?;
            if emits {
                tx.emit(
                    format!("row:{id}"),
                    "system",
                    &Measured {
                        text: "办结".into(),
                    },
                )?;
            }
            Ok(())
        }
    })
    .await
}
