//! The life of an entry.

use std::sync::Arc;

use catalog::{
    Metadata,
    resource::{State, act, store::Filter},
};
use kernel::ManualClock;
use serde_json::json;
use store::{Db, db_test, page::PageRequest};

use crate::house::{House, findings, good, house, migrations};

async fn search(house: &House, login: &str, q: &str) -> Vec<String> {
    let actor = house.actor(login).await;
    let filter = Filter {
        q: q.into(),
        ..Filter::default()
    };
    let page = PageRequest::new(None, None);
    let found = act::list(&house.app, &actor, &filter, &page).await.unwrap();
    found.items.into_iter().map(|row| row.name).collect()
}

#[db_test(migrations = migrations)]
async fn an_entry_is_drafted_approved_published_revised_and_withdrawn(db: Db) {
    let house = house(db).await;
    let writer = house.actor("writer").await;
    let id = act::create(&house.app, &writer, good("企业登记"))
        .await
        .unwrap();
    assert_eq!(search(&house, "writer", "企业").await, ["企业登记"]);
    assert_eq!(
        search(&house, "asker", "企业").await,
        [""; 0],
        "a draft is its department's"
    );
    let foreign = house.actor("asker").await;
    let hidden = act::get(&house.app, &foreign, &id).await;
    assert!(matches!(hidden, Err(kernel::Error::NotFound { .. })));

    let row = act::submit(&house.app, &writer, &id, 1).await.unwrap();
    assert_eq!(row.standing(), State::DepartmentReview);
    let early = act::save(&house.app, &writer, &id, row.version, good("别名")).await;
    assert_eq!(findings(&early.unwrap_err())[0].1, "catalog-not-writable");
    let subject = format!("catalog:{id}");
    let foreign = house.decide("asker-chief", &subject, "agree", "").await;
    assert!(matches!(foreign, Err(kernel::Error::Forbidden { .. })));
    house
        .decide("chief", &subject, "return", "摘要太简")
        .await
        .unwrap();
    assert_eq!(house.row(&id).await.standing(), State::Draft);

    let row = house.publish(&id).await;
    assert_eq!(row.standing(), State::Published);
    assert_eq!(row.code.as_deref(), Some("102001/000001"));
    assert_eq!(row.published_on.unwrap().to_string(), "2026-03-02");
    assert_eq!(
        search(&house, "asker", "注册资本").await,
        ["企业登记"],
        "found by an item"
    );

    let row = act::revise(&house.app, &writer, &id, row.version)
        .await
        .unwrap();
    let mut next = row.working().unwrap();
    next.cycle = "3".into();
    next.items[1].length = "200".into();
    next.code = "102001/000099".into();
    act::save(&house.app, &writer, &id, row.version, next)
        .await
        .unwrap();
    let seen = act::get(&house.app, &house.actor("asker").await, &id)
        .await
        .unwrap();
    assert_eq!(
        seen.metadata.cycle, "2",
        "the published version holds meanwhile"
    );
    assert_eq!(seen.working, None);
    let row = house.publish(&id).await;
    assert_eq!(
        (row.number, row.code.as_deref()),
        (2, Some("102001/000001"))
    );
    let view = act::get(&house.app, &house.actor("asker").await, &id)
        .await
        .unwrap();
    let changes = act::compare(&view, 1, 2).unwrap();
    let told = changes
        .iter()
        .map(|c| (c.place.as_str(), c.before.as_str(), c.after.as_str()));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [("items/名称/length", "100", "200"), ("cycle", "2", "3")]
    );

    let bare = act::withdraw(&house.app, &writer, &id, row.version, " ").await;
    assert_eq!(findings(&bare.unwrap_err())[0].1, "catalog-must-say");
    act::withdraw(&house.app, &writer, &id, row.version, "职能调整")
        .await
        .unwrap();
    house.decide("chief", &subject, "agree", "").await.unwrap();
    assert!(
        house.row(&id).await.is_public(),
        "not before the centre agrees"
    );
    house
        .decide("steward", &subject, "agree", "")
        .await
        .unwrap();
    assert_eq!(house.row(&id).await.standing(), State::Withdrawn);
    assert_eq!(search(&house, "asker", "企业").await, [""; 0]);
    let acts: Vec<_> = act::get(&house.app, &writer, &id).await.unwrap().happenings;
    assert_eq!(acts[0].act, "withdrawn");
    assert_eq!(acts[0].words, "职能调整");
    assert!(acts[0].actor.starts_with("user:"), "{}", acts[0].actor);
}

