//! What does not go on is told, waits, and goes on when a steward says so.

use std::sync::Arc;

use catalog::resource::store as store_of_entries;
use exchange::node::run::Node;
use flow::{
    feed::{Feed, Gone, act::install},
    trace,
};
use identity::Actor;
use kernel::{Clock, ManualClock, clock::micros};
use store::{Db, db_test, page::PageRequest};

use crate::house::{
    BY_POLICE, House, POLICE, migrations, people, people_settings, sql, sqlite_people,
};

pub async fn feed(house: &House, feed: Feed) {
    let done = house.db.write(move |tx| {
        let feed = feed.clone();
        async move { install(&tx, &feed).await }
    });
    done.await.unwrap();
}

pub fn of_people(source: &str) -> Feed {
    let fields = ["gmsfhm", "xm", "xbdm", "csrq", "hjdz"];
    Feed {
        registry: "population".into(),
        publication: "hukou".into(),
        source: source.into(),
        fields: fields.map(|f| (f.to_owned(), f.to_owned())).into(),
        gone: Gone::Retract,
    }
}

#[db_test(migrations = migrations)]
async fn a_batch_that_the_lake_or_a_registry_refuses_is_retried(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let (from, source) = sqlite_people(&house);
    let (_, code) = house.published(&BY_POLICE, people()).await;
    let mut police = house
        .node("police-1", POLICE, &people_settings(&code, &source))
        .await;
    police.round(false).await.unwrap();
    house.open_publication("hukou").await.unwrap();
    house.settle().await;
    // The pack names another department as the source.
    feed(&house, of_people("health")).await;
    // Nobody renewed the data in time, and a delivery does.
    house
        .tamper("UPDATE catalog_resource SET is_overdue = TRUE, data_at = 0")
        .await;
    assert_eq!(police.round(false).await.unwrap().sent, 1);
    // Somebody took the batch's number in the lake before.
    house
        .tamper(
            "INSERT INTO lake_batch (lake, id, mode, on_bad, state, source, rows, good, bad, warned, version, actor, started_at) \
             SELECT 'ods_hukou', id, 'append', 'set_aside', 'loading', 'other', 0, 0, 0, 0, -1, 'x', 0 FROM exchange_batch",
        )
        .await;
    house.settle().await;
    let entry = store_of_entries::of_code(house.db.read(), &code)
        .await
        .unwrap()
        .unwrap();
    assert!(!entry.is_overdue);
    assert_eq!(entry.data_at, Some(micros(clock.now())));
    let steward = house.officer("steward").await;
    let page = PageRequest::new(None, None);
    let seen = async || {
        trace::resource(&house.app, &steward, "hukou", &page)
            .await
            .unwrap()
    };
    let found = seen().await;
    let batch = found.journeys[0].sent.id.clone();
    let lake = found.journeys[0].lake.clone().unwrap();
    assert_eq!(lake.standing(), flow::batch::State::Failed);
    assert_eq!(
        found.journeys[0].problems().unwrap()[0].key,
        "lake-batch-other"
    );
    let (status, shown) = house.get(&steward, "/work/flow/hukou").await;
    assert_eq!(status, 200);
    let retry = format!("/work/flow/batches/{batch}/retry");
    assert!(shown.contains(&retry), "{shown}");
    // What comes next waits behind it.
    sql(
        &from,
        &["UPDATE person SET hjdz = '新址', changed = 9 WHERE xbdm = '1'".to_owned()],
    );
    assert_eq!(police.round(true).await.unwrap().sent, 1);
    house.settle().await;
    let waiting = seen().await.journeys[0].lake.clone().unwrap();
    assert_eq!(waiting.standing(), flow::batch::State::Waiting);
    let clerk = house.officer("clerk").await;
    assert_eq!(house.post(&clerk, &retry).await.0, 403);

    house.tamper("DELETE FROM lake_batch").await;
    assert_eq!(house.post(&steward, &retry).await.0, 303);
    house.settle().await;
    let found = seen().await;
    for journey in &found.journeys {
        let lake = journey.lake.as_ref().unwrap();
        assert_eq!(lake.standing(), flow::batch::State::Loaded);
        assert_eq!((lake.good, lake.bad), (4, 0));
    }
    // The registry refuses to hear a department in another's name, batch after batch.
    let first = &found.journeys.last().unwrap().registries[0].0;
    assert_eq!(first.state, "failed");
    assert_eq!(trace::problems(first).unwrap()[0].key, "flow-feed-foreign");

    feed(&house, of_people("police")).await;
    let retry = format!("/work/flow/batches/{batch}/registries/population/retry");
    assert_eq!(house.post(&steward, &retry).await.0, 303);
    house.settle().await;
    let found = seen().await;
    let counts: Vec<_> = found
        .journeys
        .iter()
        .rev()
        .map(|journey| {
            let loaded = journey.registries[0].1.as_ref().unwrap();
            (loaded.inserted, loaded.updated, loaded.refused)
        })
        .collect();
    assert_eq!(counts, [(4, 0, 0), (0, 4, 0)]);
    assert_eq!(
        house.post(&steward, &retry).await.0,
        409,
        "nothing is stuck"
    );
    nothing_is_doubled(&house, &mut police, &from).await;
}

