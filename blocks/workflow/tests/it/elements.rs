//! Every element of BPMN that runs, each with the smallest model that shows it.

use serde_json::json;

use crate::model::{auto, file, flows, process, run, run_with, vars};
use workflow::simulate::{self, Options};

const ENDS: &str = r#"<startEvent id="s"/><endEvent id="e"/>"#;

fn simple(middle: &str, list: &str) -> String {
    process(&format!("{ENDS}{middle}{}", flows(list)))
}

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
fn timers_take_dates_durations_cycles_and_working_days() {
    let timer = |inner: &str| {
        simple(
            &format!(r#"<intermediateCatchEvent id="c">{inner}</intermediateCatchEvent>"#),
            "s>c>e",
        )
    };
    let duration =
        timer("<timerEventDefinition><timeDuration>P1DT2H</timeDuration></timerEventDefinition>");
    run(&duration, json!({}), r#"[{"advance":"P1DT1H"}]"#).ends("waiting");
    run(&duration, json!({}), r#"[{"advance":"P1DT2H"}]"#).ends("completed");
    let date = timer(
        "<timerEventDefinition><timeDate>2020-01-01T00:00:00Z</timeDate></timerEventDefinition>",
    );
    run(&date, json!({}), r#"[{"advance":"PT0S"}]"#).ends("completed");
    let variable =
        timer("<timerEventDefinition><timeDuration>${wait}</timeDuration></timerEventDefinition>");
    run(
        &variable,
        json!({"wait": "PT5M"}),
        r#"[{"advance":"PT5M"}]"#,
    )
    .ends("completed");
    run(&variable, json!({"wait": "soon"}), "[]").ends("failed");
    run(&variable, json!({}), "[]").ends("failed");
    // Five working days from Monday morning are the Monday after.
    let days = timer(r#"<timerEventDefinition tongban:workingDays="5"/>"#);
    run(&days, json!({}), r#"[{"advance":"P6D"}]"#).ends("waiting");
    run(&days, json!({}), r#"[{"advance":"P7D"}]"#).ends("completed");
}

#[test]
fn a_border_timer_interrupts_or_adds() {
    let xml = |cancel: bool, what: &str| {
        simple(
            &format!(
                r#"<userTask id="t"/><task id="late"/><endEvent id="e2"/>
                <boundaryEvent id="b" attachedToRef="t" cancelActivity="{cancel}"><timerEventDefinition>{what}</timerEventDefinition></boundaryEvent>"#
            ),
            "s>t>e; b>late>e2",
        )
    };
    let hour = "<timeDuration>PT1H</timeDuration>";
    let ran = run(&xml(true, hour), json!({}), r#"[{"advance":"PT1H"}]"#).ends("completed");
    assert_eq!(ran.entered(), ["s", "t", "b", "late", "e2"]);
    let ran = run(&xml(false, hour), json!({}), r#"[{"advance":"PT9H"}]"#).ends("waiting");
    assert_eq!((ran.waiting(), ran.of("enter").len()), (vec!["t"], 5));
    let cycle = "<timeCycle>R3/PT1H</timeCycle>";
    let ran = run(
        &xml(false, cycle),
        json!({}),
        r#"[{"advance":"PT9H"},{"complete":"t"}]"#,
    )
    .ends("completed");
    assert_eq!(ran.entered().iter().filter(|id| **id == "late").count(), 3);
    let ran = run(
        &xml(true, hour),
        json!({}),
        r#"[{"complete":"t"},{"advance":"PT9H"}]"#,
    )
    .ends("completed");
    assert!(!ran.entered().contains(&"late"));
}

#[test]
fn messages_and_signals_are_caught() {
    let xml = file(&format!(
        r#"<message id="m" name="paid"/><signal id="sg" name="storm"/><process id="p" isExecutable="true">{ENDS}
        <intermediateCatchEvent id="c1"><messageEventDefinition messageRef="m"/></intermediateCatchEvent>
        <receiveTask id="r" messageRef="m"/>
        <intermediateCatchEvent id="c2"><signalEventDefinition signalRef="sg"/></intermediateCatchEvent>{}</process>"#,
        flows("s>c1>r>c2>e")
    ));
    let ran = run(
        &xml,
        json!({}),
        r#"[{"message":"paid","vars":{"fee":5}},{"message":"paid"},{"signal":"storm"}]"#,
    );
    assert_eq!(ran.ends("completed").var("fee"), &json!(5));
    let ran = run(&xml, json!({}), r#"[{"message":"lost"}]"#).ends("failed");
    assert!(ran.last["reason"].as_str().unwrap().contains("step 1"));
    assert_eq!(ran.code, 1);
}

#[test]
fn a_message_for_two_is_refused_until_a_key_tells_them_apart() {
    let xml = file(&format!(
        r#"<message id="m" name="paid"/><process id="p" isExecutable="true">{ENDS}<parallelGateway id="g"/><parallelGateway id="j"/>
        <receiveTask id="a" messageRef="m" tongban:correlation="first"/>
        <receiveTask id="b" messageRef="m" tongban:correlation="second"/>{}</process>"#,
        flows("s>g; g>a>j; g>b>j; j>e")
    ));
    let variables = json!({"first": 1, "second": 2});
    let ran = run(&xml, variables.clone(), r#"[{"message":"paid"}]"#).ends("failed");
    assert!(
        ran.last["reason"]
            .as_str()
            .unwrap()
            .contains("2 places wait")
    );
    run(&xml, variables.clone(), r#"[{"message":"paid","key":3}]"#).ends("failed");
    run(
        &xml,
        variables,
        r#"[{"message":"paid","key":2},{"message":"paid","key":1}]"#,
    )
    .ends("completed");
}

#[test]
fn a_signal_thrown_inside_reaches_the_border_of_a_task() {
    let xml = file(&format!(
        r#"<signal id="sg" name="storm"/><process id="p" isExecutable="true">{ENDS}<parallelGateway id="g"/>
        <userTask id="t"/><endEvent id="e2"/><endEvent id="e3"/>
        <boundaryEvent id="b" attachedToRef="t"><signalEventDefinition signalRef="sg"/></boundaryEvent>
        <intermediateThrowEvent id="w"><signalEventDefinition signalRef="sg"/></intermediateThrowEvent>{}</process>"#,
        flows("s>g; g>t>e; b>e2; g>w>e3")
    ));
    let ran = run(&xml, json!({}), "[]").ends("completed");
    assert_eq!(ran.of("signal"), ["w"]);
    assert!(ran.entered().contains(&"e2") && !ran.entered().contains(&"e"));
}

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
fn a_conditional_event_waits_until_its_condition_holds() {
    let xml = simple(
        r#"<userTask id="t"/><userTask id="u"/><intermediateCatchEvent id="c"><conditionalEventDefinition><condition>n > 3</condition></conditionalEventDefinition></intermediateCatchEvent>
           <parallelGateway id="g"/><parallelGateway id="j"/>"#,
        "s>g; g>t>u>j; g>c>j; j>e",
    );
    let ran = run(&xml, json!({}), r#"[{"complete":"t","vars":{"n":1}}]"#).ends("waiting");
    assert_eq!(ran.waiting(), ["c", "u"]);
    run(
        &xml,
        json!({}),
        r#"[{"complete":"t","vars":{"n":5}},{"complete":"u"}]"#,
    )
    .ends("completed");
    run(
        &xml,
        json!({"n": 9}),
        r#"[{"complete":"t"},{"complete":"u"}]"#,
    )
    .ends("completed");
}

#[test]
fn a_conditional_border_event_fires_at_each_change_to_true() {
    let xml = simple(
        r#"<userTask id="t"/><userTask id="x"/><endEvent id="e2"/><task id="n1"/><parallelGateway id="g"/><endEvent id="e3"/>
        <boundaryEvent id="b" attachedToRef="t" cancelActivity="false"><conditionalEventDefinition><condition>n > 3</condition></conditionalEventDefinition></boundaryEvent>"#,
        "s>g; g>t>e; g>x>e3; b>n1>e2",
    );
    let ran = run(
        &xml,
        json!({"n": 5}),
        r#"[{"complete":"x","vars":{"n":6}},{"complete":"t"}]"#,
    )
    .ends("completed");
    assert_eq!(ran.entered().iter().filter(|id| **id == "n1").count(), 1);
}

#[test]
fn a_link_continues_at_its_partner() {
    let xml = simple(
        r#"<intermediateThrowEvent id="l1"><linkEventDefinition name="A"/></intermediateThrowEvent>
           <intermediateCatchEvent id="l2"><linkEventDefinition name="A"/></intermediateCatchEvent>"#,
        "s>l1; l2>e",
    );
    assert_eq!(
        auto(&xml, json!({})).ends("completed").entered(),
        ["s", "l1", "l2", "e"]
    );
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
    let ran = run(&xml("Parallel"), json!({}), "[]").ends("waiting");
    assert_eq!(ran.waiting(), ["a", "b"]);
    run(
        &xml("Parallel"),
        json!({}),
        r#"[{"complete":"a","vars":{"enough":true}}]"#,
    )
    .ends("completed");
    assert_eq!(
        run(&xml("Sequential"), json!({}), r#"[{"complete":"a"}]"#)
            .ends("waiting")
            .waiting(),
        ["b"]
    );
    run(
        &xml("Sequential"),
        json!({}),
        r#"[{"complete":"a"},{"complete":"b","vars":{"enough":true}}]"#,
    )
    .ends("completed");
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
fn a_circle_without_a_wait_is_stopped() {
    let xml = simple(
        r#"<exclusiveGateway id="g" default="g-t"/><task id="t"/>"#,
        "s>g; g>t>g; g>e[false]",
    );
    let ran = auto(&xml, json!({})).ends("failed");
    assert!(ran.last["reason"].as_str().unwrap().contains("circle"));
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
fn a_typed_start_is_chosen_by_name_or_by_its_message() {
    let xml = file(&format!(
        r#"<message id="m" name="order"/><process id="p" isExecutable="true"><startEvent id="s1"/><startEvent id="s2"><messageEventDefinition messageRef="m"/></startEvent>
        <task id="a"/><task id="b"/><endEvent id="e"/>{}</process>"#,
        flows("s1>a>e; s2>b>e")
    ));
    assert_eq!(
        run(&xml, json!({}), "[]").ends("completed").entered(),
        ["s1", "a", "e"]
    );
    assert_eq!(
        run(&xml, json!({}), r#"[{"start":"s2"}]"#)
            .ends("completed")
            .entered(),
        ["s2", "b", "e"]
    );
}

#[test]
fn a_process_without_start_events_begins_where_nothing_leads() {
    let xml = process(&format!(r#"<task id="a"/><task id="b"/>{}"#, flows("a>b")));
    assert_eq!(
        auto(&xml, json!({})).ends("completed").entered(),
        ["a", "b"]
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
fn a_signal_finds_the_parallel_branch_waiting_whatever_the_order_of_flows() {
    for list in ["s>g; g>w>e2; g>c>e", "s>g; g>c>e; g>w>e2"] {
        let xml = file(&format!(
            r#"<signal id="sg" name="storm"/><signal id="sg2" name="flood"/><process id="p" isExecutable="true">{ENDS}<endEvent id="e2"/><parallelGateway id="g"/>
            <intermediateThrowEvent id="w"><signalEventDefinition signalRef="sg"/></intermediateThrowEvent>
            <intermediateCatchEvent id="c"><signalEventDefinition signalRef="sg2"/><signalEventDefinition signalRef="sg"/></intermediateCatchEvent>{}</process>"#,
            flows(list)
        ));
        auto(&xml, json!({})).ends("completed");
    }
}

#[test]
fn event_definitions_may_stand_at_the_top_of_the_file() {
    let xml = file(&format!(
        r#"<signal id="sg" name="storm"/><signalEventDefinition id="shared" signalRef="sg"/><process id="p" isExecutable="true">{ENDS}<userTask id="t"/><endEvent id="e2"/>
        <boundaryEvent id="b" attachedToRef="t"><eventDefinitionRef>shared</eventDefinitionRef></boundaryEvent>{}</process>"#,
        flows("s>t>e; b>e2")
    ));
    assert!(
        run(&xml, json!({}), r#"[{"signal":"storm"}]"#)
            .ends("completed")
            .entered()
            .contains(&"e2")
    );
}

#[test]
fn links_may_name_one_another_by_id() {
    let xml = simple(
        r#"<intermediateThrowEvent id="l1"><linkEventDefinition id="x1" name="A"><target>x2</target></linkEventDefinition></intermediateThrowEvent>
           <intermediateCatchEvent id="l2"><linkEventDefinition id="x2" name="B"><source>x1</source></linkEventDefinition></intermediateCatchEvent>"#,
        "s>l1; l2>e",
    );
    assert_eq!(
        auto(&xml, json!({})).ends("completed").entered(),
        ["s", "l1", "l2", "e"]
    );
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

#[test]
fn a_receive_task_begins_a_process_when_its_message_comes() {
    let xml = file(&format!(
        r#"<message id="m" name="order"/><collaboration id="c"><participant id="pp" processRef="p"/><participant id="pq" processRef="q"/>
        <messageFlow id="f" sourceRef="w" targetRef="r"/></collaboration>
        <process id="p" isExecutable="true">{ENDS}<intermediateThrowEvent id="w"><messageEventDefinition messageRef="m"/></intermediateThrowEvent>{}</process>
        <process id="q" isExecutable="true"><receiveTask id="r" messageRef="m" instantiate="true"/><task id="t"/>{}</process>"#,
        flows("s>w>e"),
        flows("r>t")
    ));
    let options = Options {
        also: vec!["q".into()],
        ..Options::default()
    };
    assert!(
        run_with(&xml, &options)
            .ends("completed")
            .entered()
            .contains(&"t")
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
