//! The outcome: three departments with `PostgreSQL`, `MariaDB` and a folder of GB18030 CSV and XLSX; a
//! fourth asks, is granted, and gets rows; lake and registries follow; everybody sees what he may.

use std::sync::Arc;

use exchange::node::run::Node;
use flow::{
    feed::{Feed, Gone},
    trace::{self, Resource},
};
use futures::StreamExt;
use identity::Actor;
use kernel::ManualClock;
use registry::record::act::{View, view_by_key};
use store::{Db, db_test, page::PageRequest};

use crate::{
    house::{
        BY_MARKET, BY_POLICE, BY_SOCIAL, House, MARKET, PEOPLE, POLICE, SOCIAL, URBAN, entry,
        migrations, odbc, people, people_settings, rows, sql, target,
    },
    stuck::{feed, of_people},
};

/// The ODBC connection of the test server of PostgreSQL; an SQLite file where there is none.
fn postgres(house: &House) -> String {
    let read = || {
        let url = std::env::var("TONGBAN_TEST_POSTGRES").ok()?;
        let rest = url.strip_prefix("postgres://")?.to_owned();
        let (user, rest) = rest.split_once('@')?;
        let (address, database) = rest.split_once('/')?;
        let (host, port) = address.split_once(':').unwrap_or((address, "5432"));
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        Some(format!(
            "Driver={{PostgreSQL ANSI}};Server={host};Port={port};Database={database};UID={user};PWD={password};ConnSettings=SET client_encoding TO 'UTF8'"
        ))
    };
    read().unwrap_or_else(|| {
        eprintln!("TONGBAN_TEST_POSTGRES is not set: the police have SQLite");
        house.sqlite("police.db")
    })
}

fn mariadb(house: &House) -> String {
    std::env::var("TONGBAN_TEST_MARIADB").unwrap_or_else(|_| {
        eprintln!("TONGBAN_TEST_MARIADB is not set: social security has SQLite");
        house.sqlite("social.db")
    })
}

struct City {
    house: House,
    police_db: String,
    person: String,
    social_db: String,
    employed: String,
    police: Node,
    social: Node,
    market: Node,
}

const FIRMS: [(&str, &str); 2] = [
    ("913210029910000195", "合成·示范1号餐饮管理有限公司"),
    ("913210029910000270", "合成·示范2号面馆"),
];

impl City {
    async fn open(db: Db, clock: &Arc<ManualClock>) -> Self {
        let house = House::open(db, clock).await;
        let mark = kernel::id::new_v7(chrono::Utc::now()).simple().to_string();
        let (person, employed) = (format!("person_{mark}"), format!("employed_{mark}"));
        let (police_db, social_db) = (postgres(&house), mariadb(&house));
        fill_police(&police_db, &person);
        fill_social(&social_db, &employed);
        fill_market(&house);
        let police = police(&house, &police_db, &person).await;
        let social = social(&house, &social_db, &employed).await;
        let market = market(&house).await;
        Self {
            house,
            police_db,
            person,
            social_db,
            employed,
            police,
            social,
            market,
        }
    }

    async fn round(&mut self) {
        for node in [&mut self.police, &mut self.social, &mut self.market] {
            node.round(true).await.unwrap();
        }
        self.house.settle().await;
    }

    async fn seen(&self, publication: &str) -> Resource {
        let steward = self.house.officer("steward").await;
        let page = PageRequest::new(None, None);
        trace::resource(&self.house.app, &steward, publication, &page)
            .await
            .unwrap()
    }

    async fn person(&self, number: &str) -> View {
        let examiner = self.house.officer("city-police-examiner").await;
        let purpose = "核对流转结果";
        view_by_key(
            &self.house.app,
            &examiner,
            "population",
            number,
            purpose,
            true,
        )
        .await
        .unwrap()
    }

    async fn says(&self, number: &str, field: &str) -> (String, String) {
        let view = self.person(number).await;
        let told = &view.folded.fields[field].told;
        let text = told.value.text(view.declaration.field(field).unwrap());
        (text, told.source.clone())
    }

    fn close(&self) {
        let drop = |table: &String| format!("DROP TABLE {table}");
        sql(&self.police_db, &[drop(&self.person)]);
        sql(&self.social_db, &[drop(&self.employed)]);
    }
}

