//! Tasks of every kind, and decisions.

use serde_json::json;
use workflow::simulate::Options;

use super::simple;
use crate::model::{auto, run, run_with, vars};

#[test]
fn tasks_of_every_kind_run() {
    let xml = simple(
        r#"<task id="t0"/><userTask id="t1"/><serviceTask id="t2"/><sendTask id="t3"/><receiveTask id="t4"/>
           <manualTask id="t5"/><scriptTask id="t6"/><businessRuleTask id="t7"/>"#,
        "s>t0>t1>t2>t3>t4>t5>t6>t7>e",
    );
    let ran = auto(&xml, json!({})).ends("completed");
    assert_eq!(
        ran.entered(),
        ["s", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "e"]
    );
    assert_eq!(ran.code, 0);
    let ran = run(&xml, json!({}), "[]").ends("waiting");
    assert_eq!(ran.waiting(), ["t1"]);
    let ran = run(
        &xml,
        json!({}),
        r#"[{"complete":"t1","vars":{"a":1}},{"complete":"t2"}]"#,
    )
    .ends("waiting");
    assert_eq!((ran.waiting(), ran.var("a")), (vec!["t3"], &json!(1)));
}

#[test]
fn a_feel_script_changes_variables() {
    let xml = simple(
        r#"<scriptTask id="t" scriptFormat="feel"><script>{total: n * 2, kind: "x"}</script></scriptTask>
           <scriptTask id="u" scriptFormat="javascript"><script>alert(1)</script></scriptTask>"#,
        "s>t>u>e",
    );
    let ran = auto(&xml, json!({"n": 4})).ends("completed");
    assert_eq!(
        (ran.var("total"), ran.var("kind")),
        (&json!(8), &json!("x"))
    );
    assert_eq!(ran.of("script"), ["t", "u"]);
}

#[test]
fn a_decision_answers_a_business_rule_task() {
    let xml = simple(
        r#"<businessRuleTask id="t" camunda:decisionRef="Fee" camunda:resultVariable="fee"/>"#,
        "s>t>e",
    );
    let options = Options {
        vars: vars(json!({"area": 80})),
        decisions: vec![crate::decisions::FEE.into()],
        ..Options::default()
    };
    assert_eq!(
        run_with(&xml, &options).ends("completed").var("fee"),
        &json!(200)
    );
}

#[test]
fn a_decision_of_which_no_rule_matches_answers_null() {
    let xml = simple(
        r#"<businessRuleTask id="t" camunda:decisionRef="Fee" camunda:resultVariable="fee"/>"#,
        "s>t>e",
    );
    let asked = |given: serde_json::Value, fee: &str| {
        run_with(
            &xml,
            &Options {
                vars: vars(given),
                decisions: vec![fee.to_owned()],
                ..Options::default()
            },
        )
    };
    let fee = crate::decisions::FEE.replace("&gt; 50", "&gt; 100");
    let ran = asked(json!({"area": 80}), &fee).ends("completed");
    assert_eq!(ran.var("fee"), &json!(null));
    let ran = asked(json!({"area": 8}), &fee).ends("completed");
    assert_eq!(ran.var("fee"), &json!(100));
    // Nothing can be said where an input is missing, or the table contradicts itself.
    let ran = asked(json!({}), &fee).ends("failed");
    assert!(ran.last["reason"].as_str().unwrap().contains("missing"));
    let twice = crate::decisions::FEE.replace("&gt; 50", "&gt; 5");
    let ran = asked(json!({"area": 8}), &twice).ends("failed");
    assert!(ran.last["reason"].as_str().unwrap().contains("UNIQUE"));
}

#[test]
fn an_activity_takes_and_gives_as_many_tokens_as_it_says() {
    let xml = simple(
        r#"<task id="split" completionQuantity="3"/><task id="each"/><task id="join" startQuantity="3"/>"#,
        "s>split>each>join>e",
    );
    let ran = auto(&xml, json!({})).ends("completed");
    let times = |id: &str| ran.entered().iter().filter(|seen| **seen == id).count();
    assert_eq!((times("each"), times("join"), times("e")), (3, 1, 1));
}
