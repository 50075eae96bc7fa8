//! A house with one room, and how to ask it.

use axum::{
    Router,
    body::Body,
    extract::Json,
    http::{HeaderMap, Method, Request, StatusCode},
    routing::{get, post},
};
use http_body_util::BodyExt;
use kernel::{Error, Fault, Text};
use tower::ServiceExt;
use utoipa_axum::router::OpenApiRouter;
use web::{App, MenuItem, Module, Page, Settings, Texts, WebError, module::MenuPlace};

pub struct House {
    pub app: App,
    router: Router,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub fn texts() -> Texts {
    let words = web::foundation().texts.iter().copied();
    Texts::new(words.chain([
        ("zh-CN", "test-digits = 须为 { $count } 位数字，请核对证件\ntest-taken = 已由他人办理，请刷新\n"),
        ("en", "test-digits = Must have { $count } digits; check the document\ntest-taken = Somebody else has done it; reload\n"),
    ]))
}

impl House {
    pub fn new(db: store::Db) -> Self {
        Self::with(
            db,
            Settings {
                body_limit: 1 << 20,
                place: "云港市".into(),
                ..Settings::default()
            },
        )
    }

    pub fn with(db: store::Db, settings: Settings) -> Self {
        let app = App::new(db, settings, texts());
        let router = web::server::router(&app, vec![module()], |router| router);
        Self { app, router }
    }

    pub async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Body::empty()).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.ask(request.body(body).unwrap()).await
    }
}

fn module() -> Module {
    let routes = OpenApiRouter::new()
        .route(
            "/hello",
            get(|p: Page| async move { format!("{} {}", p.language.tag(), p.path) }),
        )
        .route("/act", post(|body: String| async move { body }))
        .route(
            "/form",
            post(|form: web::Fields| async move { form.value("name").to_owned() }),
        );
    let routes = ["", "/api/test"]
        .into_iter()
        .fold(routes, |routes, prefix| {
            routes
                .route(
                    &format!("{prefix}/invalid"),
                    get(|| async {
                        fail(Error::invalid(
                            "phone",
                            Text::new("test-digits").with("count", 11),
                        ))
                    }),
                )
                .route(
                    &format!("{prefix}/refused"),
                    get(|| async { fail(Error::refused("test-taken")) }),
                )
                .route(
                    &format!("{prefix}/private"),
                    get(|| async { fail(Error::NotSignedIn) })
                        .post(|| async { fail(Error::NotSignedIn) }),
                )
                .route(
                    &format!("{prefix}/forbidden"),
                    get(|| async {
                        fail(Error::Forbidden {
                            action: "test.see".into(),
                        })
                    }),
                )
                .route(
                    &format!("{prefix}/fault"),
                    get(|| async {
                        fail(Error::Fault(Fault::caused_by(
                            "read a row",
                            "secret of the disk",
                        )))
                    }),
                )
                .route(
                    &format!("{prefix}/away"),
                    get(|| async {
                        fail(Error::Unavailable(
                            Fault::new("reach the database").transient(),
                        ))
                    }),
                )
                .route(&format!("{prefix}/panic"), get(panics))
                .route(
                    &format!("{prefix}/json"),
                    post(|Json(_): Json<Vec<Item>>| async { "read" }),
                )
        });
    Module {
        name: "test",
        routes,
        menu: vec![
            item("web-search", "/guide", 2, ""),
            item("web-gallery", "/gallery", 1, ""),
            item("web-workbench", "/secret", 0, "test.secret"),
        ],
        ..Module::default()
    }
}

#[derive(serde::Deserialize)]
struct Item {
    #[expect(dead_code, reason = "only its being read matters")]
    field: String,
}

fn item(key: &'static str, href: &'static str, order: u32, action: &'static str) -> MenuItem {
    MenuItem {
        key,
        href,
        place: MenuPlace::Public,
        order,
        action,
    }
}

fn fail(error: Error) -> Result<String, WebError> {
    Err(error.into())
}

async fn panics() -> String {
    panic!("a handler's mistake")
}
