//! Rows from one database to another, by way of the hub.

use std::sync::Arc;

use exchange::hub::overview;
use kernel::ManualClock;
use store::{Db, db_test, page::PageRequest};

use crate::house::{CIVIL, House, POLICE, migrations, rows, sql, sqlite, steward};

fn source(house: &House) -> String {
    format!(
        r#"
        [limits]
        chunk_bytes = 2048
        [[publication]]
        code = "person"
        title = "人口（合成）"
        key = ["id"]
        every_seconds = 0
        source = {{ kind = "odbc", connection = "{}", table = "person", watermark = "changed", overlap = 0, deleted = "gone = 1" }}
        columns = [
            {{ name = "id", type = "integer", required = true }},
            {{ name = "name", length = 20, required = true }},
            {{ name = "sex", codes = {{ "男" = "1", "女" = "2" }} }},
            {{ name = "born", type = "date" }},
            {{ name = "money", type = {{ decimal = {{ digits = 12, scale = 2 }} }} }},
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
        table = "citizen"
        create = true
        columns = {{ id = "number" }}
        codes = {{ sex = {{ "1" = "M", "2" = "F" }} }}
        "#,
        sqlite(&house.file("target.db"))
    )
}

fn fill(house: &House) -> (String, String) {
    let (from, to) = (
        sqlite(&house.file("source.db")),
        sqlite(&house.file("target.db")),
    );
    sql(
        &from,
        &[
            "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, sex TEXT, born TEXT, money TEXT, changed BIGINT, gone INTEGER)",
            "INSERT INTO person SELECT 1, '张小明', '男', '1990-01-01', '12.50', 1, 0",
            "INSERT INTO person SELECT 2, '李😀', '女', '1991/2/3', '0', 2, 0",
            "INSERT INTO person SELECT 3, '王某', '不明', '1991-02-30', 'x', 3, 0",
            "INSERT INTO person SELECT 4, '赵六', NULL, NULL, NULL, 4, 0",
        ],
    );
    (from, to)
}

const ALL: &str = "SELECT number, name, sex, born, money FROM citizen ORDER BY number";

#[db_test(migrations = migrations)]
async fn rows_flow_in_full_then_in_increments(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let (from, to) = fill(&house);
    let mut provider = house.node("police", POLICE, &source(&house)).await;
    let mut subscriber = house.node("civil", CIVIL, &target(&house)).await;

    // Nothing goes before a steward has opened it.
    assert_eq!(provider.round(false).await.unwrap().sent, 0);
    house.publish("person").await;
    house.subscribe("person", "civil").await;
    assert_eq!(provider.round(false).await.unwrap().sent, 1);
    assert_eq!(subscriber.round(false).await.unwrap().delivered, 1);
    let first = [
        "1|张小明|M|1990-01-01|12.50".replace("12.50", "12.5"),
        "2|李😀|F|1991-02-03|0".into(),
        "4|赵六|-|-|-".into(),
    ];
    assert_eq!(rows(&to, ALL), first);

    // The refused row is told with every reason.
    let page = PageRequest::new(None, None);
    let batches = overview::batches(&house.app, &steward(), None, &page)
        .await
        .unwrap();
    let (batch, deliveries) = &batches.items[0];
    assert_eq!((batch.rows, batch.refused), (3, 1));
    assert_eq!(deliveries[0].state.name(), "applied");
    let refused = exchange::hub::batch::refused(&house.app, &steward(), &batch.id, &page).await;
    let refused = refused.unwrap().items;
    let reasons: Vec<_> = refused
        .iter()
        .map(|r| (r.row, r.column.as_str(), r.reason.as_str()))
        .collect();
    assert_eq!(
        reasons,
        [
            (3, "born", "exchange-row-date"),
            (3, "money", "exchange-row-number"),
            (3, "sex", "exchange-row-code"),
        ]
    );

    // Changes and a row that is gone.
    sql(
        &from,
        &[
            "UPDATE person SET name = '张大明', changed = 5 WHERE id = 1",
            "UPDATE person SET sex = '女', born = '1980-01-01', money = '1', changed = 6 WHERE id = 3",
            "UPDATE person SET gone = 1, changed = 7 WHERE id = 2",
        ],
    );
    assert_eq!(provider.round(true).await.unwrap().sent, 1);
    assert_eq!(subscriber.round(false).await.unwrap().delivered, 1);
    assert_eq!(
        rows(&to, ALL),
        [
            "1|张大明|M|1990-01-01|12.5",
            "3|王某|F|1980-01-01|1",
            "4|赵六|-|-|-"
        ]
    );
    let today = kernel::clock::local_date(chrono::Utc::now());
    let days = overview::day(&house.app, &steward(), today).await.unwrap();
    let day = &days[0];
    assert_eq!(day.checksum, day.delivered[0].checksum, "{day:?}");
    assert_eq!(
        (day.batches, day.deletes, day.delivered[0].missing),
        (2, 1, 0)
    );
}
