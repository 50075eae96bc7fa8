//! Reading and writing.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::ManualClock;
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait};
use store::{Db, Late, Tx};

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

/// Names gathered for one statement; `refuse` among them refuses.
#[derive(Default)]
struct Names(Vec<&'static str>);

#[async_trait]
impl Late for Names {
    async fn write(self, tx: &Tx) -> kernel::Result<()> {
        if self.0.contains(&"refuse") {
            return Err(kernel::Error::refused("test-refused"));
        }
        let all = self.0.concat();
        let row = format!("INSERT INTO store_consumer VALUES ('{all}', 0, 0, 0, NULL)");
        let done = tx.execute_unprepared(&row).await;
        done.map_err(|e| store::fault("insert", e))?;
        // What is gathered meanwhile is written, too.
        if all == "ab" {
            tx.later(|names: &mut Names| names.0.push("c"));
        }
        Ok(())
    }
}

async fn names(db: &Db) -> Vec<String> {
    let rows = store::schema::consumer::Entity::find().all(db.read()).await;
    let mut names: Vec<_> = rows.unwrap().into_iter().map(|row| row.name).collect();
    names.sort();
    names
}

#[store::db_test]
async fn gathered_rows_are_written_together_at_the_end(db: Db) {
    db.write(|tx| async move {
        tx.later(|names: &mut Names| names.0.push("a"));
        tx.later(|names: &mut Names| names.0.push("b"));
        let so_far = store::schema::consumer::Entity::find().count(&*tx).await;
        assert_eq!(so_far.unwrap(), 0);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(names(&db).await, ["ab", "c"]);
}

#[store::db_test]
async fn gathered_rows_are_there_for_a_query_that_asks_for_them(db: Db) {
    db.write(|tx| async move {
        tx.later(|names: &mut Names| names.0.push("x"));
        tx.write_gathered().await?;
        let so_far = store::schema::consumer::Entity::find().count(&*tx).await;
        assert_eq!(so_far.unwrap(), 1);
        tx.later(|names: &mut Names| names.0.push("y"));
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(names(&db).await, ["x", "y"]);
}

#[store::db_test]
async fn gathered_rows_that_are_refused_undo_the_write(db: Db) {
    let refused = db
        .write(|tx| async move {
            let row = "INSERT INTO store_consumer VALUES ('first', 0, 0, 0, NULL)";
            let done = tx.execute_unprepared(row).await;
            done.map_err(|e| store::fault("insert", e))?;
            tx.later(|names: &mut Names| names.0.push("refuse"));
            Ok(())
        })
        .await;
    assert!(matches!(refused, Err(kernel::Error::Refused(_))));
    assert!(names(&db).await.is_empty());
    let refused = db
        .write(|tx| async move {
            tx.later(|names: &mut Names| names.0.push("never"));
            Err::<(), _>(kernel::Error::refused("test-refused"))
        })
        .await;
    assert!(refused.is_err());
    assert!(names(&db).await.is_empty());
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
