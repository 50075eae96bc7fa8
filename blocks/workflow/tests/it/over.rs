//! What is over reacts no more, and what was known where something was done is known to what undoes
//! it.

use serde_json::json;

use workflow::simulate::Options;

use crate::model::{auto, file, flows, run, run_most, run_with};

const ENDS: &str = r#"<startEvent id="s"/><endEvent id="e"/>"#;

fn declared(middle: &str, list: &str) -> String {
    file(&format!(
        r#"<signal id="sg" name="storm"/><message id="m" name="news"/><error id="er" name="Bad" errorCode="BAD"/>
        <process id="p" isExecutable="true">{ENDS}{middle}{}</process>"#,
        flows(list)
    ))
}

/// An event sub-process that waits for the signal and has a task.
fn listener(id: &str) -> String {
    format!(
        r#"<subProcess id="{id}" triggeredByEvent="true"><startEvent id="{id}s"><signalEventDefinition signalRef="sg"/></startEvent>
        <userTask id="{id}t"/><endEvent id="{id}e"/>{}</subProcess>"#,
        flows(&format!("{id}s>{id}t>{id}e"))
    )
}

fn undone_by(id: &str, script: &str) -> String {
    format!(
        r#"<task id="{id}"/><boundaryEvent id="c{id}" attachedToRef="{id}"><compensateEventDefinition/></boundaryEvent>
        <scriptTask id="u{id}" isForCompensation="true" scriptFormat="feel"><script>{script}</script></scriptTask><association id="as{id}" sourceRef="c{id}" targetRef="u{id}"/>"#
    )
}

const THROW: &str =
    r#"<intermediateThrowEvent id="w"><compensateEventDefinition/></intermediateThrowEvent>"#;

