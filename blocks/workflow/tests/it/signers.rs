//! Those who sign one task together share its clock and its decision.

use chrono::Duration;
use kernel::clock::local;
use serde_json::{Value, json};
use store::Db;

use crate::{
    bureau::{Bureau, Verb, migrations, refused},
    house::{self, House},
    model::{flows, process},
};

const LIST: &str = "s>x>y>e";

fn signed(rule: &str) -> String {
    format!(
        r#"<userTask id="x" tongban:candidates="examiner" tongban:sign="{rule}" tongban:outcomes="agree,refuse" tongban:days="5"/><userTask id="y" tongban:candidates="approver"/>"#
    )
}

fn agree() -> Verb {
    Verb::Complete(json!({"outcome": "agree"}))
}

async fn of(bureau: &Bureau, who: &str) -> workflow::TaskId {
    bureau.task("x", Some(who)).await
}

#[store::db_test(migrations = migrations)]
async fn the_signers_of_a_delegated_task_answer_its_delegator(db: Db) {
    let bureau = Bureau::open(db).await;
    let nodes = r#"<userTask id="x" tongban:candidates="examiner"/><userTask id="y" tongban:candidates="approver"/>"#;
    let instance = bureau.start(nodes, LIST, json!({})).await;
    let x = bureau.task("x", None).await;
    bureau.does("a", x, Verb::Claim).await.unwrap();
    let (to, beside) = (bureau.id("b"), bureau.id("chief"));
    bureau.does("a", x, Verb::Delegate(to)).await.unwrap();
    bureau.does("b", x, Verb::Beside(beside)).await.unwrap();
    let agreed = || Verb::Complete(json!({"outcome": "agreed"}));
    for who in ["b", "chief"] {
        let row = of(&bureau, who).await;
        bureau.does(who, row, agreed()).await.unwrap();
    }
    assert_eq!(bureau.open_tasks().await, ["x a"]);
    // What they said is with the task, and their names still find it.
    bureau.does("a", x, Verb::Release).await.unwrap();
    bureau.does("c", x, Verb::Claim).await.unwrap();
    bureau
        .does("c", x, Verb::Complete(json!({"outcome": "agreed"})))
        .await
        .unwrap();
    assert_eq!(bureau.open_tasks().await, ["y -"]);
    assert_eq!(bureau.status(instance).await, "running");
}

#[store::db_test(migrations = migrations)]
async fn a_suspension_holds_for_all_signers(db: Db) {
    let bureau = Bureau::open(db).await;
    bureau.start(&signed("any"), LIST, json!({})).await;
    let (a, b) = (of(&bureau, "a").await, of(&bureau, "b").await);
    bureau.does("a", a, Verb::Suspend).await.unwrap();
    let stands = "workflow-task-suspended";
    assert_eq!(refused(bureau.does("b", b, agree()).await), stands);
    assert_eq!(refused(bureau.does("b", b, Verb::Suspend).await), stands);
    assert_eq!(refused(bureau.does("b", b, Verb::Reject).await), stands);
    let dues = |tasks: Vec<workflow::Task>| {
        let due = tasks.into_iter().map(|task| task.facts.due_at.is_some());
        due.collect::<Vec<_>>()
    };
    assert_eq!(dues(bureau.tasks().await), [false; 3]);
    bureau.does("b", b, Verb::Resume).await.unwrap();
    assert_eq!(dues(bureau.tasks().await), [true; 3]);
    let runs = "workflow-task-not-suspended";
    assert_eq!(refused(bureau.does("a", a, Verb::Resume).await), runs);
    bureau.does("b", b, agree()).await.unwrap();
    assert_eq!(bureau.open_tasks().await, ["y -"]);
}

#[store::db_test(migrations = migrations)]
async fn a_countersigned_task_is_extended_once(db: Db) {
    let bureau = Bureau::open(db).await;
    bureau.start(&signed("all"), LIST, json!({})).await;
    let (a, b) = (of(&bureau, "a").await, of(&bureau, "b").await);
    let due = |tasks: Vec<workflow::Task>| {
        let at = tasks[0].facts.due_at.unwrap() - Duration::seconds(1);
        local(at).date_naive()
    };
    bureau.does("a", a, Verb::Extend(3)).await.unwrap();
    let once = due(bureau.tasks().await);
    assert_eq!(
        refused(bureau.does("b", b, Verb::Extend(3)).await),
        "workflow-extended-already"
    );
    assert_eq!(due(bureau.tasks().await), once);
}

