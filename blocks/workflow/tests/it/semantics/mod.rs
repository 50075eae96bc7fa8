//! Finer points of execution: several triggers, other engines, limits; and in folders of their own
//! what is undone, data, and several files.

mod data;
mod files;
mod undo;

use serde_json::json;
use workflow::simulate::{self, Options};

use crate::model::{Ran, auto, file, flows, process, run, run_with, vars};

const ENDS: &str = r#"<startEvent id="s"/><endEvent id="e"/>"#;

fn simple(middle: &str, list: &str) -> String {
    process(&format!("{ENDS}{middle}{}", flows(list)))
}

fn declared(middle: &str, list: &str) -> String {
    file(&format!(
        r#"<message id="m1" name="one"/><message id="m2" name="two"/><signal id="sg" name="storm"/><error id="er" name="Bad" errorCode="BAD"/>
        <process id="p" isExecutable="true">{ENDS}{middle}{}</process>"#,
        flows(list)
    ))
}

fn script(id: &str) -> String {
    format!(r#"<scriptTask id="{id}"><script>{id}</script></scriptTask>"#)
}

/// A script task that another one undoes.
fn undone(id: &str) -> String {
    format!(
        r#"{}<boundaryEvent id="c{id}" attachedToRef="{id}"><compensateEventDefinition/></boundaryEvent>
        <scriptTask id="u{id}" isForCompensation="true"><script>u{id}</script></scriptTask><association id="as{id}" sourceRef="c{id}" targetRef="u{id}"/>"#,
        script(id)
    )
}

const THROW: &str =
    r#"<intermediateThrowEvent id="w"><compensateEventDefinition/></intermediateThrowEvent>"#;

#[track_caller]
fn scripts(ran: Ran) -> Vec<String> {
    let ran = ran.ends("completed");
    ran.of("script").iter().map(ToString::to_string).collect()
}

#[test]
fn a_parallel_multiple_event_takes_its_triggers_in_any_order() {
    let catch = r#"<intermediateCatchEvent id="c" parallelMultiple="true"><messageEventDefinition messageRef="m1"/><messageEventDefinition messageRef="m2"/>
        <timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition></intermediateCatchEvent>"#;
    let xml = declared(catch, "s>c>e");
    for steps in [
        r#"[{"message":"one"},{"message":"two"},{"advance":"PT1H"}]"#,
        r#"[{"advance":"PT1H"},{"message":"two"},{"message":"one"}]"#,
        r#"[{"message":"two"},{"trigger":"c"}]"#,
    ] {
        run(&xml, json!({}), steps).ends("completed");
    }
    // What has come is not taken twice.
    let ran = run(&xml, json!({}), r#"[{"message":"two"},{"message":"two"}]"#).ends("failed");
    assert!(
        ran.last["reason"]
            .as_str()
            .unwrap()
            .contains("nothing waits")
    );
    run(&xml, json!({}), r#"[{"message":"two"},{"message":"one"}]"#).ends("waiting");
}

#[test]
fn a_parallel_multiple_border_event_collects_anew_each_time() {
    let border = r#"<userTask id="u"/><boundaryEvent id="b" attachedToRef="u" parallelMultiple="true" cancelActivity="false"><messageEventDefinition messageRef="m1"/><messageEventDefinition messageRef="m2"/></boundaryEvent><endEvent id="e2"/>"#;
    let xml = declared(&format!("{border}{}", script("z")), "s>u>e; b>z>e2");
    let steps = r#"[{"message":"two"},{"message":"one"},{"message":"one"},{"message":"two"},{"message":"one"},{"complete":"u"}]"#;
    assert_eq!(scripts(run(&xml, json!({}), steps)), ["z", "z"]);
}

/// The first that comes begins the instance, which waits for the others (BPMN 2.0.2, 10.5.2).
#[test]
fn a_parallel_multiple_start_event_takes_all_its_triggers() {
    let xml = file(&format!(
        r#"<message id="m1" name="one"/><signal id="sg" name="storm"/><process id="p" isExecutable="true">
        <startEvent id="s" parallelMultiple="true"><messageEventDefinition messageRef="m1"/><signalEventDefinition signalRef="sg"/></startEvent>
        {}<endEvent id="e"/>{}</process>"#,
        script("z"),
        flows("s>z>e")
    ));
    let waiting = run(&xml, json!({}), r#"[{"message":"one"}]"#).ends("waiting");
    assert_eq!(waiting.last["waiting"], json!(["s"]));
    assert_eq!(waiting.of("script"), [""; 0]);
    for steps in [
        r#"[{"message":"one","vars":{"a":1}},{"signal":"storm","vars":{"b":2}}]"#,
        r#"[{"signal":"storm","vars":{"b":2}},{"message":"one","vars":{"a":1}}]"#,
    ] {
        let ran = run(&xml, json!({}), steps).ends("completed");
        assert_eq!((ran.var("a"), ran.var("b")), (&json!(1), &json!(2)));
        assert_eq!(scripts(ran), ["z"]);
    }
    // Begun by hand, all of it has come.
    run(&xml, json!({}), r#"[{"start":"s"}]"#).ends("completed");
}

#[test]
fn a_message_flow_to_a_sub_process_reaches_what_waits_inside() {
    let file = |called: &str| {
        file(&format!(
            r#"<message id="m" name="paid"/><collaboration id="c"><participant id="pp" processRef="p"/><participant id="pq" processRef="q"/><messageFlow id="f" sourceRef="w" targetRef="sub"/></collaboration>
            <process id="p" isExecutable="true">{ENDS}<intermediateThrowEvent id="w"><messageEventDefinition messageRef="m"/></intermediateThrowEvent>{}</process>
            <process id="q" isExecutable="true"><startEvent id="qs"/>{called}<endEvent id="qe"/>{}</process>
            <process id="r" isExecutable="true"><startEvent id="rs"/><receiveTask id="rt" messageRef="m"/><endEvent id="re"/>{}</process>"#,
            flows("s>w>e"),
            flows("qs>sub>qe"),
            flows("rs>rt>re")
        ))
    };
    let inner = format!(
        r#"<subProcess id="sub"><startEvent id="is"/><intermediateCatchEvent id="ic"><messageEventDefinition messageRef="m"/></intermediateCatchEvent><endEvent id="ie"/>{}</subProcess>"#,
        flows("is>ic>ie")
    );
    for called in [
        inner.as_str(),
        r#"<callActivity id="sub" calledElement="r"/>"#,
    ] {
        let options = Options {
            process: Some("p".into()),
            also: vec!["q".into()],
            ..Options::default()
        };
        let ran = run_with(&file(called), &options).ends("completed");
        assert!(ran.entered().contains(&"qe"), "{:?}", ran.entered());
    }
}

/// Several instances of what has several instances multiply; one step does not do them all.
#[test]
fn runs_inside_of_runs_are_bounded() {
    let many = "<multiInstanceLoopCharacteristics><loopCardinality>400</loopCardinality></multiInstanceLoopCharacteristics>";
    let middle = format!(
        r#"<subProcess id="o">{many}<startEvent id="is"/><task id="i">{many}</task><endEvent id="ie"/>{}</subProcess>"#,
        flows("is>i>ie")
    );
    let ran = auto(&simple(&middle, "s>o>e"), json!({})).ends("failed");
    let stopped = |e: &&serde_json::Value| e["event"] == "incident";
    let text = ran.events.iter().find(stopped).unwrap()["text"].to_string();
    assert!(text.contains("100000 runs"), "{text}");
}

#[test]
fn errors_signals_and_messages_may_be_called_by_their_ids() {
    let xml = declared(
        r#"<receiveTask id="r" messageRef="m1"/><intermediateCatchEvent id="c"><signalEventDefinition signalRef="sg"/></intermediateCatchEvent><serviceTask id="t"/><boundaryEvent id="b" attachedToRef="t"><errorEventDefinition errorRef="er"/></boundaryEvent><endEvent id="e2"/>"#,
        "s>r>c>t>e; b>e2",
    );
    let steps = r#"[{"message":"m1"},{"signal":"sg","vars":{"level":3}},{"error":"er","at":"t"}]"#;
    let ran = run(&xml, json!({}), steps).ends("completed");
    assert_eq!(
        (ran.var("level"), ran.var("errorCode")),
        (&json!(3), &json!("BAD"))
    );
}

#[test]
fn errors_and_escalations_pass_through_called_processes() {
    let called = |end: &str| {
        file(&format!(
            r#"<error id="er" errorCode="BAD"/><escalation id="es" escalationCode="UP"/><process id="p" isExecutable="true">{ENDS}<callActivity id="c" calledElement="q"/>
            <boundaryEvent id="b" attachedToRef="c"><{end}EventDefinition {end}Ref="{}"/></boundaryEvent>{}<endEvent id="e2"/>{}</process>
            <process id="q" isExecutable="true"><startEvent id="qs"/><endEvent id="qe"><{end}EventDefinition {end}Ref="{}"/></endEvent>{}</process>"#,
            if end == "error" { "er" } else { "es" },
            script("caught"),
            flows("s>c>e; b>caught>e2"),
            if end == "error" { "er" } else { "es" },
            flows("qs>qe")
        ))
    };
    for kind in ["error", "escalation"] {
        assert_eq!(
            scripts(auto(&called(kind), json!({}))),
            ["caught"],
            "{kind}"
        );
    }
}

#[test]
fn tasks_send_along_their_message_flows() {
    let xml = file(&format!(
        r#"<collaboration id="c"><participant id="pp" processRef="p"/><participant id="pq" processRef="q"/><messageFlow id="f1" sourceRef="t" targetRef="qs"/><messageFlow id="f2" sourceRef="qt" targetRef="r"/></collaboration>
        <process id="p">{ENDS}<sendTask id="t"/><receiveTask id="r"/>{}</process>
        <process id="q"><startEvent id="qs"><messageEventDefinition/></startEvent>{}<sendTask id="qt"/><endEvent id="qe"/>{}</process>"#,
        flows("s>t>r>e"),
        script("qa"),
        flows("qs>qa>qt>qe")
    ));
    let options = Options {
        also: vec!["q".into()],
        script: simulate::parse_script(r#"[{"complete":"t"},{"complete":"qt"}]"#).unwrap(),
        ..Options::default()
    };
    let ran = run_with(&xml, &options).ends("completed");
    assert_eq!(
        (ran.of("message"), ran.of("script")),
        (vec!["t", "qt"], vec!["qa"])
    );
}

#[test]
fn a_terminate_end_inside_ends_its_instance_only() {
    let sub = format!(
        r#"<subProcess id="sub"><multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics><startEvent id="s1"/><parallelGateway id="g"/><userTask id="t"/>{}<endEvent id="x"><terminateEventDefinition/></endEvent><endEvent id="e1"/>{}</subProcess>"#,
        script("a"),
        flows("s1>g; g>a>x; g>t>e1")
    );
    let xml = simple(&format!("{sub}{}", script("z")), "s>sub>z>e");
    assert_eq!(scripts(run(&xml, json!({}), "[]")), ["a", "a", "z"]);
}

#[test]
fn models_of_camunda_8_run() {
    let xml = simple(
        r#"<serviceTask id="t"><extensionElements><zeebe:taskDefinition type="pay"/><zeebe:ioMapping><zeebe:input source="=amount * 2" target="sum"/><zeebe:output source="=paid" target="done"/></zeebe:ioMapping></extensionElements></serviceTask>
        <scriptTask id="k"><extensionElements><zeebe:script expression="=1 + 1" resultVariable="two"/></extensionElements></scriptTask>
        <userTask id="u"><multiInstanceLoopCharacteristics isSequential="true"><extensionElements><zeebe:loopCharacteristics inputCollection="=[1, 2]" inputElement="n" outputCollection="all" outputElement="=n * n"/></extensionElements></multiInstanceLoopCharacteristics></userTask>"#,
        "s>t>k>u>e",
    )
    .replace("<definitions", r#"<definitions xmlns:zeebe="http://camunda.org/schema/zeebe/1.0""#);
    let ran = run(
        &xml,
        json!({"amount": 3}),
        r#"[{"complete":"t","vars":{"paid":true}},{"complete":"u"},{"complete":"u"}]"#,
    )
    .ends("completed");
    assert_eq!(
        (ran.var("done"), ran.var("two"), ran.var("all")),
        (&json!(true), &json!(2), &json!([1, 4]))
    );
}

#[test]
fn a_call_may_hand_over_everything_and_something_more() {
    let xml = file(&format!(
        r#"<process id="p" isExecutable="true">{ENDS}<callActivity id="c" calledElement="q"><extensionElements><camunda:in variables="all"/><camunda:in sourceExpression="${{a + 1}}" target="x"/><camunda:out variables="all"/></extensionElements></callActivity>{}</process>
        <process id="q" isExecutable="true"><startEvent id="qs"/><scriptTask id="qt" scriptFormat="feel"><script>{{y: x + a}}</script></scriptTask><endEvent id="qe"/>{}</process>"#,
        flows("s>c>e"),
        flows("qs>qt>qe")
    ));
    assert_eq!(
        auto(&xml, json!({"a": 1})).ends("completed").var("y"),
        &json!(3)
    );
}

#[test]
fn a_process_that_calls_itself_twice_is_stopped_early() {
    let xml = simple(
        r#"<parallelGateway id="g"/><callActivity id="c1" calledElement="p"/><callActivity id="c2" calledElement="p"/><endEvent id="e2"/>"#,
        "s>g; g>c1>e; g>c2>e2",
    );
    let ran = auto(&xml, json!({})).ends("failed");
    assert!(
        ran.last["reason"]
            .as_str()
            .unwrap()
            .contains("calls itself")
    );
    assert!(ran.events.len() < 5_000, "{} events", ran.events.len());
}

#[test]
fn recursion_with_an_end_runs() {
    let xml = simple(
        r#"<exclusiveGateway id="g" default="g-e"/><callActivity id="c" calledElement="p"><extensionElements><camunda:in sourceExpression="${n - 1}" target="n"/><camunda:out source="sum" target="below"/></extensionElements></callActivity>
        <scriptTask id="k" scriptFormat="feel"><script>{sum: n + below}</script></scriptTask>"#,
        "s>g; g>c[n > 0]; g>e; c>k>e",
    );
    let ran = auto(&xml, json!({"n": 20, "sum": 0})).ends("completed");
    assert_eq!(ran.entered().iter().filter(|id| **id == "c").count(), 20);
}

#[test]
fn ten_thousand_instances_are_simulated() {
    let xml = simple(
        r#"<userTask id="t"><multiInstanceLoopCharacteristics><loopCardinality>10000</loopCardinality></multiInstanceLoopCharacteristics></userTask>"#,
        "s>t>e",
    );
    auto(&xml, json!({})).ends("completed");
}

#[test]
fn a_script_of_steps_names_what_is_wrong() {
    for (script, says) in [
        ("{}", "expected a sequence"),
        (r#"[{"begin":"s"}]"#, "unknown field `begin`"),
        (
            r#"[{"start":"s","complete":"t"}]"#,
            "step 1 needs exactly one of",
        ),
        (
            r#"[{"complete":"t"},{"error":"E"}]"#,
            "step 2: `error` and `at`",
        ),
    ] {
        let reason = simulate::parse_script(script).unwrap_err();
        assert!(reason.contains(says), "{script}: {reason}");
    }
    let options = Options {
        process: Some("q".into()),
        vars: vars(json!({})),
        ..Options::default()
    };
    let ran = run_with(&simple("", "s>e"), &options);
    assert_eq!(ran.code, simulate::REFUSED);
    assert!(
        ran.last["reason"]
            .as_str()
            .unwrap()
            .contains("the file has: p")
    );
}

#[test]
fn a_default_flow_is_for_when_no_condition_holds() {
    // One flow without condition, one with a condition, one default.
    let xml = |when: &str| {
        process(&format!(
            r#"{ENDS}<scriptTask id="a" default="d"><script>a</script></scriptTask>{}{}{}<sequenceFlow id="s-a" sourceRef="s" targetRef="a"/>
            <sequenceFlow id="u" sourceRef="a" targetRef="always"/><sequenceFlow id="d" sourceRef="a" targetRef="otherwise"/>
            <sequenceFlow id="c" sourceRef="a" targetRef="when"><conditionExpression>{when}</conditionExpression></sequenceFlow>{}"#,
            script("always"),
            script("when"),
            script("otherwise"),
            flows("always>e; when>e; otherwise>e"),
        ))
    };
    assert_eq!(
        scripts(auto(&xml("false"), json!({}))),
        ["a", "always", "otherwise"]
    );
    assert_eq!(
        scripts(auto(&xml("true"), json!({}))),
        ["a", "always", "when"]
    );
}

#[test]
fn a_condition_that_holds_from_the_beginning_comes_before_what_never_waits() {
    let xml = |interrupts: bool| {
        simple(
            &format!(
                r#"<subProcess id="sub"><startEvent id="s2"/>{}<endEvent id="e2"/>{}</subProcess>
                <boundaryEvent id="b" attachedToRef="sub" cancelActivity="{interrupts}"><conditionalEventDefinition><condition>ready</condition></conditionalEventDefinition></boundaryEvent>{}"#,
                script("inside"),
                flows("s2>inside>e2"),
                script("guard")
            ),
            "s>sub>e; b>guard>e",
        )
    };
    let ran = |interrupts: bool, ready: bool| {
        let mut ran = scripts(auto(&xml(interrupts), json!({"ready": ready})));
        ran.sort();
        ran
    };
    assert_eq!(ran(true, true), ["guard"]);
    assert_eq!(ran(false, true), ["guard", "inside"]);
    assert_eq!(ran(true, false), ["inside"]);
}
