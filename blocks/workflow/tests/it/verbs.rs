//! The verbs of offices, on both databases: `docs/guide/verbs.md` names the test of each.

use std::sync::Arc;

use chrono::{Duration, NaiveDate};
use identity::load::{self, OfficerSeed, OrganisationSeed};
use kernel::{
    Clock, Error, ManualClock,
    calendar::{Calendar, Year},
};
use serde_json::{Map, Value, json};
use store::{Db, Worker, page::PageRequest};
use workflow::{
    Completion, Engine, Filter, InstanceId, Officer, Progress, Task, TaskId,
    core::Mode,
    verb::{self, Intervention, Place, Substitute, Target},
};

use crate::{
    model::{file, flows, process, vars},
    steps::Seed,
};

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

#[store::db_test(migrations = migrations)]
async fn a_saved_answer_is_shown_to_whoever_opens_the_task(db: Db) {
    let desk = Desk::set_up(db).await;
    let fields = r#"<userTask id="x" tongban:candidates="examiner" tongban:fields="name:read,secret:hidden,amount:write:number"/>"#;
    let instance = desk
        .start(fields, "s>x>e", json!({"name": "王", "secret": 1}))
        .await;
    let id = desk.task("x", None).await;
    let save = |variables: Value| {
        let (desk, officer) = (desk.clone(), desk.officer("a"));
        async move {
            act!(desk, |tx, engine| {
                let (officer, variables) = (officer.clone(), vars(variables.clone()));
                async move { verb::save(&tx, id, &officer, None, &variables).await }
            })
        }
    };
    save(json!({"amount": 3, "opinion": "拟同意"}))
        .await
        .unwrap();
    save(json!({"amount": 4, "opinion": "拟同意"}))
        .await
        .unwrap();
    assert_eq!(
        refused(save(json!({"amount": "4"})).await),
        "amount: workflow-field-type"
    );
    let officer = desk.officer("b");
    let detail = act!(desk, |tx, engine| {
        let officer = officer.clone();
        async move { verb::detail(&tx, &engine, id, &officer).await }
    })
    .unwrap();
    let (saved, by) = detail.saved.unwrap();
    assert_eq!((saved["amount"].clone(), by), (json!(4), desk.id("a")));
    assert!(detail.vars.contains_key("name") && !detail.vars.contains_key("secret"));
    assert_eq!(desk.variables(instance).await.get("amount"), None);
    desk.complete("x", "b", json!({"amount": 5})).await;
    assert_eq!(desk.verbs(instance).await, ["save", "save"]);
    assert_eq!(desk.variables(instance).await["amount"], 5);
}

#[store::db_test(migrations = migrations)]
async fn a_field_that_the_step_may_not_write_is_refused_by_name(db: Db) {
    let desk = Desk::set_up(db).await;
    let fields = r#"<userTask id="x" tongban:candidates="examiner" tongban:fields="name:read,secret:hidden,amount:write:number"/>"#;
    let instance = desk.start(fields, "s>x>e", json!({})).await;
    let id = desk.task("x", None).await;
    for (wrong, expected) in [
        (json!({"name": "李"}), "name: workflow-field-not-writable"),
        (json!({"secret": 2}), "secret: workflow-field-not-writable"),
        (json!({"amount": "three"}), "amount: workflow-field-type"),
    ] {
        assert_eq!(refused(desk.complete_by(id, "a", wrong).await), expected);
    }
    assert_eq!(desk.status(instance).await, "running");
    desk.complete_by(id, "a", json!({"amount": 3, "note": "free"}))
        .await
        .unwrap();
    assert_eq!(desk.status(instance).await, "completed");
}

fn signed(rule: &str) -> String {
    format!(
        r#"<userTask id="x" tongban:candidates="examiner" tongban:outcomes="agree,abstain,refuse" {rule}/><userTask id="y" tongban:candidates="approver"/>"#
    )
}

