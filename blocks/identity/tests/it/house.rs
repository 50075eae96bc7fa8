//! A small house: this crate's module on a test database, and browsers and programs to visit it.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use http_body_util::BodyExt;
use identity::{
    Gate, Settings, Vault,
    load::{self, CitizenSeed, LegalPersonSeed, OfficerSeed, OrganisationSeed},
    password,
};
use kernel::{ManualClock, crypto::suite};
use store::Db;
use tower::ServiceExt;
use web::{App, Texts};

pub const PASSWORD: &str = "correct-Horse-7";
pub const ZHANG: &str = "320000199001010039";
pub const LI: &str = "320000199001010047";
pub const FIRM: &str = "91321000MA0000023T";
pub const ORG: &str = "11321000MB0000019N";

pub struct House {
    pub db: Db,
    pub clock: Arc<ManualClock>,
    router: Router,
    _keys: tempfile::TempDir,
}

pub async fn house(db: Db, clock: Arc<ManualClock>) -> House {
    house_with(
        db,
        clock,
        Settings {
            officers_need_totp: false,
            ..Settings::default()
        },
    )
    .await
}

pub async fn house_with(db: Db, clock: Arc<ManualClock>, settings: Settings) -> House {
    let foundation = identity::foundation();
    let web = web::foundation();
    let words = foundation.texts.iter().chain(web.texts).copied();
    let app = App::new(
        db.clone(),
        web::Settings::default(),
        Texts::new(words.chain(kernel::TEXTS.iter().copied())),
    );
    let keys = tempfile::tempdir().unwrap();
    app.put(settings);
    app.put(
        Vault::at(
            &keys.path().join("keys/identity.key"),
            suite("guomi").unwrap(),
        )
        .unwrap(),
    );
    let module = identity::module(&app).unwrap();
    app.part::<Gate>()
        .unwrap()
        .load(module.policies.clone())
        .unwrap();
    let layered = app.clone();
    let router = web::server::router(&app, vec![module], |router| {
        identity::layer(layered, router)
    });
    people(&db).await;
    House {
        db,
        clock,
        router,
        _keys: keys,
    }
}

async fn people(db: &Db) {
    let hash = password::hash(PASSWORD.into()).await.unwrap();
    db.write(move |tx| {
        let hash = hash.clone();
        async move {
            let org = OrganisationSeed {
                code: ORG.into(),
                region: "321000".into(),
                name_zh: "示范政务服务局（合成）".into(),
                name_en: "Sample Bureau (synthetic)".into(),
                ..OrganisationSeed::default()
            };
            load::organisation(&tx, &org).await?;
            for (login, name, code) in [
                ("zhang-jing", "张静合成", ZHANG),
                ("li-ming", "李明合成", LI),
            ] {
                let seed = CitizenSeed {
                    code: code.into(),
                    name: name.into(),
                    phone: "13800138000".into(),
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
            for (login, post) in [
                ("clerk", "clerk"),
                ("operator", "operator"),
                ("security", "security"),
                ("auditor", "auditor"),
            ] {
                let seed = OfficerSeed {
                    login: login.into(),
                    name: format!("合成{post}"),
                    posts: vec![(post.into(), ORG.into())],
                };
                load::officer(&tx, &seed, &hash).await?;
            }
            Ok(())
        }
    })
    .await
    .unwrap();
}

/// What a request got.
pub struct Reply {
    pub status: StatusCode,
    pub body: String,
    pub location: String,
    pub cookie: Option<String>,
}

impl Reply {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    pub fn says(&self, words: &str) -> &Self {
        assert!(self.body.contains(words), "{words} is not in {}", self.body);
        self
    }

    pub fn leads_to(&self, place: &str) -> &Self {
        assert_eq!(
            (self.status, &*self.location),
            (StatusCode::SEE_OTHER, place),
            "{}",
            self.body
        );
        self
    }

    pub fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }
}

/// Somebody who sends requests; a browser keeps its cookie.
pub struct Visitor<'a> {
    house: &'a House,
    pub cookie: Option<String>,
    token: Option<String>,
}

impl House {
    pub fn browser(&self) -> Visitor<'_> {
        Visitor {
            house: self,
            cookie: None,
            token: None,
        }
    }

    pub fn program(&self, token: &str) -> Visitor<'_> {
        Visitor {
            house: self,
            cookie: None,
            token: Some(token.into()),
        }
    }

    pub async fn signed_in(&self, login: &str) -> Visitor<'_> {
        let mut browser = self.browser();
        let reply = browser
            .post("/sign-in", &[("login", login), ("password", PASSWORD)])
            .await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.body);
        browser
    }

    /// Kinds of all events so far, oldest first.
    pub async fn events(&self) -> Vec<String> {
        use sea_orm::{ConnectionTrait, Statement};
        let db = self.db.read();
        let sql = "SELECT kind, data FROM store_event ORDER BY id";
        let rows = db
            .query_all_raw(Statement::from_string(db.get_database_backend(), sql))
            .await
            .unwrap();
        let mut kinds = Vec::new();
        for row in rows {
            let data: String = row.try_get("", "data").unwrap();
            assert!(
                !data.contains(PASSWORD) && !data.contains(ZHANG) && !data.contains("argon2"),
                "{data}"
            );
            kinds.push(row.try_get("", "kind").unwrap());
        }
        kinds
    }
}

impl Visitor<'_> {
    async fn send(&mut self, mut request: Request<Body>) -> Reply {
        let headers = request.headers_mut();
        headers.insert(header::HOST, "127.0.0.1:8080".parse().unwrap());
        headers.insert(header::USER_AGENT, "Sample Browser".parse().unwrap());
        headers.insert("accept-language", "en".parse().unwrap());
        headers.insert("x-real-ip", "192.0.2.1".parse().unwrap());
        if let Some(cookie) = &self.cookie {
            headers.insert(
                header::COOKIE,
                format!("other=1; {cookie}").parse().unwrap(),
            );
        }
        if let Some(token) = &self.token {
            headers.insert(
                header::AUTHORIZATION,
                format!("Bearer {token}").parse().unwrap(),
            );
        }
        let response = self.house.router.clone().oneshot(request).await.unwrap();
        let header = |name| {
            response
                .headers()
                .get(name)
                .map(|v: &axum::http::HeaderValue| v.to_str().unwrap().to_owned())
        };
        let cookies = response.headers().get_all(header::SET_COOKIE);
        let cookie = cookies
            .iter()
            .map(|v| v.to_str().unwrap().to_owned())
            .find(|v| v.starts_with("session="));
        let location = header(header::LOCATION.as_str()).unwrap_or_default();
        let status = response.status();
        if let Some(cookie) = &cookie {
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Reply {
            status,
            body: String::from_utf8_lossy(&body).into_owned(),
            location,
            cookie,
        }
    }

    pub async fn get(&mut self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let encode = |text: &str| {
            let bytes: Vec<_> = text.bytes().map(|b| format!("%{b:02X}")).collect();
            bytes.concat()
        };
        let body: Vec<_> = fields
            .iter()
            .map(|(k, v)| format!("{}={}", encode(k), encode(v)))
            .collect();
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body.join("&")));
        self.send(request.unwrap()).await
    }

    pub async fn call(&mut self, method: &str, path: &str, body: serde_json::Value) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()));
        self.send(request.unwrap()).await
    }
}
