//! Several instances, loops and circles.

use serde_json::json;

use super::{ENDS, simple};
use crate::model::{auto, file, flows, run};

#[test]
fn multiple_instances_run_beside_or_after_one_another() {
    let xml = |sequential: bool| {
        simple(
            &format!(
                r#"<userTask id="t"><multiInstanceLoopCharacteristics isSequential="{sequential}" camunda:collection="names" camunda:elementVariable="name">
            <completionCondition>nrOfCompletedInstances >= 2</completionCondition></multiInstanceLoopCharacteristics></userTask>"#
            ),
            "s>t>e",
        )
    };
    let names = json!({"names": ["a", "b", "c"]});
    let ran = run(&xml(false), names.clone(), "[]").ends("waiting");
    assert_eq!(ran.of("task"), ["t", "t", "t"]);
    let ran = run(
        &xml(false),
        names.clone(),
        r#"[{"complete":"t"},{"complete":"t"}]"#,
    )
    .ends("completed");
    assert_eq!(ran.entered(), ["s", "t", "e"]);
    let ran = run(&xml(true), names, r#"[{"complete":"t"}]"#).ends("waiting");
    assert_eq!(ran.of("task"), ["t", "t"]);
}

#[test]
fn instances_have_their_own_item_and_their_outputs_are_gathered() {
    let xml = simple(
        r#"<scriptTask id="t" scriptFormat="feel"><multiInstanceLoopCharacteristics tongban:collection="[1, 2, 3]" tongban:elementVariable="n"
        tongban:outputCollection="squares" tongban:outputElement="n * n"/><script>null</script></scriptTask>"#,
        "s>t>e",
    );
    let ran = auto(&xml, json!({})).ends("completed");
    assert_eq!(
        (ran.var("squares"), ran.var("n")),
        (&json!([1, 4, 9]), &json!(null))
    );
}

#[test]
fn multiple_instances_of_nothing_are_done_at_once() {
    let xml = simple(
        r#"<userTask id="t"><multiInstanceLoopCharacteristics><loopCardinality>n</loopCardinality></multiInstanceLoopCharacteristics></userTask>"#,
        "s>t>e",
    );
    run(&xml, json!({"n": 0}), "[]").ends("completed");
    run(&xml, json!({"n": "many"}), "[]").ends("failed");
    run(&xml, json!({}), "[]").ends("failed");
    run(&xml, json!({"n": 1_000_000_000}), "[]").ends("failed");
}

#[test]
fn a_multiple_sub_process_is_left_by_its_border() {
    let inner = flows("s1>t>e1");
    let xml = simple(
        &format!(
            r#"<subProcess id="sub"><multiInstanceLoopCharacteristics><loopCardinality>3</loopCardinality></multiInstanceLoopCharacteristics>
        <startEvent id="s1"/><userTask id="t"/><endEvent id="e1"/>{inner}</subProcess>
        <boundaryEvent id="b" attachedToRef="sub"><timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition></boundaryEvent><endEvent id="e2"/>"#
        ),
        "s>sub>e; b>e2",
    );
    let ran = run(&xml, json!({}), r#"[{"complete":"t"},{"advance":"PT2H"}]"#).ends("completed");
    assert!(ran.entered().contains(&"e2"));
    run(
        &xml,
        json!({}),
        r#"[{"complete":"t"},{"complete":"t"},{"complete":"t"}]"#,
    )
    .ends("completed");
}

#[test]
fn a_loop_repeats_while_its_condition_holds() {
    let xml = simple(
        r#"<scriptTask id="t" scriptFormat="feel"><standardLoopCharacteristics><loopCondition>n &lt; 3</loopCondition></standardLoopCharacteristics><script>{n: n + 1}</script></scriptTask>"#,
        "s>t>e",
    );
    assert_eq!(
        auto(&xml, json!({"n": 0})).ends("completed").var("n"),
        &json!(3)
    );
    assert_eq!(
        auto(&xml, json!({"n": 5})).ends("completed").var("n"),
        &json!(6)
    );
    let xml = xml.replace(
        "standardLoopCharacteristics>",
        r#"standardLoopCharacteristics testBefore="true">"#,
    );
    let xml = xml.replace(
        r#"</standardLoopCharacteristics testBefore="true">"#,
        "</standardLoopCharacteristics>",
    );
    assert_eq!(
        auto(&xml, json!({"n": 5})).ends("completed").var("n"),
        &json!(5)
    );
}

#[test]
fn a_circle_without_a_wait_is_stopped() {
    let xml = simple(
        r#"<exclusiveGateway id="g" default="g-t"/><task id="t"/>"#,
        "s>g; g>t>g; g>e[false]",
    );
    let ran = auto(&xml, json!({})).ends("failed");
    assert!(ran.last["reason"].as_str().unwrap().contains("circle"));
}

#[test]
fn instances_throw_what_their_behavior_says() {
    let xml = |behavior: &str| {
        file(&format!(
            r#"<signal id="sg" name="done"/><signalEventDefinition id="ed" signalRef="sg"/><process id="p" isExecutable="true">{ENDS}
            <userTask id="t"><multiInstanceLoopCharacteristics {behavior}><loopCardinality>3</loopCardinality></multiInstanceLoopCharacteristics></userTask>
            <boundaryEvent id="b" attachedToRef="t" cancelActivity="false"><signalEventDefinition signalRef="sg"/></boundaryEvent>
            <task id="heard"/><endEvent id="e2"/>{}</process>"#,
            flows("s>t>e; b>heard>e2")
        ))
    };
    for (behavior, times) in [
        (r#"behavior="All""#, 0),
        (r#"behavior="One" oneBehaviorEventRef="ed""#, 1),
        (r#"behavior="None" noneBehaviorEventRef="ed""#, 3),
    ] {
        let ran = auto(&xml(behavior), json!({})).ends("completed");
        assert_eq!(
            ran.entered().iter().filter(|id| **id == "heard").count(),
            times,
            "{behavior}"
        );
    }
}
