//! A house with this crate's module, two registries, sources, people.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{Extension, Router, body::Body, http::Request};
use http_body_util::BodyExt;
use identity::{Actor, Gate, Party, PartyId, PartyKind, Post, UserId};
use kernel::calendar::{Calendar, Year};
use registry::{
    CodeTables, Registries,
    record::act::{Stated, Stating},
    source::Source,
};
use serde_json::{Value, json};
use store::{Db, Handler};
use tower::ServiceExt;
use web::{App, Texts};

pub const CITY: &str = "113210009900000174";
/// Beside the departments in the directory.
pub const BUREAU: &str = "11321000990000092W";
pub const POLICE: &str = "11321000990000033R";
pub const CIVIL: &str = "11321000990000041L";
pub const PERSON: &str = "320000199001010039";
pub const OTHER: &str = "320000200002290111";

pub struct House {
    pub app: App,
    pub db: Db,
    routes: Router,
    pub jobs: Vec<Arc<dyn Handler>>,
}

struct Tables;

#[async_trait]
impl CodeTables for Tables {
    async fn codes(&self, _: &Db, table: &str) -> kernel::Result<Vec<(String, String, String)>> {
        let codes: &[(&str, &str, &str)] = match table {
            "sex" => &[("1", "男性", "Male"), ("2", "女性", "Female")],
            "marital" => &[("10", "未婚", "Single"), ("20", "已婚", "Married")],
            _ => &[],
        };
        let own = |t: &(&str, &str, &str)| (t.0.into(), t.1.into(), t.2.into());
        Ok(codes.iter().map(own).collect())
    }
}

/// People, small: number, name, sex, birth, marriage, address, phone, deposit.
pub fn people() -> Value {
    let field = |zh: &str, en: &str, more: Value, own: Value| {
        let mut field = json!({"type": "string", "title": zh});
        let mut extra = json!({"title_en": en, "sensitivity": 2});
        merge(&mut field, more);
        merge(&mut extra, own);
        field["x-tongban"] = extra;
        field
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "people",
        "title": "人口",
        "type": "object",
        "required": ["gmsfhm", "xm"],
        "x-tongban": {"title_en": "People", "key": ["gmsfhm"], "subject": "gmsfhm", "name": "xm"},
        "properties": {
            "gmsfhm": field("公民身份号码", "Citizen number", json!({"maxLength": 18}),
                json!({"code": "citizen", "sensitivity": 4, "mask": "id", "search": "exact", "match": "number",
                    "authority": ["police"]})),
            "xm": field("姓名", "Name", json!({"maxLength": 100}),
                json!({"sensitivity": 3, "mask": "name", "search": "pinyin", "match": "name",
                    "authority": ["police"]})),
            "xbdm": field("性别", "Sex", json!({"maxLength": 1}),
                json!({"code_table": "sex", "match": "sex", "authority": ["police"]})),
            "csrq": field("出生日期", "Birth", json!({"format": "date"}),
                json!({"sensitivity": 3, "mask": "birth_date", "match": "birth", "authority": ["police"]})),
            "hyzk": field("婚姻状况", "Marriage", json!({"maxLength": 2}),
                json!({"code_table": "marital", "sensitivity": 3,
                    "authority": ["civil-affairs", "police"]})),
            "dh": field("电话", "Phone", json!({"maxLength": 20}),
                json!({"sensitivity": 3, "mask": "mobile", "match": "phone", "conflict": "latest_wins"})),
            "sbh": field("社保号", "Insurance number", json!({"maxLength": 20}),
                json!({"unique": true, "authority": ["civil-affairs"]})),
            "ye": field("余额", "Balance", json!({"format": "decimal"}),
                json!({"scale": 2, "sensitivity": 3, "authority": ["civil-affairs"]})),
        }
    })
}

/// Certificates of people: a key of two fields, and a reference.
pub fn papers() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "papers", "title": "证件", "type": "object",
        "required": ["lx", "bh"],
        "x-tongban": {"title_en": "Papers", "key": ["lx", "bh"], "subject": "ry"},
        "properties": {
            "lx": {"type": "string", "title": "类型", "maxLength": 10,
                "x-tongban": {"title_en": "Kind", "sensitivity": 1, "authority": ["police"]}},
            "bh": {"type": "string", "title": "编号", "maxLength": 30,
                "x-tongban": {"title_en": "Number", "sensitivity": 1, "authority": ["police"]}},
            "ry": {"type": "string", "title": "持有人", "maxLength": 18,
                "x-tongban": {"title_en": "Holder", "sensitivity": 2, "reference": "people"}},
            "sl": {"type": "integer", "title": "数量", "minimum": 0, "maximum": 9,
                "x-tongban": {"title_en": "Count", "sensitivity": 1}},
        }
    })
}

pub fn merge(into: &mut Value, from: Value) {
    let Value::Object(from) = from else { return };
    for (key, value) in from {
        into[key] = value;
    }
}

/// The tables beside the store's own.
pub fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
    let mut all = identity::foundation().migrations;
    all.extend(registry::migrations());
    all
}

