//! What every step keeps, tried on seeded random models and inputs.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use std::fmt::Write;

use serde_json::{Map, json};
use workflow::{
    check::read_and_check,
    core::{Effect, Input, Instance, Process, Rejection, State, Status, advance},
};

use crate::model::{flows, process, vars};

pub fn at() -> DateTime<Utc> {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

pub fn compile(xml: &str) -> Process {
    let (model, findings) = read_and_check(xml.as_bytes());
    let model = model.unwrap_or_else(|| panic!("{findings:#?}"));
    Process::new(Arc::new(model), None).unwrap()
}

/// Small, fast, and the same on every machine.
pub struct Seed(pub u64);

impl Seed {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

/// A block-structured model: every split has its join, so that it can always end.
pub fn block(
    seed: &mut Seed,
    depth: usize,
    count: &mut usize,
    nodes: &mut String,
    list: &mut String,
) -> (String, String) {
    *count += 1;
    let n = *count;
    let leaf = |nodes: &mut String, kind: &str| {
        write!(nodes, r#"<{kind} id="n{n}"/>"#).unwrap();
        (format!("n{n}"), format!("n{n}"))
    };
    if depth == 0 {
        return match seed.below(3) {
            0 => leaf(nodes, "userTask"),
            1 => leaf(nodes, "task"),
            _ => {
                let multi = "<multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics>";
                write!(nodes, r#"<userTask id="n{n}">{multi}</userTask>"#).unwrap();
                (format!("n{n}"), format!("n{n}"))
            }
        };
    }
    match seed.below(5) {
        0 => {
            let (first, final_one) = block(seed, depth - 1, count, nodes, list);
            let (next, end) = block(seed, depth - 1, count, nodes, list);
            write!(list, "{final_one}>{next};").unwrap();
            (first, end)
        }
        kind @ 1..=3 => {
            let gateway = ["parallelGateway", "inclusiveGateway", "exclusiveGateway"][kind - 1];
            write!(nodes, r#"<{gateway} id="g{n}"/><{gateway} id="j{n}"/>"#).unwrap();
            for branch in 0..2 + seed.below(2) {
                let (first, final_one) = block(seed, depth - 1, count, nodes, list);
                let condition = match (gateway, branch) {
                    ("parallelGateway", _) => String::new(),
                    (_, 0) => "[true]".to_owned(),
                    _ => format!("[v{} = true]", seed.below(4)),
                };
                write!(list, "g{n}>{first}{condition};{final_one}>j{n};").unwrap();
            }
            (format!("g{n}"), format!("j{n}"))
        }
        _ => {
            let (mut inner_nodes, mut inner_list) = (String::new(), String::new());
            let (first, final_one) =
                block(seed, depth - 1, count, &mut inner_nodes, &mut inner_list);
            write!(inner_list, "s{n}>{first};{final_one}>e{n}").unwrap();
            write!(nodes,
                r#"<subProcess id="n{n}"><startEvent id="s{n}"/><endEvent id="e{n}"/>{inner_nodes}{}</subProcess>"#,
                flows(&inner_list)
            ).unwrap();
            (format!("n{n}"), format!("n{n}"))
        }
    }
}

pub fn random_process(seed: &mut Seed) -> Process {
    let (mut nodes, mut list, mut count) = (String::new(), String::new(), 0);
    let (first, final_one) = block(seed, 3, &mut count, &mut nodes, &mut list);
    write!(list, "s>{first};{final_one}>e").unwrap();
    compile(&process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/>{nodes}{}"#,
        flows(&list)
    )))
}

/// Plays a random run; answers the inputs taken and the instance after each of them.
pub fn play(process: &Process, seed: &mut Seed, saves: bool) -> (Vec<Input>, Vec<Instance>) {
    let mut instance = process.instance();
    let (mut inputs, mut states) = (Vec::new(), Vec::new());
    let truths: Map<_, _> = (0..4)
        .map(|n| (format!("v{n}"), json!(seed.below(2) == 0)))
        .collect();
    let mut input = Input::Start {
        at: None,
        vars: truths,
    };
    for _ in 0..2_000 {
        let (next, _) = advance(process, instance, input.clone(), at()).unwrap();
        assert!(next.is_balanced(), "{next:#?}");
        instance = if saves {
            serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap()
        } else {
            next
        };
        inputs.push(input);
        states.push(instance.clone());
        let tasks: Vec<u32> = instance.waiting().map(|(token, _)| token).collect();
        if tasks.is_empty() {
            break;
        }
        let token = tasks[seed.below(tasks.len())];
        input = Input::Complete {
            token,
            vars: vars(json!({ format!("v{}", seed.below(4)): seed.below(2) == 0 })),
        };
    }
    (inputs, states)
}

#[test]
fn random_structured_processes_always_end_with_no_token_left() {
    for number in 1..=300 {
        let mut seed = Seed(number * 7_919);
        let process = random_process(&mut seed);
        let (_, states) = play(&process, &mut seed, false);
        let last = states.last().unwrap();
        assert_eq!(last.status, Status::Completed, "seed {number}: {last:#?}");
        assert!(last.tokens.is_empty() && last.timers.is_empty());
    }
}

#[test]
fn the_same_inputs_give_the_same_instance() {
    for number in 1..=60 {
        let mut seed = Seed(number * 104_729);
        let process = random_process(&mut seed);
        let (inputs, states) = play(&process, &mut seed, false);
        let mut instance = process.instance();
        for (input, expected) in inputs.into_iter().zip(states) {
            instance = advance(&process, instance, input, at()).unwrap().0;
            assert_eq!(instance, expected);
        }
    }
}

#[test]
fn an_instance_saved_after_every_step_behaves_as_one_never_saved() {
    for number in 1..=60 {
        let runs = [false, true].map(|saves| {
            let mut seed = Seed(number * 15_485_863);
            let process = random_process(&mut seed);
            play(&process, &mut seed, saves).1
        });
        assert_eq!(runs[0], runs[1]);
    }
}

#[test]
fn wrong_inputs_are_rejected_and_random_ones_never_break_the_balance() {
    for number in 1..=60 {
        let mut seed = Seed(number * 32_452_843);
        let process = random_process(&mut seed);
        let start = Input::Start {
            at: None,
            vars: Map::new(),
        };
        let (mut instance, _) = advance(&process, process.instance(), start, at()).unwrap();
        for _ in 0..60 {
            let token = u32::try_from(seed.below(40)).unwrap();
            let element = format!("n{}", seed.below(20));
            let input = match seed.below(7) {
                0 => Input::Complete {
                    token,
                    vars: Map::new(),
                },
                1 => Input::Timer { timer: token },
                2 => Input::Trigger {
                    element,
                    vars: Map::new(),
                },
                3 => Input::Error {
                    token,
                    code: "X".into(),
                    message: String::new(),
                    vars: Map::new(),
                },
                4 => Input::Move { token, to: element },
                5 => Input::Retry { token },
                _ => Input::Signal {
                    name: "x".into(),
                    vars: Map::new(),
                },
            };
            if let Ok((next, _)) = advance(&process, instance.clone(), input, at()) {
                assert!(next.is_balanced(), "{next:#?}");
                instance = next;
            }
        }
    }
}

fn approval() -> Process {
    compile(&process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><parallelGateway id="g"/><parallelGateway id="j"/>
        <userTask id="a"/><userTask id="b"/><userTask id="c"/>{}"#,
        flows("s>g; g>a>j; g>b>j; g>c>j; j>e")
    )))
}

#[test]
fn three_open_tasks_are_less_than_two_kilobytes() {
    let process = approval();
    let start = Input::Start {
        at: None,
        vars: vars(json!({"subject": "case:0192"})),
    };
    let (instance, effects) = advance(&process, process.instance(), start, at()).unwrap();
    assert_eq!(
        effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Task { .. }))
            .count(),
        3
    );
    let size = serde_json::to_string(&instance).unwrap().len();
    assert!(size < 2048, "{size} bytes");
}