#[store::db_test(migrations = migrations)]
async fn all_sign_and_one_refusal_decides(db: Db) {
    let desk = Desk::set_up(db).await;
    let instance = desk
        .start(&signed(r#"tongban:sign="all""#), "s>x>y>e", json!({}))
        .await;
    assert_eq!(desk.open().await, ["x a", "x b", "x c", "x d"]);
    assert_eq!(
        desk.complete("x", "a", json!({"outcome": "agree", "opinion": "可"}))
            .await,
        Progress::Waits
    );
    let again = desk.task("x", Some("b")).await;
    assert_eq!(
        refused(
            desk.complete_by(again, "a", json!({"outcome": "agree"}))
                .await
        ),
        "workflow.task.complete"
    );
    assert_eq!(
        refused(desk.complete_by(again, "b", json!({})).await),
        "outcome: workflow-outcome-unknown"
    );
    assert_eq!(
        desk.complete("x", "b", json!({"outcome": "refuse", "opinion": "不可"}))
            .await,
        Progress::Moved
    );
    assert_eq!(
        desk.open().await,
        ["y"],
        "the remaining signers' tasks are gone"
    );
    let variables = desk.variables(instance).await;
    assert_eq!(variables["outcome"], "refuse");
    assert_eq!(variables["signatures"].as_array().unwrap().len(), 2);
    let refusal = json!({"by": desk.id("b"), "vote": "refuse", "outcome": "refuse", "opinion": "不可", "weight": 1});
    assert!(
        variables["signatures"]
            .as_array()
            .unwrap()
            .contains(&refusal)
    );
}

#[store::db_test(migrations = migrations)]
async fn any_ratio_and_weight_decide_early(db: Db) {
    let desk = Desk::set_up(db).await;
    let list = ["a", "b", "chief"].map(|name| desk.id(name));
    let weights = format!("{}=1,{}=1,{}=3", list[0], list[1], list[2]);
    for (rule, answers, outcome) in [
        (
            r#"tongban:sign="any" tongban:signers="${list}""#.to_owned(),
            "a- b+",
            "agree",
        ),
        (
            r#"tongban:sign="ratio:0.6" tongban:signers="${list}""#.to_owned(),
            "a+ b+",
            "agree",
        ),
        (
            r#"tongban:sign="ratio:0.6" tongban:signers="${list}""#.to_owned(),
            "a- b-",
            "refuse",
        ),
        (
            format!(r#"tongban:sign="weight:0.5" tongban:signers="{weights}""#),
            "chief+",
            "agree",
        ),
        (
            format!(r#"tongban:sign="weight:0.5" tongban:signers="{weights}""#),
            "a+ b+ chief-",
            "refuse",
        ),
        (
            r#"tongban:sign="any" tongban:signers="${list}" tongban:veto="approver""#.to_owned(),
            "chief-",
            "refuse",
        ),
        (
            format!(
                r#"tongban:sign="ratio:0.1" tongban:signers="${{list}}" tongban:veto="{}""#,
                list[0]
            ),
            "a-",
            "refuse",
        ),
    ] {
        let instance = desk
            .start(&signed(&rule), "s>x>y>e", json!({"list": list}))
            .await;
        let answers: Vec<_> = answers.split(' ').collect();
        for (at, answer) in answers.iter().enumerate() {
            let (who, sign) = answer.split_at(answer.len() - 1);
            let given = if sign == "+" { "agree" } else { "refuse" };
            let progress = desk.complete("x", who, json!({"outcome": given})).await;
            let is_last = at + 1 == answers.len();
            assert_eq!(progress == Progress::Moved, is_last, "{rule} {answer}");
        }
        assert_eq!(desk.variables(instance).await["outcome"], outcome, "{rule}");
        desk.complete("y", "chief", json!({})).await;
    }
}

#[store::db_test(migrations = migrations)]
async fn a_substitutes_refusal_is_the_veto_of_the_absent(db: Db, clock: Arc<ManualClock>) {
    let desk = Desk::set_up(db).await;
    let today = kernel::clock::local_date(clock.now());
    let named = desk.substitute("chief", "b", vec![], today, today);
    desk.name("chief", named).await.unwrap();
    let list = ["a", "c", "chief"].map(|name| desk.id(name));
    let rule = r#"tongban:sign="any" tongban:signers="${list}" tongban:veto="approver""#;
    let instance = desk
        .start(&signed(rule), "s>x>y>e", json!({"list": list}))
        .await;
    let own = desk.task("x", Some("chief")).await;
    let refusal = json!({"outcome": "refuse"});
    assert_eq!(
        desk.complete_by(own, "b", refusal).await.unwrap(),
        Progress::Moved
    );
    assert_eq!(desk.variables(instance).await["outcome"], "refuse");
}

#[store::db_test(migrations = migrations)]
async fn several_instances_with_a_completion_condition_sign_by_plain_bpmn(db: Db) {
    let desk = Desk::set_up(db).await;
    let multi = r#"<userTask id="x" tongban:assignee="${signer}"><multiInstanceLoopCharacteristics tongban:collection="list" tongban:elementVariable="signer"><completionCondition>nrOfCompletedInstances / nrOfInstances >= 0.6</completionCondition></multiInstanceLoopCharacteristics></userTask><userTask id="y" tongban:candidates="approver"/>"#;
    let list = ["a", "b", "c"].map(|name| desk.id(name));
    desk.start(multi, "s>x>y>e", json!({"list": list})).await;
    desk.complete("x", "a", json!({})).await;
    assert_eq!(desk.open().await, ["x b", "x c"]);
    desk.complete("x", "c", json!({})).await;
    assert_eq!(desk.open().await, ["y"]);
}

#[store::db_test(migrations = migrations)]
async fn a_task_without_signers_or_with_a_wrong_rule_stops_with_its_reason(db: Db) {
    let desk = Desk::set_up(db).await;
    for rule in [
        r#"tongban:sign="${rule}""#,
        r#"tongban:sign="all" tongban:signers="${none}""#,
    ] {
        let instance = desk
            .start(
                &signed(rule),
                "s>x>y>e",
                json!({"none": [], "rule": "most"}),
            )
            .await;
        assert!(desk.open().await.is_empty());
        let trail = workflow::trail_of(&desk.db, &desk.engine, instance)
            .await
            .unwrap();
        assert!(
            trail.steps.iter().any(|stay| !stay.stopped.is_empty()),
            "{rule}"
        );
    }
}

#[store::db_test(migrations = migrations)]
async fn signers_before_make_the_task_wait_and_give_it_back(db: Db) {
    let desk = Desk::set_up(db).await;
    let instance = desk.start(STEPS, ROW, json!({})).await;
    let id = desk.task("x", None).await;
    desk.add(id, "a", Place::Before, &["b", "c"]).await.unwrap();
    assert_eq!(desk.open().await, ["x b", "x c"]);
    assert_eq!(
        refused(desk.complete_by(id, "a", json!({})).await),
        "workflow-task-waits"
    );
    assert_eq!(
        desk.complete("x", "b", json!({"opinion": "可"})).await,
        Progress::Waits
    );
    desk.complete("x", "c", json!({"opinion": "不可"})).await;
    assert_eq!(desk.open().await, ["x a"]);
    assert_eq!(desk.complete("x", "a", json!({})).await, Progress::Moved);
    assert_eq!(desk.open().await, ["y"]);
    assert_eq!(desk.verbs(instance).await, ["add_signer"]);
}

#[store::db_test(migrations = migrations)]
async fn signers_after_come_between_the_answer_and_the_next_step(db: Db) {
    let desk = Desk::set_up(db).await;
    let instance = desk.start(STEPS, ROW, json!({})).await;
    let id = desk.task("x", None).await;
    desk.add(id, "a", Place::After, &["b", "c"]).await.unwrap();
    assert_eq!(desk.open().await, ["x a"]);
    assert_eq!(
        desk.complete("x", "a", json!({"amount": 7})).await,
        Progress::Waits
    );
    assert_eq!(desk.open().await, ["x b", "x c"]);
    desk.complete("x", "b", json!({"outcome": "agreed"})).await;
    assert_eq!(
        desk.complete("x", "c", json!({"outcome": "agreed"})).await,
        Progress::Moved
    );
    assert_eq!(desk.open().await, ["y"]);
    assert_eq!(desk.variables(instance).await["amount"], 7);
    // A refusal ends it at once, and the step is refused.
    let id = desk.task("y", None).await;
    desk.add(id, "a", Place::After, &["b", "c"]).await.unwrap();
    desk.complete("y", "a", json!({})).await;
    assert_eq!(
        desk.complete("y", "b", json!({"outcome": "refused"})).await,
        Progress::Moved
    );
    assert_eq!(
        (
            desk.open().await,
            desk.variables(instance).await["outcome"].clone()
        ),
        (vec!["z".to_owned()], json!("refused"))
    );
}

#[store::db_test(migrations = migrations)]
async fn signers_beside_join_those_who_sign(db: Db) {
    let desk = Desk::set_up(db).await;
    let instance = desk.start(STEPS, ROW, json!({})).await;
    let id = desk.task("x", None).await;
    desk.add(id, "a", Place::Beside, &["b"]).await.unwrap();
    assert_eq!(desk.open().await, ["x a", "x b"]);
    let own = desk.task("x", Some("b")).await;
    desk.add(own, "b", Place::Beside, &["c"]).await.unwrap();
    assert_eq!(
        refused(desk.add(own, "b", Place::Beside, &["a"]).await),
        "signers: workflow-signer-twice"
    );
    assert_eq!(
        refused(desk.add(own, "b", Place::Before, &["b"]).await),
        "signers: workflow-signer-twice"
    );
    // A signer may ask somebody before he signs.
    desk.add(own, "b", Place::Before, &["d"]).await.unwrap();
    assert_eq!(desk.open().await, ["x a", "x c", "x d"]);
    desk.complete("x", "d", json!({"opinion": "可"})).await;
    for who in ["a", "b"] {
        assert_eq!(
            desk.complete("x", who, json!({"outcome": "agreed"})).await,
            Progress::Waits
        );
    }
    assert_eq!(
        desk.complete("x", "c", json!({"outcome": "agreed"})).await,
        Progress::Moved
    );
    assert_eq!(
        (
            desk.open().await,
            desk.variables(instance).await["outcome"].clone()
        ),
        (vec!["y".to_owned()], json!("agreed"))
    );
}

#[store::db_test(migrations = migrations)]
async fn a_signer_is_removed_by_whoever_added_him_and_the_rest_decides(db: Db) {
    let desk = Desk::set_up(db).await;
    desk.start(STEPS, ROW, json!({})).await;
    let remove = |id: TaskId, who: &str, is_administrator: bool| {
        let (desk, officer) = (desk.clone(), desk.officer(who));
        async move {
            act!(desk, |tx, engine| {
                let officer = officer.clone();
                async move {
                    verb::remove_signer(&tx, &engine, id, &officer, is_administrator, "无需会签")
                        .await
                }
            })
        }
    };
    let id = desk.task("x", None).await;
    assert_eq!(refused(remove(id, "a", true).await), "workflow-no-signer");
    desk.add(id, "a", Place::Beside, &["b", "c"]).await.unwrap();
    let (b, c) = (
        desk.task("x", Some("b")).await,
        desk.task("x", Some("c")).await,
    );
    assert_eq!(refused(remove(c, "b", false).await), "workflow.task.sign");
    desk.complete("x", "a", json!({"outcome": "agreed"})).await;
    desk.complete("x", "b", json!({"outcome": "agreed"})).await;
    assert_eq!(
        refused(remove(b, "a", false).await),
        "workflow-signer-answered"
    );
    remove(c, "a", false).await.unwrap();
    assert_eq!(desk.open().await, ["y"], "those who are left agree");
    let id = desk.task("y", None).await;
    desk.add(id, "a", Place::Before, &["b"]).await.unwrap();
    remove(desk.task("y", Some("b")).await, "chief", true)
        .await
        .unwrap();
    assert_eq!(desk.open().await, ["y a"]);
    desk.add(id, "a", Place::Beside, &["b"]).await.unwrap();
    remove(desk.task("y", Some("b")).await, "a", false)
        .await
        .unwrap();
    assert_eq!(
        refused(remove(desk.task("y", Some("a")).await, "a", false).await),
        "workflow-signer-last"
    );
}

#[store::db_test(migrations = migrations)]
async fn a_delegated_task_comes_back_to_the_delegator_who_completes(db: Db) {
    let desk = Desk::set_up(db).await;
    let instance = desk.start(STEPS, ROW, json!({})).await;
    let id = desk.task("x", None).await;
    assert_eq!(
        refused(desk.delegate(id, "a", "a").await),
        "to: workflow-delegate-self"
    );
    desk.delegate(id, "a", "chief").await.unwrap();
    assert_eq!(desk.open().await, ["x chief"]);
    assert_eq!(
        refused(desk.delegate(id, "chief", "a").await),
        "to: workflow-delegate-circle"
    );
    desk.delegate(id, "chief", "b").await.unwrap();
    let officer = desk.officer("b");
    let released = act!(desk, |tx, engine| {
        let officer = officer.clone();
        async move { workflow::release(&tx, id, &officer).await }
    });
    assert_eq!(refused(released), "workflow-task-delegated");
    let back = desk.complete("x", "b", json!({"opinion": "属实"})).await;
    assert_eq!(
        (back, desk.open().await),
        (Progress::Waits, vec!["x chief".to_owned()])
    );
    desk.complete("x", "chief", json!({"opinion": "属实"}))
        .await;
    assert_eq!(desk.open().await, ["x a"]);
    assert_eq!(desk.complete("x", "a", json!({})).await, Progress::Moved);
    assert_eq!(
        desk.verbs(instance).await,
        ["answer", "answer", "delegate", "delegate"]
    );
    let unknown = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11".to_owned();
    let (id, officer) = (desk.task("y", None).await, desk.officer("a"));
    let stranger = act!(desk, |tx, engine| {
        let (officer, unknown) = (officer.clone(), unknown.clone());
        async move { verb::delegate(&tx, id, &officer, &unknown, "x").await }
    });
    assert_eq!(refused(stranger), "to: workflow-officer-unknown");
}

#[store::db_test(migrations = migrations)]
async fn a_task_returns_to_steps_really_visited_and_their_handlers(db: Db) {
    let desk = Desk::set_up(db).await;
    let instance = desk.start(STEPS, ROW, json!({})).await;
    desk.complete("x", "a", json!({})).await;
    let y = desk.task("y", None).await;
    let never = desk
        .back(y, "b", Target::Step("z".into()), Mode::Again)
        .await;
    assert_eq!(refused(never), "to: workflow-return-not-visited");
    desk.complete("y", "b", json!({})).await;
    let z = desk.task("z", None).await;
    let steps = act!(desk, |tx, engine| async move {
        verb::earlier_steps(&tx, &engine, z).await
    })
    .unwrap();
    let told: Vec<_> = steps
        .iter()
        .map(|step| {
            (
                step.element.as_str(),
                step.name.as_str(),
                step.handler.clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("y", "审查", Some(desk.id("b"))),
            ("x", "x", Some(desk.id("a")))
        ]
    );
    assert_eq!(
        refused(desk.back(z, "a", Target::Previous, Mode::Again).await),
        "workflow.task.return"
    );
    desk.back(z, "chief", Target::Previous, Mode::Back)
        .await
        .unwrap();
    assert_eq!(desk.open().await, ["y b"]);
    assert_eq!(desk.variables(instance).await["returned"], "数据有误");
    desk.complete("y", "b", json!({})).await;
    assert_eq!(
        desk.open().await,
        ["z chief"],
        "straight back to whoever returned it"
    );
    let z = desk.task("z", None).await;
    desk.back(z, "chief", Target::Initiator, Mode::Again)
        .await
        .unwrap();
    assert_eq!(desk.open().await, ["x a"]);
    desk.complete("x", "a", json!({})).await;
    assert_eq!(desk.open().await, ["y"]);
    let first = desk.task("y", None).await;
    desk.back(first, "c", Target::Previous, Mode::Again)
        .await
        .unwrap();
    let x = desk.task("x", None).await;
    assert_eq!(
        refused(desk.back(x, "a", Target::Previous, Mode::Again).await),
        "to: workflow-return-not-visited"
    );
}

#[store::db_test(migrations = migrations)]
async fn a_return_out_of_a_countersignature_takes_all_signers_away(db: Db) {
    let desk = Desk::set_up(db).await;
    let nodes = format!(
        r#"<userTask id="w" tongban:candidates="examiner"/>{}"#,
        signed(r#"tongban:sign="all""#)
    );
    desk.start(&nodes, "s>w>x>y>e", json!({})).await;
    desk.complete("w", "a", json!({})).await;
    desk.complete("x", "b", json!({"outcome": "agree"})).await;
    let own = desk.task("x", Some("c")).await;
    desk.back(own, "c", Target::Previous, Mode::Again)
        .await
        .unwrap();
    assert_eq!(desk.open().await, ["w a"]);
    desk.complete("w", "a", json!({})).await;
    assert_eq!(desk.open().await.len(), 4, "all sign anew");
}

#[store::db_test(migrations = migrations)]
async fn a_completion_is_withdrawn_before_anybody_acts_on_what_followed(db: Db) {
    let desk = Desk::set_up(db).await;
    let instance = desk.start(STEPS, ROW, json!({})).await;
    let x = desk.task("x", None).await;
    desk.complete_by(x, "a", json!({})).await.unwrap();
    assert_eq!(
        refused(desk.withdraw(x, "b").await),
        "workflow.task.withdraw"
    );
    desk.withdraw(x, "a").await.unwrap();
    assert_eq!(desk.open().await, ["x a"]);
    assert_eq!(
        refused(desk.withdraw(x, "a").await),
        "workflow-withdraw-late"
    );
    let x = desk.task("x", None).await;
    desk.complete_by(x, "a", json!({})).await.unwrap();
    let y = desk.task("y", None).await;
    desk.claim(y, "b").await.unwrap();
    assert_eq!(
        refused(desk.withdraw(x, "a").await),
        "workflow-withdraw-late"
    );
    // Given back untouched, it is as if nobody had taken it.
    let officer = desk.officer("b");
    act!(desk, |tx, engine| {
        let officer = officer.clone();
        async move { workflow::release(&tx, y, &officer).await }
    })
    .unwrap();
    desk.withdraw(x, "a").await.unwrap();
    assert_eq!(desk.verbs(instance).await, ["withdraw", "withdraw"]);
}

#[store::db_test(migrations = migrations)]
async fn a_signature_is_withdrawn_until_the_signers_have_decided(db: Db) {
    let desk = Desk::set_up(db).await;
    desk.start(&signed(r#"tongban:sign="ratio:0.5""#), "s>x>y>e", json!({}))
        .await;
    let own = desk.task("x", Some("a")).await;
    desk.complete_by(own, "a", json!({"outcome": "refuse"}))
        .await
        .unwrap();
    desk.withdraw(own, "a").await.unwrap();
    assert_eq!(desk.open().await, ["x a", "x b", "x c", "x d"]);
    desk.complete_by(own, "a", json!({"outcome": "agree"}))
        .await
        .unwrap();
    desk.complete("x", "b", json!({"outcome": "agree"})).await;
    assert_eq!(
        refused(desk.withdraw(own, "a").await),
        "workflow-withdraw-late"
    );
}

#[store::db_test(migrations = migrations)]
async fn a_rejection_ends_the_process_by_the_end_that_is_drawn_for_it(db: Db) {
    let desk = Desk::set_up(db).await;
    let reject = |id: TaskId, reason: &'static str| {
        let (desk, officer) = (desk.clone(), desk.officer("a"));
        async move {
            act!(desk, |tx, engine| {
                let officer = officer.clone();
                async move { verb::reject(&tx, &engine, id, &officer, reason).await }
            })
        }
    };
    let instance = desk.start(STEPS, ROW, json!({})).await;
    let id = desk.task("x", None).await;
    assert_eq!(
        refused(reject(id, " ").await),
        "reason: workflow-reason-needed"
    );
    reject(id, "不符合规划").await.unwrap();
    assert_eq!(desk.status(instance).await, "cancelled");
    let drawn = r#"<userTask id="x" tongban:candidates="examiner"/><endEvent id="no" tongban:outcome="rejected"/><exclusiveGateway id="g" default="g-e"/>"#;
    let instance = desk
        .start(drawn, "s>x>g; g>e; g>no[refused]", json!({}))
        .await;
    reject(desk.task("x", None).await, "不符合规划")
        .await
        .unwrap();
    assert_eq!(desk.status(instance).await, "completed");
    let trail = workflow::trail_of(&desk.db, &desk.engine, instance)
        .await
        .unwrap();
    assert!(trail.trail.contains(&"no".to_owned()));
    assert_eq!(desk.variables(instance).await["outcome"], "rejected");
}

#[store::db_test(migrations = migrations)]
async fn copies_are_read_with_receipts_and_hold_nothing_up(db: Db) {
    let desk = Desk::set_up(db).await;
    desk.start(STEPS, ROW, json!({})).await;
    let id = desk.task("x", None).await;
    let readers: Vec<String> = ["b", "c", "b"].iter().map(|name| desk.id(name)).collect();
    let officer = desk.officer("a");
    let circulate = || {
        let (desk, readers, officer) = (desk.clone(), readers.clone(), officer.clone());
        async move {
            act!(desk, |tx, engine| {
                let (readers, officer) = (readers.clone(), officer.clone());
                async move { verb::circulate(&tx, id, &officer, &readers, "请阅").await }
            })
        }
    };
    assert_eq!(circulate().await.unwrap(), 2);
    assert_eq!(circulate().await.unwrap(), 0, "nobody gets two");
    desk.complete("x", "a", json!({})).await;
    assert_eq!(
        circulate().await.unwrap(),
        0,
        "whoever had the task may still send copies"
    );
    let mine = verb::copies(&desk.db, &desk.id("b"), true, &PageRequest::default())
        .await
        .unwrap();
    let copy = mine.items[0].id.clone();
    let read = |who: &str| {
        let (desk, copy, officer) = (desk.clone(), copy.clone(), desk.officer(who));
        async move {
            act!(desk, |tx, engine| {
                let (copy, officer) = (copy.clone(), officer.clone());
                async move { verb::read_copy(&tx, &copy, &officer).await }
            })
        }
    };
    assert_eq!(refused(read("c").await), "workflow.copy.read");
    read("b").await.unwrap();
    read("b").await.unwrap();
    let receipts = verb::receipts(&desk.db, id).await.unwrap();
    let has_read = |who: &str| {
        let mut his = receipts.iter().filter(|copy| copy.reader == desk.id(who));
        his.next().unwrap().read_at.is_some()
    };
    assert_eq!(
        (has_read("b"), has_read("c"), receipts.len()),
        (true, false, 2)
    );
    assert!(
        verb::copies(&desk.db, &desk.id("b"), true, &PageRequest::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[store::db_test(migrations = migrations)]
async fn a_task_is_urged_once_in_some_hours(db: Db, clock: Arc<ManualClock>) {
    let desk = Desk::set_up(db).await;
    let nodes = r#"<userTask id="x" tongban:candidates="approver" tongban:urge="2"/>"#;
    let instance = desk.start(nodes, "s>x>e", json!({})).await;
    let id = desk.task("x", None).await;
    let urge = |who: &str, is_supervisor: bool| {
        let (desk, officer) = (desk.clone(), desk.officer(who));
        async move {
            act!(desk, |tx, engine| {
                let officer = officer.clone();
                async move { verb::urge(&tx, id, &officer, is_supervisor, "请尽快").await }
            })
        }
    };
    assert_eq!(refused(urge("b", false).await), "workflow.task.urge");
    urge("a", false).await.unwrap();
    assert_eq!(refused(urge("a", false).await), "workflow-urged-lately");
    clock.advance(Duration::hours(2));
    urge("b", true).await.unwrap();
    assert_eq!(desk.verbs(instance).await, ["urge", "urge"]);
}

fn calendar() -> Arc<Calendar> {
    let mut calendar = Calendar::new();
    for year in [2026, 2027] {
        let year: Year =
            serde_json::from_value(json!({"year": year, "off": [], "work": []})).unwrap();
        calendar.insert(&year).unwrap();
    }
    Arc::new(calendar)
}

#[store::db_test(migrations = migrations)]
async fn a_suspended_task_waits_and_its_term_moves_by_working_days(
    db: Db,
    clock: Arc<ManualClock>,
) {
    let desk = Desk::set_up(db).await;
    let calendar = calendar();
    desk.engine
        .use_calendars(Arc::new(move |_: &str| Ok(calendar.clone())));
    clock.set("2026-01-05T01:00:00Z".parse().unwrap());
    let nodes = r#"<userTask id="x" tongban:candidates="examiner" tongban:days="5" tongban:grounds="听证,检验" tongban:extend="3"/>"#;
    let instance = desk.start(nodes, "s>x>e", json!({})).await;
    let id = desk.task("x", None).await;
    let due = |tasks: Vec<Task>| {
        kernel::clock::local(tasks[0].facts.due_at.unwrap() - Duration::seconds(1))
            .date_naive()
            .to_string()
    };
    assert_eq!(due(desk.tasks().await), "2026-01-12");
    let suspend = |ground: &'static str| {
        let (desk, officer) = (desk.clone(), desk.officer("a"));
        async move {
            act!(desk, |tx, engine| {
                let officer = officer.clone();
                async move { verb::suspend(&tx, id, &officer, ground, "当事人申请").await }
            })
        }
    };
    let resume = || {
        let (desk, officer) = (desk.clone(), desk.officer("a"));
        async move {
            act!(desk, |tx, engine| {
                let officer = officer.clone();
                async move { verb::resume(&tx, &engine, id, &officer).await }
            })
        }
    };
    assert_eq!(refused(resume().await), "workflow-task-not-suspended");
    assert_eq!(
        refused(suspend("午休").await),
        "ground: workflow-ground-unknown"
    );
    clock.advance(Duration::days(1));
    suspend("听证").await.unwrap();
    assert_eq!(refused(suspend("听证").await), "workflow-task-suspended");
    assert_eq!(
        refused(desk.complete_by(id, "a", json!({})).await),
        "workflow-task-suspended"
    );
    clock.advance(Duration::days(6));
    resume().await.unwrap();
    // From Tuesday the 6th to Monday the 12th, five working days did not count.
    assert_eq!(due(desk.tasks().await), "2026-01-19");
    let extend = |days: u32| {
        let (desk, officer) = (desk.clone(), desk.officer("a"));
        async move {
            act!(desk, |tx, engine| {
                let officer = officer.clone();
                async move { verb::extend(&tx, &engine, id, &officer, days, "案情复杂").await }
            })
        }
    };
    assert_eq!(refused(extend(4).await), "days: workflow-extend-days");
    extend(3).await.unwrap();
    assert_eq!(due(desk.tasks().await), "2026-01-22");
    assert_eq!(refused(extend(1).await), "workflow-extended-already");
    desk.complete_by(id, "a", json!({})).await.unwrap();
    assert_eq!(desk.verbs(instance).await, ["extend", "resume", "suspend"]);
}

#[store::db_test(migrations = migrations)]
async fn candidates_named_in_person_take_the_task(db: Db) {
    let desk = Desk::set_up(db).await;
    let vars = json!({"who": [desk.id("b"), desk.id("c")]});
    desk.start(
        r#"<userTask id="x" tongban:users="${who}"/>"#,
        "s>x>e",
        vars,
    )
    .await;
    let id = desk.task("x", None).await;
    assert_eq!(
        refused(desk.complete_by(id, "a", json!({})).await),
        "workflow.task.complete"
    );
    let filter = Filter {
        groups: desk.officer("b").groups,
        ..Filter::default()
    };
    let page = PageRequest::default();
    let listed = workflow::tasks(&desk.db, &filter, &page).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    desk.complete_by(id, "c", json!({})).await.unwrap();
}

#[store::db_test(migrations = migrations)]
async fn working_day_timers_on_a_suspended_tasks_border_stand_too(db: Db, clock: Arc<ManualClock>) {
    let desk = Desk::set_up(db).await;
    let calendar = calendar();
    desk.engine
        .use_calendars(Arc::new(move |_: &str| Ok(calendar.clone())));
    clock.set("2026-01-05T01:00:00Z".parse().unwrap());
    let timer = |id: &str, time: &str| {
        format!(
            r#"<boundaryEvent id="{id}" attachedToRef="x" cancelActivity="false">{time}</boundaryEvent>"#
        )
    };
    let legal = timer(
        "legal",
        r#"<timerEventDefinition tongban:workingDays="5"/>"#,
    );
    let plain = timer(
        "plain",
        "<timerEventDefinition><timeDuration>P7D</timeDuration></timerEventDefinition>",
    );
    let nodes = format!(
        r#"<userTask id="x" tongban:candidates="examiner"/>{legal}{plain}<userTask id="urge" tongban:candidates="examiner"/><userTask id="call" tongban:candidates="examiner"/><endEvent id="e2"/>"#
    );
    desk.start(&nodes, "s>x>e; legal>urge>e2; plain>call>e2", json!({}))
        .await;
    let (id, officer) = (desk.task("x", None).await, desk.officer("a"));
    clock.advance(Duration::days(1));
    act!(desk, |tx, engine| {
        let officer = officer.clone();
        async move { verb::suspend(&tx, id, &officer, "听证", "当事人申请").await }
    })
    .unwrap();
    let worker = Worker::new(&workflow::jobs(&desk.db, &desk.engine));
    let open = async || {
        while worker.run_due(&desk.db).await.unwrap() > 0 {}
        let mut open: Vec<String> = desk
            .tasks()
            .await
            .into_iter()
            .map(|t| t.facts.element)
            .collect();
        open.sort();
        open
    };
    // The fifth working day is over, and seven days of any kind.
    clock.set("2026-01-13T01:00:00Z".parse().unwrap());
    assert_eq!(open().await, ["call", "x"]);
    let officer = desk.officer("a");
    act!(desk, |tx, engine| {
        let officer = officer.clone();
        async move { verb::resume(&tx, &engine, id, &officer).await }
    })
    .unwrap();
    assert_eq!(open().await, ["call", "x"]);
    clock.set("2026-01-21T01:00:00Z".parse().unwrap());
    assert_eq!(open().await, ["call", "urge", "x"]);
}

impl Desk {
    fn substitute(
        &self,
        officer: &str,
        substitute: &str,
        posts: Vec<String>,
        from: NaiveDate,
        until: NaiveDate,
    ) -> Substitute {
        Substitute {
            id: String::new(),
            officer: self.id(officer),
            substitute: self.id(substitute),
            posts,
            from,
            until,
            reason: "出差".into(),
            is_ended: false,
        }
    }

    async fn name(&self, by: &str, named: Substitute) -> kernel::Result<String> {
        let by = self.officer(by);
        act!(self, |tx, engine| {
            let (named, by) = (named.clone(), by.clone());
            async move { verb::name_substitute(&tx, &by, false, &named).await }
        })
    }
}

#[store::db_test(migrations = migrations)]
async fn a_wrong_substitute_is_refused_by_field(db: Db, clock: Arc<ManualClock>) {
    let desk = Desk::set_up(db).await;
    let today = kernel::clock::local_date(clock.now());
    let day = |days: i64| today + Duration::days(days);
    let foreign = vec![format!("examiner@{ORG}")];
    for (by, substitute, posts, from, until, expected) in [
        ("a", "b", vec![], 0, 1, "workflow.substitute.name"),
        (
            "chief",
            "chief",
            vec![],
            0,
            1,
            "substitute: workflow-substitute-self",
        ),
        (
            "chief",
            "b",
            vec![],
            1,
            0,
            "until: workflow-substitute-days",
        ),
        (
            "chief",
            "b",
            vec![],
            -2,
            -1,
            "until: workflow-substitute-days",
        ),
        (
            "chief",
            "b",
            vec![],
            0,
            400,
            "until: workflow-substitute-days",
        ),
        (
            "chief",
            "b",
            foreign,
            0,
            1,
            "posts: workflow-substitute-posts",
        ),
    ] {
        let named = desk.substitute("chief", substitute, posts, day(from), day(until));
        assert_eq!(refused(desk.name(by, named).await), expected);
    }
}

#[store::db_test(migrations = migrations)]
async fn a_substitute_acts_for_the_absent_and_both_are_traced(db: Db, clock: Arc<ManualClock>) {
    let desk = Desk::set_up(db).await;
    let instance = desk.start(STEPS, ROW, json!({})).await;
    desk.complete("x", "a", json!({})).await;
    desk.complete("y", "a", json!({})).await;
    let z = desk.task("z", None).await;
    assert_eq!(refused(desk.claim(z, "b").await), "workflow.task.claim");
    let today = kernel::clock::local_date(clock.now());
    let day = |days: i64| today + Duration::days(days);
    let posts = vec![format!("approver@{ORG}")];
    let named = desk.substitute("chief", "b", posts, day(1), day(2));
    desk.name("chief", named).await.unwrap();
    assert_eq!(
        refused(desk.claim(z, "b").await),
        "workflow.task.claim",
        "not before the first day"
    );
    clock.advance(Duration::days(1));
    let own = Filter {
        groups: desk.officer("b").groups,
        assignee: Some(desk.id("b")),
        ..Filter::default()
    };
    let filter = workflow::with_absent(&desk.db, &desk.id("b"), own)
        .await
        .unwrap();
    let listed = workflow::tasks(&desk.db, &filter, &PageRequest::default())
        .await
        .unwrap()
        .items;
    assert_eq!(
        listed
            .iter()
            .map(|task| task.facts.task)
            .collect::<Vec<_>>(),
        [z]
    );
    // What the absent officer has taken himself is seen too.
    desk.claim(z, "chief").await.unwrap();
    assert_eq!(
        workflow::tasks(&desk.db, &filter, &PageRequest::default())
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    desk.complete_by(z, "b", json!({})).await.unwrap();
    let trail = workflow::trail_of(&desk.db, &desk.engine, instance)
        .await
        .unwrap();
    let both = format!("user:{} for user:{}", desk.id("b"), desk.id("chief"));
    assert!(
        trail
            .steps
            .iter()
            .any(|stay| stay.element == "z" && stay.by == both)
    );
    // It ends by itself.
    desk.start(STEPS, ROW, json!({})).await;
    desk.complete("x", "a", json!({})).await;
    desk.complete("y", "a", json!({})).await;
    let z = desk.task("z", None).await;
    clock.advance(Duration::days(2));
    assert_eq!(refused(desk.claim(z, "b").await), "workflow.task.claim");
}

#[store::db_test(migrations = migrations)]
async fn a_substitution_is_ended_before_its_time(db: Db, clock: Arc<ManualClock>) {
    let desk = Desk::set_up(db).await;
    desk.start(
        r#"<userTask id="z" tongban:candidates="approver"/>"#,
        "s>z>e",
        json!({}),
    )
    .await;
    let today = kernel::clock::local_date(clock.now());
    let named = desk.substitute("chief", "b", vec![], today, today);
    let id = desk.name("chief", named).await.unwrap();
    let end = |who: &str| {
        let (desk, id, who) = (desk.clone(), id.clone(), desk.officer(who));
        async move {
            act!(desk, |tx, engine| {
                let (id, who) = (id.clone(), who.clone());
                async move { verb::end_substitute(&tx, &id, &who, false).await }
            })
        }
    };
    assert_eq!(refused(end("c").await), "workflow.substitute.name");
    end("chief").await.unwrap();
    end("b").await.unwrap();
    assert!(
        verb::substitutes_of(&desk.db, &desk.id("chief"))
            .await
            .unwrap()[0]
            .is_ended
    );
    let z = desk.task("z", None).await;
    assert_eq!(refused(desk.claim(z, "b").await), "workflow.task.claim");
}

#[store::db_test(migrations = migrations)]
async fn a_step_of_the_same_handler_is_skipped_when_it_allows(db: Db) {
    let desk = Desk::set_up(db).await;
    let nodes = r#"<userTask id="x" tongban:candidates="examiner"/><userTask id="y" tongban:candidates="examiner" tongban:skip="same-handler" tongban:outcomes="approve,refuse"/><userTask id="z" tongban:candidates="approver" tongban:skip="same-handler"/>"#;
    let instance = desk.start(nodes, ROW, json!({})).await;
    desk.complete("x", "a", json!({})).await;
    assert_eq!(desk.open().await, ["z"]);
    assert_eq!(desk.variables(instance).await["outcome"], "approve");
    let trail = workflow::trail_of(&desk.db, &desk.engine, instance)
        .await
        .unwrap();
    assert!(trail.trail.contains(&"y".to_owned()));
}

#[store::db_test(migrations = migrations)]
async fn the_next_handler_is_chosen_among_the_candidates(db: Db) {
    let desk = Desk::set_up(db).await;
    let nodes = |choose: &str| {
        format!(
            r#"<userTask id="x" tongban:candidates="examiner" {choose}/><userTask id="y" tongban:candidates="examiner"/>"#
        )
    };
    desk.start(&nodes(""), "s>x>y>e", json!({})).await;
    let x = desk.task("x", None).await;
    let unasked = desk.choose(x, "a", json!({}), Some("b")).await;
    assert_eq!(refused(unasked), "next: workflow-next-not-allowed");
    desk.complete_by(x, "a", json!({})).await.unwrap();
    desk.complete("y", "a", json!({})).await;

    desk.start(&nodes(r#"tongban:choose="next""#), "s>x>y>e", json!({}))
        .await;
    let x = desk.task("x", None).await;
    let wrong = desk.choose(x, "a", json!({}), Some("chief")).await;
    assert_eq!(refused(wrong), "next: workflow-next-not-candidate");
    desk.choose(x, "a", json!({}), Some("c")).await.unwrap();
    assert_eq!(desk.open().await, ["y c"]);
    // He has not acted yet, so it can still be withdrawn.
    desk.withdraw(x, "a").await.unwrap();
    desk.complete("x", "a", json!({})).await;
    desk.complete("y", "b", json!({})).await;

    desk.start(&nodes(r#"tongban:choose="anyone""#), "s>x>y>e", json!({}))
        .await;
    let x = desk.task("x", None).await;
    desk.choose(x, "a", json!({}), Some("chief")).await.unwrap();
    assert_eq!(desk.open().await, ["y chief"]);
}

#[store::db_test(migrations = migrations)]
async fn many_tasks_are_completed_each_by_itself(db: Db) {
    let desk = Desk::set_up(db).await;
    desk.engine.reserve("case:");
    let mut ids = Vec::new();
    for _ in 0..3 {
        desk.start(STEPS, ROW, json!({})).await;
    }
    ids.extend(
        desk.tasks()
            .await
            .iter()
            .map(|task| (task.facts.task, None)),
    );
    desk.complete_by(ids[1].0, "b", json!({})).await.unwrap();
    let kept = act!(desk, |tx, engine| async move {
        workflow::start(&tx, &engine, "p", "case:1", vars(json!({"org": ORG}))).await
    });
    kept.unwrap();
    let of_case = Filter {
        subject: Some("case:1".into()),
        ..Filter::default()
    };
    let page = workflow::tasks(&desk.db, &of_case, &PageRequest::default())
        .await
        .unwrap();
    ids.push((page.items[0].facts.task, None));
    let done = Completion {
        vars: vars(json!({"opinion": "同意"})),
        next: None,
    };
    let answers = verb::complete_many(&desk.db, &desk.engine, &ids, &desk.officer("a"), &done)
        .await
        .unwrap();
    assert!(matches!(answers[0].result, Ok(Progress::Moved)));
    assert!(matches!(answers[2].result, Ok(Progress::Moved)));
    assert_eq!(
        refused(answers.into_iter().nth(1).unwrap().result),
        "workflow-task-already-done"
    );
    let answers = verb::complete_many(&desk.db, &desk.engine, &ids[3..], &desk.officer("a"), &done)
        .await
        .unwrap();
    assert_eq!(
        refused(answers.into_iter().next().unwrap().result),
        "workflow-through-application"
    );
    let none = verb::complete_many(&desk.db, &desk.engine, &[], &desk.officer("a"), &done).await;
    assert_eq!(refused(none), "tasks: workflow-batch-number");
    let stranger = desk.officer("chief");
    desk.start(STEPS, ROW, json!({})).await;
    let id = desk.task("x", None).await;
    let answers = verb::complete_many(&desk.db, &desk.engine, &[(id, None)], &stranger, &done)
        .await
        .unwrap();
    assert_eq!(
        refused(answers.into_iter().next().unwrap().result),
        "workflow.task.complete"
    );
}

#[store::db_test(migrations = migrations)]
async fn an_administrator_intervenes_with_a_reason(db: Db) {
    let desk = Desk::set_up(db).await;
    let instance = desk.start(STEPS, ROW, json!({})).await;
    let intervene = |what: Intervention, reason: &'static str| {
        let (desk, officer) = (desk.clone(), desk.officer("chief"));
        async move {
            act!(desk, |tx, engine| {
                let (what, officer) = (what.clone(), officer.clone());
                async move { verb::intervene(&tx, &engine, instance, what, &officer, reason).await }
            })
        }
    };
    assert_eq!(
        refused(intervene(Intervention::Cancel, "").await),
        "reason: workflow-reason-missing"
    );
    assert_eq!(
        refused(intervene(Intervention::Retry(None), "重试").await),
        "workflow-no-incident"
    );
    assert_eq!(
        refused(intervene(Intervention::Set(Map::new()), "更改").await),
        "vars: workflow-set-nothing"
    );
    intervene(Intervention::Set(vars(json!({"amount": 9}))), "录入有误")
        .await
        .unwrap();
    assert_eq!(desk.variables(instance).await["amount"], 9);
    let trail = workflow::trail_of(&desk.db, &desk.engine, instance)
        .await
        .unwrap();
    assert_eq!(trail.live, ["x"]);
    intervene(
        Intervention::Move {
            token: 2,
            to: "z".into(),
        },
        "跳过",
    )
    .await
    .unwrap();
    assert_eq!(desk.open().await, ["z"]);
    intervene(Intervention::Cancel, "重复立项").await.unwrap();
    assert_eq!(desk.status(instance).await, "cancelled");
    assert_eq!(desk.verbs(instance).await, ["cancel", "move", "set"]);
}

#[store::db_test(migrations = migrations)]
async fn finished_foreign_and_waiting_tasks_take_no_verb(db: Db) {
    let desk = Desk::set_up(db).await;
    desk.start(STEPS, ROW, json!({})).await;
    let x = desk.task("x", None).await;
    assert_eq!(
        refused(desk.complete_by(x, "chief", json!({})).await),
        "workflow.task.complete"
    );
    desk.claim(x, "a").await.unwrap();
    assert_eq!(
        refused(desk.complete_by(x, "b", json!({})).await),
        "workflow-task-taken"
    );
    assert_eq!(
        refused(desk.back(x, "b", Target::Previous, Mode::Again).await),
        "workflow-task-taken"
    );
    desk.complete_by(x, "a", json!({})).await.unwrap();
    assert_eq!(
        refused(desk.complete_by(x, "a", json!({})).await),
        "workflow-task-already-done"
    );
    assert_eq!(
        refused(desk.delegate(x, "a", "b").await),
        "workflow-task-already-done"
    );
    assert_eq!(
        refused(desk.add(x, "a", Place::After, &["b"]).await),
        "workflow-task-already-done"
    );
    assert_eq!(
        refused(desk.back(x, "a", Target::Previous, Mode::Again).await),
        "workflow-task-already-done"
    );
}

/// What an application asks before it acts on its own rows.
#[store::db_test(migrations = migrations)]
async fn an_application_foresees_whether_a_completion_moves_the_process(db: Db) {
    let desk = Desk::set_up(db).await;
    desk.start(&signed(r#"tongban:sign="ratio:0.5""#), "s>x>y>e", json!({}))
        .await;
    let foresee = |who: &'static str, outcome: &'static str| {
        let desk = desk.clone();
        async move {
            let (id, officer) = (desk.task("x", Some(who)).await, desk.officer(who));
            act!(desk, |tx, engine| {
                let officer = officer.clone();
                async move {
                    let given = vars(json!({"outcome": outcome}));
                    workflow::foresee(&tx, id, &officer, &given).await
                }
            })
            .unwrap()
        }
    };
    assert_eq!(foresee("a", "agree").await, None);
    desk.complete("x", "a", json!({"outcome": "agree"})).await;
    assert_eq!(foresee("b", "refuse").await, None);
    assert_eq!(foresee("b", "agree").await.unwrap()["outcome"], "agree");
    let own = desk.task("x", Some("b")).await;
    desk.delegate(own, "b", "chief").await.unwrap();
    assert_eq!(foresee("chief", "agree").await, None);
    assert_eq!(desk.open().await.len(), 3, "foreseeing changes nothing");
}

#[store::db_test(migrations = migrations)]
async fn what_went_out_is_not_withdrawn(db: Db) {
    let desk = Desk::set_up(db).await;
    let nodes = r#"<userTask id="x" tongban:candidates="examiner"/><sendTask id="tell"/><userTask id="y" tongban:candidates="examiner"/>"#;
    desk.start(nodes, "s>x>tell>y>e", json!({})).await;
    let x = desk.task("x", None).await;
    desk.complete_by(x, "a", json!({})).await.unwrap();
    assert_eq!(
        refused(desk.withdraw(x, "a").await),
        "workflow-withdraw-sent"
    );
    assert_eq!(desk.open().await, ["y"]);
}

#[store::db_test(migrations = migrations)]
async fn what_a_task_sent_along_its_flow_is_not_withdrawn(db: Db) {
    let desk = Desk::set_up(db).await;
    let xml = file(&format!(
        r#"<collaboration id="c"><participant id="pp" processRef="p"/><participant id="pq"/><messageFlow id="f" sourceRef="x" targetRef="pq"/></collaboration>
        <process id="p" isExecutable="true"><startEvent id="s"/><endEvent id="e"/><userTask id="x" tongban:candidates="examiner"/><userTask id="y" tongban:candidates="examiner"/>{}</process>"#,
        flows("s>x>y>e")
    ));
    desk.start_file(xml, json!({})).await;
    let x = desk.task("x", None).await;
    desk.complete_by(x, "a", json!({})).await.unwrap();
    assert_eq!(
        refused(desk.withdraw(x, "a").await),
        "workflow-withdraw-sent"
    );
    assert_eq!(desk.open().await, ["y"]);
}

#[store::db_test(migrations = migrations)]
async fn what_a_worker_has_is_not_withdrawn(db: Db) {
    let desk = Desk::set_up(db).await;
    let nodes = r#"<userTask id="x" tongban:candidates="examiner"/><serviceTask id="pay" tongban:topic="payment"/>"#;
    desk.start(nodes, "s>x>pay>e", json!({})).await;
    for is_taken in [false, true] {
        let x = desk.task("x", None).await;
        desk.complete_by(x, "a", json!({})).await.unwrap();
        if !is_taken {
            desk.withdraw(x, "a").await.unwrap();
            continue;
        }
        let wanted = workflow::external::Fetch {
            worker: "w".into(),
            most: 1,
            topics: vec![workflow::external::Topic {
                name: "payment".into(),
                lock: Duration::minutes(1),
                ..Default::default()
            }],
        };
        let taken = workflow::external::fetch(&desk.db, &desk.engine, &wanted, "user:w");
        assert_eq!(taken.await.unwrap().len(), 1);
        assert_eq!(
            refused(desk.withdraw(x, "a").await),
            "workflow-withdraw-sent"
        );
    }
}

impl Desk {
    /// Does something to one of the open tasks, or takes back something done; what is refused is
    /// refused in words and changes nothing.
    async fn anything(&self, seed: &mut Seed, done: &mut Vec<(TaskId, &'static str)>) {
        let tasks = self.tasks().await;
        let Some(task) = tasks.get(seed.below(tasks.len().max(1))) else {
            return;
        };
        let names = ["a", "b", "c", "d", "chief"];
        let holder = match &task.facts.assignee {
            Some(id) => names[self.officers.iter().position(|one| one.id == *id).unwrap()],
            None if task.facts.candidates[0].starts_with("approver") => "chief",
            None => names[seed.below(4)],
        };
        let (id, other) = (task.facts.task, names[seed.below(5)]);
        let outcome = ["agreed", "refused"][usize::from(seed.below(4) == 0)];
        let mode = [Mode::Again, Mode::Back][seed.below(2)];
        let result = match seed.below(12) {
            0 => self.back(id, holder, Target::Previous, mode).await,
            1 => self.back(id, holder, Target::Initiator, mode).await,
            2 => self.delegate(id, holder, other).await,
            3 => self.add(id, holder, Place::Before, &[other]).await,
            4 => self.add(id, holder, Place::After, &[other]).await,
            5 => self.add(id, holder, Place::Beside, &[other]).await,
            6 if !done.is_empty() => {
                let (id, who) = done[seed.below(done.len())];
                self.withdraw(id, who).await
            }
            _ => {
                let result = self
                    .complete_by(id, holder, json!({"outcome": outcome}))
                    .await;
                done.extend(result.is_ok().then_some((id, holder)));
                result.map(drop)
            }
        };
        match result {
            Ok(()) | Err(Error::Refused(_) | Error::Invalid(_) | Error::Forbidden { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[store::db_test(migrations = migrations)]
async fn random_verbs_bring_every_process_to_its_end(db: Db) {
    let desk = Desk::set_up(db).await;
    let nodes = r#"<userTask id="x" tongban:candidates="examiner"/><userTask id="y" tongban:candidates="examiner" tongban:sign="ratio:0.5"/>
        <userTask id="z" tongban:candidates="examiner"/><userTask id="w" tongban:candidates="approver"/>
        <userTask id="m" tongban:assignee="${who}"><multiInstanceLoopCharacteristics tongban:collection="list" tongban:elementVariable="who"/></userTask>
        <parallelGateway id="g"/><parallelGateway id="j"/>"#;
    let list = ["a", "b"].map(|name| desk.id(name));
    for number in 1..=12 {
        let instance = desk
            .start(nodes, "s>x>g; g>y>j; g>z>m>j; j>w>e", json!({"list": list}))
            .await;
        let (mut seed, mut done) = (Seed(number * 7_919), Vec::new());
        for _ in 0..25 {
            desk.anything(&mut seed, &mut done).await;
        }
        for _ in 0..300 {
            let Some(task) = desk.tasks().await.into_iter().next() else {
                break;
            };
            let holder = task.facts.assignee.clone().unwrap_or_else(|| {
                desk.id(if task.facts.candidates[0].starts_with("approver") {
                    "chief"
                } else {
                    "a"
                })
            });
            let at = desk
                .officers
                .iter()
                .position(|officer| officer.id == holder)
                .unwrap();
            let who = ["a", "b", "c", "d", "chief"][at];
            desk.complete_by(task.facts.task, who, json!({"outcome": "agreed"}))
                .await
                .unwrap();
        }
        assert_eq!(
            desk.status(instance).await,
            "completed",
            "seed {number}: {:?}",
            desk.open().await
        );
        assert!(desk.open().await.is_empty());
    }
}

#[test]
fn attributes_of_the_verbs_are_checked_before_anything_runs() {
    let findings = |attributes: &str| {
        let xml = process(&format!(
            r#"<startEvent id="s"/><endEvent id="e"/><userTask id="x" {attributes}/>{}"#,
            flows("s>x>e")
        ));
        let (_, findings) = workflow::check::read_and_check(xml.as_bytes());
        let rules = findings.iter().map(|finding| finding.rule);
        rules.collect::<Vec<_>>()
    };
    for wrong in [
        r#"tongban:sign="most""#,
        r#"tongban:sign="ratio:60""#,
        r#"tongban:fields="name:wrte""#,
        r#"tongban:fields="name""#,
        r#"tongban:fields="name:read:number""#,
        r#"tongban:fields="name:write:money""#,
        r#"tongban:choose="all""#,
        r#"tongban:skip="true""#,
        r#"tongban:extend="many""#,
        r#"tongban:urge="-1""#,
        r#"tongban:reject="s""#,
        r#"tongban:reject="nowhere""#,
    ] {
        assert_eq!(findings(wrong), ["verb-attribute"], "{wrong}");
    }
    for right in [
        r#"tongban:sign="${rule}""#,
        r#"tongban:sign="weight:0.5" tongban:signers="a=2,b" tongban:veto="a""#,
        r#"tongban:fields="*:read,name:hidden,amount:write:number,note:write""#,
        r#"tongban:choose="anyone" tongban:skip="same-handler" tongban:extend="0" tongban:urge="2" tongban:reject="e""#,
    ] {
        assert!(findings(right).is_empty(), "{right}");
    }
}

/// Also what the system completes is a signer's answer, and not the task of all.
#[store::db_test(migrations = migrations)]
async fn the_system_answers_for_one_signer_only(db: Db) {
    let desk = Desk::set_up(db).await;
    desk.start(&signed(r#"tongban:sign="all""#), "s>x>y>e", json!({}))
        .await;
    let own = desk.task("x", Some("a")).await;
    act!(desk, |tx, engine| async move {
        let agreed = vars(json!({"outcome": "agree"}));
        workflow::complete_by_system(&tx, &engine, own, agreed).await
    })
    .unwrap();
    assert_eq!(desk.open().await, ["x b", "x c", "x d"]);
}
