//! Return, withdraw and reject in the core: where tokens stand afterwards, whatever ran beside.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use workflow::core::{
    Effect, Followed, Input, Instance, Mode, Process, Rejection, State, Status, advance, earlier,
};

use crate::{
    model::{flows, process, vars},
    steps::{Seed, at, block, compile},
};

/// A process under way, driven by the names of its steps.
struct Play {
    process: Process,
    instance: Instance,
    effects: Vec<Effect>,
    done: Vec<(String, Followed)>,
}

impl Play {
    fn of(nodes: &str, list: &str) -> Self {
        Self::with(compile(&process(&format!(
            r#"<startEvent id="s"/><endEvent id="e"/>{nodes}{}"#,
            flows(list)
        ))))
    }

    fn with(process: Process) -> Self {
        let mut play = Self {
            instance: process.instance(),
            process,
            effects: Vec::new(),
            done: Vec::new(),
        };
        let start = Input::Start {
            at: None,
            vars: Map::new(),
        };
        play.take(start).unwrap();
        play
    }

    /// Saved and read again after each step, and balanced.
    fn take(&mut self, input: Input) -> Result<(), Rejection> {
        let (next, effects) = advance(&self.process, self.instance.clone(), input, at())?;
        assert!(next.is_balanced(), "{next:#?}");
        self.instance = serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap();
        assert_eq!(self.instance, next);
        self.effects = effects;
        Ok(())
    }

    fn tasks(&self) -> Vec<String> {
        let waits = self.instance.waiting();
        waits.map(|(_, token)| token.at.to_string()).collect()
    }

    fn token(&self, step: &str) -> u32 {
        let mut waits = self.instance.waiting();
        let found = waits.find(|(_, token)| &*token.at == step);
        found
            .unwrap_or_else(|| panic!("{step} not in {:?}", self.tasks()))
            .0
    }

    fn complete_token(&mut self, token: u32) {
        let held = &self.instance.tokens[&token];
        let (step, frame, back) = (held.at.to_string(), held.frame, held.back.clone());
        let from = self.instance.next_number();
        let input = Input::Complete {
            token,
            vars: Map::new(),
        };
        self.take(input).unwrap();
        let mut followed = Followed {
            frame,
            from,
            until: self.instance.next_number(),
            count: 0,
            back,
        };
        followed.count = self.instance.followers(&followed).count();
        self.done.push((step, followed));
    }

    fn complete(&mut self, steps: &[&str]) {
        for step in steps {
            self.complete_token(self.token(step));
        }
    }

    fn back(&mut self, from: &str, to: &str, mode: Mode) -> Result<(), Rejection> {
        self.take(Input::Return {
            token: self.token(from),
            to: to.to_owned(),
            mode,
            vars: Map::new(),
        })
    }

    fn withdraw(&mut self, step: &str) -> Result<(), Rejection> {
        let done = self.done.iter().rev().find(|(done, _)| done == step);
        let followed = done.unwrap().1.clone();
        self.take(Input::Withdraw {
            to: step.to_owned(),
            followed,
        })
    }

    fn reject(&mut self, step: &str, to: Option<&str>) -> Result<(), Rejection> {
        self.take(Input::Reject {
            token: self.token(step),
            to: to.map(str::to_owned),
            reason: "not in the plan".into(),
            vars: vars(json!({"outcome": "rejected"})),
        })
    }

    fn finish(&mut self) {
        for _ in 0..2_000 {
            let Some(token) = self.instance.waiting().next().map(|(token, _)| token) else {
                break;
            };
            self.complete_token(token);
        }
        assert_eq!(
            self.instance.status,
            Status::Completed,
            "{:#?}",
            self.instance
        );
        assert!(self.instance.tokens.is_empty() && self.instance.timers.is_empty());
    }

    fn went(&self) -> usize {
        let gone = |effect: &&Effect| matches!(effect, Effect::TaskGone { .. });
        self.effects.iter().filter(gone).count()
    }
}

