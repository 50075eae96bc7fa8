//! `tongban demo --departments`: the made-up departments' nodes at work beside the server. They do
//! what departments do: enrol, deliver their files, ask each other for data, and receive it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use catalog::{Metadata, request::Ask, resource};
use exchange::{
    Hub,
    hub::{enrolment, publication},
    node::{Folder, config::Config, enrol, run::Node},
};
use identity::Actor;
use kernel::Error;
use serde_json::{Map, Value, json};
use store::page::PageRequest;
use tokio_util::sync::CancellationToken;
use web::App;

use crate::{assemble::House, command::serve};

const POLICE: &str = "113210009900000767";
const MARKET: &str = "11321000990000033R";
const URBAN: &str = "11321000990000041L";
const CENTRE: &str = "113210009900000174";

/// A department with a node: its file of `demo-data`, and what it publishes of it.
struct Department {
    node: &'static str,
    title: &'static str,
    org: &'static str,
    /// The department's file, without its ending.
    file: &'static str,
    publication: &'static str,
    /// Name of the catalog's entry.
    entry: &'static str,
    key: &'static str,
    /// TOML of the columns.
    columns: &'static str,
}

const PROVIDERS: [Department; 2] = [
    Department {
        node: "police-front",
        title: "公安前置机（合成）",
        org: POLICE,
        file: "police",
        publication: "hukou-person",
        entry: "常住人口基本信息（合成）",
        key: "gmsfhm",
        columns: r#"
  { name = "gmsfhm", title = "公民身份号码", length = 18, required = true },
  { name = "xm", title = "姓名", length = 100, required = true },
  { name = "xbdm", title = "性别", length = 1 },
  { name = "csrq", title = "出生日期", type = "date" },
  { name = "hjdz", title = "户籍地址", length = 200 },
"#,
    },
    Department {
        node: "market-front",
        title: "市监前置机（合成）",
        org: MARKET,
        file: "market-regulation",
        publication: "enterprises",
        entry: "企业登记基本信息（合成）",
        key: "uniscid",
        columns: r#"
  { name = "uniscid", title = "统一社会信用代码", length = 18, required = true },
  { name = "entname", title = "企业名称", length = 200, required = true },
  { name = "entkind", title = "企业类型", length = 4 },
  { name = "regstate", title = "登记状态", length = 2 },
  { name = "dom", title = "住所", length = 200 },
"#,
    },
];

/// The department that receives, where the machine has a driver for its database.
const RECEIVER: &str = "urban-front";

/// Nodes that run until they are told to stop.
pub struct Departments {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Departments {
    /// Begins beside a server that is about to serve.
    pub fn start(house: &House, dir: PathBuf, people: u64) -> Self {
        let stop = CancellationToken::new();
        tokio::spawn(serve::stop_on_signal(stop.clone()));
        let (app, stopped) = (house.app.clone(), stop.clone());
        let task = tokio::spawn(async move {
            // The futures of acts are large.
            let work = Box::pin(work(&app, &dir, people, &stopped));
            if let Err(error) = work.await {
                tracing::warn!("the demo's departments do not work: {error:#}");
            }
        });
        Self { stop, task }
    }

    pub async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        Ok(self.task.await?)
    }
}

async fn work(app: &App, dir: &Path, people: u64, stop: &CancellationToken) -> anyhow::Result<()> {
    let hub = listening(app, stop).await?;
    if !dir.join("README.md").exists() {
        write_files(dir.to_owned(), people).await?;
    }
    let mut nodes = Vec::new();
    for department in PROVIDERS {
        nodes.push(provider(app, &hub, dir, &department).await?);
    }
    if has_driver().await {
        nodes.push(receiver(app, &hub, dir).await?);
    }
    let mut running = Vec::new();
    for node in nodes {
        let stop = stop.clone();
        running.push(tokio::task::spawn_blocking(move || run(node, &stop)));
    }
    for department in PROVIDERS {
        open_publication(app, department.publication, stop).await?;
    }
    let asked = dir.join("asked");
    if !asked.exists() {
        share_interface(app).await?;
        for request in requests() {
            ask(app, &request).await?;
        }
        std::fs::write(asked, "")?;
    }
    for node in running {
        node.await??;
    }
    Ok(())
}