#[db_test(migrations = migrations)]
async fn an_entry_that_breaks_rules_is_not_submitted_and_every_rule_is_named(db: Db) {
    let house = house(db).await;
    let writer = house.actor("writer").await;
    let bad = Metadata {
        share_scope: String::new(),
        cycle: "77".into(),
        related: vec!["102001/000404".into()],
        class: "102777".into(),
        ..good("企业登记")
    };
    let id = act::create(&house.app, &writer, bad).await.unwrap();
    let error = act::submit(&house.app, &writer, &id, 1).await.unwrap_err();
    let fields: Vec<_> = findings(&error)
        .into_iter()
        .map(|(field, _)| field)
        .collect();
    assert_eq!(fields, ["class", "share_scope", "cycle", "related"]);
    let row = house.row(&id).await;
    assert_eq!(
        (row.standing(), row.version, row.errors),
        (State::Draft, 1, 4)
    );
    let quality = act::quality(&house.app, &writer).await.unwrap();
    assert_eq!((quality.entries, quality.passing, quality.rate), (1, 0, 0));
    let long = Metadata {
        name: "长".repeat(201),
        ..good("x")
    };
    let error = act::create(&house.app, &writer, long).await.unwrap_err();
    assert_eq!(findings(&error)[0], ("name".into(), "catalog-text-long"));
}

#[db_test(migrations = migrations)]
async fn names_codes_and_twins_stand_once(db: Db) {
    let house = house(db).await;
    let first = house.published(good("企业登记")).await;
    let writer = house.actor("writer").await;
    let id = act::create(&house.app, &writer, good("企业登记"))
        .await
        .unwrap();
    let error = act::submit(&house.app, &writer, &id, 1).await.unwrap_err();
    assert_eq!(
        findings(&error),
        [("name".into(), "catalog-rule-name-twice")]
    );
    act::discard(&house.app, &writer, &id, 1).await.unwrap();
    let twin = Metadata {
        code: first.code.clone().unwrap(),
        ..good("企业登记二")
    };
    let error = act::create(&house.app, &writer, twin).await.unwrap_err();
    assert_eq!(
        findings(&error),
        [("code".into(), "catalog-rule-code-twice")]
    );
    let second = house.published(good("企业年报")).await;
    assert_eq!(second.code.as_deref(), Some("102001/000002"));
    // A circle over two published entries.
    let mut row = act::revise(&house.app, &writer, &first.id, first.version)
        .await
        .unwrap();
    let mut entry = row.working().unwrap();
    entry.related = vec![second.code.clone().unwrap()];
    row = act::save(&house.app, &writer, &first.id, row.version, entry)
        .await
        .unwrap();
    assert_eq!(row.errors, 0);
    house.publish(&first.id).await;
    row = act::revise(&house.app, &writer, &second.id, second.version)
        .await
        .unwrap();
    let mut entry = row.working().unwrap();
    entry.related = vec![first.code.clone().unwrap()];
    row = act::save(&house.app, &writer, &second.id, row.version, entry)
        .await
        .unwrap();
    let report = act::report(&house.app, &row).await.unwrap();
    let rules: Vec<_> = report.errors().map(|d| d.text.key).collect();
    assert_eq!(rules, ["catalog-rule-related-circle"]);
}

