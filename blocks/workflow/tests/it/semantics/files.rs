//! Several files, and what they call one another.

use chrono::DateTime;
use serde_json::json;
use workflow::{
    check::Severity,
    core::{Input, Rejection, advance},
    read::Imports,
    simulate::{self, Options},
};

use super::{ENDS, script, scripts};
use crate::{
    model::{auto, file, flows, process, run_with},
    steps::compile,
};

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