fn fill_police(connection: &str, table: &str) {
    let mut all = vec![format!(
        "CREATE TABLE {table} (gmsfhm VARCHAR(18) PRIMARY KEY, xm VARCHAR(100), xbdm VARCHAR(10), csrq DATE, hjdz VARCHAR(200), changed BIGINT, gone INT)"
    )];
    for (place, (number, name)) in PEOPLE.iter().enumerate() {
        all.push(format!(
            "INSERT INTO {table} VALUES ('{number}', '{name}', '2', '1990-02-0{}', '云港市甲区{place}号', 1, 0)",
            place + 1
        ));
    }
    // A sex that is no code, and a number with a wrong check character.
    all.push(format!(
        "INSERT INTO {table} VALUES ('330000198702274499', '合成·钱五', '7', '1987-02-27', NULL, 1, 0)"
    ));
    all.push(format!(
        "INSERT INTO {table} VALUES ('340000199612279881', '合成·孙六', '1', '1996-12-27', NULL, 2, 0)"
    ));
    sql(connection, &all);
}

fn fill_social(connection: &str, table: &str) {
    let mut all = vec![format!(
        "CREATE TABLE {table} (gmsfhm VARCHAR(18) PRIMARY KEY, xm VARCHAR(100), cyzk VARCHAR(2), lxdh VARCHAR(20), changed BIGINT, gone INT)"
    )];
    for (place, (number, name)) in PEOPLE.iter().take(2).enumerate() {
        all.push(format!(
            "INSERT INTO {table} VALUES ('{number}', '{name}儿', '24', '1390000000{place}', 1, 0)"
        ));
    }
    sql(connection, &all);
}

fn gb18030(text: &str) -> Vec<u8> {
    encoding_rs::GB18030.encode(text).0.into_owned()
}

/// One file of each kind; one row has a day that does not exist, one a wrong code.
fn fill_market(house: &House) {
    std::fs::create_dir(house.file("firms")).unwrap();
    let (code, name) = FIRMS[0];
    let text = format!(
        "代码,名称,类别,成立日期\n{code},{name},10,2020年1月2日\n913210039910000359,合成·坏日期,10,2021-02-30\n"
    );
    std::fs::write(house.file("firms").join("1.csv"), gb18030(&text)).unwrap();
    let (code, name) = FIRMS[1];
    let sheet = [
        ["代码", "名称", "类别", "成立日期"],
        [code, name, "11", "2021-03-04"],
        ["913210029910000271", "合成·坏代码", "11", ""],
    ];
    let sheet = sheet.map(|row| row.map(str::to_owned).to_vec());
    let sheet = sheet::xlsx("firms", sheet).unwrap();
    std::fs::write(house.file("firms").join("2.xlsx"), sheet).unwrap();
}

async fn open(house: &House, node: &mut Node, code: &str) {
    assert_eq!(node.round(false).await.unwrap().sent, 0);
    house.open_publication(code).await.unwrap();
    house.settle().await;
}

async fn police(house: &House, connection: &str, table: &str) -> Node {
    let (_, code) = house.published(&BY_POLICE, people()).await;
    let settings = people_settings(&code, &odbc(connection, table));
    let mut node = house.node("police-1", POLICE, &settings).await;
    open(house, &mut node, "hukou").await;
    feed(house, of_people("police")).await;
    node
}

async fn social(house: &House, connection: &str, table: &str) -> Node {
    let items = [
        ["公民身份号码", "gmsfhm", "C", "18", "4", ""],
        ["姓名", "xm", "C", "100", "3", ""],
        ["从业状况", "cyzk", "C", "2", "3", "occupation"],
        ["联系电话", "lxdh", "C", "20", "3", ""],
    ];
    let described = entry("101003", "就业登记流转（合成）", SOCIAL, &items);
    let (_, code) = house.published(&BY_SOCIAL, described).await;
    let source = odbc(connection, table);
    let settings = format!(
        r#"
        [[publication]]
        code = "employed"
        resource = "{code}"
        title = "就业登记（合成）"
        key = ["gmsfhm"]
        every_seconds = 0
        source = {source}
        columns = [
            {{ name = "gmsfhm", length = 18, required = true }},
            {{ name = "xm", length = 100 }},
            {{ name = "cyzk", length = 2 }},
            {{ name = "lxdh", length = 20 }},
        ]
        "#
    );
    let mut node = house.node("social-1", SOCIAL, &settings).await;
    open(house, &mut node, "employed").await;
    let fields = ["gmsfhm", "xm", "cyzk", "lxdh"];
    let employed = Feed {
        registry: "population".into(),
        publication: "employed".into(),
        source: "human-resources".into(),
        fields: fields.map(|f| (f.to_owned(), f.to_owned())).into(),
        gone: Gone::Retract,
    };
    feed(house, employed).await;
    node
}

