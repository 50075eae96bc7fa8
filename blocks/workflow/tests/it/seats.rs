//! What a substitute does is done at the absent officer's desk, and stays there.

use serde_json::json;
use store::Db;

use crate::bureau::{Bureau, Verb, migrations, refused};

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
