//! Every rule of the checker, with a model that breaks it.

use workflow::{
    check::{Severity, read_and_check},
    read::Imports,
    simulate,
};

use crate::model::{file, flows, process};

#[track_caller]
fn found(xml: &str, rule: &str, element: &str) {
    let (_, findings) = read_and_check(xml.as_bytes());
    assert!(
        findings
            .iter()
            .any(|finding| finding.rule == rule && finding.element == element),
        "{rule} at {element} not in {findings:#?}"
    );
}

#[track_caller]
fn breaks(body: &str, rule: &str, element: &str) {
    found(&process(body), rule, element);
}

#[test]
fn a_good_model_has_no_findings() {
    let body = format!(
        r#"<startEvent id="s"/><userTask id="t"/><endEvent id="e"/>{}"#,
        flows("s>t>e")
    );
    let (model, findings) = read_and_check(process(&body).as_bytes());
    assert!(model.is_some() && findings.is_empty(), "{findings:#?}");
}

#[test]
fn a_time_that_can_never_come_is_refused() {
    for (kind, text) in [
        ("timeDate", "PT5M"),
        ("timeDuration", "2030-01-01T00:00:00Z"),
        ("timeDuration", "R3/PT10M"),
        ("timeCycle", "2030-01-01T00:00:00Z"),
    ] {
        let timer = format!("<timerEventDefinition><{kind}>{text}</{kind}></timerEventDefinition>");
        let body = format!(
            r#"<startEvent id="s"/><intermediateCatchEvent id="c">{timer}</intermediateCatchEvent><endEvent id="e"/>{}"#,
            flows("s>c>e")
        );
        breaks(&body, "timer-wrong-kind", "c");
        let start = format!(r#"<startEvent id="s">{timer}</startEvent><endEvent id="e"/>"#);
        breaks(&format!("{start}{}", flows("s>e")), "timer-wrong-kind", "s");
    }
    let start = |time: &str| {
        process(&format!(
            r#"<startEvent id="s"><timerEventDefinition>{time}</timerEventDefinition></startEvent><endEvent id="e"/>{}"#,
            flows("s>e")
        ))
    };
    let unknown = start("<timeDate>${when}</timeDate>");
    found(&unknown, "start-timer-unknown", "s");
    for time in [
        "<timeDate>2030-01-01T00:00:00Z</timeDate>",
        "<timeDuration>PT5M</timeDuration>",
        "<timeCycle>R/PT5M</timeCycle>",
        "<timeCycle>0 0 9 ? * MON-FRI</timeCycle>",
        "<timeDuration>&quot;PT&quot; + &quot;5M&quot;</timeDuration>",
    ] {
        let (_, findings) = read_and_check(start(time).as_bytes());
        assert!(findings.is_empty(), "{time}: {findings:#?}");
    }
}

#[test]
fn a_pool_may_stand_for_an_imported_process() {
    let pools = r#"<collaboration id="k"><participant id="own" processRef="p"/><participant id="theirs" processRef="q"/></collaboration>
        <process id="p" isExecutable="true"><startEvent id="s"/><endEvent id="e"/><sequenceFlow id="f" sourceRef="s" targetRef="e"/></process>"#;
    found(&file(pools), "dangling-reference", "theirs");
    let import = r#"<import importType="http://www.omg.org/spec/BPMN/20100524/MODEL" location="other.bpmn" namespace="o"/>"#;
    let (_, findings) = read_and_check(file(&format!("{import}{pools}")).as_bytes());
    let rules: Vec<_> = findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, ["import-unresolved"]);
}

