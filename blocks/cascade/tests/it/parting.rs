//! What ends at both hubs when one leaves or is struck off.

use std::sync::Arc;

use cascade::{inferior, join::Standing};
use exchange::{
    hub::{
        publication,
        subscription::State::{Active, Withdrawn},
    },
    node::{
        client::{Client, Trouble},
        run::Node,
    },
    wire::{Work, action},
};
use kernel::ManualClock;
use store::{Db, db_test};

use crate::{
    house::{CENTRE, CIVIL, Centre, POLICE, migrations, source, steward, target},
    relaying::put,
};

struct Flows {
    province: Centre,
    city: Centre,
    city_source: Node,
    province_source: Node,
    city_target: Node,
}

/// Births go up and codes come down; one more batch of codes waits at the province, and one at the
/// city for its own department.
async fn flowing(db: Db, clock: &ManualClock) -> Flows {
    clock.set(chrono::Utc::now());
    let (province, city) = (Centre::beside().await, Centre::open(db).await);
    city.join(&province).await;
    let births = city.dir.path().join("births");
    put(&births, "1.json", r#"[{"id": 1, "name": "甲（合成）"}]"#);
    let mut city_source = city
        .node("city-police", POLICE, &source("births", &births))
        .await;
    city_source.round(false).await.unwrap();
    city.publish("births").await;
    city.subscribe("births", "superior").await;
    city_source.round(false).await.unwrap();
    let codes = province.dir.path().join("codes");
    put(&codes, "1.json", r#"[{"id": 7, "name": "规则（合成）"}]"#);
    let mut province_source = province
        .node("prov-police", POLICE, &source("codes", &codes))
        .await;
    province_source.round(false).await.unwrap();
    province.publish("codes").await;
    province.subscribe("codes", "yungang").await;
    province_source.round(false).await.unwrap();
    city.relay().await;
    province.publish("births").await;
    city.publish("codes").await;
    let down = city.dir.path().join("down.db");
    let city_target = city
        .node("city-civil", CIVIL, &target("codes", &down))
        .await;
    city.subscribe("codes", "city-civil").await;
    city.relay().await;
    province_source.round(false).await.unwrap();
    city.relay().await;
    put(&codes, "2.json", r#"[{"id": 8, "name": "规则二（合成）"}]"#);
    province_source.round(true).await.unwrap();
    assert_eq!(province.flow("births", "yungang").await.0, "open");
    assert_eq!(province.flow("codes", "yungang").await.1, [Active]);
    assert_eq!(province.inferior().await.state, inferior::State::Joined);
    Flows {
        province,
        city,
        city_source,
        province_source,
        city_target,
    }
}

/// What both hubs say when nothing flows any more.
async fn all_is_closed(flows: &mut Flows) {
    let (province, city) = (&flows.province, &flows.city);
    assert!(province.revoked("yungang").await.is_some());
    assert_eq!(province.flow("births", "yungang").await.0, "suspended");
    assert_eq!(
        province.flow("codes", "yungang").await,
        ("open", vec![Withdrawn])
    );
    assert!(city.revoked("superior").await.is_some());
    assert_eq!(city.flow("codes", "superior").await.0, "suspended");
    assert_eq!(
        city.flow("births", "superior").await,
        ("open", vec![Withdrawn])
    );
    // Not even to whom the certificate was stolen from.
    let folder = city
        .app
        .part::<cascade::Place>()
        .unwrap()
        .superior(cascade::join::NODE);
    let mut client = Client::member(&folder, &folder.membership().unwrap()).unwrap();
    let work = client.act::<Work>(action::WORK, &()).await;
    assert!(matches!(work, Err(Trouble::Refused(_))), "{work:?}");
    assert!(client.is_shut_out().await);
    // What waited at the city is not given either, and nothing new comes.
    let batches = city.batches("codes").await;
    flows.province_source.round(true).await.unwrap();
    assert_eq!(city.relay().await, 0);
    assert_eq!(city.batches("codes").await, batches);
    assert_eq!(flows.city_target.round(false).await.unwrap().delivered, 0);
}

#[db_test(migrations = migrations)]
async fn a_hub_that_leaves_closes_both_ends(db: Db, clock: Arc<ManualClock>) {
    let mut flows = flowing(db, &clock).await;
    // The superior is away meanwhile: this end is closed at once, the other as soon as it is back.
    flows.province.stop().await;
    cascade::join::leave(&flows.city.app, &steward())
        .await
        .unwrap();
    let again = cascade::join::leave(&flows.city.app, &steward()).await;
    assert!(matches!(again, Err(kernel::Error::Refused(_))), "{again:?}");
    flows.city.relay().await;
    let standing = flows.city.standing().await;
    assert_eq!(standing.standing, Standing::Leaving);
    assert!(!standing.problem.is_empty());
    assert_eq!(flows.province.revoked("yungang").await, None);
    flows.province.restart().await;
    flows.city.relay().await;
    let standing = flows.city.standing().await;
    assert_eq!(standing.standing, Standing::Left);
    assert!(standing.problem.is_empty() && !standing.is_joined);
    let inferior = flows.province.inferior().await;
    assert_eq!(inferior.state, inferior::State::Left);
    assert!(inferior.ended_at.is_some());
    all_is_closed(&mut flows).await;
}

#[db_test(migrations = migrations)]
async fn a_hub_that_is_struck_off_closes_its_end_and_may_come_again(
    db: Db,
    clock: Arc<ManualClock>,
) {
    let mut flows = flowing(db, &clock).await;
    let province = &flows.province.app;
    exchange::hub::enrolment::revoke(province, &steward(), "yungang", "撤并（合成）")
        .await
        .unwrap();
    let inferior = flows.province.inferior().await;
    assert_eq!(
        (inferior.state, inferior.reason.as_str()),
        (inferior::State::Struck, "撤并（合成）")
    );
    // The city hears of it with its next round; a hub that is away has struck nobody off.
    flows.province.stop().await;
    flows.city.relay().await;
    assert_eq!(flows.city.standing().await.standing, Standing::Joined);
    flows.province.restart().await;
    flows.city.relay().await;
    assert_eq!(flows.city.standing().await.standing, Standing::Struck);
    all_is_closed(&mut flows).await;

    // Invited again it comes in; stewards open and subscribe anew.
    flows.city.join(&flows.province).await;
    flows.city.relay().await;
    assert_eq!(
        flows.province.inferior().await.state,
        inferior::State::Joined
    );
    assert_eq!(flows.province.revoked("yungang").await, None);
    assert_eq!(
        flows.province.flow("births", "yungang").await.0,
        "suspended"
    );
    assert_eq!(flows.city.standing().await.standing, Standing::Joined);
    flows.province.subscribe("codes", "yungang").await;
    flows.province_source.round(false).await.unwrap();
    flows.city.publish("codes").await;
    let before = flows.city.batches("codes").await.len();
    assert_eq!(flows.city.relay().await, 1);
    assert_eq!(flows.city.batches("codes").await.len(), before + 1);
}

/// Another superior starts with nothing of the former one's, which hears of the leaving when it is back;
/// under another name a hub goes on there with what it published.
#[db_test(migrations = migrations)]
async fn a_hub_may_go_to_another_superior_and_come_back(db: Db, clock: Arc<ManualClock>) {
    let mut flows = flowing(db, &clock).await;
    let other = Centre::beside().await;
    let early = flows.city.join_as(&other, "yungang-b", CIVIL).await;
    let Err(kernel::Error::Refused(text)) = early else {
        panic!("{early:?}")
    };
    assert_eq!(text.key, "cascade-still-joined");
    flows.province.stop().await;
    cascade::join::leave(&flows.city.app, &steward())
        .await
        .unwrap();
    let joined = flows.city.join_as(&other, "yungang-b", CIVIL).await;
    let joined = joined.unwrap();
    assert_eq!(
        (joined.node.as_str(), joined.here.as_str()),
        ("yungang-b", "superior-2")
    );
    flows.city.relay().await;
    assert_eq!(flows.city.standing().await.standing, Standing::Joined);
    assert_eq!(other.inferior().await.state, inferior::State::Joined);
    // Nothing that was for the former one is for this one.
    let offered = publication::list(&other.app, &steward()).await.unwrap();
    assert!(offered.is_empty(), "{offered:?}");
    assert_eq!(flows.city.flow("births", "superior").await.1, [Withdrawn]);
    assert_eq!(flows.city.flow("births", "superior-2").await.1, []);
    assert_eq!(flows.city.flow("codes", "superior").await.0, "suspended");

    flows.city.subscribe("births", "superior-2").await;
    flows.city_source.round(false).await.unwrap();
    flows.city.relay().await;
    other.publish("births").await;
    flows.city.relay().await;
    assert_eq!(other.batches("births").await, [(1, 1, true)]);
    let before = flows.province.batches("births").await;

    // The former one hears of it, and has nothing more.
    flows.province.restart().await;
    clock.advance(chrono::TimeDelta::minutes(2));
    flows.city.relay().await;
    assert!(flows.province.revoked("yungang").await.is_some());
    assert_eq!(flows.province.batches("births").await, before);

    cascade::join::leave(&flows.city.app, &steward())
        .await
        .unwrap();
    flows.city.relay().await;
    assert_eq!(other.inferior().await.state, inferior::State::Left);
    let joined = flows
        .city
        .join_as(&flows.province, "yungang-2", CENTRE)
        .await;
    let joined = joined.unwrap();
    assert_eq!(
        (joined.node.as_str(), joined.here.as_str()),
        ("yungang-2", "superior")
    );
    flows.city.subscribe("births", "superior").await;
    flows.city_source.round(false).await.unwrap();
    flows.city.relay().await;
    assert_eq!(
        flows.province.flow("births", "yungang-2").await.0,
        "suspended"
    );
    flows.province.publish("births").await;
    flows.city.relay().await;
    let now = flows.province.batches("births").await;
    assert_eq!(now.len(), before.len() + 1, "{now:?}");
}
