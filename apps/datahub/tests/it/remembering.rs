//! A rule remembers more values of a batch than there is memory for.

use std::{fmt::Write, sync::Arc};

use flow::{batch::State, trace};
use identity::Actor;
use kernel::ManualClock;
use lake::{Check, Rule, Then};
use store::{Db, db_test, page::PageRequest};

use crate::house::{BY_POLICE, House, POLICE, migrations, people, people_settings};

/// Rows of the batch, and how many of them have an address that no row before them has.
const ROWS: usize = 3_000;
const ADDRESSES: usize = 2_500;
const IN_MEMORY: usize = 100;

fn write(house: &House) {
    std::fs::create_dir(house.file("in")).unwrap();
    let mut text = "gmsfhm,xm,xbdm,csrq,hjdz\n".to_owned();
    for row in 0..ROWS {
        let address = row % ADDRESSES;
        writeln!(text, "{row:018},合成·张,1,1990-01-01,甲区{address}号").unwrap();
    }
    std::fs::write(house.file("in").join("people.csv"), text).unwrap();
}

/// From now on no two people live at one address.
async fn one_at_each_address(house: &House) {
    let system = Actor::system();
    let mut table = lake::table(&house.app, &system, "ods_hukou").await.unwrap();
    table.rules.push(Rule {
        id: "address".into(),
        column: String::new(),
        then: Then::SetAside,
        check: Check::Unique {
            columns: vec!["hjdz".into()],
        },
    });
    lake::declare(&house.app, &system, &table).await.unwrap();
}

#[db_test(migrations = migrations)]
async fn a_batch_with_more_values_than_memory_holds_is_checked_whole(
    db: Db,
    clock: Arc<ManualClock>,
) {
    let settings = lake::Settings {
        values_in_memory: IN_MEMORY,
        ..lake::Settings::default()
    };
    let house = House::open_with(db, &clock, settings).await;
    write(&house);
    let (_, code) = house.published(&BY_POLICE, people()).await;
    let source = format!(
        r#"{{ kind = "folder", path = "{}" }}"#,
        house.file("in").display()
    );
    let settings = people_settings(&code, &source).replace("2048", "65536");
    let mut police = house.node("police-1", POLICE, &settings).await;
    police.round(false).await.unwrap();
    house.open_publication("hukou").await.unwrap();
    house.settle().await;
    one_at_each_address(&house).await;
    assert_eq!(police.round(false).await.unwrap().sent, 1);

    let steward = house.officer("steward").await;
    let found = async || {
        let page = PageRequest::new(None, None);
        let told = trace::resource(&house.app, &steward, "hukou", &page).await;
        told.unwrap().journeys[0].lake.clone().unwrap()
    };
    // Without their folder, values beyond those in memory cannot be kept: the batch waits.
    let nameless = house.file("nameless");
    std::fs::remove_dir(&nameless).unwrap();
    house.settle().await;
    let waiting = found().await;
    assert_eq!((waiting.standing(), waiting.rows), (State::Waiting, 0));
    assert!(!waiting.problem.is_empty());

    std::fs::create_dir(&nameless).unwrap();
    clock.advance(chrono::Duration::hours(1));
    house.settle().await;
    let loaded = found().await;
    assert_eq!(loaded.standing(), State::Loaded, "{}", loaded.problem);
    assert_eq!((loaded.rows, loaded.good, loaded.bad), (3_000, 2_500, 500));
    let (_, aside) = lake::report(&house.app, &Actor::system(), "ods_hukou", &loaded.id, 0)
        .await
        .unwrap();
    let first = (aside[0].row, aside[0].rule.as_str());
    assert_eq!(
        first,
        (2_501, "address"),
        "the first row of an address is the good one"
    );
    // Nothing of it stays.
    assert_eq!(std::fs::read_dir(&nameless).unwrap().count(), 0);
}
