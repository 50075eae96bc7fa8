//! Two hubs and four nodes on loopback: rows up, rows down, restarts in between.

use std::sync::Arc;

use kernel::ManualClock;
use store::{Db, db_test};

use crate::house::{CIVIL, Centre, POLICE, migrations, rows, source, steward, target};

pub fn put(folder: &std::path::Path, name: &str, content: &str) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(name), content).unwrap();
}

#[db_test(migrations = migrations)]
async fn rows_go_up_and_down_once_whatever_restarts(db: Db, clock: Arc<ManualClock>) {
    clock.set(chrono::Utc::now());
    let province = Centre::beside().await;
    let mut city = Centre::open(db).await;
    city.join(&province).await;

    // A department of the city publishes; the city's steward lets it go up.
    let (births, up) = (
        city.dir.path().join("births"),
        city.dir.path().join("up.db"),
    );
    put(
        &births,
        "1.json",
        r#"[{"id": 1, "name": "甲（合成）"}, {"id": 2, "name": "乙（合成）"}]"#,
    );
    let mut city_source = city
        .node("city-police", POLICE, &source("births", &births))
        .await;
    city_source.round(false).await.unwrap();
    city.publish("births").await;
    city.subscribe("births", "superior").await;
    city_source.round(false).await.unwrap();

    // It waits until the province's steward has opened it, and is not lost meanwhile.
    assert_eq!(city.relay().await, 0);
    province.publish("births").await;
    let mut province_target = province
        .node("prov-civil", CIVIL, &target("births", &up))
        .await;
    province.subscribe("births", "prov-civil").await;
    assert_eq!(city.relay().await, 1);
    province_target.round(false).await.unwrap();
    assert_eq!(rows(&up), ["1|甲（合成）", "2|乙（合成）"]);

    // Increments follow; the city is killed between steps, and says the same again.
    put(&births, "2.json", r#"[{"id": 3, "name": "丙（合成）"}]"#);
    city_source.round(true).await.unwrap();
    city.restart().await;
    assert_eq!(city.relay().await, 1);
    city.restart().await;
    assert_eq!(city.relay().await, 0);
    province_target.round(false).await.unwrap();
    assert_eq!(rows(&up), ["1|甲（合成）", "2|乙（合成）", "3|丙（合成）"]);
    let expected = [(1, 2, true), (2, 1, true)];
    assert_eq!(province.batches("births").await, expected);
    assert_eq!(city.batches("births").await, expected);

    // The other way: what the province publishes, a node of the city gets.
    let (codes, down) = (
        province.dir.path().join("codes"),
        province.dir.path().join("down.db"),
    );
    put(&codes, "1.json", r#"[{"id": 7, "name": "规则（合成）"}]"#);
    let mut province_source = province
        .node("prov-police", POLICE, &source("codes", &codes))
        .await;
    province_source.round(false).await.unwrap();
    province.publish("codes").await;
    province.subscribe("codes", "yungang").await;
    province_source.round(false).await.unwrap();
    city.relay().await;
    city.publish("codes").await;
    city.relay().await;
    assert_eq!(city.batches("codes").await, [(1, 1, true)]);

    // A node that comes later needs everything: the wish goes up to the province's source.
    put(&codes, "2.json", r#"[{"id": 8, "name": "规则二（合成）"}]"#);
    province_source.round(true).await.unwrap();
    city.relay().await;
    let mut city_target = city
        .node("city-civil", CIVIL, &target("codes", &down))
        .await;
    city.subscribe("codes", "city-civil").await;
    city.relay().await;
    province_source.round(false).await.unwrap();
    city.restart().await;
    city.relay().await;
    while city_target.round(false).await.unwrap().delivered > 0 {}
    assert_eq!(rows(&down), ["7|规则（合成）", "8|规则二（合成）"]);
    assert!(city.batches("codes").await.iter().all(|batch| batch.2));

    // Left, nothing moves any more, and what is there stays.
    cascade::join::leave(&city.app, &steward()).await.unwrap();
    put(&births, "3.json", r#"[{"id": 4, "name": "丁（合成）"}]"#);
    city_source.round(true).await.unwrap();
    assert_eq!(city.relay().await, 0);
    assert_eq!(province.batches("births").await, expected);
}

#[db_test(migrations = migrations)]
async fn joining_tells_what_is_wrong(db: Db, clock: Arc<ManualClock>) {
    clock.set(chrono::Utc::now());
    let city = Centre::open(db).await;
    let mut province = Centre::beside().await;
    let code = province.invite("yungang", crate::house::CENTRE).await;
    let joining = |hub: &str, code: &str| cascade::join::Joining {
        hub: hub.into(),
        code: code.into(),
        org: crate::house::CENTRE.into(),
        title: "示范省（合成）".into(),
    };
    let key = async |asked: cascade::join::Joining| match cascade::join::join(
        &city.app,
        &steward(),
        &asked,
    )
    .await
    {
        Err(kernel::Error::Invalid(findings)) => findings[0].text.key,
        other => panic!("{other:?}"),
    };
    assert_eq!(key(joining("http://x", &code)).await, "cascade-hub");
    assert_eq!(
        key(joining(&province.url, "")).await,
        "cascade-code-missing"
    );
    assert_eq!(
        key(joining("https://127.0.0.1:9", &code)).await,
        "cascade-unreachable"
    );
    // The code of another hub.
    assert_eq!(key(joining(&city.url, &code)).await, "cascade-refused");
    cascade::join::join(&city.app, &steward(), &joining(&province.url, &code))
        .await
        .unwrap();
    // The superior away is noted, and mended by itself.
    crate::reporting::name_centre(&city).await;
    let mut worker = cascade::work::Worker::of(city.app.clone());
    let mut round = async || {
        let round = worker.round().await.unwrap();
        let standing = cascade::join::standing(&city.app, &steward()).await;
        let standing = standing.unwrap().unwrap();
        (
            round.is_well,
            standing.problem.is_empty(),
            standing.seen_at.is_some(),
        )
    };
    assert_eq!(round().await, (true, true, true));
    province.stop().await;
    assert_eq!(round().await, (false, false, true));
    province.restart().await;
    assert_eq!(round().await, (true, true, true));
}