fn users(ids: &str) -> String {
    let mut nodes = String::new();
    for id in ids.split(' ') {
        write!(nodes, r#"<userTask id="{id}"/>"#).unwrap();
    }
    nodes
}

fn parallel() -> Play {
    let nodes = users("x a a2 b c") + r#"<parallelGateway id="g"/><parallelGateway id="j"/>"#;
    Play::of(&nodes, "s>x>g; g>a>a2>j; g>b>j; j>c>e")
}

#[test]
fn a_return_in_a_row_goes_through_all_steps_again() {
    let mut play = Play::of(&users("x y z"), "s>x>y>z>e");
    play.complete(&["x", "y"]);
    let ids = earlier(&play.process, &play.instance, play.token("z"));
    assert_eq!(ids.iter().map(|id| &**id).collect::<Vec<_>>(), ["x", "y"]);
    play.back("z", "x", Mode::Again).unwrap();
    assert_eq!((play.tasks(), play.went()), (vec!["x".to_owned()], 1));
    play.complete(&["x", "y", "z"]);
    assert_eq!(play.instance.status, Status::Completed);
}

#[test]
fn a_return_may_jump_straight_back_to_the_returning_step() {
    let mut play = Play::of(&users("x y z"), "s>x>y>z>e");
    play.complete(&["x", "y"]);
    play.back("z", "x", Mode::Back).unwrap();
    play.complete(&["x"]);
    assert_eq!(play.tasks(), ["z"]);
    // Twice in one another: each returns to its own returner.
    play.back("z", "y", Mode::Back).unwrap();
    play.back("y", "x", Mode::Back).unwrap();
    play.complete(&["x", "y", "z"]);
    assert_eq!(play.instance.status, Status::Completed);
}

#[test]
fn a_return_before_a_split_withdraws_the_other_branches() {
    let mut play = parallel();
    play.complete(&["x", "a", "a2"]);
    play.back("b", "x", Mode::Again).unwrap();
    assert_eq!(play.tasks(), ["x"]);
    assert_eq!(
        play.instance.tokens.len(),
        1,
        "what waited at the join is gone too"
    );
    play.finish();
}

#[test]
fn a_return_within_a_branch_leaves_the_others_alone() {
    let mut play = parallel();
    play.complete(&["x", "a"]);
    play.back("a2", "a", Mode::Again).unwrap();
    assert_eq!(
        (play.tasks(), play.went()),
        (vec!["b".into(), "a".to_owned()], 1)
    );
    play.complete(&["b", "a", "a2"]);
    assert_eq!(play.tasks(), ["c"]);
}

#[test]
fn a_return_from_behind_a_join_repeats_one_branch_and_keeps_the_work_of_the_others() {
    let mut play = parallel();
    play.complete(&["x", "a", "a2", "b"]);
    play.back("c", "a2", Mode::Again).unwrap();
    assert_eq!(play.tasks(), ["a2"]);
    play.complete(&["a2"]);
    assert_eq!(play.tasks(), ["c"]);
    play.finish();
}

#[test]
fn a_jump_back_over_a_join_needs_no_join() {
    let mut play = parallel();
    play.complete(&["x", "a", "a2", "b"]);
    play.back("c", "a", Mode::Back).unwrap();
    play.complete(&["a"]);
    assert_eq!(play.tasks(), ["c"]);
    play.back("c", "a2", Mode::Back).unwrap();
    // From there through all steps again: up to where the first returner waits.
    play.back("a2", "a", Mode::Again).unwrap();
    play.complete(&["a", "a2"]);
    assert_eq!(play.tasks(), ["c"]);
    play.finish();
}

#[test]
fn a_jump_back_leaves_what_runs_beside_alone() {
    let mut play = parallel();
    play.complete(&["x"]);
    play.back("b", "x", Mode::Back).unwrap();
    assert_eq!(play.tasks(), ["a", "x"]);
    play.complete(&["x", "a", "a2", "b", "c"]);
    assert_eq!(play.instance.status, Status::Completed);
}

#[test]
fn branches_beside_one_another_are_no_earlier_steps_even_in_a_circle() {
    let nodes = users("x a b c")
        + r#"<parallelGateway id="g"/><parallelGateway id="j"/><exclusiveGateway id="m"/><exclusiveGateway id="o" default="o-e"/>"#;
    let mut play = Play::of(&nodes, "s>m>x>g; g>a>j; g>b>j; j>c>o; o>m[again]; o>e");
    play.complete(&["x", "a"]);
    let reason = play.back("b", "a", Mode::Again).unwrap_err();
    assert_eq!(reason, Rejection::NotBefore("a".into()));
    assert_eq!(
        play.back("b", "b", Mode::Again),
        Err(Rejection::NotBefore("b".into()))
    );
    play.back("b", "x", Mode::Again).unwrap();
    play.finish();
}

#[test]
fn a_return_out_of_a_sub_process_ends_it_with_its_border_timers() {
    let nodes = users("x z")
        + r#"<subProcess id="sub"><startEvent id="s1"/><endEvent id="e1"/><userTask id="p1"/><userTask id="q"/><sequenceFlow id="f1" sourceRef="s1" targetRef="p1"/><sequenceFlow id="f2" sourceRef="p1" targetRef="q"/><sequenceFlow id="f3" sourceRef="q" targetRef="e1"/></subProcess>
        <boundaryEvent id="late" attachedToRef="sub"><timerEventDefinition><timeDuration>P1D</timeDuration></timerEventDefinition></boundaryEvent>"#;
    let mut play = Play::of(&nodes, "s>x>sub>z>e; late>e");
    play.complete(&["x", "p1"]);
    assert_eq!(play.instance.timers.len(), 1);
    let ids = earlier(&play.process, &play.instance, play.token("q"));
    assert_eq!(ids.iter().map(|id| &**id).collect::<Vec<_>>(), ["p1", "x"]);
    let mut inside = Play {
        process: play.process.clone(),
        instance: play.instance.clone(),
        effects: Vec::new(),
        done: Vec::new(),
    };
    inside.back("q", "p1", Mode::Again).unwrap();
    assert_eq!(
        (inside.tasks(), inside.instance.timers.len()),
        (vec!["p1".to_owned()], 1)
    );

    play.back("q", "x", Mode::Back).unwrap();
    assert_eq!(
        (
            play.tasks(),
            play.instance.timers.len(),
            play.instance.frames.len()
        ),
        (vec!["x".to_owned()], 0, 1)
    );
    // The sub-process that ended begins anew.
    play.complete(&["x"]);
    assert_eq!(play.tasks(), ["p1"]);
    play.complete(&["p1", "q"]);
    // What has ended cannot be returned into; the sub-process as a whole can.
    assert_eq!(
        play.back("z", "q", Mode::Again),
        Err(Rejection::PlaceEnded("q".into()))
    );
    play.back("z", "sub", Mode::Again).unwrap();
    assert_eq!(play.tasks(), ["p1"]);
    play.finish();
}

#[test]
fn a_return_from_one_of_several_instances_takes_the_whole_activity_back() {
    let multi = r#"<userTask id="t"><multiInstanceLoopCharacteristics><loopCardinality>3</loopCardinality></multiInstanceLoopCharacteristics></userTask>"#;
    for mode in [Mode::Again, Mode::Back] {
        let mut play = Play::of(&(users("x") + multi), "s>x>t>e");
        play.complete(&["x", "t"]);
        play.back("t", "x", mode).unwrap();
        assert_eq!((play.tasks(), play.went()), (vec!["x".to_owned()], 2));
        play.complete(&["x"]);
        assert_eq!(play.tasks().len(), 3);
        play.finish();
    }
}

#[test]
fn a_return_to_several_instances_begins_them_anew_and_jumps_back_once() {
    let multi = r#"<userTask id="t"><multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics></userTask>"#;
    let mut play = Play::of(&(users("y z") + multi), "s>t>y>z>e");
    play.complete(&["t", "t", "y"]);
    play.back("z", "t", Mode::Back).unwrap();
    play.complete(&["t", "t"]);
    assert_eq!(play.tasks(), ["z"]);
}

#[test]
fn what_followed_is_withdrawn_before_it_moves_on() {
    let mut play = Play::of(&users("x y z"), "s>x>y>z>e");
    play.complete(&["x"]);
    play.withdraw("x").unwrap();
    assert_eq!(play.tasks(), ["x"]);
    play.complete(&["x", "y"]);
    assert_eq!(play.withdraw("x"), Err(Rejection::MovedOn("x".into())));
    play.withdraw("y").unwrap();
    play.finish();
}

/// What was given and could not be mapped goes with the withdrawal; once it was tried again and
/// went on, it is too late.
#[test]
fn what_is_kept_is_withdrawn_with_its_completion() {
    let nodes = r#"<userTask id="x"><extensionElements><tongban:output target="total" source="given * price"/></extensionElements></userTask><userTask id="y"/>"#;
    let mut play = Play::of(nodes, "s>x>y>e");
    let set = |given: Value| Input::Set { vars: vars(given) };
    play.take(set(json!({"given": 3, "price": "dear"})))
        .unwrap();
    play.complete(&["x"]);
    assert_eq!(
        (play.tasks().len(), play.instance.incidents().count()),
        (0, 1)
    );
    play.withdraw("x").unwrap();
    assert_eq!(
        (play.tasks(), play.instance.incidents().count()),
        (vec!["x".to_owned()], 0)
    );
    play.complete(&["x"]);
    let token = play.instance.incidents().next().unwrap().0;
    play.take(set(json!({"price": 7}))).unwrap();
    play.take(Input::Retry { token }).unwrap();
    assert_eq!(play.tasks(), ["y"]);
    assert_eq!(play.withdraw("x"), Err(Rejection::MovedOn("x".into())));
    assert_eq!(play.instance.variables()["total"], json!(21));
    play.finish();
}

#[test]
fn a_withdrawal_takes_back_all_branches_that_followed() {
    let mut play = parallel();
    play.complete(&["x"]);
    play.withdraw("x").unwrap();
    assert_eq!((play.tasks(), play.went()), (vec!["x".to_owned()], 2));
    play.complete(&["x", "b"]);
    assert_eq!(play.withdraw("x"), Err(Rejection::MovedOn("x".into())));
    // What waits at the join alone is taken back from there.
    play.withdraw("b").unwrap();
    assert_eq!(play.tasks(), ["a", "b"]);
    play.complete(&["b", "a", "a2"]);
    // The join was passed: the other branch's token is given back to it.
    play.withdraw("a2").unwrap();
    assert_eq!(play.tasks(), ["a2"]);
    play.complete(&["a2"]);
    assert_eq!(play.tasks(), ["c"]);
    play.finish();
}

#[test]
fn a_withdrawn_jump_back_jumps_again() {
    let mut play = parallel();
    play.complete(&["x", "a", "a2", "b"]);
    play.back("c", "a", Mode::Back).unwrap();
    play.complete(&["a"]);
    play.withdraw("a").unwrap();
    assert_eq!(play.tasks(), ["a"]);
    play.complete(&["a"]);
    assert_eq!(play.tasks(), ["c"]);
}

#[test]
fn a_stopped_step_keeps_where_it_jumps_back_to() {
    let mut play = Play::of(&users("x y z"), "s>x>y>z>e");
    play.complete(&["x", "y"]);
    play.back("z", "x", Mode::Back).unwrap();
    let token = play.token("x");
    play.take(Input::Fail {
        token,
        reason: "out of reach".into(),
    })
    .unwrap();
    play.take(Input::Retry { token }).unwrap();
    play.complete(&["x"]);
    assert_eq!(play.tasks(), ["z"]);
}

#[test]
fn a_rejection_ends_by_the_end_event_that_is_named_or_everything() {
    let nodes = users("x y")
        + r#"<endEvent id="no"/><exclusiveGateway id="o" default="o-j"/><parallelGateway id="g"/><parallelGateway id="j"/>"#;
    let list = "s>g; g>x>o; o>j; o>no[refused]; g>y>j; j>e";
    let mut play = Play::of(&nodes, list);
    play.reject("x", Some("no")).unwrap();
    assert_eq!((play.instance.status, play.went()), (Status::Completed, 2));
    assert_eq!(play.instance.variables()["outcome"], "rejected");
    let entered =
        |effect: &Effect| matches!(effect, Effect::Entered { element, .. } if &**element == "no");
    assert!(play.effects.iter().any(entered));

    let mut play = Play::of(&nodes, list);
    assert_eq!(
        play.reject("x", Some("j")),
        Err(Rejection::NoSuchPlace("j".into()))
    );
    play.reject("x", None).unwrap();
    assert_eq!(play.instance.status, Status::Cancelled);
    assert_eq!(play.instance.reason.as_deref(), Some("not in the plan"));
}

#[test]
fn a_rejection_inside_a_sub_process_may_end_it_alone_or_what_is_around() {
    let nodes = users("after")
        + r#"<endEvent id="no"/><exclusiveGateway id="o" default="o-e"/><subProcess id="sub"><startEvent id="s1"/><endEvent id="e1"/><endEvent id="no1"/><exclusiveGateway id="o1" default="f4"/><userTask id="p1"><multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics></userTask><sequenceFlow id="f1" sourceRef="s1" targetRef="p1"/><sequenceFlow id="f3" sourceRef="p1" targetRef="o1"/><sequenceFlow id="f4" sourceRef="o1" targetRef="e1"/><sequenceFlow id="f5" sourceRef="o1" targetRef="no1"><conditionExpression>refused</conditionExpression></sequenceFlow></subProcess>"#;
    let list = "s>sub>after>o; o>e; o>no[refused]";
    let mut play = Play::of(&nodes, list);
    play.reject("p1", Some("no1")).unwrap();
    assert_eq!(play.tasks(), ["after"]);
    let mut play = Play::of(&nodes, list);
    play.reject("p1", Some("no")).unwrap();
    assert_eq!(play.instance.status, Status::Completed);
}

/// Random blocks in an outer circle that a last step may go round.
fn random_circle(seed: &mut Seed) -> Process {
    let (mut nodes, mut list, mut count) = (String::new(), String::new(), 0);
    let (begin, last) = block(seed, 3, &mut count, &mut nodes, &mut list);
    write!(list, "s>m>first>{begin};{last}>last>o; o>m[v0 = v1]; o>e").unwrap();
    compile(&process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><exclusiveGateway id="m"/><exclusiveGateway id="o" default="o-e"/><userTask id="first"/><userTask id="last"/>{nodes}{}"#,
        flows(&list)
    )))
}