#[test]
fn a_signal_that_ends_a_scope_is_not_heard_inside_of_it() {
    let sub = format!(
        r#"<subProcess id="sub"><startEvent id="s1"/><userTask id="t"/><endEvent id="e1"/>{}{}</subProcess>
        <boundaryEvent id="b" attachedToRef="sub"><signalEventDefinition signalRef="sg"/></boundaryEvent><userTask id="after"/>"#,
        flows("s1>t>e1"),
        listener("h")
    );
    let xml = declared(&sub, "s>sub>e; b>after>e");
    let ran = run(&xml, json!({}), r#"[{"signal":"storm"}]"#).ends("waiting");
    assert_eq!(ran.waiting(), ["after"]);
    assert!(!ran.entered().contains(&"h"), "{:?}", ran.entered());
    let script = r#"[{"signal":"storm"},{"complete":"after"}]"#;
    run(&xml, json!({}), script).ends("completed");
}

#[test]
fn of_two_listeners_that_interrupt_the_first_takes_the_signal() {
    let middle = format!(r#"<userTask id="t"/>{}{}"#, listener("a"), listener("b"));
    let xml = declared(&middle, "s>t>e");
    let ran = run(&xml, json!({}), r#"[{"signal":"storm"}]"#).ends("waiting");
    assert_eq!(ran.waiting(), ["at"]);
}

#[test]
fn of_two_conditions_that_interrupt_the_first_takes_the_change() {
    let listener = |id: &str| {
        listener(id).replace(
            r#"<signalEventDefinition signalRef="sg"/>"#,
            "<conditionalEventDefinition><condition>level &gt; 3</condition></conditionalEventDefinition>",
        )
    };
    let middle = format!(
        r#"<userTask id="t"/><userTask id="u"/>{}{}"#,
        listener("a"),
        listener("b")
    );
    let xml = declared(&middle, "s>t>u>e");
    let script = r#"[{"complete":"t","vars":{"level":4}}]"#;
    let ran = run(&xml, json!({"level": 1}), script).ends("waiting");
    assert_eq!(ran.waiting(), ["at"]);
}

#[test]
fn an_error_of_one_event_sub_process_is_caught_by_another() {
    let thrower = format!(
        r#"<subProcess id="a" triggeredByEvent="true"><startEvent id="as" isInterrupting="false"><signalEventDefinition signalRef="sg"/></startEvent>
        <endEvent id="ae"><errorEventDefinition errorRef="er"/></endEvent>{}</subProcess>
        <subProcess id="b" triggeredByEvent="true"><startEvent id="bs"><errorEventDefinition errorRef="er"/></startEvent>
        <userTask id="bt"/><endEvent id="be"/>{}</subProcess><userTask id="t"/>"#,
        flows("as>ae"),
        flows("bs>bt>be")
    );
    let xml = declared(&thrower, "s>t>e");
    let ran = run(&xml, json!({}), r#"[{"signal":"storm"}]"#).ends("waiting");
    assert_eq!(ran.waiting(), ["bt"]);
}

#[test]
fn what_undoes_sees_the_variables_of_its_sub_process() {
    let sub = format!(
        r#"<subProcess id="sub"><extensionElements><tongban:input target="own" source="6 * 7"/></extensionElements><startEvent id="s1"/>{}<endEvent id="e1"/>{}</subProcess>{THROW}"#,
        undone_by("a", "{seen: own}"),
        flows("s1>a>e1")
    );
    let ran = auto(&declared(&sub, "s>sub>w>e"), json!({})).ends("completed");
    assert_eq!(ran.var("seen"), &json!(42));
}

#[test]
fn what_undoes_one_instance_of_several_sees_its_item() {
    let many = |activity: &str| {
        activity.replacen(
            "/>",
            r#"><multiInstanceLoopCharacteristics isSequential="true" tongban:collection="list" tongban:elementVariable="one"/></task>"#,
            1,
        )
    };
    let a = many(&undone_by("a", "{seen: append(seen, one)}"));
    let xml = declared(&format!("{a}{THROW}"), "s>a>w>e");
    let ran = auto(&xml, json!({"list": [1, 2, 3], "seen": []})).ends("completed");
    assert_eq!(ran.var("seen"), &json!([3, 2, 1]));
    assert!(ran.last["variables"].get("one").is_none());
}

#[test]
fn a_cancelled_transaction_undoes_what_open_scopes_inside_did() {
    let inner = format!(
        r#"<subProcess id="n"><startEvent id="s2"/>{}<userTask id="t"/><endEvent id="e2"/>{}</subProcess>"#,
        undone_by("a", "{a: true}"),
        flows("s2>a>t>e2")
    );
    let sub = format!(
        r#"<transaction id="tx"><startEvent id="s1"/><parallelGateway id="g"/>{inner}{}<userTask id="stop"/><endEvent id="e1"/>
        <endEvent id="x"><cancelEventDefinition/></endEvent>{}</transaction>
        <boundaryEvent id="c" attachedToRef="tx"><cancelEventDefinition/></boundaryEvent>"#,
        undone_by("b", "{b: true}"),
        flows("s1>g; g>n>e1; g>b>stop>x")
    );
    let xml = declared(&sub, "s>tx>e; c>e");
    let ran = run(&xml, json!({}), r#"[{"complete":"stop"}]"#).ends("completed");
    assert_eq!((ran.var("a"), ran.var("b")), (&json!(true), &json!(true)));
}

#[test]
fn cancelling_one_instance_undoes_the_open_ones_beside_it() {
    let sub = format!(
        r#"<transaction id="tx"><multiInstanceLoopCharacteristics tongban:collection="list" tongban:elementVariable="one"/><startEvent id="s1"/>{}<userTask id="t"/>
        <exclusiveGateway id="g" default="g-x"/><endEvent id="e1"/><endEvent id="x"><cancelEventDefinition/></endEvent>{}</transaction>
        <boundaryEvent id="c" attachedToRef="tx"><cancelEventDefinition/></boundaryEvent><userTask id="after"/>"#,
        undone_by("a", "{undone: append(undone, one)}"),
        flows("s1>a>t>g; g>e1[well]; g>x")
    );
    let xml = declared(&sub, "s>tx>e; c>after>e");
    let given = json!({"list": [1, 2, 3, 4], "undone": []});
    // The first is done well and stays; the second is cancelled while two are open.
    let script =
        r#"[{"complete":"t","vars":{"well":true}},{"complete":"t","vars":{"well":false}}]"#;
    let ran = run(&xml, given, script).ends("waiting");
    assert_eq!(ran.waiting(), ["after"]);
    assert_eq!(ran.var("undone"), &json!([2, 4, 3]));
    assert!(ran.last["variables"].get("one").is_none());
}

#[test]
fn a_cancelled_scope_is_undone_with_what_it_knew() {
    let inner = format!(
        r#"<subProcess id="n"><extensionElements><tongban:input target="own" source="6 * 7"/></extensionElements><startEvent id="s2"/>{}<userTask id="t"/><endEvent id="e2"/>{}</subProcess>"#,
        undone_by("a", "{seen: own}"),
        flows("s2>a>t>e2")
    );
    let sub = format!(
        r#"<transaction id="tx"><startEvent id="s1"/><parallelGateway id="g"/>{inner}<userTask id="stop"/><endEvent id="e1"/>
        <endEvent id="x"><cancelEventDefinition/></endEvent>{}</transaction>
        <boundaryEvent id="c" attachedToRef="tx"><cancelEventDefinition/></boundaryEvent>"#,
        flows("s1>g; g>n>e1; g>stop>x")
    );
    let xml = declared(&sub, "s>tx>e; c>e");
    let ran = run(&xml, json!({}), r#"[{"complete":"stop"}]"#).ends("completed");
    assert_eq!(ran.var("seen"), &json!(42));
}

#[test]
fn a_call_with_a_mapping_shares_nothing_else() {
    let call = |mapping: &str| {
        file(&format!(
            r#"<process id="p" isExecutable="true">{ENDS}<callActivity id="c" calledElement="q"><extensionElements>{mapping}</extensionElements></callActivity>{}</process>
            <process id="q" isExecutable="true"><startEvent id="s2"/><scriptTask id="t" scriptFormat="feel"><script>{{secret: 9, seen: a, x: 5}}</script></scriptTask><endEvent id="e2"/>{}</process>"#,
            flows("s>c>e"),
            flows("s2>t>e2")
        ))
    };
    let variables = |mapping: &str| {
        let ran = auto(&call(mapping), json!({"a": 1})).ends("completed");
        ran.last["variables"].clone()
    };
    assert_eq!(
        variables(""),
        json!({"a": 1, "secret": 9, "seen": 1, "x": 5})
    );
    let given = r#"<tongban:input target="x" source="a"/>"#;
    assert_eq!(variables(given), json!({"a": 1}));
    let taken = r#"<tongban:output target="r" source="seen"/>"#;
    assert_eq!(variables(taken), json!({"a": 1, "r": null}));
}

#[test]
fn whether_enough_are_done_is_asked_with_the_item_of_the_last() {
    let task = r#"<userTask id="t"><multiInstanceLoopCharacteristics tongban:collection="list" tongban:elementVariable="one"><completionCondition>one = 2</completionCondition></multiInstanceLoopCharacteristics></userTask>"#;
    let xml = declared(task, "s>t>e");
    let given = json!({"list": [1, 2, 3]});
    let one = run(&xml, given.clone(), r#"[{"complete":"t"}]"#);
    one.ends("waiting");
    run(&xml, given, r#"[{"complete":"t"},{"complete":"t"}]"#).ends("completed");
}

#[test]
fn strokes_that_were_missed_are_made_up_for_once() {
    let border = r#"<userTask id="t"/><boundaryEvent id="b" attachedToRef="t" cancelActivity="false"><timerEventDefinition><timeCycle>R/2001-01-01T00:00:00Z/P1D</timeCycle></timerEventDefinition></boundaryEvent><endEvent id="e2"/>"#;
    let xml = declared(border, "s>t>e; b>e2");
    let ran = run(&xml, json!({}), r#"[{"advance":"PT1M"}]"#).ends("waiting");
    let fired = ran.entered().iter().filter(|id| **id == "b").count();
    assert_eq!(fired, 1);
    let ran = run(&xml, json!({}), r#"[{"advance":"PT1M"},{"advance":"P3D"}]"#).ends("waiting");
    let fired = ran.entered().iter().filter(|id| **id == "b").count();
    assert!((4..=5).contains(&fired), "{fired}");
}

#[test]
fn thousands_of_paths_that_wait_are_no_circle() {
    let border = r#"<userTask id="t"/><boundaryEvent id="b" attachedToRef="t" cancelActivity="false"><messageEventDefinition messageRef="m"/></boundaryEvent><userTask id="read"/><endEvent id="e2"/>"#;
    let xml = declared(border, "s>t>e; b>read>e2");
    let script = vec![r#"{"message":"news"}"#; 1_500].join(",");
    let ran = run(&xml, json!({}), &format!("[{script}]")).ends("waiting");
    assert!(ran.of("incident").is_empty());
    let reads = ran.entered().iter().filter(|id| **id == "read").count();
    assert_eq!(reads, 1_500);
}

#[test]
fn each_message_flow_that_leaves_carries_a_message() {
    let body = |id: &str| {
        format!(
            r#"<process id="{id}" isExecutable="true"><startEvent id="{id}s"><messageEventDefinition messageRef="m"/></startEvent><userTask id="{id}t"/><endEvent id="{id}e"/>{}</process>"#,
            flows(&format!("{id}s>{id}t>{id}e"))
        )
    };
    let xml = file(&format!(
        r#"<message id="m" name="news"/><collaboration id="c"><participant id="A" processRef="p"/><participant id="B" processRef="q"/><participant id="C" processRef="r"/>
        <messageFlow id="m1" sourceRef="t" targetRef="qs"/><messageFlow id="m2" sourceRef="t" targetRef="rs"/></collaboration>
        <process id="p" isExecutable="true"><startEvent id="s"/><endEvent id="t"><messageEventDefinition messageRef="m"/></endEvent>{}</process>{}{}"#,
        flows("s>t"),
        body("q"),
        body("r")
    ));
    let options = Options {
        also: vec!["q".into(), "r".into()],
        ..Options::default()
    };
    let ran = run_with(&xml, &options).ends("waiting");
    assert_eq!(ran.waiting(), ["qt", "rt"]);
}

#[test]
fn as_many_steps_as_there_may_be_are_enough() {
    let xml = declared("", "s>e");
    run_most(&xml, 1).ends("completed");
    run_most(&xml, 0).ends("failed");
    let xml = declared(r#"<userTask id="t"/>"#, "s>t>e");
    run_most(&xml, 2).ends("completed");
    run_most(&xml, 1).ends("failed");
}
