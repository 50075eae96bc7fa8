//! Sub-processes, called processes, transactions and what undoes them; several pools.

use serde_json::json;
use workflow::simulate::{self, Options};

use super::{ENDS, simple};
use crate::model::{auto, file, flows, process, run, run_with};

#[test]
fn a_sub_process_ends_when_all_inside_has_ended() {
    let inner = flows("s1>g; g>a>e1; g>b>e2");
    let xml = simple(
        &format!(
            r#"<subProcess id="sub"><startEvent id="s1"/><parallelGateway id="g"/><userTask id="a"/><userTask id="b"/>
        <endEvent id="e1"/><endEvent id="e2"/>{inner}</subProcess>"#
        ),
        "s>sub>e",
    );
    let ran = run(&xml, json!({}), r#"[{"complete":"a"}]"#).ends("waiting");
    assert!(!ran.entered().contains(&"e"));
    run(
        &xml,
        json!({}),
        r#"[{"complete":"a"},{"complete":"b","vars":{"v":1}}]"#,
    )
    .ends("completed");
}

#[test]
fn an_event_sub_process_interrupts_or_runs_beside() {
    let xml = |interrupting: bool| {
        let inner = flows("s1>h>e1");
        file(&format!(
            r#"<message id="m" name="stop"/><process id="p" isExecutable="true">{ENDS}<userTask id="t"/>
            <subProcess id="sub" triggeredByEvent="true"><startEvent id="s1" isInterrupting="{interrupting}"><messageEventDefinition messageRef="m"/></startEvent>
            <userTask id="h"/><endEvent id="e1"/>{inner}</subProcess>{}</process>"#,
            flows("s>t>e")
        ))
    };
    let ran = run(&xml(true), json!({}), r#"[{"message":"stop"}]"#).ends("waiting");
    assert_eq!(ran.waiting(), ["h"]);
    run(
        &xml(true),
        json!({}),
        r#"[{"message":"stop"},{"complete":"h"}]"#,
    )
    .ends("completed");
    run(
        &xml(true),
        json!({}),
        r#"[{"message":"stop"},{"message":"stop"}]"#,
    )
    .ends("failed");
    let ran = run(
        &xml(false),
        json!({}),
        r#"[{"message":"stop"},{"message":"stop"},{"complete":"h"}]"#,
    )
    .ends("waiting");
    assert_eq!(ran.waiting(), ["t", "h"]);
    run(
        &xml(false),
        json!({}),
        r#"[{"message":"stop"},{"complete":"t"},{"complete":"h"}]"#,
    )
    .ends("completed");
}

#[test]
fn an_error_event_sub_process_catches_before_the_border() {
    let handler = flows("s2>e2");
    let inner = flows("s1>x");
    let xml = file(&format!(
        r#"<error id="er" errorCode="BAD"/><process id="p" isExecutable="true">{ENDS}
        <subProcess id="sub"><startEvent id="s1"/><endEvent id="x"><errorEventDefinition errorRef="er"/></endEvent>{inner}
          <subProcess id="h" triggeredByEvent="true"><startEvent id="s2"><errorEventDefinition errorRef="er"/></startEvent><endEvent id="e2"/>{handler}</subProcess>
        </subProcess><boundaryEvent id="b" attachedToRef="sub"><errorEventDefinition errorRef="er"/></boundaryEvent><endEvent id="e3"/>{}</process>"#,
        flows("s>sub>e; b>e3")
    ));
    let ran = auto(&xml, json!({})).ends("completed");
    assert_eq!(ran.entered(), ["s", "sub", "s1", "x", "h", "s2", "e2", "e"]);
}

#[test]
fn a_call_activity_runs_the_called_process() {
    let xml = file(&format!(
        r#"<process id="p" isExecutable="true">{ENDS}<callActivity id="c" calledElement="q"><extensionElements>
        <camunda:in source="a" target="x"/><camunda:out source="y" target="b"/></extensionElements></callActivity>{}</process>
        <process id="q" isExecutable="true"><startEvent id="qs"/><scriptTask id="qt" scriptFormat="feel"><script>{{y: x + 1, z: 0}}</script></scriptTask><endEvent id="qe"/>{}</process>"#,
        flows("s>c>e"),
        flows("qs>qt>qe")
    ));
    let ran = auto(&xml, json!({"a": 1})).ends("completed");
    assert_eq!(
        (ran.var("b"), ran.var("y"), ran.var("z")),
        (&json!(2), &json!(null), &json!(null))
    );
}

#[test]
fn a_process_that_calls_itself_stops() {
    let xml = process(&format!(
        r#"{ENDS}<callActivity id="c" calledElement="p"/>{}"#,
        flows("s>c>e")
    ));
    let ran = auto(&xml, json!({})).ends("failed");
    assert!(ran.last["reason"].as_str().unwrap().contains("without end"));
}

#[test]
fn compensation_undoes_in_reverse_order() {
    let xml = process(&format!(
        r#"{ENDS}<task id="a"/><task id="b"/><task id="ua" isForCompensation="true"/><task id="ub" isForCompensation="true"/>
        <boundaryEvent id="ca" attachedToRef="a"><compensateEventDefinition/></boundaryEvent>
        <boundaryEvent id="cb" attachedToRef="b"><compensateEventDefinition/></boundaryEvent>
        <association id="x1" associationDirection="One" sourceRef="ca" targetRef="ua"/>
        <association id="x2" associationDirection="One" sourceRef="cb" targetRef="ub"/>
        <intermediateThrowEvent id="w"><compensateEventDefinition/></intermediateThrowEvent>{}"#,
        flows("s>a>b>w>e")
    ));
    let ran = auto(&xml, json!({})).ends("completed");
    assert_eq!(ran.entered(), ["s", "a", "b", "w", "ub", "ua", "e"]);
    assert_eq!(ran.of("compensate"), ["b", "a"]);
    let one = xml.replace(
        "<compensateEventDefinition/></intermediateThrow",
        r#"<compensateEventDefinition activityRef="a"/></intermediateThrow"#,
    );
    assert_eq!(
        auto(&one, json!({})).ends("completed").entered(),
        ["s", "a", "b", "w", "ua", "e"]
    );
}

#[test]
fn cancelling_a_transaction_undoes_it_and_leaves_by_its_border() {
    let inner = flows("s1>a>x");
    let xml = process(&format!(
        r#"{ENDS}<transaction id="tx"><startEvent id="s1"/><task id="a"/><endEvent id="x"><cancelEventDefinition/></endEvent>
        <task id="ua" isForCompensation="true"/><boundaryEvent id="ca" attachedToRef="a"><compensateEventDefinition/></boundaryEvent>
        <association id="x1" sourceRef="ca" targetRef="ua"/>{inner}</transaction>
        <boundaryEvent id="b" attachedToRef="tx"><cancelEventDefinition/></boundaryEvent><endEvent id="e2"/>{}"#,
        flows("s>tx>e; b>e2")
    ));
    let ran = auto(&xml, json!({})).ends("completed");
    assert_eq!(ran.entered(), ["s", "tx", "s1", "a", "x", "ua", "b", "e2"]);
}

#[test]
fn an_ad_hoc_sub_process_ends_by_its_condition() {
    let xml = |ordering: &str| {
        simple(
            &format!(
                r#"<adHocSubProcess id="sub" ordering="{ordering}"><userTask id="a"/><userTask id="b"/><completionCondition>enough = true</completionCondition></adHocSubProcess>"#
            ),
            "s>sub>e",
        )
    };
    for ordering in ["Parallel", "Sequential"] {
        let plays = |script: &str| run(&xml(ordering), json!({}), script);
        assert_eq!(plays("[]").ends("waiting").waiting(), ["a", "b"]);
        // Whoever is to do it chooses, and may do the same again.
        let twice = plays(r#"[{"complete":"b"},{"complete":"b"}]"#).ends("waiting");
        assert_eq!(twice.waiting(), ["a", "b"]);
        plays(r#"[{"complete":"b"},{"complete":"a","vars":{"enough":true}}]"#).ends("completed");
    }
}

#[test]
fn pools_talk_by_message_flows() {
    let xml = file(&format!(
        r#"<collaboration id="c"><participant id="pp" processRef="p"/><participant id="pq" processRef="q"/>
        <messageFlow id="f1" sourceRef="w" targetRef="qs"/><messageFlow id="f2" sourceRef="qe" targetRef="r"/></collaboration>
        <process id="p" isExecutable="true">{ENDS}<intermediateThrowEvent id="w"><messageEventDefinition/></intermediateThrowEvent><receiveTask id="r"/>{}</process>
        <process id="q"><startEvent id="qs"><messageEventDefinition/></startEvent><userTask id="qt"/><endEvent id="qe"><messageEventDefinition/></endEvent>{}</process>"#,
        flows("s>w>r>e"),
        flows("qs>qt>qe")
    ));
    // Nameless messages are told by the flow that carries them.
    let xml = xml.replace(r#"isExecutable="true""#, r#"isExecutable="false""#);
    let options = Options {
        also: vec!["q".into()],
        script: simulate::parse_script(r#"[{"complete":"qt","vars":{"answer":42}}]"#).unwrap(),
        ..Options::default()
    };
    let ran = run_with(&xml, &options).ends("completed");
    assert_eq!(ran.var("answer"), &json!(42));
}

#[test]
fn a_global_task_is_called_like_a_process() {
    let xml = file(&format!(
        r#"<globalScriptTask id="gt" name="G"><script>hello</script></globalScriptTask>
        <process id="p" isExecutable="true">{ENDS}<callActivity id="c" calledElement="gt"/>{}</process>"#,
        flows("s>c>e")
    ));
    assert_eq!(auto(&xml, json!({})).ends("completed").of("script"), ["gt"]);
}
