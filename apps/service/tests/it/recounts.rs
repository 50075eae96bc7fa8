//! A year without an official calendar: refused, provisional where an operator says so, and counted
//! anew when the official one comes.

use std::sync::Arc;

use kernel::{Error, ManualClock};
use service::case::{Event, act::Desk, store as rows};
use store::{Db, db_test};

use crate::{
    pages::get,
    world::{World, kinds, licence, migrations, timeline},
};

/// A pack that brings one year.
async fn load(w: &World, version: &str, year: &str) {
    let manifest = format!(
        "id = \"calendar\"\nversion = \"{version}\"\ntitle = {{ zh = \"日历\", en = \"Calendar\" }}\n"
    );
    let files = [
        ("pack.toml", manifest.as_str()),
        ("calendars/2027.toml", year),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let source = pack::Source::of_files("test", files);
    pack::install(&w.app, &source).await.unwrap();
}

const PROVISIONAL: &str = "year = 2027\nprovisional = true\noff = [\"01-01\"]\nwork = []\n";
const OFFICIAL: &str = "year = 2027\noff = [\"01-01\", \"01-02\", \"01-03\", \"01-04\", \"01-05\"]\nwork = [\"01-09\"]\n";

#[db_test(migrations = migrations)]
async fn dates_are_marked_and_move_when_the_official_year_comes(db: Db, clock: Arc<ManualClock>) {
    let mut w = World::new(&db, &clock);
    pack::module(&w.app).unwrap();
    // One assembly: another one would forget the years that packs brought.
    let web::Module {
        routes,
        jobs,
        consumers,
        ..
    } = service::module(&w.app).unwrap();
    let router = routes.split_for_parts().0.with_state(w.app.clone());
    // Wednesday 30 December 2026; five working days reach into 2027.
    w.later(303);
    w.desk = Desk::of(&w.app).unwrap();
    let receipt = w.submitted(licence()).await;
    let refused = w.act(&w.clerk, &receipt, Event::Accept).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Refused(text) if text.key == "kernel-calendar-year-missing"),
        "{refused:?}"
    );

    load(&w, "1.0.0", PROVISIONAL).await;
    w.desk = Desk::of(&w.app).unwrap();
    let accepted = w.act(&w.clerk, &receipt, Event::Accept).await.unwrap();
    let due = accepted.facts.promise_due.unwrap();
    assert_eq!(due.to_string(), "2027-01-07");
    for (actor, path) in [
        (&w.citizen, format!("/mine/cases/{}", receipt.case)),
        (&w.clerk, format!("/work/cases/{}", receipt.case)),
        (&w.clerk, "/work?tab=all".to_owned()),
    ] {
        let (_, page) = get(&router, Some(actor), &path).await;
        assert!(page.contains("web-due-provisional"), "{path} {page}");
    }
    let path = format!("/api/service/cases/{}", receipt.case);
    let (_, body) = get(&router, Some(&w.citizen), &path).await;
    assert!(body.contains("\"is_due_provisional\":true"), "{body}");
    let notices = rows::list_notices(db.read(), receipt.case).await.unwrap();
    let words = notices.last().unwrap().data["promise_due"].to_string();
    assert!(words.contains("2027-01-07（暂定"), "{words}");

    load(&w, "1.0.1", OFFICIAL).await;
    let jobs: Vec<_> = jobs
        .into_iter()
        .filter(|job| job.kind() == "service.recount.v1")
        .collect();
    store::work::settle(&db, &consumers, &jobs).await.unwrap();
    let moved = rows::get(db.read(), receipt.case).await.unwrap();
    // Friday to Tuesday are off, Saturday 9 January is worked.
    assert_eq!(moved.facts.promise_due.unwrap().to_string(), "2027-01-09");
    assert_eq!(moved.facts.state, accepted.facts.state);
    assert_eq!(timeline(&w, &moved).await.last().unwrap(), "recounted");
    let recounted = |kinds: Vec<String>| {
        kinds
            .iter()
            .filter(|kind| *kind == "service.case_recounted.v1")
            .count()
    };
    assert_eq!(recounted(kinds(&db).await), 1);
    let (_, page) = get(
        &router,
        Some(&w.citizen),
        &format!("/mine/cases/{}", receipt.case),
    )
    .await;
    assert!(!page.contains("web-due-provisional"));

    // An older, provisional pack takes nothing back, and a second count moves nothing.
    load(&w, "1.0.2", PROVISIONAL).await;
    store::work::settle(&db, &consumers, &jobs).await.unwrap();
    w.desk = Desk::of(&w.app).unwrap();
    assert!(
        !service::case::recount::recount(&w.desk, receipt.case)
            .await
            .unwrap()
    );
    let same = rows::get(db.read(), receipt.case).await.unwrap();
    assert_eq!(same.version, moved.version);
}