async fn market(house: &House) -> Node {
    let items = [
        ["统一社会信用代码", "uniscid", "C", "18", "1", ""],
        ["企业名称", "entname", "C", "200", "1", ""],
        ["主体类别", "entkind", "C", "2", "1", "entity_kind"],
        ["成立日期", "estdate", "D", "", "1", ""],
    ];
    let described = entry("102001", "市场主体流转（合成）", MARKET, &items);
    let (_, code) = house.published(&BY_MARKET, described).await;
    let path = house.file("firms").display().to_string();
    let settings = format!(
        r#"
        [[publication]]
        code = "firms"
        resource = "{code}"
        title = "市场主体（合成）"
        key = ["uniscid"]
        every_seconds = 0
        source = {{ kind = "folder", path = "{path}", encoding = "gb18030" }}
        columns = [
            {{ name = "uniscid", from = "代码", length = 18, required = true }},
            {{ name = "entname", from = "名称", required = true }},
            {{ name = "entkind", from = "类别" }},
            {{ name = "estdate", from = "成立日期", type = "date" }},
        ]
        "#
    );
    let mut node = house.node("market-1", MARKET, &settings).await;
    open(house, &mut node, "firms").await;
    let fields = ["uniscid", "entname", "entkind"];
    let firms = Feed {
        registry: "legal_entity".into(),
        publication: "firms".into(),
        source: "market-regulation".into(),
        fields: fields.map(|f| (f.to_owned(), f.to_owned())).into(),
        gone: Gone::Keep,
    };
    feed(house, firms).await;
    node
}

/// Inserted, updated, refused of the newest batch at its registry.
fn fed(resource: &Resource) -> (i64, i64, i64) {
    let loaded = resource.journeys[0].registries[0].1.as_ref().unwrap();
    (loaded.inserted, loaded.updated, loaded.refused)
}

fn kept(resource: &Resource) -> (i64, i64) {
    let lake = resource.journeys[0].lake.as_ref().unwrap();
    assert_eq!(lake.state, "loaded", "{lake:?}");
    (lake.good, lake.bad)
}

async fn count(house: &House, table: &str) -> String {
    let question = lake::Question {
        sql: format!("SELECT count(*) FROM {table}"),
        purpose: "清点".into(),
        as_of: None,
        door: lake::Door::Api,
        most: 10,
    };
    let supervisor = house.officer("supervisor").await;
    let mut answer = lake::ask(&house.app, &supervisor, &question).await.unwrap();
    let mut cells = Vec::new();
    while let Some(batch) = answer.rows.next().await {
        for row in lake::cell::rows(&batch.unwrap()).unwrap() {
            cells.push(row[0].to_string());
        }
    }
    cells.join(",")
}

#[db_test(migrations = migrations)]
async fn one_flow_from_three_departments_to_the_citizens_page(db: Db, clock: Arc<ManualClock>) {
    let mut city = City::open(db, &clock).await;
    city.round().await;

    // Everything in full: the lake sets a wrong code aside, registries refuse wrong numbers.
    let hukou = city.seen("hukou").await;
    assert_eq!((kept(&hukou), fed(&hukou)), ((5, 1), (4, 0, 1)));
    let employed = city.seen("employed").await;
    assert_eq!((kept(&employed), fed(&employed)), ((2, 0), (0, 2, 0)));
    let firms = city.seen("firms").await;
    assert_eq!(firms.sum.refused, 1, "the day that does not exist");
    assert_eq!((kept(&firms), fed(&firms)), ((3, 0), (2, 0, 1)));
    assert_eq!(count(&city.house, "ods_hukou").await, "5");

    // Field by field: the police are right about names, social security about work.
    let zhang = PEOPLE[0].0;
    let told = |text: &str, source: &str| (text.to_owned(), source.to_owned());
    assert_eq!(city.says(zhang, "xm").await, told("合成·张一", "police"));
    assert_eq!(
        city.says(zhang, "cyzk").await,
        told("24", "human-resources")
    );
    assert_eq!(
        city.says(zhang, "hjdz").await,
        told("云港市甲区0号", "police")
    );

    // Another department asks, is granted, and gets what it was granted.
    let code = hukou.publication.resource.clone();
    let items = ["公民身份号码", "姓名"];
    let grant = city.house.granted(&BY_POLICE, &code, &items, "").await;
    let to = city.house.sqlite("urban.db");
    let mut urban = city
        .house
        .node("urban-1", URBAN, &target("hukou", &to, "person"))
        .await;
    city.house.settle().await;
    city.round().await;
    urban.round(false).await.unwrap();
    assert_eq!(rows(&to, "SELECT * FROM person").len(), 6);
    // The full batch that began it changed nothing in lake and registry.
    let hukou = city.seen("hukou").await;
    assert_eq!(kept(&hukou), (5, 1));
    assert!(
        hukou.journeys[0].registries[0].1.is_none(),
        "nothing changed"
    );
    assert_eq!(hukou.readers[0].grant.as_ref().unwrap().id, grant);

    increments(&mut city, &mut urban, &to).await;
    pages(&city).await;
    city.close();
}

