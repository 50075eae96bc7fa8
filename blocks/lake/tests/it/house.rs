//! A house with this crate's module, a table of insured persons, people who ask.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use axum::{Extension, Router, body::Body, http::Request};
use datafusion::arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use identity::{Actor, Gate, Party, PartyId, PartyKind, Post, UserId, Vault, load};
use lake::{BatchOutcome, Delivery, Lake, Mode, OnBad, Table};
use registry::{CodeTables, Registries};
use store::Db;
use web::{App, Texts};

pub const INSURANCE: &str = "11321000990000033R";
pub const CIVIL: &str = "11321000990000041L";

pub struct House {
    pub app: App,
    pub db: Db,
    pub folder: tempfile::TempDir,
    routes: Router,
    #[cfg(feature = "cluster")]
    _cluster: Option<crate::cluster::Cluster>,
}

struct Tables;

#[async_trait]
impl CodeTables for Tables {
    async fn codes(&self, _: &Db, table: &str) -> kernel::Result<Vec<(String, String, String)>> {
        let codes: &[(&str, &str, &str)] = match table {
            "sex" => &[("1", "男性", "Male"), ("2", "女性", "Female")],
            _ => &[],
        };
        let own = |t: &(&str, &str, &str)| (t.0.into(), t.1.into(), t.2.into());
        Ok(codes.iter().map(own).collect())
    }
}

/// Insured persons: number, name, sex, district, base of payment, paid until.
pub const INSURED: &str = r#"
id = "insured"
title = { zh = "参保人员", en = "Insured persons" }
org = "11321000990000033R"
key = ["gmsfhm"]
rows = { region = "xzqh" }

[[columns]]
id = "gmsfhm"
title = { zh = "公民身份号码", en = "Citizen number" }
type = "text"
sensitivity = 4
mask = "id"
source = { resource = "jiangcheng/insured", column = "SFZHM" }

[[columns]]
id = "xm"
title = { zh = "姓名", en = "Name" }
type = "text"
sensitivity = 3
mask = "name"

[[columns]]
id = "xbdm"
title = { zh = "性别", en = "Sex" }
type = "text"
sensitivity = 2

[[columns]]
id = "xzqh"
title = { zh = "行政区划", en = "District" }
type = "text"
sensitivity = 1

[[columns]]
id = "jfjs"
title = { zh = "缴费基数", en = "Base of payment" }
type = "decimal"
places = 2
sensitivity = 3

[[columns]]
id = "jfrq"
title = { zh = "缴费日期", en = "Paid on" }
type = "date"
sensitivity = 2

[[rules]]
id = "number"
column = "gmsfhm"
check = "citizen"

[[rules]]
id = "named"
column = "xm"
check = "required"

[[rules]]
id = "name_length"
column = "xm"
check = "length"
most = 10

[[rules]]
id = "sex"
column = "xbdm"
check = "code"
table = "sex"

[[rules]]
id = "district"
column = "xzqh"
check = "pattern"
pattern = "3210\\d\\d"

[[rules]]
id = "base"
column = "jfjs"
check = "range"
least = 0
most = 50000

[[rules]]
id = "once"
check = "unique"
columns = ["gmsfhm"]

[[rules]]
id = "paid_has_base"
check = "condition"
sql = "jfrq IS NULL OR jfjs IS NOT NULL"

[[rules]]
id = "recent"
column = "jfrq"
check = "fresh"
days = 400
then = "warn"
"#;

/// Benefits paid to insured persons; every row names one of them.
pub const BENEFITS: &str = r#"
id = "benefits"
title = { zh = "待遇发放", en = "Benefits" }
org = "11321000990000041L"

[[columns]]
id = "gmsfhm"
title = { zh = "公民身份号码", en = "Citizen number" }
type = "text"
sensitivity = 4

[[columns]]
id = "je"
title = { zh = "金额", en = "Amount" }
type = "integer"
sensitivity = 2

[[rules]]
id = "insured"
column = "gmsfhm"
check = "reference"
table = "insured"
to = "gmsfhm"
"#;

pub fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
    let mut all = lake::migrations();
    all.extend(registry::migrations());
    all.extend(identity::migrations());
    all
}

pub fn table(text: &str) -> Table {
    toml::from_str(text).unwrap()
}

pub async fn house(db: Db) -> House {
    house_with(db, lake::Settings::default()).await
}

