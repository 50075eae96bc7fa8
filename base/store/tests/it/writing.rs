//! Reading and writing.

use std::sync::Arc;

use kernel::ManualClock;
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait};
use store::Db;

use crate::note::Noted;

#[store::db_test]
async fn an_event_is_there_after_its_write(db: Db, clock: Arc<ManualClock>) {
    clock.advance(chrono::Duration::seconds(1));
    db.write(|tx| async move {
        tx.emit(
            "note:1",
            "system",
            &Noted {
                text: "你好".into(),
            },
        )
    })
    .await
    .unwrap();
    let events = store::schema::event::Entity::find()
        .all(db.read())
        .await
        .unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].data, r#"{"text":"你好"}"#);
    assert_eq!(events[0].position, None);
}

#[store::db_test]
async fn a_refused_write_leaves_nothing(db: Db) {
    let refused = db
        .write(|tx| async move {
            tx.emit(
                "note:1",
                "system",
                &Noted {
                    text: "never".into(),
                },
            )?;
            let row = "INSERT INTO store_consumer VALUES ('x', 0, 0, 0, NULL)";
            tx.execute_unprepared(row)
                .await
                .map_err(|e| store::fault("insert", e))?;
            Err::<(), _>(kernel::Error::refused("test-refused"))
        })
        .await;
    assert!(matches!(refused, Err(kernel::Error::Refused(_))));
    assert_eq!(
        store::schema::event::Entity::find()
            .count(db.read())
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        store::schema::consumer::Entity::find()
            .count(db.read())
            .await
            .unwrap(),
        0
    );
}

#[store::db_test]
async fn migrating_again_changes_nothing(db: Db) {
    assert_eq!(
        store::migrate(&db, store::migrations()).await.unwrap(),
        Vec::<String>::new()
    );
}

#[store::db_test]
async fn a_database_of_a_newer_version_is_refused(db: Db) {
    let refused = store::migrate(&db, Vec::new()).await;
    assert!(matches!(refused, Err(kernel::Error::Fault(_))));
}
