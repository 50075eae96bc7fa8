//! Running instances move to another version, and come from another engine.

use std::{collections::BTreeMap, sync::Arc};

use kernel::{Error, ManualClock};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use store::{Db, Worker, schema::event};
use workflow::{
    Engine, InstanceId,
    core::{Due, Effect, Input, Instance, Process, Rejection, Status, advance, step},
    migrate::{Plan, Problem, Reason, Wanted, difference, migrate},
};

use crate::{
    durable::{ORG, all, complete, deploy, officer, start},
    model::{flows, process, vars},
    steps::{Seed, at, compile, play, random_process},
};

fn plan(pairs: &[(&str, Option<&str>)]) -> Plan {
    let pairs = pairs
        .iter()
        .map(|(from, to)| ((*from).to_owned(), to.map(str::to_owned)));
    Plan {
        elements: pairs.collect::<BTreeMap<_, _>>(),
        ..Plan::default()
    }
}

/// An instance of the process after these tasks were done, each by its element's id.
fn run(process: &Process, variables: Value, done: &[&str]) -> Instance {
    let input = Input::Start {
        at: None,
        vars: vars(variables),
    };
    let (mut instance, _) = advance(process, process.instance(), input, at()).unwrap();
    for element in done {
        let (token, _) = instance
            .waiting()
            .find(|(_, held)| &*held.at == *element)
            .unwrap_or_else(|| panic!("nothing waits at {element}"));
        let input = Input::Complete {
            token,
            vars: serde_json::Map::new(),
        };
        instance = advance(process, instance, input, at()).unwrap().0;
    }
    instance
}

fn waiting(instance: &Instance) -> Vec<&str> {
    instance.waiting().map(|(_, held)| &*held.at).collect()
}

fn refusal(old: &str, new: &str, done: &[&str], plan: &Plan) -> Vec<(Reason, String)> {
    let (old, new) = (compile(old), compile(new));
    let instance = run(&old, json!({"items": [1, 2, 3]}), done);
    let problems = migrate(&old, &new, &instance, plan, at()).unwrap_err();
    problems
        .into_iter()
        .map(|Problem { reason, element }| (reason, element))
        .collect()
}

#[test]
fn the_same_version_changes_nothing() {
    let mut seed = Seed(0x5EED_0001);
    let mut states = 0;
    for _ in 0..150 {
        let process = random_process(&mut seed);
        let (_, instances) = play(&process, &mut seed, false);
        for instance in instances.iter().filter(|i| i.status == Status::Running) {
            let (moved, effects) =
                migrate(&process, &process, instance, &Plan::default(), at()).unwrap();
            assert_eq!(&moved, instance);
            assert_eq!(effects, []);
            states += 1;
        }
        let none = difference(&process.model, &process.model, &Plan::default());
        assert_eq!(none, workflow::migrate::Difference::default());
    }
    assert!(states > 300, "only {states} states");
}

/// Everything that an instance can hold, at once.
fn rich() -> String {
    process(&format!(
        r#"<startEvent id="s"/><parallelGateway id="g"/>
        <userTask id="plain"/><boundaryEvent id="b" attachedToRef="plain" cancelActivity="false"><timerEventDefinition><timeDuration>P1D</timeDuration></timerEventDefinition></boundaryEvent><endEvent id="be"/>
        <userTask id="many"><multiInstanceLoopCharacteristics tongban:collection="items" tongban:elementVariable="item"/></userTask>
        <subProcess id="sub"><startEvent id="ss"/><userTask id="inner"/><endEvent id="se"/>{}</subProcess>
        <intermediateCatchEvent id="catch"><timerEventDefinition><timeDuration>P2D</timeDuration></timerEventDefinition></intermediateCatchEvent>
        <userTask id="quick"/><parallelGateway id="j"/><endEvent id="e"/>
        <subProcess id="esub" triggeredByEvent="true"><startEvent id="es" isInterrupting="false"><timerEventDefinition><timeDuration>P3D</timeDuration></timerEventDefinition></startEvent><endEvent id="ee"/>{}</subProcess>
        {}"#,
        flows("ss>inner>se"),
        flows("es>ee"),
        flows("s>g; g>plain>j; g>many>j; g>sub>j; g>catch>j; g>quick>j; j>e; b>be")
    ))
}

