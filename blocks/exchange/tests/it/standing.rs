//! What a node may not bring about by itself, and what stays true when it comes back anew.

use std::sync::Arc;

use exchange::{
    Hub,
    hub::{above, batch, enrolment, overview, subscription},
    node::client::Client,
    wire::{Announce, Announced, PublicationState, Told, Troubles, action},
};
use kernel::{Error, ManualClock};
use store::{Db, db_test, page::PageRequest};

use crate::{
    forging::shape,
    house::{CITY, CIVIL, House, POLICE, migrations, officer, steward},
};

fn announcing(resource: &str, other: bool) -> Announce {
    let mut shape = shape();
    if other {
        shape.columns[0].title = "另一列（合成）".into();
    }
    Announce {
        code: "numbers".into(),
        resource: resource.into(),
        title: "数（合成）".into(),
        shape,
    }
}

/// Columns that a steward opened open again by themselves, as the same resource; nothing else does.
#[db_test(migrations = migrations)]
async fn a_node_opens_nothing_by_itself(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let folder = house.enrol("police", POLICE).await;
    let mut client = Client::member(&folder, &folder.membership().unwrap()).unwrap();
    let mut announce = async |resource: &str, other: bool| {
        let asked = announcing(resource, other);
        let said: Announced = client.act(action::ANNOUNCE, &asked).await.unwrap();
        said.state
    };
    assert_eq!(announce("a", false).await, PublicationState::Announced);
    assert_eq!(announce("a", true).await, PublicationState::Announced);
    assert_eq!(announce("a", false).await, PublicationState::Announced);
    house.publish("numbers").await;
    assert_eq!(announce("a", false).await, PublicationState::Open);
    assert_eq!(announce("a", true).await, PublicationState::Announced);
    assert_eq!(announce("a", false).await, PublicationState::Open);
    assert_eq!(announce("b", false).await, PublicationState::Announced);
    assert_eq!(announce("b", true).await, PublicationState::Announced);
    assert_eq!(announce("b", false).await, PublicationState::Announced);
    assert_eq!(announce("a", false).await, PublicationState::Open);
}

const FIRMS: &str = r#"
    [[publication]]
    code = "firm"
    title = "企业（合成）"
    key = ["code"]
    every_seconds = 0
    source = { kind = "folder", path = "PATH" }
    columns = [
        { name = "code", required = true },
        { name = "since", type = "date" },
    ]
"#;

fn firms(house: &House) -> String {
    std::fs::create_dir_all(house.file("firms")).unwrap();
    FIRMS.replace("PATH", &house.file("firms").display().to_string())
}

/// Two subscriptions of one node would write to one table.
#[db_test(migrations = migrations)]
async fn a_node_has_a_publication_once(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let mut provider = house.node("market", POLICE, &firms(&house)).await;
    house.enrol("tax", CIVIL).await;
    provider.round(false).await.unwrap();
    house.publish("firm").await;
    let first = house.subscribe("firm", "tax").await;
    let asked = subscription::Subscribing {
        publication: "firm".into(),
        node: "tax".into(),
        purpose: "核对".into(),
        basis: "示范条例第一条".into(),
        columns: Vec::new(),
        filter: Vec::new(),
        expires_on: None,
        granted_by: String::new(),
    };
    let again = subscription::subscribe(&house.app, &steward(), &asked).await;
    let Err(Error::Invalid(findings)) = again else {
        panic!("{again:?}");
    };
    assert_eq!(findings[0].text.key, "exchange-subscription-twice");
    let withdrawn = subscription::State::Withdrawn;
    subscription::set_state(&house.app, &steward(), &first, withdrawn)
        .await
        .unwrap();
    house.subscribe("firm", "tax").await;
}