pub async fn house_with(db: Db, settings: lake::Settings) -> House {
    let folder = tempfile::tempdir().unwrap();
    #[cfg(feature = "cluster")]
    let (settings, cluster) = crate::cluster::chosen(settings, folder.path());
    let words = [
        lake::foundation().texts,
        web::foundation().texts,
        registry::foundation().texts,
    ];
    let words = words
        .into_iter()
        .flatten()
        .chain(kernel::TEXTS.iter())
        .copied();
    let app = App::new(db.clone(), web::Settings::default(), Texts::new(words));
    app.put(Lake::open(db.clone(), settings, folder.path()).unwrap());
    app.put(identity::Settings {
        officers_need_totp: false,
        ..identity::Settings::default()
    });
    let key = folder.path().join("keys/identity.key");
    app.put(Vault::at(&key, kernel::crypto::suite("guomi").unwrap()).unwrap());
    identity::module(&app).unwrap();
    let gate = app.part::<Gate>().unwrap();
    registry::module(&app).unwrap();
    app.part::<Registries>()
        .unwrap()
        .use_codes(Arc::new(Tables));
    let module = lake::module(&app).unwrap();
    let policies = module.policies.iter().chain(identity::POLICIES).copied();
    gate.load(policies.collect::<Vec<_>>()).unwrap();
    for text in [INSURED, BENEFITS] {
        lake::declare(&app, &Actor::system(), &table(text))
            .await
            .unwrap();
    }
    let routes = web::server::router(&app, vec![module], |router| router);
    House {
        app,
        db,
        folder,
        routes,
        #[cfg(feature = "cluster")]
        _cluster: cluster,
    }
}

pub type Row<'a> = [&'a str; 6];

/// Citizen number of a synthetic person.
pub fn number(place: u16) -> String {
    let birth = "1990-01-01".parse().unwrap();
    kernel::code::citizen::build("321002", birth, place).unwrap()
}

pub const HEADS: Row<'static> = ["gmsfhm", "xm", "xbdm", "xzqh", "jfjs", "jfrq"];

