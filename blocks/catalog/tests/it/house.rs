//! A house with a catalog, its packs' content, and officers of two departments and the centre.

use std::sync::Arc;

use axum::{Extension, Router, body::Body, http::Request};
use catalog::{
    Item, Metadata, Profile,
    class::{self, Class},
    profile,
    resource::act,
};
use http_body_util::BodyExt;
use identity::{
    Actor, Gate, Post, UserId,
    load::{self, OfficerSeed, OrganisationSeed},
};
use kernel::calendar::{Calendar, Year};
use serde_json::{Map, Value, json};
use store::{Db, Handler, page::PageRequest};
use tower::ServiceExt;
use web::{App, Texts};
use workflow::{Completion, Filter};

pub const CENTRE: &str = "113210009900000174";
pub const MARKET: &str = "11321000990000033R";
pub const URBAN: &str = "11321000990000041L";

pub struct House {
    pub app: App,
    pub db: Db,
    pub jobs: Vec<Arc<dyn Handler>>,
    routes: Router,
    seal: tempfile::TempDir,
}

pub fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
    let mut all = identity::foundation().migrations;
    all.extend(workflow::migrations());
    all.extend(registry::migrations());
    all.extend(credential::foundation().migrations);
    all.extend(catalog::migrations());
    all
}

fn texts() -> Texts {
    let foundations = [
        identity::foundation(),
        workflow::foundation(),
        web::foundation(),
        catalog::foundation(),
    ];
    let words: Vec<_> = foundations
        .iter()
        .flat_map(|foundation| foundation.texts.iter().copied())
        .chain(kernel::TEXTS.iter().copied())
        .chain(sheet::TEXTS.iter().copied())
        .collect();
    Texts::new(words)
}

pub async fn house(db: Db) -> House {
    let seal = tempfile::tempdir().unwrap();
    let app = App::new(db.clone(), web::Settings::default(), texts());
    app.put(store::blob::Blobs::folder(seal.path().join("blobs")).unwrap());
    app.put(credential::Settings {
        keys: seal.path().join("keys"),
        demo: true,
    });
    let modules = vec![
        identity::module(&app).unwrap(),
        workflow::module(&app).unwrap(),
        credential::module(&app).unwrap(),
        catalog::module(&app).unwrap(),
    ];
    let policies: Vec<_> = modules.iter().flat_map(|m| m.policies.clone()).collect();
    app.part::<Gate>().unwrap().load(policies).unwrap();
    let calendar = Arc::new(calendar());
    let engine = app.part::<workflow::Engine>().unwrap();
    engine.use_calendars(Arc::new(move |_| Ok(calendar.clone())));
    let jobs = modules.iter().flat_map(|m| m.jobs.clone()).collect();
    let routes = web::server::router(&app, modules, |router| router);
    install(&db).await;
    House {
        app,
        db,
        jobs,
        routes,
        seal,
    }
}

fn calendar() -> Calendar {
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
    calendar
}

/// What the packs `base-catalog` and of a city bring.
async fn install(db: &Db) {
    let guide = include_str!("../../../../packs/base-catalog/catalog/00-guide.toml");
    let guide: Profile = toml::from_str(guide).unwrap();
    let classes = include_str!("../../../../packs/base-catalog/classes/guide.csv");
    let classes: Vec<_> = classes
        .lines()
        .skip(1)
        .map(|line| {
            let mut cells = line.splitn(3, ',').map(str::to_owned);
            Class {
                code: cells.next().unwrap(),
                name_zh: cells.next().unwrap(),
                name_en: cells.next().unwrap(),
            }
        })
        .collect();
    db.write(move |tx| {
        let (guide, classes) = (guide.clone(), classes.clone());
        async move {
            profile::install(&tx, "00-guide", &guide).await?;
            let city = Profile {
                centre: CENTRE.into(),
                ..Profile::default()
            };
            profile::install(&tx, "50-city", &city).await?;
            class::install(&tx, &classes).await?;
            for (key, file) in [
                (
                    "catalog-entry",
                    include_str!("../../../../packs/base-catalog/processes/catalog-entry.bpmn"),
                ),
                (
                    "catalog-request",
                    include_str!("../../../../packs/base-catalog/processes/catalog-request.bpmn"),
                ),
            ] {
                workflow::deploy(&tx, key, file).await?;
            }
            for (code, name) in [
                (CENTRE, "云港市数据局（合成）"),
                (MARKET, "云港市市监局（合成）"),
                (URBAN, "云港市城管局（合成）"),
            ] {
                let seed = OrganisationSeed {
                    code: code.into(),
                    region: "321000".into(),
                    name_zh: name.into(),
                    name_en: "Sample Bureau (synthetic)".into(),
                    ..OrganisationSeed::default()
                };
                load::organisation(&tx, &seed).await?;
            }
            for (login, post, org) in OFFICERS {
                let seed = OfficerSeed {
                    login: login.into(),
                    name: format!("合成{login}"),
                    posts: vec![(post.into(), org.into())],
                };
                load::officer(&tx, &seed, "").await?;
            }
            Ok(())
        }
    })
    .await
    .unwrap();
}

