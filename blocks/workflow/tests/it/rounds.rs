//! What goes round and how it ends: complex gateways that fire again, cycles, ad-hoc work; and what
//! several listeners hear of one event.

use serde_json::json;
use workflow::core::{Input, Instance, Process, Rejection, Status, Token, advance};

use crate::{
    model::{auto, file, flows, process, run, vars},
    steps::{Seed, at, compile},
};

fn two_of_three(middle: &str, list: &str) -> String {
    process(&format!(
        r#"<startEvent id="s"/><parallelGateway id="g"/><userTask id="a"/><userTask id="b"/><userTask id="c"/>
        <complexGateway id="j"><activationCondition>activationCount &gt;= 2</activationCondition></complexGateway>
        <endEvent id="e"/>{middle}{}"#,
        flows(list)
    ))
}

/// BPMN 2.0.2, 13.4.5: a token on a flow that gave its own already is for the next round.
#[test]
fn a_complex_gateway_in_a_circle_loses_no_round() {
    let xml = two_of_three(
        r#"<exclusiveGateway id="m"/><userTask id="after"/><exclusiveGateway id="x" default="fe"/>
        <sequenceFlow id="fe" sourceRef="x" targetRef="e"/>
        <sequenceFlow id="again" sourceRef="x" targetRef="m"><conditionExpression>again</conditionExpression></sequenceFlow>"#,
        "s>m; m>g; g>a; g>b; g>c; a>j; b>j; c>j; j>after; after>x",
    );
    let second = r#"{"complete":"a"},{"complete":"b"},{"complete":"after","vars":{"again":true}},{"complete":"a"},{"complete":"b"}"#;
    let ran = run(&xml, json!({"again": false}), &format!("[{second}]")).ends("waiting");
    assert_eq!(ran.waiting(), ["c", "j"], "{:?}", ran.entered());
    let script = format!(r#"[{second},{{"complete":"c"}}]"#);
    let ran = run(&xml, json!({"again": false}), &script).ends("waiting");
    assert_eq!(ran.entered().iter().filter(|id| **id == "after").count(), 2);
    let script = format!(
        r#"[{second},{{"complete":"c"}},{{"complete":"c"}},{{"complete":"after","vars":{{"again":false}}}}]"#
    );
    let ran = run(&xml, json!({"again": false}), &script).ends("completed");
    assert_eq!(ran.entered().iter().filter(|id| **id == "after").count(), 2);
}

#[test]
fn a_complex_gateway_asks_again_when_it_is_reset() {
    let xml = two_of_three(
        r#"<userTask id="first"/><userTask id="late"/>
        <sequenceFlow id="f1" sourceRef="j" targetRef="first"><conditionExpression>waitingForStart</conditionExpression></sequenceFlow>
        <sequenceFlow id="f2" sourceRef="j" targetRef="late"><conditionExpression>not(waitingForStart)</conditionExpression></sequenceFlow>"#,
        "s>g; g>a; g>b; g>c; a>j; b>j; c>j; first>e; late>e",
    );
    let two = r#"{"complete":"a"},{"complete":"b"}"#;
    let ran = run(&xml, json!({}), &format!("[{two}]")).ends("waiting");
    assert_eq!(ran.waiting(), ["c", "first"]);
    let script = format!(r#"[{two},{{"complete":"c"}}]"#);
    let ran = run(&xml, json!({}), &script).ends("waiting");
    assert_eq!(ran.waiting(), ["first", "late"]);
    let script =
        format!(r#"[{two},{{"complete":"first"}},{{"complete":"c"}},{{"complete":"late"}}]"#);
    run(&xml, json!({}), &script).ends("completed");
}

fn ad_hoc(attributes: &str, inside: &str) -> String {
    process(&format!(
        r#"<startEvent id="s"/><adHocSubProcess id="ah" {attributes}><userTask id="a"/><userTask id="b"/>{inside}
        <completionCondition>done</completionCondition></adHocSubProcess><endEvent id="e"/>{}"#,
        flows("s>ah; ah>e")
    ))
}

#[test]
fn nothing_follows_in_ad_hoc_work_that_is_enough() {
    let xml = ad_hoc(
        r#"ordering="Sequential" cancelRemainingInstances="false""#,
        &flows("a>b"),
    );
    let script = r#"[{"complete":"a","vars":{"done":true}}]"#;
    let ran = run(&xml, json!({"done": false}), script).ends("completed");
    assert!(!ran.entered().contains(&"b"));
}

/// Nor what rests at a join, nor what comes later, whatever becomes of the condition.
#[test]
fn no_join_goes_on_in_ad_hoc_work_that_is_enough() {
    for gateway in ["parallelGateway", "inclusiveGateway"] {
        let inside = format!(
            r#"<{gateway} id="j"/><userTask id="c"/><userTask id="d"/><userTask id="f"/>{}"#,
            flows("a>j; b>j; j>c; d>f")
        );
        let xml = ad_hoc(r#"cancelRemainingInstances="false""#, &inside);
        let enough = r#"{"complete":"a"},{"complete":"b","vars":{"done":true}}"#;
        let last = r#"{"complete":"d","vars":{"done":false}}"#;
        let waits = run(&xml, json!({"done": false}), &format!("[{enough}]")).ends("waiting");
        assert_eq!(waits.waiting(), ["d"], "{gateway}");
        let ran = run(&xml, json!({"done": false}), &format!("[{enough},{last}]"));
        let ran = ran.ends("completed");
        assert!(
            !ran.entered().contains(&"c") && !ran.entered().contains(&"f"),
            "{gateway}"
        );
    }
}

/// As long as the condition is false, what has no incoming flow may be done again.
#[test]
fn ad_hoc_work_goes_on_while_its_condition_is_false() {
    for ordering in ["Parallel", "Sequential"] {
        let xml = ad_hoc(&format!(r#"ordering="{ordering}""#), "");
        let rounds = |script: &str| run(&xml, json!({"done": false}), script);
        let round = r#"{"complete":"a"},{"complete":"b"}"#;
        let ran = rounds(&format!("[{round},{round}]")).ends("waiting");
        assert_eq!(ran.waiting(), ["a", "b"], "{ordering}");
        assert!(ran.entered().iter().filter(|id| **id == "b").count() >= 2);
        let last = r#"{"complete":"a","vars":{"done":true}}"#;
        rounds(&format!("[{round},{last}]")).ends("completed");
    }
}

/// What has nobody to choose it begins by itself, in the order of the file; what is to be chosen
/// comes after it in a sequence, beside it otherwise. Each round has it once.
#[test]
fn what_nobody_chooses_begins_by_itself_once_in_a_round() {
    let inside = r#"<scriptTask id="x" scriptFormat="feel"><script>{n: n + 1}</script></scriptTask><serviceTask id="y"/>"#;
    let plays = |ordering: &str, script: &str| {
        let xml = ad_hoc(&format!(r#"ordering="{ordering}""#), inside);
        run(&xml, json!({"done": false, "n": 0}), script).ends("waiting")
    };
    assert_eq!(plays("Parallel", "[]").waiting(), ["a", "b", "y"]);
    let ran = plays("Sequential", "[]");
    assert_eq!((ran.waiting(), ran.var("n")), (vec!["y"], &json!(1)));
    for ordering in ["Parallel", "Sequential"] {
        let ran = plays(
            ordering,
            r#"[{"complete":"y"},{"complete":"b"},{"complete":"b"}]"#,
        );
        assert_eq!((ran.waiting(), ran.var("n")), (vec!["a", "b"], &json!(1)));
        let ran = plays(
            ordering,
            r#"[{"complete":"y"},{"complete":"b"},{"complete":"a"}]"#,
        );
        assert!(ran.waiting().contains(&"y"), "{ordering}");
        assert_eq!(ran.var("n"), &json!(2), "{ordering}");
    }
}

/// In a sequence what is offered waits while something else lasts.
#[test]
fn one_at_a_time_is_under_way_in_a_sequence() {
    let inside = format!(
        r#"<serviceTask id="x"/><subProcess id="y"><userTask id="z"/></subProcess>{}"#,
        flows("a>x; b>y")
    );
    let sequence = ad_hoc(r#"ordering="Sequential""#, &inside);
    let plays = |xml: &str, script: &str| run(xml, json!({"done": false}), script);
    let refused = plays(&sequence, r#"[{"complete":"a"},{"complete":"b"}]"#).ends("failed");
    assert!(
        refused.last["reason"]
            .as_str()
            .unwrap()
            .contains("`x` is under way")
    );
    let both = r#"[{"complete":"a"},{"complete":"x"},{"complete":"b"},{"complete":"z"}]"#;
    let ran = plays(&sequence, both).ends("waiting");
    assert_eq!(ran.waiting(), ["a", "b"]);
    let beside = sequence.replace("Sequential", "Parallel");
    let ran = plays(&beside, r#"[{"complete":"a"},{"complete":"b"}]"#).ends("waiting");
    assert_eq!(ran.waiting(), ["x", "a", "z", "b"]);
    // What two flows enable comes one after the other.
    let forked = ad_hoc(
        r#"ordering="Sequential""#,
        &format!(
            r#"<serviceTask id="x"/><serviceTask id="y"/>{}"#,
            flows("a>x; a>y")
        ),
    );
    let ran = plays(&forked, r#"[{"complete":"a"}]"#).ends("waiting");
    assert_eq!(ran.waiting(), ["b", "x"]);
    let ran = plays(&forked, r#"[{"complete":"a"},{"complete":"x"}]"#).ends("waiting");
    assert_eq!(ran.waiting(), ["b", "y"]);
}

/// Nobody need do again what is only offered again.
#[test]
fn what_is_offered_again_goes_when_enough_is_done() {
    for (ordering, left) in [("Parallel", vec!["c"]), ("Sequential", vec![])] {
        let xml = ad_hoc(
            &format!(r#"ordering="{ordering}" cancelRemainingInstances="false""#),
            r#"<userTask id="c"/>"#,
        );
        let script = r#"[{"complete":"a"},{"complete":"b","vars":{"done":true}}]"#;
        let ran = run(&xml, json!({"done": false}), script);
        assert_eq!(ran.waiting(), left, "{ordering}");
    }
}

#[test]
fn ad_hoc_work_without_a_condition_is_done_once() {
    for ordering in ["Parallel", "Sequential"] {
        let xml = ad_hoc(
            &format!(r#"ordering="{ordering}""#),
            r#"<task id="x"/><subProcess id="y"><userTask id="z"/></subProcess>"#,
        )
        .replace("<completionCondition>done</completionCondition>", "");
        let ran = auto(&xml, json!({})).ends("completed");
        let mut entered = ran.entered();
        entered.sort_unstable();
        assert_eq!(
            entered,
            ["a", "ah", "b", "e", "s", "x", "y", "z"],
            "{ordering}"
        );
        let script = r#"[{"complete":"z"},{"complete":"b"},{"complete":"a"}]"#;
        run(&xml, json!({}), script).ends("completed");
    }
}

/// Tasks, services and sub-processes at random, with or without a flow, a condition, an order.
fn random_ad_hoc(seed: &mut Seed) -> (Process, bool) {
    let is_sequential = seed.below(2) == 0;
    let mut inside = String::new();
    for n in 0..2 + seed.below(3) {
        inside += &match seed.below(4) {
            0 => format!(r#"<serviceTask id="t{n}"/>"#),
            1 => format!(r#"<subProcess id="t{n}"><userTask id="i{n}"/></subProcess>"#),
            _ => format!(r#"<userTask id="t{n}"/>"#),
        };
    }
    if seed.below(2) == 0 {
        inside += &flows("t0>t1");
    }
    if seed.below(3) > 0 {
        inside += "<completionCondition>done</completionCondition>";
    }
    let ordering = if is_sequential {
        "Sequential"
    } else {
        "Parallel"
    };
    let cancels = seed.below(2) == 0;
    let xml = process(&format!(
        r#"<startEvent id="s"/><adHocSubProcess id="ah" ordering="{ordering}" cancelRemainingInstances="{cancels}">{inside}</adHocSubProcess><endEvent id="e"/>{}"#,
        flows("s>ah; ah>e")
    ));
    (compile(&xml), is_sequential)
}

#[test]
fn random_ad_hoc_work_comes_to_its_end() {
    let mut refused = 0;
    for number in 1..=400 {
        let mut seed = Seed(number * 7_919);
        let (process, is_sequential) = random_ad_hoc(&mut seed);
        let begin = Input::Start {
            at: None,
            vars: vars(json!({"done": false})),
        };
        let (mut instance, _) = advance(&process, process.instance(), begin, at()).unwrap();
        for _ in 0..1_000 {
            assert!(instance.is_balanced(), "seed {number}: {instance:#?}");
            let lasts = |held: &Token| {
                let node = process.model.lookup(&held.at).unwrap();
                instance.frames[&held.frame].of.as_ref() == "ah"
                    && process.model[node].type_name() != "userTask"
            };
            let under_way = instance.tokens.values().filter(|held| lasts(held)).count();
            assert!(
                !is_sequential || under_way <= 1,
                "seed {number}: {instance:#?}"
            );
            let text = serde_json::to_string(&instance).unwrap();
            assert_eq!(serde_json::from_str::<Instance>(&text).unwrap(), instance);
            let mut tasks: Vec<u32> = instance.waiting().map(|(token, _)| token).collect();
            if tasks.is_empty() {
                break;
            }
            let first = seed.below(tasks.len());
            tasks.rotate_left(first);
            let done = seed.below(12) == 0;
            let next = tasks.into_iter().find_map(|token| {
                let vars = vars(json!({"done": done}));
                let input = Input::Complete { token, vars };
                match advance(&process, instance.clone(), input, at()) {
                    Ok((next, _)) => Some(next),
                    Err(Rejection::NotItsTurn(_)) => {
                        refused += 1;
                        None
                    }
                    Err(other) => panic!("seed {number}: {other}"),
                }
            });
            instance = next.unwrap_or_else(|| panic!("seed {number}: nothing can be done"));
        }
        assert_eq!(
            instance.status,
            Status::Completed,
            "seed {number}: {instance:#?}"
        );
        assert!(instance.tokens.is_empty());
    }
    assert!(refused > 20, "{refused}");
}

/// A state that was written when a sequence offered one activity after the other.
#[test]
fn an_old_sequence_goes_on() {
    let xml = ad_hoc(r#"ordering="Sequential""#, "");
    let process = compile(&xml);
    let begin = Input::Start {
        at: None,
        vars: vars(json!({"done": false})),
    };
    let (instance, _) = advance(&process, process.instance(), begin, at()).unwrap();
    let mut state = serde_json::to_value(&instance).unwrap();
    let tokens = state["tokens"].as_object_mut().unwrap();
    tokens.retain(|_, token| token["at"] != "b");
    let frames = state["frames"].as_object_mut().unwrap().values_mut();
    for frame in frames.filter(|frame| frame["of"] == "ah") {
        frame["queue"] = json!(["b"]);
        frame["live"] = json!(1);
    }
    let old: Instance = serde_json::from_value(state).unwrap();
    let token = old.waiting().next().unwrap().0;
    let done = Input::Complete {
        token,
        vars: vars(json!({})),
    };
    let (instance, _) = advance(&process, old, done, at()).unwrap();
    let mut waiting: Vec<_> = instance.waiting().map(|(_, token)| &*token.at).collect();
    waiting.sort_unstable();
    assert_eq!(waiting, ["a", "b"]);
    assert!(instance.is_balanced());
}

/// Once it was true nothing begins anew, whatever those who were at work did to it.
#[test]
fn ad_hoc_work_that_was_enough_is_over() {
    let xml = ad_hoc(r#"cancelRemainingInstances="false""#, "");
    let script =
        r#"[{"complete":"a","vars":{"done":true}},{"complete":"b","vars":{"done":false}}]"#;
    run(&xml, json!({"done": false}), script).ends("completed");
    let followed = ad_hoc(
        r#"cancelRemainingInstances="false""#,
        &format!(r#"<userTask id="after"/>{}"#, flows("b>after")),
    );
    let ran = run(&followed, json!({"done": false}), script).ends("completed");
    assert!(!ran.entered().contains(&"after"));
    let interrupted = ad_hoc(
        "",
        &format!(
            r#"<subProcess id="es" triggeredByEvent="true"><startEvent id="es1"><conditionalEventDefinition><condition>stop</condition></conditionalEventDefinition></startEvent>
            <userTask id="c"/><endEvent id="ese"/>{}</subProcess>"#,
            flows("es1>c>ese")
        ),
    );
    let script = r#"[{"complete":"a","vars":{"stop":true}},{"complete":"c"}]"#;
    run(&interrupted, json!({"done": false, "stop": false}), script).ends("completed");
}

/// A model in which nobody is asked and nothing changes stops, as a circle does.
#[test]
fn ad_hoc_work_without_end_is_a_circle() {
    let xml = ad_hoc("", "").replace("userTask", "task");
    let ran = run(&xml, json!({"done": false}), "[]").ends("failed");
    assert!(ran.last["reason"].as_str().unwrap().contains("circle"));
}

#[test]
fn a_cycle_ends_at_its_end() {
    let timer = |cycle: &str| {
        process(&format!(
            r#"<startEvent id="s"/><userTask id="t"/><boundaryEvent id="b" attachedToRef="t" cancelActivity="false">
            <timerEventDefinition><timeCycle>{cycle}</timeCycle></timerEventDefinition></boundaryEvent>
            <endEvent id="e"/><endEvent id="struck"/>{}"#,
            flows("s>t; t>e; b>struck")
        ))
    };
    let strokes = |cycle: &str| {
        let ran = run(&timer(cycle), json!({}), r#"[{"advance":"P1D"}]"#).ends("waiting");
        ran.entered().iter().filter(|id| **id == "struck").count()
    };
    assert_eq!(strokes("R/PT1H/2000-01-01T00:00:00Z"), 0);
    assert_eq!(strokes("R/PT1H/2999-01-01T00:00:00Z"), 24);
    assert_eq!(strokes("R3/PT1H/2999-01-01T00:00:00Z"), 3);
    assert_eq!(strokes("R/PT0.5H"), 48);
}

/// The clock of a simulation begins on 5 January 2026.
#[test]
fn a_cycle_begins_at_its_start() {
    let struck = |cycle: &str, advance: &str| {
        let xml = process(&format!(
            r#"<startEvent id="s"/><userTask id="t"/><boundaryEvent id="b" attachedToRef="t" cancelActivity="false">
            <timerEventDefinition><timeCycle>{cycle}</timeCycle></timerEventDefinition></boundaryEvent>
            <endEvent id="e"/><endEvent id="struck"/>{}"#,
            flows("s>t; t>e; b>struck")
        ));
        let script = format!(r#"[{{"advance":"{advance}"}}]"#);
        let ran = run(&xml, json!({}), &script).ends("waiting");
        ran.entered().iter().filter(|id| **id == "struck").count()
    };
    for start in [
        "2026-01-06T00:00:00Z",
        "20260106T000000Z",
        "2026-W02-2T00:00:00Z",
    ] {
        let cycle = format!("R2/{start}/P1D");
        assert_eq!(struck(&cycle, "PT23H"), 0, "{start}");
        assert_eq!(struck(&cycle, "20260106T000000Z"), 1, "{start}");
        assert_eq!(struck(&cycle, "P2D"), 2, "{start}");
        assert_eq!(struck(&cycle, "P2W"), 2, "{start}");
    }
    let between = "R3/2026-01-06T00:00:00Z/2026-01-08T00:00:00Z";
    assert_eq!(struck(between, "2026-01-08T00:00:00Z"), 2);
    assert_eq!(struck(between, "P1M"), 3);
    assert_eq!(struck("R2/P1D/20260109T000000Z", "P1M"), 2);
    assert_eq!(struck("R5/P1D/20260108T000000Z", "P1M"), 3);
    assert_eq!(struck("R/PT1H", "P1D"), 24);
}

/// A signal that one border event takes with the activity is heard by the other first.
#[test]
fn what_does_not_interrupt_hears_a_signal_first() {
    let xml = file(&format!(
        r#"<signal id="sg" name="storm"/><process id="p" isExecutable="true"><startEvent id="s"/><userTask id="t"/><endEvent id="e"/>
        <boundaryEvent id="b1" attachedToRef="t"><signalEventDefinition signalRef="sg"/></boundaryEvent>
        <boundaryEvent id="b2" attachedToRef="t" cancelActivity="false"><signalEventDefinition signalRef="sg"/></boundaryEvent>
        <userTask id="u1"/><userTask id="u2"/>{}</process>"#,
        flows("s>t; t>e; b1>u1; b2>u2; u1>e; u2>e")
    ));
    let ran = run(&xml, json!({}), r#"[{"signal":"storm"}]"#).ends("waiting");
    let mut waiting = ran.waiting();
    waiting.sort_unstable();
    assert_eq!(waiting, ["u1", "u2"]);
}

#[test]
fn each_condition_of_a_multiple_event_is_looked_at() {
    let middle = |parallel: &str| {
        file(&format!(
            r#"<process id="p" isExecutable="true"><startEvent id="s"/><userTask id="t"/><endEvent id="e"/><endEvent id="came"/>
            <boundaryEvent id="b" attachedToRef="t" {parallel}>
            <conditionalEventDefinition><condition>a &gt; 3</condition></conditionalEventDefinition>
            <conditionalEventDefinition><condition>b &gt; 3</condition></conditionalEventDefinition></boundaryEvent>{}</process>"#,
            flows("s>t; t>e; b>came")
        ))
    };
    let ran = run(&middle(""), json!({"a": 0, "b": 5}), "[]").ends("completed");
    assert!(ran.entered().contains(&"came"));
    run(&middle(""), json!({"a": 0, "b": 1}), "[]").ends("waiting");
    let both = middle(r#"parallelMultiple="true""#);
    run(&both, json!({"a": 0, "b": 5}), "[]").ends("waiting");
    run(&both, json!({"a": 4, "b": 5}), "[]").ends("completed");
}

#[test]
fn a_cancelled_transaction_does_not_go_on_as_if_it_had_succeeded() {
    let xml = process(&format!(
        r#"<startEvent id="s"/><transaction id="tx"><startEvent id="ts"/><endEvent id="te"><cancelEventDefinition/></endEvent>{}</transaction>
        <userTask id="confirm"/><endEvent id="e"/>{}"#,
        flows("ts>te"),
        flows("s>tx; tx>confirm; confirm>e")
    ));
    let ran = run(&xml, json!({}), "[]").ends("completed");
    assert!(!ran.entered().contains(&"confirm"));
}
