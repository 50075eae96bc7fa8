//! What is undone, in which order, and how it goes on.

use serde_json::json;

use super::{ENDS, THROW, declared, script, scripts, simple, undone};
use crate::model::{auto, file, flows, process, run};

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