/// Changes, a row that is gone, a mended one; the hub restarts in between.
async fn increments(city: &mut City, urban: &mut Node, to: &str) {
    let (zhang, zhao) = (PEOPLE[0].0, PEOPLE[3].0);
    let person = city.person.clone();
    sql(
        &city.police_db,
        &[
            format!(
                "UPDATE {person} SET hjdz = '云港市乙区新址', changed = 5 WHERE gmsfhm = '{zhang}'"
            ),
            format!("UPDATE {person} SET gone = 1, changed = 6 WHERE gmsfhm = '{zhao}'"),
            format!("UPDATE {person} SET xbdm = '1', changed = 7 WHERE xm = '合成·钱五'"),
        ],
    );
    city.police.round(true).await.unwrap();
    city.house.restart().await;
    city.house.settle().await;
    city.house.restart().await;
    city.house.settle().await;
    urban.round(false).await.unwrap();
    let hukou = city.seen("hukou").await;
    assert_eq!(hukou.journeys[0].sent.deletes, 1);
    // A node reads rows with its last mark again: three changed, and one comes once more.
    assert_eq!(kept(&hukou), (4, 0));
    assert_eq!(fed(&hukou), (1, 2, 0));
    assert_eq!(count(&city.house, "ods_hukou").await, "5");
    assert_eq!(rows(to, "SELECT * FROM person").len(), 5);
    let told = |text: &str| (text.to_owned(), "police".to_owned());
    assert_eq!(city.says(zhang, "hjdz").await, told("云港市乙区新址"));
    // What the police took back is gone, but a record cannot be without a name.
    let gone = city.person(zhao).await;
    assert!(!gone.folded.fields.contains_key("hjdz"));
    assert!(gone.folded.fields.contains_key("xm"));
    // The lake still knows how it was.
    let before = hukou
        .journeys
        .last()
        .unwrap()
        .lake
        .as_ref()
        .unwrap()
        .version;
    let columns = ["xm".to_owned()];
    let before = u64::try_from(before).unwrap();
    let system = Actor::system();
    let span = (None, before);
    let mut then = lake::change::changes(&city.house.app, &system, "ods_hukou", &columns, span)
        .await
        .unwrap();
    let mut count = 0;
    while let Some(batch) = then.rows.next().await {
        count += batch.unwrap().num_rows();
    }
    assert_eq!(count, 5, "with whom is gone now");
}

async fn pages(city: &City) {
    let house = &city.house;
    let steward = house.officer("steward").await;
    let (status, list) = house.get(&steward, "/work/flow").await;
    assert_eq!(status, 200);
    for title in ["户籍人口（合成）", "就业登记（合成）", "市场主体（合成）"]
    {
        assert!(list.contains(title), "{list}");
    }
    let (status, page) = house.get(&steward, "/work/flow/hukou").await;
    assert_eq!(status, 200);
    for word in [
        "户籍登记流转（合成）",
        "ods_hukou",
        "户外招牌审批核验",
        "云港市城市管理局",
    ] {
        assert!(page.contains(word), "{word}: {page}");
    }

    // What was refused, and why, for people of the department only.
    let firms = city.seen("firms").await;
    let batch = firms.journeys.last().unwrap().sent.id.clone();
    let refused = format!("/work/flow/batches/{batch}/registries/legal_entity/refused");
    let own = house.officer("food").await;
    let (status, page) = house.get(&own, &refused).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("913210029910000271"), "{page}");
    let (status, file) = house.get(&own, &format!("{refused}.csv")).await;
    assert_eq!(status, 200);
    assert!(
        file.contains("913210029910000271") && file.contains("uniscid"),
        "{file}"
    );
    assert_eq!(
        house.get(&steward, &refused).await.0,
        403,
        "of another department"
    );

    // Where a record's values came from, with the signatures looked at.
    let zhang = PEOPLE[0].0;
    let record = city.person(zhang).await.row.id;
    let path = format!("/work/data/population/{record}/origin");
    let (status, page) = house.get(&steward, &path).await;
    assert_eq!(status, 200, "{page}");
    for word in ["police-1", "social-1", "云港市公安局", "验证通过"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    assert!(!page.contains("验证不通过"));

    // The citizen sees who used her data.
    let citizen = house.citizen("zhang").await;
    let (status, page) = house.get(&citizen, "/mine/data-use").await;
    assert_eq!(status, 200, "{page}");
    for word in [
        "核对流转结果",
        "云港市城市管理局",
        "户外招牌审批核验",
        "还在继续",
        "清点",
    ] {
        assert!(page.contains(word), "{word}: {page}");
    }
    assert!(!page.contains(zhang), "numbers stay masked");
    assert_eq!(house.get(&steward, "/mine/data-use").await.0, 403);
}
