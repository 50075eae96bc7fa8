//! Whoever has a task of the catalog sees how its deadline was counted.

use std::sync::Arc;

use catalog::resource::act as entries;
use kernel::ManualClock;
use store::{Db, db_test};

use crate::house::{BY_POLICE, House, migrations, people};

#[db_test(migrations = migrations)]
async fn the_task_of_an_entry_shows_its_days(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let writer = house.officer(BY_POLICE.examiner).await;
    let id = entries::create(&house.app, &writer, people())
        .await
        .unwrap();
    let row = entries::get(&house.app, &writer, &id).await.unwrap().row;
    entries::submit(&house.app, &writer, &id, row.version)
        .await
        .unwrap();
    let path = format!("/work/catalog/{id}");
    let approver = house.officer(BY_POLICE.approver).await;
    let (status, page) = house.get(&approver, &path).await;
    assert_eq!(status, 200, "{page}");
    let fold = page.split("<details class=\"tb-act-fold\">").nth(1);
    let fold = fold.unwrap_or_else(|| panic!("no deadline: {page}"));
    assert!(fold.contains("部门审核: 期限逐日计算</summary>"), "{fold}");
    let today = house.app.clock().today();
    assert!(fold.contains(&format!("datetime=\"{today}\"")), "{fold}");
    // It is no task of the writer's, who sees the entry without it.
    let (_, page) = house.get(&writer, &path).await;
    assert!(!page.contains("tb-act-fold"), "{page}");
}
