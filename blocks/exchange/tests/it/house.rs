//! A hub that listens, nodes in folders of their own, SQLite databases over ODBC.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::{Extension, body::Body, http::Request};
use chrono::Utc;
use exchange::{
    Keys, Settings,
    hub::{enrolment::Invitation, publication, subscription::Subscribing},
    node::{Folder, config::Config, enrol, run::Node},
};
use http_body_util::BodyExt;
use identity::{Actor, Gate, Post, UserId};
use kernel::ManualClock;
use store::{Blobs, Db};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use web::{App, Texts};

/// Above both departments.
pub const CITY: &str = "113210009900000174";
pub const POLICE: &str = "11321000990000033R";
pub const CIVIL: &str = "11321000990000041L";

pub fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
    let mut all = identity::migrations();
    all.extend(exchange::migrations());
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
    pub url: String,
    pub dir: tempfile::TempDir,
    routes: axum::Router,
    address: std::net::SocketAddr,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

impl House {
    /// Tests' time stands still at the real moment, because TLS looks at the real clock.
    pub async fn open(db: Db, clock: &Arc<ManualClock>) -> Self {
        Self::open_with(db, clock, |_| {}).await
    }

    pub async fn open_with(
        db: Db,
        clock: &Arc<ManualClock>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        clock.set(Utc::now());
        organisations(&db).await;
        let dir = tempfile::tempdir().unwrap();
        let own = exchange::foundation();
        let app = App::new(
            db,
            web::Settings::default(),
            Texts::new(own.texts.iter().copied()),
        );
        app.put(Blobs::folder(dir.path().join("blobs")).unwrap());
        app.put(Keys(dir.path().join("keys")));
        let mut settings = Settings::default();
        change(&mut settings);
        app.put(settings);
        let module = exchange::module(&app).unwrap();
        app.put(Gate::of(module.policies.iter().copied()).unwrap());
        let (routes, _) = module.routes.split_for_parts();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = serve(&app, listener, &stop);
        let app_of = app.clone();
        Self {
            app,
            url: format!("https://127.0.0.1:{}", address.port()),
            dir,
            routes: routes.with_state(app_of.clone()),
            address,
            stop,
            serving,
        }
    }

    /// Stops listening, in the middle of whatever it is doing, and listens again.
    pub async fn restart(&mut self) {
        self.serving.abort();
        self.stop = CancellationToken::new();
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        self.serving = serve(&self.app, listener, &self.stop);
    }

    pub async fn invite(&self, node: &str, org: &str) -> String {
        let invitation = Invitation {
            node: node.into(),
            title: "示范前置机（合成）".into(),
            org: org.into(),
        };
        exchange::hub::enrolment::invite(&self.app, &steward(), &invitation)
            .await
            .unwrap()
    }

    pub fn folder(&self, node: &str) -> Folder {
        Folder(self.dir.path().join(node))
    }

    pub async fn enrol(&self, node: &str, org: &str) -> Folder {
        let code = self.invite(node, org).await;
        let folder = self.folder(node);
        enrol::enrol(&folder, &self.url, &code).await.unwrap();
        folder
    }

    pub async fn node(&self, node: &str, org: &str, config: &str) -> Node {
        let folder = self.enrol(node, org).await;
        Node::open(folder, Config::parse(config).unwrap())
            .await
            .unwrap()
    }

    pub async fn publish(&self, code: &str) {
        publication::set_open(&self.app, &steward(), code, true)
            .await
            .unwrap();
    }

    pub async fn subscribe(&self, publication: &str, node: &str) -> String {
        self.subscribe_to(publication, node, |_| {}).await
    }

    pub async fn subscribe_to(
        &self,
        publication: &str,
        node: &str,
        change: impl FnOnce(&mut Subscribing),
    ) -> String {
        let mut asked = Subscribing {
            publication: publication.into(),
            node: node.into(),
            purpose: "核对".into(),
            basis: "示范条例第一条".into(),
            columns: Vec::new(),
            filter: Vec::new(),
            expires_on: None,
            granted_by: String::new(),
        };
        change(&mut asked);
        let made = exchange::hub::subscription::subscribe(&self.app, &steward(), &asked).await;
        made.unwrap().id
    }

    /// Status and body of a request to the API.
    pub async fn ask(&self, actor: &Actor, request: Request<Body>) -> (u16, String) {
        let router = self.routes.clone().layer(Extension(actor.clone()));
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn serve(
    app: &App,
    listener: TcpListener,
    stop: &CancellationToken,
) -> tokio::task::JoinHandle<()> {
    let (app, stop) = (app.clone(), stop.clone());
    tokio::spawn(async move { exchange::hub::serve(app, listener, stop).await.unwrap() })
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

/// Steward of the police, and of the city above it.
pub fn steward() -> Actor {
    let mut steward = officer("steward", POLICE);
    steward.posts.extend(officer("steward", CITY).posts);
    steward
}

pub fn sqlite(file: &Path) -> String {
    format!(
        "Driver=SQLite3;Database={};Timeout=10000;FKSupport=1",
        file.display()
    )
}

/// Runs statements at a database over ODBC.
pub fn sql(connection: &str, statements: &[&str]) {
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
