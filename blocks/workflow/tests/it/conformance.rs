//! Every static rule: a model that breaks it is refused, and its valid twin passes.
//!
//! The table of rules in `docs/guide/bpmn-conformance.md` and the cases here are compared.

#![expect(clippy::too_many_lines, reason = "tables of cases")]

use std::collections::BTreeSet;

use workflow::check::{Finding, Severity, read_and_check};

use crate::model::{file, flows, process};

pub struct Case {
    rule: &'static str,
    element: &'static str,
    is_error: bool,
    bad: String,
    good: String,
}

/// A case about one executable process.
pub fn case(rule: &'static str, element: &'static str, bad: &str, good: &str) -> Case {
    of_files(rule, element, process(bad), process(good))
}

pub fn of_files(rule: &'static str, element: &'static str, bad: String, good: String) -> Case {
    Case {
        rule,
        element,
        is_error: true,
        bad,
        good,
    }
}

/// A case whose finding is told and does not refuse.
pub fn told(case: Case) -> Case {
    Case {
        is_error: false,
        ..case
    }
}

/// Start `s`, end `e`, whatever lies between, and flows.
pub fn between(middle: &str, list: &str) -> String {
    format!(
        r#"<startEvent id="s"/><endEvent id="e"/>{middle}{}"#,
        flows(list)
    )
}

const MESSAGE: &str = r#"<message id="m" name="paid"/><message id="m2" name="sent"/><signal id="sg" name="storm"/>
    <error id="er" errorCode="BAD"/><error id="bare"/><escalation id="es" escalationCode="UP"/><escalation id="low"/>"#;

