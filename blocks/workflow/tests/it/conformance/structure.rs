//! Rules of activities, sub-processes, flows and references (8, 10.3).

use super::{Case, MESSAGE, between, case, of_files, told};
use crate::model::{file, flows, process};

pub fn structure() -> Vec<Case> {
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

pub fn references() -> Vec<Case> {
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
        told(of_files(
            "reference-prefix",
            "t",
            super::declared(r#"<receiveTask id="t" messageRef="x:m"/>"#, "s>t>e"),
            super::declared(r#"<receiveTask id="t" messageRef="m"/>"#, "s>t>e"),
        )),
        of_files(
            "reference-prefix",
            "t",
            process(&between(
                r#"<callActivity id="t" calledElement="x:p"/>"#,
                "s>t>e",
            )),
            process(&between(
                r#"<callActivity id="t" calledElement="p"/>"#,
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