#[test]
fn a_finished_task_or_instance_takes_nothing_more() {
    let process = approval();
    let start = Input::Start {
        at: None,
        vars: Map::new(),
    };
    let (instance, _) = advance(&process, process.instance(), start.clone(), at()).unwrap();
    assert_eq!(
        advance(&process, instance.clone(), start, at()),
        Err(Rejection::AlreadyStarted)
    );
    let token = instance.waiting().next().unwrap().0;
    let complete = Input::Complete {
        token,
        vars: Map::new(),
    };
    let (instance, _) = advance(&process, instance, complete.clone(), at()).unwrap();
    assert_eq!(
        advance(&process, instance.clone(), complete, at()),
        Err(Rejection::NoSuchTask(token))
    );
    let cancel = Input::Cancel {
        reason: "withdrawn".into(),
    };
    let (instance, effects) = advance(&process, instance, cancel.clone(), at()).unwrap();
    assert_eq!(
        effects
            .iter()
            .filter(|effect| matches!(effect, Effect::TaskGone { .. }))
            .count(),
        2
    );
    assert_eq!(instance.status, Status::Cancelled);
    assert_eq!(
        advance(&process, instance, cancel, at()),
        Err(Rejection::NotRunning)
    );
}

#[test]
fn a_stopped_task_is_tried_again() {
    let process = approval();
    let start = Input::Start {
        at: None,
        vars: Map::new(),
    };
    let (instance, _) = advance(&process, process.instance(), start, at()).unwrap();
    let token = instance.waiting().next().unwrap().0;
    let fail = Input::Fail {
        token,
        reason: "out of reach".into(),
    };
    let (instance, _) = advance(&process, instance, fail, at()).unwrap();
    assert_eq!(instance.incidents().next().unwrap().2, "out of reach");
    let (instance, effects) = advance(&process, instance, Input::Retry { token }, at()).unwrap();
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Task { element, .. } if &**element == "a"))
    );
    assert!(instance.is_balanced() && instance.incidents().next().is_none());
}

