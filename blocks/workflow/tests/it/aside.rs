//! Expressions and decisions that never end, take all memory or all stack: the process that they
//! belong to stands at an incident, and the server goes on.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use store::Db;
use workflow::decision::Decisions;

use crate::{
    house::{House, migrations},
    model::{file, flows},
};

/// What the children of the tests below run.
#[test]
#[ignore = "evaluates for others, for as long as they ask"]
fn child() {
    workflow::aside::work().unwrap();
}

pub fn enable() {
    let program = std::env::current_exe().unwrap();
    workflow::aside::enable(
        program,
        &["aside::child", "--exact", "--ignored", "--nocapture"],
    );
}

fn script(text: &str) -> String {
    let text = text.replace('<', "&lt;").replace('>', "&gt;");
    file(&format!(
        r#"<process id="p" isExecutable="true"><startEvent id="s"/><scriptTask id="run" scriptFormat="feel"><script>{text}</script></scriptTask>
        <userTask id="after"/><endEvent id="e"/>{}</process>"#,
        flows("s>run>after>e")
    ))
}

#[store::db_test(migrations = migrations)]
async fn a_script_that_never_ends_is_an_incident(db: Db) {
    enable();
    let house = House::open(db).await;
    let administrator = house.program("administrator").await;
    let program = house.program("integrator").await;
    for text in [
        "{r: count(for x in 1..n, y in 1..n return x * y)}",
        "{f: function(n) f(n + 1), r: f(1)}",
        "{f: function(g) g(g), r: f(f)}",
        r#"{a: string join(for x in 1..n return "xxxxxxxxxx"), b: a + a + a + a, c: b + b + b + b, d: c + c + c + c, e: d + d + d + d, f: e + e + e + e, g: f + f + f + f}"#,
    ] {
        let deployed = administrator.deploys(&script(text)).await;
        assert!(deployed.status.is_success(), "{}", deployed.text);
        let begun = Instant::now();
        let start = json!({"key": "p", "variables": {"n": 90_000}});
        let started = program.does("/api/process/instances", start).await;
        assert!(begun.elapsed() < Duration::from_secs(15), "{text}");
        let id = started["id"].as_str().unwrap();
        let incidents = program
            .sees(&format!("/api/process/incidents?instance={id}"))
            .await;
        assert_eq!(incidents["items"][0]["element"], json!("run"), "{text}");
    }
}

#[store::db_test(migrations = migrations)]
async fn a_loop_that_ends_gives_its_value(db: Db) {
    enable();
    let house = House::open(db).await;
    let administrator = house.program("administrator").await;
    let text =
        "{sum: sum(for x in items return x.price * x.count), large: items[price > 1][count > 1]}";
    administrator.deploys(&script(text)).await;
    let items = json!([{"price": 2, "count": 3}, {"price": 1, "count": 5}]);
    let program = house.program("integrator").await;
    let start = json!({"key": "p", "variables": {"items": items}});
    let started = program.does("/api/process/instances", start).await;
    let id = started["id"].as_str().unwrap();
    let seen = program
        .sees(&format!("/api/process/instances/{id}/variables"))
        .await;
    assert_eq!(seen["sum"], json!(11));
    assert_eq!(seen["large"], json!([{"price": 2, "count": 3}]));
}

#[test]
fn a_decision_that_never_ends_says_so() {
    enable();
    let model = |text: &str| {
        format!(
            r##"<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="d" name="d" namespace="x">
            <inputData id="i" name="n"/><decision id="D" name="D"><variable name="D"/><informationRequirement><requiredInput href="#i"/></informationRequirement>
            <literalExpression><text>{text}</text></literalExpression></decision></definitions>"##
        )
    };
    let ask = |text: &str, n: u32| {
        let decisions = Decisions::read(&model(text)).unwrap();
        let input: Map<String, Value> = [("n".to_owned(), json!(n))].into_iter().collect();
        decisions.evaluate("D", &input).unwrap()
    };
    let sums = "sum(for x in 1..n return x)";
    assert_eq!(ask(sums, 10).value, json!(55));
    let lost = ask("count(for x in 1..n, y in 1..n return x * y)", 90_000);
    assert_eq!(lost.value, Value::Null);
    assert!(lost.reason.unwrap().contains("`D`"));
    assert_eq!(ask(sums, 4).value, json!(10));
}