#[db_test(migrations = migrations)]
async fn a_batch_whose_worker_dies_at_each_try_is_told(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let (_, source) = sqlite_people(&house);
    let (_, code) = house.published(&BY_POLICE, people()).await;
    let mut police = house
        .node("police-1", POLICE, &people_settings(&code, &source))
        .await;
    police.round(false).await.unwrap();
    house.open_publication("hukou").await.unwrap();
    house.settle().await;
    assert_eq!(police.round(false).await.unwrap().sent, 1);
    house.dies_at("flow.pump.v1", &clock).await;
    let steward = house.officer("steward").await;
    let page = PageRequest::new(None, None);
    let found = async || {
        let found = trace::resource(&house.app, &steward, "hukou", &page).await;
        let journey = found.unwrap().journeys.remove(0);
        (journey.sent.id.clone(), journey.lake.clone().unwrap())
    };
    let (batch, lake) = found().await;
    assert_eq!(lake.standing(), flow::batch::State::Failed);
    assert!(!lake.problem.is_empty());
    let retry = format!("/work/flow/batches/{batch}/retry");
    assert_eq!(house.post(&steward, &retry).await.0, 303);
    house.settle().await;
    assert_eq!(found().await.1.standing(), flow::batch::State::Loaded);
}

/// A server stopped between the lake or the registry and its note.
async fn nothing_is_doubled(house: &House, police: &mut Node, from: &str) {
    house
        .tamper("UPDATE flow_batch SET state = 'waiting'")
        .await;
    house
        .tamper("UPDATE flow_feeding SET state = 'waiting'")
        .await;
    sql(
        from,
        &["UPDATE person SET hjdz = '又址', changed = 10 WHERE gmsfhm LIKE '34%'".to_owned()],
    );
    assert_eq!(police.round(true).await.unwrap().sent, 1);
    house.settle().await;
    let steward = house.officer("steward").await;
    let page = PageRequest::new(None, None);
    let found = trace::resource(&house.app, &steward, "hukou", &page)
        .await
        .unwrap();
    assert!(
        found
            .journeys
            .iter()
            .all(|j| j.lake.as_ref().unwrap().state == "loaded")
    );
    let last = found.journeys[0].registries[0].1.as_ref().unwrap();
    assert_eq!((last.inserted, last.updated, last.unchanged), (0, 1, 0));
    let system = Actor::system();
    let record = registry::record::act::view_by_key(
        &house.app,
        &system,
        "population",
        "340000199612279882",
        "核验",
        true,
    )
    .await
    .unwrap();
    assert_eq!(
        record.statements.len(),
        3,
        "one for each batch that changed it"
    );
}
