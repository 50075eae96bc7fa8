//! The verbs of offices, on both databases: `docs/guide/verbs.md` names the test of each.

/// One write with everything in it cloned, since a write may be tried again.
macro_rules! act {
    ($desk:expr, |$tx:ident, $engine:ident| $body:expr) => {{
        let desk = $desk.clone();
        $desk
            .db
            .write(move |$tx| {
                let $engine = desk.engine.clone();
                let _ = &$engine;
                Box::pin($body)
            })
            .await
    }};
}

mod answer;
mod any;
mod back;
mod clock;
mod sign;
mod substitute;

use std::sync::Arc;

use identity::load::{self, OfficerSeed, OrganisationSeed};
use kernel::Error;
use serde_json::{Map, Value};
use store::{Db, page::PageRequest};
use workflow::{
    Completion, Engine, Filter, InstanceId, Officer, Progress, Task, TaskId,
    core::Mode,
    verb::{self, Place, Target},
};

use crate::model::{flows, process, vars};

const ORG: &str = "11330000000000000A";

fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
    let mut all = identity::foundation().migrations;
    all.extend(workflow::migrations());
    all
}

/// A bureau with its officers and one process under way.
#[derive(Clone)]
struct Desk {
    db: Db,
    engine: Arc<Engine>,
    officers: Vec<Officer>,
}

impl Desk {
    /// Officers a, b, c, d are examiners; chief is an approver.
    async fn set_up(db: Db) -> Self {
        let names = ["a", "b", "c", "d", "chief"];
        let made = db
            .write(move |tx| async move {
                let organisation = OrganisationSeed {
                    code: ORG.into(),
                    region: "330000".into(),
                    name_zh: "合成局".into(),
                    name_en: "Synthetic Bureau".into(),
                    short_name: "合成".into(),
                    ..OrganisationSeed::default()
                };
                load::organisation(&tx, &organisation).await?;
                let mut ids = Vec::new();
                for login in names {
                    let post = if login == "chief" {
                        "approver"
                    } else {
                        "examiner"
                    };
                    let seed = OfficerSeed {
                        login: login.into(),
                        name: format!("合成{login}"),
                        posts: vec![(post.into(), ORG.into())],
                    };
                    ids.push((load::officer(&tx, &seed, "").await?.to_string(), post));
                }
                Ok(ids)
            })
            .await
            .unwrap();
        let officer = |(id, post): (String, &str)| Officer {
            trace: format!("user:{id}"),
            groups: vec![format!("{post}@{ORG}"), format!("user:{id}")],
            id,
        };
        Self {
            db,
            engine: Arc::new(Engine::default()),
            officers: made.into_iter().map(officer).collect(),
        }
    }

    fn officer(&self, name: &str) -> Officer {
        let at = ["a", "b", "c", "d", "chief"]
            .iter()
            .position(|known| *known == name);
        self.officers[at.unwrap()].clone()
    }

    fn id(&self, name: &str) -> String {
        self.officer(name).id
    }

    async fn start(&self, nodes: &str, list: &str, variables: Value) -> InstanceId {
        let xml = process(&format!(
            r#"<startEvent id="s"/><endEvent id="e"/>{nodes}{}"#,
            flows(list)
        ));
        self.start_file(xml, variables).await
    }

    async fn start_file(&self, xml: String, variables: Value) -> InstanceId {
        let mut variables = vars(variables);
        variables.insert("org".into(), ORG.into());
        let by = self.officer("a").trace;
        act!(self, |tx, engine| {
            let (xml, variables, by) = (xml.clone(), variables.clone(), by.clone());
            async move {
                workflow::deploy(&tx, "p", &xml).await?;
                workflow::start_by(&tx, &engine, "p", "doc:1", variables, &by).await
            }
        })
        .unwrap()
    }

    async fn tasks(&self) -> Vec<Task> {
        let filter = Filter {
            subject: Some("doc:1".into()),
            ..Filter::default()
        };
        let page = workflow::tasks(&self.db, &filter, &PageRequest::default()).await;
        page.unwrap().items
    }

    /// Steps of the open tasks, with who has them.
    async fn open(&self) -> Vec<String> {
        let name = |id: &String| {
            let at = self.officers.iter().position(|officer| officer.id == *id);
            at.map_or("?", |at| ["a", "b", "c", "d", "chief"][at])
        };
        let tasks = self.tasks().await;
        let told = |task: &Task| match &task.facts.assignee {
            Some(id) => format!("{} {}", task.facts.element, name(id)),
            None => task.facts.element.clone(),
        };
        let mut open: Vec<_> = tasks.iter().map(told).collect();
        open.sort();
        open
    }

