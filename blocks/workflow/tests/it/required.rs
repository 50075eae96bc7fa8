//! What the schema of BPMN demands of an element: missing, it is told, and refuses a file where
//! the element would do nothing.

use workflow::check::{Severity, read_and_check};

use crate::{
    conformance::{Case, between, case, of_files, told},
    model::{file, flows, process},
};

/// One task `t` with `inner`, and `more` beside it.
fn on_way(inner: &str, more: &str) -> String {
    between(&format!(r#"<task id="t">{inner}</task>{more}"#), "s>t>e")
}

/// A process, and `beside` it what is declared.
fn beside(declared: &str) -> String {
    process(&on_way("", "")).replace("<process", &format!("{declared}<process"))
}

pub fn cases() -> Vec<Case> {
    [incomplete(), missing()].into_iter().flatten().collect()
}

fn incomplete() -> Vec<Case> {
    let objects = r#"<dataObject id="d"/><dataObjectReference id="r" dataObjectRef="d"/>"#;
    let input = |inner: &str| {
        let io = r#"<ioSpecification><dataInput id="a"/><inputSet><dataInputRefs>a</dataInputRefs></inputSet><outputSet/></ioSpecification>"#;
        let moved = format!(r#"{io}<dataInputAssociation id="x">{inner}</dataInputAssociation>"#);
        on_way(&moved, objects)
    };
    let output = |inner: &str| {
        let moved = format!(r#"<dataOutputAssociation id="x">{inner}</dataOutputAssociation>"#);
        on_way(&moved, objects)
    };
    let incomplete = |bad: &str, good: &str| case("element-incomplete", "x", bad, good);
    let (from, to) = ("<sourceRef>r</sourceRef>", "<targetRef>a</targetRef>");
    let whole = input(&format!("{from}{to}"));
    let set = |inner: &str| {
        output(&format!(
            "<targetRef>r</targetRef><assignment>{inner}</assignment>"
        ))
    };
    let complex = |inner: &str| {
        on_way(
            &format!(
                r#"<multiInstanceLoopCharacteristics behavior="Complex"><loopCardinality>2</loopCardinality><complexBehaviorDefinition id="x">{inner}<event id="ev"><signalEventDefinition signalRef="sg"/></event></complexBehaviorDefinition></multiInstanceLoopCharacteristics>"#
            ),
            "",
        )
    };
    let signal =
        |body: &str| process(body).replace("<process", r#"<signal id="sg" name="one"/><process"#);
    vec![
        incomplete(&input(from), &whole),
        incomplete(&input(&format!("{from}<targetRef/>")), &whole),
        incomplete(&input(to), &whole),
        // Modelers draw what comes out of an activity without its source.
        incomplete(&output(""), &output("<targetRef>r</targetRef>")),
        incomplete(&set("<to>r</to>"), &set("<from>1</from><to>r</to>")),
        // An assignment may write to the target of its association, or say itself where to.
        incomplete(
            &output("<assignment><from>1</from></assignment>"),
            &set("<from>1</from>"),
        ),
        incomplete(
            &output(""),
            &output("<assignment><from>1</from><to>x</to></assignment>"),
        ),
        of_files(
            "element-incomplete",
            "x",
            signal(&complex("")),
            signal(&complex("<condition>true</condition>")),
        ),
        told(of_files(
            "element-incomplete",
            "x",
            process(&input(from)).replace("\"true\"", "\"false\""),
            process(&whole),
        )),
    ]
}

fn missing() -> Vec<Case> {
    let missing =
        |element, bad: String, good: String| told(of_files("required-missing", element, bad, good));
    let io = |inner: &str| {
        let data = r#"<dataInput id="a"/>"#;
        process(&on_way(
            &format!("<ioSpecification>{data}{inner}</ioSpecification>"),
            "",
        ))
    };
    let input = "<inputSet><dataInputRefs>a</dataInputRefs></inputSet>";
    let operation = |inner: &str| {
        beside(&format!(
            r#"<message id="m"/><interface id="i" name="I">{inner}</interface>"#
        ))
    };
    let owner = |inner: &str| process(&on_way(inner, "").replace("task", "userTask"));
    let expression = "<resourceAssignmentExpression><formalExpression>clerk</formalExpression></resourceAssignmentExpression>";
    let property = |inner: &str| {
        beside(&format!(
            r#"<message id="m"/><correlationProperty id="cp">{inner}</correlationProperty>"#
        ))
    };
    let retrieval = |attributes: &str, inner: &str| {
        property(&format!(
            r#"<correlationPropertyRetrievalExpression id="x" {attributes}>{inner}</correlationPropertyRetrievalExpression>"#
        ))
    };
    let subscription = |key: &str, inner: &str| {
        let declared = r#"<collaboration id="c"><participant id="p1" processRef="p"/><correlationKey id="key"/></collaboration>"#;
        let known = retrieval(r#"messageRef="m""#, "<messagePath>a</messagePath>");
        let own =
            format!(r#"<correlationSubscription id="own" {key}>{inner}</correlationSubscription>"#);
        known
            .replace("<process", &format!("{declared}<process"))
            .replace("</process>", &format!("{own}</process>"))
    };
    let binding = |attributes: &str, inner: &str| {
        subscription(
            r#"correlationKeyRef="key""#,
            &format!(
                r#"<correlationPropertyBinding id="b" {attributes}>{inner}</correlationPropertyBinding>"#
            ),
        )
    };
    let association = |attributes: &str| {
        process(&on_way(
            "",
            &format!(r#"<textAnnotation id="n"/><association id="x" {attributes}/>"#),
        ))
    };
    let good_io = io(&format!("{input}<outputSet/>"));
    let good_owner = owner(&format!(
        r#"<potentialOwner id="x">{expression}</potentialOwner>"#
    ));
    let good_operation =
        operation(r#"<operation id="x" name="O"><inMessageRef>m</inMessageRef></operation>"#);
    let good_retrieval = retrieval(r#"messageRef="m""#, "<messagePath>a</messagePath>");
    let (key, path) = (r#"correlationKeyRef="key""#, "<dataPath>a</dataPath>");
    let good_binding = binding(r#"correlationPropertyRef="cp""#, path);
    vec![
        // Nothing runs otherwise without sets, and half of the modelers write none.
        missing("t", io(""), good_io.clone()),
        missing("t", io(input), good_io),
        missing("i", operation(""), good_operation.clone()),
        missing(
            "x",
            operation(r#"<operation id="x" name="O"/>"#),
            good_operation.clone(),
        ),
        missing(
            "x",
            operation(r#"<operation id="x"><inMessageRef>m</inMessageRef></operation>"#),
            good_operation,
        ),
        missing(
            "x",
            owner(r#"<potentialOwner id="x"/>"#),
            good_owner.clone(),
        ),
        missing(
            "x",
            owner(r#"<potentialOwner id="x"><resourceAssignmentExpression/></potentialOwner>"#),
            good_owner,
        ),
        missing("cp", property(""), good_retrieval.clone()),
        missing(
            "x",
            retrieval("", "<messagePath>a</messagePath>"),
            good_retrieval.clone(),
        ),
        missing("x", retrieval(r#"messageRef="m""#, ""), good_retrieval),
        missing("own", subscription("", ""), subscription(key, "")),
        missing("b", binding("", path), good_binding.clone()),
        missing(
            "b",
            binding(r#"correlationPropertyRef="cp""#, ""),
            good_binding,
        ),
        missing(
            "x",
            association(r#"sourceRef="t""#),
            association(r#"sourceRef="t" targetRef="n""#),
        ),
        missing(
            "defs",
            beside("").replace(r#" targetNamespace="t""#, ""),
            beside(""),
        ),
        missing(
            "defs",
            beside(r#"<import importType="x" location="y"/>"#),
            beside(r#"<import importType="x" location="y" namespace="z"/>"#),
        ),
        missing(
            "x",
            beside(r#"<resource id="x"/>"#),
            beside(r#"<resource id="x" name="R"/>"#),
        ),
        missing(
            "x",
            beside(r#"<relationship id="x" type="y"><source>p</source></relationship>"#),
            beside(
                r#"<relationship id="x" type="y"><source>p</source><target>p</target></relationship>"#,
            ),
        ),
    ]
}

/// Drawings of talks between pools name both of their sides.
#[test]
fn what_is_missing_in_collaborations_is_told() {
    for (inside, count) in [
        (r#"<conversation id="cv"/><conversationLink id="x"/>"#, 2),
        (r#"<conversationAssociation id="x"/>"#, 2),
        (r#"<messageFlowAssociation id="x"/>"#, 2),
        (
            r#"<callConversation id="cc"><participantAssociation id="x"/></callConversation>"#,
            2,
        ),
    ] {
        let body = format!(
            r#"<collaboration id="c"><participant id="a" processRef="p"/>{inside}</collaboration><process id="p"><startEvent id="s"/><endEvent id="e"/>{}</process>"#,
            flows("s>e")
        );
        let (model, findings) = read_and_check(file(&body).as_bytes());
        let of = findings.iter().filter(|finding| {
            let (rule, severity) = (finding.rule, finding.severity);
            rule == "required-missing" && severity == Severity::Warning && finding.element == "x"
        });
        assert_eq!(of.count(), count, "{inside}: {findings:?}");
        assert!(model.is_some(), "{inside}: {findings:?}");
    }
}
