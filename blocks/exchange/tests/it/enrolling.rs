//! Who may come.

use std::sync::Arc;

use chrono::{Duration, Utc};
use exchange::{
    hub::enrolment,
    node::{
        Folder,
        client::{Client, Trouble},
        config::Config,
        enrol,
        run::Node,
    },
    wire::{Work, action},
};
use kernel::ManualClock;
use store::{Db, db_test};

use crate::house::{House, POLICE, migrations, officer, steward};

async fn work(folder: &Folder) -> Result<Work, Trouble> {
    let mut client = Client::member(folder, &folder.membership()?)?;
    client.act(action::WORK, &()).await
}

#[db_test(migrations = migrations)]
async fn a_code_lets_one_node_in_once(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let code = house.invite("police", POLICE).await;
    let first = house.folder("first");
    enrol::enrol(&first, &house.url, &code).await.unwrap();
    work(&first).await.unwrap();

    let again = enrol::enrol(&house.folder("second"), &house.url, &code).await;
    assert!(matches!(again, Err(Trouble::Refused(_))), "{again:?}");

    // Too late.
    let late = house.invite("late", POLICE).await;
    clock.advance(Duration::hours(73));
    let late = enrol::enrol(&house.folder("late"), &house.url, &late).await;
    assert!(matches!(late, Err(Trouble::Refused(_))), "{late:?}");

    // A code of another hub goes nowhere.
    let mut foreign = house.invite("foreign", POLICE).await;
    let end = foreign.len() - 4;
    foreign.replace_range(end.., "0000");
    let foreign = enrol::enrol(&house.folder("foreign"), &house.url, &foreign).await;
    assert!(matches!(foreign, Err(Trouble::Fault(_))), "{foreign:?}");
}

#[db_test(migrations = migrations)]
async fn a_revoked_node_is_out_at_once(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let folder = house.enrol("police", POLICE).await;
    let mut client = Client::member(&folder, &folder.membership().unwrap()).unwrap();
    let _: Work = client.act(action::WORK, &()).await.unwrap();
    let clerk = officer("clerk", POLICE);
    let not_allowed = enrolment::revoke(&house.app, &clerk, "police", "lost").await;
    assert!(matches!(not_allowed, Err(kernel::Error::Forbidden { .. })));
    enrolment::revoke(&house.app, &steward(), "police", "lost")
        .await
        .unwrap();
    // Over the connection that is open already.
    let out: Result<Work, _> = client.act(action::WORK, &()).await;
    assert!(matches!(out, Err(Trouble::Refused(_))), "{out:?}");
    assert!(work(&folder).await.is_err());

    // Invited again, it comes with new keys, and the old machine stays out.
    let old = folder.0.clone();
    std::fs::rename(&old, house.file("stolen")).unwrap();
    let folder = house.enrol("police", POLICE).await;
    work(&folder).await.unwrap();
    let stolen = work(&Folder(house.file("stolen"))).await;
    assert!(matches!(stolen, Err(Trouble::Refused(_))), "{stolen:?}");
}

#[db_test(migrations = migrations)]
async fn one_process_works_in_a_folder(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let node = house.node("police", POLICE, "").await;
    let second = Node::open(node.folder.clone(), Config::default()).await;
    assert!(matches!(second, Err(Trouble::Fault(_))));
    drop(node);
    Node::open(house.folder("police"), Config::default())
        .await
        .unwrap();
}

#[db_test(migrations = migrations)]
async fn an_expired_certificate_opens_nothing(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    clock.set(Utc::now() - Duration::days(400));
    let folder = house.enrol("police", POLICE).await;
    clock.set(Utc::now());
    let expired = work(&folder).await;
    assert!(expired.is_err(), "{expired:?}");
}

#[db_test(migrations = migrations)]
async fn a_certificate_is_renewed_before_it_ends(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    clock.set(Utc::now() - Duration::days(300));
    let folder = house.enrol("police", POLICE).await;
    clock.set(Utc::now());
    let before = folder.membership().unwrap();
    assert!(enrol::is_due(&before, Utc::now()).unwrap());
    let mut client = Client::member(&folder, &before).unwrap();
    let after = enrol::renew(&folder, &mut client).await.unwrap();
    assert!(!enrol::is_due(&after, Utc::now()).unwrap());
    work(&folder).await.unwrap();
}

#[db_test(migrations = migrations)]
async fn a_certificate_of_another_authority_opens_nothing(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let folder = house.enrol("police", POLICE).await;
    let elsewhere = exchange::hub::authority::Authority::open(
        &house.file("elsewhere"),
        &["127.0.0.1".into()],
        Utc::now(),
    )
    .unwrap();
    let key = exchange::certificate::p256(&folder.tls_key().unwrap()).unwrap();
    let request = exchange::certificate::request(&key, "police").unwrap();
    let forged = elsewhere
        .certify(&request, "police", Utc::now(), Duration::days(9))
        .unwrap();
    let mut membership = folder.membership().unwrap();
    membership.certificate = forged.unwrap().pem;
    let mut client = Client::member(&folder, &membership).unwrap();
    let refused: Result<Work, _> = client.act(action::WORK, &()).await;
    assert!(refused.is_err(), "{refused:?}");
}
