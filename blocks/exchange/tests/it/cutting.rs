//! A subscriber gets the columns and rows that it may have, as long as it may have them.

use std::sync::Arc;

use exchange::{
    data::filter::{Comparison, Condition},
    hub::subscription::{self, State},
};
use kernel::ManualClock;
use store::{Db, db_test};

use crate::house::{CIVIL, House, POLICE, migrations, rows, sql, sqlite, steward};

fn provider(house: &House, columns: &str) -> String {
    format!(
        r#"
        [[publication]]
        code = "person"
        title = "人口（合成）"
        key = ["region", "id"]
        every_seconds = 0
        source = {{ kind = "odbc", connection = "{}", table = "person", changes = {{ table = "changes", sequence = "seq" }}, overlap = 0 }}
        columns = [
            {{ name = "region", required = true }},
            {{ name = "id", type = "integer", required = true }},
            {{ name = "name" }},
            {columns}
        ]
        "#,
        sqlite(&house.file("source.db"))
    )
}

fn target(house: &House) -> String {
    format!(
        r#"
        [[target]]
        publication = "person"
        connection = "{}"
        table = "person"
        create = true
        "#,
        sqlite(&house.file("target.db"))
    )
}

const SECRET: &str = r#"{ name = "secret" },"#;

#[db_test(migrations = migrations)]
async fn columns_rows_and_time_are_cut(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let (from, to) = (
        sqlite(&house.file("source.db")),
        sqlite(&house.file("target.db")),
    );
    sql(
        &from,
        &[
            "CREATE TABLE person (region TEXT, id INTEGER, name TEXT, secret TEXT, PRIMARY KEY (region, id))",
            "CREATE TABLE changes (seq INTEGER PRIMARY KEY AUTOINCREMENT, region TEXT, id INTEGER)",
            "CREATE TRIGGER a AFTER INSERT ON person BEGIN INSERT INTO changes (region, id) VALUES (new.region, new.id); END",
            "CREATE TRIGGER b AFTER DELETE ON person BEGIN INSERT INTO changes (region, id) VALUES (old.region, old.id); END",
            "INSERT INTO person VALUES ('321001', 1, '甲', 'a'), ('321002', 2, '乙', 'b'), ('321002', 3, '丙', 'c')",
        ],
    );
    let mut node = house
        .node("police", POLICE, &provider(&house, SECRET))
        .await;
    let mut subscriber = house.node("civil", CIVIL, &target(&house)).await;
    node.round(false).await.unwrap();
    house.publish("person").await;
    let id = house
        .subscribe_to("person", "civil", |asked| {
            asked.columns = vec!["name".into()];
            asked.filter = vec![Condition {
                column: "region".into(),
                is: Comparison::BeginsWith,
                value: "321002".into(),
            }];
        })
        .await;
    node.round(false).await.unwrap();
    subscriber.round(false).await.unwrap();
    let all = "SELECT * FROM person ORDER BY id";
    assert_eq!(rows(&to, all), ["321002|2|乙", "321002|3|丙"]);

    // Deletes are carried, those of other rows are not told.
    sql(&from, &["DELETE FROM person WHERE id IN (1, 2)"]);
    node.round(true).await.unwrap();
    subscriber.round(false).await.unwrap();
    assert_eq!(rows(&to, all), ["321002|3|丙"]);

    // Suspended, nothing comes; resumed, it catches up.
    let actor = steward();
    subscription::set_state(&house.app, &actor, &id, State::Suspended)
        .await
        .unwrap();
    sql(
        &from,
        &["INSERT INTO person VALUES ('321002', 4, '丁', 'd')"],
    );
    node.round(true).await.unwrap();
    assert_eq!(subscriber.round(false).await.unwrap().delivered, 0);
    subscription::set_state(&house.app, &actor, &id, State::Active)
        .await
        .unwrap();
    assert_eq!(subscriber.round(false).await.unwrap().delivered, 1);
    assert_eq!(rows(&to, all), ["321002|3|丙", "321002|4|丁"]);

    // A column more at the source waits until a steward has seen it.
    let columns = format!("{SECRET} {{ name = \"more\", from = \"'x'\" }},");
    let config = exchange::node::config::Config::parse(&provider(&house, &columns)).unwrap();
    node.config = config;
    sql(
        &from,
        &["INSERT INTO person VALUES ('321002', 5, '戊', 'e')"],
    );
    assert_eq!(node.round(true).await.unwrap().sent, 0);
    house.publish("person").await;
    assert_eq!(node.round(true).await.unwrap().sent, 1);
    subscriber.round(false).await.unwrap();
    assert_eq!(rows(&to, all).len(), 3);

    // Withdrawn is for good.
    subscription::set_state(&house.app, &actor, &id, State::Withdrawn)
        .await
        .unwrap();
    let back = subscription::set_state(&house.app, &actor, &id, State::Active).await;
    assert!(matches!(back, Err(kernel::Error::Refused(_))));
}

#[db_test(migrations = migrations)]
async fn a_filter_is_on_the_key_only(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    sql(
        &sqlite(&house.file("source.db")),
        &["CREATE TABLE person (x INTEGER)"],
    );
    let mut node = house.node("police", POLICE, &provider(&house, "")).await;
    house.enrol("civil", CIVIL).await;
    node.round(false).await.unwrap();
    let asked = subscription::Subscribing {
        publication: "person".into(),
        node: "civil".into(),
        purpose: " ".into(),
        basis: "x".into(),
        columns: vec!["gone".into()],
        filter: vec![Condition {
            column: "name".into(),
            is: Comparison::Equals,
            value: "x".into(),
        }],
        expires_on: "2020-01-01".parse().ok(),
        granted_by: String::new(),
    };
    let refused = subscription::subscribe(&house.app, &steward(), &asked).await;
    let Err(kernel::Error::Invalid(findings)) = refused else {
        panic!("{refused:?}")
    };
    let keys: Vec<_> = findings.iter().map(|f| f.text.key).collect();
    assert_eq!(
        keys,
        [
            "exchange-filter-key",
            "exchange-purpose-missing",
            "exchange-expires-past",
            "exchange-column-unknown"
        ]
    );
}