#[db_test(migrations = migrations)]
async fn data_that_is_not_renewed_in_time_is_told_once(db: Db, clock: Arc<ManualClock>) {
    let house = house(db).await;
    let row = house.published(good("企业登记")).await;
    house.settle().await;
    assert!(!house.row(&row.id).await.is_overdue);
    clock.advance(chrono::TimeDelta::hours(23));
    let writer = house.actor("writer").await;
    act::renew(&house.app, &writer, &row.id, None)
        .await
        .unwrap();
    clock.advance(chrono::TimeDelta::hours(23));
    house.settle().await;
    assert!(!house.row(&row.id).await.is_overdue, "it was renewed");
    clock.advance(chrono::TimeDelta::hours(2));
    house.settle().await;
    assert!(house.row(&row.id).await.is_overdue);
    let quality = act::quality(&house.app, &writer).await.unwrap();
    assert_eq!(quality.overdue, 1);
    let later = house.app.clock().now() + chrono::TimeDelta::hours(1);
    let error = act::renew(&house.app, &writer, &row.id, Some(later)).await;
    assert_eq!(findings(&error.unwrap_err())[0].1, "catalog-renewed-later");
    act::renew(&house.app, &writer, &row.id, None)
        .await
        .unwrap();
    assert!(!house.row(&row.id).await.is_overdue);
}

#[db_test(migrations = migrations)]
async fn a_stopped_process_gives_the_entry_back(db: Db) {
    let house = house(db).await;
    let writer = house.actor("writer").await;
    let id = act::create(&house.app, &writer, good("企业登记"))
        .await
        .unwrap();
    let row = act::submit(&house.app, &writer, &id, 1).await.unwrap();
    let engine = house.app.part::<workflow::Engine>().unwrap();
    let instance = row.instance.unwrap().parse().unwrap();
    house
        .db
        .write(move |tx| {
            let engine = engine.clone();
            async move { workflow::cancel(&tx, &engine, instance, "误提交", "system").await }
        })
        .await
        .unwrap();
    assert_eq!(house.row(&id).await.standing(), State::Draft);
    let row = house.row(&id).await;
    let gone = act::discard(&house.app, &writer, &id, row.version)
        .await
        .unwrap();
    assert!(gone.is_none());
    assert!(act::get(&house.app, &writer, &id).await.is_err());
}

#[db_test(migrations = migrations)]
async fn programs_do_the_same_through_the_doors(db: Db) {
    let house = house(db).await;
    let writer = house.actor("writer").await;
    let entry = serde_json::to_value(good("企业登记")).unwrap();
    let (status, made) = house
        .post(&writer, "/api/catalog/resources", entry.clone())
        .await;
    assert_eq!(status, 200, "{made}");
    let clerk = house.actor("clerk").await;
    let (status, _) = house.post(&clerk, "/api/catalog/resources", entry).await;
    assert_eq!(status, 403);
    let path = format!("/api/catalog/resources/{}", made["id"].as_str().unwrap());
    let (status, _) = house.get(&clerk, &path).await;
    assert_eq!(status, 404);
    let (_, check) = house.get(&writer, &format!("{path}/check")).await;
    assert_eq!(
        (&check["passes"], &check["rate"]),
        (&json!(true), &json!(1000)),
        "{check}"
    );
    let step = json!({"step": "submit", "version": 7});
    let (status, told) = house.post(&writer, &format!("{path}/steps"), step).await;
    assert_eq!(status, 409, "{told}");
    house.publish(made["id"].as_str().unwrap()).await;
    let (status, seen) = house
        .get(&clerk, "/api/catalog/resources/102001%2F000001")
        .await;
    assert_eq!(
        (status, &seen["state"]),
        (200, &json!("published")),
        "{seen}"
    );
    let (_, list) = house
        .get(&clerk, "/api/catalog/resources?q=PostgreSQL&class=102")
        .await;
    assert_eq!(list["items"], json!([]), "formats are no words");
    let (_, list) = house
        .get(&clerk, "/api/catalog/resources?class=102&share_type=2")
        .await;
    assert_eq!(list["items"][0]["code"], "102001/000001");
    let (_, facets) = house.get(&clerk, "/api/catalog/facets").await;
    assert_eq!(
        (&facets["total"], &facets["classes"]["102"]),
        (&json!(1), &json!(1)),
        "{facets}"
    );
    let (_, changes) = house
        .get(&clerk, &format!("{path}/differences?from=0&to=1"))
        .await;
    assert!(changes.as_array().unwrap().len() > 10);
}
