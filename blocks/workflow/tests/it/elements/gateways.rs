//! Gateways, and conditional flows that do without.

use serde_json::json;

use super::{ENDS, simple};
use crate::model::{auto, file, flows, run};

#[test]
fn an_exclusive_gateway_takes_the_first_true_flow_or_the_default() {
    let xml = simple(
        r#"<exclusiveGateway id="g" default="g-c"/><task id="a"/><task id="b"/><task id="c"/>"#,
        "s>g; g>a[n > 10]; g>b[n > 5]; g>c; a>e; b>e; c>e",
    );
    for (n, expected) in [(11, "a"), (6, "b"), (1, "c")] {
        assert_eq!(
            auto(&xml, json!({"n": n})).ends("completed").entered(),
            ["s", "g", expected, "e"]
        );
    }
}

#[test]
fn without_a_true_flow_the_gateway_stops() {
    let xml = simple(
        r#"<exclusiveGateway id="g"/><task id="a"/>"#,
        "s>g; g>a[n > 10]; g>e[n > 5]; a>e",
    );
    let ran = auto(&xml, json!({})).ends("failed");
    assert_eq!((ran.of("incident"), ran.code), (vec!["g"], 1));
}

#[test]
fn a_parallel_gateway_splits_and_joins() {
    let xml = simple(
        r#"<parallelGateway id="g"/><parallelGateway id="j"/><userTask id="a"/><userTask id="b"/>"#,
        "s>g>a>j>e; g>b>j",
    );
    let ran = run(&xml, json!({}), r#"[{"complete":"b"}]"#).ends("waiting");
    assert_eq!(ran.waiting(), ["a", "j"]);
    let ran = run(&xml, json!({}), r#"[{"complete":"b"},{"complete":"a"}]"#).ends("completed");
    assert_eq!(ran.of("enter").iter().filter(|id| **id == "e").count(), 1);
}

#[test]
fn an_inclusive_join_waits_for_what_can_still_come() {
    let xml = simple(
        r#"<inclusiveGateway id="g" default="g-c"/><inclusiveGateway id="j"/>
           <userTask id="a"/><userTask id="b"/><userTask id="c"/>"#,
        "s>g; g>a[x]; g>b[y]; g>c; a>j; b>j; c>j; j>e",
    );
    run(&xml, json!({"x": true, "y": true}), r#"[{"complete":"a"}]"#).ends("waiting");
    let ran = run(
        &xml,
        json!({"x": true, "y": true}),
        r#"[{"complete":"a"},{"complete":"b"}]"#,
    )
    .ends("completed");
    assert_eq!(ran.entered().iter().filter(|id| **id == "e").count(), 1);
    run(&xml, json!({"x": true}), r#"[{"complete":"a"}]"#).ends("completed");
    run(&xml, json!({}), r#"[{"complete":"c"}]"#).ends("completed");
}

#[test]
fn an_inclusive_join_in_a_loop_waits_for_the_branch_that_goes_round() {
    // Branch b may go back before the join; the join must wait until it comes or cannot come.
    let xml = simple(
        r#"<inclusiveGateway id="g"/><inclusiveGateway id="j"/><exclusiveGateway id="r" default="r-j"/>
           <exclusiveGateway id="m"/><userTask id="a"/><userTask id="b"/>"#,
        "s>g; g>a[true]; g>m[true]; m>b>r; r>m[again = true]; r>j; a>j; j>e",
    );
    let script = r#"[{"complete":"a"},{"complete":"b","vars":{"again":true}}]"#;
    assert_eq!(
        run(&xml, json!({}), script).ends("waiting").waiting(),
        ["b", "j"]
    );
    let script = r#"[{"complete":"a"},{"complete":"b","vars":{"again":true}},{"complete":"b","vars":{"again":false}}]"#;
    run(&xml, json!({}), script).ends("completed");
}

#[test]
fn inclusive_joins_that_wait_for_one_another_go_on() {
    let xml = simple(
        r#"<parallelGateway id="g"/><inclusiveGateway id="j1"/><inclusiveGateway id="j2"/>
           <exclusiveGateway id="x1" default="x1-e"/><exclusiveGateway id="x2" default="x2-e"/>"#,
        "s>g; g>j1; g>j2; j1>x1; x1>j2[false]; x1>e; j2>x2; x2>j1[false]; x2>e",
    );
    auto(&xml, json!({})).ends("completed");
}

#[test]
fn a_complex_gateway_goes_on_when_enough_came() {
    let xml = simple(
        r#"<parallelGateway id="g"/><userTask id="a"/><userTask id="b"/><userTask id="c"/><userTask id="d"/>
           <complexGateway id="j"><activationCondition>activationCount >= 2</activationCondition></complexGateway>"#,
        "s>g; g>a>j; g>b>j; g>c>j; j>d>e",
    );
    let ran = run(&xml, json!({}), r#"[{"complete":"a"},{"complete":"c"}]"#).ends("waiting");
    assert_eq!(ran.waiting(), ["b", "d"]);
    let ran = run(
        &xml,
        json!({}),
        r#"[{"complete":"a"},{"complete":"c"},{"complete":"b"},{"complete":"d"}]"#,
    );
    assert_eq!(
        ran.ends("completed")
            .entered()
            .iter()
            .filter(|id| **id == "d")
            .count(),
        1
    );
}

#[test]
fn an_event_gateway_goes_the_way_of_the_first_event() {
    let xml = file(&format!(
        r#"<message id="m" name="paid"/><process id="p" isExecutable="true">{ENDS}<eventBasedGateway id="g"/>
        <intermediateCatchEvent id="c1"><messageEventDefinition messageRef="m"/></intermediateCatchEvent>
        <intermediateCatchEvent id="c2"><timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition></intermediateCatchEvent>
        <task id="a"/><task id="b"/>{}</process>"#,
        flows("s>g; g>c1>a>e; g>c2>b>e")
    ));
    assert_eq!(
        run(&xml, json!({}), r#"[{"message":"paid"}]"#)
            .ends("completed")
            .entered(),
        ["s", "g", "c1", "a", "e"]
    );
    assert_eq!(
        run(&xml, json!({}), r#"[{"advance":"PT1H"}]"#)
            .ends("completed")
            .entered(),
        ["s", "g", "c2", "b", "e"]
    );
    assert_eq!(
        run(&xml, json!({}), r#"[{"trigger":"c2"}]"#)
            .ends("completed")
            .entered(),
        ["s", "g", "c2", "b", "e"]
    );
    assert_eq!(
        run(&xml, json!({}), r#"[{"advance":"PT59M"}]"#)
            .ends("waiting")
            .waiting(),
        ["g"]
    );
}

#[test]
fn conditional_flows_leave_a_task_without_a_gateway() {
    let xml = simple(
        r#"<task id="t" default="t-c"/><task id="a"/><task id="b"/><task id="c"/>"#,
        "s>t; t>a[n > 1]; t>b[n > 2]; t>c; a>e; b>e; c>e",
    );
    assert_eq!(
        auto(&xml, json!({"n": 3}))
            .ends("completed")
            .of("leave")
            .iter()
            .filter(|id| **id == "e")
            .count(),
        2
    );
    assert!(
        auto(&xml, json!({"n": 0}))
            .ends("completed")
            .entered()
            .contains(&"c")
    );
}

#[test]
fn a_parallel_event_gateway_begins_once_and_waits_for_all_its_events() {
    let xml = file(&format!(
        r#"<message id="m1" name="one"/><message id="m2" name="two"/><process id="p" isExecutable="true"><endEvent id="e"/>
        <eventBasedGateway id="g" instantiate="true" eventGatewayType="Parallel"/><parallelGateway id="j"/>
        <intermediateCatchEvent id="c1"><messageEventDefinition messageRef="m1"/></intermediateCatchEvent>
        <intermediateCatchEvent id="c2"><messageEventDefinition messageRef="m2"/></intermediateCatchEvent>{}</process>"#,
        flows("g>c1>j; g>c2>j; j>e")
    ));
    assert_eq!(
        run(&xml, json!({}), r#"[{"message":"two"}]"#)
            .ends("waiting")
            .waiting(),
        ["c1", "j"]
    );
    run(&xml, json!({}), r#"[{"message":"two"},{"message":"one"}]"#).ends("completed");
}

/// The last line says why nothing goes on: a join for which nothing can come any more. One to which
/// something still can waits like any other step.
#[test]
fn a_simulation_tells_which_join_waits_in_vain() {
    let xml = simple(
        r#"<exclusiveGateway id="x" default="x-b"/><parallelGateway id="j"/><userTask id="a"/><userTask id="b"/>"#,
        "s>x; x>a[first]; x>b; a>j; b>j; j>e",
    );
    let ran = run(&xml, json!({"first": true}), r#"[{"complete":"a"}]"#).ends("waiting");
    assert_eq!(ran.waiting(), ["j"]);
    assert_eq!(
        ran.last["reason"],
        json!("a join waits for tokens that cannot come")
    );
    let both = xml
        .replace("exclusiveGateway", "parallelGateway")
        .replace(r#" default="x-b""#, "")
        .replace("<conditionExpression>first</conditionExpression>", "");
    let ran = run(&both, json!({}), r#"[{"complete":"a"}]"#).ends("waiting");
    assert_eq!(
        (ran.waiting(), &ran.last["reason"]),
        (vec!["b", "j"], &json!(""))
    );
}
