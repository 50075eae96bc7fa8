//! What the targets in `fuzz/` do, seeded and bounded: mutated files, and random inputs on a model
//! that uses most elements. `TONGBAN_FUZZ_ROUNDS` makes it longer.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde_json::{Map, json};
use workflow::{
    check::read_and_check,
    core::{Effect, FrameKind, Input, Instance, Process, State, Token, step},
    model::Definition,
    simulate::{self, Options},
};

use crate::{decisions::FEE, steps::Seed};

const MODEL: &str = include_str!("../../../../fuzz/model.bpmn");

fn rounds(usual: usize) -> usize {
    let given = std::env::var("TONGBAN_FUZZ_ROUNDS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Some bytes changed, removed, doubled or swapped with others of the file.
fn mutated(seed: &mut Seed, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=seed.below(8) {
        let (at, to) = (seed.below(bytes.len()), seed.below(bytes.len()));
        let (from, until) = (at.min(to), at.max(to).min(at.min(to) + 40));
        match seed.below(5) {
            0 => bytes[at] = u8::try_from(seed.below(256)).unwrap(),
            1 => drop(bytes.drain(from..until)),
            2 => {
                let copy = bytes[from..until].to_vec();
                bytes.splice(at..at, copy);
            }
            3 => bytes.swap(at, to),
            _ => bytes.truncate(at.max(1)),
        }
        if bytes.is_empty() {
            bytes.push(b'<');
        }
    }
    bytes
}

#[test]
fn mutated_files_never_break_the_reader() {
    let mut seed = Seed(0x5eed_0001);
    for round in 0..rounds(1_500) {
        let bytes = mutated(&mut seed, if round % 4 == 0 { FEE } else { MODEL });
        let refuses = simulate::check_file(&bytes)
            .iter()
            .any(|finding| finding.severity == workflow::check::Severity::Error);
        if !refuses {
            let options = Options {
                auto_complete: true,
                jump_timers: true,
                max_steps: Some(200),
                ..Options::default()
            };
            simulate::run(&bytes, &options, &mut Vec::new()).unwrap();
        }
    }
}

fn random_input(seed: &mut Seed, instance: &Instance) -> Input {
    let tokens: Vec<u32> = instance.tokens.keys().copied().collect();
    let mut token = || {
        tokens
            .get(seed.below(tokens.len().max(1)))
            .copied()
            .unwrap_or(7)
    };
    let (token, pick, n) = (token(), seed.below(16), seed.below(5));
    let vars = Map::from_iter([("n".to_owned(), json!(n))]);
    let ids = [
        "s", "b", "c", "t1", "t2", "j", "tx", "h", "s2", "be", "bt", "e", "k",
    ];
    let element = ids[seed.below(ids.len())].to_owned();
    match pick {
        0..=4 => Input::Complete { token, vars },
        5 => Input::Message {
            to: None,
            name: "m".into(),
            key: None,
            vars,
        },
        6 => Input::Signal {
            name: "sg".into(),
            vars,
        },
        7 => Input::Trigger { element, vars },
        8 => Input::Error {
            token,
            code: ["E", "F"][n % 2].into(),
            message: String::new(),
            vars,
        },
        9 => Input::Escalate {
            token,
            code: "U".into(),
        },
        10 => Input::Fail {
            token,
            reason: "broken".into(),
        },
        11 => Input::Set { vars },
        12 => Input::Retry { token },
        13 => Input::Move { token, to: element },
        14 => Input::Timer {
            timer: instance.timers.keys().next().copied().unwrap_or(9),
        },
        _ if n == 0 => Input::Cancel {
            reason: "enough".into(),
        },
        _ => Input::Start { at: None, vars },
    }
}

/// How often each element was entered and not left.
#[derive(Default)]
struct Stays(BTreeMap<String, i64>);

impl Stays {
    fn follow(&mut self, effects: &[Effect]) {
        for effect in effects {
            let (element, change) = match effect {
                Effect::Entered { element, .. } => (element, 1),
                Effect::Left { element, .. } => (element, -1),
                _ => continue,
            };
            let stays = self.0.entry(element.to_string()).or_default();
            *stays += change;
            assert!(
                *stays >= 0,
                "`{element}` was left before it was entered: {effects:#?}"
            );
        }
        self.0.retain(|_, stays| *stays != 0);
    }

    /// What was entered and not left is what tokens and event sub-processes stand at.
    fn agree_with(&self, process: &Process, instance: &Instance, input: &Input) {
        let mut standing: BTreeMap<String, i64> = BTreeMap::new();
        let frames = &instance.frames;
        for held in instance.tokens.values().filter(|held| {
            let frame = &frames[&held.frame];
            let is_run = frame.kind == FrameKind::Iteration && frame.of == held.at;
            !is_run && !matches!(held.state, State::Join(_)) && !goes_on_meanwhile(process, held)
        }) {
            *standing.entry(held.at.to_string()).or_default() += 1;
        }
        for sub in frames.values().filter(|f| f.kind == FrameKind::EventSub) {
            *standing.entry(sub.of.to_string()).or_default() += 1;
        }
        assert_eq!(self.0, standing, "{input:?}\n{instance:#?}");
    }
}

/// Compensation that nobody waits for goes on when its event has been left.
fn goes_on_meanwhile(process: &Process, held: &Token) -> bool {
    let node = process.model.lookup(&held.at).map(|ix| &process.model[ix]);
    let waits = |definition: &Definition| match definition {
        Definition::Compensation { waits, .. } => *waits,
        _ => matches!(
            definition,
            Definition::Cancel | Definition::Terminate | Definition::Error { .. }
        ),
    };
    matches!(&held.state, State::Undoing(steps) if !steps.is_empty())
        && !node.is_some_and(|node| node.definitions().iter().any(waits))
}

#[test]
fn random_inputs_keep_the_balance_and_survive_saving() {
    let (model, findings) = read_and_check(MODEL.as_bytes());
    let model = model.unwrap_or_else(|| panic!("{findings:?}"));
    let process = Process::new(Arc::new(model), None).unwrap();
    let now = DateTime::<Utc>::UNIX_EPOCH;
    let mut seed = Seed(0x5eed_0002);
    let mut ended = 0;
    for _ in 0..rounds(400) {
        let (mut kept, mut saved) = (process.instance(), process.instance());
        let mut stays = Stays::default();
        let mut input = Input::Start {
            at: None,
            vars: Map::new(),
        };
        for _ in 0..60 {
            let before = kept.clone();
            let done = step(&process, &mut kept, input.clone(), now);
            stays.follow(done.as_deref().unwrap_or_default());
            stays.agree_with(&process, &kept, &input);
            let again = step(&process, &mut saved, input.clone(), now);
            assert_eq!(done, again, "{input:?}");
            if done.is_err() {
                assert_eq!(before, kept, "{input:?}");
            }
            assert!(kept.is_balanced(), "{input:?}\n{before:#?}\n{kept:#?}");
            saved = serde_json::from_str(&serde_json::to_string(&saved).unwrap()).unwrap();
            assert_eq!(kept, saved);
            ended +=
                usize::from(done.is_ok_and(|effects| {
                    effects.iter().any(|e| matches!(e, Effect::Ended { .. }))
                }));
            input = random_input(&mut seed, &kept);
        }
    }
    assert!(ended > 50, "only {ended} ended");
}