/// Opens what a node publishes, as soon as the node has told of it.
async fn open_publication(app: &App, code: &str, stop: &CancellationToken) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        match publication::set_open(app, &Actor::system(), code, true).await {
            Err(Error::NotFound { .. }) => tokio::time::sleep(Duration::from_millis(200)).await,
            outcome => return Ok(outcome.map(drop)?),
        }
    }
    Ok(())
}

/// A node has a runtime of its own, as it has a process elsewhere.
fn run(mut node: Node, stop: &CancellationToken) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(node.run(stop))?)
}

/// The address of the exchange, once it listens.
async fn listening(app: &App, stop: &CancellationToken) -> anyhow::Result<String> {
    let hub = app.part::<Hub>()?;
    while hub.address().is_empty() && !stop.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(hub.address())
}

/// Each department's file into a folder of its own, as its people would put it there.
async fn write_files(dir: PathBuf, people: u64) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(move || {
        let settings = synthetic::Settings { people, seed: 1 };
        datahub::demo::write(settings, &dir, &|_| ())?;
        for department in &PROVIDERS {
            let to = dir.join(department.node).join("files");
            std::fs::create_dir_all(&to)?;
            let name = format!("{}.csv", department.file);
            std::fs::rename(dir.join(&name), to.join(&name))?;
        }
        anyhow::Ok(())
    })
    .await?
    .context("cannot write the departments' files")
}

async fn provider(
    app: &App,
    hub: &str,
    dir: &Path,
    department: &Department,
) -> anyhow::Result<Node> {
    let folder = Folder(dir.join(department.node));
    join(app, hub, &folder, department.title, department.org).await?;
    let (entry, _) = entry(app, department.entry).await?;
    let files = folder.0.join("files").display().to_string();
    let settings = format!(
        "[[publication]]\ncode = {:?}\nresource = {:?}\ntitle = {:?}\nkey = [{:?}]\n\
         every_seconds = 60\nsource = {{ kind = \"folder\", path = {:?} }}\ncolumns = [{}]\n",
        department.publication,
        entry.code.unwrap_or_default(),
        department.entry,
        department.key,
        files,
        department.columns,
    );
    open(folder, &settings).await
}

async fn receiver(app: &App, hub: &str, dir: &Path) -> anyhow::Result<Node> {
    let folder = Folder(dir.join(RECEIVER));
    join(app, hub, &folder, "城管前置机（合成）", URBAN).await?;
    let database = format!(
        "Driver=SQLite3;Database={};",
        folder.0.join("urban.db").display()
    );
    let settings = format!(
        "[[target]]\npublication = \"enterprises\"\nconnection = {database:?}\n\
         table = \"enterprises\"\ncreate = true\n"
    );
    open(folder, &settings).await
}

/// The settings are written as well, so that they can be looked at.
async fn open(folder: Folder, settings: &str) -> anyhow::Result<Node> {
    let path = folder.0.join("node.toml");
    std::fs::write(&path, settings)?;
    Ok(Node::open(folder, Config::read(&path)?).await?)
}

/// Enrols, unless that was done with the hub at this address.
async fn join(app: &App, hub: &str, folder: &Folder, title: &str, org: &str) -> anyhow::Result<()> {
    if folder.membership().is_ok_and(|own| own.hub == hub) {
        return Ok(());
    }
    let node = folder.0.file_name().unwrap_or_default().to_string_lossy();
    let invitation = enrolment::Invitation {
        node: node.into_owned(),
        title: title.to_owned(),
        org: org.to_owned(),
    };
    let code = enrolment::invite(app, &Actor::system(), &invitation).await?;
    enrol::enrol(folder, hub, &code).await?;
    Ok(())
}

/// Whether the machine has the ODBC driver that the receiver's database needs.
async fn has_driver() -> bool {
    let looked = tokio::task::spawn_blocking(|| {
        exchange::node::source::odbc::connect("Driver=SQLite3;Database=:memory:;").is_ok()
    });
    looked.await.unwrap_or_default()
}

