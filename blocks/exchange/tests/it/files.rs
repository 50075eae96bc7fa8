//! Folders of CSV, XLSX and JSON.

use std::sync::Arc;

use axum::{body::Body, http::Request};
use exchange::{
    data::Type,
    hub::{batch, overview, publication},
    node::{client::Client, config::Config, send::Sender},
    wire::{Offered, Signed, action},
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

/// What an office program would compute is written so that it does not, and comes back as it was.
#[db_test(migrations = migrations)]
async fn refused_rows_come_back_as_they_went(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    std::fs::create_dir(house.file("firms")).unwrap();
    let file = "代码,名称,成立日期\n-7,=HYPERLINK(合成),2021-02-30\nA8,'引号（合成）,2021-02-30\n";
    std::fs::write(house.file("firms").join("1.csv"), gb18030(file)).unwrap();
    let mut provider = house.node("market", POLICE, &settings(&house)).await;
    let mut subscriber = house.node("tax", CIVIL, &target(&house)).await;
    provider.round(false).await.unwrap();
    house.publish("firm").await;
    house.subscribe("firm", "tax").await;
    provider.round(false).await.unwrap();
    let page = PageRequest::new(None, None);
    let batches = overview::batches(&house.app, &steward(), None, &page).await;
    let id = &batches.unwrap().items[0].0.id;
    let request = Request::get(format!("/api/exchange/batches/{id}/refused.csv"));
    let request = request.body(Body::empty()).unwrap();
    let (status, table) = house.ask(&steward(), request).await;
    assert_eq!(status, 200);
    assert!(table.starts_with('\u{feff}'), "{table}");
    assert!(
        table.contains("\n'-7,'=HYPERLINK(合成),2021-02-30"),
        "{table}"
    );
    let mended = table.replace("2021-02-30", "2021-02-28");
    std::fs::write(house.file("mended.csv"), mended).unwrap();
    provider
        .resend("firm", &house.file("mended.csv"))
        .await
        .unwrap();
    for _ in 0..3 {
        subscriber.round(false).await.unwrap();
    }
    assert_eq!(
        rows(
            &sqlite(&house.file("target.db")),
            "SELECT code, name, since FROM firm ORDER BY code"
        ),
        [
            "-7|=HYPERLINK(合成)|2021-02-28",
            "A8|'引号（合成）|2021-02-28"
        ]
    );
}

/// One publication is suspended while its batch is half way; the node's others go on.
#[db_test(migrations = migrations)]
async fn a_closed_publication_does_not_hold_others_up(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let settings: Vec<String> = ["a", "b"]
        .iter()
        .map(|code| {
            std::fs::create_dir(house.file(code)).unwrap();
            format!(
                "[[publication]]\ncode = \"{code}\"\ntitle = \"示范（合成）\"\nkey = [\"id\"]\n\
                 every_seconds = 0\nsource = {{ kind = \"folder\", path = \"{}\" }}\n\
                 columns = [{{ name = \"id\", required = true }}]\n",
                house.file(code).display()
            )
        })
        .collect();
    let mut node = house.node("market", POLICE, &settings.join("\n")).await;
    node.round(false).await.unwrap();
    house.publish("a").await;
    house.publish("b").await;

    // Read and offered, and then the line broke.
    std::fs::write(house.file("a").join("1.csv"), "id\n1\n").unwrap();
    let membership = node.folder.membership().unwrap();
    let mut client = Client::member(&node.folder, &membership).unwrap();
    let sender = Sender {
        folder: &node.folder,
        membership: &membership,
        config: &node.config,
        state: node.state(),
    };
    let publication = &node.config.publications[0];
    let standing = sender.announce(&mut client, publication).await.unwrap();
    let read = sender.read(&mut client, publication, &standing, false);
    assert!(read.await.unwrap());
    let row = node.state().unsent().await.unwrap().remove(0);
    let offered = Signed {
        text: row.manifest,
        signature: row.manifest_signature,
    };
    let _: Offered = client.act(action::OFFER, &offered).await.unwrap();
    publication::set_open(&house.app, &steward(), "a", false)
        .await
        .unwrap();

    std::fs::write(house.file("b").join("1.csv"), "id\n2\n").unwrap();
    let trouble = node.round(false).await.unwrap_err().to_string();
    assert!(trouble.contains("not open"), "{trouble}");
    let accepted = async |code: &str| {
        let page = PageRequest::new(None, None);
        let found = overview::batches(&house.app, &steward(), Some(code), &page).await;
        let found = found.unwrap().items;
        found.iter().filter(|(batch, _)| batch.is_accepted).count()
    };
    assert_eq!((accepted("a").await, accepted("b").await), (0, 1));
    std::fs::write(house.file("mended.csv"), "id\n3\n").unwrap();
    node.resend("b", &house.file("mended.csv")).await.unwrap();
    house.publish("a").await;
    node.round(false).await.unwrap();
    assert_eq!((accepted("a").await, accepted("b").await), (1, 2));
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
