//! Rules of events (BPMN 2.0.2, 10.5), links and borders included.

use super::{Case, between, case, declared, of_files, timed, told, undone_by, written_to};
use crate::model::{file, flows, process};

pub fn events() -> Vec<Case> {
    let t = r#"<task id="t"/>"#;
    let two = |kind: &str, inner: &str| format!(r#"{t}<{kind} id="x">{inner}</{kind}>"#);
    let timer = "<timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition>";
    let working = |days: &str| format!(r#"<timerEventDefinition tongban:workingDays="{days}"/>"#);
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
        told(case(
            "start-conditional",
            "s",
            &between("", "s>e").replace(
                r#"<startEvent id="s"/>"#,
                r#"<startEvent id="s"><conditionalEventDefinition><condition>x &gt; 1</condition></conditionalEventDefinition></startEvent>"#,
            ),
            &between(
                r#"<subProcess id="es" triggeredByEvent="true"><startEvent id="s1"><conditionalEventDefinition><condition>x &gt; 1</condition></conditionalEventDefinition></startEvent><endEvent id="e1"/><sequenceFlow id="f1" sourceRef="s1" targetRef="e1"/></subProcess>"#,
                "s>e",
            ),
        )),
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
            "timer-wrong-kind",
            "x",
            &between(&two("intermediateCatchEvent", &timed("2030-01-01T00:00:00Z")), on_way),
            &between(&two("intermediateCatchEvent", &timed("PT5M")), on_way),
        ),
        case(
            "timer-wrong-kind",
            "x",
            &between(&two("intermediateCatchEvent", &working("-3")), on_way),
            &between(&two("intermediateCatchEvent", &working("3")), on_way),
        ),
        case(
            "start-timer-unknown",
            "s",
            &between("", "s>e").replace(
                r#"<startEvent id="s"/>"#,
                r#"<startEvent id="s"><timerEventDefinition><timeDate>${when}</timeDate></timerEventDefinition></startEvent>"#,
            ),
            &between("", "s>e").replace(
                r#"<startEvent id="s"/>"#,
                r#"<startEvent id="s"><timerEventDefinition><timeDate>2030-01-01T00:00:00Z</timeDate></timerEventDefinition></startEvent>"#,
            ),
        ),
        case(
            "timer-unreadable",
            "x",
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
            "x",
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

pub fn links() -> Vec<Case> {
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

pub fn borders() -> Vec<Case> {
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
                undo(r#"<task id="v"/>"#, associated)
            ),
            "s>t>v>w>e",
        )
    };
    // `t` lies inside of `x`.
    let nested = |activity: &str| {
        between(
            &format!(
                r#"<subProcess id="x"><startEvent id="s1"/><endEvent id="e1"/>{}{}</subProcess><intermediateThrowEvent id="w"><compensateEventDefinition activityRef="{activity}"/></intermediateThrowEvent>"#,
                undo("", associated),
                flows("s1>t>e1")
            ),
            "s>x>w>e",
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
        case("compensation-reference", "w", &nested("t"), &nested("x")),
        told(case(
            "compensation-without-effect",
            "w",
            &compensating("v"),
            &compensating("t"),
        )),
        of_files(
            "compensation-handler",
            "u",
            process(&between(
                &undo("", associated).replace(r#" isForCompensation="true""#, ""),
                "s>t>u>e",
            )),
            undone.clone(),
        ),
        of_files(
            "compensation-several",
            "u",
            process(&between(
                &undo(
                    r#"<task id="v" isForCompensation="true"/><association id="as2" sourceRef="b" targetRef="v"/>"#,
                    associated,
                ),
                "s>t>e",
            )),
            undone.clone(),
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
