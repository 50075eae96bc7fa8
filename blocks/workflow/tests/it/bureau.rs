//! A bureau with its officers, who do verbs to the tasks of one process.

use std::sync::Arc;

use chrono::Duration;
use identity::load::{self, OfficerSeed, OrganisationSeed};
use kernel::{
    Error,
    calendar::{Calendar, Year},
};
use serde_json::{Map, Value, json};
use store::{Db, page::PageRequest};
use workflow::{
    Completion, Engine, Filter, InstanceId, Officer, Task, TaskId,
    core::Mode,
    verb::{self, Deed, Place, Substitute, Target},
};

use crate::model::{flows, process, vars};

pub const ORG: &str = "11330000000000000A";
/// Another body, whose officers hold no post here.
const FAR: &str = "11330000000000000B";
const OFFICERS: [(&str, &str, &str); 5] = [
    ("a", "examiner", ORG),
    ("b", "examiner", ORG),
    ("c", "examiner", ORG),
    ("chief", "approver", ORG),
    ("far", "examiner", FAR),
];

pub fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
    let mut all = identity::foundation().migrations;
    all.extend(workflow::migrations());
    all
}

#[derive(Clone)]
pub struct Bureau {
    pub db: Db,
    engine: Arc<Engine>,
    officers: Vec<Officer>,
}

/// What an officer does to a task.
#[derive(Clone, Debug)]
pub enum Verb {
    Claim,
    Release,
    Complete(Value),
    Transfer(String),
    Delegate(String),
    Beside(String),
    RemoveSigner,
    Back,
    Withdraw,
    Reject,
    Suspend,
    Resume,
    Extend(u32),
}

impl Verb {
    async fn done(
        &self,
        tx: &store::Tx,
        engine: &Engine,
        id: TaskId,
        by: &Officer,
    ) -> kernel::Result<()> {
        let why = "合成理由";
        match self {
            Self::Claim => workflow::claim(tx, id, by, None).await,
            Self::Release => workflow::release(tx, id, by).await,
            Self::Complete(given) => {
                let done = Completion {
                    vars: vars(given.clone()),
                    next: None,
                };
                verb::complete_choosing(tx, engine, id, by, None, done)
                    .await
                    .map(drop)
            }
            Self::Transfer(to) => workflow::transfer(tx, id, by, to, why).await,
            Self::Delegate(to) => verb::delegate(tx, id, by, to, why).await,
            Self::Beside(who) => {
                let added = std::slice::from_ref(who);
                verb::add_signers(tx, id, by, Place::Beside, added, why).await
            }
            Self::RemoveSigner => verb::remove_signer(tx, engine, id, by, false, why).await,
            Self::Back => verb::return_task(tx, engine, id, by, &Target::Previous, Mode::Back, why)
                .await
                .map(drop),
            Self::Withdraw => verb::withdraw(tx, engine, id, by, why).await,
            Self::Reject => verb::reject(tx, engine, id, by, why).await,
            Self::Suspend => verb::suspend(tx, id, by, "听证", why).await,
            Self::Resume => verb::resume(tx, engine, id, by).await,
            Self::Extend(days) => verb::extend(tx, engine, id, by, *days, why).await,
        }
    }
}

impl Bureau {
    pub async fn open(db: Db) -> Self {
        let made = db.write(|tx| async move {
            for code in [ORG, FAR] {
                let organisation = OrganisationSeed {
                    code: code.into(),
                    region: "330000".into(),
                    name_zh: "合成局".into(),
                    name_en: "Synthetic Bureau".into(),
                    ..OrganisationSeed::default()
                };
                load::organisation(&tx, &organisation).await?;
            }
            let mut officers = Vec::new();
            for (login, post, org) in OFFICERS {
                let seed = OfficerSeed {
                    login: login.into(),
                    name: format!("合成{login}"),
                    posts: vec![(post.into(), org.into())],
                };
                let id = load::officer(&tx, &seed, "").await?.to_string();
                officers.push(Officer {
                    trace: format!("user:{id}"),
                    groups: vec![format!("{post}@{org}"), format!("user:{id}")],
                    id,
                });
            }
            Ok(officers)
        });
        let officers = made.await.unwrap();
        let mut calendar = Calendar::new();
        for year in [2026, 2027] {
            let year = json!({"year": year, "off": [], "work": []});
            let year: Year = serde_json::from_value(year).unwrap();
            calendar.insert(&year).unwrap();
        }
        let (engine, calendar) = (Engine::default(), Arc::new(calendar));
        engine.use_calendars(Arc::new(move |_: &str| Ok(calendar.clone())));
        Self {
            db,
            engine: Arc::new(engine),
            officers,
        }
    }

    pub fn officer(&self, name: &str) -> Officer {
        let at = OFFICERS.iter().position(|(login, ..)| *login == name);
        self.officers[at.unwrap()].clone()
    }

    pub fn id(&self, name: &str) -> String {
        self.officer(name).id
    }

    /// Login of an officer, or the text itself.
    pub fn name(&self, id: &str) -> String {
        let at = self.officers.iter().position(|officer| officer.id == id);
        at.map_or_else(|| id.to_owned(), |at| OFFICERS[at].0.to_owned())
    }

    pub async fn start(&self, nodes: &str, list: &str, given: Value) -> InstanceId {
        let xml = process(&format!(
            r#"<startEvent id="s"/><endEvent id="e"/>{nodes}{}"#,
            flows(list)
        ));
        let mut given = vars(given);
        given.insert("org".into(), ORG.into());
        let engine = self.engine.clone();
        let started = self.db.write(move |tx| {
            let (engine, xml, given) = (engine.clone(), xml.clone(), given.clone());
            async move {
                workflow::deploy(&tx, "p", &xml).await?;
                workflow::start_by(&tx, &engine, "p", "doc:1", given, "system").await
            }
        });
        started.await.unwrap()
    }

