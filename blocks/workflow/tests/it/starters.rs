//! What officers may start, and what became of it, on both databases.

use identity::Actor;
use serde_json::{Value, json};
use store::Db;

use crate::{
    bureau::{self, ORG},
    desk::{Desk, desk},
    model::{file, flows},
};

/// A purchase that `starters` may ask for, with the attributes of its process written out.
fn purchase(attributes: &str) -> String {
    file(&format!(
        r#"<process id="p" name="采购审批" isExecutable="true" {attributes}>
        <startEvent id="s" tongban:fields="what:write:text,amount:write:number,note:read" tongban:labels="what=采购内容,amount=金额"/>
        <endEvent id="e"/>
        <userTask id="decide" name="审批" tongban:candidates="approver@{ORG}"/>{}</process>"#,
        flows("s>decide>e")
    ))
}

async fn open(db: Db, attributes: &str) -> Desk {
    let desk = desk(db).await;
    desk.house.deploy("purchase", purchase(attributes)).await;
    desk
}

impl Desk {
    /// Keys of what somebody may start.
    async fn startable(&self, actor: &Actor) -> Vec<String> {
        let (status, body) = self.house.get(actor, "/api/workflow/startable").await;
        assert_eq!(status, 200, "{body}");
        let all: Vec<Value> = serde_json::from_str(&body).unwrap();
        let key = |one: &Value| one["key"].as_str().unwrap().to_owned();
        all.iter().map(key).collect()
    }

    async fn asks(&self, actor: &Actor, body: Value) -> (u16, String) {
        let path = "/api/workflow/startable/purchase";
        let sent = body.to_string();
        let (status, body, _) = self.house.post(actor, path, "application/json", sent).await;
        (status, body)
    }
}