/// Refused rows are found by those who mend them, and manifests stay provable when their node has
/// other keys.
#[db_test(migrations = migrations)]
async fn batches_outlive_the_keys_of_their_node(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let settings = firms(&house);
    std::fs::write(house.file("firms").join("1.csv"), "code,since\n1,x\n2,\n").unwrap();
    let mut provider = house.node("market", POLICE, &settings).await;
    provider.round(false).await.unwrap();
    house.publish("firm").await;
    provider.round(false).await.unwrap();
    let page = PageRequest::new(None, None);
    let batches = overview::batches(&house.app, &steward(), None, &page).await;
    let id = batches.unwrap().items[0].0.id.clone();

    let examiner = officer("examiner", POLICE);
    let found = overview::batches(&house.app, &examiner, None, &page).await;
    assert_eq!(found.unwrap().items[0].0.id, id);
    let refused = batch::refused(&house.app, &examiner, &id, &page).await;
    assert_eq!(refused.unwrap().items[0].reason, "exchange-row-date");
    for other in [officer("examiner", CIVIL), officer("auditor", POLICE)] {
        let refused = batch::refused(&house.app, &other, &id, &page).await;
        assert!(matches!(refused, Err(Error::Forbidden { .. })));
    }

    let hub = house.app.part::<Hub>().unwrap();
    assert!(above::proof(&hub, &id).await.unwrap().has_manifest);
    drop(provider);
    std::fs::rename(house.folder("market").0, house.file("lost")).unwrap();
    clock.advance(chrono::Duration::seconds(1));
    house.enrol("market", POLICE).await;
    assert!(above::proof(&hub, &id).await.unwrap().has_manifest);
    let nodes = enrolment::list(&house.app, &steward()).await.unwrap();
    let keys = &nodes[0].keys;
    assert_eq!(keys.len(), 2);
    assert_eq!((keys[0].until, keys[1].until), (None, Some(keys[0].since)));
    assert_ne!(keys[0].key, keys[1].key);
}

/// A node's last trouble is there until it tells none; who does not run it sees that there is one.
#[db_test(migrations = migrations)]
async fn a_node_tells_its_trouble(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let folder = house.enrol("police", POLICE).await;
    let mut client = Client::member(&folder, &folder.membership().unwrap()).unwrap();
    let told = Troubles {
        troubles: vec![Told {
            publication: "person".into(),
            problem: "no such column".into(),
        }],
    };
    let () = client.act(action::TROUBLES, &told).await.unwrap();
    let began = clock_now(&clock);
    clock.advance(chrono::Duration::hours(1));
    let () = client.act(action::TROUBLES, &told).await.unwrap();
    let seen = async |post: &str, org: &str| {
        let nodes = enrolment::list(&house.app, &officer(post, org)).await;
        nodes.unwrap().remove(0).troubles
    };
    let own = seen("operator", CITY).await;
    assert_eq!(own[0].problem.as_deref(), Some("no such column"));
    assert_eq!(own[0].since.timestamp_micros(), began);
    let other = seen("steward", CIVIL).await;
    assert_eq!((other.len(), other[0].problem.clone()), (1, None));
    let () = client
        .act(action::TROUBLES, &Troubles::default())
        .await
        .unwrap();
    assert!(seen("operator", CITY).await.is_empty());
}

fn clock_now(clock: &ManualClock) -> i64 {
    kernel::clock::micros(kernel::Clock::now(clock))
}

/// A department that comes with another node goes on with its publication, once the former one is
/// shut out and a steward opened it; another department never does.
#[db_test(migrations = migrations)]
async fn a_new_node_takes_over_from_one_that_was_shut_out(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    std::fs::create_dir_all(house.file("in")).unwrap();
    let settings = format!(
        "[[publication]]\ncode = \"v\"\ntitle = \"示范（合成）\"\nkey = [\"k\"]\nevery_seconds = 0\n\
         source = {{ kind = \"folder\", path = \"{}\" }}\ncolumns = [{{ name = \"k\", required = true }}]\n",
        house.file("in").display()
    );
    std::fs::write(house.file("in").join("1.csv"), "k\n1\n").unwrap();
    let mut old = house.node("old", POLICE, &settings).await;
    old.round(false).await.unwrap();
    house.publish("v").await;
    old.round(true).await.unwrap();
    let mut new = house.node("new", POLICE, &settings).await;
    new.round(true).await.unwrap_err();
    enrolment::revoke(&house.app, &steward(), "old", "更换（合成）")
        .await
        .unwrap();
    let mut foreign = house.node("foreign", CIVIL, &settings).await;
    foreign.round(true).await.unwrap_err();
    new.round(true).await.unwrap();
    assert_eq!(new.waiting(), ["v"]);
    house.publish("v").await;
    assert_eq!(new.round(true).await.unwrap().sent, 1);
}