    /// The open task of a step, that of a certain officer if given.
    async fn task(&self, step: &str, who: Option<&str>) -> TaskId {
        let who = who.map(|who| self.id(who));
        let tasks = self.tasks().await;
        let is_it = |task: &&Task| {
            task.facts.element == step
                && who
                    .as_ref()
                    .is_none_or(|who| task.facts.assignee.as_ref() == Some(who))
        };
        let found = tasks.iter().find(is_it);
        found.unwrap_or_else(|| panic!("{step} {who:?}")).facts.task
    }

    async fn complete_by(
        &self,
        id: TaskId,
        who: &str,
        variables: Value,
    ) -> kernel::Result<Progress> {
        self.choose(id, who, variables, None).await
    }

    async fn choose(
        &self,
        id: TaskId,
        who: &str,
        variables: Value,
        next: Option<&str>,
    ) -> kernel::Result<Progress> {
        let (officer, next) = (self.officer(who), next.map(|next| self.id(next)));
        act!(self, |tx, engine| {
            let (officer, next, variables) =
                (officer.clone(), next.clone(), vars(variables.clone()));
            async move {
                let done = Completion {
                    vars: variables,
                    next,
                };
                workflow::complete_choosing(&tx, &engine, id, &officer, None, done).await
            }
        })
    }

    async fn complete(&self, step: &str, who: &str, variables: Value) -> Progress {
        let tasks = self.tasks().await;
        let id = self.id(who);
        let mine = tasks
            .iter()
            .find(|task| task.facts.element == step && task.facts.assignee.as_ref() == Some(&id));
        let any = tasks.iter().find(|task| task.facts.element == step);
        let task = mine
            .or(any)
            .unwrap_or_else(|| panic!("{step} is not open"))
            .facts
            .task;
        self.complete_by(task, who, variables).await.unwrap()
    }

    async fn claim(&self, id: TaskId, who: &str) -> kernel::Result<()> {
        let officer = self.officer(who);
        act!(self, |tx, engine| {
            let officer = officer.clone();
            async move { workflow::claim(&tx, id, &officer, None).await }
        })
    }

    async fn back(&self, id: TaskId, who: &str, target: Target, mode: Mode) -> kernel::Result<()> {
        let officer = self.officer(who);
        act!(self, |tx, engine| {
            let (officer, target) = (officer.clone(), target.clone());
            async move {
                verb::return_task(&tx, &engine, id, &officer, &target, mode, "数据有误")
                    .await
                    .map(drop)
            }
        })
    }

    async fn withdraw(&self, id: TaskId, who: &str) -> kernel::Result<()> {
        let officer = self.officer(who);
        act!(self, |tx, engine| {
            let officer = officer.clone();
            async move { verb::withdraw(&tx, &engine, id, &officer, "写错了").await }
        })
    }

    async fn add(&self, id: TaskId, who: &str, place: Place, added: &[&str]) -> kernel::Result<()> {
        let officer = self.officer(who);
        let added: Vec<String> = added.iter().map(|name| self.id(name)).collect();
        act!(self, |tx, engine| {
            let (officer, added) = (officer.clone(), added.clone());
            async move { verb::add_signers(&tx, id, &officer, place, &added, "需要会商").await }
        })
    }

    async fn delegate(&self, id: TaskId, who: &str, to: &str) -> kernel::Result<()> {
        let (officer, to) = (self.officer(who), self.id(to));
        act!(self, |tx, engine| {
            let (officer, to) = (officer.clone(), to.clone());
            async move { verb::delegate(&tx, id, &officer, &to, "现场核实").await }
        })
    }

    async fn variables(&self, instance: InstanceId) -> Map<String, Value> {
        act!(self, |tx, engine| async move {
            workflow::variables(&tx, instance).await
        })
        .unwrap()
    }

    async fn status(&self, instance: InstanceId) -> String {
        workflow::trail_of(&self.db, &self.engine, instance)
            .await
            .unwrap()
            .status
    }

    async fn verbs(&self, instance: InstanceId) -> Vec<String> {
        let deeds = verb::deeds(&self.db, instance).await.unwrap();
        // The test's clock stands still, so their order is not told by time.
        let mut verbs: Vec<_> = deeds.into_iter().map(|deed| deed.verb).collect();
        verbs.sort();
        verbs
    }
}

fn refused<T: std::fmt::Debug>(result: kernel::Result<T>) -> String {
    match result {
        Err(Error::Refused(text)) => text.key.to_owned(),
        Err(Error::Invalid(findings)) => format!("{}: {}", findings[0].field, findings[0].text.key),
        Err(Error::Forbidden { action }) => action,
        other => panic!("{other:?}"),
    }
}

const STEPS: &str = r#"<userTask id="x" tongban:candidates="examiner"/><userTask id="y" name="审查" tongban:candidates="examiner"/><userTask id="z" tongban:candidates="approver"/>"#;

const ROW: &str = "s>x>y>z>e";