#[test]
fn references_must_lead_somewhere() {
    let s = r#"<startEvent id="s"/><endEvent id="e"/>"#;
    breaks(
        &format!("{s}{}", flows("s>e; s>nowhere")),
        "dangling-reference",
        "s-nowhere",
    );
    breaks(
        &format!("{s}<userTask id='s'/>{}", flows("s>e")),
        "duplicate-id",
        "s",
    );
    let body = r#"<startEvent id="s"><outgoing>lost</outgoing></startEvent>"#;
    breaks(body, "dangling-reference", "s");
    let body = format!(
        r#"{s}<intermediateThrowEvent id="m"><messageEventDefinition messageRef="x"/></intermediateThrowEvent>{}"#,
        flows("s>m>e")
    );
    breaks(&body, "dangling-reference", "m");
    let body = format!(
        r#"{s}<boundaryEvent id="b" attachedToRef="x"><errorEventDefinition/></boundaryEvent>{}"#,
        flows("s>e; b>e")
    );
    breaks(&body, "dangling-reference", "b");
    found(
        &file(
            r#"<collaboration id="c"><participant id="pp" processRef="x"/></collaboration><process id="p"/>"#,
        ),
        "dangling-reference",
        "pp",
    );
}

#[test]
fn everything_is_reachable_and_something_ends() {
    let s = r#"<startEvent id="s"/><endEvent id="e"/>"#;
    breaks(
        &format!(r#"{s}<task id="t"/>{}"#, flows("s>e")),
        "unreachable",
        "t",
    );
    breaks(
        &format!(
            r#"{s}<endEvent id="e2"/><task id="t"/>{}"#,
            flows("s>e; t>e2")
        ),
        "unreachable-end",
        "e2",
    );
    breaks(
        &format!(r#"<startEvent id="s"/><task id="t"/>{}"#, flows("s>t>t")),
        "no-end",
        "s",
    );
    breaks("", "empty-process", "p");
}

#[test]
fn events_stand_where_they_may() {
    let s = r#"<startEvent id="s"/><endEvent id="e"/><task id="t"/>"#;
    breaks(
        &format!("{s}{}", flows("s>t>e; t>s")),
        "start-with-incoming",
        "s",
    );
    breaks(
        &format!("{s}{}", flows("s>t>e>t")),
        "end-with-outgoing",
        "e",
    );
    breaks(r#"<startEvent id="s"/>"#, "start-without-outgoing", "s");
    let with = |event: &str, list: &str| format!("{s}{event}{}", flows(list));
    let timer_throw = r#"<intermediateThrowEvent id="x"><timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition></intermediateThrowEvent>"#;
    breaks(&with(timer_throw, "s>t>x>e"), "trigger-not-allowed", "x");
    breaks(
        &with(
            r#"<intermediateCatchEvent id="x"><errorEventDefinition/></intermediateCatchEvent>"#,
            "s>t>x>e",
        ),
        "trigger-not-allowed",
        "x",
    );
    breaks(
        &with(
            r#"<endEvent id="x"><linkEventDefinition name="l"/></endEvent>"#,
            "s>t>x; t>e",
        ),
        "trigger-not-allowed",
        "x",
    );
    breaks(
        &with(r#"<intermediateCatchEvent id="x"/>"#, "s>t>x>e"),
        "catch-untyped",
        "x",
    );
    breaks(
        &with(
            r#"<intermediateCatchEvent id="x"><timerEventDefinition/></intermediateCatchEvent>"#,
            "s>t>x>e",
        ),
        "timer-without-time",
        "x",
    );
    breaks(
        &with(
            r#"<intermediateCatchEvent id="x"><conditionalEventDefinition/></intermediateCatchEvent>"#,
            "s>t>x>e",
        ),
        "condition-missing",
        "x",
    );
    breaks(
        &with(
            r#"<intermediateThrowEvent id="x"><linkEventDefinition name="l"/></intermediateThrowEvent>"#,
            "s>t; t>x; t>e",
        ),
        "link-without-partner",
        "x",
    );
    breaks(
        &with(
            r#"<intermediateCatchEvent id="x"><linkEventDefinition name="l"/></intermediateCatchEvent>"#,
            "s>t>e; x>e",
        ),
        "link-without-partner",
        "x",
    );
    breaks(
        r#"<startEvent id="s" isInterrupting="false"><signalEventDefinition/></startEvent>"#,
        "start-not-interrupting",
        "s",
    );
    breaks(
        &with(
            r#"<endEvent id="x"><cancelEventDefinition/></endEvent>"#,
            "s>t>e; t>x",
        ),
        "cancel-outside-transaction",
        "x",
    );
    breaks(
        &with(
            r#"<startEvent id="x"><errorEventDefinition/></startEvent>"#,
            "s>t>e; x>t",
        ),
        "trigger-not-allowed",
        "x",
    );
}

#[test]
fn border_events_sit_on_activities() {
    let s = r#"<startEvent id="s"/><endEvent id="e"/><task id="t"/><exclusiveGateway id="g"/>"#;
    let with =
        |event: &str, list: &str| format!("{s}{event}{}", flows(&format!("s>t>g>e; {list}")));
    let border = |host: &str, more: &str, inner: &str| {
        format!(r#"<boundaryEvent id="b" attachedToRef="{host}" {more}>{inner}</boundaryEvent>"#)
    };
    breaks(
        &with(&border("g", "", "<errorEventDefinition/>"), "b>e"),
        "boundary-host",
        "b",
    );
    breaks(
        &with(&border("t", "", "<errorEventDefinition/>"), "b>e; t>b"),
        "boundary-with-incoming",
        "b",
    );
    breaks(&with(&border("t", "", ""), "b>e"), "boundary-untyped", "b");
    breaks(
        &with(&border("t", "", "<errorEventDefinition/>"), ""),
        "boundary-without-outgoing",
        "b",
    );
    breaks(
        &with(
            &border("t", r#"cancelActivity="false""#, "<errorEventDefinition/>"),
            "b>e",
        ),
        "boundary-must-interrupt",
        "b",
    );
    breaks(
        &with(&border("t", "", "<cancelEventDefinition/>"), "b>e"),
        "cancel-outside-transaction",
        "b",
    );
    breaks(
        &with(&border("t", "", "<compensateEventDefinition/>"), ""),
        "compensation-without-handler",
        "b",
    );
    breaks(
        &with(&border("t", "", "<compensateEventDefinition/>"), "b>e"),
        "compensation-with-flow",
        "b",
    );
}

#[test]
fn gateways_have_the_conditions_that_they_need() {
    let s = r#"<startEvent id="s"/><endEvent id="e"/><task id="a"/><task id="b"/>"#;
    let with = |gateway: &str, list: &str| format!("{s}{gateway}{}", flows(list));
    breaks(
        &with(
            r#"<exclusiveGateway id="g"/>"#,
            "s>g; g>a[x]; g>b; a>e; b>e",
        ),
        "branch-without-condition",
        "g",
    );
    breaks(
        &with(
            r#"<exclusiveGateway id="g" default="s-g"/>"#,
            "s>g; g>a[x]; g>b[y]; a>e; b>e",
        ),
        "default-not-outgoing",
        "g",
    );
    breaks(
        &with(
            r#"<exclusiveGateway id="g"/>"#,
            "s>g; g>a[x]; g>b[y]; a>e; b>e",
        ),
        "no-default",
        "g",
    );
    breaks(
        &with(r#"<parallelGateway id="g"/>"#, "s>g; g>a[x]; g>b; a>e; b>e"),
        "condition-not-allowed",
        "g-a",
    );
    breaks(
        &with(
            r#"<parallelGateway id="g" default="g-a"/>"#,
            "s>g; g>a; g>b; a>e; b>e",
        ),
        "default-not-allowed",
        "g",
    );
    breaks(
        &with(
            r#"<exclusiveGateway id="g" default="g-b"/>"#,
            "s>g; g>a[x >]; g>b; a>e; b>e",
        ),
        "condition-syntax",
        "g-a",
    );
    breaks(
        &with(r#"<eventBasedGateway id="g"/>"#, "s>g; g>a; g>b; a>e; b>e"),
        "event-gateway-targets",
        "g",
    );
    breaks(
        &with(
            r#"<parallelGateway id="g" gatewayDirection="Converging"/>"#,
            "s>g; g>a; g>b; a>e; b>e",
        ),
        "gateway-direction",
        "g",
    );
    breaks(
        &with(r#"<exclusiveGateway id="g"/>"#, "s>g; g>a; a>b; b>e"),
        "gateway-superfluous",
        "g",
    );
    breaks(&with("", "s>a; a>b[x]; b>e"), "conditional-flow-alone", "a");
    breaks(
        &with(r#"<adHocSubProcess id="g"/>"#, "s>g; g>a>b>e"),
        "ad-hoc-empty",
        "g",
    );
    breaks(
        &with(
            r#"<eventBasedGateway id="g" instantiate="true"/>"#,
            "s>g; g>a; g>b; a>e; b>e",
        ),
        "instantiate-with-incoming",
        "g",
    );
}

#[test]
fn sub_processes_keep_their_borders() {
    let inner = flows("s1>e1");
    let body = format!(
        r#"<startEvent id="s"/><endEvent id="e"/><subProcess id="sub"><startEvent id="s1"/><endEvent id="e1"/>{inner}{}</subProcess>{}"#,
        r#"<sequenceFlow id="out" sourceRef="s1" targetRef="e"/>"#,
        flows("s>sub>e")
    );
    breaks(&body, "flow-crosses-border", "out");
    let event_sub = |start: &str, list: &str| {
        format!(
            r#"<startEvent id="s"/><endEvent id="e"/><subProcess id="sub" triggeredByEvent="true">{start}<endEvent id="e1"/>{inner}</subProcess>{}"#,
            flows(list)
        )
    };
    breaks(
        &event_sub(r#"<startEvent id="s1"/>"#, "s>e"),
        "event-sub-start",
        "sub",
    );
    breaks(
        &event_sub(
            r#"<startEvent id="s1"><signalEventDefinition/></startEvent>"#,
            "s>sub>e",
        ),
        "event-sub-with-flow",
        "sub",
    );
    let body = format!(
        r#"<startEvent id="s"/><endEvent id="e"/><subProcess id="sub"><startEvent id="s1"><signalEventDefinition/></startEvent><endEvent id="e1"/>{inner}</subProcess>{}"#,
        flows("s>sub>e")
    );
    breaks(&body, "sub-start-typed", "s1");
    let body = format!(
        r#"<startEvent id="s"/><endEvent id="e"/><userTask id="t"><multiInstanceLoopCharacteristics/></userTask>{}"#,
        flows("s>t>e")
    );
    breaks(&body, "multi-without-number", "t");
}

#[test]
fn message_flows_go_between_pools() {
    let body = |from: &str, to: &str| {
        file(&format!(
            r#"<collaboration id="c"><participant id="pp" processRef="p"/><participant id="pq"/>
            <messageFlow id="f" sourceRef="{from}" targetRef="{to}"/></collaboration>
            <process id="p"><startEvent id="s"/><task id="t"/><task id="u"/><exclusiveGateway id="g"/><endEvent id="e"/>{}</process>"#,
            flows("s>t>u>g>e")
        ))
    };
    found(&body("t", "u"), "message-flow-inside-pool", "f");
    found(&body("t", "lost"), "dangling-reference", "f");
    found(&body("pq", "g"), "message-flow-end", "f");
    found(&body("s", "pq"), "message-flow-end", "f");
    let (model, _) = read_and_check(body("t", "pq").as_bytes());
    assert!(model.is_some());
}

#[test]
fn hostile_xml_is_refused() {
    for (xml, rule) in [
        ("", "xml-malformed"),
        ("<a", "xml-malformed"),
        ("<a><b></a>", "xml-malformed"),
        ("<a/>", "xml-not-bpmn"),
        (
            "<!DOCTYPE d SYSTEM \"file:///etc/passwd\"><d/>",
            "xml-doctype",
        ),
        ("<d>&x;</d>", "xml-entity"),
        ("<d a=\"&x;\"/>", "xml-entity"),
    ] {
        found(xml, rule, "");
    }
    found(&"<a>".repeat(100_000), "xml-malformed", "");
    let (_, findings) = read_and_check(&[0xff, 0xfe, 0x3c]);
    assert_eq!(findings[0].rule, "xml-encoding");
    let (_, findings) = read_and_check(&vec![b' '; 21 * 1024 * 1024]);
    assert_eq!(findings[0].rule, "xml-too-large");
}

#[test]
fn any_prefix_is_read_and_lines_are_counted() {
    let xml = "<x:definitions xmlns:x=\"http://www.omg.org/spec/BPMN/20100524/MODEL\">\n<x:process id=\"p\">\n\
               <x:startEvent id=\"s\"/>\n<x:task id=\"t\"/></x:process></x:definitions>";
    let (_, findings) = read_and_check(xml.as_bytes());
    let lines: Vec<_> = findings
        .iter()
        .map(|finding| (finding.rule, finding.line))
        .collect();
    assert!(
        lines.contains(&("start-without-outgoing", 3)) && lines.contains(&("unreachable", 4)),
        "{findings:#?}"
    );
}

#[test]
fn the_command_line_prints_findings_and_says_if_one_refuses() {
    let good = process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/>{}"#,
        flows("s>e")
    ));
    let read = |text: &str| Ok((text.as_bytes().to_vec(), Imports::new()));
    let files = [
        ("good.bpmn".to_owned(), read(&good)),
        ("bad.bpmn".to_owned(), read("<a/>")),
    ];
    let mut out = Vec::new();
    assert_eq!(
        simulate::check_all(&files[..1], false, &mut out).unwrap(),
        0
    );
    assert_eq!(simulate::check_all(&files, false, &mut out).unwrap(), 1);
    assert!(
        String::from_utf8(out)
            .unwrap()
            .contains("bad.bpmn:line 1: error [xml-not-bpmn]")
    );
    let mut out = Vec::new();
    assert_eq!(simulate::check_all(&files, true, &mut out).unwrap(), 1);
    assert_eq!(String::from_utf8(out).unwrap().lines().count(), 2);
    // One that cannot be read hides nothing of the others.
    let files = [
        ("good.bpmn".to_owned(), read(&good)),
        ("nope".to_owned(), Err("cannot read nope".to_owned())),
        ("bad.bpmn".to_owned(), read("<a/>")),
    ];
    let (mut lines, mut report) = (Vec::new(), Vec::new());
    assert_eq!(
        simulate::check_all(&files[..2], false, &mut lines).unwrap(),
        1
    );
    let lines = String::from_utf8(lines).unwrap();
    assert_eq!(lines, "good.bpmn: nothing found\nnope: cannot read nope\n");
    assert_eq!(simulate::check_all(&files, true, &mut report).unwrap(), 1);
    let report = String::from_utf8(report).unwrap();
    let report: Vec<&str> = report.lines().collect();
    assert!(report[1].contains(r#""unreadable":"cannot read nope""#));
    assert!(report[2].contains("xml-not-bpmn"), "{report:?}");
}

#[test]
fn a_refused_model_is_not_simulated() {
    let mut out = Vec::new();
    let code = simulate::run(b"<a/>", &simulate::Options::default(), &mut out).unwrap();
    assert_eq!(code, simulate::REFUSED);
    assert!(
        String::from_utf8(out)
            .unwrap()
            .contains(r#""outcome":"failed""#)
    );
}

#[test]
fn foreign_attributes_are_taken_over_or_reported() {
    let xml = process(&format!(
        r#"<startEvent id="s"/><userTask id="t" camunda:candidateGroups="examiner" camunda:candidateUsers="${{who}}" camunda:formKey="f1" camunda:taskListener="x"/><endEvent id="e"/>{}"#,
        flows("s>t>e")
    ));
    let (model, findings) = read_and_check(xml.as_bytes());
    let model = model.unwrap();
    let node = &model[model.lookup("t").unwrap()];
    assert_eq!(
        ["candidates", "users", "form"].map(|name| node.attribute(name)),
        [Some("examiner"), Some("${who}"), Some("f1")]
    );
    assert_eq!(model.ignored[0].what, "camunda:taskListener=\"x\"");
    assert!(
        findings
            .iter()
            .all(|finding| finding.severity == Severity::Warning)
    );
}

#[test]
fn everything_of_other_engines_without_effect_is_listed() {
    let xml = process(&format!(
        r#"<startEvent id="s"/>
        <serviceTask id="async" camunda:delegateExpression="${{fees}}" camunda:asyncBefore="true" camunda:exclusive="false" camunda:asyncAfter="true">
          <extensionElements><camunda:failedJobRetryTimeCycle>R3/PT1M</camunda:failedJobRetryTimeCycle>
            <camunda:executionListener class="x.Y" event="start"/></extensionElements></serviceTask>
        <serviceTask id="java" camunda:class="x.Y"/>
        <serviceTask id="out" camunda:type="external" camunda:topic="payment"/>
        <userTask id="many" camunda:asyncBefore="true" camunda:assignee="${{who}}">
          <multiInstanceLoopCharacteristics camunda:collection="people" camunda:elementVariable="who" camunda:asyncBefore="true"/></userTask>
        <endEvent id="e"/>{}"#,
        flows("s>async>java>out>many>e")
    ))
    .replace("<process ", r#"<process camunda:historyTimeToLive="30" "#);
    let (model, findings) = read_and_check(xml.as_bytes());
    let model = model.unwrap_or_else(|| panic!("{findings:?}"));
    let attribute = |id: &str, name: &str| {
        let node = &model[model.lookup(id).unwrap()];
        node.attribute(name).map(str::to_owned)
    };
    assert_eq!(attribute("async", "call").as_deref(), Some("fees"));
    assert_eq!(attribute("async", "async").as_deref(), Some("true"));
    assert_eq!(attribute("async", "retries").as_deref(), Some("R3/PT1M"));
    assert_eq!(attribute("out", "topic").as_deref(), Some("payment"));
    let mut ignored: Vec<_> = model
        .ignored
        .iter()
        .map(|one| format!("{} {}", one.element, one.what))
        .collect();
    ignored.sort();
    assert_eq!(
        ignored,
        [
            "async <camunda:executionListener>",
            "async camunda:asyncAfter=\"true\"",
            "java camunda:class=\"x.Y\"",
            "many camunda:asyncBefore=\"true\"",
            "many camunda:asyncBefore=\"true\"",
            "p camunda:historyTimeToLive=\"30\"",
        ]
    );
    let mut out = Vec::new();
    let content = (xml.into_bytes(), Imports::new());
    let files = [("a.bpmn".to_owned(), Ok(content))];
    assert_eq!(simulate::check_all(&files, true, &mut out).unwrap(), 0);
    let report: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(report["ignored"].as_array().unwrap().len(), 6);
}

#[test]
fn a_script_in_a_parameter_is_listed_or_evaluated() {
    let xml = process(&format!(
        r#"<startEvent id="s"/><userTask id="t"><extensionElements><camunda:inputOutput>
        <camunda:inputParameter name="a"><camunda:script scriptFormat="groovy">x + 1</camunda:script></camunda:inputParameter>
        <camunda:inputParameter name="b"><camunda:script scriptFormat="feel">1 + 1</camunda:script></camunda:inputParameter>
        <camunda:inputParameter name="c"><camunda:list><camunda:value>1</camunda:value><camunda:script scriptFormat="groovy">2</camunda:script></camunda:list></camunda:inputParameter>
        <camunda:inputParameter name="d">plain</camunda:inputParameter>
        <camunda:outputParameter name="f"><camunda:script resource="f.js"/></camunda:outputParameter>
        </camunda:inputOutput></extensionElements></userTask><endEvent id="e"/>{}"#,
        flows("s>t>e")
    ));
    let (model, findings) = read_and_check(xml.as_bytes());
    let model = model.unwrap_or_else(|| panic!("{findings:?}"));
    let node = &model[model.lookup("t").unwrap()];
    let said = |mappings: &[workflow::model::Mapping]| -> Vec<String> {
        let each = mappings.iter();
        each.map(|one| format!("{}={}", one.target, one.source.text))
            .collect()
    };
    assert_eq!(said(&node.inputs), ["b=1 + 1", "d=\"plain\""]);
    assert!(node.outputs.is_empty());
    let ignored: Vec<&str> = model.ignored.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(
        ignored,
        [
            r#"<camunda:inputParameter name="a"><camunda:script scriptFormat="groovy">"#,
            r#"<camunda:inputParameter name="c"><camunda:script scriptFormat="groovy">"#,
            r#"<camunda:outputParameter name="f"><camunda:script scriptFormat="">"#,
        ]
    );
}
