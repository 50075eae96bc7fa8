//! What a substitute does is done at the absent officer's desk, and stays there.

use serde_json::json;
use store::{Db, page::PageRequest};
use workflow::Filter;

use crate::bureau::{Bureau, ORG, Verb, migrations, refused};

const NODES: &str = r#"<userTask id="x" tongban:candidates="examiner"/><userTask id="z" tongban:candidates="approver"/><userTask id="y" tongban:candidates="examiner"/>"#;
const ROW: &str = "s>x>z>y>e";

#[store::db_test(migrations = migrations)]
async fn what_a_substitute_claims_stays_the_absent_ones(db: Db) {
    let bureau = Bureau::open(db).await;
    let away = bureau.absent().await;
    bureau.start(NODES, ROW, json!({})).await;
    bureau.completes("a", "x", json!({})).await;
    let z = bureau.task("z", None).await;
    bureau.does("far", z, Verb::Claim).await.unwrap();
    assert_eq!(bureau.open_tasks().await, ["z chief"]);
    bureau.does("far", z, Verb::Release).await.unwrap();
    assert_eq!(bureau.open_tasks().await, ["z -"]);
    bureau.does("far", z, Verb::Claim).await.unwrap();
    // The absent officer may come in between.
    bureau.does("chief", z, Verb::Claim).await.unwrap();
    bureau.back_again(away).await;
    for verb in [Verb::Complete(json!({})), Verb::Release] {
        let name = match verb {
            Verb::Release => "workflow.task.release",
            _ => "workflow.task.complete",
        };
        assert_eq!(refused(bureau.does("far", z, verb).await), name);
    }
    bureau
        .does("chief", z, Verb::Complete(json!({})))
        .await
        .unwrap();
    assert_eq!(bureau.open_tasks().await, ["y -"]);
}

#[store::db_test(migrations = migrations)]
async fn what_a_substitute_claimed_and_completes_names_both(db: Db) {
    let bureau = Bureau::open(db).await;
    bureau.absent().await;
    let instance = bureau.start(NODES, ROW, json!({})).await;
    bureau.completes("a", "x", json!({})).await;
    let z = bureau.task("z", None).await;
    bureau.does("far", z, Verb::Claim).await.unwrap();
    bureau
        .does("far", z, Verb::Complete(json!({})))
        .await
        .unwrap();
    let both = format!("user:{} for user:{}", bureau.id("far"), bureau.id("chief"));
    assert_eq!(bureau.left_by(instance, "z").await, both);
}

#[store::db_test(migrations = migrations)]
async fn what_a_substitute_completed_comes_back_to_the_absent_one(db: Db) {
    let bureau = Bureau::open(db).await;
    let away = bureau.absent().await;
    let instance = bureau.start(NODES, ROW, json!({})).await;
    bureau.completes("a", "x", json!({})).await;
    let z = bureau.task("z", None).await;
    let done = || Verb::Complete(json!({}));
    bureau.does("far", z, done()).await.unwrap();
    bureau.does("far", z, Verb::Withdraw).await.unwrap();
    assert_eq!(bureau.open_tasks().await, ["z chief"]);
    let deeds = bureau.deeds(instance).await;
    assert_eq!(
        (deeds[0].verb.as_str(), deeds[0].on_behalf.clone()),
        ("withdraw", Some(bureau.id("chief")))
    );
    // Returned to, the step is the absent officer's again.
    let z = bureau.task("z", None).await;
    bureau.does("far", z, done()).await.unwrap();
    let y = bureau.task("y", None).await;
    bureau.does("b", y, Verb::Back).await.unwrap();
    assert_eq!(bureau.open_tasks().await, ["z chief"]);
    let z = bureau.task("z", None).await;
    bureau.does("far", z, done()).await.unwrap();
    bureau.back_again(away).await;
    assert_eq!(
        refused(bureau.does("far", z, Verb::Withdraw).await),
        "workflow.task.withdraw"
    );
}

#[store::db_test(migrations = migrations)]
async fn the_absent_one_withdraws_what_was_completed_for_him(db: Db) {
    let bureau = Bureau::open(db).await;
    let away = bureau.absent().await;
    bureau.start(NODES, ROW, json!({})).await;
    bureau.completes("a", "x", json!({})).await;
    let z = bureau.task("z", None).await;
    bureau
        .does("far", z, Verb::Complete(json!({})))
        .await
        .unwrap();
    bureau.back_again(away).await;
    bureau.does("chief", z, Verb::Withdraw).await.unwrap();
    assert_eq!(bureau.open_tasks().await, ["z chief"]);
}

#[store::db_test(migrations = migrations)]
async fn what_a_substitute_returned_jumps_back_to_the_absent_one(db: Db) {
    let bureau = Bureau::open(db).await;
    let away = bureau.absent().await;
    bureau.start(NODES, ROW, json!({})).await;
    bureau.completes("a", "x", json!({})).await;
    let z = bureau.task("z", None).await;
    bureau.does("far", z, Verb::Back).await.unwrap();
    bureau.back_again(away).await;
    bureau.completes("a", "x", json!({})).await;
    assert_eq!(bureau.open_tasks().await, ["z chief"]);
}