#[test]
fn whatever_is_returned_and_withdrawn_no_token_is_lost_or_doubled() {
    let (mut returned, mut withdrawn) = (0, 0);
    for number in 1..=150 {
        let mut seed = Seed(number * 49_979_687);
        let process = random_circle(&mut seed);
        let mut play = Play::with(process);
        let truths = |seed: &mut Seed| {
            let pairs = (0..4).map(|n| (format!("v{n}"), json!(seed.below(2) == 0)));
            pairs.collect::<Map<_, _>>()
        };
        let mut joined = vec![play.instance.clone()];
        for _ in 0..60 {
            let tokens: Vec<u32> = play.instance.waiting().map(|(token, _)| token).collect();
            if tokens.is_empty() {
                break;
            }
            let token = tokens[seed.below(tokens.len())];
            let mode = [Mode::Again, Mode::Back][seed.below(2)];
            let targets = earlier(&play.process, &play.instance, token);
            match seed.below(8) {
                0 | 1 if !targets.is_empty() => {
                    let to = targets[seed.below(targets.len())].to_string();
                    let back = Input::Return {
                        token,
                        to,
                        mode,
                        vars: truths(&mut seed),
                    };
                    play.take(back).unwrap();
                    returned += 1;
                }
                2 if !play.done.is_empty() => {
                    let (to, followed) = play.done[seed.below(play.done.len())].clone();
                    withdrawn += usize::from(play.take(Input::Withdraw { to, followed }).is_ok());
                }
                _ => play.complete_token(token),
            }
            joined.push(play.instance.clone());
        }
        // Variables no longer change, so the outer circle is left.
        if !play.instance.is_over() {
            let leave = vars(json!({"v0": true, "v1": false}));
            play.take(Input::Set { vars: leave }).unwrap();
            play.finish();
        }
        let is_stuck = |token: &workflow::core::Token| matches!(token.state, State::Incident(_));
        assert!(
            joined
                .iter()
                .all(|instance| !instance.tokens.values().any(is_stuck))
        );
    }
    assert!(returned > 300 && withdrawn > 50, "{returned} {withdrawn}");
}
