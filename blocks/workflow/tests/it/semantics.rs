//! Finer points of execution: data, compensation, several triggers, limits.

use chrono::DateTime;
use serde_json::{Value, json};
use workflow::{
    check::Severity,
    core::{Input, Rejection, advance},
    read::Imports,
    simulate::{self, Options},
};

use crate::{
    model::{Ran, auto, file, flows, process, run, run_with, vars},
    steps::compile,
};

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

// Compensation

#[test]
fn each_instance_of_a_multiple_activity_is_undone() {
    let a = undone("a").replace("<script>a<", r#"<multiInstanceLoopCharacteristics isSequential="true"><loopCardinality>3</loopCardinality></multiInstanceLoopCharacteristics><script>a<"#);
    let xml = simple(&format!("{a}{THROW}"), "s>a>w>e");
    assert_eq!(
        scripts(auto(&xml, json!({}))),
        ["a", "a", "a", "ua", "ua", "ua"]
    );
}

#[test]
fn what_a_completed_sub_process_did_is_undone_from_outside() {
    let sub = format!(
        r#"<subProcess id="sub"><startEvent id="s1"/><endEvent id="e1"/>{}{}{}</subProcess>"#,
        undone("a"),
        undone("b"),
        flows("s1>a>b>e1")
    );
    let xml = simple(&format!("{sub}{}{THROW}", undone("c")), "s>sub>c>w>e");
    assert_eq!(
        scripts(auto(&xml, json!({}))),
        ["a", "b", "c", "uc", "ub", "ua"]
    );
    let one = xml.replace(
        "<compensateEventDefinition/></intermediateThrow",
        r#"<compensateEventDefinition activityRef="sub"/></intermediateThrow"#,
    );
    assert_eq!(scripts(auto(&one, json!({}))), ["a", "b", "c", "ub", "ua"]);
    let twice = xml.replace(r#"<subProcess id="sub">"#, r#"<subProcess id="sub"><multiInstanceLoopCharacteristics isSequential="true"><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics>"#);
    assert_eq!(
        scripts(auto(&twice, json!({}))),
        ["a", "b", "a", "b", "c", "uc", "ub", "ua", "ub", "ua"]
    );
}

#[test]
fn a_compensation_event_sub_process_undoes_its_sub_process() {
    let handler = format!(
        r#"<subProcess id="h" triggeredByEvent="true"><startEvent id="s2"><compensateEventDefinition/></startEvent>{}<intermediateThrowEvent id="w2"><compensateEventDefinition/></intermediateThrowEvent>{}<endEvent id="e2"/>{}</subProcess>"#,
        script("before"),
        script("after"),
        flows("s2>before>w2>after>e2")
    );
    let sub = format!(
        r#"<subProcess id="sub"><startEvent id="s1"/><endEvent id="e1"/>{}{}{handler}</subProcess>"#,
        undone("a"),
        flows("s1>a>e1")
    );
    let xml = simple(&format!("{sub}{THROW}"), "s>sub>w>e");
    assert_eq!(
        scripts(auto(&xml, json!({}))),
        ["a", "before", "ua", "after"]
    );
}

#[test]
fn compensation_that_is_not_waited_for_runs_beside() {
    let throw = r#"<intermediateThrowEvent id="w"><compensateEventDefinition waitForCompletion="false"/></intermediateThrowEvent>"#;
    let undo = undone("a")
        .replace("scriptTask id=\"ua\"", "userTask id=\"ua\"")
        .replace("<script>ua</script></scriptTask>", "</userTask>");
    let xml = simple(&format!("{undo}{throw}{}", script("z")), "s>a>w>z>e");
    let ran = run(&xml, json!({}), "[]").ends("waiting");
    assert_eq!(
        (ran.of("script"), ran.waiting()),
        (vec!["a", "z"], vec!["ua"])
    );
    run(&xml, json!({}), r#"[{"complete":"ua"}]"#).ends("completed");
}

/// In whatever order they stand in the file.
#[test]
fn an_event_with_several_results_throws_all_of_them() {
    let heard = r#"<parallelGateway id="g"/><intermediateCatchEvent id="h"><signalEventDefinition signalRef="sg"/></intermediateCatchEvent><endEvent id="eh"/>"#;
    let message = r#"<messageEventDefinition messageRef="m1"/>"#;
    let signal = r#"<signalEventDefinition signalRef="sg"/>"#;
    let compensation = "<compensateEventDefinition/>";
    let both = r#"<compensateEventDefinition activityRef="a"/><compensateEventDefinition activityRef="b"/>"#;
    let error = r#"<errorEventDefinition errorRef="er"/>"#;
    for (last, undo, outcome) in [
        ("<terminateEventDefinition/>", "", "completed"),
        (error, "", "failed"),
        ("", compensation, "completed"),
        ("", both, "completed"),
        (error, compensation, "failed"),
        ("<terminateEventDefinition/>", compensation, "completed"),
    ] {
        for results in [
            format!("{last}{undo}{message}{signal}"),
            format!("{message}{signal}{undo}{last}"),
        ] {
            let end = format!(r#"<endEvent id="w">{results}</endEvent>"#);
            let xml = declared(
                &format!(
                    "{heard}{}{}{}{end}",
                    undone("a"),
                    undone("b"),
                    script("late")
                ),
                "s>a>b>g; g>w; g>h>late>eh; g>e",
            );
            let ran = auto(&xml, json!({})).ends(outcome);
            assert_eq!(ran.of("message"), ["w"], "{results}");
            assert_eq!(ran.of("signal"), ["w"], "{results}");
            // What hears it goes on as long as the scope is open.
            let goes_on = last.is_empty() || !undo.is_empty();
            let late = ran.entered().contains(&"late");
            assert_eq!(late, goes_on, "{results}");
            let all = if undo.is_empty() {
                vec![]
            } else {
                vec!["ub", "ua"]
            };
            let done: Vec<_> = ran
                .of("script")
                .into_iter()
                .filter(|id| id.starts_with('u'))
                .collect();
            assert_eq!(done, all, "{results}");
            assert_eq!(
                ran.of("error").len(),
                usize::from(last == error),
                "{results}"
            );
        }
    }
}

/// The scope is left once, by what catches.
#[test]
fn an_error_after_its_compensation_is_caught() {
    let event = r#"<startEvent id="es"><errorEventDefinition errorRef="er"/></startEvent>"#;
    let catcher = format!(
        r#"<subProcess id="caught" triggeredByEvent="true">{event}<userTask id="mend"/><endEvent id="ee"/>{}</subProcess>"#,
        flows("es>mend>ee")
    );
    let end = r#"<endEvent id="w"><errorEventDefinition errorRef="er"/><compensateEventDefinition/></endEvent>"#;
    let xml = declared(
        &format!("{}{}{catcher}{end}", undone("a"), script("b")),
        "s>a>b>w; b>e[false]",
    );
    let ran = run(&xml, json!({}), "[]").ends("waiting");
    assert_eq!(
        (ran.waiting(), ran.of("script")),
        (vec!["mend"], vec!["a", "b", "ua"])
    );
    run(&xml, json!({}), r#"[{"complete":"mend"}]"#).ends("completed");
}

#[test]
fn a_cancel_deep_inside_cancels_the_transaction() {
    let inner = format!(
        r#"<subProcess id="in"><startEvent id="s2"/><endEvent id="k"><cancelEventDefinition/></endEvent>{}</subProcess>"#,
        flows("s2>k")
    );
    let xml = simple(
        &format!(
            r#"<transaction id="tx"><startEvent id="s1"/>{}{inner}<endEvent id="e1"/>{}</transaction><boundaryEvent id="bc" attachedToRef="tx"><cancelEventDefinition/></boundaryEvent>{}<endEvent id="e2"/>"#,
            undone("a"),
            flows("s1>a>in>e1"),
            script("f")
        ),
        "s>tx>e; bc>f>e2",
    );
    assert_eq!(scripts(auto(&xml, json!({}))), ["a", "ua", "f"]);
}

#[test]
fn an_error_inside_may_undo_before_it_goes_on() {
    let handler = format!(
        r#"<subProcess id="h" triggeredByEvent="true"><startEvent id="s2"><errorEventDefinition errorRef="er"/></startEvent><intermediateThrowEvent id="w2"><compensateEventDefinition/></intermediateThrowEvent>{}<endEvent id="e2"/>{}</subProcess>"#,
        script("post"),
        flows("s2>w2>post>e2")
    );
    let sub = format!(
        r#"<subProcess id="sub"><startEvent id="s1"/>{}<endEvent id="x"><errorEventDefinition errorRef="er"/></endEvent>{}{handler}</subProcess>"#,
        undone("a"),
        flows("s1>a>x")
    );
    let xml = declared(&format!("{sub}{}", script("z")), "s>sub>z>e");
    assert_eq!(scripts(auto(&xml, json!({}))), ["a", "ua", "post", "z"]);
}

/// A called process has its own way to be undone (BPMN 2.0.2, 10.7.1).
#[test]
fn a_called_process_is_undone_by_its_event_sub_process() {
    let undoes = format!(
        r#"<subProcess id="es" triggeredByEvent="true"><startEvent id="es1"><compensateEventDefinition/></startEvent>{}<endEvent id="ese"/>{}</subProcess>"#,
        script("uq"),
        flows("es1>uq>ese")
    );
    let xml = file(&format!(
        r#"<process id="p" isExecutable="true">{ENDS}<callActivity id="c" calledElement="q"/>{THROW}{}</process>
        <process id="q" isExecutable="true"><startEvent id="qs"/>{}<endEvent id="qe"/>{undoes}{}</process>"#,
        flows("s>c>w>e"),
        script("a"),
        flows("qs>a>qe")
    ));
    assert_eq!(scripts(auto(&xml, json!({}))), ["a", "uq"]);
}

/// What is being cancelled is interrupted by nothing more: all of it is undone, then it is left by
/// its cancel event (BPMN 2.0.2, 10.3.6).
#[test]
fn a_transaction_is_cancelled_to_its_end() {
    let inside = format!(
        r#"<startEvent id="t1"/>{}<boundaryEvent id="ca" attachedToRef="a"><compensateEventDefinition/></boundaryEvent>
        <userTask id="ua" isForCompensation="true"/><association id="as1" sourceRef="ca" targetRef="ua"/>
        <endEvent id="x"><cancelEventDefinition/></endEvent>{}
        <subProcess id="es" triggeredByEvent="true"><startEvent id="es1"><signalEventDefinition signalRef="sg"/></startEvent>{}<endEvent id="ese"/>{}</subProcess>"#,
        script("a"),
        flows("t1>a>x"),
        script("by-signal"),
        flows("es1>by-signal>ese")
    );
    let middle = format!(
        r#"<transaction id="t">{inside}</transaction>
        <boundaryEvent id="bc" attachedToRef="t"><cancelEventDefinition/></boundaryEvent>{}
        <boundaryEvent id="bs" attachedToRef="t"><signalEventDefinition signalRef="sg"/></boundaryEvent>
        <boundaryEvent id="bt" attachedToRef="t"><timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition></boundaryEvent>{}{}"#,
        script("cancelled"),
        script("signalled"),
        script("late"),
    );
    let xml = declared(&middle, "s>t>e; bc>cancelled>e; bs>signalled>e; bt>late>e");
    let steps = r#"[{"signal":"storm"},{"advance":"PT2H"},{"complete":"ua"}]"#;
    assert_eq!(scripts(run(&xml, json!({}), steps)), ["a", "cancelled"]);
}

// Events

#[test]
fn a_parallel_multiple_event_takes_its_triggers_in_any_order() {
    let catch = r#"<intermediateCatchEvent id="c" parallelMultiple="true"><messageEventDefinition messageRef="m1"/><messageEventDefinition messageRef="m2"/>
        <timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition></intermediateCatchEvent>"#;
    let xml = declared(catch, "s>c>e");
    for steps in [
        r#"[{"message":"one"},{"message":"two"},{"advance":"PT1H"}]"#,
        r#"[{"advance":"PT1H"},{"message":"two"},{"message":"one"}]"#,
        r#"[{"message":"two"},{"trigger":"c"},{"trigger":"c"}]"#,
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

// Data

#[test]
fn data_goes_along_the_associations() {
    let middle = r#"<dataObject id="d1" name="order"/><dataObjectReference id="r1" dataObjectRef="d1" name="order [new]"><dataState name="new"/></dataObjectReference>
        <dataObject id="d2"/><dataObjectReference id="r2" dataObjectRef="d2" name="the result"/>
        <userTask id="t"><ioSpecification><dataInput id="in" name="given"/><dataOutput id="out" name="found"/><inputSet><dataInputRefs>in</dataInputRefs></inputSet><outputSet><dataOutputRefs>out</dataOutputRefs></outputSet></ioSpecification>
          <dataInputAssociation><sourceRef>r1</sourceRef><targetRef>in</targetRef></dataInputAssociation><dataOutputAssociation><sourceRef>out</sourceRef><targetRef>r2</targetRef></dataOutputAssociation></userTask>
        <scriptTask id="k" scriptFormat="feel"><ioSpecification><dataInput id="in2" name="x"/><inputSet><dataInputRefs>in2</dataInputRefs></inputSet><outputSet/></ioSpecification>
          <dataInputAssociation><sourceRef>r2</sourceRef><targetRef>in2</targetRef></dataInputAssociation><script>{twice: x * 2}</script></scriptTask>"#;
    let ran = run(
        &simple(middle, "s>t>k>e"),
        json!({"order": 5}),
        r#"[{"complete":"t","vars":{"found":21}}]"#,
    )
    .ends("completed");
    assert_eq!(
        (ran.var("the result"), ran.var("twice")),
        (&json!(21), &json!(42))
    );
}

/// An assignment to a part of something leaves the other parts as they are (BPMN 2.0.2, 10.4.2).
#[test]
fn an_assignment_reaches_a_part() {
    let middle = r#"<userTask id="t"><ioSpecification><dataInput id="in" name="given"/><inputSet><dataInputRefs>in</dataInputRefs></inputSet><outputSet/></ioSpecification>
        <dataInputAssociation><targetRef>in</targetRef><assignment><from>5</from><to>given.of</to></assignment></dataInputAssociation>
        <dataOutputAssociation><assignment><from>price * 2</from><to>order.sum.total</to></assignment></dataOutputAssociation></userTask>"#;
    let ran = run(
        &simple(middle, "s>t>e"),
        json!({"order": {"sum": {"tax": 1}, "number": 7}, "price": 4}),
        r#"[{"complete":"t"}]"#,
    )
    .ends("completed");
    let order = json!({"sum": {"tax": 1, "total": 8}, "number": 7});
    assert_eq!(ran.var("order"), &order);
}

#[test]
fn a_complex_gateway_counts_the_tokens_of_each_flow() {
    let middle = r#"<parallelGateway id="g"/><userTask id="a"/><userTask id="b"/><userTask id="c"/><userTask id="d"/>
        <complexGateway id="j"><activationCondition>activationCounts.fa + activationCounts.fb &gt;= 1</activationCondition></complexGateway>"#;
    let to_join = r#"<sequenceFlow id="fa" sourceRef="a" targetRef="j"/><sequenceFlow id="fb" sourceRef="b" targetRef="j"/><sequenceFlow id="fc" sourceRef="c" targetRef="j"/>"#;
    let xml = simple(&format!("{middle}{to_join}"), "s>g; g>a; g>b; g>c; j>d>e");
    let ran = run(&xml, json!({}), r#"[{"complete":"c"}]"#).ends("waiting");
    assert_eq!(ran.waiting(), ["a", "b", "j"]);
    let ran = run(&xml, json!({}), r#"[{"complete":"c"},{"complete":"b"}]"#).ends("waiting");
    assert_eq!(ran.waiting(), ["a", "d"]);
}

#[test]
fn a_message_brings_data_and_carries_data_inputs_only() {
    let middle = r#"<dataObject id="d" name="paid"/><intermediateCatchEvent id="c"><dataOutput id="o" name="amount"/><dataOutputAssociation><sourceRef>o</sourceRef><targetRef>d</targetRef></dataOutputAssociation><messageEventDefinition messageRef="m1"/></intermediateCatchEvent>"#;
    let ran = run(
        &declared(middle, "s>c>e"),
        json!({}),
        r#"[{"message":"one","vars":{"amount":12}}]"#,
    )
    .ends("completed");
    assert_eq!(ran.var("paid"), &json!(12));
}

#[test]
fn a_call_hands_over_what_its_associations_name() {
    let io = |input: &str, output: &str| {
        format!(
            r#"<ioSpecification><dataInput id="{input}" name="x"/><dataOutput id="{output}" name="y"/><inputSet><dataInputRefs>{input}</dataInputRefs></inputSet><outputSet><dataOutputRefs>{output}</dataOutputRefs></outputSet></ioSpecification>"#
        )
    };
    let xml = file(&format!(
        r#"<process id="p" isExecutable="true"><dataObject id="a" name="a"/><dataObject id="b" name="b"/>{ENDS}<callActivity id="c" calledElement="q">{}<dataInputAssociation><sourceRef>a</sourceRef><targetRef>ci</targetRef></dataInputAssociation><dataOutputAssociation><sourceRef>co</sourceRef><targetRef>b</targetRef></dataOutputAssociation></callActivity>{}</process>
        <process id="q" isExecutable="true">{}<startEvent id="qs"/><scriptTask id="qt" scriptFormat="feel"><script>{{y: x + 1, secret: a}}</script></scriptTask><endEvent id="qe"/>{}</process>"#,
        io("ci", "co"),
        flows("s>c>e"),
        io("qi", "qo"),
        flows("qs>qt>qe")
    ));
    let ran = auto(&xml, json!({"a": 1})).ends("completed");
    assert_eq!(
        (ran.var("b"), ran.var("secret"), ran.var("y")),
        (&json!(2), &Value::Null, &Value::Null)
    );
}

#[test]
fn data_of_a_sub_process_stays_inside() {
    let sub = format!(
        r#"<subProcess id="sub"><dataObject id="d" name="draft"/><startEvent id="s1"/><scriptTask id="k" scriptFormat="feel"><script>{{draft: 1, total: 2}}</script></scriptTask><endEvent id="e1"/>{}</subProcess>"#,
        flows("s1>k>e1")
    );
    let ran = auto(&simple(&sub, "s>sub>e"), json!({})).ends("completed");
    assert_eq!(
        (ran.var("draft"), ran.var("total")),
        (&Value::Null, &json!(2))
    );
}

#[test]
fn a_multiple_task_takes_its_collection_from_data() {
    let middle = r#"<dataObject id="d" name="names"/><dataObject id="g" name="answers"/><userTask id="t"><ioSpecification><dataInput id="all" name="everyone"/><dataOutput id="res" name="gathered"/><inputSet><dataInputRefs>all</dataInputRefs></inputSet><outputSet><dataOutputRefs>res</dataOutputRefs></outputSet></ioSpecification>
        <dataInputAssociation><sourceRef>d</sourceRef><targetRef>all</targetRef></dataInputAssociation><dataOutputAssociation><sourceRef>res</sourceRef><targetRef>g</targetRef></dataOutputAssociation>
        <multiInstanceLoopCharacteristics isSequential="true"><loopDataInputRef>all</loopDataInputRef><loopDataOutputRef>res</loopDataOutputRef><inputDataItem id="one" name="who"/><outputDataItem id="ans" name="answer"/></multiInstanceLoopCharacteristics></userTask>"#;
    let steps =
        r#"[{"complete":"t","vars":{"answer":"yes"}},{"complete":"t","vars":{"answer":"no"}}]"#;
    let ran = run(
        &simple(middle, "s>t>e"),
        json!({"names": ["a", "b"]}),
        steps,
    )
    .ends("completed");
    assert_eq!(
        (ran.var("answers"), ran.var("answer")),
        (&json!(["yes", "no"]), &Value::Null)
    );
}

#[test]
fn inputs_and_outputs_hold_for_scripts_too() {
    let middle = r#"<scriptTask id="k" scriptFormat="feel"><extensionElements><tongban:input target="x" source="a + 1"/><tongban:output target="b" source="r * 10"/></extensionElements><script>{r: x}</script></scriptTask>"#;
    let ran = auto(&simple(middle, "s>k>e"), json!({"a": 1})).ends("completed");
    assert_eq!(
        (ran.var("b"), ran.var("r"), ran.var("x")),
        (&json!(20), &Value::Null, &Value::Null)
    );
}

#[test]
fn names_of_several_words_are_variables() {
    let xml = simple(
        &format!(
            r#"<exclusiveGateway id="g" default="g-b"/>{}{}"#,
            script("a"),
            script("b")
        ),
        r#"s>g; g>a[order total > 3 and the kind = "x y"]; g>b; a>e; b>e"#,
    );
    assert_eq!(
        scripts(auto(&xml, json!({"order total": 5, "the kind": "x y"}))),
        ["a"]
    );
    assert_eq!(scripts(auto(&xml, json!({"order total": 1}))), ["b"]);
}

// Other engines

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

// Files

#[test]
fn of_several_messages_none_begins_an_instance_by_itself() {
    let starts = r#"<message id="m1" name="m1"/><message id="m2" name="m2"/>"#;
    let by_events = r#"<startEvent id="s1"><messageEventDefinition messageRef="m1"/></startEvent><startEvent id="s2"><messageEventDefinition messageRef="m2"/></startEvent><endEvent id="e"/>"#;
    let by_tasks = r#"<receiveTask id="s1" instantiate="true" messageRef="m1"/><receiveTask id="s2" instantiate="true" messageRef="m2"/><endEvent id="e"/>"#;
    for nodes in [by_events, by_tasks] {
        let xml = file(&format!(
            r#"{starts}<process id="p" isExecutable="true">{nodes}{}</process>"#,
            flows("s1>e; s2>e")
        ));
        let process = compile(&xml);
        let start = |at: Option<&str>| {
            let input = Input::Start {
                at: at.map(str::to_owned),
                vars: serde_json::Map::new(),
            };
            advance(&process, process.instance(), input, DateTime::UNIX_EPOCH)
        };
        assert_eq!(start(None).unwrap_err(), Rejection::NoStart);
        let (instance, _) = start(Some("s2")).unwrap();
        assert!(instance.is_over(), "{instance:?}");
    }
}

#[test]
fn imported_files_take_part() {
    let import = r#"<import importType="http://www.omg.org/spec/BPMN/20100524/MODEL" location="lib.bpmn" namespace="lib"/>"#;
    let lib = file(&format!(
        r#"<message id="M" name="hello"/><process id="q" isExecutable="true"><startEvent id="qs"/>{}<endEvent id="qe"/>{}</process>"#,
        script("inside"),
        flows("qs>inside>qe")
    ));
    let xml = file(&format!(r#"{import}<process id="p" isExecutable="true">{ENDS}<callActivity id="c" calledElement="l:q"/><receiveTask id="r" messageRef="l:M"/>{}</process>"#, flows("s>c>r>e"))).replace("<definitions", r#"<definitions xmlns:l="lib""#);
    let options = Options {
        imports: Imports::from([("lib.bpmn".to_owned(), lib.into_bytes())]),
        script: simulate::parse_script(r#"[{"message":"hello"}]"#).unwrap(),
        ..Options::default()
    };
    assert_eq!(scripts(run_with(&xml, &options)), ["inside"]);
    assert_eq!(simulate::imports_of(xml.as_bytes()), ["lib.bpmn"]);
    let broken = Options {
        imports: Imports::from([("lib.bpmn".to_owned(), b"<a/>".to_vec())]),
        ..Options::default()
    };
    let ran = run_with(&xml, &broken).ends("failed");
    assert_eq!(ran.code, simulate::REFUSED);
    assert!(
        ran.last["reason"]
            .as_str()
            .unwrap()
            .contains("import-unreadable")
    );
}

#[test]
fn elements_of_another_file_may_have_the_same_ids() {
    let import = r#"<import importType="http://www.omg.org/spec/BPMN/20100524/MODEL" location="lib.bpmn" namespace="lib"/>"#;
    let lib = file(&format!(
        r#"<process id="q" isExecutable="true">{ENDS}{}<boundaryEvent id="b" attachedToRef="c"><compensateEventDefinition/></boundaryEvent>{}
        <intermediateThrowEvent id="x"><compensateEventDefinition activityRef="c"/></intermediateThrowEvent>{}<association id="as" sourceRef="b" targetRef="u"/></process>"#,
        script("c"),
        script("u").replace("<scriptTask", r#"<scriptTask isForCompensation="true""#),
        flows("s>c>x>e")
    ));
    let xml = file(&format!(
        r#"{import}<process id="p" isExecutable="true">{ENDS}<callActivity id="c" calledElement="l:q"/>{}{}</process>"#,
        script("u"),
        flows("s>c>u>e")
    ))
    .replace("<definitions", r#"<definitions xmlns:l="lib""#);
    let options = Options {
        imports: Imports::from([("lib.bpmn".to_owned(), lib.into_bytes())]),
        ..Options::default()
    };
    let ran = run_with(&xml, &options).ends("completed");
    assert_eq!(scripts(ran), ["q/c", "q/u", "u"]);
}

const LIB: &str = r#"<import importType="http://www.omg.org/spec/BPMN/20100524/MODEL" location="lib.bpmn" namespace="lib"/>"#;

/// A file whose process `p` calls `called` and waits for `message`, beside a process `q` and a
/// message `M` of its own; and an imported file that has these too.
fn two_files(called: &str, message: &str) -> (String, Options) {
    let side = |name: &str| {
        format!(
            r#"<message id="M" name="{name}"/><process id="q" isExecutable="true"><startEvent id="{name}s"/>{}<endEvent id="{name}e"/>{}</process>"#,
            script(name),
            flows(&format!("{name}s>{name}>{name}e"))
        )
    };
    let xml = file(&format!(
        r#"{LIB}{}<process id="p" isExecutable="true">{ENDS}<callActivity id="c" calledElement="{called}"/><receiveTask id="r" messageRef="{message}"/>{}</process>"#,
        side("own"),
        flows("s>c>r>e")
    ))
    .replace("<definitions", r#"<definitions xmlns:l="lib" xmlns:own="t" xmlns:far="elsewhere""#);
    // What the imported file calls is its own, too.
    let lib = file(&format!(
        r#"{}<process id="outer" isExecutable="true">{ENDS}<callActivity id="c" calledElement="q"/>{}</process>"#,
        side("theirs"),
        flows("s>c>e")
    ))
    .replace(r#"targetNamespace="t""#, r#"targetNamespace="lib""#);
    let options = Options {
        process: Some("p".into()),
        imports: Imports::from([("lib.bpmn".to_owned(), lib.into_bytes())]),
        ..Options::default()
    };
    (xml, options)
}

/// A prefix tells which file's element is meant, where several have one of that id.
#[test]
fn a_prefix_names_the_file_in_which_an_element_is() {
    for (called, message, ran_by, name) in [
        ("q", "M", "own", "own"),
        ("own:q", "own:M", "own", "own"),
        ("l:q", "l:M", "theirs", "theirs"),
        ("l:outer", "M", "theirs", "own"),
        ("outer", "l:M", "theirs", "theirs"),
    ] {
        let (xml, mut options) = two_files(called, message);
        options.script = simulate::parse_script(&format!(r#"[{{"message":"{name}"}}]"#)).unwrap();
        let ran = run_with(&xml, &options).ends("completed");
        assert_eq!(ran.of("script"), [ran_by], "{called} {message}");
    }
    let (xml, mut options) = two_files("lost", "M");
    let inner = xml.replace(
        r#"calledElement="lost""#,
        r#"xmlns:far="lib" calledElement="far:q""#,
    );
    options.script = simulate::parse_script(r#"[{"message":"own"}]"#).unwrap();
    let ran = run_with(&inner, &options).ends("completed");
    assert_eq!(
        ran.of("script"),
        ["theirs"],
        "the nearest declaration holds"
    );
}

#[test]
fn a_prefix_of_nothing_is_told_and_never_calls_an_own_process() {
    let found = |xml: &str, imports: &Imports| {
        let findings = simulate::check_file_with(xml.as_bytes(), imports);
        let is_about = |rule: &str| matches!(rule, "reference-prefix" | "dangling-reference");
        let found = findings.into_iter().filter(|f| is_about(f.rule));
        found
            .map(|f| (f.rule, f.severity, f.element))
            .collect::<Vec<_>>()
    };
    let told = |called: &str, message: &str| {
        let (xml, options) = two_files(called, message);
        found(&xml, &options.imports)
    };
    let of = |rule, severity, element: &str| vec![(rule, severity, element.to_owned())];
    assert_eq!(told("l:q", "own:M"), []);
    for prefix in ["far", "undeclared"] {
        let message = format!("{prefix}:M");
        let slip = of("reference-prefix", Severity::Warning, "r");
        assert_eq!(told("q", &message), slip);
        let deployed = of("reference-prefix", Severity::Warning, "c");
        assert_eq!(told(&format!("{prefix}:another"), "M"), deployed);
        let ambiguous = of("reference-prefix", Severity::Error, "c");
        assert_eq!(told(&format!("{prefix}:q"), "M"), ambiguous);
    }
    let lost = of("dangling-reference", Severity::Error, "c");
    assert_eq!(told("l:p", "M"), lost, "the imported file has no `p`");
    let lost = of("dangling-reference", Severity::Error, "r");
    assert_eq!(told("q", "l:own"), lost);
    // What is not at hand cannot be looked into.
    let (xml, _) = two_files("l:another", "l:M");
    assert_eq!(found(&xml, &Imports::new()), []);
    let (xml, _) = two_files("l:q", "M");
    let ambiguous = of("reference-prefix", Severity::Error, "c");
    assert_eq!(found(&xml, &Imports::new()), ambiguous);
}

#[test]
fn flows_need_no_ids() {
    let xml = process(&format!(
        r#"{ENDS}<parallelGateway id="g"/><parallelGateway id="j"/>{}{}<sequenceFlow sourceRef="s" targetRef="g"/><sequenceFlow sourceRef="g" targetRef="a"/><sequenceFlow sourceRef="g" targetRef="b"/>
        <sequenceFlow sourceRef="a" targetRef="j"/><sequenceFlow sourceRef="b" targetRef="j"/><sequenceFlow sourceRef="j" targetRef="e"/>"#,
        script("a"),
        script("b")
    ));
    assert_eq!(scripts(auto(&xml, json!({}))), ["a", "b"]);
}

// Limits

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
fn an_event_sub_process_undoes_what_the_scope_around_it_did() {
    for (reference, expected) in [
        ("", vec!["a", "b", "ub", "ua"]),
        (r#" activityRef="a""#, vec!["a", "b", "ua"]),
    ] {
        let xml = process(&format!(
            r#"{ENDS}{}<subProcess id="sub" triggeredByEvent="true"><startEvent id="s2"><errorEventDefinition/></startEvent><endEvent id="e2"/>{}
            <intermediateThrowEvent id="w"><compensateEventDefinition{reference}/></intermediateThrowEvent>{}</subProcess>
            <endEvent id="bad"><errorEventDefinition errorRef="er"/></endEvent>{}"#,
            undone("a"),
            undone("b"),
            flows("s2>b>w>e2"),
            flows("s>a>bad")
        ));
        let xml = xml.replace(r#"<endEvent id="e"/>"#, "").replacen(
            "<process ",
            r#"<error id="er" errorCode="BAD"/><process "#,
            1,
        );
        assert_eq!(scripts(auto(&xml, json!({}))), expected, "{reference}");
    }
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