/// Work that is done and could not be mapped goes along, and nobody does it again: a new version is
/// how a wrong mapping is mended.
#[test]
fn kept_work_goes_on_in_the_version_that_can_map_it() {
    let version = |activity: &str, source: &str| {
        let inside = if activity == "subProcess" {
            format!(
                r#"<startEvent id="is"/><userTask id="i"/><endEvent id="ie"/>{}"#,
                flows("is>i>ie")
            )
        } else {
            String::new()
        };
        process(&format!(
            r#"<startEvent id="s"/><{activity} id="t"><extensionElements><tongban:output target="total" source="{source}"/></extensionElements>{inside}</{activity}><userTask id="u"/><endEvent id="e"/>{}"#,
            flows("s>t>u>e")
        ))
    };
    for (activity, task, other) in [
        ("userTask", "t", "serviceTask"),
        ("subProcess", "i", "userTask"),
    ] {
        let old = compile(&version(activity, "price * 3"));
        let stopped = run(&old, json!({"price": "dear"}), &[task]);
        assert_eq!(stopped.incidents().count(), 1, "{activity}");
        let mended = compile(&version(
            activity,
            "if price = &quot;dear&quot; then 9 else price",
        ));
        let (moved, _) = migrate(&old, &mended, &stopped, &Plan::default(), at()).unwrap();
        assert!(moved.is_balanced());
        let token = moved.incidents().next().unwrap().0;
        let (moved, effects) = advance(&mended, moved, Input::Retry { token }, at()).unwrap();
        assert_eq!(moved.variables()["total"], json!(9), "{activity}");
        let tasks = effects.iter().filter_map(|effect| match effect {
            Effect::Task { element, .. } => Some(&**element),
            _ => None,
        });
        assert_eq!(tasks.collect::<Vec<_>>(), ["u"], "{activity}");
        // What is of another kind could make nothing of it.
        let other = compile(&version(other, "price"));
        let problems = migrate(&old, &other, &stopped, &Plan::default(), at()).unwrap_err();
        let is_told = |one: &Problem| one.element == "t" && one.reason == Reason::OtherKind;
        assert!(problems.iter().any(is_told), "{problems:?}");
    }
}