pub fn text_schema(heads: &[&str]) -> SchemaRef {
    let fields = heads
        .iter()
        .map(|name| Field::new(*name, DataType::Utf8, true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Rows as text, as a file brings them; an empty cell is no value.
pub fn rows<const N: usize>(heads: [&str; N], rows: &[[&str; N]]) -> RecordBatch {
    let columns = (0..N).map(|place| {
        let cells = rows
            .iter()
            .map(|row| Some(row[place]).filter(|cell| !cell.is_empty()));
        Arc::new(cells.collect::<StringArray>()) as ArrayRef
    });
    RecordBatch::try_new(text_schema(&heads), columns.collect()).unwrap()
}

/// Adds which rows the source has no more.
pub fn with_gone(batch: &RecordBatch, gone: &[bool]) -> RecordBatch {
    let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("_gone", DataType::Boolean, false)));
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(BooleanArray::from(gone.to_vec())));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

pub fn delivery(table: &str, id: &str, mode: Mode) -> Delivery {
    Delivery {
        table: table.into(),
        id: id.into(),
        mode,
        on_bad: OnBad::SetAside,
        source: "synthetic".into(),
    }
}

impl House {
    pub async fn take(
        &self,
        delivery: &Delivery,
        batches: Vec<RecordBatch>,
    ) -> kernel::Result<BatchOutcome> {
        let schema = batches[0].schema();
        let rows = futures::stream::iter(batches.into_iter().map(Ok));
        lake::take(&self.app, &Actor::system(), delivery, schema, rows).await
    }

    pub fn path(&self, table: &str) -> PathBuf {
        self.folder.path().join("lake/tables").join(table)
    }

    /// The rows of a table as they are in its files, sorted, apart from every policy.
    pub async fn dump(&self, table: &str, version: Option<u64>) -> Vec<String> {
        let url = url::Url::from_directory_path(self.path(table).canonicalize().unwrap()).unwrap();
        let mut builder = deltalake::DeltaTableBuilder::from_url(url).unwrap();
        if let Some(version) = version {
            builder = builder.with_version(version);
        }
        let table = builder.load().await.unwrap();
        let context = datafusion::prelude::SessionContext::new();
        let frame = context
            .read_table(table.table_provider().await.unwrap())
            .unwrap();
        let batches = frame.collect().await.unwrap();
        let mut lines = Vec::new();
        for batch in batches {
            let options = datafusion::arrow::util::display::FormatOptions::default();
            let columns: Vec<_> = batch
                .columns()
                .iter()
                .map(|c| {
                    datafusion::arrow::util::display::ArrayFormatter::try_new(c, &options).unwrap()
                })
                .collect();
            for row in 0..batch.num_rows() {
                let cells: Vec<_> = columns.iter().map(|c| c.value(row).to_string()).collect();
                lines.push(cells.join("|"));
            }
        }
        lines.sort();
        lines
    }
}

pub fn officer(post: &str, org: &str) -> Actor {
    officer_in(post, org, "321000")
}

pub fn officer_in(post: &str, org: &str, region: &str) -> Actor {
    let post = Post {
        post: post.into(),
        org: org.into(),
        org_name: "示范机构（合成）".into(),
        region: region.into(),
        held_for: None,
    };
    Actor {
        user: UserId::new(&kernel::SystemClock),
        name: "李雷".into(),
        posts: vec![post],
        ..Actor::system()
    }
}

pub fn citizen() -> Actor {
    let own = Party {
        id: PartyId::new(&kernel::SystemClock),
        kind: PartyKind::Natural,
        name: "张小明".into(),
        code: number(1),
        phone: "13800138000".into(),
        address: String::new(),
    };
    Actor {
        user: UserId::new(&kernel::SystemClock),
        name: own.name.clone(),
        own: Some(own),
        assurance: 3,
        ..Actor::system()
    }
}

/// Four insured persons in two districts.
pub async fn four_insured(house: &House) {
    let numbers = [number(1), number(2), number(3), number(4)];
    let batch = rows(
        HEADS,
        &[
            [&numbers[0], "张一", "1", "321002", "5000.50", "2026-01-10"],
            [&numbers[1], "李二", "2", "321003", "6000", "2026-02-10"],
            [&numbers[2], "王三", "1", "321002", "7000", "2025-12-10"],
            [
                &numbers[3],
                "欧阳四海",
                "2",
                "321003",
                "49999",
                "2026-02-20",
            ],
        ],
    );
    let announced = delivery("insured", "b-1", Mode::Append);
    house.take(&announced, vec![batch]).await.unwrap();
}

pub fn question(sql: &str) -> lake::Question {
    lake::Question {
        sql: sql.into(),
        purpose: "核验参保情况".into(),
        as_of: None,
        door: lake::Door::Api,
        most: 1000,
    }
}

/// Cells of an answer, row by row; an empty cell for no value.
pub async fn cells(answer: lake::Answer) -> kernel::Result<Vec<Vec<String>>> {
    use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
    use futures::TryStreamExt;
    let batches: Vec<RecordBatch> = answer.rows.try_collect().await?;
    let options = FormatOptions::default();
    let mut lines = Vec::new();
    for batch in &batches {
        let columns = batch.columns().iter();
        let columns: Vec<_> = columns
            .map(|c| ArrayFormatter::try_new(c, &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            lines.push(columns.iter().map(|c| c.value(row).to_string()).collect());
        }
    }
    Ok(lines)
}

impl House {
    /// What a request gets: status and body.
    pub async fn send(&self, actor: &Actor, request: Request<Body>) -> (u16, Vec<u8>) {
        use http_body_util::BodyExt;
        use tower::ServiceExt;
        let router = self.routes.clone().layer(Extension(actor.clone()));
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await;
        (
            status,
            body.map(|body| body.to_bytes().to_vec())
                .unwrap_or_default(),
        )
    }

    /// An officer with an access token.
    pub async fn token(
        &self,
        login: &'static str,
        post: &'static str,
        org: &'static str,
    ) -> String {
        let seed = move |tx: store::Tx| async move {
            let organisation = load::OrganisationSeed {
                code: org.into(),
                region: "321002".into(),
                name_zh: "示范机构（合成）".into(),
                name_en: "Sample bureau (synthetic)".into(),
                ..load::OrganisationSeed::default()
            };
            load::organisation(&tx, &organisation).await?;
            let officer = load::OfficerSeed {
                login: login.into(),
                name: "合成".into(),
                posts: vec![(post.into(), org.into())],
            };
            load::officer(&tx, &officer, "").await
        };
        self.db.write(seed).await.unwrap();
        identity::token::create(&self.db, login, "test", 1)
            .await
            .unwrap()
    }

    pub async fn ask(&self, actor: &Actor, sql: &str) -> kernel::Result<Vec<Vec<String>>> {
        cells(lake::ask(&self.app, actor, &question(sql)).await?).await
    }
}

/// The message keys of what was refused.
pub fn keys(error: &kernel::Error) -> Vec<&'static str> {
    match error {
        kernel::Error::Invalid(findings) => findings.iter().map(|f| f.text.key).collect(),
        kernel::Error::Refused(text) => vec![text.key],
        other => panic!("{other:?}"),
    }
}
