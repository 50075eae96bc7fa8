//! When conditions are looked at: at each change, and never after the end.

use serde_json::json;
use workflow::simulate::Options;

use crate::model::{Ran, auto, file, flows, run, run_with, vars};

fn feel(id: &str, value: &str) -> String {
    format!(r#"<scriptTask id="{id}" scriptFormat="feel"><script>{value}</script></scriptTask>"#)
}

fn when(condition: &str) -> String {
    format!(
        "<conditionalEventDefinition><condition>{condition}</condition></conditionalEventDefinition>"
    )
}

/// A process whose event sub-process begins when `n > 1`.
fn guarded(interrupts: bool, inside: &str, middle: &str, path: &str) -> String {
    file(&format!(
        r#"<error id="er" errorCode="BAD"/><process id="p" isExecutable="true"><startEvent id="s"/>{middle}{}
        <subProcess id="sub" triggeredByEvent="true"><startEvent id="s2" isInterrupting="{interrupts}">{}</startEvent>{inside}<endEvent id="e2"/>{}</subProcess></process>"#,
        flows(path),
        when("n &gt; 1"),
        flows("s2>i>e2"),
    ))
}

fn ends_of(ran: &Ran) -> usize {
    ran.of("end").iter().filter(|of| **of == "p").count()
}

#[test]
fn an_ended_process_begins_nothing_more() {
    let (change, person) = (feel("c", "{n: 2}"), r#"<userTask id="i"/>"#);
    let task = |end: &str| format!(r#"{change}<endEvent id="last">{end}</endEvent>"#);
    for (end, outcome) in [
        ("<terminateEventDefinition/>", "completed"),
        (r#"<errorEventDefinition errorRef="er"/>"#, "failed"),
        ("", "completed"),
    ] {
        // The condition comes true with the last change there is; what ends everything ends what
        // begins by it too.
        let xml = guarded(false, &feel("i", "1"), &task(end), "s>c>last");
        let ran = auto(&xml, json!({"n": 0})).ends(outcome);
        assert_eq!(ends_of(&ran), 1, "{:?}", ran.events);
        let begun = ran.of("script").contains(&"i");
        assert_eq!(begun, end.is_empty());
        let xml = guarded(false, person, &task(end), "s>c>last");
        let ran = run(&xml, json!({"n": 0}), "[]");
        let waits = outcome == "completed" && end.is_empty();
        assert_eq!(ran.waiting().is_empty(), !waits, "{end}");
    }
}

#[test]
fn an_interrupting_event_sub_process_of_a_process_begins_once() {
    for given in [0, 5] {
        let middle = [feel("c", "{n: 2}"), r#"<endEvent id="e"/>"#.to_owned()].concat();
        let counts = feel("i", "{times: if times = null then 1 else times + 1, n: 3}");
        let xml = guarded(true, &counts, &middle, "s>c>e");
        let ran = auto(&xml, json!({"n": given})).ends("completed");
        assert_eq!(ends_of(&ran), 1);
        assert_eq!(ran.last["variables"]["times"], 1);
    }
}

#[test]
fn a_condition_is_looked_at_at_each_change() {
    // True for one step of another branch only.
    let xml = file(&format!(
        r#"<process id="p" isExecutable="true"><startEvent id="s"/><parallelGateway id="g"/><endEvent id="e"/><intermediateCatchEvent id="c">{}</intermediateCatchEvent>{}{}{}</process>"#,
        when("n = 2"),
        feel("two", "{n: 2}"),
        feel("three", "{n: 3}"),
        flows("s>g>c>e; g>two>three>e"),
    ));
    auto(&xml, json!({"n": 0})).ends("completed");
    // True from a change inside on, which never waits: its border is left by the event.
    let xml = file(&format!(
        r#"<process id="p" isExecutable="true"><startEvent id="s"/><endEvent id="e"/><endEvent id="out"/>
        <subProcess id="sub"><startEvent id="s2"/>{}<task id="t"/><endEvent id="e2"/>{}</subProcess>
        <boundaryEvent id="b" attachedToRef="sub">{}</boundaryEvent>{}</process>"#,
        feel("k", "{n: 2}"),
        flows("s2>k>t>e2"),
        when("n = 2"),
        flows("s>sub>e; b>out"),
    ));
    let ran = auto(&xml, json!({"n": 0})).ends("completed");
    assert!(ran.entered().contains(&"out") && !ran.entered().contains(&"t"));
}

#[test]
fn a_triggered_event_happens_whatever_it_waits_for() {
    let xml = |parallel: &str| {
        file(&format!(
            r#"<message id="m" name="M"/><signal id="sg" name="S"/><process id="p" isExecutable="true"><startEvent id="s"/><endEvent id="e"/>
            <intermediateCatchEvent id="c" {parallel}><messageEventDefinition messageRef="m"/><signalEventDefinition signalRef="sg"/></intermediateCatchEvent>{}</process>"#,
            flows("s>c>e")
        ))
    };
    for parallel in ["", r#"parallelMultiple="true""#] {
        run(&xml(parallel), json!({}), r#"[{"trigger":"c"}]"#).ends("completed");
    }
}

#[test]
fn a_first_step_starts_the_process_it_names_and_the_others_begin_as_usual() {
    let of = |id: &str| {
        format!(
            r#"<process id="{id}" isExecutable="true"><startEvent id="s{id}"/>{}<endEvent id="e{id}"/>{}</process>"#,
            feel(&format!("k{id}"), "1"),
            flows(&format!("s{id}>k{id}>e{id}"))
        )
    };
    let xml = file(&[of("P"), of("Q")].concat());
    let options = Options {
        process: Some("P".into()),
        also: vec!["Q".into()],
        vars: vars(json!({})),
        script: workflow::simulate::parse_script(r#"[{"start":"sQ"}]"#).unwrap(),
        ..Options::default()
    };
    let ran = run_with(&xml, &options).ends("completed");
    let mut scripts = ran.of("script");
    scripts.sort_unstable();
    assert_eq!(scripts, ["kP", "kQ"]);
}

#[test]
fn a_rest_has_the_sign_of_what_is_divided() {
    for (condition, holds) in [
        ("${n % 4 == -3}", true),
        ("${-n % 4 == 3}", true),
        ("${-n % -4 == 3}", true),
        ("${n % 4 == 1}", false),
    ] {
        let xml = file(&format!(
            r#"<process id="p" isExecutable="true"><startEvent id="s"/><exclusiveGateway id="g" default="no"/><endEvent id="yes"/><endEvent id="other"/>
            <sequenceFlow id="f" sourceRef="s" targetRef="g"/><sequenceFlow id="no" sourceRef="g" targetRef="other"/>
            <sequenceFlow id="is" sourceRef="g" targetRef="yes"><conditionExpression>{condition}</conditionExpression></sequenceFlow></process>"#
        ));
        let ran = auto(&xml, json!({"n": -7})).ends("completed");
        assert_eq!(ran.entered().contains(&"yes"), holds, "{condition}");
    }
}

#[test]
fn a_function_is_no_value_of_a_variable() {
    let xml = file(&format!(
        r#"<process id="p" isExecutable="true"><startEvent id="s"/>{}<endEvent id="e"/>{}</process>"#,
        feel("k", "{f: function(x) x + 1, n: 1}"),
        flows("s>k>e")
    ));
    let ran = auto(&xml, json!({})).ends("completed");
    assert_eq!(ran.last["variables"], json!({"f": null, "n": 1}));
}
