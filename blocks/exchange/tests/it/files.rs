//! Folders of CSV, XLSX and JSON.

use std::sync::Arc;

use exchange::{
    data::Type,
    hub::{batch, overview},
    node::config::Config,
};
use kernel::ManualClock;
use store::{Db, db_test, page::PageRequest};

use crate::house::{CIVIL, House, POLICE, migrations, rows, sqlite, steward};

fn settings(house: &House) -> String {
    format!(
        r#"
        [[publication]]
        code = "firm"
        title = "企业（合成）"
        key = ["code"]
        every_seconds = 0
        source = {{ kind = "folder", path = "{}", encoding = "gb18030" }}
        columns = [
            {{ name = "code", required = true, from = "代码", half_width = true }},
            {{ name = "name", required = true, from = "名称" }},
            {{ name = "since", type = "date", from = "成立日期" }},
        ]
        "#,
        house.file("firms").display()
    )
}

fn target(house: &House) -> String {
    format!(
        r#"
        [[target]]
        publication = "firm"
        connection = "{}"
        table = "firm"
        create = true
        "#,
        sqlite(&house.file("target.db"))
    )
}

fn gb18030(text: &str) -> Vec<u8> {
    encoding_rs::GB18030.encode(text).0.into_owned()
}

#[db_test(migrations = migrations)]
async fn files_of_a_folder_are_taken_once_and_bad_rows_mended(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    std::fs::create_dir(house.file("firms")).unwrap();
    let mut broken = gb18030("代码,名称,成立日期\nＡ１,示范一号（合成）,2020年1月2日\nA2,");
    broken.extend([0xff, 0xff]);
    broken.extend(gb18030(
        ",2021-01-01\nA3,示范三号（合成）,2021-02-30\nA1,重复（合成）,\n",
    ));
    std::fs::write(house.file("firms").join("2026-01.csv"), broken).unwrap();
    // An older file: its row of the same key is not what counts.
    let older = "代码,名称,成立日期\nA1,旧名（合成）,\nA0,零号（合成）,\n";
    std::fs::write(house.file("firms").join("2025-12.csv"), gb18030(older)).unwrap();
    let mut provider = house.node("market", POLICE, &settings(&house)).await;
    let mut subscriber = house.node("tax", CIVIL, &target(&house)).await;
    provider.round(false).await.unwrap();
    house.publish("firm").await;
    house.subscribe("firm", "tax").await;
    provider.round(false).await.unwrap();
    subscriber.round(false).await.unwrap();
    let to = sqlite(&house.file("target.db"));
    let all = "SELECT code, name, since FROM firm ORDER BY code";
    assert_eq!(
        rows(&to, all),
        ["A0|零号（合成）|-", "A1|示范一号（合成）|2020-01-02"]
    );

    let page = PageRequest::new(None, None);
    let batches = overview::batches(&house.app, &steward(), None, &page)
        .await
        .unwrap();
    let refused = batch::refused(&house.app, &steward(), &batches.items[0].0.id, &page).await;
    let reasons: Vec<_> = refused
        .unwrap()
        .items
        .into_iter()
        .map(|r| (r.row, r.reason))
        .collect();
    let told = |row: i64, reason: &str| (row, reason.to_owned());
    assert_eq!(
        reasons,
        [
            told(2, "exchange-row-bytes"),
            told(3, "exchange-row-date"),
            told(4, "exchange-row-repeated")
        ]
    );

    // The same file again says nothing new; JSON is a file as well.
    assert_eq!(provider.round(true).await.unwrap().sent, 0);
    let json = "[{\"代码\":\"B1\",\"名称\":\"乙（合成）\",\"成立日期\":null},{\"代码\":7,\"名称\":\"七（合成）\"}]";
    std::fs::write(house.file("firms").join("2026-02.json"), gb18030(json)).unwrap();
    assert_eq!(provider.round(true).await.unwrap().sent, 1);

    let sheet = include_bytes!("firms.xlsx");
    std::fs::write(house.file("firms").join("2026-03.xlsx"), sheet).unwrap();
    assert_eq!(provider.round(true).await.unwrap().sent, 1);

    // Mended rows come back as an increment.
    let mended = "代码,名称,成立日期,tongban_reason\nA3,示范三号（合成）,2021-02-28,x\n";
    std::fs::write(house.file("mended.csv"), gb18030(mended)).unwrap();
    provider
        .resend("firm", &house.file("mended.csv"))
        .await
        .unwrap();
    for _ in 0..3 {
        subscriber.round(false).await.unwrap();
    }
    assert_eq!(
        rows(&to, all),
        [
            "7|七（合成）|-",
            "A0|零号（合成）|-",
            "A1|示范一号（合成）|2020-01-02",
            "A3|示范三号（合成）|2021-02-28",
            "B1|乙（合成）|-",
            "C1|丙（合成）|2021-01-01"
        ]
    );
}

#[test]
fn settings_tell_what_is_wrong_with_them() {
    let wrong = Config::parse(
        r#"
        [[publication]]
        code = "a b"
        title = "t"
        key = []
        source = { kind = "folder", path = "." }
        columns = [{ name = "x", type = "integer" }]
        [[target]]
        publication = "p"
        connection = ""
        table = "t; DROP TABLE t"
        "#,
    )
    .unwrap();
    assert_eq!(wrong.publications[0].columns[0].kind, Type::Integer);
    let keys: Vec<_> = wrong.findings().iter().map(|f| f.text.key).collect();
    assert_eq!(
        keys,
        ["exchange-key-missing", "exchange-code", "exchange-name"]
    );
    assert!(Config::parse("[[publication]]\nkode = 1").is_err());
}