/// A published entry by its name.
async fn entry(app: &App, name: &str) -> anyhow::Result<(resource::Entry, Metadata)> {
    let filter = resource::store::Filter {
        q: name.to_owned(),
        only_public: true,
        ..resource::store::Filter::default()
    };
    let page = PageRequest::new(None, Some(1));
    let found = resource::act::list(app, &Actor::system(), &filter, &page).await?;
    let entry = found.items.into_iter().next();
    let entry = entry.with_context(|| format!("the catalog has no {name}"))?;
    let code = entry.code.clone().unwrap_or_default();
    let view = resource::act::get(app, &Actor::system(), &code).await?;
    Ok((entry, view.metadata))
}

/// What urban management asks for, and how far it has come: who answered, one after the other.
struct Request {
    entry: &'static str,
    purpose: &'static str,
    basis: &'static str,
    answers: &'static [(&'static str, &'static str, &'static str)],
}

fn requests() -> [Request; 2] {
    [
        Request {
            entry: "企业登记基本信息（合成）",
            purpose: "户外招牌设置许可核验申请企业",
            basis: "《示范法（合成）》第十一条",
            answers: &[
                ("urban-chief", "approver", URBAN),
                ("steward", "steward", CENTRE),
            ],
        },
        Request {
            entry: "常住人口基本信息（合成）",
            purpose: "核验招牌设置申请人身份",
            basis: "《示范法（合成）》第十二条",
            answers: &[("urban-chief", "approver", URBAN)],
        },
    ]
}

async fn ask(app: &App, request: &Request) -> anyhow::Result<()> {
    let (entry, metadata) = entry(app, request.entry).await?;
    let today = app.clock().today();
    let scope = Ask {
        items: metadata
            .items
            .iter()
            .map(|item| item.name.clone())
            .collect(),
        basis: request.basis.into(),
        purpose: request.purpose.into(),
        users: "招牌审批系统，审查岗（合成）".into(),
        mode: "1".into(),
        starts_on: Some(today),
        ends_on: today.checked_add_months(chrono::Months::new(12)),
        responsible: "合成·城管审查员".into(),
        contact: "19900000000".into(),
        ..Ask::default()
    };
    let asker = service::demo::officer(app, "urban", "examiner", URBAN).await?;
    let code = entry.code.unwrap_or_default();
    let id = catalog::request::act::ask(app, &asker, &code, URBAN, &scope).await?;
    for (login, post, org) in request.answers {
        let officer = service::demo::officer(app, login, post, org).await?;
        agree(app, &officer, &format!("catalog-request:{id}")).await?;
    }
    Ok(())
}

/// Says yes to the open task about the subject.
async fn agree(app: &App, officer: &Actor, subject: &str) -> anyhow::Result<()> {
    let filter = workflow::Filter {
        subject: Some(subject.to_owned()),
        ..workflow::Filter::default()
    };
    let page = PageRequest::new(None, Some(1));
    let tasks = workflow::tasks(app.db(), &filter, &page).await?;
    let task = tasks.items.into_iter().next();
    let task = task.context("nothing waits for an answer")?.facts.task;
    let engine = app.part::<workflow::Engine>()?;
    let officer = workflow::Officer::from(officer);
    app.db()
        .write(move |tx| {
            let (engine, officer) = (engine.clone(), officer.clone());
            let vars: Map<_, _> = [("outcome", "agree"), ("opinion", "同意")]
                .map(|(name, value)| (name.to_owned(), Value::from(value)))
                .into_iter()
                .collect();
            let done = workflow::Completion { vars, next: None };
            async move { workflow::complete_choosing(&tx, &engine, task, &officer, None, done).await }
        })
        .await?;
    Ok(())
}

/// An interface of the police that says whether number and name belong together, and nothing else.
async fn share_interface(app: &App) -> anyhow::Result<()> {
    let interface = json!({
        "code": "person-check", "title": "身份核验（合成）", "org": POLICE,
        "query": {"registry": "population", "compare": ["xm"]},
    });
    let grant = json!({
        "resource": "person-check", "org": MARKET, "purpose": "核验经营者身份",
        "basis": "《示范法（合成）》第十三条", "quota_per_day": 5_000, "rate_per_second": 20,
    });
    let interface = serde_json::from_value(interface)?;
    gateway::resource::register(app, &Actor::system(), &interface).await?;
    // Who shares an interface does not say alone who may call it.
    let steward = service::demo::officer(app, "steward", "steward", CENTRE).await?;
    gateway::grant::grant(app, &steward, &serde_json::from_value(grant)?).await?;
    Ok(())
}
