//! The demo city with its data blocks assembled, a hub that listens, and departments' nodes.

use std::{path::PathBuf, sync::Arc};

use axum::{Extension, Router, body::Body, http::Request};
use catalog::{Item, Metadata, request::Ask, resource::act as entries};
use chrono::Utc;
use exchange::{
    Keys,
    hub::{enrolment::Invitation, publication},
    node::{config::Config, enrol, run::Node},
};
use http_body_util::BodyExt;
use identity::{Actor, Gate, directory};
use kernel::ManualClock;
use serde_json::{Map, Value, json};
use store::{Blobs, Consumer, Db, Handler, page::PageRequest};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use web::{App, Texts, module::Foundation};
use workflow::{Completion, Filter};

pub const POLICE: &str = "113210009900000767";
pub const SOCIAL: &str = "113210009900000842";
pub const MARKET: &str = "11321000990000033R";
pub const URBAN: &str = "11321000990000041L";

pub struct House {
    pub app: App,
    pub db: Db,
    pub dir: tempfile::TempDir,
    pub url: String,
    routes: Router,
    consumers: Vec<Arc<dyn Consumer>>,
    jobs: Vec<Arc<dyn Handler>>,
    address: std::net::SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

fn foundations() -> Vec<Foundation> {
    vec![
        web::foundation(),
        identity::foundation(),
        forms::foundation(),
        registry::foundation(),
        workflow::foundation(),
        credential::foundation(),
        notify::foundation(),
        catalog::foundation(),
        exchange::foundation(),
        lake::foundation(),
        flow::foundation(),
        pack::foundation(),
        datahub::foundation(),
    ]
}

pub fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
    let all = foundations().into_iter().flat_map(|f| f.migrations);
    all.collect()
}

fn texts() -> Texts {
    let own = foundations().into_iter().flat_map(|f| f.texts.iter());
    let base = [kernel::TEXTS, sheet::TEXTS, store::TEXTS]
        .into_iter()
        .flatten();
    Texts::new(own.chain(base).copied())
}

impl House {
    pub async fn open(db: Db, clock: &Arc<ManualClock>) -> Self {
        Self::open_with(db, clock, lake::Settings::default()).await
    }

