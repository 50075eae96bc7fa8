//! Whose a variable is: of an instance, of an event sub-process, of a called process, of a mapping.

use serde_json::json;

use crate::model::{auto, file, flows, process, run};

#[test]
fn what_an_instance_gives_out_is_its_own() {
    let xml = process(&format!(
        r#"<startEvent id="s"/><subProcess id="m"><multiInstanceLoopCharacteristics tongban:collection="l" tongban:elementVariable="x"
        tongban:outputCollection="out" tongban:outputElement="r"/><startEvent id="i"/>
        <scriptTask id="w" scriptFormat="feel" tongban:result="r"><script>x * 2</script></scriptTask><userTask id="u"/><endEvent id="o"/>{}</subProcess>
        <endEvent id="e"/>{}"#,
        flows("i>w; w>u; u>o"),
        flows("s>m; m>e")
    ));
    let ran = auto(&xml, json!({"l": [1, 2, 3]})).ends("completed");
    assert_eq!(ran.var("out"), &json!([2, 4, 6]));
    assert_eq!(ran.var("r"), &json!(null));
}

#[test]
fn an_instance_knows_how_many_there_are() {
    let xml = process(&format!(
        r#"<startEvent id="s"/><scriptTask id="w" scriptFormat="feel" tongban:result="n"><multiInstanceLoopCharacteristics
        isSequential="true"><loopCardinality>3</loopCardinality></multiInstanceLoopCharacteristics>
        <script>nrOfInstances * 10 + nrOfCompletedInstances</script></scriptTask><endEvent id="e"/>{}"#,
        flows("s>w; w>e")
    ));
    let ran = auto(&xml, json!({})).ends("completed");
    assert_eq!(ran.var("n"), &json!(32));
}

#[test]
fn an_event_sub_process_has_data_of_its_own() {
    let xml = file(&format!(
        r#"<message id="m" name="pay"/><process id="p" isExecutable="true"><startEvent id="s"/><userTask id="t"/><endEvent id="e"/>
        <subProcess id="es" triggeredByEvent="true"><dataObject id="n" name="n"/><startEvent id="es1" isInterrupting="false"><messageEventDefinition messageRef="m"/></startEvent>
        <userTask id="wait"/><scriptTask id="note" scriptFormat="feel" tongban:result="log"><script>append(log, n)</script></scriptTask><endEvent id="ese"/>{}</subProcess>{}</process>"#,
        flows("es1>wait; wait>note; note>ese"),
        flows("s>t; t>e")
    ));
    let script = r#"[{"message":"pay","vars":{"n":1}},{"message":"pay","vars":{"n":2}},{"complete":"wait"},{"complete":"wait"},{"complete":"t"}]"#;
    let ran = run(&xml, json!({"log": []}), script).ends("completed");
    assert_eq!(ran.var("log"), &json!([1, 2]));
    assert_eq!(ran.var("n"), &json!(null));
}

#[test]
fn what_undoes_a_called_process_writes_to_its_caller() {
    let xml = file(&format!(
        r#"<process id="p" isExecutable="true"><startEvent id="s"/><callActivity id="call" calledElement="q"/>
        <intermediateThrowEvent id="w"><compensateEventDefinition/></intermediateThrowEvent><endEvent id="e"/>{}</process>
        <process id="q" isExecutable="true"><startEvent id="qs"/><scriptTask id="do" scriptFormat="feel" tongban:result="log"><script>append(log, "do")</script></scriptTask>
        <boundaryEvent id="b" attachedToRef="do"><compensateEventDefinition/></boundaryEvent>
        <scriptTask id="undo" isForCompensation="true" scriptFormat="feel" tongban:result="log"><script>append(log, "undo")</script></scriptTask>
        <association id="as" sourceRef="b" targetRef="undo"/><endEvent id="qe"/>{}</process>"#,
        flows("s>call; call>w; w>e"),
        flows("qs>do; do>qe")
    ));
    let ran = auto(&xml, json!({"log": []})).ends("completed");
    assert_eq!(ran.var("log"), &json!(["do", "undo"]));
}

#[test]
fn an_output_sees_the_inputs_of_its_task() {
    let xml = process(&format!(
        r#"<startEvent id="s"/><userTask id="t"><extensionElements><camunda:inputOutput><camunda:inputParameter name="loc">${{a}}</camunda:inputParameter>
        <camunda:outputParameter name="res">${{loc + got}}</camunda:outputParameter></camunda:inputOutput></extensionElements></userTask><endEvent id="e"/>{}"#,
        flows("s>t; t>e")
    ));
    let ran = run(
        &xml,
        json!({"a": 1}),
        r#"[{"complete":"t","vars":{"got":5}}]"#,
    )
    .ends("completed");
    assert_eq!(ran.var("res"), &json!(6));
    assert_eq!(ran.var("loc"), &json!(null));
}

#[test]
fn a_mapped_message_is_mapped() {
    let xml = file(&format!(
        r#"<message id="m" name="M"/><process id="p" isExecutable="true"><startEvent id="s"/><receiveTask id="r" messageRef="m"><extensionElements>
        <camunda:inputOutput><camunda:outputParameter name="x">${{y + 1}}</camunda:outputParameter></camunda:inputOutput></extensionElements></receiveTask><endEvent id="e"/>{}</process>"#,
        flows("s>r; r>e")
    ));
    for script in [
        r#"[{"message":"M","vars":{"y":1}}]"#,
        r#"[{"complete":"r","vars":{"y":1}}]"#,
    ] {
        let ran = run(&xml, json!({}), script).ends("completed");
        assert_eq!(ran.var("x"), &json!(2), "{script}");
        assert_eq!(ran.var("y"), &json!(null), "{script}");
    }
}

/// Camunda 7 passes null for a variable that was never set.
#[test]
fn a_call_may_map_what_was_never_set() {
    let xml = file(&format!(
        r#"<process id="p" isExecutable="true"><startEvent id="s"/><callActivity id="call" calledElement="q"><extensionElements>
        <camunda:in source="none" target="a"/><camunda:out source="neither" target="b"/></extensionElements></callActivity><endEvent id="e"/>{}</process>
        <process id="q" isExecutable="true"><startEvent id="qs"/><endEvent id="qe"/>{}</process>"#,
        flows("s>call; call>e"),
        flows("qs>qe")
    ));
    auto(&xml, json!({})).ends("completed");
}
