//! A hub that listens, a department's node with a line to it, and an API behind the node.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    ipc::writer::StreamWriter,
};
use axum::{
    Extension, Json, Router,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::{Request, StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use chrono::Utc;
use exchange::{
    Keys,
    hub::enrolment::Invitation,
    node::{Folder, config::Api, enrol},
};
use futures::StreamExt;
use gateway::{
    Gateway, Settings,
    grant::{Grant, Granting},
    resource::Registering,
};
use http_body_util::BodyExt;
use identity::{Actor, Gate, Post, UserId};
use kernel::{
    ManualClock,
    calendar::{Calendar, Year},
};
use registry::{Registries, record::act::Stating, source::Source};
use serde_json::{Value, json};
use store::{Blobs, Db};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use web::{App, Texts};

/// Above both departments.
pub const CITY: &str = "113210009900000174";
pub const POLICE: &str = "11321000990000033R";
pub const CIVIL: &str = "11321000990000041L";
pub const PERSON: &str = "320000199001010039";

pub fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
    let mut all = identity::migrations();
    all.extend(exchange::migrations());
    all.extend(registry::migrations());
    all.extend(lake::migrations());
    all.extend(gateway::migrations());
    all
}

/// The city's government, and two departments below it.
pub async fn organisations(db: &Db) {
    for (code, parent) in [(CITY, None), (POLICE, Some(CITY)), (CIVIL, Some(CITY))] {
        let seed = identity::load::OrganisationSeed {
            code: code.into(),
            parent: parent.map(str::to_owned),
            region: "321000".into(),
            name_zh: "示范机构（合成）".into(),
            name_en: "Sample organisation (synthetic)".into(),
            short_name: String::new(),
        };
        db.write(move |tx| {
            let seed = seed.clone();
            async move { identity::load::organisation(&tx, &seed).await.map(drop) }
        })
        .await
        .unwrap();
    }
}

pub struct House {
    pub app: App,
    pub db: Db,
    pub dir: tempfile::TempDir,
    pub url: String,
    routes: Router,
    _stop: tokio_util::sync::DropGuard,
}

impl House {
    pub async fn open(db: Db, clock: &Arc<ManualClock>) -> Self {
        Self::open_with(db, clock, Settings::default()).await
    }

    /// Tests' time stands still at the real moment, because TLS looks at the real clock.
    pub async fn open_with(db: Db, clock: &Arc<ManualClock>, settings: Settings) -> Self {
        clock.set(Utc::now());
        organisations(&db).await;
        let dir = tempfile::tempdir().unwrap();
        let foundations = [
            web::foundation(),
            exchange::foundation(),
            registry::foundation(),
            lake::foundation(),
            gateway::foundation(),
        ];
        let words = foundations
            .iter()
            .flat_map(|foundation| foundation.texts.iter().copied())
            .chain(kernel::TEXTS.iter().copied());
        let app = App::new(db.clone(), web::Settings::default(), Texts::new(words));
        app.put(Blobs::folder(dir.path().join("blobs")).unwrap());
        app.put(Keys(dir.path().join("keys")));
        app.put(exchange::Settings::default());
        app.put(settings);
        let lake = lake::Lake::open(db.clone(), lake::Settings::default(), dir.path());
        app.put(lake.unwrap());
        let gate = app.put(Gate::default());
        let modules = vec![
            registry::module(&app).unwrap(),
            lake::module(&app).unwrap(),
            exchange::module(&app).unwrap(),
            gateway::module(&app).unwrap(),
        ];
        let policies: Vec<_> = modules
            .iter()
            .flat_map(|module| module.policies.iter())
            .chain(identity::POLICIES)
            .copied()
            .collect();
        gate.load(policies).unwrap();
        gateway::job::begin(&app).await.unwrap();
        let routes = web::server::router(&app, modules, |router| router);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(exchange::hub::serve(app.clone(), listener, stop.clone()));
        Self {
            url: format!("https://127.0.0.1:{}", address.port()),
            app,
            db,
            dir,
            routes,
            _stop: stop.drop_guard(),
        }
    }

    pub async fn enrol(&self, node: &str, org: &str) -> Folder {
        let invitation = Invitation {
            node: node.into(),
            title: "示范前置机（合成）".into(),
            org: org.into(),
        };
        let steward = officer("steward", CITY);
        let code = exchange::hub::enrolment::invite(&self.app, &steward, &invitation)
            .await
            .unwrap();
        let folder = Folder(self.dir.path().join(node));
        enrol::enrol(&folder, &self.url, &code).await.unwrap();
        folder
    }

    /// A node of the police with a line, and the API `persons` behind it.
    pub async fn provider(&self) -> Provider {
        let folder = self.enrol("police-1", POLICE).await;
        let api = Backend::start().await;
        let provider = Provider {
            line: line(&folder, &api.url),
            folder,
            api,
        };
        self.until_line("police-1", true).await;
        provider
    }

    pub async fn until_line(&self, node: &str, is_open: bool) {
        let gateway = self.app.part::<Gateway>().unwrap();
        for _ in 0..600 {
            if gateway.lines.of(node).is_some() == is_open {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("the line of {node} did not become {is_open}");
    }

    pub async fn register(&self, change: impl FnOnce(&mut Registering)) {
        let mut asked = registering();
        change(&mut asked);
        let steward = officer("steward", POLICE);
        gateway::resource::register(&self.app, &steward, &asked)
            .await
            .unwrap();
    }

    pub async fn grant(&self, change: impl FnOnce(&mut Granting)) -> Grant {
        let mut asked = granting();
        change(&mut asked);
        let steward = officer("steward", POLICE);
        gateway::grant::grant(&self.app, &steward, &asked)
            .await
            .unwrap()
    }

    /// Everything that a call of the civil affairs department needs.
    pub async fn ready(&self) -> Provider {
        let provider = self.provider().await;
        self.register(|_| {}).await;
        self.grant(|_| {}).await;
        provider
    }

    pub async fn ask(&self, actor: &Actor, request: Request<Body>) -> Answer {
        let router = self.routes.clone().layer(Extension(actor.clone()));
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.map_err(|e| e.to_string()),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).body(Body::empty()).unwrap();
        self.ask(&officer("examiner", CIVIL), request).await
    }

    pub async fn post(&self, path: &str, body: Vec<u8>) -> Answer {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(Body::from(body))
            .unwrap();
        self.ask(&officer("examiner", CIVIL), request).await
    }

    /// The newest calls of the log: outcome and status.
    pub async fn log(&self) -> Vec<(String, i64)> {
        let page = store::page::PageRequest::new(None, None);
        let filter = gateway::overview::Filter::default();
        let steward = officer("steward", POLICE);
        let found = gateway::overview::calls(&self.app, &steward, &filter, &page).await;
        let found = found.unwrap().items;
        let line = |call: gateway::overview::Call| (call.outcome.name().to_owned(), call.status);
        found.into_iter().map(line).collect()
    }

    /// A table of the lake with two payments of one person and one of another.
    pub async fn payments(&self) {
        let table = json!({
            "id": "payments", "title": {"zh": "缴费", "en": "payments"}, "org": POLICE,
            "columns": [
                {"id": "person", "title": {"zh": "人", "en": "person"}, "type": "text", "sensitivity": 4, "mask": "id"},
                {"id": "year", "title": {"zh": "年", "en": "year"}, "type": "integer"},
                {"id": "sum", "title": {"zh": "金额", "en": "sum"}, "type": "decimal", "places": 2},
                {"id": "paid_on", "title": {"zh": "日期", "en": "day"}, "type": "date"},
            ],
        });
        let table: lake::Table = serde_json::from_value(table).unwrap();
        let steward = officer("steward", POLICE);
        lake::declare(&self.app, &steward, &table).await.unwrap();
        let request = Request::put("/api/lake/tables/payments/batches/1?mode=append&source=test")
            .body(Body::from(payments()))
            .unwrap();
        let answer = self.ask(&steward, request).await;
        assert_eq!(answer.json()["good"], json!(3), "{}", answer.json());
    }

    /// Declares the registry of people, whose address that source of an organisation answers for.
    pub async fn people_by(&self, source: &'static str, org: &'static str) {
        let people = people_of(source).to_string();
        self.db
            .write(move |tx| {
                let people = people.clone();
                async move {
                    for (id, org) in [("police", POLICE), (source, org)] {
                        let source = Source {
                            id: id.into(),
                            title_zh: "来源".into(),
                            title_en: id.into(),
                            org: org.into(),
                        };
                        registry::source::install(&tx, &source).await?;
                    }
                    registry::install(&tx, &people).await?;
                    Ok(())
                }
            })
            .await
            .unwrap();
    }

    /// People in a registry.
    pub async fn people(&self) {
        let registries = self.app.part::<Registries>().unwrap();
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
        self.people_by("police", POLICE).await;
        let stating = Stating {
            registry: "people".into(),
            source: "police".into(),
            valid_from: None,
            reason: "报送".into(),
            fields: json!({"gmsfhm": PERSON, "xm": "张小明", "dz": "示范路1号（合成）"})
                .as_object()
                .unwrap()
                .clone(),
        };
        registry::record::act::state(&self.app, &officer("steward", POLICE), &stating)
            .await
            .unwrap();
    }
}

pub struct Answer {
    pub status: u16,
    pub headers: axum::http::HeaderMap,
    pub body: Result<Bytes, String>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(self.body.as_ref().unwrap()).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// Key of the rule that refused.
    pub fn rule(&self) -> String {
        self.json()["rule"].as_str().unwrap_or_default().to_owned()
    }
}

pub fn registering() -> Registering {
    serde_json::from_value(json!({
        "code": "persons", "title": "人口（合成）", "org": POLICE, "node": "police-1",
        "request_limit": 12 << 20, "answer_limit": 12 << 20, "timeout_seconds": 3,
        "document": {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {
            "/persons/{id}": {"get": {"summary": "一个人"}},
            "/echo": {"post": {}},
            "/bytes": {"get": {}},
            "/slow": {"get": {}},
            "/plain": {"get": {}},
        }},
    }))
    .unwrap()
}

pub fn granting() -> Granting {
    serde_json::from_value(json!({
        "resource": "persons", "org": CIVIL, "purpose": "核对", "basis": "示范条例第一条",
    }))
    .unwrap()
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

/// A registry of people; the address is said by a source of its own.
fn people_of(source: &str) -> Value {
    let field = |title: &str, more: Value| {
        let mut field = json!({"type": "string", "title": title, "maxLength": 50});
        let mut own = json!({"title_en": title, "sensitivity": 3, "authority": ["police"]});
        for (name, value) in more.as_object().unwrap() {
            own[name] = value.clone();
        }
        field["x-tongban"] = own;
        field
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "people", "title": "人口", "type": "object", "required": ["gmsfhm", "xm"],
        "x-tongban": {"title_en": "People", "key": ["gmsfhm"], "subject": "gmsfhm", "name": "xm"},
        "properties": {
            "gmsfhm": field("公民身份号码", json!({"code": "citizen", "sensitivity": 4, "mask": "id", "search": "exact"})),
            "xm": field("姓名", json!({"mask": "name"})),
            "dz": field("地址", json!({"mask": "address", "authority": [source]})),
        }
    })
}

/// A department's side.
pub struct Provider {
    pub folder: Folder,
    pub api: Backend,
    pub line: JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.line.abort();
    }
}

pub fn apis(url: &str) -> Vec<Api> {
    let api = Api {
        resource: "persons".into(),
        url: url.into(),
        headers: [("x-key".to_owned(), "secret".to_owned())].into(),
        timeout_seconds: 2,
    };
    vec![api]
}

/// Keeps a line as `tongban node run` does.
pub fn line(folder: &Folder, url: &str) -> JoinHandle<()> {
    let (folder, apis) = (folder.clone(), apis(url));
    tokio::spawn(async move {
        let stop = CancellationToken::new();
        gateway::node::run(&folder, &apis, &stop).await;
    })
}

/// A real HTTP server, as a department has one.
pub struct Backend {
    pub url: String,
    pub calls: Arc<AtomicU64>,
    serving: JoinHandle<()>,
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Backend {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let calls = Arc::new(AtomicU64::new(0));
        let routes = Router::new()
            .route("/v1/persons/{id}", get(person))
            .route("/v1/echo", post(echo))
            .route("/v1/bytes", get(bytes))
            .route("/v1/slow", get(slow))
            .route("/v1/plain", get(|| async { "plain words" }))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(calls.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self {
            url,
            calls,
            serving,
        }
    }
}

type Calls = State<Arc<AtomicU64>>;

async fn person(
    State(calls): Calls,
    headers: axum::http::HeaderMap,
    Path(id): Path<String>,
) -> impl IntoResponse {
    calls.fetch_add(1, Ordering::SeqCst);
    // The key that the node adds, and not the consumer's own token.
    if headers.get("x-key").is_none_or(|key| key != "secret")
        || headers.contains_key("authorization")
    {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if id == "0" {
        return StatusCode::NOT_FOUND.into_response();
    }
    Json(json!({"id": id, "gmsfhm": PERSON, "name": "张小明", "phone": "13800138000"}))
        .into_response()
}

async fn echo(State(calls): Calls, body: Bytes) -> Bytes {
    calls.fetch_add(1, Ordering::SeqCst);
    body
}

/// As many bytes as are asked for, piece by piece.
async fn bytes(
    State(calls): Calls,
    Query(query): Query<std::collections::HashMap<String, usize>>,
) -> Body {
    calls.fetch_add(1, Ordering::SeqCst);
    let whole = query["n"];
    let pieces = (0..whole.div_ceil(16384)).map(move |place| {
        let length = (whole - place * 16384).min(16384);
        Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; length]))
    });
    Body::from_stream(futures::stream::iter(pieces).boxed())
}

async fn slow(State(calls): Calls) -> &'static str {
    calls.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    "late"
}

/// As the lake takes rows: an Arrow stream of texts.
fn payments() -> Vec<u8> {
    let columns: [(&str, [&str; 3]); 4] = [
        ("person", [PERSON, PERSON, "O'Neil"]),
        ("year", ["2025", "2026", "2026"]),
        ("sum", ["380.00", "400.50", "1.00"]),
        ("paid_on", ["2025-03-01", "2026-02-02", "2026-02-03"]),
    ];
    let columns = columns.map(|(name, texts)| {
        let texts = StringArray::from_iter_values(texts);
        (name, Arc::new(texts) as ArrayRef)
    });
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    bytes
}