pub async fn house(db: Db) -> House {
    let own = registry::foundation();
    let web = web::foundation();
    let words = own
        .texts
        .iter()
        .chain(web.texts)
        .chain(kernel::TEXTS.iter())
        .copied();
    let app = App::new(db.clone(), web::Settings::default(), Texts::new(words));
    let gate = app.put(Gate::default());
    let module = registry::module(&app).unwrap();
    gate.load(
        module
            .policies
            .iter()
            .chain(identity::POLICIES)
            .copied()
            .collect::<Vec<_>>(),
    )
    .unwrap();
    let registries = app.part::<Registries>().unwrap();
    registries.use_codes(Arc::new(Tables));
    let mut calendar = Calendar::new();
    for year in [2026, 2027] {
        let year = Year {
            year,
            off: vec![],
            work: vec![],
            provisional: false,
        };
        calendar.insert(&year).unwrap();
    }
    let calendar = Arc::new(calendar);
    registries.use_calendar(Arc::new(move || Ok(calendar.clone())));
    let jobs = module.jobs.clone();
    let routes = web::server::router(&app, vec![module], |router| router);
    db.write(|tx| async move {
        for (code, parent) in [
            (CITY, None),
            (BUREAU, Some(CITY)),
            (POLICE, Some(CITY)),
            (CIVIL, Some(CITY)),
        ] {
            let seed = identity::load::OrganisationSeed {
                code: code.into(),
                parent: parent.map(str::to_owned),
                region: "321000".into(),
                ..identity::load::OrganisationSeed::default()
            };
            identity::load::organisation(&tx, &seed).await?;
        }
        for (id, org) in [("police", POLICE), ("civil-affairs", CIVIL)] {
            let source = Source {
                id: id.into(),
                title_zh: id.into(),
                title_en: id.into(),
                org: org.into(),
            };
            registry::source::install(&tx, &source).await?;
        }
        registry::install(&tx, &people().to_string()).await?;
        registry::install(&tx, &papers().to_string()).await?;
        Ok(())
    })
    .await
    .unwrap();
    House {
        app,
        db,
        routes,
        jobs,
    }
}

impl House {
    /// Runs all jobs that are due.
    pub async fn settle(&self) {
        store::work::settle(&self.db, &[], &self.jobs)
            .await
            .unwrap();
    }

    pub async fn state(
        &self,
        source: &str,
        valid_from: &str,
        fields: Value,
    ) -> kernel::Result<Stated> {
        let org = if source == "police" { POLICE } else { CIVIL };
        let stating = Stating {
            registry: "people".into(),
            source: source.into(),
            valid_from: Some(valid_from.parse().unwrap()),
            reason: "报送".into(),
            fields: fields.as_object().unwrap().clone(),
        };
        registry::record::act::state(&self.app, &officer("steward", org), &stating).await
    }

    /// The values of a record as they are, by field.
    pub async fn values(&self, record: &str) -> Value {
        self.values_at(record, None, None).await
    }

    pub async fn values_at(
        &self,
        record: &str,
        known_on: Option<&str>,
        valid_on: Option<&str>,
    ) -> Value {
        let view = self.view(record, known_on, valid_on).await;
        let mut values = serde_json::Map::new();
        for (id, decided) in &view.folded.fields {
            let field = view.declaration.field(id).unwrap();
            values.insert(id.clone(), decided.told.value.json(field));
        }
        Value::Object(values)
    }

    pub async fn view(
        &self,
        record: &str,
        known_on: Option<&str>,
        valid_on: Option<&str>,
    ) -> registry::record::act::View {
        let day = |text: Option<&str>| text.map(|t| t.parse().unwrap());
        let as_of = registry::record::act::AsOf {
            known_on: day(known_on),
            valid_on: day(valid_on),
        };
        let actor = officer("steward", POLICE);
        registry::record::act::view(&self.app, &actor, "people", record, as_of, "", false)
            .await
            .unwrap()
    }

    pub async fn ask(&self, actor: &Actor, request: Request<Body>) -> (u16, Value) {
        let router = self.routes.clone().layer(Extension(actor.clone()));
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
        (status, body)
    }

    pub async fn get(&self, actor: &Actor, path: &str) -> (u16, Value) {
        self.ask(actor, Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub async fn post(&self, actor: &Actor, path: &str, body: Value) -> (u16, Value) {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        self.ask(actor, request).await
    }
}

pub fn officer(post: &str, org: &str) -> Actor {
    let post = Post {
        post: post.into(),
        org: org.into(),
        org_name: "示范机构（合成）".into(),
        region: "321002".into(),
        held_for: None,
    };
    Actor {
        user: UserId::new(&kernel::SystemClock),
        name: "李雷".into(),
        posts: vec![post],
        ..Actor::system()
    }
}

pub fn citizen(code: &str) -> Actor {
    let own = Party {
        id: PartyId::new(&kernel::SystemClock),
        kind: PartyKind::Natural,
        name: "张小明".into(),
        code: code.into(),
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