#[store::db_test(migrations = bureau::migrations)]
async fn an_officer_starts_what_the_model_lets_him_start_and_follows_it(db: Db) {
    let desk = open(db, r#"tongban:starters="examiner""#).await;
    let (_, page) = desk.house.get(&desk.a, "/tasks/start").await;
    assert!(page.contains(r#"href="/tasks/start/purchase""#), "{page}");
    let (_, page) = desk.house.get(&desk.chief, "/tasks/start").await;
    assert!(!page.contains("/tasks/start/purchase"), "{page}");
    let (status, _) = desk.house.get(&desk.chief, "/tasks/start/purchase").await;
    assert_eq!(status, 403);
    let (status, _) = desk.house.get(&desk.a, "/tasks/start/nothing").await;
    assert_eq!(status, 404);

    let (_, form) = desk.house.get(&desk.a, "/tasks/start/purchase").await;
    assert!(form.contains("采购内容") && form.contains("金额"), "{form}");
    assert!(!form.contains("var-note"), "{form}");
    let path = "/tasks/start/purchase";
    let (status, wrong, _) = desk
        .house
        .form(&desk.a, path, "title=x&var-what=y&var-amount=many")
        .await;
    assert_eq!(status, 422);
    assert!(wrong.contains(r#"id="var-amount-error-1""#), "{wrong}");
    assert!(wrong.contains(r#"id="title-error-1""#), "{wrong}");
    let (status, wrong, _) = desk
        .house
        .form(&desk.a, path, "title=x&var-what=y&var-amount=3")
        .await;
    assert_eq!(status, 422);
    assert!(wrong.contains(r#"id="title-error-1""#), "{wrong}");
    assert!(wrong.contains(r#"value="y""#), "{wrong}");
    let (status, body, to) = desk
        .house
        .form(&desk.a, path, "title=Printers&var-what=y&var-amount=3")
        .await;
    assert_eq!(status, 303, "{body}");
    assert!(to.starts_with("/tasks/started/"), "{to}");

    let (_, list) = desk.house.get(&desk.a, "/tasks?of=started").await;
    assert!(list.contains("Printers") && list.contains("审批"), "{list}");
    let (_, list) = desk.house.get(&desk.b, "/tasks?of=started").await;
    assert!(!list.contains("Printers"), "{list}");
    let (status, _) = desk.house.get(&desk.b, &to).await;
    assert_eq!(status, 404);
    let (_, page) = desk.house.get(&desk.a, &to).await;
    assert!(
        page.contains("金额") && page.contains("<bdi>3</bdi>"),
        "{page}"
    );

    let task = desk.only(&desk.chief, "free").await;
    let instance = to.trim_start_matches("/tasks/started/");
    let body = format!("started={instance}");
    let urged = desk.does(&desk.a, &task, "urge", &body).await;
    assert_eq!(urged, format!("{to}?done=urge"));
    let (_, page) = desk.house.get(&desk.a, &urged).await;
    assert!(page.contains("已催办"), "{page}");
    desk.does(&desk.chief, &task, "complete", "").await;
    let (_, page) = desk.house.get(&desk.a, &to).await;
    assert!(page.contains("已完成") && !page.contains("/urge"), "{page}");
}

#[store::db_test(migrations = bureau::migrations)]
async fn only_what_the_start_asks_for_may_be_given(db: Db) {
    let desk = open(db, r#"tongban:starters="examiner""#).await;
    for (vars, field) in [
        (json!({"approved": true}), "approved"),
        (json!({"note": "x"}), "note"),
        (json!({"amount": "3"}), "amount"),
        (json!({"outcome": "approve"}), "outcome"),
        (json!({"opinion": "x"}), "opinion"),
    ] {
        let asked = json!({"title": "Printers", "vars": vars});
        let (status, body) = desk.asks(&desk.a, asked).await;
        assert_eq!(status, 422, "{body}");
        assert!(body.contains(&format!(r#""{field}""#)), "{body}");
    }
    let asked = json!({"title": "Printers", "vars": {"what": "y", "amount": 3}});
    let (status, body) = desk.asks(&desk.chief, asked.clone()).await;
    assert_eq!(status, 403, "{body}");
    assert_eq!(
        desk.house
            .events("workflow.instance_started.v1")
            .await
            .len(),
        0
    );
    let (status, body) = desk.asks(&desk.a, asked).await;
    assert_eq!(status, 201, "{body}");
    let begun = desk.house.events("workflow.instance_started.v1").await;
    assert_eq!(begun[0]["subject"], "business:Printers");
}

#[store::db_test(migrations = bureau::migrations)]
async fn starters_are_posts_persons_everybody_or_those_of_other_engines(db: Db) {
    let (a, far, nobody) = (["a", "b"], ["a", "b", "far"], [""; 0]);
    let here = format!(r#"tongban:starters="examiner@{ORG}""#);
    let cases: [(&str, &[&str]); 7] = [
        ("", &nobody),
        (&here, &a),
        (r#"tongban:starters="examiner""#, &far),
        (r#"tongban:starters="user:a, user:ghost""#, &["a"]),
        (r#"tongban:starters="*""#, &["a", "b", "far", "chief"]),
        (r#"camunda:candidateStarterGroups="approver""#, &["chief"]),
        (r#"camunda:candidateStarterUsers="b""#, &["b"]),
    ];
    let desk = desk(db).await;
    for (attributes, expected) in cases {
        desk.house.deploy("purchase", purchase(attributes)).await;
        let all = [
            ("a", &desk.a),
            ("b", &desk.b),
            ("far", &desk.far),
            ("chief", &desk.chief),
        ];
        let mut may = Vec::new();
        for (name, actor) in all {
            if desk.startable(actor).await == ["purchase"] {
                may.push(name);
            }
        }
        assert_eq!(may, expected, "{attributes}");
    }
}

#[store::db_test(migrations = bureau::migrations)]
async fn who_started_it_sees_which_signers_it_waits_for(db: Db) {
    let signed = purchase(r#"tongban:starters="*""#).replace(
        &format!("approver@{ORG}\""),
        &format!("examiner@{ORG}\" tongban:sign=\"all\" tongban:outcomes=\"approve,refuse\""),
    );
    let desk = desk(db).await;
    desk.house.deploy("purchase", signed).await;
    let asked = json!({"title": "Printers", "vars": {"what": "y", "amount": 3}});
    let (status, body) = desk.asks(&desk.chief, asked).await;
    assert_eq!(status, 201, "{body}");
    let (_, list) = desk.house.get(&desk.chief, "/tasks?of=started").await;
    assert_eq!(list.matches("审批").count(), 2, "process and step: {list}");
    let begun: Value = serde_json::from_str(&body).unwrap();
    let path = format!("/tasks/started/{}", begun["instance"].as_str().unwrap());
    let (_, page) = desk.house.get(&desk.chief, &path).await;
    let signers = page.matches("/urge\"").count();
    assert_eq!(signers, 3, "a, b and c: {page}");
}

#[store::db_test(migrations = bureau::migrations)]
async fn who_started_it_sees_that_it_stopped(db: Db) {
    // A post of which organisation?
    let stops = purchase(r#"tongban:starters="*""#).replace(&format!("approver@{ORG}"), "approver");
    let desk = desk(db).await;
    desk.house.deploy("purchase", stops).await;
    let asked = json!({"title": "Printers", "vars": {"what": "y", "amount": 3}});
    let (status, body) = desk.asks(&desk.a, asked).await;
    assert_eq!(status, 201, "{body}");
    let begun: Value = serde_json::from_str(&body).unwrap();
    let page = format!("/tasks/started/{}", begun["instance"].as_str().unwrap());
    for path in ["/tasks?of=started", &page] {
        let (_, shown) = desk.house.get(&desk.a, path).await;
        assert!(
            shown.contains("停滞") && !shown.contains("运行中"),
            "{shown}"
        );
    }
}

#[test]
fn a_slip_in_what_a_start_asks_for_is_refused() {
    let wrong = purchase("").replace("what:write:text", "what:fill");
    let found = workflow::simulate::check_file(wrong.as_bytes());
    let rules: Vec<_> = found.iter().map(|one| (one.rule, &*one.element)).collect();
    assert_eq!(rules, [("verb-attribute", "s")]);
}
