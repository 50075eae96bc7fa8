use credential::{CertificateType, Status, find_valid};
use kernel::Error;
use store::Db;

use crate::house::{FIRM, ISSUER, TYPE, a_firm, citizen, food_licence, grant, house};
use credential::certificate::act;

#[store::db_test(migrations = credential::foundation().migrations)]
async fn a_case_grants_one_certificate_however_often_it_asks(db: Db) {
    let house = house(db).await;
    let firm = a_firm();
    let once = grant(&firm, "case-1");
    let first = house.issue(&once).await.unwrap();
    assert_eq!(house.issue(&once).await.unwrap(), first);
    let id = kernel::code::certificate::parse(&first.zzbs).unwrap();
    assert_eq!((id.kind(), id.issuer(), id.version()), (TYPE, ISSUER, 1));
    assert!(first.number.starts_with("JY20260302"), "{}", first.number);
    let other = house.issue(&grant(&firm, "case-2")).await.unwrap();
    assert_ne!(other.zzbs, first.zzbs);
}

#[store::db_test(migrations = credential::foundation().migrations)]
async fn the_file_follows_and_its_metadata_are_signed(db: Db) {
    let house = house(db).await;
    let firm = a_firm();
    let issued = house.issue(&grant(&firm, "case-1")).await.unwrap();
    let holder = citizen(&firm);
    let error = act::download(&house.app, &holder, issued.id, "")
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Refused(text) if text.key == "credential-not-rendered"));
    house.settle().await;
    let (certificate, file) = act::download(&house.app, &holder, issued.id, "开户")
        .await
        .unwrap();
    assert_eq!(
        hex::encode(kernel::crypto::sm3(&file)),
        certificate.digest.unwrap()
    );
    assert!(
        certificate.metadata.contains("\"ZZBS\"") && certificate.metadata.contains("KZ_operator")
    );
    let uses = act::uses(
        &house.app,
        &act::get(&house.app, &holder, issued.id).await.unwrap(),
        None,
    )
    .await
    .unwrap();
    assert_eq!(
        (uses[0].act.as_str(), uses[0].purpose.as_str()),
        ("download", "开户")
    );
}

#[store::db_test(migrations = credential::foundation().migrations)]
async fn what_the_face_needs_is_demanded(db: Db) {
    let house = house(db).await;
    let mut grant = grant(&a_firm(), "case-1");
    grant.face.remove("operator");
    let Err(Error::Invalid(findings)) = house.issue(&grant).await else {
        unreachable!()
    };
    assert_eq!(
        (findings[0].field.as_str(), findings[0].text.key),
        ("face.operator", "credential-face-missing")
    );
    grant.type_code = "11110000000000019K999".into();
    assert!(matches!(
        house.issue(&grant).await,
        Err(Error::NotFound { .. })
    ));
}

#[store::db_test(migrations = credential::foundation().migrations)]
async fn a_renewal_counts_up_and_ends_the_one_before(db: Db) {
    let house = house(db).await;
    let firm = a_firm();
    let first = house.issue(&grant(&firm, "case-1")).await.unwrap();
    let mut renewal = grant(&firm, "case-2");
    renewal.replaces = Some(first.zzbs.clone());
    let second = house.issue(&renewal).await.unwrap();
    assert_eq!(house.issue(&renewal).await.unwrap(), second);
    let id = kernel::code::certificate::parse(&second.zzbs).unwrap();
    assert_eq!(id.version(), 2);
    let holder = citizen(&firm);
    let old = act::get(&house.app, &holder, first.id).await.unwrap();
    assert_eq!(
        (old.status, old.associated_zzbs.as_deref()),
        (Status::Expired, Some(second.zzbs.as_str()))
    );
    let mut again = grant(&firm, "case-3");
    again.replaces = Some(first.zzbs);
    let error = house.issue(&again).await.unwrap_err();
    assert!(matches!(error, Error::Refused(text) if text.key == "credential-not-replaceable"));
}

#[store::db_test(migrations = credential::foundation().migrations)]
async fn only_what_is_valid_today_stands_in_for_a_material(db: Db) {
    let house = house(db).await;
    let firm = a_firm();
    let issued = house.issue(&grant(&firm, "case-1")).await.unwrap();
    let today = house.app.clock().today();
    let find = async |day| {
        find_valid(house.db.read(), FIRM, Some(TYPE), day)
            .await
            .unwrap()
            .len()
    };
    assert_eq!(find(today).await, 1);
    assert_eq!(find(today.pred_opt().unwrap()).await, 0);
    assert_eq!(
        find_valid(house.db.read(), FIRM, Some("x"), today)
            .await
            .unwrap()
            .len(),
        0
    );
    let actor = citizen(&firm);
    house
        .db
        .write(move |tx| {
            let (zzbs, actor) = (issued.zzbs.clone(), actor.clone());
            async move { credential::note_use(&tx, &zzbs, &actor, "招牌设置", "case-9").await }
        })
        .await
        .unwrap();
}

#[test]
fn a_type_is_checked_before_it_is_installed() {
    assert!(food_licence().check().is_empty());
    let wrong = CertificateType {
        code: "1".into(),
        name: String::new(),
        number_prefix: "jy".into(),
        ..food_licence()
    };
    let keys: Vec<_> = wrong
        .check()
        .into_iter()
        .map(|finding| finding.text.key)
        .collect();
    assert_eq!(
        keys,
        [
            "credential-type-code",
            "credential-type-name",
            "credential-type-prefix"
        ]
    );
}
