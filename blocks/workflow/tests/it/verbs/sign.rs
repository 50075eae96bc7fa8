//! Signing together, and signers added or removed.

use std::sync::Arc;

use kernel::{Clock, ManualClock};
use serde_json::json;
use store::Db;
use workflow::{
    Progress, TaskId,
    verb::{self, Place},
};

use super::{Desk, ROW, STEPS, migrations, refused};
use crate::model::vars;

pub fn signed(rule: &str) -> String {
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