const OFFICERS: [(&str, &str, &str); 6] = [
    ("writer", "examiner", MARKET),
    ("chief", "approver", MARKET),
    ("steward", "steward", CENTRE),
    ("asker", "examiner", URBAN),
    ("asker-chief", "approver", URBAN),
    ("clerk", "clerk", URBAN),
];

impl House {
    /// One of `writer`, `chief`, `steward`, `asker`, `asker-chief`, `clerk`.
    pub async fn actor(&self, login: &str) -> Actor {
        let user = identity::directory::user_by_name(self.db.read(), login).await;
        let (_, post, org) = OFFICERS.into_iter().find(|(l, ..)| *l == login).unwrap();
        officer(user.unwrap().unwrap().id, post, org)
    }

    pub async fn settle(&self) {
        store::work::settle(&self.db, &[], &self.jobs)
            .await
            .unwrap();
    }

    /// Completes the one open task about a subject.
    pub async fn decide(
        &self,
        login: &str,
        subject: &str,
        outcome: &str,
        opinion: &str,
    ) -> kernel::Result<()> {
        let actor = self.actor(login).await;
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
        let vars = json!({"outcome": outcome, "opinion": opinion});
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
            .map(drop)
    }

    /// An entry that went all the way.
    pub async fn published(&self, entry: Metadata) -> catalog::resource::Entry {
        let writer = self.actor("writer").await;
        let id = act::create(&self.app, &writer, entry).await.unwrap();
        self.publish(&id).await
    }

    pub async fn publish(&self, id: &str) -> catalog::resource::Entry {
        let writer = self.actor("writer").await;
        let row = self.row(id).await;
        act::submit(&self.app, &writer, id, row.version)
            .await
            .unwrap();
        let subject = format!("catalog:{id}");
        self.decide("chief", &subject, "agree", "").await.unwrap();
        self.decide("steward", &subject, "agree", "").await.unwrap();
        self.row(id).await
    }

    pub async fn row(&self, id: &str) -> catalog::resource::Entry {
        let steward = self.actor("steward").await;
        act::get(&self.app, &steward, id).await.unwrap().row
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
        let request = Request::get(path).header("accept-language", "zh-CN");
        self.ask(actor, request.body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, actor: &Actor, path: &str, body: Value) -> (u16, Value) {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .header("accept-language", "zh-CN")
            .body(Body::from(body.to_string()))
            .unwrap();
        self.ask(actor, request).await
    }

    /// Where a test may put files.
    pub fn folder(&self) -> &std::path::Path {
        self.seal.path()
    }
}

pub fn officer(user: UserId, post: &str, org: &str) -> Actor {
    let post = Post {
        post: post.into(),
        org: org.into(),
        org_name: "示范机构（合成）".into(),
        region: "321000".into(),
        held_for: None,
    };
    Actor {
        user,
        name: "李雷（合成）".into(),
        posts: vec![post],
        ..Actor::system()
    }
}

pub fn item(name: &str, kind: &str, length: &str) -> Item {
    Item {
        name: name.into(),
        kind: kind.into(),
        length: length.into(),
        is_key: name == "编号",
        ..Item::default()
    }
}

/// An entry that breaks no rule.
pub fn good(name: &str) -> Metadata {
    Metadata {
        class: "102001".into(),
        name: name.into(),
        provider: MARKET.into(),
        summary: "企业登记的编号、名称和注册资本，覆盖全市，每日更新。".into(),
        format_class: "3".into(),
        format_type: "PostgreSQL".into(),
        items: vec![
            item("编号", "C", "18"),
            item("名称", "C", "100"),
            item("注册资本", "Y", "18,2"),
        ],
        share_type: "2".into(),
        share_condition: "用于行政审批核验".into(),
        share_scope: "市级行政审批部门".into(),
        share_mode: "1".into(),
        share_mode_type: "1".into(),
        cycle: "2".into(),
        ..Metadata::default()
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
