//! An administrator puts tokens elsewhere; no join waits for what never comes.

use serde_json::Map;
use workflow::core::{Input, Instance, Process, Rejection, Status, advance};

use crate::{
    model::{flows, process},
    steps::{at, compile},
};

fn review() -> Process {
    compile(&process(&format!(
        r#"<startEvent id="s"/><parallelGateway id="g"/><userTask id="a"/><userTask id="b"/>
        <parallelGateway id="j"/><userTask id="z"/><endEvent id="e"/>{}"#,
        flows("s>g; g>a>j; g>b>j; j>z>e")
    )))
}

fn token(instance: &Instance, at: &str) -> u32 {
    let mut tokens = instance.tokens.iter();
    *tokens.find(|(_, held)| &*held.at == at).unwrap().0
}

fn take(process: &Process, instance: Instance, input: Input) -> Instance {
    advance(process, instance, input, at()).unwrap().0
}

fn complete(process: &Process, instance: Instance, at: &str) -> Instance {
    let (token, vars) = (token(&instance, at), Map::new());
    take(process, instance, Input::Complete { token, vars })
}

fn moves(instance: &Instance, from: &str, to: &str) -> Input {
    Input::Move {
        token: token(instance, from),
        to: to.to_owned(),
    }
}

fn places(instance: &Instance) -> Vec<&str> {
    instance.tokens.values().map(|held| &*held.at).collect()
}

fn begun(process: &Process) -> Instance {
    let start = Input::Start {
        at: None,
        vars: Map::new(),
    };
    take(process, process.instance(), start)
}

#[test]
fn what_waits_at_a_join_goes_with_the_last_that_could_come() {
    let process = review();
    let instance = complete(&process, begun(&process), "b");
    let input = moves(&instance, "a", "z");
    let instance = take(&process, instance, input);
    assert_eq!(places(&instance), ["z"]);
    assert!(instance.is_balanced());
    let instance = complete(&process, instance, "z");
    assert_eq!(instance.status, Status::Completed);
}

#[test]
fn a_move_that_leaves_another_to_wait_for_ever_is_refused() {
    let process = review();
    let instance = begun(&process);
    let refused = advance(&process, instance.clone(), moves(&instance, "a", "z"), at());
    assert_eq!(refused, Err(Rejection::StillComes("j".into())));
    // Within the branch nothing is left behind.
    let input = moves(&instance, "a", "b");
    assert_eq!(
        advance(&process, instance.clone(), input, at()),
        Err(Rejection::StillComes("j".into())),
        "two would come by one flow"
    );
    let input = moves(&instance, "a", "a");
    assert_eq!(places(&take(&process, instance, input)).len(), 2);
}
