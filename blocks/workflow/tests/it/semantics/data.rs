//! Data objects, associations, and what is handed over.

use serde_json::{Value, json};

use super::{ENDS, declared, script, scripts, simple};
use crate::model::{auto, file, flows, run};

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