#[test]
fn ten_thousand_instances_cost_in_proportion() {
    let xml = process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><userTask id="t"><multiInstanceLoopCharacteristics><loopCardinality>n</loopCardinality></multiInstanceLoopCharacteristics></userTask>{}"#,
        flows("s>t>e")
    ));
    let process = compile(&xml);
    let start = Input::Start {
        at: None,
        vars: vars(json!({"n": 10_000})),
    };
    let (mut instance, _) = advance(&process, process.instance(), start, at()).unwrap();
    let tokens: Vec<u32> = instance
        .tokens
        .iter()
        .filter(|(_, t)| t.state == State::Task)
        .map(|(id, _)| *id)
        .collect();
    assert_eq!(tokens.len(), 10_000);
    for token in tokens {
        instance = advance(
            &process,
            instance,
            Input::Complete {
                token,
                vars: Map::new(),
            },
            at(),
        )
        .unwrap()
        .0;
    }
    assert_eq!(instance.status, Status::Completed);
}

#[test]
fn two_thousand_elements_are_read_and_checked() {
    let mut body = String::from(r#"<startEvent id="n0"/>"#);
    let mut list = String::new();
    for n in 1..2_000 {
        write!(body, r#"<userTask id="n{n}" name="步骤 {n}"/>"#).unwrap();
        write!(list, "n{}>n{n};", n - 1).unwrap();
    }
    body.push_str(r#"<endEvent id="e"/>"#);
    list.push_str("n1999>e");
    let (model, findings) = read_and_check(process(&format!("{body}{}", flows(&list))).as_bytes());
    assert!(model.is_some() && findings.is_empty());
}

#[test]
fn many_iterations_at_once_do_not_exhaust_the_stack() {
    for repeat in [
        r#"<multiInstanceLoopCharacteristics isSequential="true"><loopCardinality>50000</loopCardinality></multiInstanceLoopCharacteristics>"#,
        r#"<standardLoopCharacteristics loopMaximum="9000"><loopCondition>true</loopCondition></standardLoopCharacteristics>"#,
        "<multiInstanceLoopCharacteristics><loopCardinality>50000</loopCardinality></multiInstanceLoopCharacteristics>",
    ] {
        let xml = process(&format!(
            r#"<startEvent id="s"/><endEvent id="e"/><task id="t">{repeat}</task>{}"#,
            flows("s>t>e")
        ));
        let process = compile(&xml);
        let start = Input::Start {
            at: None,
            vars: Map::new(),
        };
        let (instance, _) = advance(&process, process.instance(), start, at()).unwrap();
        assert_eq!(instance.status, Status::Completed);
    }
}

#[test]
fn one_stopped_instance_of_several_is_tried_again_alone() {
    let multi = "<multiInstanceLoopCharacteristics><loopCardinality>3</loopCardinality></multiInstanceLoopCharacteristics>";
    let process = compile(&process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><serviceTask id="t">{multi}</serviceTask>{}"#,
        flows("s>t>e")
    )));
    let start = Input::Start {
        at: None,
        vars: Map::new(),
    };
    let (mut instance, _) = advance(&process, process.instance(), start, at()).unwrap();
    let stopped = instance.waiting().next().unwrap().0;
    let fail = Input::Fail {
        token: stopped,
        reason: "out of reach".into(),
    };
    instance = advance(&process, instance, fail, at()).unwrap().0;
    let (next, effects) =
        advance(&process, instance, Input::Retry { token: stopped }, at()).unwrap();
    assert_eq!(
        effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Task { .. }))
            .count(),
        1
    );
    instance = next;
    while let Some(token) = { instance.waiting().map(|(token, _)| token).next() } {
        instance = advance(
            &process,
            instance,
            Input::Complete {
                token,
                vars: Map::new(),
            },
            at(),
        )
        .unwrap()
        .0;
        assert!(instance.is_balanced());
    }
    assert_eq!(instance.status, Status::Completed);
}

