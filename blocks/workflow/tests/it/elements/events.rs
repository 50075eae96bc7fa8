//! Events that are waited for: timers, messages, signals, conditions, links; and starts.

use serde_json::json;
use workflow::simulate::Options;

use super::{ENDS, simple};
use crate::model::{auto, file, flows, process, run, run_with};

#[test]
fn timers_take_dates_durations_cycles_and_working_days() {
    let timer = |inner: &str| {
        simple(
            &format!(r#"<intermediateCatchEvent id="c">{inner}</intermediateCatchEvent>"#),
            "s>c>e",
        )
    };
    let duration =
        timer("<timerEventDefinition><timeDuration>P1DT2H</timeDuration></timerEventDefinition>");
    run(&duration, json!({}), r#"[{"advance":"P1DT1H"}]"#).ends("waiting");
    run(&duration, json!({}), r#"[{"advance":"P1DT2H"}]"#).ends("completed");
    let date = timer(
        "<timerEventDefinition><timeDate>2020-01-01T00:00:00Z</timeDate></timerEventDefinition>",
    );
    run(&date, json!({}), r#"[{"advance":"PT0S"}]"#).ends("completed");
    let variable =
        timer("<timerEventDefinition><timeDuration>${wait}</timeDuration></timerEventDefinition>");
    run(
        &variable,
        json!({"wait": "PT5M"}),
        r#"[{"advance":"PT5M"}]"#,
    )
    .ends("completed");
    run(&variable, json!({"wait": "soon"}), "[]").ends("failed");
    run(&variable, json!({}), "[]").ends("failed");
    // Five working days from Monday morning are the Monday after.
    let days = timer(r#"<timerEventDefinition tongban:workingDays="5"/>"#);
    run(&days, json!({}), r#"[{"advance":"P6D"}]"#).ends("waiting");
    run(&days, json!({}), r#"[{"advance":"P7D"}]"#).ends("completed");
}

#[test]
fn a_border_timer_interrupts_or_adds() {
    let xml = |cancel: bool, what: &str| {
        simple(
            &format!(
                r#"<userTask id="t"/><task id="late"/><endEvent id="e2"/>
                <boundaryEvent id="b" attachedToRef="t" cancelActivity="{cancel}"><timerEventDefinition>{what}</timerEventDefinition></boundaryEvent>"#
            ),
            "s>t>e; b>late>e2",
        )
    };
    let hour = "<timeDuration>PT1H</timeDuration>";
    let ran = run(&xml(true, hour), json!({}), r#"[{"advance":"PT1H"}]"#).ends("completed");
    assert_eq!(ran.entered(), ["s", "t", "b", "late", "e2"]);
    let ran = run(&xml(false, hour), json!({}), r#"[{"advance":"PT9H"}]"#).ends("waiting");
    assert_eq!((ran.waiting(), ran.of("enter").len()), (vec!["t"], 5));
    let cycle = "<timeCycle>R3/PT1H</timeCycle>";
    let ran = run(
        &xml(false, cycle),
        json!({}),
        r#"[{"advance":"PT9H"},{"complete":"t"}]"#,
    )
    .ends("completed");
    assert_eq!(ran.entered().iter().filter(|id| **id == "late").count(), 3);
    let ran = run(
        &xml(true, hour),
        json!({}),
        r#"[{"complete":"t"},{"advance":"PT9H"}]"#,
    )
    .ends("completed");
    assert!(!ran.entered().contains(&"late"));
}

#[test]
fn messages_and_signals_are_caught() {
    let xml = file(&format!(
        r#"<message id="m" name="paid"/><signal id="sg" name="storm"/><process id="p" isExecutable="true">{ENDS}
        <intermediateCatchEvent id="c1"><messageEventDefinition messageRef="m"/></intermediateCatchEvent>
        <receiveTask id="r" messageRef="m"/>
        <intermediateCatchEvent id="c2"><signalEventDefinition signalRef="sg"/></intermediateCatchEvent>{}</process>"#,
        flows("s>c1>r>c2>e")
    ));
    let ran = run(
        &xml,
        json!({}),
        r#"[{"message":"paid","vars":{"fee":5}},{"message":"paid"},{"signal":"storm"}]"#,
    );
    assert_eq!(ran.ends("completed").var("fee"), &json!(5));
    let ran = run(&xml, json!({}), r#"[{"message":"lost"}]"#).ends("failed");
    assert!(ran.last["reason"].as_str().unwrap().contains("step 1"));
    assert_eq!(ran.code, 1);
}

#[test]
fn a_message_for_two_is_refused_until_a_key_tells_them_apart() {
    let xml = file(&format!(
        r#"<message id="m" name="paid"/><process id="p" isExecutable="true">{ENDS}<parallelGateway id="g"/><parallelGateway id="j"/>
        <receiveTask id="a" messageRef="m" tongban:correlation="first"/>
        <receiveTask id="b" messageRef="m" tongban:correlation="second"/>{}</process>"#,
        flows("s>g; g>a>j; g>b>j; j>e")
    ));
    let variables = json!({"first": 1, "second": 2});
    let ran = run(&xml, variables.clone(), r#"[{"message":"paid"}]"#).ends("failed");
    assert!(
        ran.last["reason"]
            .as_str()
            .unwrap()
            .contains("2 places wait")
    );
    run(&xml, variables.clone(), r#"[{"message":"paid","key":3}]"#).ends("failed");
    run(
        &xml,
        variables,
        r#"[{"message":"paid","key":2},{"message":"paid","key":1}]"#,
    )
    .ends("completed");
}

#[test]
fn a_signal_thrown_inside_reaches_the_border_of_a_task() {
    let xml = file(&format!(
        r#"<signal id="sg" name="storm"/><process id="p" isExecutable="true">{ENDS}<parallelGateway id="g"/>
        <userTask id="t"/><endEvent id="e2"/><endEvent id="e3"/>
        <boundaryEvent id="b" attachedToRef="t"><signalEventDefinition signalRef="sg"/></boundaryEvent>
        <intermediateThrowEvent id="w"><signalEventDefinition signalRef="sg"/></intermediateThrowEvent>{}</process>"#,
        flows("s>g; g>t>e; b>e2; g>w>e3")
    ));
    let ran = run(&xml, json!({}), "[]").ends("completed");
    assert_eq!(ran.of("signal"), ["w"]);
    assert!(ran.entered().contains(&"e2") && !ran.entered().contains(&"e"));
}

#[test]
fn a_conditional_event_waits_until_its_condition_holds() {
    let xml = simple(
        r#"<userTask id="t"/><userTask id="u"/><intermediateCatchEvent id="c"><conditionalEventDefinition><condition>n > 3</condition></conditionalEventDefinition></intermediateCatchEvent>
           <parallelGateway id="g"/><parallelGateway id="j"/>"#,
        "s>g; g>t>u>j; g>c>j; j>e",
    );
    let ran = run(&xml, json!({}), r#"[{"complete":"t","vars":{"n":1}}]"#).ends("waiting");
    assert_eq!(ran.waiting(), ["c", "u"]);
    run(
        &xml,
        json!({}),
        r#"[{"complete":"t","vars":{"n":5}},{"complete":"u"}]"#,
    )
    .ends("completed");
    run(
        &xml,
        json!({"n": 9}),
        r#"[{"complete":"t"},{"complete":"u"}]"#,
    )
    .ends("completed");
}

#[test]
fn a_conditional_border_event_fires_at_each_change_to_true() {
    let xml = simple(
        r#"<userTask id="t"/><userTask id="x"/><endEvent id="e2"/><task id="n1"/><parallelGateway id="g"/><endEvent id="e3"/>
        <boundaryEvent id="b" attachedToRef="t" cancelActivity="false"><conditionalEventDefinition><condition>n > 3</condition></conditionalEventDefinition></boundaryEvent>"#,
        "s>g; g>t>e; g>x>e3; b>n1>e2",
    );
    let ran = run(
        &xml,
        json!({"n": 5}),
        r#"[{"complete":"x","vars":{"n":6}},{"complete":"t"}]"#,
    )
    .ends("completed");
    assert_eq!(ran.entered().iter().filter(|id| **id == "n1").count(), 1);
}

#[test]
fn a_link_continues_at_its_partner() {
    let xml = simple(
        r#"<intermediateThrowEvent id="l1"><linkEventDefinition name="A"/></intermediateThrowEvent>
           <intermediateCatchEvent id="l2"><linkEventDefinition name="A"/></intermediateCatchEvent>"#,
        "s>l1; l2>e",
    );
    assert_eq!(
        auto(&xml, json!({})).ends("completed").entered(),
        ["s", "l1", "l2", "e"]
    );
}

#[test]
fn a_typed_start_is_chosen_by_name_or_by_its_message() {
    let xml = file(&format!(
        r#"<message id="m" name="order"/><process id="p" isExecutable="true"><startEvent id="s1"/><startEvent id="s2"><messageEventDefinition messageRef="m"/></startEvent>
        <task id="a"/><task id="b"/><endEvent id="e"/>{}</process>"#,
        flows("s1>a>e; s2>b>e")
    ));
    assert_eq!(
        run(&xml, json!({}), "[]").ends("completed").entered(),
        ["s1", "a", "e"]
    );
    assert_eq!(
        run(&xml, json!({}), r#"[{"start":"s2"}]"#)
            .ends("completed")
            .entered(),
        ["s2", "b", "e"]
    );
}

#[test]
fn a_process_without_start_events_begins_where_nothing_leads() {
    let xml = process(&format!(r#"<task id="a"/><task id="b"/>{}"#, flows("a>b")));
    assert_eq!(
        auto(&xml, json!({})).ends("completed").entered(),
        ["a", "b"]
    );
}

#[test]
fn a_signal_finds_the_parallel_branch_waiting_whatever_the_order_of_flows() {
    for list in ["s>g; g>w>e2; g>c>e", "s>g; g>c>e; g>w>e2"] {
        let xml = file(&format!(
            r#"<signal id="sg" name="storm"/><signal id="sg2" name="flood"/><process id="p" isExecutable="true">{ENDS}<endEvent id="e2"/><parallelGateway id="g"/>
            <intermediateThrowEvent id="w"><signalEventDefinition signalRef="sg"/></intermediateThrowEvent>
            <intermediateCatchEvent id="c"><signalEventDefinition signalRef="sg2"/><signalEventDefinition signalRef="sg"/></intermediateCatchEvent>{}</process>"#,
            flows(list)
        ));
        auto(&xml, json!({})).ends("completed");
    }
}

#[test]
fn event_definitions_may_stand_at_the_top_of_the_file() {
    let xml = file(&format!(
        r#"<signal id="sg" name="storm"/><signalEventDefinition id="shared" signalRef="sg"/><process id="p" isExecutable="true">{ENDS}<userTask id="t"/><endEvent id="e2"/>
        <boundaryEvent id="b" attachedToRef="t"><eventDefinitionRef>shared</eventDefinitionRef></boundaryEvent>{}</process>"#,
        flows("s>t>e; b>e2")
    ));
    assert!(
        run(&xml, json!({}), r#"[{"signal":"storm"}]"#)
            .ends("completed")
            .entered()
            .contains(&"e2")
    );
}

#[test]
fn links_may_name_one_another_by_id() {
    let xml = simple(
        r#"<intermediateThrowEvent id="l1"><linkEventDefinition id="x1" name="A"><target>x2</target></linkEventDefinition></intermediateThrowEvent>
           <intermediateCatchEvent id="l2"><linkEventDefinition id="x2" name="B"><source>x1</source></linkEventDefinition></intermediateCatchEvent>"#,
        "s>l1; l2>e",
    );
    assert_eq!(
        auto(&xml, json!({})).ends("completed").entered(),
        ["s", "l1", "l2", "e"]
    );
}

#[test]
fn a_receive_task_begins_a_process_when_its_message_comes() {
    let xml = file(&format!(
        r#"<message id="m" name="order"/><collaboration id="c"><participant id="pp" processRef="p"/><participant id="pq" processRef="q"/>
        <messageFlow id="f" sourceRef="w" targetRef="r"/></collaboration>
        <process id="p" isExecutable="true">{ENDS}<intermediateThrowEvent id="w"><messageEventDefinition messageRef="m"/></intermediateThrowEvent>{}</process>
        <process id="q" isExecutable="true"><receiveTask id="r" messageRef="m" instantiate="true"/><task id="t"/>{}</process>"#,
        flows("s>w>e"),
        flows("r>t")
    ));
    let options = Options {
        also: vec!["q".into()],
        ..Options::default()
    };
    assert!(
        run_with(&xml, &options)
            .ends("completed")
            .entered()
            .contains(&"t")
    );
}
