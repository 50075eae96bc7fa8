//! A grant makes the subscription, and its end is the end of the delivery.

use std::sync::Arc;

use catalog::request::act::{self as requests, Move};
use exchange::hub::{above, subscription};
use kernel::ManualClock;
use store::{Db, db_test};

use crate::house::{
    BY_POLICE, House, POLICE, URBAN, findings, migrations, people, people_settings, rows, sql,
    sqlite_people, target,
};

pub async fn step(house: &House, id: &str, step: Move) {
    let chief = house.officer(BY_POLICE.approver).await;
    let version = requests::get(&house.app, &chief, id)
        .await
        .unwrap()
        .row
        .version;
    requests::advance(&house.app, &chief, id, version, step, "示范原因")
        .await
        .unwrap();
}

#[db_test(migrations = migrations)]
async fn a_grant_is_a_subscription_until_it_stops(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let (from, source) = sqlite_people(&house);
    let (_, code) = house.published(&BY_POLICE, people()).await;
    let mut police = house
        .node("police-1", POLICE, &people_settings(&code, &source))
        .await;
    police.round(false).await.unwrap();
    house.open_publication("hukou").await.unwrap();
    house.settle().await;

    // A steward's word is not enough.
    let steward = house.officer("steward").await;
    let mut asked = subscription::Subscribing {
        publication: "hukou".into(),
        node: "urban-1".into(),
        purpose: "核验".into(),
        basis: "示范条例".into(),
        columns: Vec::new(),
        filter: Vec::new(),
        expires_on: None,
        granted_by: String::new(),
    };
    let grant = house
        .granted(&BY_POLICE, &code, &["公民身份号码", "姓名"], "")
        .await;
    house.settle().await;
    let (_, page) = house.get(&steward, "/work/flow/hukou").await;
    assert!(page.contains("申请部门没有接入节点"), "{page}");

    // The applicant's node comes: the subscription is there, with what was granted.
    let to = house.sqlite("urban.db");
    let mut urban = house
        .node("urban-1", URBAN, &target("hukou", &to, "person"))
        .await;
    let error = subscription::subscribe(&house.app, &steward, &asked).await;
    assert_eq!(findings(&error.unwrap_err())[0].1, "exchange-grant-missing");
    house.settle().await;
    let made = above::of_grant(house.db.read(), &grant).await.unwrap();
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].columns, ["gmsfhm", "xm"]);
    assert_eq!(made[0].purpose, "户外招牌审批核验");
    assert!(made[0].expires_on.is_some());
    assert_eq!(police.round(false).await.unwrap().sent, 1);
    assert_eq!(urban.round(false).await.unwrap().delivered, 1);
    let all = "SELECT * FROM person ORDER BY gmsfhm";
    assert_eq!(rows(&to, all)[0], "310000198301278372|合成·李三");
    assert_eq!(rows(&to, all).len(), 4);

    // Suspended: what comes now waits, even before any consumer has heard of it.
    step(&house, &grant, Move::Suspend).await;
    let change = |name: &str, mark: u32| {
        let number = "340000199612279882";
        let text =
            format!("UPDATE person SET xm = '{name}', changed = {mark} WHERE gmsfhm = '{number}'");
        sql(&from, &[text]);
    };
    change("合成·张甲", 10);
    assert_eq!(police.round(true).await.unwrap().sent, 1);
    assert_eq!(urban.round(false).await.unwrap().delivered, 0);
    house.settle().await;
    assert_eq!(urban.round(false).await.unwrap().delivered, 0);
    step(&house, &grant, Move::Resume).await;
    house.settle().await;
    assert_eq!(urban.round(false).await.unwrap().delivered, 1);
    assert!(rows(&to, all).contains(&"340000199612279882|合成·张甲".to_owned()));

    // Columns beyond the grant are refused, and another's grant is nobody's.
    asked.granted_by.clone_from(&grant);
    asked.columns = vec!["hjdz".into()];
    let error = subscription::subscribe(&house.app, &steward, &asked).await;
    assert_eq!(findings(&error.unwrap_err())[0].1, "exchange-grant-column");

    // Over: the last evening it holds, the next morning nothing goes out.
    change("合成·张乙", 11);
    assert_eq!(police.round(true).await.unwrap().sent, 1);
    step(&house, &grant, Move::Revoke).await;
    assert_eq!(urban.round(false).await.unwrap().delivered, 0);
    house.settle().await;
    let made = above::of_grant(house.db.read(), &grant).await.unwrap();
    assert_eq!(made[0].state, subscription::State::Withdrawn);
    assert!(!rows(&to, all).iter().any(|row| row.contains("张乙")));
}

#[db_test(migrations = migrations)]
async fn rows_in_words_wait_for_a_steward_and_expiry_stops(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let (_, source) = sqlite_people(&house);
    let (_, code) = house.published(&BY_POLICE, people()).await;
    let mut police = house
        .node("police-1", POLICE, &people_settings(&code, &source))
        .await;
    police.round(false).await.unwrap();
    house.open_publication("hukou").await.unwrap();
    let to = house.sqlite("urban.db");
    let mut urban = house
        .node("urban-1", URBAN, &target("hukou", &to, "person"))
        .await;
    let items = ["公民身份号码", "姓名"];
    let grant = house
        .granted(&BY_POLICE, &code, &items, "号码以 37 开头")
        .await;
    house.settle().await;
    assert!(
        above::of_grant(house.db.read(), &grant)
            .await
            .unwrap()
            .is_empty()
    );
    let steward = house.officer("steward").await;
    let mut asked = subscription::Subscribing {
        publication: "hukou".into(),
        node: "urban-1".into(),
        purpose: String::new(),
        basis: String::new(),
        columns: Vec::new(),
        filter: Vec::new(),
        expires_on: None,
        granted_by: grant.clone(),
    };
    let error = subscription::subscribe(&house.app, &steward, &asked).await;
    assert_eq!(findings(&error.unwrap_err())[0].1, "exchange-grant-rows");
    asked.filter = vec![exchange::data::filter::Condition {
        column: "gmsfhm".into(),
        is: exchange::data::filter::Comparison::BeginsWith,
        value: "37".into(),
    }];
    subscription::subscribe(&house.app, &steward, &asked)
        .await
        .unwrap();
    police.round(false).await.unwrap();
    clock.set(chrono::Utc::now() + chrono::Duration::days(32));
    assert_eq!(urban.round(false).await.unwrap().delivered, 0, "it is over");
    clock.set(chrono::Utc::now());
    assert_eq!(urban.round(false).await.unwrap().delivered, 1);
    assert_eq!(rows(&to, "SELECT gmsfhm FROM person").len(), 2);
}