    /// Tests' time stands still at the real moment, because TLS looks at the real clock. The lake's
    /// files without a name are in the folder `nameless`, apart from its tables.
    pub async fn open_with(db: Db, clock: &Arc<ManualClock>, lake: lake::Settings) -> Self {
        clock.set(Utc::now());
        let dir = tempfile::tempdir().unwrap();
        let app = App::new(db.clone(), web::Settings::default(), texts());
        app.put(Blobs::folder(dir.path().join("blobs")).unwrap());
        app.put(Keys(dir.path().join("keys")));
        app.put(exchange::Settings::default());
        app.put(credential::Settings {
            keys: dir.path().join("keys"),
            demo: true,
        });
        let lake = lake::Settings {
            place: dir.path().join("lake").to_string_lossy().into_owned(),
            ..lake
        };
        let nameless = dir.path().join("nameless");
        std::fs::create_dir(&nameless).unwrap();
        app.put(lake::Lake::open(db.clone(), lake, &nameless).unwrap());
        let modules = vec![
            identity::module(&app).unwrap(),
            forms::module(&app).unwrap(),
            registry::module(&app).unwrap(),
            workflow::module(&app).unwrap(),
            credential::module(&app).unwrap(),
            catalog::module(&app).unwrap(),
            exchange::module(&app).unwrap(),
            lake::module(&app).unwrap(),
            flow::module(&app).unwrap(),
            pack::module(&app).unwrap(),
            datahub::module(&app).unwrap(),
        ];
        let policies: Vec<_> = modules.iter().flat_map(|m| m.policies.clone()).collect();
        app.part::<Gate>().unwrap().load(policies).unwrap();
        let consumers = modules.iter().flat_map(|m| m.consumers.clone());
        // Other consumers have nothing to do with data.
        let consumers = consumers.filter(|c| c.name() == "flow").collect();
        let jobs = modules.iter().flat_map(|m| m.jobs.clone()).collect();
        let routes = web::server::router(&app, modules, |router| router);
        for name in ["base-cn", "demo-city"]
            .into_iter()
            .chain(datahub::demo::PACKS)
        {
            let source = pack::Source::embedded(name).unwrap();
            pack::install(&app, &source).await.unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self {
            url: format!("https://127.0.0.1:{}", address.port()),
            serving: serve(&app, listener),
            app,
            db,
            dir,
            routes,
            consumers,
            jobs,
            address,
        }
    }

    /// Stops listening, in the middle of whatever it is doing, and listens again.
    pub async fn restart(&mut self) {
        self.serving.abort();
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        self.serving = serve(&self.app, listener);
    }

    /// What becomes of a job whose worker dies at each try.
    pub async fn dies_at(&self, kind: &str, clock: &ManualClock) {
        store::work::settle(&self.db, &self.consumers, &[])
            .await
            .unwrap();
        let handler = self.jobs.iter().find(|job| job.kind() == kind).unwrap();
        let worker = store::Worker::new(std::slice::from_ref(handler));
        for _ in 0..store::GIVE_UP_AFTER {
            assert_eq!(worker.claim(&self.db, 1).await.unwrap().len(), 1);
            clock.advance(chrono::Duration::minutes(2));
        }
        assert_eq!(worker.run_due(&self.db).await.unwrap(), 1);
    }

    /// What events and jobs lead to.
    pub async fn settle(&self) {
        store::work::settle(&self.db, &self.consumers, &self.jobs)
            .await
            .unwrap();
    }

    pub async fn officer(&self, login: &str) -> Actor {
        let user = directory::user_by_name(self.db.read(), login)
            .await
            .unwrap();
        let user = user.unwrap_or_else(|| panic!("no {login}"));
        Actor {
            posts: directory::posts_of(self.db.read(), user.id).await.unwrap(),
            user: user.id,
            name: user.name,
            ..Actor::system()
        }
    }

    pub async fn citizen(&self, login: &str) -> Actor {
        let user = directory::user_by_name(self.db.read(), login)
            .await
            .unwrap();
        let user = user.unwrap();
        let party = directory::party(self.db.read(), user.party.unwrap()).await;
        Actor {
            user: user.id,
            name: user.name,
            own: Some(party.unwrap()),
            assurance: 2,
            ..Actor::system()
        }
    }

    /// Completes the one open task about a subject.
    pub async fn decide(&self, login: &str, subject: &str, outcome: &str) {
        let actor = self.officer(login).await;
        let filter = Filter {
            subject: Some(subject.to_owned()),
            ..Filter::default()
        };
        let page = PageRequest::new(None, None);
        let tasks = workflow::tasks(&self.db, &filter, &page).await.unwrap();
        let [task] = tasks.items.as_slice() else {
            panic!("{:?}", tasks.items);
        };
        let (id, officer) = (task.facts.task, workflow::Officer::from(&actor));
        let engine = self.app.part::<workflow::Engine>().unwrap();
        let vars = json!({"outcome": outcome, "opinion": "同意"});
        let vars: Map<String, Value> = vars.as_object().unwrap().clone();
        self.db
            .write(move |tx| {
                let (engine, officer) = (engine.clone(), officer.clone());
                let done = Completion {
                    vars: vars.clone(),
                    next: None,
                };
                async move {
                    workflow::complete_choosing(&tx, &engine, id, &officer, None, done).await
                }
            })
            .await
            .unwrap();
    }

    /// An entry that went all the way: its id and code.
    pub async fn published(&self, by: &Department, entry: Metadata) -> (String, String) {
        let writer = self.officer(by.examiner).await;
        let id = entries::create(&self.app, &writer, entry).await.unwrap();
        let code = self.publish_entry(by, &id).await;
        (id, code)
    }

    /// Submits the working copy, and has it published; answers its code.
    pub async fn publish_entry(&self, by: &Department, id: &str) -> String {
        let writer = self.officer(by.examiner).await;
        let row = entries::get(&self.app, &writer, id).await.unwrap().row;
        entries::submit(&self.app, &writer, id, row.version)
            .await
            .unwrap();
        let subject = format!("catalog:{id}");
        self.decide(by.approver, &subject, "agree").await;
        self.decide("steward", &subject, "agree").await;
        let row = entries::get(&self.app, &writer, id).await.unwrap().row;
        row.code.unwrap()
    }

    /// A request of the urban management for these items, granted by everybody: its number.
    pub async fn granted(&self, by: &Department, code: &str, items: &[&str], rows: &str) -> String {
        let asker = self.officer("urban").await;
        let today = self.app.clock().today();
        let ask = Ask {
            items: items.iter().map(|&item| item.to_owned()).collect(),
            rows: rows.into(),
            basis: "《示范条例（合成）》第二条".into(),
            purpose: "户外招牌审批核验".into(),
            users: "招牌审批系统".into(),
            mode: "1".into(),
            starts_on: Some(today),
            ends_on: Some(today + chrono::Days::new(30)),
            responsible: "王明（合成）".into(),
            contact: "13800138000".into(),
            ..Ask::default()
        };
        let id = catalog::request::act::ask(&self.app, &asker, code, URBAN, &ask)
            .await
            .unwrap();
        let subject = format!("catalog-request:{id}");
        self.decide("urban-chief", &subject, "agree").await;
        self.decide("steward", &subject, "agree").await;
        self.decide(by.approver, &subject, "agree").await;
        id
    }

    pub async fn node(&self, node: &str, org: &str, config: &str) -> Node {
        let invitation = Invitation {
            node: node.into(),
            title: "示范前置机（合成）".into(),
            org: org.into(),
        };
        let steward = self.officer("steward").await;
        let code = exchange::hub::enrolment::invite(&self.app, &steward, &invitation)
            .await
            .unwrap();
        let folder = exchange::node::Folder(self.dir.path().join(node));
        enrol::enrol(&folder, &self.url, &code).await.unwrap();
        Node::open(folder, Config::parse(config).unwrap())
            .await
            .unwrap()
    }

    pub async fn open_publication(&self, code: &str) -> kernel::Result<()> {
        let steward = self.officer("steward").await;
        publication::set_open(&self.app, &steward, code, true)
            .await
            .map(drop)
    }

    /// Status and body of a page or an answer.
    pub async fn get(&self, actor: &Actor, path: &str) -> (u16, String) {
        let request = Request::get(path).header("accept-language", "zh-CN");
        self.ask(actor, request.body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, actor: &Actor, path: &str) -> (u16, String) {
        let request = Request::post(path)
            .header("accept-language", "zh-CN")
            .header("content-type", "application/x-www-form-urlencoded");
        self.ask(actor, request.body(Body::empty()).unwrap()).await
    }

    async fn ask(&self, actor: &Actor, request: Request<Body>) -> (u16, String) {
        let router = self.routes.clone().layer(Extension(actor.clone()));
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn sqlite(&self, name: &str) -> String {
        let file = self.file(name);
        format!("Driver=SQLite3;Database={};Timeout=10000", file.display())
    }

    /// Runs a statement at the hub's own database, as a crash or an operator might leave it.
    pub async fn tamper(&self, statement: &'static str) {
        use sea_orm::ConnectionTrait;
        let done = self.db.write(move |tx| async move {
            tx.execute_unprepared(statement)
                .await
                .map_err(|e| kernel::Fault::caused_by("tamper", e))?;
            Ok(())
        });
        done.await.unwrap();
    }
}

fn serve(app: &App, listener: TcpListener) -> tokio::task::JoinHandle<()> {
    let app = app.clone();
    let stop = CancellationToken::new();
    tokio::spawn(async move { exchange::hub::serve(app, listener, stop).await.unwrap() })
}

/// Who writes and who approves at a department.
#[derive(Clone, Copy)]
pub struct Department {
    pub examiner: &'static str,
    pub approver: &'static str,
}

pub const BY_POLICE: Department = Department {
    examiner: "city-police-examiner",
    approver: "city-police-approver",
};
pub const BY_SOCIAL: Department = Department {
    examiner: "city-social-examiner",
    approver: "city-social-approver",
};
pub const BY_MARKET: Department = Department {
    examiner: "food",
    approver: "food-chief",
};

/// `name field type length level code_table`, the first being the key.
pub fn entry(class: &str, name: &str, provider: &str, items: &[[&str; 6]]) -> Metadata {
    let items = items.iter().enumerate().map(|(place, item)| Item {
        name: item[0].into(),
        field: item[1].into(),
        kind: item[2].into(),
        length: item[3].into(),
        level: item[4].into(),
        code_table: item[5].into(),
        is_key: place == 0,
        ..Item::default()
    });
    Metadata {
        class: class.into(),
        name: name.into(),
        provider: provider.into(),
        summary: "为数据流转准备的合成数据资源，覆盖全市，每日更新。".into(),
        format_class: "3".into(),
        format_type: "PostgreSQL".into(),
        items: items.collect(),
        share_type: "2".into(),
        share_condition: "用于行政审批核验".into(),
        share_scope: "市级行政审批部门".into(),
        share_mode: "1".into(),
        share_mode_type: "1".into(),
        cycle: "2".into(),
        ..Metadata::default()
    }
}

pub fn people() -> Metadata {
    let items = [
        ["公民身份号码", "gmsfhm", "C", "18", "4", ""],
        ["姓名", "xm", "C", "100", "3", ""],
        ["性别", "xbdm", "C", "1", "", "sex"],
        ["出生日期", "csrq", "D", "", "3", ""],
        ["户籍地址", "hjdz", "C", "200", "3", ""],
    ];
    entry("101001", "户籍登记流转（合成）", POLICE, &items)
}

/// A node's settings for people; `source` is the source's own.
pub fn people_settings(resource: &str, source: &str) -> String {
    format!(
        r#"
        [limits]
        chunk_bytes = 2048
        [[publication]]
        code = "hukou"
        resource = "{resource}"
        title = "户籍人口（合成）"
        key = ["gmsfhm"]
        every_seconds = 0
        source = {source}
        columns = [
            {{ name = "gmsfhm", title = "公民身份号码", length = 18, required = true }},
            {{ name = "xm", title = "姓名", length = 100, required = true }},
            {{ name = "xbdm", title = "性别", length = 1 }},
            {{ name = "csrq", title = "出生日期", type = "date" }},
            {{ name = "hjdz", title = "户籍地址", length = 200 }},
        ]
        "#
    )
}

/// A table of a database as a node reads it.
pub fn odbc(connection: &str, table: &str) -> String {
    format!(
        r#"{{ kind = "odbc", connection = "{connection}", table = "{table}", watermark = "changed", overlap = 0, deleted = "gone = 1" }}"#
    )
}

/// Runs statements at a database over ODBC.
pub fn sql(connection: &str, statements: &[String]) {
    let connection = exchange::node::source::odbc::connect(connection).unwrap();
    for statement in statements {
        connection
            .execute(statement, (), None)
            .unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
}

/// All rows of a query, cells joined by `|`.
pub fn rows(connection: &str, query: &str) -> Vec<String> {
    use arrow_odbc::odbc_api::{Cursor, ResultSetMetadata};
    let connection = exchange::node::source::odbc::connect(connection).unwrap();
    let mut cursor = connection.execute(query, (), None).unwrap().unwrap();
    let columns = u16::try_from(cursor.num_result_cols().unwrap()).unwrap();
    let mut all = Vec::new();
    while let Some(mut row) = cursor.next_row().unwrap() {
        let cells = (1..=columns).map(|column| {
            let mut text = Vec::new();
            let is_there = row.get_text(column, &mut text).unwrap();
            if is_there {
                String::from_utf8(text).unwrap()
            } else {
                "-".into()
            }
        });
        all.push(cells.collect::<Vec<_>>().join("|"));
    }
    all
}

pub fn target(publication: &str, connection: &str, table: &str) -> String {
    format!(
        r#"
        [[target]]
        publication = "{publication}"
        connection = "{connection}"
        table = "{table}"
        create = true
        "#
    )
}

/// The message keys of what was refused, with their fields.
pub fn findings(error: &kernel::Error) -> Vec<(String, &'static str)> {
    match error {
        kernel::Error::Invalid(findings) => findings
            .iter()
            .map(|f| (f.field.clone(), f.text.key))
            .collect(),
        kernel::Error::Refused(text) => vec![(String::new(), text.key)],
        other => panic!("{other:?}"),
    }
}

/// People of the demo city: the first is `zhang`.
pub const PEOPLE: [(&str, &str); 4] = [
    ("340000199612279882", "合成·张一"),
    ("370000195904074624", "合成·王二"),
    ("310000198301278372", "合成·李三"),
    ("370000197602102385", "合成·赵四"),
];

/// A table of people in an SQLite database, and how a node reads it.
pub fn sqlite_people(house: &House) -> (String, String) {
    let connection = house.sqlite("police.db");
    let mut statements = vec![
        "CREATE TABLE person (gmsfhm TEXT PRIMARY KEY, xm TEXT, xbdm TEXT, csrq TEXT, hjdz TEXT, changed BIGINT, gone INTEGER)"
            .to_owned(),
    ];
    for (place, (number, name)) in PEOPLE.iter().enumerate() {
        statements.push(format!(
            "INSERT INTO person VALUES ('{number}', '{name}', '1', '1990-01-0{}', '云港市甲区{place}号', {place}, 0)",
            place + 1
        ));
    }
    sql(&connection, &statements);
    let source = odbc(&connection, "person");
    (connection, source)
}