/// A task that as many handlers undo.
fn undone_by(events: &[&str]) -> String {
    let handler = |event: &&str| {
        format!(
            r#"<boundaryEvent id="{event}" attachedToRef="t"><compensateEventDefinition/></boundaryEvent><userTask id="u{event}" isForCompensation="true"/><association id="a{event}" sourceRef="{event}" targetRef="u{event}"/>"#
        )
    };
    let handlers: String = events.iter().map(handler).collect();
    format!(r#"<userTask id="t"/>{handlers}"#)
}

fn timed(text: &str) -> String {
    format!(
        r#"<timerEventDefinition id="d"><timeDuration>{text}</timeDuration></timerEventDefinition>"#
    )
}

/// A process with data from outside, whose task writes into `target`.
fn written_to(target: &str) -> String {
    between(
        &format!(
            r#"<ioSpecification><dataInput id="given" name="given"/><inputSet><dataInputRefs>given</dataInputRefs></inputSet><outputSet/></ioSpecification><property id="kept" name="kept"/>
            <userTask id="t"><ioSpecification><dataOutput id="out" name="out"/><inputSet/><outputSet><dataOutputRefs>out</dataOutputRefs></outputSet></ioSpecification><dataOutputAssociation id="a"><sourceRef>out</sourceRef><targetRef>{target}</targetRef></dataOutputAssociation></userTask>"#
        ),
        "s>t>e",
    )
}

/// As [`between`], in a file that declares messages, signals, errors and escalations.
fn declared(middle: &str, list: &str) -> String {
    file(&format!(
        r#"{MESSAGE}<process id="p" isExecutable="true">{}</process>"#,
        between(middle, list)
    ))
}

fn events() -> Vec<Case> {
    let t = r#"<task id="t"/>"#;
    let two = |kind: &str, inner: &str| format!(r#"{t}<{kind} id="x">{inner}</{kind}>"#);
    let timer = "<timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition>";
    let signal = r#"<signalEventDefinition signalRef="sg"/>"#;
    let message = r#"<messageEventDefinition messageRef="m"/>"#;
    let place = |kind: &str, bad: &str, good: &str, list: &str| {
        of_files(
            "trigger-not-allowed",
            "x",
            declared(&two(kind, bad), list),
            declared(&two(kind, good), list),
        )
    };
    let (on_way, at_end) = ("s>t>x>e", "s>t>x; t>e");
    let condition =
        "<conditionalEventDefinition><condition>a > 1</condition></conditionalEventDefinition>";
    let error = r#"<errorEventDefinition errorRef="er"/>"#;
    let mut cases = vec![
        case(
            "start-with-incoming",
            "s",
            &between(t, "s>t>e; t>s"),
            &between(t, "s>t>e"),
        ),
        case(
            "start-without-outgoing",
            "s",
            r#"<startEvent id="s"/><task id="t"/><endEvent id="e"/><sequenceFlow id="f" sourceRef="t" targetRef="e"/>"#,
            &between(t, "s>t>e"),
        ),
        case(
            "end-with-outgoing",
            "e",
            &between(t, "s>t>e>t"),
            &between(t, "s>t>e"),
        ),
        case(
            "end-without-start",
            "e",
            r#"<task id="t"/><endEvent id="e"/><sequenceFlow id="f" sourceRef="t" targetRef="e"/>"#,
            r#"<receiveTask id="t" instantiate="true"/><endEvent id="e"/><sequenceFlow id="f" sourceRef="t" targetRef="e"/>"#,
        ),
        case(
            "start-without-end",
            "s",
            r#"<startEvent id="s"/><task id="t"/><sequenceFlow id="f" sourceRef="s" targetRef="t"/>"#,
            r#"<task id="a"/><task id="t"/><sequenceFlow id="f" sourceRef="a" targetRef="t"/>"#,
        ),
        case(
            "start-not-interrupting",
            "s",
            r#"<startEvent id="s" isInterrupting="false"/><endEvent id="e"/><sequenceFlow id="f" sourceRef="s" targetRef="e"/>"#,
            &between(t, "s>t>e"),
        ),
        case(
            "condition-not-allowed",
            "s-t",
            &between(t, "s>t[a]; t>e"),
            &between(t, "s>t>e"),
        ),
        of_files(
            "condition-not-allowed",
            "x-e",
            declared(&two("intermediateCatchEvent", timer), "s>t>x; x>e[a]"),
            declared(&two("intermediateCatchEvent", timer), on_way),
        ),
        case(
            "catch-untyped",
            "x",
            &between(&two("intermediateCatchEvent", ""), on_way),
            &between(&two("intermediateCatchEvent", timer), on_way),
        ),
        case(
            "event-without-outgoing",
            "x",
            &between(&two("intermediateCatchEvent", timer), at_end),
            &between(&two("intermediateCatchEvent", timer), on_way),
        ),
        case(
            "event-without-outgoing",
            "x",
            &between(&two("intermediateThrowEvent", ""), at_end),
            &between(&two("intermediateThrowEvent", ""), on_way),
        ),
        case(
            "event-without-incoming",
            "x",
            &between(&two("intermediateThrowEvent", ""), "s>t>e; x>e"),
            &between(&two("intermediateThrowEvent", ""), on_way),
        ),
        case(
            "timer-without-time",
            "x",
            &between(
                &two("intermediateCatchEvent", "<timerEventDefinition/>"),
                on_way,
            ),
            &between(&two("intermediateCatchEvent", timer), on_way),
        ),
        case(
            "start-working-days",
            "s",
            &between("", "s>e").replace(
                r#"<startEvent id="s"/>"#,
                r#"<startEvent id="s"><timerEventDefinition tongban:workingDays="3"/></startEvent>"#,
            ),
            &between("", "s>e").replace(
                r#"<startEvent id="s"/>"#,
                r#"<startEvent id="s"><timerEventDefinition><timeCycle>R/P1D</timeCycle></timerEventDefinition></startEvent>"#,
            ),
        ),
        case(
            "element-unknown",
            "x",
            &between(r#"<userTask id="t"/><fooTask id="x"/>"#, "s>t>e"),
            &between(r#"<userTask id="t"/><task id="x"/>"#, "s>t>x>e"),
        ),
        case(
            "value-unknown",
            "t",
            &between(r#"<userTask id="t" isForCompensation="no"/>"#, "s>t>e"),
            &between(r#"<userTask id="t" isForCompensation="false"/>"#, "s>t>e"),
        ),
        case(
            "element-twice",
            "t",
            &between(
                r#"<userTask id="t"><standardLoopCharacteristics/><multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics></userTask>"#,
                "s>t>e",
            ),
            &between(
                r#"<userTask id="t"><multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics></userTask>"#,
                "s>t>e",
            ),
        ),
        case(
            "compensation-twice",
            "b2",
            &between(&undone_by(&["b1", "b2"]), "s>t>e"),
            &between(&undone_by(&["b1"]), "s>t>e"),
        ),
        case(
            "timer-unreadable",
            "d",
            &between(&two("intermediateCatchEvent", &timed("PT5X")), on_way),
            &between(&two("intermediateCatchEvent", &timed("PT5M")), on_way),
        ),
        case(
            "process-input-written",
            "a",
            &written_to("given"),
            &written_to("kept"),
        ),
        case(
            "timer-with-two-times",
            "d",
            &between(
                &two(
                    "intermediateCatchEvent",
                    r#"<timerEventDefinition id="d"><timeDuration>PT1H</timeDuration><timeCycle>R/PT1H</timeCycle></timerEventDefinition>"#,
                ),
                on_way,
            ),
            &between(&two("intermediateCatchEvent", timer), on_way),
        ),
        case(
            "condition-missing",
            "x",
            &between(
                &two("intermediateCatchEvent", "<conditionalEventDefinition/>"),
                on_way,
            ),
            &between(&two("intermediateCatchEvent", condition), on_way),
        ),
        of_files(
            "message-missing",
            "x",
            declared(
                &two("intermediateCatchEvent", "<messageEventDefinition/>"),
                on_way,
            ),
            declared(&two("intermediateCatchEvent", message), on_way),
        ),
        of_files(
            "message-missing",
            "x",
            declared(&two("endEvent", "<messageEventDefinition/>"), at_end),
            declared(
                &two(
                    "endEvent",
                    r#"<messageEventDefinition camunda:topic="mail" camunda:type="external"/>"#,
                ),
                at_end,
            ),
        ),
        of_files(
            "signal-missing",
            "x",
            declared(
                &two("intermediateCatchEvent", "<signalEventDefinition/>"),
                on_way,
            ),
            declared(&two("intermediateCatchEvent", signal), on_way),
        ),
        of_files(
            "error-without-code",
            "x",
            declared(&two("endEvent", "<errorEventDefinition/>"), at_end),
            declared(&two("endEvent", error), at_end),
        ),
        of_files(
            "error-without-code",
            "x",
            declared(
                &two("endEvent", r#"<errorEventDefinition errorRef="bare"/>"#),
                at_end,
            ),
            declared(&two("endEvent", error), at_end),
        ),
        of_files(
            "escalation-without-code",
            "x",
            declared(
                &two(
                    "intermediateThrowEvent",
                    r#"<escalationEventDefinition escalationRef="low"/>"#,
                ),
                on_way,
            ),
            declared(
                &two(
                    "intermediateThrowEvent",
                    r#"<escalationEventDefinition escalationRef="es"/>"#,
                ),
                on_way,
            ),
        ),
        of_files(
            "end-without-incoming",
            "x",
            declared(r#"<endEvent id="x"/>"#, "s>e"),
            declared(t, "s>t>e"),
        ),
        place("intermediateThrowEvent", timer, signal, on_way),
        place("intermediateThrowEvent", condition, message, on_way),
        place("intermediateThrowEvent", error, "", on_way),
        place(
            "intermediateThrowEvent",
            "<terminateEventDefinition/>",
            "<compensateEventDefinition/>",
            on_way,
        ),
        place(
            "intermediateThrowEvent",
            "<cancelEventDefinition/>",
            r#"<escalationEventDefinition escalationRef="es"/>"#,
            on_way,
        ),
        place("intermediateCatchEvent", error, signal, on_way),
        place(
            "intermediateCatchEvent",
            r#"<escalationEventDefinition escalationRef="es"/>"#,
            message,
            on_way,
        ),
        place(
            "intermediateCatchEvent",
            "<compensateEventDefinition/>",
            condition,
            on_way,
        ),
        place(
            "intermediateCatchEvent",
            "<terminateEventDefinition/>",
            timer,
            on_way,
        ),
        place(
            "intermediateCatchEvent",
            "<cancelEventDefinition/>",
            &format!("{signal}{message}"),
            on_way,
        ),
        place("endEvent", timer, "<terminateEventDefinition/>", at_end),
        place(
            "endEvent",
            condition,
            "<compensateEventDefinition/>",
            at_end,
        ),
        place(
            "endEvent",
            r#"<linkEventDefinition name="l"/>"#,
            signal,
            at_end,
        ),
    ];
    for (bad, good) in [
        (error, timer),
        (r#"<escalationEventDefinition escalationRef="es"/>"#, signal),
        ("<compensateEventDefinition/>", message),
        ("<cancelEventDefinition/>", condition),
        ("<terminateEventDefinition/>", ""),
        (r#"<linkEventDefinition name="l"/>"#, message),
    ] {
        cases.push(place("startEvent", bad, good, "s>t>e; x>t"));
    }
    cases.retain(|case| case.rule != "end-without-incoming");
    cases.push(told(of_files(
        "end-without-incoming",
        "x",
        file(&format!(
            r#"<process id="p">{}</process>"#,
            r#"<task id="t"/><endEvent id="x"/>"#
        )),
        process(&between(t, "s>t>e")),
    )));
    cases
}

fn links() -> Vec<Case> {
    let throw = |id: &str, name: &str| {
        format!(
            r#"<intermediateThrowEvent id="{id}"><linkEventDefinition name="{name}"/></intermediateThrowEvent>"#
        )
    };
    let catch = |id: &str, name: &str| {
        format!(
            r#"<intermediateCatchEvent id="{id}"><linkEventDefinition name="{name}"/></intermediateCatchEvent>"#
        )
    };
    let both = format!("{}{}", throw("a", "L"), catch("b", "L"));
    let good = between(&both, "s>a; b>e");
    let t = r#"<task id="t"/>"#;
    vec![
        case(
            "link-without-partner",
            "a",
            &between(&format!("{t}{}", throw("a", "L")), "s>t>e; t>a"),
            &good,
        ),
        case(
            "link-without-partner",
            "b",
            &between(&catch("b", "L"), "s>e; b>e"),
            &good,
        ),
        case(
            "link-duplicate",
            "c",
            &between(&format!("{both}{}", catch("c", "L")), "s>a; b>e; c>e"),
            &between(&format!("{both}{}", throw("c", "L")), "s>a; b>e; s>c"),
        ),
        case(
            "link-without-name",
            "a",
            &between(&format!("{}{}", throw("a", ""), catch("b", "")), "s>a; b>e"),
            &good,
        ),
        case(
            "link-not-alone",
            "a",
            &between(
                &both.replace(
                    r#"<intermediateThrowEvent id="a">"#,
                    r#"<intermediateThrowEvent id="a"><signalEventDefinition/>"#,
                ),
                "s>a; b>e",
            ),
            &good,
        ),
        case(
            "link-catch-with-incoming",
            "b",
            &between(&format!("{both}{t}"), "s>t>b>e; t>a"),
            &good,
        ),
        case(
            "link-throw-with-outgoing",
            "a",
            &between(&format!("{both}{t}"), "s>a>t>e; b>e"),
            &good,
        ),
    ]
}

fn borders() -> Vec<Case> {
    let on = |host: &str, more: &str, inner: &str| {
        format!(
            r#"<task id="t"/><exclusiveGateway id="g" default="g-e"/><userTask id="u"/><boundaryEvent id="b" attachedToRef="{host}" {more}>{inner}</boundaryEvent>"#
        )
    };
    let path = "s>t>u>g; g>e; g>t[a]; b>e";
    let timer = "<timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition>";
    let error = r#"<errorEventDefinition errorRef="er"/>"#;
    let undo = |extra: &str, association: &str| {
        format!(
            r#"<task id="t"/><task id="u" isForCompensation="true"/><boundaryEvent id="b" attachedToRef="t"><compensateEventDefinition/></boundaryEvent>{extra}{association}"#
        )
    };
    let associated = r#"<association id="as" sourceRef="b" targetRef="u"/>"#;
    let good = declared(&on("t", "", error), path);
    let undone = process(&between(&undo("", associated), "s>t>e"));
    let compensating = |activity: &str| {
        between(
            &format!(
                r#"{}<intermediateThrowEvent id="w"><compensateEventDefinition activityRef="{activity}"/></intermediateThrowEvent>"#,
                undo("", associated)
            ),
            "s>t>w>e",
        )
    };
    let mut cases = vec![
        of_files(
            "boundary-host",
            "b",
            declared(&on("g", "", error), path),
            good.clone(),
        ),
        of_files(
            "boundary-without-host",
            "b",
            declared(
                &on("t", "", error).replace(r#"attachedToRef="t""#, ""),
                path,
            ),
            good.clone(),
        ),
        of_files(
            "boundary-with-incoming",
            "b",
            declared(&on("t", "", error), &format!("{path}; u>b")),
            good.clone(),
        ),
        of_files(
            "boundary-untyped",
            "b",
            declared(&on("t", "", ""), path),
            good.clone(),
        ),
        of_files(
            "boundary-without-outgoing",
            "b",
            declared(&on("t", "", error), "s>t>u>g; g>e; g>t[a]"),
            good.clone(),
        ),
        of_files(
            "boundary-must-interrupt",
            "b",
            declared(&on("t", r#"cancelActivity="false""#, error), path),
            declared(&on("t", r#"cancelActivity="false""#, timer), path),
        ),
        of_files(
            "cancel-outside-transaction",
            "b",
            declared(&on("t", "", "<cancelEventDefinition/>"), path),
            good.clone(),
        ),
        case(
            "cancel-outside-transaction",
            "x",
            &between(
                r#"<task id="t"/><endEvent id="x"><cancelEventDefinition/></endEvent>"#,
                "s>t>e; t>x",
            ),
            &between(
                &format!(
                    r#"<transaction id="t"><startEvent id="s1"/><endEvent id="x"><cancelEventDefinition/></endEvent>{}</transaction><boundaryEvent id="b" attachedToRef="t"><cancelEventDefinition/></boundaryEvent>"#,
                    flows("s1>x")
                ),
                "s>t>e; b>e",
            ),
        ),
        of_files(
            "compensation-without-handler",
            "b",
            process(&between(&undo("", ""), "s>t>e")),
            undone.clone(),
        ),
        of_files(
            "compensation-with-flow",
            "b",
            process(&between(&undo("", associated), "s>t>e; b>e")),
            undone.clone(),
        ),
        of_files(
            "compensation-with-flow",
            "u",
            process(&between(&undo("", associated), "s>t>e; t>u")),
            undone.clone(),
        ),
        case(
            "compensation-reference",
            "w",
            &compensating("e"),
            &compensating("t"),
        ),
        told(of_files(
            "compensation-unused",
            "u",
            process(&between(
                r#"<task id="t"/><task id="u" isForCompensation="true"/>"#,
                "s>t>e",
            )),
            undone.clone(),
        )),
        told(of_files(
            "compensation-not-interrupting",
            "b",
            process(&between(
                &undo("", associated).replace(
                    r#"attachedToRef="t""#,
                    r#"attachedToRef="t" cancelActivity="false""#,
                ),
                "s>t>e",
            )),
            undone.clone(),
        )),
    ];
    for trigger in [
        "<terminateEventDefinition/>",
        r#"<linkEventDefinition name="l"/>"#,
    ] {
        cases.push(of_files(
            "trigger-not-allowed",
            "b",
            declared(&on("t", "", trigger), path),
            good.clone(),
        ));
    }
    cases
}

fn gateways() -> Vec<Case> {
    let ab = r#"<task id="a"/><task id="b"/>"#;
    let with = |gateway: &str, list: &str| between(&format!("{ab}{gateway}"), list);
    let split = r#"<exclusiveGateway id="g" default="g-b"/>"#;
    let good = with(split, "s>g; g>a[x]; g>b; a>e; b>e");
    let both = with(r#"<parallelGateway id="g"/>"#, "s>g; g>a; g>b; a>e; b>e");
    let m = |id: &str, name: &str| {
        format!(
            r#"<intermediateCatchEvent id="{id}"><messageEventDefinition messageRef="{name}"/></intermediateCatchEvent>"#
        )
    };
    let choice = |more: &str, events: &str, list: &str| {
        declared(
            &format!(r#"<eventBasedGateway id="g" {more}/>{events}"#),
            list,
        )
    };
    let events = format!("{}{}", m("a", "m"), m("b", "m2"));
    let chosen = choice("", &events, "s>g; g>a>e; g>b>e");
    let receives = r#"<receiveTask id="a" messageRef="m"/>"#;
    let begins = |list: &str, more: &str| {
        file(&format!(
            r#"{MESSAGE}<process id="p" isExecutable="true"><endEvent id="e"/><task id="t"/><eventBasedGateway id="g" instantiate="true" {more}/>{events}{}</process>"#,
            flows(list)
        ))
    };
    vec![
        case("gateway-unconnected", "g", &with(split, "s>a>b>e"), &good),
        case(
            "branch-without-condition",
            "g",
            &with(r#"<exclusiveGateway id="g"/>"#, "s>g; g>a; g>b; a>e; b>e"),
            &good,
        ),
        case(
            "branch-without-condition",
            "g",
            &with(
                r#"<inclusiveGateway id="g"/>"#,
                "s>g; g>a[x]; g>b; a>e; b>e",
            ),
            &good,
        ),
        case(
            "default-not-outgoing",
            "g",
            &with(
                r#"<exclusiveGateway id="g" default="s-g"/>"#,
                "s>g; g>a[x]; g>b[y]; a>e; b>e",
            ),
            &good,
        ),
        case(
            "default-not-outgoing",
            "a",
            &between(
                r#"<task id="a" default="b-e"/><task id="b"/>"#,
                "s>a; a>b[x]; a>e; b>e",
            ),
            &between(
                r#"<task id="a" default="a-e"/><task id="b"/>"#,
                "s>a; a>b[x]; a>e; b>e",
            ),
        ),
        case(
            "default-not-allowed",
            "g",
            &with(
                r#"<parallelGateway id="g" default="g-a"/>"#,
                "s>g; g>a; g>b; a>e; b>e",
            ),
            &both,
        ),
        told(case(
            "default-with-condition",
            "g-b",
            &with(split, "s>g; g>a[x]; g>b[y]; a>e; b>e"),
            &good,
        )),
        told(case(
            "default-without-condition",
            "a",
            &between(r#"<task id="a" default="a-b"/><task id="b"/>"#, "s>a>b>e"),
            &good,
        )),
        told(case(
            "no-default",
            "g",
            &with(
                r#"<exclusiveGateway id="g"/>"#,
                "s>g; g>a[x]; g>b[y]; a>e; b>e",
            ),
            &good,
        )),
        case(
            "condition-not-allowed",
            "g-a",
            &with(r#"<parallelGateway id="g"/>"#, "s>g; g>a[x]; g>b; a>e; b>e"),
            &both,
        ),
        of_files(
            "condition-not-allowed",
            "g-a",
            choice("", &events, "s>g; g>a[x]; a>e; g>b>e"),
            chosen.clone(),
        ),
        case(
            "condition-syntax",
            "g-a",
            &with(split, "s>g; g>a[x >]; g>b; a>e; b>e"),
            &good,
        ),
        case(
            "conditional-flow-alone",
            "a",
            &with("", "s>a; a>b[x]; b>e"),
            &with("", "s>a>b>e"),
        ),
        case(
            "flow-to-itself",
            "g",
            &with(split, "s>g; g>a[x]; g>b; g>g[y]; a>e; b>e"),
            &good,
        ),
        case(
            "gateway-direction",
            "g",
            &with(
                r#"<parallelGateway id="g" gatewayDirection="Converging"/>"#,
                "s>g; g>a; g>b; a>e; b>e",
            ),
            &with(
                r#"<parallelGateway id="g" gatewayDirection="Diverging"/>"#,
                "s>g; g>a; g>b; a>e; b>e",
            ),
        ),
        case(
            "gateway-direction",
            "g",
            &with(
                r#"<exclusiveGateway id="g" gatewayDirection="Diverging"/>"#,
                "s>a>g; s>b>g; g>e",
            ),
            &with(
                r#"<exclusiveGateway id="g" gatewayDirection="Converging"/>"#,
                "s>a>g; s>b>g; g>e",
            ),
        ),
        case(
            "gateway-direction",
            "g",
            &with(
                r#"<parallelGateway id="g" gatewayDirection="Mixed"/>"#,
                "s>g; g>a; g>b; a>e; b>e",
            ),
            &with(
                r#"<parallelGateway id="g" gatewayDirection="Unspecified"/>"#,
                "s>g; g>a; g>b; a>e; b>e",
            ),
        ),
        told(case(
            "gateway-mixed",
            "g",
            &with(
                r#"<parallelGateway id="g"/>"#,
                "s>g; s>g; g>a; g>b; a>e; b>e",
            )
            .replacen(r#"id="s-g""#, r#"id="other""#, 1),
            &both,
        )),
        told(case(
            "gateway-superfluous",
            "g",
            &with(r#"<exclusiveGateway id="g"/>"#, "s>g>a>b>e"),
            &both,
        )),
        of_files(
            "event-gateway-targets",
            "g",
            choice("", r#"<task id="a"/><task id="b"/>"#, "s>g; g>a>e; g>b>e"),
            chosen.clone(),
        ),
        of_files(
            "event-gateway-targets",
            "g",
            choice("", &m("a", "m"), "s>g>a>e"),
            chosen.clone(),
        ),
        of_files(
            "event-gateway-targets",
            "g",
            choice(
                "",
                &format!(
                    r#"{receives}<boundaryEvent id="o" attachedToRef="a"><errorEventDefinition/></boundaryEvent><intermediateCatchEvent id="b"><timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition></intermediateCatchEvent>"#
                ),
                "s>g; g>a>e; g>b>e; o>e",
            ),
            choice(
                "",
                r#"<intermediateCatchEvent id="a"><messageEventDefinition messageRef="m"/><signalEventDefinition signalRef="sg"/></intermediateCatchEvent><intermediateCatchEvent id="b"><conditionalEventDefinition><condition>x</condition></conditionalEventDefinition></intermediateCatchEvent>"#,
                "s>g; g>a>e; g>b>e",
            ),
        ),
        of_files(
            "event-gateway-target-shared",
            "g",
            choice(
                "",
                &format!(r#"{events}<task id="t"/>"#),
                "s>t>g; g>a>e; g>b>e; t>a",
            ),
            chosen.clone(),
        ),
        of_files(
            "event-gateway-mixed",
            "g",
            choice(
                "",
                &format!("{receives}{}", m("b", "m2")),
                "s>g; g>a>e; g>b>e",
            ),
            chosen.clone(),
        ),
        of_files(
            "event-gateway-parallel",
            "g",
            choice(
                r#"eventGatewayType="Parallel""#,
                &events,
                "s>g; g>a>e; g>b>e",
            ),
            begins("g>a>t; g>b>t; t>e", r#"eventGatewayType="Parallel""#),
        ),
        of_files(
            "instantiate-with-incoming",
            "g",
            begins("g>a>t; g>b>t; t>e; t>g", ""),
            begins("g>a>t; g>b>t; t>e", ""),
        ),
        case(
            "instantiate-with-incoming",
            "a",
            &between(r#"<receiveTask id="a" instantiate="true"/>"#, "s>a>e"),
            r#"<receiveTask id="a" instantiate="true"/><endEvent id="e"/><sequenceFlow id="f" sourceRef="a" targetRef="e"/>"#,
        ),
    ]
}

fn structure() -> Vec<Case> {
    let t = r#"<task id="t"/>"#;
    let good = between(t, "s>t>e");
    let sub = |attributes: &str, start: &str, more: &str, list: &str| {
        let inner = flows("s1>e1");
        between(
            &format!(
                r#"<task id="t"/><subProcess id="sub" {attributes}>{start}<endEvent id="e1"/>{inner}{more}</subProcess>"#
            ),
            list,
        )
    };
    let plain = r#"<startEvent id="s1"/>"#;
    let typed = r#"<startEvent id="s1"><timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition></startEvent>"#;
    let (event, way) = (r#"triggeredByEvent="true""#, "s>t>sub>e");
    let inside = sub("", plain, "", way);
    let beside = sub(event, typed, "", "s>t>e");
    let ad_hoc = |inner: &str| {
        between(
            &format!(r#"<adHocSubProcess id="sub">{inner}</adHocSubProcess>"#),
            "s>sub>e",
        )
    };
    let multi = |inner: &str| {
        between(
            &format!(
                r#"<userTask id="t"><multiInstanceLoopCharacteristics>{inner}</multiInstanceLoopCharacteristics></userTask>"#
            ),
            "s>t>e",
        )
    };
    let call = |start: &str| {
        file(&format!(
            r#"{MESSAGE}<process id="p" isExecutable="true">{}</process><process id="q" isExecutable="true"><startEvent id="qs">{start}</startEvent><endEvent id="qe"/>{}</process>"#,
            between(r#"<callActivity id="c" calledElement="q"/>"#, "s>c>e"),
            flows("qs>qe")
        ))
    };
    vec![
        case(
            "unreachable",
            "x",
            &between(r#"<task id="t"/><task id="x"/>"#, "s>t>e; x>e"),
            &good,
        ),
        case(
            "unreachable-end",
            "x",
            &between(r#"<task id="t"/><endEvent id="x"/>"#, "s>t>e"),
            &good,
        ),
        case(
            "no-end",
            "a",
            r#"<task id="a"/><task id="b"/><sequenceFlow id="f" sourceRef="a" targetRef="b"/><sequenceFlow id="g" sourceRef="b" targetRef="a"/>"#,
            &good,
        ),
        case(
            "path-without-end",
            "x",
            &between(r#"<task id="t"/><task id="x"/>"#, "s>t>e; t>x"),
            &good,
        ),
        told(case("empty-process", "p", "", &good)),
        case(
            "flow-crosses-border",
            "f",
            &sub(
                "",
                plain,
                r#"<sequenceFlow id="f" sourceRef="s1" targetRef="e"/>"#,
                way,
            ),
            &inside,
        ),
        case("sub-start-typed", "s1", &sub("", typed, "", way), &inside),
        case(
            "event-sub-start",
            "sub",
            &sub(event, plain, "", "s>t>e"),
            &beside,
        ),
        case(
            "event-sub-start",
            "sub",
            &sub(
                event,
                &format!(
                    r#"{typed}<startEvent id="s2"><signalEventDefinition/></startEvent><sequenceFlow id="f2" sourceRef="s2" targetRef="e1"/>"#
                ),
                "",
                "s>t>e",
            ),
            &beside,
        ),
        case(
            "event-sub-with-flow",
            "sub",
            &sub(event, typed, "", way),
            &beside,
        ),
        case(
            "event-sub-with-border",
            "sub",
            &format!(
                r#"{}<boundaryEvent id="b" attachedToRef="sub"><errorEventDefinition/></boundaryEvent><sequenceFlow id="bf" sourceRef="b" targetRef="e"/>"#,
                sub(event, typed, "", "s>t>e")
            ),
            &beside,
        ),
        case(
            "boundary-must-interrupt",
            "s1",
            &sub(
                event,
                r#"<startEvent id="s1" isInterrupting="false"><errorEventDefinition/></startEvent>"#,
                "",
                "s>t>e",
            ),
            &beside,
        ),
        case(
            "boundary-must-interrupt",
            "s1",
            &sub(
                event,
                r#"<startEvent id="s1" isInterrupting="false"><compensateEventDefinition/></startEvent>"#,
                "",
                "s>t>e",
            ),
            &beside,
        ),
        case("ad-hoc-empty", "sub", &ad_hoc(""), &ad_hoc(t)),
        case(
            "ad-hoc-events",
            "s1",
            &ad_hoc(&format!(
                r#"{t}{plain}<sequenceFlow id="f" sourceRef="s1" targetRef="t"/>"#
            )),
            &ad_hoc(t),
        ),
        case(
            "multi-without-number",
            "t",
            &multi(""),
            &multi("<loopCardinality>2</loopCardinality>"),
        ),
        case(
            "expression-empty",
            "t",
            &multi("<loopCardinality/>")
                .replace(
                    "<multiInstanceLoopCharacteristics>",
                    r#"<multiInstanceLoopCharacteristics id="t">"#,
                )
                .replace(r#"<userTask id="t">"#, r#"<userTask id="u">"#)
                .replace(
                    r#""s-t" sourceRef="s" targetRef="t""#,
                    r#""s-t" sourceRef="s" targetRef="u""#,
                )
                .replace(r#"sourceRef="t""#, r#"sourceRef="u""#),
            &multi("<loopCardinality>2</loopCardinality>"),
        ),
        case(
            "expression-syntax",
            "t",
            &multi("<loopCardinality>2 +</loopCardinality>"),
            &multi("<loopCardinality>2 + 1</loopCardinality>"),
        ),
        case(
            "call-without-process",
            "c",
            &between(r#"<callActivity id="c"/>"#, "s>c>e"),
            &between(
                r#"<callActivity id="c" calledElement="elsewhere"/>"#,
                "s>c>e",
            ),
        ),
        of_files(
            "called-without-start",
            "c",
            call(r#"<messageEventDefinition messageRef="m"/>"#),
            call(""),
        ),
        case(
            "quantity-too-small",
            "t",
            &between(r#"<task id="t" startQuantity="0"/>"#, "s>t>e"),
            &between(r#"<task id="t" startQuantity="1"/>"#, "s>t>e"),
        ),
        case(
            "quantity-too-small",
            "t",
            &between(r#"<task id="t" completionQuantity="-1"/>"#, "s>t>e"),
            &between(r#"<task id="t" completionQuantity="2"/>"#, "s>t>e"),
        ),
        case(
            "quantity-too-large",
            "t",
            &between(r#"<task id="t" startQuantity="1001"/>"#, "s>t>e"),
            &between(r#"<task id="t" startQuantity="1000"/>"#, "s>t>e"),
        ),
        case(
            "quantity-too-large",
            "t",
            &between(r#"<task id="t" completionQuantity="4294967297"/>"#, "s>t>e"),
            &between(r#"<task id="t" completionQuantity="1000"/>"#, "s>t>e"),
        ),
        case(
            "flow-not-immediate",
            "f",
            r#"<startEvent id="s"/><endEvent id="e"/><sequenceFlow id="f" sourceRef="s" targetRef="e" isImmediate="false"/>"#,
            r#"<startEvent id="s"/><endEvent id="e"/><sequenceFlow id="f" sourceRef="s" targetRef="e" isImmediate="true"/>"#,
        ),
        case(
            "flow-mislisted",
            "t",
            &between(r#"<task id="t"><incoming>t-e</incoming></task>"#, "s>t>e"),
            &between(
                r#"<task id="t"><incoming>s-t</incoming><outgoing>t-e</outgoing></task>"#,
                "s>t>e",
            ),
        ),
        case(
            "duplicate-id",
            "t",
            &between(r#"<task id="t"/><dataObject id="t"/>"#, "s>t>e"),
            &good,
        ),
        case("missing-id", "task@7", &between("<task/>", "s>e"), &good),
        case(
            "choreography-in-process",
            "c",
            &between(r#"<task id="t"/><callChoreography id="c"/>"#, "s>t>e"),
            &good,
        ),
        case(
            "property-misplaced",
            "pr",
            &between(
                r#"<parallelGateway id="g"><property id="pr"/></parallelGateway><task id="t"/>"#,
                "s>t>g; g>e; g>t",
            ),
            &between(r#"<task id="t"><property id="pr"/></task>"#, "s>t>e"),
        ),
        of_files(
            "public-executable",
            "p",
            process(&good).replace("isExecutable", r#"processType="Public" isExecutable"#),
            process(&good).replace("isExecutable", r#"processType="Private" isExecutable"#),
        ),
        of_files(
            "no-process",
            "",
            file(r#"<message id="m"/>"#),
            file(&format!(r#"<process id="p">{good}</process>"#)),
        ),
        told(of_files(
            "no-process",
            "",
            file(r#"<collaboration id="c"><participant id="a"/></collaboration>"#),
            process(&good),
        )),
        told(of_files(
            "import-unresolved",
            "",
            file(&format!(
                r#"<import importType="http://www.omg.org/spec/BPMN/20100524/MODEL" location="other.bpmn" namespace="o"/><process id="p">{good}</process>"#
            )),
            file(&format!(
                r#"<import importType="http://schemas.xmlsoap.org/wsdl/" location="other.wsdl" namespace="o"/><process id="p">{good}</process>"#
            )),
        )),
    ]
}

fn references() -> Vec<Case> {
    let good = process(&between(r#"<task id="t"/>"#, "s>t>e"));
    let bad = |middle: &str, element: &'static str| {
        of_files(
            "dangling-reference",
            element,
            process(&between(middle, "s>t>e")),
            good.clone(),
        )
    };
    let pools = |from: &str, to: &str| {
        file(&format!(
            r#"{MESSAGE}<collaboration id="c"><participant id="pp" processRef="p"/><participant id="pq"/><messageFlow id="f" sourceRef="{from}" targetRef="{to}"/></collaboration>
            <process id="p" isExecutable="true"><startEvent id="s"/><task id="t"/><task id="u"/><exclusiveGateway id="g"/><intermediateCatchEvent id="w"><timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition></intermediateCatchEvent>
            <intermediateThrowEvent id="h"><messageEventDefinition messageRef="m"/></intermediateThrowEvent><endEvent id="e"/><textAnnotation id="note"/>{}</process>"#,
            flows("s>t>u>g>w>h>e")
        ))
    };
    let flowing =
        |rule, from: &str, to: &str| of_files(rule, "f", pools(from, to), pools("t", "pq"));
    let many = |numbers: &str| {
        file(&format!(
            r#"<collaboration id="c"><participant id="pp" processRef="p"><participantMultiplicity id="n" {numbers}/></participant></collaboration><process id="p">{}</process>"#,
            between("", "s>e")
        ))
    };
    vec![
        bad(
            r#"<task id="t"/><sequenceFlow id="f" sourceRef="t" targetRef="nowhere"/>"#,
            "f",
        ),
        bad(
            r#"<task id="t"/><textAnnotation id="note"/><sequenceFlow id="f" sourceRef="t" targetRef="note"/>"#,
            "f",
        ),
        bad(r#"<task id="t"><outgoing>lost</outgoing></task>"#, "t"),
        bad(r#"<receiveTask id="t" messageRef="lost"/>"#, "t"),
        bad(r#"<serviceTask id="t" operationRef="lost"/>"#, "t"),
        bad(
            r#"<task id="t"/><association id="a" sourceRef="t" targetRef="lost"/>"#,
            "a",
        ),
        bad(
            r#"<laneSet id="ls"><lane id="l"><flowNodeRef>lost</flowNodeRef></lane></laneSet><task id="t"/>"#,
            "l",
        ),
        bad(
            r#"<task id="t"/><dataObjectReference id="r" dataObjectRef="lost"/>"#,
            "r",
        ),
        bad(
            r#"<task id="t"><dataInputAssociation id="da"><sourceRef>lost</sourceRef><targetRef>t</targetRef></dataInputAssociation></task>"#,
            "da",
        ),
        bad(
            r#"<task id="t"/><boundaryEvent id="b" attachedToRef="lost"><errorEventDefinition/></boundaryEvent><sequenceFlow id="bf" sourceRef="b" targetRef="e"/>"#,
            "b",
        ),
        of_files(
            "dangling-reference",
            "pp",
            file(
                r#"<collaboration id="c"><participant id="pp" processRef="x"/></collaboration><process id="p"/>"#,
            ),
            good.clone(),
        ),
        of_files(
            "reference-type",
            "r",
            process(&between(
                r#"<task id="t"/><dataStoreReference id="d"/><dataObjectReference id="r" dataObjectRef="d"/>"#,
                "s>t>e",
            )),
            process(&between(
                r#"<task id="t"/><dataObject id="d"/><dataObjectReference id="r" dataObjectRef="d"/>"#,
                "s>t>e",
            )),
        ),
        flowing("dangling-reference", "t", "lost"),
        flowing("dangling-reference", "note", "pq"),
        flowing("message-flow-inside-pool", "t", "u"),
        flowing("message-flow-inside-pool", "t", "pp"),
        flowing("message-flow-end", "pq", "g"),
        flowing("message-flow-end", "s", "pq"),
        flowing("message-flow-end", "pq", "h"),
        of_files(
            "message-flow-event",
            "s",
            pools("pq", "s"),
            pools("h", "pq"),
        ),
        of_files(
            "message-flow-event",
            "w",
            pools("pq", "w"),
            pools("h", "pq"),
        ),
        of_files(
            "message-flow-event",
            "e",
            pools("e", "pq"),
            pools("h", "pq"),
        ),
        of_files(
            "participant-multiplicity",
            "n",
            many(r#"minimum="-1""#),
            many(r#"minimum="0" maximum="1""#),
        ),
        of_files(
            "participant-multiplicity",
            "n",
            many(r#"minimum="3" maximum="2""#),
            many(r#"minimum="2" maximum="3""#),
        ),
        of_files(
            "choreography-reference",
            "ch",
            file(
                r#"<choreography id="c1"/><choreography id="ch"><choreographyRef>c1</choreographyRef></choreography>"#,
            ),
            file(
                r#"<choreography id="c1"/><collaboration id="c"><choreographyRef>c1</choreographyRef></collaboration>"#,
            ),
        ),
    ]
}

fn data() -> Vec<Case> {
    let items = r#"<itemDefinition id="i1" structureRef="Order"/><itemDefinition id="i2" structureRef="Fee"/><itemDefinition id="many" structureRef="Order" isCollection="true"/><message id="mi" itemRef="i1"/>
        <interface id="if"><operation id="op"><inMessageRef>mi</inMessageRef></operation></interface>"#;
    let with = |middle: &str| {
        file(&format!(
            r#"{items}<process id="p" isExecutable="true">{}</process>"#,
            between(middle, "s>t>e")
        ))
    };
    let io = |kind: &str, attributes: &str, inner: &str| {
        with(&format!(
            r#"<{kind} id="t" {attributes}><ioSpecification id="io">{inner}</ioSpecification></{kind}>"#
        ))
    };
    let sets = r#"<dataInput id="a"/><dataOutput id="b"/><inputSet id="in"><dataInputRefs>a</dataInputRefs></inputSet><outputSet id="out"><dataOutputRefs>b</dataOutputRefs></outputSet>"#;
    let good = io("task", "", sets);
    let moves = |from: &str, to: &str, more: &str| {
        with(&format!(
            r#"<dataObject id="d1" itemSubjectRef="{from}"/><dataObject id="d2" itemSubjectRef="{from}"/><task id="t"><ioSpecification><dataInput id="a" itemSubjectRef="{to}"/><inputSet><dataInputRefs>a</dataInputRefs></inputSet><outputSet/></ioSpecification>
            <dataInputAssociation id="da"><sourceRef>d1</sourceRef>{more}<targetRef>a</targetRef></dataInputAssociation></task>"#
        ))
    };
    let pair = |answer: &str| {
        format!(
            r#"<inputSet id="in"><outputSetRefs>out</outputSetRefs></inputSet><outputSet id="out">{answer}</outputSet>"#
        )
    };
    let given = r#"<dataInput id="a" itemSubjectRef="i1"/><inputSet id="in"><dataInputRefs>a</dataInputRefs></inputSet><outputSet id="out"/>"#;
    let performer = |inner: &str| {
        with(&format!(
            r#"<task id="t"><performer id="who">{inner}</performer></task>"#
        ))
        .replace("<process", r#"<resource id="post"><resourceParameter id="place" name="place"/></resource><process"#)
    };
    let repeated = |item: &str| {
        with(&format!(
            r#"<task id="t"><ioSpecification><dataInput id="a" itemSubjectRef="many" isCollection="true"/><inputSet><dataInputRefs>a</dataInputRefs></inputSet><outputSet/></ioSpecification>
            <multiInstanceLoopCharacteristics><loopDataInputRef>a</loopDataInputRef><inputDataItem id="one" itemSubjectRef="{item}"/></multiInstanceLoopCharacteristics></task>"#
        ))
    };
    let sub = |io: &str| {
        with(&format!(
            r#"<subProcess id="t">{io}<startEvent id="s1"/><endEvent id="e1"/>{}</subProcess>"#,
            flows("s1>e1")
        ))
    };
    vec![
        of_files(
            "data-not-in-set",
            "a",
            io(
                "task",
                "",
                r#"<dataInput id="a"/><inputSet id="in"/><outputSet id="out"/>"#,
            ),
            good.clone(),
        ),
        of_files(
            "data-set",
            "in",
            io(
                "task",
                "",
                &sets
                    .replace(
                        "</inputSet>",
                        "<optionalInputRefs>x</optionalInputRefs></inputSet>",
                    )
                    .replace(
                        r#"<dataInput id="a"/>"#,
                        r#"<dataInput id="a"/><dataInput id="x"/>"#,
                    ),
            ),
            good.clone(),
        ),
        of_files(
            "data-set",
            "out",
            io(
                "task",
                "",
                &sets
                    .replace(
                        "</outputSet>",
                        "<whileExecutingOutputRefs>x</whileExecutingOutputRefs></outputSet>",
                    )
                    .replace(
                        r#"<dataOutput id="b"/>"#,
                        r#"<dataOutput id="b"/><dataOutput id="x"/>"#,
                    ),
            ),
            good.clone(),
        ),
        of_files(
            "data-set",
            "in",
            io("task", "", &pair("")),
            io("task", "", &pair("<inputSetRefs>in</inputSetRefs>")),
        ),
        of_files(
            "data-association-sources",
            "da",
            moves("i1", "i1", "<sourceRef>d2</sourceRef>"),
            moves("i1", "i1", ""),
        ),
        of_files(
            "item-mismatch",
            "da",
            moves("i1", "i2", ""),
            moves("i1", "i1", ""),
        ),
        of_files(
            "item-mismatch",
            "t",
            io(
                "sendTask",
                r#"messageRef="mi""#,
                r#"<dataInput id="a" itemSubjectRef="i2"/><inputSet><dataInputRefs>a</dataInputRefs></inputSet><outputSet/>"#,
            ),
            io(
                "sendTask",
                r#"messageRef="mi""#,
                r#"<dataInput id="a" itemSubjectRef="i1"/><inputSet><dataInputRefs>a</dataInputRefs></inputSet><outputSet/>"#,
            ),
        ),
        of_files(
            "collection-mismatch",
            "d",
            with(r#"<task id="t"/><dataObject id="d" itemSubjectRef="many"/>"#),
            with(r#"<task id="t"/><dataObject id="d" itemSubjectRef="many" isCollection="true"/>"#),
        ),
        of_files(
            "sub-process-data",
            "io",
            sub(r#"<ioSpecification id="io"><inputSet/><outputSet/></ioSpecification>"#),
            sub(""),
        ),
        of_files(
            "operation-sets",
            "t",
            io(
                "serviceTask",
                r#"operationRef="op""#,
                &format!(r#"{given}<inputSet id="in2"/>"#),
            ),
            io("serviceTask", r#"operationRef="op""#, given),
        ),
        of_files(
            "operation-data",
            "t",
            with(r#"<serviceTask id="t" operationRef="op"/>"#),
            io("serviceTask", r#"operationRef="op""#, given),
        ),
        of_files(
            "resource-binding",
            "who",
            performer(
                r#"<resourceParameterBinding parameterRef="place"><formalExpression>1</formalExpression></resourceParameterBinding>"#,
            ),
            performer(
                r#"<resourceRef>post</resourceRef><resourceParameterBinding parameterRef="place"><formalExpression>1</formalExpression></resourceParameterBinding>"#,
            ),
        ),
        of_files(
            "resource-binding",
            "who",
            performer(
                r"<resourceRef>post</resourceRef><resourceAssignmentExpression><formalExpression>1</formalExpression></resourceAssignmentExpression>",
            ),
            performer(
                r"<resourceAssignmentExpression><formalExpression>1</formalExpression></resourceAssignmentExpression>",
            ),
        ),
        of_files("item-mismatch", "t", repeated("i2"), repeated("i1")),
        of_files(
            "text-format",
            "note",
            with(
                r#"<task id="t"/><textAnnotation id="note" textFormat="plain"><text>x</text></textAnnotation>"#,
            ),
            with(
                r#"<task id="t"/><textAnnotation id="note" textFormat="text/html; charset=utf-8"><text>x</text></textAnnotation>"#,
            ),
        ),
        of_files(
            "interface-without-binding",
            "p",
            process(&between("", "s>e")).replace(
                r#"<startEvent id="s"/>"#,
                r#"<supportedInterfaceRef>if</supportedInterfaceRef><startEvent id="s"/>"#,
            ),
            good,
        ),
    ]
}

fn all() -> Vec<Case> {
    [
        events(),
        links(),
        borders(),
        gateways(),
        structure(),
        references(),
        data(),
        crate::required::cases(),
        crate::schema::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn findings(xml: &str) -> (bool, Vec<Finding>) {
    let (model, findings) = read_and_check(xml.as_bytes());
    (model.is_some(), findings)
}

#[test]
fn every_rule_refuses_what_breaks_it_and_lets_its_twin_pass() {
    let mut wrong = Vec::new();
    for case in all() {
        let severity = if case.is_error {
            Severity::Error
        } else {
            Severity::Warning
        };
        let (passes, found) = findings(&case.bad);
        let is_found = found.iter().any(|finding| {
            finding.rule == case.rule
                && finding.element == case.element
                && finding.severity == severity
                && finding.line > 0
                && !finding.remedy.is_empty()
        });
        if !is_found || passes == case.is_error {
            wrong.push(format!(
                "{} at {} not in {found:#?}\n{}",
                case.rule, case.element, case.bad
            ));
        }
        let (passes, found) = findings(&case.good);
        if !passes || found.iter().any(|finding| finding.rule == case.rule) {
            wrong.push(format!(
                "the twin of {} at {}: {found:#?}\n{}",
                case.rule, case.element, case.good
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

/// Rules about the file as a whole, with tests in `rules.rs`, `encodings.rs` and `semantics.rs`, the
/// one of the verbs, in `verbs.rs`, and those of decisions, in `decision_check.rs`.
const OF_FILES: &[&str] = &[
    "dmn-circle",
    "dmn-dangling-reference",
    "dmn-duplicate-id",
    "dmn-duplicate-name",
    "dmn-reference-type",
    "dmn-type-unknown",
    "dmn-unreadable",
    "import-unreadable",
    "verb-attribute",
    "xml-doctype",
    "xml-encoding",
    "xml-entity",
    "xml-malformed",
    "xml-not-bpmn",
    "xml-too-large",
];

#[test]
fn the_documentation_lists_every_rule_that_has_a_case() {
    let text = include_str!("../../../../docs/guide/bpmn-conformance.md");
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let listed: BTreeSet<&str> = rows.collect();
    let cases = all();
    let mut tested: BTreeSet<&str> = cases.iter().map(|case| case.rule).collect();
    tested.extend(OF_FILES);
    assert_eq!(listed, tested);
}

/// Pages show a finding in the words of the reader's language.
#[test]
fn every_rule_has_words_in_both_languages() {
    let documentation = include_str!("../../../../docs/guide/bpmn-conformance.md");
    let rules: Vec<&str> = documentation
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    for (language, words) in [
        ("zh-CN", include_str!("../../locales/zh-CN/workflow.ftl")),
        ("en", include_str!("../../locales/en/workflow.ftl")),
    ] {
        let has = |rule: &&&str| words.contains(&format!("\nworkflow-rule-{rule} = "));
        let silent: Vec<_> = rules.iter().filter(|rule| !has(rule)).collect();
        assert!(silent.is_empty(), "{language}: {silent:?}");
    }
}
