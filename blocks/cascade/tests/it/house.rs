//! Two hubs on loopback, each with nodes of its own; the inferior may join the superior.

use std::{path::Path, sync::Arc};

use cascade::{Place, join::Joining, work};
use exchange::{
    Keys, Settings,
    hub::{
        Hub,
        enrolment::Invitation,
        overview, publication,
        subscription::{self, Subscribing},
    },
    node::{Folder, config::Config, enrol, run::Node},
};
use identity::{Actor, Gate, Post, UserId};
use kernel::SystemClock;
use store::{Blobs, Db, page::PageRequest};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use web::{App, Texts};

pub const POLICE: &str = "11321000990000033R";
pub const CIVIL: &str = "11321000990000041L";
pub const CENTRE: &str = "113210009900000174";

pub fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
    let mut all = identity::foundation().migrations;
    all.extend(workflow::migrations());
    all.extend(credential::foundation().migrations);
    all.extend(catalog::migrations());
    all.extend(exchange::migrations());
    all.extend(cascade::migrations());
    all
}

pub struct Centre {
    pub app: App,
    pub url: String,
    pub dir: tempfile::TempDir,
    stop: CancellationToken,
    address: std::net::SocketAddr,
}

impl Centre {
    pub async fn open(db: Db) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (app, listener) = assemble(db, dir.path(), "127.0.0.1:0").await;
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        serve(&app, listener, &stop);
        Self {
            url: format!("https://127.0.0.1:{}", address.port()),
            app,
            dir,
            stop,
            address,
        }
    }

    /// A hub on a database of its own, whatever the test's is.
    pub async fn beside() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = store::Settings {
            url: format!("sqlite://{}", dir.path().join("hub.db").display()),
            connections: 4,
        };
        let db = Db::open(&settings, Arc::new(SystemClock)).await.unwrap();
        let mut all = store::migrations();
        all.extend(migrations());
        store::migrate(&db, all).await.unwrap();
        let (app, listener) = assemble(db, dir.path(), "127.0.0.1:0").await;
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        serve(&app, listener, &stop);
        Self {
            url: format!("https://127.0.0.1:{}", address.port()),
            app,
            dir,
            stop,
            address,
        }
    }

    /// Listens no more.
    pub async fn stop(&self) {
        self.stop.cancel();
        while tokio::net::TcpStream::connect(self.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    /// As a process that was killed and started again: nothing in memory is left.
    pub async fn restart(&mut self) {
        self.stop.cancel();
        let address = self.address.to_string();
        let db = self.app.db().clone();
        let (app, listener) = assemble(db, self.dir.path(), &address).await;
        self.app = app;
        self.stop = CancellationToken::new();
        serve(&self.app, listener, &self.stop);
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

    pub async fn node(&self, node: &str, org: &str, config: &str) -> Node {
        let code = self.invite(node, org).await;
        let folder = Folder(self.dir.path().join(node));
        enrol::enrol(&folder, &self.url, &code).await.unwrap();
        Node::open(folder, Config::parse(config).unwrap())
            .await
            .unwrap()
    }

    pub async fn join(&self, superior: &Centre) {
        self.join_as(superior, "yungang", CENTRE).await.unwrap();
    }

    /// Joins a superior of that organisation, which calls this hub so.
    pub async fn join_as(
        &self,
        superior: &Centre,
        node: &str,
        org: &str,
    ) -> kernel::Result<cascade::Superior> {
        let joining = Joining {
            hub: superior.url.clone(),
            code: superior.invite(node, CENTRE).await,
            org: org.into(),
            title: "示范省（合成）".into(),
        };
        cascade::join::join(&self.app, &steward(), &joining).await
    }

    pub async fn publish(&self, code: &str) {
        publication::set_open(&self.app, &steward(), code, true)
            .await
            .unwrap();
    }

    pub async fn subscribe(&self, code: &str, node: &str) {
        let asked = Subscribing {
            publication: code.into(),
            node: node.into(),
            purpose: "汇聚".into(),
            basis: "示范条例第一条".into(),
            columns: Vec::new(),
            filter: Vec::new(),
            expires_on: None,
            granted_by: String::new(),
        };
        subscription::subscribe(&self.app, &steward(), &asked)
            .await
            .unwrap();
    }

    /// Rounds of the cascade until nothing moves.
    pub async fn relay(&self) -> usize {
        let mut all = 0;
        let mut worker = work::Worker::of(self.app.clone());
        for _ in 0..20 {
            let round = worker.round().await.unwrap();
            all += round.carried;
            if round.carried == 0 {
                break;
            }
        }
        all
    }

    /// State of a publication and of its subscriptions for a node.
    pub async fn flow(&self, code: &str, node: &str) -> (&'static str, Vec<subscription::State>) {
        let all = publication::list(&self.app, &steward()).await.unwrap();
        let own = all.into_iter().find(|one| one.code == code).unwrap();
        let subscriptions = subscription::list(&self.app, &steward()).await.unwrap();
        let subscriptions = subscriptions.into_iter();
        let of_node = subscriptions.filter(|one| one.publication == code && one.node == node);
        (own.state.name(), of_node.map(|one| one.state).collect())
    }

    /// Whether a node was shut out, and why.
    pub async fn revoked(&self, node: &str) -> Option<String> {
        let hub = self.app.part::<Hub>().unwrap();
        let row = exchange::hub::enrolment::lookup(&hub, node).await.unwrap();
        let row = row.unwrap();
        row.is_revoked.then_some(row.revoked_reason)
    }

    /// How this hub stands to its superior.
    pub async fn standing(&self) -> cascade::Superior {
        let standing = cascade::join::standing(&self.app, &steward()).await;
        standing.unwrap().unwrap()
    }

    /// The one hub below this one.
    pub async fn inferior(&self) -> cascade::inferior::Inferior {
        let mut all = cascade::inferior::list(&self.app, &steward())
            .await
            .unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    /// Batches of a publication: sequence, rows, and whether the receipt is genuine.
    pub async fn batches(&self, code: &str) -> Vec<(i64, i64, bool)> {
        let page = PageRequest::new(None, None);
        let found = overview::batches(&self.app, &steward(), Some(code), &page).await;
        let mut all = Vec::new();
        let key = self.app.part::<Hub>().unwrap().authority.public_key();
        for (batch, _) in found.unwrap().items {
            let detail = overview::batch(&self.app, &steward(), &batch.id)
                .await
                .unwrap();
            let receipt = detail.receipt.unwrap();
            let said = receipt.open::<exchange::wire::Receipt>(&key);
            let is_genuine = said.is_ok_and(|said| said.batch == batch.id);
            all.push((batch.sequence, batch.rows, is_genuine));
        }
        all.sort_unstable();
        all
    }
}

async fn assemble(db: Db, dir: &Path, address: &str) -> (App, TcpListener) {
    let foundations = [
        web::foundation(),
        identity::foundation(),
        exchange::foundation(),
        cascade::foundation(),
        catalog::foundation(),
    ];
    let words = foundations
        .iter()
        .flat_map(|foundation| foundation.texts.iter().copied())
        .chain(kernel::TEXTS.iter().copied());
    let app = App::new(db, web::Settings::default(), Texts::new(words));
    app.put(Blobs::folder(dir.join("blobs")).unwrap());
    app.put(Keys(dir.join("keys")));
    app.put(credential::Settings {
        keys: dir.join("keys"),
        demo: true,
    });
    app.put(Settings {
        names: vec!["127.0.0.1".into()],
        ..Settings::default()
    });
    app.put(Place(dir.join("cascade")));
    let modules = [
        identity::module(&app).unwrap(),
        workflow::module(&app).unwrap(),
        credential::module(&app).unwrap(),
        catalog::module(&app).unwrap(),
        exchange::module(&app).unwrap(),
        cascade::module(&app).unwrap(),
    ];
    let policies: Vec<_> = modules.iter().flat_map(|m| m.policies.clone()).collect();
    app.part::<Gate>().unwrap().load(policies).unwrap();
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let centre = identity::load::OrganisationSeed {
        code: CENTRE.into(),
        region: "321000".into(),
        name_zh: "示范中心（合成）".into(),
        name_en: "Sample centre (synthetic)".into(),
        ..identity::load::OrganisationSeed::default()
    };
    app.db()
        .write(move |tx| {
            let centre = centre.clone();
            async move { identity::load::organisation(&tx, &centre).await.map(drop) }
        })
        .await
        .unwrap();
    let hub = app.part::<Hub>().unwrap();
    hub.note_address(listener.local_addr().unwrap());
    (app, listener)
}

fn serve(app: &App, listener: TcpListener, stop: &CancellationToken) {
    tokio::spawn(exchange::hub::serve(app.clone(), listener, stop.clone()));
}

pub fn steward() -> Actor {
    let post = Post {
        post: "steward".into(),
        org: CENTRE.into(),
        org_name: "示范中心（合成）".into(),
        region: "321000".into(),
        held_for: None,
    };
    Actor {
        user: UserId::new(&SystemClock),
        name: "李雷".into(),
        posts: vec![post],
        ..Actor::system()
    }
}

pub fn sqlite(file: &Path) -> String {
    format!("Driver=SQLite3;Database={};Timeout=10000", file.display())
}

/// A folder of JSON files as a source.
pub fn source(code: &str, folder: &Path) -> String {
    format!(
        r#"
        [[publication]]
        code = "{code}"
        title = "示范（合成）"
        key = ["id"]
        every_seconds = 0
        source = {{ kind = "folder", path = "{}" }}
        columns = [{{ name = "id", type = "integer", required = true }}, {{ name = "name", required = true }}]
        "#,
        folder.display()
    )
}

pub fn target(code: &str, file: &Path) -> String {
    format!(
        "[[target]]\npublication = \"{code}\"\nconnection = \"{}\"\ntable = \"rows\"\ncreate = true\n",
        sqlite(file)
    )
}

/// All rows of the target, `id|name`.
pub fn rows(file: &Path) -> Vec<String> {
    let connection = exchange::node::source::odbc::connect(&sqlite(file)).unwrap();
    odbc_rows(&connection)
}

fn odbc_rows(connection: &arrow_odbc::odbc_api::Connection<'_>) -> Vec<String> {
    use arrow_odbc::odbc_api::Cursor;
    let query = "SELECT id || '|' || name FROM rows ORDER BY id";
    let mut cursor = connection.execute(query, (), None).unwrap().unwrap();
    let mut all = Vec::new();
    while let Some(mut row) = cursor.next_row().unwrap() {
        let mut text = Vec::new();
        row.get_text(1, &mut text).unwrap();
        all.push(String::from_utf8(text).unwrap());
    }
    all
}
