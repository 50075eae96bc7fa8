//! What ends a part of a process early: errors, escalations, terminate events.

use serde_json::json;

use super::{ENDS, simple};
use crate::model::{auto, file, flows, run};

#[test]
fn an_error_is_caught_by_its_code_at_the_nearest_border() {
    let xml = file(&format!(
        r#"<error id="er" name="Bad" errorCode="BAD"/><error id="other" errorCode="X"/><process id="p" isExecutable="true">{ENDS}
        <subProcess id="sub"><startEvent id="s1"/><endEvent id="e1"><errorEventDefinition errorRef="er"/></endEvent>{}</subProcess>
        <boundaryEvent id="b0" attachedToRef="sub"><errorEventDefinition errorRef="other"/></boundaryEvent>
        <boundaryEvent id="b1" attachedToRef="sub"><errorEventDefinition errorRef="er"/></boundaryEvent>
        <boundaryEvent id="b2" attachedToRef="sub"><errorEventDefinition/></boundaryEvent>
        <task id="fix"/><endEvent id="e2"/>{}</process>"#,
        flows("s1>e1"),
        flows("s>sub>e; b0>e; b1>fix>e2; b2>e")
    ));
    let ran = auto(&xml, json!({})).ends("completed");
    assert_eq!(ran.entered(), ["s", "sub", "s1", "e1", "b1", "fix", "e2"]);
    assert_eq!(ran.of("error"), ["e1"]);
}

#[test]
fn a_task_error_goes_to_its_border_or_stops_the_task() {
    let xml = file(&format!(
        r#"<error id="er" errorCode="BAD"/><process id="p" isExecutable="true">{ENDS}<serviceTask id="t"/>
        <boundaryEvent id="b" attachedToRef="t"><errorEventDefinition errorRef="er"/></boundaryEvent><endEvent id="e2"/>{}</process>"#,
        flows("s>t>e; b>e2")
    ));
    let ran = run(&xml, json!({}), r#"[{"error":"BAD","at":"t"}]"#).ends("completed");
    assert_eq!(ran.entered(), ["s", "t", "b", "e2"]);
    assert_eq!(ran.var("errorCode"), &json!("BAD"));
    run(&xml, json!({}), r#"[{"error":"OTHER","at":"t"}]"#).ends("failed");
}

#[test]
fn an_uncaught_error_fails_the_process() {
    let xml = file(&format!(
        r#"<error id="er" errorCode="BAD"/><process id="p" isExecutable="true"><startEvent id="s"/>
        <endEvent id="e"><errorEventDefinition errorRef="er"/></endEvent>{}</process>"#,
        flows("s>e")
    ));
    let ran = auto(&xml, json!({})).ends("failed");
    assert!(ran.last["reason"].as_str().unwrap().contains("BAD"));
}

#[test]
fn an_escalation_passes_without_a_catcher_and_adds_a_path_with_one() {
    let with = |border: &str, list: &str| {
        file(&format!(
            r#"<escalation id="es" escalationCode="UP"/><process id="p" isExecutable="true">{ENDS}
            <subProcess id="sub"><startEvent id="s1"/><intermediateThrowEvent id="w"><escalationEventDefinition escalationRef="es"/></intermediateThrowEvent>
            <task id="t"/><endEvent id="e1"/>{}</subProcess>{border}{}</process>"#,
            flows("s1>w>t>e1"),
            flows(list)
        ))
    };
    let ran = auto(&with("", "s>sub>e"), json!({})).ends("completed");
    assert_eq!(ran.entered(), ["s", "sub", "s1", "w", "t", "e1", "e"]);
    let border = |cancel| {
        format!(
            r#"<boundaryEvent id="b" attachedToRef="sub" cancelActivity="{cancel}"><escalationEventDefinition escalationRef="es"/></boundaryEvent><task id="boss"/><endEvent id="e2"/>"#
        )
    };
    let ran = auto(&with(&border(false), "s>sub>e; b>boss>e2"), json!({})).ends("completed");
    assert!(
        ["t", "boss", "e", "e2"]
            .iter()
            .all(|id| ran.entered().contains(id))
    );
    let ran = auto(&with(&border(true), "s>sub>e; b>boss>e2"), json!({})).ends("completed");
    assert!(ran.entered().contains(&"boss") && !ran.entered().contains(&"t"));
}

#[test]
fn a_terminate_end_ends_its_scope() {
    let xml = simple(
        r#"<parallelGateway id="g"/><userTask id="t"/><endEvent id="x"><terminateEventDefinition/></endEvent>"#,
        "s>g; g>t>e; g>x",
    );
    run(&xml, json!({}), "[]").ends("completed");
    let inner = flows("s1>g; g>t>e1; g>x");
    let xml = simple(
        &format!(
            r#"<subProcess id="sub"><startEvent id="s1"/><parallelGateway id="g"/><userTask id="t"/><endEvent id="e1"/>
        <endEvent id="x"><terminateEventDefinition/></endEvent>{inner}</subProcess>"#
        ),
        "s>sub>e",
    );
    assert!(
        run(&xml, json!({}), "[]")
            .ends("completed")
            .entered()
            .contains(&"e")
    );
}
