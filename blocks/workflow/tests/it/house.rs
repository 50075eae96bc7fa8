//! A small house: identity and this crate on a test database, and programs that call at it.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use http_body_util::BodyExt;
use identity::{
    Gate, Settings,
    load::{self, OfficerSeed, OrganisationSeed},
    token,
};
use sea_orm_migration::MigrationTrait;
use serde_json::Value;
use store::Db;
use tower::ServiceExt;
use web::{App, Texts};
use workflow::Engine;

pub const ORG: &str = "11321000MB0000019N";

pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    let mut all = identity::migrations();
    all.extend(workflow::migrations());
    all
}

pub struct House {
    pub db: Db,
    pub engine: Arc<Engine>,
    router: Router,
}

/// What came back: status and body, JSON where it is.
pub struct Reply {
    pub status: StatusCode,
    pub body: Value,
    pub text: String,
}

/// A program with the token of an officer.
pub struct Program<'a> {
    house: &'a House,
    authorization: Option<String>,
}

impl House {
    pub async fn open(db: Db) -> Self {
        let foundations = [
            identity::foundation(),
            workflow::foundation(),
            web::foundation(),
        ];
        let words: Vec<_> = foundations
            .iter()
            .flat_map(|foundation| foundation.texts.iter().copied())
            .chain(kernel::TEXTS.iter().copied())
            .collect();
        let app = App::new(db.clone(), web::Settings::default(), Texts::new(words));
        app.put(Settings {
            officers_need_totp: false,
            ..Settings::default()
        });
        let modules = vec![
            identity::module(&app).unwrap(),
            workflow::module(&app).unwrap(),
        ];
        let policies: Vec<_> = modules
            .iter()
            .flat_map(|module| module.policies.clone())
            .collect();
        app.part::<Gate>().unwrap().load(policies).unwrap();
        let layered = app.clone();
        let router = web::server::router(&app, modules, |router| {
            identity::layer(layered.clone(), workflow::layer(layered, router))
        });
        people(&db).await;
        Self {
            db,
            engine: app.part().unwrap(),
            router,
        }
    }

    pub async fn token(&self, login: &str) -> String {
        token::create(&self.db, login, "test", 1).await.unwrap()
    }

    /// `administrator`, `integrator`, or `clerk`.
    pub async fn program(&self, login: &str) -> Program<'_> {
        Program {
            house: self,
            authorization: Some(format!("Bearer {}", self.token(login).await)),
        }
    }

    pub fn stranger(&self, authorization: Option<String>) -> Program<'_> {
        Program {
            house: self,
            authorization,
        }
    }
}

async fn people(db: &Db) {
    db.write(|tx| async move {
        let org = OrganisationSeed {
            code: ORG.into(),
            region: "321000".into(),
            name_zh: "示范政务服务局（合成）".into(),
            name_en: "Sample Bureau (synthetic)".into(),
            ..OrganisationSeed::default()
        };
        load::organisation(&tx, &org).await?;
        for (login, posts) in [
            ("administrator", vec!["steward", "operator"]),
            ("integrator", vec!["integrator"]),
            ("clerk", vec!["clerk"]),
        ] {
            let seed = OfficerSeed {
                login: login.into(),
                name: format!("合成{login}"),
                posts: posts
                    .iter()
                    .map(|post| ((*post).into(), ORG.into()))
                    .collect(),
            };
            load::officer(&tx, &seed, "").await?;
        }
        Ok(())
    })
    .await
    .unwrap();
}

impl Program<'_> {
    pub async fn send(&self, method: &str, path: &str, kind: &str, body: impl Into<Body>) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "127.0.0.1:8080")
            .header("accept-language", "en");
        if !kind.is_empty() {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(body.into()).unwrap();
        let response = self.house.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Reply {
            status,
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    pub async fn call(&self, method: &str, path: &str, body: Value) -> Reply {
        self.send(method, path, "application/json", body.to_string())
            .await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "", String::new()).await
    }

    /// Posts a body and expects success.
    pub async fn does(&self, path: &str, body: Value) -> Value {
        let reply = self.call("POST", path, body).await;
        assert!(
            reply.status.is_success(),
            "{path}: {} {}",
            reply.status,
            reply.text
        );
        reply.body
    }

    /// Gets a body and expects success.
    pub async fn sees(&self, path: &str) -> Value {
        let reply = self.get(path).await;
        assert!(
            reply.status.is_success(),
            "{path}: {} {}",
            reply.status,
            reply.text
        );
        reply.body
    }

    /// Deploys a file at the door for scripts of another engine.
    pub async fn deploys(&self, file: impl AsRef<[u8]>) -> Reply {
        let head = "--x\r\nContent-Disposition: form-data; name=\"deployment-name\"\r\n\r\norders\r\n\
             --x\r\nContent-Disposition: form-data; name=\"data\"; filename=\"a.bpmn\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n";
        let body = [head.as_bytes(), file.as_ref(), b"\r\n--x--\r\n"].concat();
        let kind = "multipart/form-data; boundary=x";
        self.send("POST", "/engine-rest/deployment/create", kind, body)
            .await
    }
}
