//! The sealed log: positions, proofs, and what an audit finds.

use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder};
use store::{
    Db, Sealer,
    audit::{self, Flaw, Problem, Trust},
    schema::{event, head},
};

use crate::note::{note, signer};

fn sealer() -> Sealer {
    Sealer::new(signer())
}

async fn events(db: &Db) -> Vec<event::Model> {
    event::Entity::find()
        .order_by_asc(event::Column::Position)
        .all(db.read())
        .await
        .unwrap()
}

async fn tamper(db: &Db, sql: &'static str) {
    db.write(move |tx| async move {
        tx.execute_unprepared(sql)
            .await
            .map_err(|e| store::fault("tamper", e))?;
        Ok(())
    })
    .await
    .unwrap();
}

async fn problem(db: &Db) -> Option<Problem> {
    audit::verify(db, &Trust::default(), |_, _| ())
        .await
        .unwrap()
        .problem
}

#[store::db_test]
async fn positions_have_no_gap_and_keep_the_order_of_a_write(db: Db) {
    let sealer = sealer();
    for count in [1, 300, 2, 700] {
        note(&db, count).await;
        assert_eq!(sealer.seal_all(&db).await.unwrap(), count);
    }
    let events = events(&db).await;
    let positions: Vec<_> = events.iter().map(|e| e.position.unwrap()).collect();
    assert_eq!(positions, (1..=1003).collect::<Vec<_>>());
    assert!(events.is_sorted_by_key(|e| e.seq));
    let report = audit::verify(&db, &Trust::default(), |_, _| ())
        .await
        .unwrap();
    assert_eq!(
        (
            report.events,
            report.heads,
            report.unsigned,
            report.unsealed
        ),
        (1003, 4, 0, 0)
    );
    assert!(report.is_whole(), "{:?}", report.problem);
}

#[store::db_test]
async fn positions_have_no_gap_under_concurrent_writers_and_sealers(db: Db) {
    let tasks: Vec<_> = (0..60)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move {
                note(&db, 3).await;
                if n % 10 == 0 {
                    sealer().seal(&db, n % 20 == 0).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    sealer().seal_all(&db).await.unwrap();
    let positions: Vec<_> = events(&db)
        .await
        .iter()
        .map(|e| e.position.unwrap())
        .collect();
    assert_eq!(positions, (1..=180).collect::<Vec<_>>());
    assert_eq!(problem(&db).await, None);
}

#[store::db_test]
async fn a_changed_event_is_named(db: Db) {
    note(&db, 600).await;
    sealer().seal_all(&db).await.unwrap();
    tamper(
        &db,
        "UPDATE store_event SET actor = 'user:nobody' WHERE position = 421",
    )
    .await;
    assert_eq!(problem(&db).await, Some(Problem::Altered { position: 421 }));
}

#[store::db_test]
async fn a_removed_event_is_named(db: Db) {
    note(&db, 20).await;
    sealer().seal_all(&db).await.unwrap();
    tamper(&db, "DELETE FROM store_event WHERE position = 7").await;
    assert_eq!(problem(&db).await, Some(Problem::Missing { position: 7 }));
}

#[store::db_test]
async fn events_removed_from_the_end_are_missed(db: Db) {
    note(&db, 20).await;
    sealer().seal_all(&db).await.unwrap();
    let noted = audit::lookup_head(&db).await.unwrap().unwrap();
    tamper(&db, "DELETE FROM store_event WHERE position > 18").await;
    assert_eq!(problem(&db).await, Some(Problem::Missing { position: 19 }));
    // Even when every trace in the database is gone, a head noted elsewhere tells.
    tamper(&db, "DELETE FROM store_head").await;
    tamper(&db, "DELETE FROM store_tile").await;
    tamper(&db, "DELETE FROM store_event").await;
    let trust = Trust {
        heads: [(noted.size, noted.root)].into(),
        ..Trust::default()
    };
    let report = audit::verify(&db, &trust, |_, _| ()).await.unwrap();
    assert_eq!(report.problem, Some(Problem::Missing { position: 1 }));
}

#[store::db_test]
async fn exchanged_events_are_named(db: Db) {
    note(&db, 20).await;
    sealer().seal_all(&db).await.unwrap();
    for sql in [
        "UPDATE store_event SET position = -1 WHERE position = 5",
        "UPDATE store_event SET position = 5 WHERE position = 9",
        "UPDATE store_event SET position = 9 WHERE position = -1",
    ] {
        tamper(&db, sql).await;
    }
    assert_eq!(problem(&db).await, Some(Problem::Altered { position: 5 }));
}

#[store::db_test]
async fn a_change_with_matching_hashes_breaks_the_signed_root(db: Db) {
    note(&db, 20).await;
    sealer().seal_all(&db).await.unwrap();
    tamper(&db, "UPDATE store_event SET data = '{}' WHERE position = 3").await;
    // Who can change an event can also compute the hashes anew; here: forget and seal again.
    tamper(&db, "DELETE FROM store_tile").await;
    tamper(&db, "UPDATE store_event SET position = NULL").await;
    sealer().seal_all(&db).await.unwrap();
    assert_eq!(problem(&db).await, Some(Problem::Root { position: 20 }));
}

#[store::db_test]
async fn a_forged_signature_is_found(db: Db) {
    note(&db, 20).await;
    sealer().seal_all(&db).await.unwrap();
    tamper(&db, "UPDATE store_head SET at = at + 1").await;
    assert_eq!(
        problem(&db).await,
        Some(Problem::Signature { position: 20 })
    );
}

#[store::db_test]
async fn a_log_that_another_key_signed_is_not_trusted(db: Db) {
    note(&db, 2).await;
    sealer().seal_all(&db).await.unwrap();
    let trust = Trust {
        key_ids: ["the published one".to_owned()].into(),
        ..Trust::default()
    };
    let report = audit::verify(&db, &trust, |_, _| ()).await.unwrap();
    assert_eq!(report.problem, Some(Problem::Key { position: 2 }));
}

#[store::db_test]
async fn an_event_is_proved_without_the_database(db: Db) {
    note(&db, 300).await;
    let early = events(&db).await[0].id.clone();
    assert!(matches!(
        audit::prove(&db, &early).await,
        Err(kernel::Error::Refused(_))
    ));
    sealer().seal_all(&db).await.unwrap();
    for n in [0, 1, 255, 256, 299] {
        let id = events(&db).await[n].id.clone();
        let json = serde_json::to_string(&audit::prove(&db, &id).await.unwrap()).unwrap();
        let proof: audit::Proof = serde_json::from_str(&json).unwrap();
        assert_eq!(audit::check(&proof), Ok(()));
        let mut forged = proof.clone();
        forged.event = forged.event.replace("system", "nobody");
        assert_eq!(audit::check(&forged), Err(Flaw::Event));
        let mut forged = proof.clone();
        forged.path.pop();
        assert_eq!(audit::check(&forged), Err(Flaw::Path));
        let mut forged = proof;
        forged.head.at += 1;
        assert_eq!(audit::check(&forged), Err(Flaw::Signature));
    }
    assert!(matches!(
        audit::prove(&db, "none").await,
        Err(kernel::Error::NotFound { .. })
    ));
}

#[store::db_test]
async fn a_head_is_signed_once_for_each_size(db: Db) {
    let sealer = sealer();
    sealer.seal_all(&db).await.unwrap();
    note(&db, 1).await;
    sealer.seal_all(&db).await.unwrap();
    sealer.seal_all(&db).await.unwrap();
    assert_eq!(head::Entity::find().all(db.read()).await.unwrap().len(), 1);
}