#[test]
fn mutated_files_are_refused_or_run_but_never_break() {
    let body = format!(
        r#"<startEvent id="s"/><endEvent id="e"/><inclusiveGateway id="g" default="g-b"/><inclusiveGateway id="j"/>
        <userTask id="a"><multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics></userTask>
        <subProcess id="b"><startEvent id="s1"/><task id="t1"/><endEvent id="e1"><terminateEventDefinition/></endEvent>{}</subProcess>
        <boundaryEvent id="x" attachedToRef="a" cancelActivity="false"><timerEventDefinition><timeCycle>R2/PT1H</timeCycle></timerEventDefinition></boundaryEvent>{}"#,
        flows("s1>t1>e1"),
        flows("s>g; g>a[n > 1]; g>b; a>j; b>j; x>j; j>e")
    );
    let good = process(&body).into_bytes();
    let words: [&[u8]; 12] = [
        b"g",
        b"<",
        b">",
        b"\"",
        b"boundaryEvent",
        b"endEvent",
        b"subProcess",
        b"parallelGateway",
        b"P1D",
        b"999999",
        b"${",
        b"a",
    ];
    let options = workflow::simulate::Options {
        auto_complete: true,
        jump_timers: true,
        max_steps: Some(200),
        ..Default::default()
    };
    let mut seed = Seed(88_172_645_463_325_252);
    for _ in 0..1_500 {
        let mut bytes = good.clone();
        for _ in 0..=seed.below(4) {
            let start = seed.below(bytes.len());
            let end = (start + seed.below(12)).min(bytes.len());
            bytes.splice(start..end, words[seed.below(words.len())].iter().copied());
        }
        let mut out = Vec::new();
        workflow::simulate::run(&bytes, &options, &mut out).unwrap();
        assert!(
            String::from_utf8(out)
                .unwrap()
                .lines()
                .last()
                .unwrap()
                .contains("outcome")
        );
    }
}

