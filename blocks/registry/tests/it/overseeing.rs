//! Who acts on a registry as a whole.

use std::sync::Arc;

use async_trait::async_trait;
use identity::Actor;
use kernel::Error;
use registry::{
    Centre, Registries, log,
    matching::{
        Thresholds,
        act::{self as matching, Starting},
    },
    record::act,
};
use serde_json::json;
use store::{Db, db_test, page::PageRequest};

use crate::house::{BUREAU, CITY, CIVIL, OTHER, PERSON, POLICE, house, migrations, officer};

struct Bureau;

#[async_trait]
impl Centre for Bureau {
    async fn code(&self, _: &Db) -> kernel::Result<String> {
        Ok(BUREAU.into())
    }
}

#[db_test(migrations = migrations)]
async fn a_steward_acts_for_the_own_registry_and_those_below(db: Db) {
    let house = house(db).await;
    let mut records = Vec::new();
    for number in [PERSON, OTHER] {
        let fields = json!({"gmsfhm": number, "xm": "张小明"});
        let stated = house.state("police", "2026-01-01", fields).await.unwrap();
        records.push(stated.record);
    }
    let (app, page) = (&house.app, PageRequest::default());
    // Merges, undoes, compares, and sees who looked.
    let tried = async |actor: &Actor| -> kernel::Result<usize> {
        let (from, into) = (&records[0], &records[1]);
        let merge = act::merge(app, actor, "people", from, into, "同一人").await?;
        act::unmerge(app, actor, "people", &merge, "不是同一人").await?;
        log::of_record(app, actor, "people", into, &page).await?;
        let starting = Starting {
            registry: "people".into(),
            other: None,
            purpose: "查重".into(),
            thresholds: Thresholds::default(),
            links_itself: false,
        };
        matching::start(app, actor, &starting).await?;
        house.settle().await;
        Ok(matching::list_runs(app, actor, &page).await?.items.len())
    };
    assert_eq!(tried(&officer("steward", POLICE)).await.unwrap(), 1);
    assert_eq!(tried(&officer("steward", CITY)).await.unwrap(), 2);
    let foreign = officer("steward", CIVIL);
    let refused = tried(&foreign).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })));
    let runs = matching::list_runs(app, &foreign, &page).await.unwrap();
    assert_eq!(runs.items.len(), 0);
    let looks = log::of_record(app, &foreign, "people", &records[0], &page).await;
    assert!(matches!(looks, Err(Error::Forbidden { .. })));
    let bureau = officer("steward", BUREAU);
    assert!(matches!(tried(&bureau).await, Err(Error::Forbidden { .. })));
    let registries = app.part::<Registries>().unwrap();
    registries.use_centre(Arc::new(Bureau));
    assert_eq!(tried(&bureau).await.unwrap(), 3, "named the centre");
}
