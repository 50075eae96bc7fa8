//! Notices are typeset by a job and kept.

use std::sync::Arc;

use kernel::ManualClock;
use service::case::{Event, store as rows};
use store::{Blobs, Db, Handler, db_test};

use crate::{
    pages::{get, router},
    world::{World, kinds, licence, migrations},
};

/// The jobs of this crate, with keys to seal by.
fn jobs(w: &World) -> (Vec<Arc<dyn Handler>>, tempfile::TempDir) {
    let keys = tempfile::tempdir().unwrap();
    w.app.put(Blobs::in_memory());
    w.app.put(credential::Settings {
        keys: keys.path().to_owned(),
        demo: true,
    });
    credential::module(&w.app).unwrap();
    pack::module(&w.app).unwrap();
    (service::module(&w.app).unwrap().jobs, keys)
}

#[db_test(migrations = migrations)]
async fn a_notice_is_made_once_and_every_copy_is_the_same(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let (jobs, _keys) = jobs(&w);
    let receipt = w.submitted(licence()).await;
    w.act(&w.clerk, &receipt, Event::Accept).await.unwrap();
    store::work::settle(&db, &[], &jobs).await.unwrap();

    let notices = rows::list_notices(db.read(), receipt.case).await.unwrap();
    assert_eq!(notices.len(), 2);
    let router = router(&w);
    for notice in &notices {
        let digest = notice.blob.as_ref().unwrap();
        let blobs = w.app.part::<Blobs>().unwrap();
        let kept = blobs.get_bytes(&db, digest).await.unwrap();
        assert!(kept.starts_with(b"%PDF-"), "{}", notice.kind);
        assert_eq!(
            kernel::crypto::sm3(&kept)
                .map(|b| format!("{b:02x}"))
                .concat(),
            *digest
        );
        let path = format!("/notices/{}", notice.id);
        let (status, body) = get(&router, Some(&w.citizen), &path).await;
        assert_eq!(
            (status.as_u16(), body.as_bytes().starts_with(b"%PDF-")),
            (200, true)
        );
        let (status, _) = get(&router, Some(&w.stranger), &path).await;
        assert_eq!(status.as_u16(), 404);
    }
    let made = |kinds: Vec<String>| {
        kinds
            .iter()
            .filter(|kind| *kind == "service.notice_made.v1")
            .count()
    };
    assert_eq!(made(kinds(&db).await), 2);
    // Another order, as after a crash, finds the file and makes none.
    order(&db, &notices[0].id).await;
    store::work::settle(&db, &[], &jobs).await.unwrap();
    let again = rows::get_notice(db.read(), &notices[0].id).await.unwrap();
    assert_eq!(again.blob, notices[0].blob);
    assert_eq!(made(kinds(&db).await), 2);
}

async fn order(db: &Db, notice: &str) {
    let body = service::notice::react::Typeset {
        notice: notice.to_owned(),
    };
    db.write(move |tx| {
        let body = body.clone();
        async move { tx.enqueue(&body) }
    })
    .await
    .unwrap();
}

#[db_test(migrations = migrations)]
async fn who_comes_before_the_file_is_asked_to_wait(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let (jobs, _keys) = jobs(&w);
    let receipt = w.submitted(licence()).await;
    // A notice from before there was a job: nobody has ordered it.
    let old = rows::Notice {
        id: format!("{}.9999", receipt.case),
        case: receipt.case,
        kind: "receipt".into(),
        number: receipt.number.clone(),
        at: clock_now(&db),
        data: serde_json::json!({"kind": "receipt", "number": receipt.number, "matter": "合成事项",
            "applicant": "合成甲", "org": "示范机关（合成）", "date": "2026-03-02", "words": ""}),
        blob: None,
    };
    let path = format!("/notices/{}", old.id);
    db.write(move |tx| {
        let old = old.clone();
        async move { rows::insert_notice(&tx, &old) }
    })
    .await
    .unwrap();
    let router = router(&w);
    for _ in 0..3 {
        let (status, body) = get(&router, Some(&w.citizen), &path).await;
        assert_eq!(status.as_u16(), 202);
        assert!(body.contains("service-notice-wait"), "{body}");
    }
    let waiting = store::job::count(&db).await.unwrap().due;
    assert_eq!(waiting, 2, "the receipt and the old notice, once each");
    store::work::settle(&db, &[], &jobs).await.unwrap();
    let (status, body) = get(&router, Some(&w.citizen), &path).await;
    assert_eq!(status.as_u16(), 200);
    assert!(body.starts_with("%PDF-"));
}

fn clock_now(db: &Db) -> chrono::DateTime<chrono::Utc> {
    db.clock().now()
}
