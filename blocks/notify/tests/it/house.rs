//! Identity and notify on a test database, with two people and a firm.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{Request, header},
};
use http_body_util::BodyExt;
use identity::{
    Gate, PartyId, UserId, directory,
    load::{self, CitizenSeed, LegalPersonSeed},
};
use kernel::ManualClock;
use notify::{Recipient, Settings};
use sea_orm_migration::MigrationTrait;
use store::{Consumer, Db, Handler};
use tower::ServiceExt;
use web::{App, Texts};

pub const ZHANG: &str = "320000199001010039";
pub const LI: &str = "320000199001010047";
pub const PASSWORD: &str = "correct-Horse-7";
pub const FIRM: &str = "91321000MA0000023T";
/// A message of a sender's crate; one of notify's own, for want of another.
pub const KEY: &str = "notify-token-created";

pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    let mut all = identity::migrations();
    all.extend(notify::migrations());
    all
}

pub struct House {
    pub db: Db,
    pub clock: Arc<ManualClock>,
    router: Router,
    consumers: Vec<Arc<dyn Consumer>>,
    handlers: Vec<Arc<dyn Handler>>,
}

pub async fn house(db: Db, clock: Arc<ManualClock>, settings: Settings) -> House {
    let foundations = [
        web::foundation(),
        identity::foundation(),
        notify::foundation(),
    ];
    let words = foundations.iter().flat_map(|f| f.texts.iter().copied());
    let app = App::new(db.clone(), web::Settings::default(), Texts::new(words));
    assert_eq!(app.texts().problems(), [""; 0]);
    app.put(settings);
    let modules = vec![
        identity::module(&app).unwrap(),
        notify::module(&app).unwrap(),
    ];
    let policies = modules.iter().flat_map(|m| m.policies.iter().copied());
    app.part::<Gate>().unwrap().load(policies).unwrap();
    let consumers = modules.iter().flat_map(|m| m.consumers.clone()).collect();
    let handlers = modules.iter().flat_map(|m| m.jobs.clone()).collect();
    let layered = app.clone();
    let router = web::server::router(&app, modules, |router| {
        identity::layer(layered.clone(), notify::layer(layered, router))
    });
    let hash = identity::password::hash(PASSWORD.into()).await.unwrap();
    db.write(move |tx| {
        let hash = hash.clone();
        async move {
            for (code, login) in [(ZHANG, "zhang-jing"), (LI, "li-ming")] {
                let seed = CitizenSeed {
                    code: code.into(),
                    name: format!("合成{login}"),
                    login: Some(login.into()),
                    ..CitizenSeed::default()
                };
                load::citizen(&tx, &seed, &hash).await?;
            }
            let firm = LegalPersonSeed {
                code: FIRM.into(),
                name: "合成餐饮有限公司".into(),
                representative: Some(ZHANG.into()),
                ..LegalPersonSeed::default()
            };
            load::legal_person(&tx, &firm).await?;
            load::agent(&tx, FIRM, "li-ming", "*").await
        }
    })
    .await
    .unwrap();
    House {
        db,
        clock,
        router,
        consumers,
        handlers,
    }
}

impl House {
    pub async fn party(&self, code: &str) -> PartyId {
        directory::party_by_code(self.db.read(), code)
            .await
            .unwrap()
            .unwrap()
            .id
    }

    pub async fn user(&self, login: &str) -> UserId {
        directory::user_by_name(self.db.read(), login)
            .await
            .unwrap()
            .unwrap()
            .id
    }

    pub async fn send(&self, to: Recipient, label: &str) {
        let label = label.to_owned();
        self.db
            .write(move |tx| {
                let label = label.clone();
                async move { notify::send(&tx, &to, KEY, &[("label", label)], "/mine").await }
            })
            .await
            .unwrap();
    }

    pub async fn settle(&self) {
        store::work::settle(&self.db, &self.consumers, &self.handlers)
            .await
            .unwrap();
    }

    pub async fn program(&self, login: &str) -> Program<'_> {
        let token = identity::token::create(&self.db, login, "test", 1)
            .await
            .unwrap();
        Program {
            house: self,
            header: (header::AUTHORIZATION, format!("Bearer {token}")),
        }
    }

    pub async fn browser(&self, login: &str) -> Program<'_> {
        let mut browser = Program {
            house: self,
            header: (header::COOKIE, String::new()),
        };
        let form = format!("login={login}&password={PASSWORD}");
        let reply = browser.post("/sign-in", &form).await;
        assert_eq!(reply.status, 303, "{}", reply.body);
        browser.header.1 = reply.cookie;
        browser
    }

    /// As if the user had asked for mail and confirmed the address.
    pub async fn wants_mail(&self, login: &str, address: &str, language: &str) {
        use sea_orm::{ConnectionTrait, Statement};
        let user = self.user(login).await;
        let sql = format!(
            "INSERT INTO notify_preference (user_id, wants_mail, address, language, confirmed_at) VALUES ('{user}', true, '{address}', '{language}', 1)"
        );
        self.db
            .write(move |tx| {
                let sql = sql.clone();
                async move {
                    let statement = Statement::from_string(tx.get_database_backend(), sql);
                    tx.execute_raw(statement)
                        .await
                        .map(drop)
                        .map_err(|e| store::fault("prefer", e).into())
                }
            })
            .await
            .unwrap();
    }
}

/// Sends requests with a token, or as a browser with a cookie.
pub struct Program<'a> {
    house: &'a House,
    header: (header::HeaderName, String),
}

pub struct Reply {
    pub status: u16,
    pub body: String,
    pub location: String,
    pub cookie: String,
}

impl Reply {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    pub fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    pub fn says(&self, words: &str) -> &Self {
        assert!(self.body.contains(words), "{words} is not in {}", self.body);
        self
    }
}

impl Program<'_> {
    pub async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, "", "").await
    }

    pub async fn post(&self, path: &str, form: &str) -> Reply {
        self.call("POST", path, "application/x-www-form-urlencoded", form)
            .await
    }

    pub async fn call(&self, method: &str, path: &str, kind: &str, body: &str) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "127.0.0.1:8080")
            .header("accept-language", "en")
            .header(&self.header.0, &self.header.1)
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(body.to_owned()))
            .unwrap();
        let response = self.house.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let header = |name| {
            let value = response.headers().get(name);
            value
                .map_or("", |v: &axum::http::HeaderValue| v.to_str().unwrap())
                .to_owned()
        };
        let location = header(header::LOCATION);
        let cookie = header(header::SET_COOKIE)
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Reply {
            status,
            body: String::from_utf8_lossy(&body).into_owned(),
            location,
            cookie,
        }
    }
}
