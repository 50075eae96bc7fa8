use std::sync::Arc;

use credential::{Change, Status, Verdict, certificate::act};
use kernel::{Error, ManualClock};
use store::Db;

use crate::house::{House, ISSUER, a_firm, a_person, citizen, grant, house, officer};

fn key(error: &Error) -> &str {
    match error {
        Error::Refused(text) => text.key,
        Error::Invalid(findings) => findings[0].text.key,
        Error::Forbidden { .. } => "forbidden",
        Error::NotFound { .. } => "not-found",
        _ => "other",
    }
}

async fn status_of(house: &House, zzbs: &str) -> Status {
    match act::verify(&house.app, zzbs, None).await.unwrap() {
        Verdict::Valid(shown) | Verdict::Invalid(shown) => shown.status,
        other => unreachable!("{other:?}"),
    }
}

#[store::db_test(migrations = credential::foundation().migrations)]
async fn an_approver_suspends_and_resumes_with_a_reason(db: Db) {
    let house = house(db).await;
    let issued = house.issue(&grant(&a_firm(), "case-1")).await.unwrap();
    let approver = officer("approver", ISSUER);
    let change = async |version, change, reason: &str| {
        act::change(&house.app, &approver, issued.id, version, change, reason).await
    };
    assert_eq!(
        key(&change(1, Change::Suspend, " ").await.unwrap_err()),
        "credential-reason-missing"
    );
    assert_eq!(
        change(1, Change::Suspend, "检查发现隐患")
            .await
            .unwrap()
            .status,
        Status::Suspended
    );
    assert!(matches!(
        act::verify(&house.app, &issued.zzbs, None).await.unwrap(),
        Verdict::Invalid(_)
    ));
    assert_eq!(
        key(&change(1, Change::Resume, "已整改").await.unwrap_err()),
        "credential-changed"
    );
    assert_eq!(
        change(2, Change::Resume, "已整改").await.unwrap().status,
        Status::Valid
    );
    assert_eq!(
        change(3, Change::Revoke, "不应准予").await.unwrap().status,
        Status::Revoked
    );
    assert_eq!(
        key(&change(4, Change::Resume, "反悔").await.unwrap_err()),
        "credential-status-final"
    );
}

#[store::db_test(migrations = credential::foundation().migrations)]
async fn others_neither_see_nor_change(db: Db) {
    let house = house(db).await;
    let firm = a_firm();
    let issued = house.issue(&grant(&firm, "case-1")).await.unwrap();
    for stranger in [
        citizen(&a_firm()),
        officer("approver", "11110000000000027E"),
    ] {
        assert_eq!(
            key(&act::get(&house.app, &stranger, issued.id)
                .await
                .unwrap_err()),
            "not-found"
        );
        let changed = act::change(&house.app, &stranger, issued.id, 1, Change::Cancel, "x").await;
        assert_eq!(key(&changed.unwrap_err()), "forbidden");
    }
    let examiner = officer("examiner", ISSUER);
    assert!(act::get(&house.app, &examiner, issued.id).await.is_ok());
    let changed = act::change(&house.app, &examiner, issued.id, 1, Change::Cancel, "x").await;
    assert_eq!(key(&changed.unwrap_err()), "forbidden");
    assert_eq!(
        act::wallet(&house.app, &citizen(&firm), None)
            .await
            .unwrap()
            .0
            .len(),
        1
    );
    assert!(
        act::wallet(&house.app, &citizen(&a_firm()), None)
            .await
            .unwrap()
            .0
            .is_empty()
    );
}

#[store::db_test(migrations = credential::foundation().migrations)]
async fn a_certificate_expires_the_morning_after_its_last_day(db: Db, clock: Arc<ManualClock>) {
    let house = house(db).await;
    let today = house.app.clock().today();
    let mut short = grant(&a_firm(), "case-1");
    short.valid_to = today.succ_opt();
    let issued = house.issue(&short).await.unwrap();
    house.settle().await;
    clock.advance(chrono::Duration::days(1));
    house.settle().await;
    assert_eq!(status_of(&house, &issued.zzbs).await, Status::Valid);
    clock.advance(chrono::Duration::days(1));
    // Whoever asks before the job has run gets the right answer too.
    assert_eq!(status_of(&house, &issued.zzbs).await, Status::Expired);
    house.settle().await;
    let seen = act::get(&house.app, &officer("examiner", ISSUER), issued.id)
        .await
        .unwrap();
    assert_eq!(
        (seen.status, seen.status_reason.as_str()),
        (Status::Expired, "有效期届满")
    );
}

#[store::db_test(migrations = credential::foundation().migrations)]
async fn strangers_get_one_of_three_answers_and_no_personal_data(db: Db) {
    let house = house(db).await;
    let issued = house.issue(&grant(&a_person(), "case-1")).await.unwrap();
    house.settle().await;
    let Verdict::Valid(shown) = act::verify(&house.app, &issued.zzbs, None).await.unwrap() else {
        unreachable!()
    };
    assert_eq!(
        (shown.holder.as_str(), shown.holder_code.as_str()),
        ("张**", "3****************9")
    );
    assert_eq!(shown.is_signed, Some(true));
    for unknown in [
        "1.2.156.3005.2.11110000000000019K001.11110000000000019K.2025000001.001.D",
        "1.2.156.3005.2.11110000000000019K001.11110000000000019K.2025000001.001.E",
        "nonsense",
    ] {
        assert_eq!(
            act::verify(&house.app, unknown, None).await.unwrap(),
            Verdict::Unknown
        );
    }
}

#[store::db_test(migrations = credential::foundation().migrations)]
async fn a_file_is_recognised_and_an_altered_one_too(db: Db) {
    let house = house(db).await;
    let firm = a_firm();
    let issued = house.issue(&grant(&firm, "case-1")).await.unwrap();
    house.settle().await;
    let (_, file) = act::download(&house.app, &citizen(&firm), issued.id, "")
        .await
        .unwrap();
    let check = async |file: &[u8]| act::verify_file(&house.app, file, None).await.unwrap();
    assert!(matches!(check(&file).await, Verdict::Valid(_)));
    let mut altered = file.clone();
    altered[200] ^= 1;
    assert!(matches!(check(&altered).await, Verdict::Altered(_)));
    assert_eq!(check(b"%PDF-1.7 something else").await, Verdict::Unknown);
    assert_eq!(check(b"").await, Verdict::Unknown);
}