#[test]
fn everything_an_instance_holds_goes_along() {
    let process = compile(&rich());
    let instance = run(&process, json!({"items": [1, 2, 3]}), &["quick"]);
    let (moved, effects) = migrate(&process, &process, &instance, &Plan::default(), at()).unwrap();
    assert_eq!((&moved, effects), (&instance, Vec::new()));
    // Every id changed, flows too, and the process called otherwise.
    let mut other = rich();
    let ids = [
        "plain", "b", "be", "many", "sub", "ss", "inner", "se", "catch", "quick", "j", "esub",
        "es", "ee", "e",
    ];
    for id in ids {
        other = other
            .replace(&format!(r#""{id}""#), &format!(r#""{id}2""#))
            .replace(&format!(r#"-{id}""#), &format!(r#"-{id}2""#))
            .replace(&format!(r#""{id}-"#), &format!(r#""{id}2-"#));
    }
    let other = compile(&other.replace(r#"id="p""#, r#"id="p2""#));
    let pairs: Vec<(String, String)> = ids
        .iter()
        .map(|id| ((*id).to_owned(), format!("{id}2")))
        .collect();
    let pairs: Vec<(&str, Option<&str>)> = pairs
        .iter()
        .map(|(from, to)| (from.as_str(), Some(to.as_str())))
        .collect();
    let (mut moved, effects) = migrate(&process, &other, &instance, &plan(&pairs), at()).unwrap();
    assert_eq!(effects, []);
    assert!(moved.is_balanced());
    assert_eq!(&*moved.process, "p2");
    // It ends as it would have ended.
    while !moved.is_over() {
        let (token, held) = moved.waiting().next().unwrap();
        let input = if &*held.at == "catch2" {
            Input::Trigger {
                element: "catch2".into(),
                vars: serde_json::Map::new(),
            }
        } else {
            Input::Complete {
                token,
                vars: serde_json::Map::new(),
            }
        };
        moved = advance(&other, moved, input, at()).unwrap().0;
    }
    assert_eq!(moved.status, Status::Completed);
}

#[test]
fn what_would_be_lost_refuses_with_its_reason() {
    let one = |body: &str, list: &str| {
        process(&format!(
            r#"<startEvent id="s"/><endEvent id="e"/>{body}{}"#,
            flows(list)
        ))
    };
    let task = one(r#"<userTask id="t"/>"#, "s>t>e");
    let none = Plan::default();
    let border = r#"<userTask id="t"/><boundaryEvent id="b" attachedToRef="t"><timerEventDefinition><timeDuration>P1D</timeDuration></timerEventDefinition></boundaryEvent>"#;
    let condition = r#"<userTask id="t"/><boundaryEvent id="b" attachedToRef="t"><conditionalEventDefinition><condition>x = 1</condition></conditionalEventDefinition></boundaryEvent>"#;
    let multi = |sequential: bool| {
        format!(
            r#"<userTask id="t"><multiInstanceLoopCharacteristics isSequential="{sequential}"><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics></userTask>"#
        )
    };
    let sub = format!(
        r#"<subProcess id="x"><startEvent id="xs"/><userTask id="t"/><endEvent id="xe"/>{}</subProcess>"#,
        flows("xs>t>xe")
    );
    let with_end = |text: &str| format!(r#"{text}<endEvent id="e2"/>"#);
    for (old, new, plan, expected) in [
        // The step is gone, or another thing now.
        (
            task.clone(),
            one(r#"<userTask id="u"/>"#, "s>u>e"),
            none.clone(),
            vec![(Reason::Lost, "t")],
        ),
        (
            task.clone(),
            one(r#"<userTask id="u"/>"#, "s>u>e"),
            plan(&[("t", None)]),
            vec![(Reason::Lost, "t")],
        ),
        (
            task.clone(),
            one(r#"<serviceTask id="t"/>"#, "s>t>e"),
            none.clone(),
            vec![(Reason::OtherKind, "t")],
        ),
        (
            task.clone(),
            one(&sub, "s>x>e"),
            none.clone(),
            vec![(Reason::OtherPlace, "t")],
        ),
        (
            one(&sub, "s>x>e"),
            task.clone(),
            none.clone(),
            vec![(Reason::Lost, "x")],
        ),
        // The plan names what is not there.
        (
            task.clone(),
            task.clone(),
            plan(&[("t", Some("nobody"))]),
            vec![(Reason::UnknownElement, "t"), (Reason::Lost, "t")],
        ),
        (
            task.clone(),
            task.clone(),
            plan(&[("nobody", None)]),
            vec![(Reason::UnknownElement, "nobody")],
        ),
        // Timers and border events.
        (
            one(&with_end(border), "s>t>e; b>e2"),
            task.clone(),
            none.clone(),
            vec![(Reason::TimerLost, "b"), (Reason::EventLost, "b")],
        ),
        (
            one(&with_end(condition), "s>t>e; b>e2"),
            task.clone(),
            none.clone(),
            vec![(Reason::EventLost, "b")],
        ),
        // Iterations.
        (
            one(&multi(false), "s>t>e"),
            task.clone(),
            none.clone(),
            vec![(Reason::OtherRepeat, "t")],
        ),
        (
            one(&multi(false), "s>t>e"),
            one(&multi(true), "s>t>e"),
            none.clone(),
            vec![(Reason::OtherRepeat, "t")],
        ),
        (
            task.clone(),
            one(&multi(false), "s>t>e"),
            none.clone(),
            vec![(Reason::OtherRepeat, "t")],
        ),
    ] {
        let mut found = refusal(&old, &new, &[], &plan);
        let mut expected: Vec<_> = expected
            .into_iter()
            .map(|(reason, element)| (reason, element.to_owned()))
            .collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{new}");
    }
}

#[test]
fn a_branch_at_a_join_needs_its_flow() {
    let body = |join: &str| {
        process(&format!(
            r#"<startEvent id="s"/><endEvent id="e"/><parallelGateway id="g"/><userTask id="a"/><userTask id="b"/><parallelGateway id="{join}"/>{}"#,
            flows(&format!("s>g; g>a>{join}; g>b>{join}; {join}>e"))
        ))
    };
    // Another join between: its flows are of the same sources.
    let (old, new) = (compile(&body("j")), compile(&body("k")));
    let instance = run(&old, json!({}), &["a"]);
    let moved = migrate(&old, &new, &instance, &plan(&[("j", Some("k"))]), at());
    let (moved, _) = moved.unwrap();
    let (token, _) = moved.waiting().next().unwrap();
    let input = Input::Complete {
        token,
        vars: serde_json::Map::new(),
    };
    assert_eq!(
        advance(&new, moved, input, at()).unwrap().0.status,
        Status::Completed
    );
    let without = process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><parallelGateway id="g"/><userTask id="a"/><userTask id="c"/><userTask id="b"/><parallelGateway id="j"/>{}"#,
        flows("s>g; g>a>c>j; g>b>j; j>e")
    ));
    assert_eq!(
        refusal(&body("j"), &without, &["a"], &Plan::default()),
        [(Reason::JoinLost, "j".to_owned())]
    );
}

/// Branches after a split, each of one task, that meet again.
fn branches(names: &[&str]) -> String {
    let tasks: String = names
        .iter()
        .map(|name| format!(r#"<userTask id="{name}" tongban:candidates="examiner"/>"#))
        .collect();
    let ways: String = names.iter().map(|n| format!("g>{n}>j;")).collect();
    process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><userTask id="first" tongban:candidates="examiner"/><parallelGateway id="g"/>{tasks}<parallelGateway id="j"/><userTask id="last" tongban:candidates="examiner"/>{}"#,
        flows(&format!("s>first>g; {ways} j>last>e"))
    ))
}

fn arrived(flows: &[&str]) -> Plan {
    Plan {
        arrived: flows.iter().map(|id| (*id).to_owned()).collect(),
        ..Plan::default()
    }
}

#[test]
fn a_join_that_would_wait_for_ever_refuses() {
    let (old, new) = (branches(&["a", "b"]), branches(&["a", "b", "c"]));
    let never = vec![(Reason::JoinWaits, "c-j".to_owned())];
    // Waiting at the join, or on the way to it.
    for done in [&["first", "a"][..], &["first"]] {
        assert_eq!(refusal(&old, &new, done, &Plan::default()), never);
    }
    let (from, to) = (compile(&old), compile(&new));
    let before = run(&from, json!({}), &[]);
    let (moved, _) = migrate(&from, &to, &before, &arrived(&["c-j"]), at()).unwrap();
    assert_eq!(moved, before, "before the split nothing counts as arrived");
    assert!(migrate(&from, &to, &before, &Plan::default(), at()).is_ok());
    let after = run(&from, json!({}), &["first", "a", "b"]);
    assert!(migrate(&from, &to, &after, &Plan::default(), at()).is_ok());
    for wrong in ["nobody", "g-c", "s"] {
        let found = refusal(&old, &new, &["first"], &arrived(&["c-j", wrong]));
        assert_eq!(found, [(Reason::NotToJoin, wrong.to_owned())]);
    }
    // With the plan it ends as it would have ended.
    let instance = run(&from, json!({}), &["first", "a"]);
    let (moved, _) = migrate(&from, &to, &instance, &arrived(&["c-j"]), at()).unwrap();
    assert!(moved.is_balanced());
    let (token, _) = moved.waiting().next().unwrap();
    let done = Input::Complete {
        token,
        vars: serde_json::Map::new(),
    };
    let (moved, _) = advance(&to, moved, done, at()).unwrap();
    assert_eq!(waiting(&moved), ["last"]);
}

#[store::db_test(migrations = workflow::migrations)]
async fn a_join_for_which_all_has_come_goes_on_with_the_migration(db: Db) {
    let engine = calendar_engine();
    let old = deploy(&db, "join", branches(&["a", "b"])).await;
    start(&db, &engine, "join", json!({"org": ORG}))
        .await
        .unwrap();
    for element in ["first", "a"] {
        let task = open(&db, element).await;
        complete(&db, &engine, &task, officer("x"), json!({}))
            .await
            .unwrap();
    }
    // The second branch leads elsewhere now, and another is new.
    let other = branches(&["a", "c"]).replace(
        r#"<endEvent id="e"/>"#,
        &format!(
            r#"<endEvent id="e"/><userTask id="b" tongban:candidates="examiner"/><endEvent id="e2"/>{}"#,
            flows("g>b>e2")
        ),
    );
    let new = deploy(&db, "join", other).await;
    let mut wanted = Wanted {
        from: old.definition,
        to: new.definition,
        ..Wanted::default()
    };
    let report = workflow::migrate::check(&db, &engine, &wanted)
        .await
        .unwrap();
    let problem = &report.instances[0].problems[0];
    assert_eq!(problem.reason, Reason::JoinWaits);
    assert_eq!(problem.text().key, "workflow-migrate-join-waits");
    wanted.plan = arrived(&["c-j"]);
    let report = workflow::migrate::apply(&db, &engine, &wanted, "user:op")
        .await
        .unwrap();
    assert_eq!(report.instances[0].problems, []);
    for element in ["b", "last"] {
        let task = open(&db, element).await;
        complete(&db, &engine, &task, officer("x"), json!({}))
            .await
            .unwrap();
    }
    let trail = workflow::trail_of(&db, &engine, report.instances[0].instance)
        .await
        .unwrap();
    assert_eq!(trail.status, "completed");
}

async fn open(db: &Db, element: &str) -> workflow::Task {
    let tasks = all(db).await;
    let found = tasks.into_iter().find(|task| task.facts.element == element);
    found.unwrap_or_else(|| panic!("no task at {element}"))
}

#[test]
fn called_processes_keep_running_only_in_the_same_call() {
    let file = |called: &str| {
        crate::model::file(&format!(
            r#"<process id="p" isExecutable="true"><startEvent id="s"/><callActivity id="c" calledElement="{called}"/><endEvent id="e"/>{}</process>
            <process id="q" isExecutable="false"><startEvent id="qs"/><userTask id="qt"/><endEvent id="qe"/>{}</process>
            <process id="r" isExecutable="false"><startEvent id="rs"/><userTask id="rt"/><endEvent id="re"/>{}</process>"#,
            flows("s>c>e"),
            flows("qs>qt>qe"),
            flows("rs>rt>re")
        ))
    };
    let (old, new) = (
        compile(&file("q")),
        compile(&file("q").replace("<callActivity", r#"<callActivity name="X""#)),
    );
    let instance = run(&old, json!({}), &[]);
    assert!(migrate(&old, &new, &instance, &Plan::default(), at()).is_ok());
    assert_eq!(
        refusal(&file("q"), &file("r"), &[], &Plan::default()),
        [(Reason::OtherCall, "c".to_owned())]
    );
}

#[test]
fn what_compensation_would_undo_goes_along_or_refuses() {
    let body = |id: &str| {
        process(&format!(
            r#"<startEvent id="s"/><endEvent id="e"/><userTask id="{id}"/>
            <boundaryEvent id="cb" attachedToRef="{id}"><compensateEventDefinition/></boundaryEvent>
            <userTask id="undo" isForCompensation="true"/><association id="as" sourceRef="cb" targetRef="undo" associationDirection="One"/>
            <userTask id="t"/>{}"#,
            flows(&format!("s>{id}>t>e"))
        ))
    };
    let reasons = refusal(&body("pay"), &body("book"), &["pay"], &Plan::default());
    assert_eq!(reasons, [(Reason::UndoLost, "pay".to_owned())]);
    let (old, new) = (compile(&body("pay")), compile(&body("book")));
    let instance = run(&old, json!({}), &["pay"]);
    let plan = plan(&[("pay", Some("book"))]);
    assert!(migrate(&old, &new, &instance, &plan, at()).is_ok());
}

#[test]
fn timers_keep_their_moment_and_new_ones_begin() {
    let body = |extra: &str, list: &str| {
        process(&format!(
            r#"<startEvent id="s"/><endEvent id="e"/><userTask id="t"/><endEvent id="e2"/>{extra}{}"#,
            flows(list)
        ))
    };
    let border = |id: &str, span: &str| {
        format!(
            r#"<boundaryEvent id="{id}" attachedToRef="t" cancelActivity="false"><timerEventDefinition><timeDuration>{span}</timeDuration></timerEventDefinition></boundaryEvent>"#
        )
    };
    let old = compile(&body(&border("b", "P1D"), "s>t>e; b>e2"));
    let instance = run(&old, json!({}), &[]);
    let later = at() + chrono::Duration::hours(5);
    // The old timer keeps its moment although the model now says another.
    let both = format!("{}{}", border("b", "P9D"), border("c", "P2D"));
    let new = compile(&body(&both, "s>t>e; b>e2; c>e2"));
    let (moved, effects) = migrate(&old, &new, &instance, &Plan::default(), later).unwrap();
    let dues: Vec<_> = moved
        .timers
        .values()
        .map(|timer| timer.due.unwrap())
        .collect();
    let day = chrono::Duration::days(1);
    assert_eq!(dues, [at() + day, later + day * 2]);
    assert!(
        matches!(&effects[..], [Effect::Timer { element, due: Due::At(due), .. }]
            if &**element == "c" && *due == later + day * 2)
    );
    // Given up by the plan.
    let gone = compile(&body("", "s>t>e").replace(r#"<endEvent id="e2"/>"#, ""));
    let (moved, effects) = migrate(&old, &gone, &instance, &plan(&[("b", None)]), later).unwrap();
    assert!(moved.timers.is_empty());
    assert!(matches!(effects[..], [Effect::TimerGone { .. }]));
}

#[test]
fn a_difference_names_what_is_otherwise() {
    let old = process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><userTask id="t" name="A" tongban:days="5"/><userTask id="u"/>{}"#,
        flows("s>t>u>e")
    ));
    let new = process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><userTask id="t" name="B" tongban:days="3"/><serviceTask id="v"/>{}"#,
        flows("s>t>v>e")
    ));
    let found = difference(&compile(&old).model, &compile(&new).model, &Plan::default());
    let ids = |list: &[workflow::migrate::Element]| -> Vec<String> {
        list.iter().map(|element| element.id.clone()).collect()
    };
    assert_eq!(ids(&found.removed), ["u"]);
    assert_eq!(ids(&found.added), ["v"]);
    assert_eq!(found.changed.len(), 1);
    assert_eq!(found.changed[0].what, ["name", "attributes", "flows"]);
}

#[test]
fn an_instance_begins_where_it_stood_elsewhere() {
    let process = compile(&rich());
    let import = |at_elements: &[&str]| {
        let input = Input::Import {
            at: at_elements.iter().map(|id| (*id).to_owned()).collect(),
            vars: vars(json!({"items": [1, 2]})),
        };
        advance(&process, process.instance(), input, at())
    };
    let (instance, effects) = import(&["plain", "inner", "many", "catch", "quick-j"]).unwrap();
    assert!(instance.is_balanced());
    let mut stands = waiting(&instance);
    stands.sort_unstable();
    assert_eq!(stands, ["catch", "inner", "many", "many", "plain"]);
    // Border, catch event and event sub-process wait for their times.
    let timers = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Timer { .. }))
        .count();
    assert_eq!(timers, 3);
    for wrong in [
        &[][..],
        &["nobody"],
        &["b"],
        &["esub"],
        &["g"],
        &["e"],
        &["s"],
    ] {
        assert!(import(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn what_has_arrived_at_a_join_is_told_by_its_flow() {
    let inner = r#"<subProcess id="sub"><startEvent id="s1"/><userTask id="in"/><endEvent id="e1"/><sequenceFlow id="i1" sourceRef="s1" targetRef="in"/><sequenceFlow id="i2" sourceRef="in" targetRef="e1"/></subProcess>"#;
    let process = compile(&process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><parallelGateway id="g"/><userTask id="a"/><userTask id="b"/><parallelGateway id="j"/>{inner}{}"#,
        flows("s>g>a>j>sub>e; g>b>j")
    )));
    let import = |at_elements: &[&str]| {
        let input = Input::Import {
            at: at_elements.iter().map(|id| (*id).to_owned()).collect(),
            vars: vars(json!({})),
        };
        advance(&process, process.instance(), input, at())
    };
    let (instance, _) = import(&["a", "b-j"]).unwrap();
    assert!(instance.is_balanced());
    let (token, _) = instance.waiting().next().unwrap();
    let done = Input::Complete {
        token,
        vars: vars(json!({})),
    };
    let (instance, _) = advance(&process, instance, done, at()).unwrap();
    assert_eq!(waiting(&instance), ["in"]);
    // The inside and the sub-process around it would make the inside twice.
    for wrong in [&["in", "sub"][..], &["sub", "in"], &["nobody-j"]] {
        assert!(import(wrong).is_err(), "{wrong:?}");
    }
    for twice in [&["b", "b"][..], &["a", "b-j", "b-j"]] {
        let place = twice.last().map(|id| (*id).to_owned());
        assert_eq!(import(twice).err(), place.map(Rejection::PlaceTwice));
    }
    // By the flow and at the activity are two that came there.
    assert_eq!(
        waiting(&import(&["b", "g-b", "a-j"]).unwrap().0),
        ["b", "b"]
    );
    assert_eq!(waiting(&import(&["sub"]).unwrap().0), ["in"]);
}

#[test]
fn an_import_without_what_arrived_at_a_join_is_refused() {
    let body = |join: &str, rest: &str| {
        compile(&process(&format!(
            r#"<startEvent id="s"/><endEvent id="e"/><parallelGateway id="g"/><userTask id="a"/><userTask id="b"/><userTask id="c"/><exclusiveGateway id="m"/>{join}{}"#,
            flows(&format!("s>m>g; g>a>j; g>b>j; g>c>j; j>{rest}"))
        )))
    };
    let import = |process: &Process, at_elements: &[&str]| {
        let input = Input::Import {
            at: at_elements.iter().map(|id| (*id).to_owned()).collect(),
            vars: vars(json!({"ready": 2})),
        };
        let mut instance = process.instance();
        let stepped = step(process, &mut instance, input, at());
        if stepped.is_err() {
            assert_eq!(instance, process.instance(), "changed by a rejected input");
        }
        stepped.map(|_| instance)
    };
    let all = body(r#"<parallelGateway id="j"/>"#, "e");
    let waits = |flows: &str| Some(Rejection::JoinWaits("j".into(), flows.into()));
    assert_eq!(import(&all, &["a"]).err(), waits("b-j`, `c-j"));
    assert_eq!(import(&all, &["a", "b-j"]).err(), waits("c-j"));
    assert_eq!(import(&all, &["a-j", "b-j"]).err(), waits("c-j"));
    assert!(import(&all, &["a", "b-j", "c"]).is_ok());
    let done = import(&all, &["a-j", "b-j", "c-j"]).unwrap();
    assert_eq!(done.status, Status::Completed);
    // In a circle the first passage counts: nothing after the join comes before it.
    let circle = r#"<parallelGateway id="j"/><exclusiveGateway id="x" default="x-m"/>"#;
    let circle = body(circle, "x>m; x>e[ready > 9]");
    assert_eq!(import(&circle, &["a", "c"]).err(), waits("b-j"));
    // An inclusive join waits for what can come; a complex one for as many as it says.
    let inclusive = body(r#"<inclusiveGateway id="j"/>"#, "e");
    assert!(import(&inclusive, &["a"]).is_ok());
    let complex = |condition: &str| {
        let gateway = r#"<complexGateway id="j"><activationCondition>"#;
        body(
            &format!("{gateway}{condition}</activationCondition></complexGateway>"),
            "e",
        )
    };
    let two = complex("activationCount &gt;= 2");
    assert_eq!(import(&two, &["a"]).err(), waits("b-j`, `c-j"));
    assert!(import(&two, &["a", "b-j"]).is_ok());
    assert!(import(&complex("ready &gt; 3"), &["a"]).is_ok());
}

fn first() -> String {
    process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><userTask id="review" name="审查" tongban:candidates="examiner" tongban:days="5"/>{}"#,
        flows("s>review>e")
    ))
}

/// The review is called otherwise and has a reminder; a decision comes after it.
fn second() -> String {
    process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><userTask id="check" name="核查" tongban:candidates="examiner"/>
        <boundaryEvent id="b" attachedToRef="check" cancelActivity="false"><timerEventDefinition><timeDuration>P1D</timeDuration></timerEventDefinition></boundaryEvent>
        <userTask id="urge" tongban:candidates="examiner"/><endEvent id="e2"/><userTask id="decide" tongban:candidates="examiner"/>{}"#,
        flows("s>check>decide>e; b>urge>e2")
    ))
}

fn calendar_engine() -> Arc<Engine> {
    let engine = Arc::new(Engine::default());
    let known = crate::durable::calendar();
    engine.use_calendars(Arc::new(move |_| Ok(known.clone())));
    engine
}

#[store::db_test(migrations = workflow::migrations)]
async fn instances_are_moved_each_in_its_own_write(db: Db, clock: Arc<ManualClock>) {
    let engine = calendar_engine();
    let old = deploy(&db, "review", first()).await;
    let mut instances = Vec::new();
    for _ in 0..3 {
        instances.push(
            start(&db, &engine, "review", json!({"org": ORG}))
                .await
                .unwrap(),
        );
    }
    // One is done already, and is nobody's business any more.
    let mut tasks = all(&db).await;
    tasks.retain(|task| task.facts.instance == instances[0]);
    complete(&db, &engine, &tasks[0], officer("a"), json!({}))
        .await
        .unwrap();
    let new = deploy(&db, "review", second()).await;
    assert_eq!(all(&db).await[0].facts.definition, old.definition);

    let mut wanted = Wanted {
        from: old.definition.clone(),
        to: new.definition.clone(),
        ..Wanted::default()
    };
    let report = workflow::migrate::check(&db, &engine, &wanted)
        .await
        .unwrap();
    assert_eq!(report.instances.len(), 2);
    assert!(
        report
            .instances
            .iter()
            .all(|one| one.problems[0].reason == Reason::Lost)
    );
    let refused = workflow::migrate::apply(&db, &engine, &wanted, "user:op")
        .await
        .unwrap();
    assert_eq!(refused.instances, report.instances);
    assert_eq!(all(&db).await[0].facts.element, "review");

    wanted.plan = plan(&[("review", Some("check"))]);
    wanted.instances = vec![instances[1]];
    let one = workflow::migrate::apply(&db, &engine, &wanted, "user:op")
        .await
        .unwrap();
    assert_eq!(one.instances.len(), 1);
    assert_eq!(one.instances[0].problems, []);
    wanted.instances.clear();
    let rest = workflow::migrate::apply(&db, &engine, &wanted, "user:op")
        .await
        .unwrap();
    assert_eq!((rest.instances.len(), rest.next), (1, None));
    let again = workflow::migrate::apply(&db, &engine, &wanted, "user:op")
        .await
        .unwrap();
    assert!(again.instances.is_empty());

    let tasks = all(&db).await;
    for task in &tasks {
        let facts = &task.facts;
        assert_eq!(
            (facts.element.as_str(), facts.name.as_str()),
            ("check", "核查")
        );
        assert_eq!(facts.definition, new.definition);
    }
    let events = event::Entity::find()
        .filter(event::Column::Kind.eq("workflow.instance_migrated.v1"))
        .all(db.read())
        .await
        .unwrap();
    assert_eq!(events.len(), 2);
    // The new timer fires, the step after the old end comes, and the trail tells both names.
    clock.set(clock_now(&db) + chrono::Duration::days(2));
    Worker::new(&workflow::jobs(&db, &engine))
        .run_due(&db)
        .await
        .unwrap();
    complete(&db, &engine, &tasks[0], officer("a"), json!({}))
        .await
        .unwrap();
    let trail = workflow::trail_of(&db, &engine, tasks[0].facts.instance)
        .await
        .unwrap();
    let stays: Vec<_> = trail
        .steps
        .iter()
        .map(|stay| (stay.element.as_str(), stay.left_at.is_some()))
        .collect();
    for expected in [
        ("review", true),
        ("check", true),
        ("urge", false),
        ("decide", false),
    ] {
        assert!(stays.contains(&expected), "{expected:?} in {stays:?}");
    }
}

fn clock_now(db: &Db) -> chrono::DateTime<chrono::Utc> {
    db.clock().now()
}

#[store::db_test(migrations = workflow::migrations)]
async fn one_instance_is_refused_with_findings_in_the_callers_write(db: Db) {
    let engine = calendar_engine();
    deploy(&db, "review", first()).await;
    let id = start(&db, &engine, "review", json!({"org": ORG}))
        .await
        .unwrap();
    let new = deploy(&db, "review", second()).await;
    let (shared, to) = (engine.clone(), new.definition.clone());
    let result = db
        .write(move |tx| {
            let (engine, to) = (shared.clone(), to.clone());
            async move {
                let plan = Plan::default();
                workflow::migrate::one(&tx, &engine, id, &to, &plan, "user:op").await
            }
        })
        .await;
    let Err(Error::Invalid(findings)) = result else {
        panic!("{result:?}")
    };
    assert_eq!(findings[0].text.key, "workflow-migrate-lost");
    assert_eq!(findings[0].field, "review");
}

#[store::db_test(migrations = workflow::migrations)]
async fn an_instance_of_another_engine_goes_on_here(db: Db) {
    let engine = calendar_engine();
    let version = deploy(&db, "review", second()).await;
    let import = |at: &'static str| {
        let (db, engine, definition) = (db.clone(), engine.clone(), version.definition.clone());
        async move {
            db.write(move |tx| {
                let (engine, definition) = (engine.clone(), definition.clone());
                let vars = vars(json!({"org": ORG, "amount": 7}));
                async move {
                    let at = vec![at.to_owned()];
                    workflow::start_at(&tx, &engine, &definition, "case:1", at, vars, "user:op")
                        .await
                }
            })
            .await
        }
    };
    let id: InstanceId = import("decide").await.unwrap();
    let tasks = all(&db).await;
    assert_eq!(
        (tasks.len(), tasks[0].facts.element.as_str()),
        (1, "decide")
    );
    assert!(matches!(import("b").await, Err(Error::Refused(_))));
    complete(&db, &engine, &tasks[0], officer("a"), json!({}))
        .await
        .unwrap();
    let trail = workflow::trail_of(&db, &engine, id).await.unwrap();
    assert_eq!(trail.status, "completed");
    let known = db
        .write(move |tx| async move { workflow::variables(&tx, id).await })
        .await
        .unwrap();
    assert_eq!(known["amount"], json!(7));
}