    pub async fn tasks(&self) -> Vec<Task> {
        let filter = Filter {
            subject: Some("doc:1".into()),
            ..Filter::default()
        };
        let page = workflow::tasks(&self.db, &filter, &PageRequest::default()).await;
        page.unwrap().items
    }

    /// Open tasks with who has them: `x a`, `y -`.
    pub async fn open_tasks(&self) -> Vec<String> {
        let tasks = self.tasks().await;
        let told = tasks.iter().map(|task| {
            let who = task.facts.assignee.as_deref().unwrap_or("-");
            format!("{} {}", task.facts.element, self.name(who))
        });
        let mut told: Vec<_> = told.collect();
        told.sort();
        told
    }

    /// The open task at a step; that of one officer, if named.
    pub async fn task(&self, step: &str, who: Option<&str>) -> TaskId {
        let who = who.map(|who| self.id(who));
        let tasks = self.tasks().await;
        let found = tasks.iter().find(|task| {
            task.facts.element == step && (who.is_none() || task.facts.assignee == who)
        });
        found.unwrap().facts.task
    }

    pub async fn does(&self, who: &str, id: TaskId, verb: Verb) -> kernel::Result<()> {
        let (engine, by) = (self.engine.clone(), self.officer(who));
        let done = self.db.write(move |tx| {
            let (engine, by, verb) = (engine.clone(), by.clone(), verb.clone());
            Box::pin(async move { verb.done(&tx, &engine, id, &by).await })
        });
        done.await
    }

    pub async fn completes(&self, who: &str, step: &str, given: Value) {
        let id = self.task(step, None).await;
        self.does(who, id, Verb::Complete(given)).await.unwrap();
    }

    /// An officer who keeps the system and approves besides.
    pub async fn keeper(&self) -> Officer {
        let made = self.db.write(|tx| async move {
            let seed = OfficerSeed {
                login: "keeper".into(),
                name: "合成keeper".into(),
                posts: vec![
                    ("operator".into(), ORG.into()),
                    ("approver".into(), ORG.into()),
                ],
            };
            load::officer(&tx, &seed, "").await
        });
        let id = made.await.unwrap().to_string();
        Officer {
            trace: format!("user:{id}"),
            groups: vec![
                format!("operator@{ORG}"),
                format!("approver@{ORG}"),
                format!("user:{id}"),
            ],
            id,
        }
    }

    pub async fn claims(&self, officer: &Officer, id: TaskId) -> kernel::Result<()> {
        let officer = officer.clone();
        let done = self.db.write(move |tx| {
            let officer = officer.clone();
            async move { workflow::claim(&tx, id, &officer, None).await }
        });
        done.await
    }

    /// Has `far` stand in for an officer today, for some of his posts or all.
    pub async fn names(&self, absent: &Officer, posts: Vec<String>) -> kernel::Result<String> {
        let today = kernel::clock::local_date(self.db.clock().now());
        let named = Substitute {
            id: String::new(),
            officer: absent.id.clone(),
            substitute: self.id("far"),
            posts,
            from: today,
            until: today + Duration::days(1),
            reason: "出差".into(),
            is_ended: false,
        };
        let by = absent.clone();
        let done = self.db.write(move |tx| {
            let (by, named) = (by.clone(), named.clone());
            async move { verb::name_substitute(&tx, &by, false, &named).await }
        });
        done.await
    }

    /// `far` stands in for the chief today and tomorrow.
    pub async fn absent(&self) -> String {
        let named = self.names(&self.officer("chief"), vec![]).await;
        named.unwrap()
    }

    pub async fn back_again(&self, substitution: String) {
        let chief = self.officer("chief");
        let done = self.db.write(move |tx| {
            let (chief, substitution) = (chief.clone(), substitution.clone());
            async move { verb::end_substitute(&tx, &substitution, &chief, false).await }
        });
        done.await.unwrap();
    }

    pub async fn deeds(&self, instance: InstanceId) -> Vec<Deed> {
        verb::deeds(&self.db, instance).await.unwrap()
    }

    pub async fn status(&self, instance: InstanceId) -> String {
        let trail = workflow::trail_of(&self.db, &self.engine, instance).await;
        trail.unwrap().status
    }

    /// Who left a step, as the trail names him.
    pub async fn left_by(&self, instance: InstanceId, step: &str) -> String {
        let trail = workflow::trail_of(&self.db, &self.engine, instance).await;
        let steps = trail.unwrap().steps;
        let stay = steps.into_iter().rev().find(|stay| stay.element == step);
        stay.unwrap().by
    }

    /// Why the instance stopped.
    pub async fn incidents(&self, instance: InstanceId) -> Vec<String> {
        let trail = workflow::trail_of(&self.db, &self.engine, instance).await;
        let steps = trail.unwrap().steps;
        let reasons = steps.into_iter().map(|stay| stay.stopped);
        reasons.filter(|reason| !reason.is_empty()).collect()
    }

    pub async fn variables(&self, instance: InstanceId) -> Map<String, Value> {
        let read = self
            .db
            .write(move |tx| async move { workflow::variables(&tx, instance).await });
        read.await.unwrap()
    }
}

pub fn refused<T: std::fmt::Debug>(result: kernel::Result<T>) -> String {
    match result {
        Err(Error::Refused(text)) => text.key.to_owned(),
        Err(Error::Invalid(findings)) => format!("{}: {}", findings[0].field, findings[0].text.key),
        Err(Error::Forbidden { action }) => action,
        other => panic!("{other:?}"),
    }
}