#[store::db_test(migrations = migrations)]
async fn a_signers_rejection_is_his_refusal(db: Db) {
    let bureau = Bureau::open(db).await;
    let instance = bureau.start(&signed("ratio:0.6"), LIST, json!({})).await;
    let rows = [
        of(&bureau, "a").await,
        of(&bureau, "b").await,
        of(&bureau, "c").await,
    ];
    bureau.does("a", rows[0], agree()).await.unwrap();
    bureau.does("b", rows[1], Verb::Reject).await.unwrap();
    assert_eq!(bureau.status(instance).await, "running");
    assert_eq!(bureau.open_tasks().await, ["x c"]);
    bureau.does("c", rows[2], agree()).await.unwrap();
    assert_eq!(bureau.open_tasks().await, ["y -"]);
    let variables = bureau.variables(instance).await;
    assert_eq!(variables["outcome"], "agree");
    let votes = variables["signatures"].as_array().unwrap();
    let votes: Vec<&Value> = votes.iter().map(|one| &one["vote"]).collect();
    assert_eq!(votes.iter().filter(|vote| **vote == "refuse").count(), 1);
    // Where one refusal decides, it decides by the task's own outcome.
    let instance = bureau.start(&signed("all"), LIST, json!({})).await;
    let c = of(&bureau, "c").await;
    bureau.does("c", c, Verb::Reject).await.unwrap();
    assert_eq!(bureau.status(instance).await, "running");
    assert_eq!(bureau.variables(instance).await["outcome"], "refuse");
}

#[store::db_test(migrations = migrations)]
async fn what_others_signed_is_not_withdrawn_by_the_last(db: Db) {
    let bureau = Bureau::open(db).await;
    bureau.start(&signed("ratio:0.6"), LIST, json!({})).await;
    let whole = {
        let filter = workflow::Filter {
            subject: Some("doc:1".into()),
            state: Some("signing".into()),
            ..workflow::Filter::default()
        };
        let all = store::page::PageRequest::default();
        let page = workflow::tasks(&bureau.db, &filter, &all).await;
        page.unwrap().items[0].facts.task
    };
    for who in ["a", "b"] {
        let row = of(&bureau, who).await;
        bureau.does(who, row, agree()).await.unwrap();
    }
    assert_eq!(bureau.open_tasks().await, ["y -"]);
    assert_eq!(
        refused(bureau.does("b", whole, Verb::Withdraw).await),
        "workflow-withdraw-signed"
    );
    assert_eq!(
        refused(bureau.does("a", whole, Verb::Withdraw).await),
        "workflow.task.withdraw"
    );
    assert_eq!(bureau.open_tasks().await, ["y -"]);
}

#[store::db_test(migrations = house::migrations)]
async fn a_malformed_id_holds_no_other_task_of_a_batch_up(db: Db) {
    let house = House::open(db).await;
    let xml = process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><userTask id="x" tongban:candidates="clerk@{}"/>{}"#,
        house::ORG,
        flows("s>x>e")
    ));
    let engine = house.engine.clone();
    let made = house.db.write(move |tx| {
        let (xml, engine) = (xml.clone(), engine.clone());
        async move {
            workflow::deploy(&tx, "p", &xml).await?;
            for _ in 0..2 {
                workflow::start(&tx, &engine, "p", "doc:1", serde_json::Map::new()).await?;
            }
            Ok(())
        }
    });
    made.await.unwrap();
    let clerk = house.program("clerk").await;
    let listed = clerk.sees("/api/workflow/tasks").await;
    let ids: Vec<&Value> = listed["items"].as_array().unwrap().iter().collect();
    let tasks = json!({"tasks": [{"id": ids[0]["id"]}, {"id": "nonsense"}, {"id": ids[1]["id"]}]});
    let answers = clerk.does("/api/workflow/tasks/complete", tasks).await;
    let told: Vec<_> = (0..3)
        .map(|n| (&answers[n]["id"], &answers[n]["progress"]))
        .collect();
    let (moved, none) = (json!("moved"), Value::Null);
    assert_eq!(
        told,
        [
            (&ids[0]["id"], &moved),
            (&json!("nonsense"), &none),
            (&ids[1]["id"], &moved)
        ]
    );
    assert_eq!(answers[1]["rule"], "web-error-not-found");
    let only = json!({"tasks": [{"id": "nonsense"}]});
    let answers = clerk.does("/api/workflow/tasks/complete", only).await;
    assert_eq!(answers[0]["rule"], "web-error-not-found");
}
