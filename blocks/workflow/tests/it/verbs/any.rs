//! Interventions, wrong attributes, and verbs in any order.

use kernel::Error;
use serde_json::{Map, json};
use store::Db;
use workflow::{
    TaskId,
    core::Mode,
    verb::{self, Intervention, Place, Target},
};

use super::{Desk, ROW, STEPS, migrations, refused};
use crate::model::{flows, process, vars};
use crate::steps::Seed;

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