/// Anything drawn anyhow: the checker would refuse most of it, the core must bear it.
fn scribble(seed: &mut Seed) -> String {
    let kinds = [
        "<task id=\"ID\"/>",
        "<userTask id=\"ID\"/>",
        "<userTask id=\"ID\"><multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics></userTask>",
        "<parallelGateway id=\"ID\"/>",
        "<inclusiveGateway id=\"ID\"/>",
        "<exclusiveGateway id=\"ID\"/>",
        "<complexGateway id=\"ID\"><activationCondition>activationCount > 1</activationCondition></complexGateway>",
        "<eventBasedGateway id=\"ID\"/>",
        "<intermediateCatchEvent id=\"ID\"><signalEventDefinition signalRef=\"sg\"/></intermediateCatchEvent>",
        "<intermediateThrowEvent id=\"ID\"><signalEventDefinition signalRef=\"sg\"/></intermediateThrowEvent>",
        "<intermediateThrowEvent id=\"ID\"><compensateEventDefinition/></intermediateThrowEvent>",
        "<intermediateCatchEvent id=\"ID\"><timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition></intermediateCatchEvent>",
        "<endEvent id=\"ID\"><terminateEventDefinition/></endEvent>",
        "<endEvent id=\"ID\"><errorEventDefinition errorRef=\"er\"/></endEvent>",
        "<subProcess id=\"ID\"><userTask id=\"ID-t\"/><boundaryEvent id=\"ID-c\" attachedToRef=\"ID-t\"><compensateEventDefinition/></boundaryEvent><task id=\"ID-u\" isForCompensation=\"true\"/><association sourceRef=\"ID-c\" targetRef=\"ID-u\"/></subProcess>",
        "<transaction id=\"ID\"><endEvent id=\"ID-x\"><cancelEventDefinition/></endEvent></transaction>",
        "<subProcess id=\"ID\" triggeredByEvent=\"true\"><startEvent id=\"ID-s\" isInterrupting=\"false\"><signalEventDefinition signalRef=\"sg\"/></startEvent><userTask id=\"ID-h\"/><sequenceFlow id=\"ID-f\" sourceRef=\"ID-s\" targetRef=\"ID-h\"/></subProcess>",
    ];
    let count = 3 + seed.below(9);
    let mut body = String::from(r#"<startEvent id="n0"/>"#);
    let mut list = String::new();
    for n in 1..=count {
        body.push_str(&kinds[seed.below(kinds.len())].replace("ID", &format!("n{n}")));
        if seed.below(4) == 0 {
            let definition = [
                "<errorEventDefinition/>",
                "<signalEventDefinition signalRef=\"sg\"/>",
                "<cancelEventDefinition/>",
            ][seed.below(3)];
            let cancel = seed.below(2) == 0;
            write!(body, r#"<boundaryEvent id="b{n}" attachedToRef="n{n}" cancelActivity="{cancel}">{definition}</boundaryEvent>"#).unwrap();
            write!(list, "b{n}>n{};", 1 + seed.below(count)).unwrap();
        }
    }
    for n in 0..=count {
        for _ in 0..=seed.below(2) {
            write!(list, "n{n}>n{};", 1 + seed.below(count)).unwrap();
        }
    }
    crate::model::file(&format!(
        r#"<signal id="sg" name="x"/><error id="er" errorCode="E"/><process id="p">{body}{}</process>"#,
        flows(&list)
    ))
}

#[test]
fn scribbled_models_never_break_the_balance() {
    for number in 1..=40 {
        let mut seed = Seed(number * 49_979_687);
        let model = workflow::read::read(scribble(&mut seed).as_bytes()).unwrap();
        let process = Process::new(Arc::new(model), None).unwrap();
        let start = Input::Start {
            at: None,
            vars: Map::new(),
        };
        let Ok((mut instance, _)) = advance(&process, process.instance(), start, at()) else {
            continue;
        };
        for _ in 0..30 {
            assert!(
                instance.is_balanced() || instance.is_over(),
                "seed {number}: {instance:#?}"
            );
            let tokens: Vec<u32> = instance.tokens.keys().copied().collect();
            // A circle that splits fills up to the limit of one step; one such step is enough.
            if tokens.is_empty() || tokens.len() > 2_000 {
                break;
            }
            let token = tokens[seed.below(tokens.len())];
            let input = match seed.below(6) {
                0 => Input::Signal {
                    name: "x".into(),
                    vars: Map::new(),
                },
                1 => Input::Error {
                    token,
                    code: "E".into(),
                    message: String::new(),
                    vars: Map::new(),
                },
                2 => instance
                    .timers
                    .keys()
                    .next()
                    .map_or(Input::Retry { token }, |timer| Input::Timer {
                        timer: *timer,
                    }),
                3 => Input::Move {
                    token,
                    to: format!("n{}", seed.below(10)),
                },
                _ => Input::Complete {
                    token,
                    vars: Map::new(),
                },
            };
            if let Ok((next, _)) = advance(&process, instance.clone(), input, at()) {
                instance = next;
            }
        }
    }
}