#[store::db_test(migrations = migrations)]
async fn what_a_substitute_hands_on_comes_back_to_the_absent_one(db: Db) {
    let bureau = Bureau::open(db).await;
    let away = bureau.absent().await;
    bureau.start(NODES, ROW, json!({})).await;
    bureau.completes("a", "x", json!({})).await;
    let z = bureau.task("z", None).await;
    bureau.does("chief", z, Verb::Claim).await.unwrap();
    for oneself in ["far", "chief"] {
        let delegated = bureau.does("far", z, Verb::Delegate(bureau.id(oneself)));
        assert_eq!(refused(delegated.await), "to: workflow-delegate-self");
    }
    let kept = bureau.does("far", z, Verb::Transfer(bureau.id("far")));
    assert_eq!(refused(kept.await), "to: workflow-transfer-self");
    let delegated = bureau.does("far", z, Verb::Delegate(bureau.id("a")));
    delegated.await.unwrap();
    bureau
        .does("a", z, Verb::Complete(json!({})))
        .await
        .unwrap();
    assert_eq!(bureau.open_tasks().await, ["z chief"]);
    // Signers that he added are the absent officer's to remove.
    bureau
        .does("far", z, Verb::Beside(bureau.id("b")))
        .await
        .unwrap();
    bureau.back_again(away).await;
    assert_eq!(bureau.open_tasks().await, ["z b", "z chief"]);
    let of_b = bureau.task("z", Some("b")).await;
    assert_eq!(
        refused(bureau.does("far", of_b, Verb::RemoveSigner).await),
        "workflow.task.sign"
    );
    bureau
        .does("chief", of_b, Verb::RemoveSigner)
        .await
        .unwrap();
    assert_eq!(bureau.open_tasks().await, ["z chief"]);
}

#[store::db_test(migrations = migrations)]
async fn who_prepares_an_answer_neither_returns_nor_rejects(db: Db) {
    let bureau = Bureau::open(db).await;
    let instance = bureau.start(NODES, ROW, json!({})).await;
    bureau.completes("a", "x", json!({})).await;
    let z = bureau.task("z", None).await;
    bureau.does("chief", z, Verb::Claim).await.unwrap();
    bureau
        .does("chief", z, Verb::Delegate(bureau.id("b")))
        .await
        .unwrap();
    // Neither he nor the delegator, who does not have it now.
    for verb in [Verb::Back, Verb::Reject] {
        let by_delegate = bureau.does("b", z, verb.clone()).await;
        assert_eq!(refused(by_delegate), "workflow-task-prepared");
        let by_delegator = bureau.does("chief", z, verb).await;
        assert_eq!(refused(by_delegator), "workflow-task-taken");
    }
    let answer = Verb::Complete(json!({"opinion": "不予许可"}));
    bureau.does("b", z, answer).await.unwrap();
    assert_eq!(bureau.open_tasks().await, ["z chief"]);
    bureau.does("chief", z, Verb::Reject).await.unwrap();
    assert_eq!(bureau.status(instance).await, "cancelled");
}

#[store::db_test(migrations = migrations)]
async fn a_substitute_of_a_delegate_prepares_the_answer_too(db: Db) {
    let bureau = Bureau::open(db).await;
    bureau.absent().await;
    let instance = bureau.start(NODES, ROW, json!({})).await;
    let x = bureau.task("x", None).await;
    bureau.does("a", x, Verb::Claim).await.unwrap();
    let delegated = bureau.does("a", x, Verb::Delegate(bureau.id("chief")));
    delegated.await.unwrap();
    let rejected = bureau.does("far", x, Verb::Reject).await;
    assert_eq!(refused(rejected), "workflow-task-prepared");
    let answer = Verb::Complete(json!({"opinion": "可行"}));
    bureau.does("far", x, answer).await.unwrap();
    assert_eq!(bureau.open_tasks().await, ["x a"]);
    let deeds = bureau.deeds(instance).await;
    let answer = deeds.iter().find(|deed| deed.verb == "answer").unwrap();
    assert_eq!(answer.on_behalf, Some(bureau.id("chief")));
    bureau.does("a", x, Verb::Reject).await.unwrap();
    assert_eq!(bureau.status(instance).await, "cancelled");
}

/// Operators, security officers and auditors check one another.
#[store::db_test(migrations = migrations)]
async fn posts_that_keep_the_system_are_not_handed_on(db: Db) {
    let bureau = Bureau::open(db.clone()).await;
    let keeper = bureau.keeper().await;
    let nodes = r#"<parallelGateway id="g"/><userTask id="kept" tongban:candidates="operator"/><userTask id="held" tongban:candidates="operator"/>
        <userTask id="shared" tongban:candidates="approver"/>"#;
    bureau
        .start(
            nodes,
            "s>g; g>kept; g>held; g>shared; kept>e; held>e; shared>e",
            json!({}),
        )
        .await;
    let (kept, held, shared) = (
        bureau.task("kept", None).await,
        bureau.task("held", None).await,
        bureau.task("shared", None).await,
    );
    bureau.claims(&keeper, held).await.unwrap();
    let named = bureau.names(&keeper, vec![format!("operator@{ORG}")]).await;
    assert_eq!(refused(named), "posts: workflow-substitute-kept");
    bureau.names(&keeper, vec![]).await.unwrap();
    // What is listed, what is taken and what is completed agree.
    let own = Filter {
        groups: bureau.officer("far").groups,
        assignee: Some(bureau.id("far")),
        ..Filter::default()
    };
    let filter = workflow::with_absent(&db, &bureau.id("far"), own)
        .await
        .unwrap();
    let listed = workflow::tasks(&db, &filter, &PageRequest::default()).await;
    let listed = listed
        .unwrap()
        .items
        .into_iter()
        .map(|task| task.facts.task);
    assert_eq!(listed.collect::<Vec<_>>(), [shared]);
    for task in [kept, held] {
        let done = bureau.does("far", task, Verb::Complete(json!({}))).await;
        assert_eq!(refused(done), "workflow.task.complete");
    }
    assert_eq!(
        refused(bureau.does("far", kept, Verb::Claim).await),
        "workflow.task.claim"
    );
    bureau.does("far", shared, Verb::Claim).await.unwrap();
    let done = bureau.does("far", shared, Verb::Complete(json!({})));
    done.await.unwrap();
}
