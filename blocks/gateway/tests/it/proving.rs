//! Calls afterwards: the log, its proofs, and what it does not hold.

use std::sync::Arc;

use gateway::overview::{
    self, Filter,
    Standing::{self, False, Genuine, Unsealed},
};
use kernel::ManualClock;
use sea_orm::ConnectionTrait;
use store::{Db, db_test, page::PageRequest};

use crate::house::{CIVIL, House, POLICE, migrations, officer};

async fn checks(house: &House, call: &str) -> Vec<(&'static str, Standing)> {
    let evidence = overview::verify(&house.app, &officer("auditor", POLICE), call).await;
    let checks = evidence.unwrap().checks.into_iter();
    checks.map(|check| (check.name, check.standing)).collect()
}

async fn seal(house: &House) {
    let key = kernel::crypto::suite("guomi")
        .unwrap()
        .generate_key()
        .unwrap();
    let signer = Arc::new(store::KeySigner::new(key).unwrap());
    store::Sealer::new(signer)
        .seal_all(&house.db)
        .await
        .unwrap();
}

#[db_test(migrations = migrations)]
async fn a_call_is_proven_until_somebody_changes_the_log(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let _provider = house.ready().await;
    let answer = house
        .get("/api/gateway/persons/persons/7?name=secret")
        .await;
    let call = answer.header("tongban-call").to_owned();
    let signed = [
        ("request", Genuine),
        ("answer", Genuine),
        ("delivery", Genuine),
    ];
    let mut expected = signed.to_vec();
    expected.push(("log", Unsealed));
    assert_eq!(checks(&house, &call).await, expected);
    seal(&house).await;
    expected[3].1 = Genuine;
    assert_eq!(checks(&house, &call).await, expected);

    // Both sides may prove it, others may not; who may not see the log learns nothing.
    for (org, is_allowed) in [(CIVIL, true), (POLICE, true), ("113210009900000174", false)] {
        let found = overview::verify(&house.app, &officer("examiner", org), &call).await;
        assert_eq!(found.is_ok(), is_allowed, "{org}");
    }
    // Neither path nor body of the call is in the evidence.
    let evidence = overview::verify(&house.app, &officer("auditor", POLICE), &call).await;
    let text = serde_json::to_string(&evidence.unwrap()).unwrap();
    assert!(
        !text.contains("secret") && !text.contains("张小明"),
        "{text}"
    );

    let change = "UPDATE gateway_call SET request_head = REPLACE(request_head, '核对', '别的')";
    house
        .db
        .write(move |tx| async move {
            tx.execute_unprepared(change).await.unwrap();
            Ok(())
        })
        .await
        .unwrap();
    let found = checks(&house, &call).await;
    assert_eq!(found[0], ("request", False));
    assert_eq!(found[3], ("log", False));
}

#[db_test(migrations = migrations)]
async fn the_log_tells_how_many_and_how_fast(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let _provider = house.ready().await;
    for _ in 0..5 {
        assert_eq!(
            house.get("/api/gateway/persons/persons/7").await.status,
            200
        );
    }
    let steward = officer("steward", POLICE);
    let hours = overview::hours(&house.app, &steward, Some("persons"))
        .await
        .unwrap();
    assert_eq!(hours.len(), 24);
    assert_eq!(hours.iter().map(|hour| hour.answered).sum::<i64>(), 5);
    let hops = overview::hops(&house.app, &steward, "persons")
        .await
        .unwrap();
    let names: Vec<_> = hops.iter().map(|hop| hop.name).collect();
    assert_eq!(names, ["hub", "line", "node", "api", "total"]);
    assert!(hops.iter().all(|hop| hop.p50 <= hop.p99));
    assert!(hops[4].p50 > 0 && hops[3].p50 > 0, "{hops:?}");
    let filter = Filter {
        outcome: Some("late".into()),
        ..Filter::default()
    };
    let page = PageRequest::new(None, Some(2));
    let none = overview::calls(&house.app, &steward, &filter, &page)
        .await
        .unwrap();
    assert!(none.items.is_empty());
    let some = overview::calls(&house.app, &steward, &Filter::default(), &page).await;
    let some = some.unwrap();
    let next = PageRequest::new(some.next.clone(), Some(10));
    let rest = overview::calls(&house.app, &steward, &Filter::default(), &next).await;
    assert_eq!((some.items.len(), rest.unwrap().items.len()), (2, 3));
    let clerk = overview::hours(&house.app, &officer("clerk", CIVIL), None).await;
    assert!(clerk.is_err());
}
