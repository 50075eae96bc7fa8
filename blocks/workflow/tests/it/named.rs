//! Whom a model names in person: login names and identifiers, and names that are nobody's.

use serde_json::json;
use store::Db;

use crate::bureau::{Bureau, Verb, migrations};

fn named(who: &str) -> String {
    format!(r#"<userTask id="x" {who}/>"#)
}

const LIST: &str = "s>x>e";

#[store::db_test(migrations = migrations)]
async fn an_officer_is_named_by_login_or_identifier(db: Db) {
    let bureau = Bureau::open(db).await;
    let who = json!({"who": bureau.id("a")});
    for name in [r#"camunda:assignee="a""#, r#"camunda:assignee="${who}""#] {
        bureau.start(&named(name), LIST, who.clone()).await;
        assert_eq!(bureau.open_tasks().await, ["x a"], "{name}");
        bureau.completes("a", "x", json!({})).await;
    }
    let several = named(r#"camunda:candidateUsers="nobody, b, c""#);
    bureau.start(&several, LIST, json!({})).await;
    assert_eq!(bureau.open_tasks().await, ["x -"]);
    let x = bureau.task("x", None).await;
    assert!(bureau.does("a", x, Verb::Claim).await.is_err());
    bureau.does("b", x, Verb::Claim).await.unwrap();
}

#[store::db_test(migrations = migrations)]
async fn an_assignee_who_is_nobody_is_an_incident(db: Db) {
    let bureau = Bureau::open(db).await;
    for name in [
        r#"camunda:assignee="nobody""#,
        r#"camunda:assignee="01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11""#,
        r#"camunda:candidateUsers="nobody""#,
    ] {
        let instance = bureau.start(&named(name), LIST, json!({})).await;
        assert!(bureau.tasks().await.is_empty(), "{name}");
        let told = bureau.incidents(instance).await.join(" ");
        assert!(told.contains("is nobody known here"), "{name}: {told}");
    }
}
