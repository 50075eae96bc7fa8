//! Activities that repeat: several instances beside or after one another, and loops.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    FrameKind, Multi, State,
    run::{Run, Work},
    token::MAX_MOVES,
};
use crate::{
    expr::Lookup,
    model::{Definition, MultiInstance, NodeIx, Repeat, Source, Thrown},
};

/// More instances than this are a mistake in the data.
const MAX_INSTANCES: u64 = 50_000;
/// Several instances of what has several instances multiply.
const MANY_RUNS: &str = "more than 100000 runs of activities begin in one step";

/// What one of several instances leads to.
pub(super) struct OneDone {
    output: Option<Value>,
    is_enough: bool,
}

impl Run<'_> {
    pub(super) fn begin_multi(
        &mut self,
        token: u32,
        frame: u32,
        node: NodeIx,
        multi: &MultiInstance,
    ) {
        let (total, items) = match self.instances(frame, node, multi) {
            Ok(found) => found,
            Err(text) => return self.stop_silently(token, text),
        };
        let state = Multi {
            total: Some(total),
            started: 0,
            done: 0,
            items,
            outputs: BTreeMap::new(),
        };
        self.set_state(token, State::Multi(Box::new(state)));
        if total == 0 {
            return self.multi_done(token, node);
        }
        let first = if multi.is_sequential { 1 } else { total };
        for _ in 0..first {
            self.iterate(token, frame, node);
            if self.multi_mut(token).is_none() {
                return;
            }
        }
        if !multi.is_sequential
            && let Some(state) = self.multi_mut(token)
        {
            state.items = Vec::new();
        }
    }

    fn instances(
        &self,
        frame: u32,
        node: NodeIx,
        multi: &MultiInstance,
    ) -> Result<(u32, Vec<Value>), String> {
        let limit = |count: u64| {
            u32::try_from(count)
                .ok()
                .filter(|_| count <= MAX_INSTANCES)
                .ok_or_else(|| format!("{count} instances are too many"))
        };
        if let Some(collection) = &multi.collection {
            // The collection may be a data input of the activity.
            let data = self.model[node].data_in.iter();
            let own = data
                .map(|m| {
                    (
                        m.target.clone(),
                        self.value(&m.source, frame).unwrap_or(Value::Null),
                    )
                })
                .collect();
            return match self.value_with(collection, frame, &own)? {
                Value::Array(items) => Ok((limit(items.len() as u64)?, items)),
                other => Err(format!("`{}` is no list but `{other}`", collection.text)),
            };
        }
        let Some(cardinality) = &multi.cardinality else {
            return Err("the number of instances is not given".to_owned());
        };
        let value = self.value(cardinality, frame)?;
        let count = value
            .as_u64()
            .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        let count = count
            .ok_or_else(|| format!("`{}` is no whole number but `{value}`", cardinality.text))?;
        Ok((limit(count)?, Vec::new()))
    }

    fn multi_mut(&mut self, token: u32) -> Option<&mut Multi> {
        match &mut self.instance.tokens.get_mut(&token)?.state {
            State::Multi(multi) => Some(multi),
            _ => None,
        }
    }

    /// The next iteration, after the one before is done.
    pub(super) fn go_on(&mut self, token: u32, frame: u32, node: NodeIx) {
        match &self.model[node].repeat {
            Some(Repeat::Standard { .. }) => self.next_loop(token, frame, node, false),
            _ => self.iterate(token, frame, node),
        }
    }

    /// Starts the next iteration.
    fn iterate(&mut self, token: u32, frame: u32, node: NodeIx) {
        self.moves += 1;
        if self.moves > MAX_MOVES {
            return self.stop(token, MANY_RUNS.to_owned());
        }
        let Some(state) = self.multi_mut(token) else {
            return;
        };
        let index = state.started;
        state.started += 1;
        let item = state.items.get(index as usize).cloned();
        let inner = self.open_frame(
            FrameKind::Iteration,
            self.model[node].id.clone(),
            Some(frame),
            Some(token),
        );
        let model = self.model;
        let own = match &model[node].repeat {
            Some(Repeat::Multi(multi)) => multi.output_variable.as_ref(),
            _ => None,
        };
        let own = own.map(|name| {
            let known = self.view(frame, None).lookup(name);
            (name.clone(), known.unwrap_or(Value::Null))
        });
        if let Some(opened) = self.instance.frames.get_mut(&inner) {
            opened.live = 1;
            opened
                .vars
                .insert("loopCounter".to_owned(), Value::from(index));
            if let (Some(item), Some(Repeat::Multi(multi))) = (item, &model[node].repeat) {
                let name = multi.item.clone().unwrap_or_else(|| "item".to_owned());
                opened.vars.insert(name, item);
            }
            if let Some((name, value)) = own {
                opened.vars.entry(name).or_insert(value);
            }
        }
        let one = self.rest(inner, node, State::Task);
        self.run_body(one, inner, node, Some(index));
    }

    /// What one instance leads to.
    ///
    /// # Errors
    /// Says what has no value, or cannot be known.
    pub(super) fn iteration_result(&self, inner: u32, node: NodeIx) -> Result<OneDone, String> {
        Ok(OneDone {
            output: self.iteration_output(inner, node)?,
            is_enough: self.is_enough(inner, node)?,
        })
    }

    /// What one instance gives to the list of all.
    fn iteration_output(&self, inner: u32, node: NodeIx) -> Result<Option<Value>, String> {
        let Some(Repeat::Multi(MultiInstance {
            output_item: Some(item),
            ..
        })) = &self.model[node].repeat
        else {
            return Ok(None);
        };
        let value = self.mapped(item, inner, &Map::new());
        let wrong = |reason| format!("the output of an instance has no value: {reason}");
        value.map(Some).map_err(wrong)
    }

    pub(super) fn iteration_done(&mut self, inner: u32, node: NodeIx, result: OneDone) {
        let Some(frame) = self.instance.frames.get(&inner) else {
            return;
        };
        let (Some(token), Some(outside)) = (frame.owner, frame.parent) else {
            return;
        };
        let index = frame
            .vars
            .get("loopCounter")
            .and_then(Value::as_u64)
            .and_then(|i| u32::try_from(i).ok());
        let model = self.model;
        self.remember(inner, node);
        self.hand_undo_on(inner, outside);
        self.drop_frame(inner);
        let Some(state) = self.multi_mut(token) else {
            return;
        };
        state.done += 1;
        if let (Some(index), Some(value)) = (index, result.output) {
            state.outputs.insert(index, value);
        }
        let (started, done, total) = (state.started, state.done, state.total);
        self.throw_behavior(token, outside, node, (started, done, total));
        if self.multi_mut(token).is_none() {
            return;
        }
        let total = total.unwrap_or(started);
        let goes_on = match &model[node].repeat {
            Some(Repeat::Multi(_)) if result.is_enough || done >= total => {
                if done < started {
                    self.remove_frames_of(token);
                }
                return self.multi_done(token, node);
            }
            Some(Repeat::Multi(multi)) => started < total && multi.is_sequential,
            _ => true,
        };
        if goes_on {
            // Not from here: thousands of iterations would pile up on the stack.
            self.work.push_back(Work::Iterate {
                token,
                frame: outside,
                node,
            });
        }
    }

    /// What the inside of an iteration did is undone from outside, with what was known in it.
    fn hand_undo_on(&mut self, inner: u32, outside: u32) {
        let (mut undo, known) = self
            .instance
            .frames
            .get_mut(&inner)
            .map(|f| (std::mem::take(&mut f.undo), std::mem::take(&mut f.vars)))
            .unwrap_or_default();
        for entry in &mut undo {
            entry.know(&known);
        }
        if let Some(around) = self.instance.frames.get_mut(&outside) {
            around.undo.append(&mut undo);
        }
    }

    /// Whether enough instances are done with this one, whose variables the condition sees.
    fn is_enough(&self, inner: u32, node: NodeIx) -> Result<bool, String> {
        let owner = self.instance.frames.get(&inner).and_then(|one| one.owner);
        let held = owner.and_then(|token| self.instance.tokens.get(&token));
        let (Some(Repeat::Multi(multi)), Some(State::Multi(state))) =
            (&self.model[node].repeat, held.map(|held| &held.state))
        else {
            return Ok(false);
        };
        let total = state.total.unwrap_or(state.started);
        let mut extra = counters(total, state.started, state.done + 1);
        extra.remove("loopCounter");
        let until = multi.until.as_ref();
        until.map_or(Ok(false), |until| self.asked(until, inner, Some(&extra)))
    }

    /// Throws what the model wants thrown when an instance is done; it may interrupt the rest.
    fn throw_behavior(
        &mut self,
        token: u32,
        frame: u32,
        node: NodeIx,
        counts: (u32, u32, Option<u32>),
    ) {
        let (started, done, total) = counts;
        let model = self.model;
        let item = &model[node];
        let Some(Repeat::Multi(MultiInstance {
            thrown: Some(thrown),
            ..
        })) = &item.repeat
        else {
            return;
        };
        let extra = counters(total.unwrap_or(started), started, done);
        let definitions: Vec<&Definition> = match &**thrown {
            Thrown::First(definition) => {
                Some(definition).filter(|_| done == 1).into_iter().collect()
            }
            Thrown::Each(definition) => vec![definition],
            Thrown::When(cases) => {
                let holds =
                    |case: &&(Source, Definition)| self.holds_with(&case.0, frame, Some(&extra));
                cases.iter().filter(holds).map(|case| &case.1).collect()
            }
        };
        for definition in definitions {
            match definition {
                Definition::Escalation { code, .. } => {
                    let code = code.as_deref().unwrap_or_default();
                    self.escalate(frame, Some(token), item, code);
                }
                definition => self.throw_one(frame, item, definition),
            }
        }
    }

    pub(super) fn next_loop(&mut self, token: u32, frame: u32, node: NodeIx, is_first: bool) {
        let model = self.model;
        let Some(Repeat::Standard {
            tests_before,
            maximum,
            condition,
        }) = &model[node].repeat
        else {
            return;
        };
        if self.multi_mut(token).is_none() {
            return;
        }
        let done = self.multi_mut(token).map_or(0, |state| state.done);
        let limit = maximum
            .as_ref()
            .and_then(|m| self.value(m, frame).ok())
            .and_then(|value| value.as_u64());
        let may = limit.is_none_or(|limit| u64::from(done) < limit);
        let extra = counters(done, done, done);
        let goes_on = condition.as_ref().map_or(Ok(true), |condition| {
            self.asked(condition, frame, Some(&extra))
        });
        let goes_on = match goes_on {
            Ok(goes_on) => goes_on,
            Err(reason) => return self.stop(token, reason),
        };
        if done > 10_000 {
            return self.stop(token, "the loop does not come to an end".to_owned());
        }
        if may
            && (goes_on || is_first && !tests_before)
            && (condition.is_some() || limit.is_some() || is_first)
        {
            self.iterate(token, frame, node);
        } else {
            self.multi_done(token, node);
        }
    }

    fn multi_done(&mut self, token: u32, node: NodeIx) {
        let Some(held) = self.instance.tokens.get_mut(&token) else {
            return;
        };
        let frame = held.frame;
        if let (State::Multi(state), Some(Repeat::Multi(multi))) = (
            std::mem::replace(&mut held.state, State::Task),
            &self.model[node].repeat,
        ) && let Some(name) = &multi.output
        {
            let gathered: Vec<Value> = state.outputs.into_values().collect();
            let vars = Map::from_iter([(name.clone(), Value::Array(gathered))]);
            self.merge(frame, vars);
        }
        self.leave_activity(token);
    }
}

/// What completion conditions may ask, by the standard's names and by those of the JVM engines.
fn counters(total: u32, started: u32, done: u32) -> Map<String, Value> {
    let active = started.saturating_sub(done);
    let names = [
        ("nrOfInstances", total),
        ("nrOfActiveInstances", active),
        ("nrOfCompletedInstances", done),
        ("numberOfInstances", total),
        ("numberOfActiveInstances", active),
        ("numberOfCompletedInstances", done),
        ("numberOfTerminatedInstances", 0),
        ("loopCounter", done),
    ];
    names
        .into_iter()
        .map(|(name, count)| (name.to_owned(), Value::from(count)))
        .collect()
}
