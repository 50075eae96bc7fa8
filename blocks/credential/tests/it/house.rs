//! A house with this crate's module, a type of certificate, people.

use std::sync::Arc;

use axum::{Extension, Router, body::Body, http::Request};
use credential::{CertificateType, Issue, Issued, Issuer, issue};
use http_body_util::BodyExt;
use identity::{Actor, Gate, Party, PartyId, PartyKind, Post, UserId};
use serde_json::{Map, Value, json};
use store::{Blobs, Db, Handler};
use tower::ServiceExt;
use web::{App, Texts};

pub const TYPE: &str = "11110000000000019K001";
pub const ISSUER: &str = "11110000000000019K";
pub const FIRM: &str = "91321000MA0000023T";
pub const PERSON: &str = "320000199001010039";

pub struct House {
    pub app: App,
    pub db: Db,
    routes: Router,
    jobs: Vec<Arc<dyn Handler>>,
    keys: tempfile::TempDir,
}

pub async fn house(db: Db) -> House {
    let own = credential::foundation();
    let web = web::foundation();
    let words = own
        .texts
        .iter()
        .chain(web.texts)
        .chain(kernel::TEXTS.iter())
        .copied();
    let settings = web::Settings {
        place: "云港市".into(),
        ..web::Settings::default()
    };
    let app = App::new(db.clone(), settings, Texts::new(words));
    let keys = tempfile::tempdir().unwrap();
    app.put(Blobs::in_memory());
    app.put(credential::Settings {
        keys: keys.path().to_owned(),
        demo: true,
    });
    let gate = app.put(Gate::default());
    let module = credential::module(&app).unwrap();
    gate.load(module.policies.clone()).unwrap();
    let jobs = module.jobs.clone();
    let routes = web::server::router(&app, vec![module], |router| router);
    db.write(|tx| async move { credential::install(&tx, &food_licence()).await })
        .await
        .unwrap();
    House {
        app,
        db,
        routes,
        jobs,
        keys,
    }
}

pub fn food_licence() -> CertificateType {
    serde_json::from_value(json!({
        "code": TYPE, "name": "食品经营许可证", "name_en": "Food business licence",
        "valid_months": 60, "number_prefix": "JY",
        "face": [
            {"key": "operator", "title": "经营者名称", "title_en": "Operator", "required": true},
            {"key": "place", "title": "经营场所", "title_en": "Premises"}
        ]
    }))
    .unwrap()
}

pub fn grant(holder: &Party, case_no: &str) -> Issue {
    let face: Map<String, Value> = [
        ("operator", holder.name.as_str()),
        ("place", "示范区文昌路1号"),
    ]
    .map(|(k, v)| (k.to_owned(), Value::from(v)))
    .into_iter()
    .collect();
    Issue {
        type_code: TYPE.into(),
        holder: holder.clone(),
        issuer: Issuer {
            code: ISSUER.into(),
            name: "示范市场监督管理局（合成）".into(),
        },
        face,
        number: None,
        valid_from: None,
        valid_to: None,
        case_no: Some(case_no.into()),
        replaces: None,
        actor: "user:test".into(),
    }
}

impl House {
    pub async fn issue(&self, grant: &Issue) -> kernel::Result<Issued> {
        let grant = grant.clone();
        self.db
            .write(move |tx| {
                let grant = grant.clone();
                async move { issue(&tx, &grant).await }
            })
            .await
    }

    /// Runs all jobs that are due.
    pub async fn settle(&self) {
        store::work::settle(&self.db, &[], &self.jobs)
            .await
            .unwrap();
    }

    pub async fn ask(&self, actor: Option<&Actor>, request: Request<Body>) -> (u16, Vec<u8>) {
        let router = match actor {
            Some(actor) => self.routes.clone().layer(Extension(actor.clone())),
            None => self.routes.clone(),
        };
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        (
            status,
            response
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .to_vec(),
        )
    }

    pub async fn page(&self, actor: Option<&Actor>, path: &str) -> (u16, String) {
        let request = Request::get(path)
            .header("accept-language", "zh-CN")
            .body(Body::empty())
            .unwrap();
        let (status, body) = self.ask(actor, request).await;
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    pub fn root_pem(&self) -> String {
        std::fs::read_to_string(self.keys.path().join("seal-root.crt.pem")).unwrap()
    }

    pub fn key_dir(&self) -> &std::path::Path {
        self.keys.path()
    }
}

pub fn a_firm() -> Party {
    Party {
        id: PartyId::new(&kernel::SystemClock),
        kind: PartyKind::Legal,
        name: "示例餐饮有限公司（合成）".into(),
        code: FIRM.into(),
        phone: "13800138000".into(),
        address: "示范区文昌路1号".into(),
    }
}

pub fn a_person() -> Party {
    Party {
        kind: PartyKind::Natural,
        name: "张小明".into(),
        code: PERSON.into(),
        ..a_firm()
    }
}

pub fn citizen(own: &Party) -> Actor {
    Actor {
        user: UserId::new(&kernel::SystemClock),
        name: own.name.clone(),
        own: Some(own.clone()),
        assurance: 3,
        ..Actor::system()
    }
}

pub fn officer(post: &str, org: &str) -> Actor {
    let post = Post {
        post: post.into(),
        org: org.into(),
        org_name: "示范市场监督管理局（合成）".into(),
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
