//! Progress by number and password.

use std::sync::Arc;

use chrono::Duration;
use kernel::{Error, ManualClock};
use service::case::progress;
use store::{Db, db_test};

use crate::world::{World, licence, migrations};

#[db_test(migrations = migrations)]
async fn anybody_with_the_password_sees_a_masked_case(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let receipt = w.submitted(licence()).await;
    let seen = progress::ask(&w.desk, &receipt.number, &receipt.password)
        .await
        .unwrap();
    assert_eq!(seen.number, receipt.number);
    assert_ne!(seen.applicant, "合成甲");
    let wrong = progress::ask(&w.desk, &receipt.number, "not it").await;
    assert!(matches!(wrong, Err(Error::Invalid(_))));
    let unknown = progress::ask(&w.desk, "35010000000001920250926000001Y", "123456").await;
    assert!(matches!(unknown, Err(Error::Invalid(_))));
}

#[db_test(migrations = migrations)]
async fn guessing_locks_a_case_for_a_while(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let receipt = w.submitted(licence()).await;
    for _ in 0..5 {
        let wrong = progress::ask(&w.desk, &receipt.number, "not it").await;
        assert!(matches!(wrong, Err(Error::Invalid(_))));
    }
    let locked = progress::ask(&w.desk, &receipt.number, &receipt.password).await;
    assert!(matches!(locked, Err(Error::Refused(_))));
    clock.advance(Duration::minutes(16));
    assert!(
        progress::ask(&w.desk, &receipt.number, &receipt.password)
            .await
            .is_ok()
    );
}
