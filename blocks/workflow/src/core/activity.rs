//! Tasks, sub-processes, called processes, and their repetition.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    Effect, FrameKind, Multi, Owner, Rejection, State,
    run::{Run, Work},
};
use crate::model::{
    Definition, Id, Kind, MultiInstance, NodeIx, Repeat, Source, Sub, Task, Thrown,
};

/// More instances than this are a mistake in the data.
const MAX_INSTANCES: u64 = 100_000;

impl Run<'_> {
    /// A token enters an activity.
    pub(super) fn begin(&mut self, frame: u32, node: NodeIx) {
        let token = self.rest(frame, node, State::Task);
        let model = self.model;
        let item = &model[node];
        let around = self.instance.frames.get(&frame);
        if let Some(around) = around.filter(|f| f.kind == FrameKind::Iteration && f.of == item.id) {
            // One iteration is tried again; the activity as a whole has begun already.
            let index = around.vars.get("loopCounter").and_then(Value::as_u64);
            let index = index.and_then(|index| u32::try_from(index).ok());
            return self.run_body(token, frame, node, index);
        }
        for &event in &item.boundary {
            if let Err(text) = self.arm(Owner::Token(token), frame, event) {
                self.stop_silently(token, text);
                return;
            }
        }
        if !item.boundary.is_empty() {
            self.changed = true;
        }
        match &item.repeat {
            None => self.run_body(token, frame, node, None),
            Some(Repeat::Multi(multi)) => self.begin_multi(token, frame, node, multi),
            Some(Repeat::Standard { .. }) => {
                self.set_state(
                    token,
                    State::Multi(Box::new(Multi {
                        total: None,
                        started: 0,
                        done: 0,
                        items: Vec::new(),
                        outputs: BTreeMap::new(),
                    })),
                );
                self.next_loop(token, frame, node, true);
            }
        }
    }

    fn set_state(&mut self, token: u32, state: State) {
        if let Some(held) = self.instance.tokens.get_mut(&token) {
            held.state = state;
        }
    }

    fn run_body(&mut self, token: u32, frame: u32, node: NodeIx, index: Option<u32>) {
        let model = self.model;
        let item = &model[node];
        match &item.kind {
            Kind::Task(Task::None | Task::Manual) => self.done(token),
            Kind::Task(Task::Script { text, value, .. }) => {
                self.effects.push(Effect::Script {
                    element: item.id.clone(),
                    text: text.clone(),
                });
                if let Some(value) = value {
                    match self.value(value, frame) {
                        Ok(Value::Object(vars)) => self.merge(frame, vars),
                        Ok(value) => self.keep_result(frame, node, value),
                        Err(text) => return self.stop_silently(token, text),
                    }
                }
                self.done(token);
            }
            Kind::Task(Task::Rule)
                if item
                    .attribute("decision")
                    .is_some_and(|name| model.decisions.contains(name)) =>
            {
                self.decide(token, frame, node);
            }
            Kind::Sub(_) => self.open_body(token, frame, node, FrameKind::Sub),
            Kind::Call {
                called: Some(called),
            } if model.process(called).is_some() => {
                self.open_body(token, frame, node, FrameKind::Call);
            }
            _ => {
                let mut vars = Map::new();
                for mapping in &item.inputs {
                    match self.value(&mapping.source, frame) {
                        Ok(value) => vars.insert(mapping.target.clone(), value),
                        Err(text) => return self.stop_silently(token, text),
                    };
                }
                let (element, kind) = (item.id.clone(), item.type_name());
                self.effects.push(Effect::Task {
                    token,
                    element,
                    kind,
                    vars,
                    index,
                });
            }
        }
    }

    fn keep_result(&mut self, frame: u32, node: NodeIx, value: Value) {
        if let Some(name) = self.model[node].attribute("result") {
            let name = name.to_owned();
            self.merge(frame, Map::from_iter([(name, value)]));
        }
    }

    fn decide(&mut self, token: u32, frame: u32, node: NodeIx) {
        let item = &self.model[node];
        let name = item.attribute("decision").unwrap_or_default();
        let Some(answer) = self
            .model
            .decisions
            .evaluate(name, &self.instance.visible(frame))
        else {
            return;
        };
        if let (Value::Null, Some(reason)) = (&answer.value, &answer.reason) {
            return self.stop_silently(
                token,
                format!("the decision `{name}` has no answer: {reason}"),
            );
        }
        self.effects.push(Effect::Decision {
            element: item.id.clone(),
            decision: answer.decision.clone(),
            value: answer.value.clone(),
            rules: answer.rules,
        });
        match (item.attribute("result"), answer.value) {
            (None, Value::Object(vars)) => self.merge(frame, vars),
            (None, value) => self.merge(frame, Map::from_iter([(answer.decision, value)])),
            (Some(_), value) => self.keep_result(frame, node, value),
        }
        self.done(token);
    }

    fn open_body(&mut self, token: u32, frame: u32, node: NodeIx, kind: FrameKind) {
        if self.is_too_deep(frame) {
            return self.stop_silently(token, "processes call one another without end".to_owned());
        }
        let model = self.model;
        let item = &model[node];
        let mut vars = Map::new();
        if kind == FrameKind::Call && item.inputs.is_empty() {
            vars = self.instance.visible(frame);
        }
        for mapping in &item.inputs {
            match self.value(&mapping.source, frame) {
                Ok(value) => vars.insert(mapping.target.clone(), value),
                Err(text) => return self.stop_silently(token, text),
            };
        }
        self.set_state(token, State::Body);
        let inner = self.open_frame(kind, item.id.clone(), Some(frame), Some(token));
        if let Some(opened) = self.instance.frames.get_mut(&inner) {
            opened.vars = vars;
        }
        self.begin_scope(inner, node);
    }

    fn begin_scope(&mut self, frame: u32, node: NodeIx) {
        let model = self.model;
        let Some(scope) = self.scope_of(frame) else {
            return;
        };
        self.arm_frame(frame, scope);
        let mut starts = model.starts(scope);
        if starts.is_empty() {
            starts.extend(
                model[scope]
                    .nodes
                    .iter()
                    .copied()
                    .find(|&ix| model[ix].is_start()),
            );
        }
        if matches!(
            model[node].kind,
            Kind::Sub(Sub::AdHoc {
                is_sequential: true,
                ..
            })
        ) {
            let ids = starts.drain(..).map(|ix| model[ix].id.clone()).collect();
            if let Some(opened) = self.instance.frames.get_mut(&frame) {
                opened.queue = ids;
            }
        }
        for start in starts {
            self.send(frame, start, None);
        }
        self.work.push_back(Work::Check(frame));
    }

    /// The next activity of a sequential ad-hoc sub-process; false if there is none.
    pub(super) fn start_next_ad_hoc(&mut self, frame: u32) -> bool {
        let Some(inner) = self.instance.frames.get_mut(&frame) else {
            return false;
        };
        if inner.queue.is_empty() {
            return false;
        }
        let next = inner.queue.remove(0);
        if let Some(node) = self.model.lookup(&next) {
            self.send(frame, node, None);
        }
        true
    }

    /// The last node of a path is done.
    pub(super) fn after_last(&mut self, frame: u32, node: NodeIx) {
        if self.model[node].is_for_compensation {
            self.undone(frame);
            return;
        }
        let owner = self
            .scope_of(frame)
            .and_then(|scope| self.model[scope].owner);
        if let Some(Kind::Sub(Sub::AdHoc {
            until: Some(until),
            cancels_rest,
            ..
        })) = owner.map(|owner| &self.model[owner].kind)
            && self.holds(until, frame)
        {
            if *cancels_rest {
                self.empty(frame, None);
            } else if let Some(inner) = self.instance.frames.get_mut(&frame) {
                inner.queue.clear();
            }
        }
    }

    /// The inside of a sub-process or called process is empty.
    pub(super) fn body_done(&mut self, frame: u32) {
        let Some(inner) = self.instance.frames.get(&frame) else {
            return;
        };
        let (kind, owner) = (inner.kind, inner.owner);
        let Some((token, node)) =
            owner.and_then(|t| Some((t, self.node_of(self.instance.tokens.get(&t)?)?)))
        else {
            return;
        };
        let Some(outside) = self.instance.tokens.get(&token).map(|held| held.frame) else {
            return;
        };
        let item = &self.model[node];
        let mut vars = Map::new();
        if kind == FrameKind::Call && item.outputs.is_empty() {
            vars.clone_from(&inner.vars);
        }
        for mapping in &item.outputs {
            match self.value(&mapping.source, frame) {
                Ok(value) => vars.insert(mapping.target.clone(), value),
                Err(text) => return self.stop(token, text),
            };
        }
        let undo = self
            .instance
            .frames
            .get_mut(&frame)
            .map(|f| std::mem::take(&mut f.undo))
            .unwrap_or_default();
        self.drop_frame(frame);
        self.merge(outside, vars);
        self.remember_inner(outside, node, undo);
        self.done(token);
    }

    // Completion from outside

    pub(super) fn waiting_task(&self, token: u32) -> Result<(u32, NodeIx), Rejection> {
        let found = self
            .instance
            .tokens
            .get(&token)
            .filter(|held| held.state == State::Task);
        found
            .and_then(|held| Some((held.frame, self.node_of(held)?)))
            .ok_or(Rejection::NoSuchTask(token))
    }

    pub(super) fn complete(
        &mut self,
        token: u32,
        vars: Map<String, Value>,
    ) -> Result<(), Rejection> {
        let (frame, node) = self.waiting_task(token)?;
        let model = self.model;
        let item = &model[node];
        if item.outputs.is_empty() {
            self.merge(frame, vars);
        } else {
            let mut mapped = Map::new();
            for mapping in &item.outputs {
                let value = match &mapping.source.compiled {
                    Ok(expr) => expr
                        .evaluate(&self.view(frame, Some(&vars)))
                        .unwrap_or(Value::Null),
                    Err(_) => Value::Null,
                };
                mapped.insert(mapping.target.clone(), value);
            }
            self.merge(frame, mapped);
        }
        if let Kind::Task(Task::Send {
            message: Some(name),
        }) = &item.kind
        {
            let vars = self.instance.visible(frame);
            self.effects.push(Effect::Message {
                element: item.id.clone(),
                name: name.clone(),
                vars,
            });
        }
        self.done(token);
        Ok(())
    }

    /// One run of an activity is done: the activity itself, or one of its iterations.
    pub(super) fn done(&mut self, token: u32) {
        let Some(held) = self.instance.tokens.remove(&token) else {
            return;
        };
        self.drop_timers(Owner::Token(token));
        let Some(node) = self.node_of(&held) else {
            return;
        };
        let frame = self.instance.frames.get(&held.frame);
        let is_iteration = frame.is_some_and(|f| f.kind == FrameKind::Iteration && f.of == held.at);
        if is_iteration {
            self.iteration_done(held.frame, node);
        } else {
            self.finish_activity(held.frame, node, held.back);
        }
    }

    fn finish_activity(&mut self, frame: u32, node: NodeIx, mut back: Vec<Id>) {
        self.remember(frame, node);
        let returner = back.pop().and_then(|id| self.model.lookup(&id));
        match returner {
            Some(returner) => {
                let id = self.model[node].id.clone();
                self.left(&id, frame);
                self.jump(frame, returner, back);
            }
            None => self.leave(frame, node),
        }
    }

    // Repetition

    fn begin_multi(&mut self, token: u32, frame: u32, node: NodeIx, multi: &MultiInstance) {
        let (total, items) = match self.instances(frame, multi) {
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
        }
        if !multi.is_sequential
            && let Some(state) = self.multi_mut(token)
        {
            state.items = Vec::new();
        }
    }

    fn instances(&self, frame: u32, multi: &MultiInstance) -> Result<(u32, Vec<Value>), String> {
        let limit = |count: u64| {
            u32::try_from(count)
                .ok()
                .filter(|_| count <= MAX_INSTANCES)
                .ok_or_else(|| format!("{count} instances are too many"))
        };
        if let Some(collection) = &multi.collection {
            return match self.value(collection, frame)? {
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
        if let Some(opened) = self.instance.frames.get_mut(&inner) {
            opened.live = 1;
            opened
                .vars
                .insert("loopCounter".to_owned(), Value::from(index));
            if let (Some(item), Some(Repeat::Multi(multi))) = (item, &model[node].repeat) {
                let name = multi.item.clone().unwrap_or_else(|| "item".to_owned());
                opened.vars.insert(name, item);
            }
        }
        let one = self.rest(inner, node, State::Task);
        self.run_body(one, inner, node, Some(index));
    }

    fn iteration_done(&mut self, inner: u32, node: NodeIx) {
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
        let output = match &model[node].repeat {
            Some(Repeat::Multi(MultiInstance {
                output_item: Some(item),
                ..
            })) => Some(self.value(item, inner).unwrap_or(Value::Null)),
            _ => None,
        };
        self.drop_frame(inner);
        let Some(state) = self.multi_mut(token) else {
            return;
        };
        state.done += 1;
        if let (Some(index), Some(value)) = (index, output) {
            state.outputs.insert(index, value);
        }
        let (started, done, total) = (state.started, state.done, state.total);
        self.throw_behavior(token, outside, node, (started, done, total));
        if self.multi_mut(token).is_none() {
            return;
        }
        match &model[node].repeat {
            Some(Repeat::Multi(multi)) => {
                let total = total.unwrap_or(started);
                let extra = counters(total, started, done);
                let is_enough = multi
                    .until
                    .as_ref()
                    .is_some_and(|until| self.holds_with(until, outside, Some(&extra)));
                if is_enough || done >= total {
                    if done < started {
                        self.remove_frames_of(token);
                    }
                    self.multi_done(token, node);
                } else if started < total && multi.is_sequential {
                    // Not from here: thousands of iterations would pile up on the stack.
                    self.work.push_back(Work::Iterate {
                        token,
                        frame: outside,
                        node,
                    });
                }
            }
            _ => self.work.push_back(Work::Iterate {
                token,
                frame: outside,
                node,
            }),
        }
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
                Definition::Escalation { code } => {
                    let code = code.as_deref().unwrap_or_default();
                    self.escalate(frame, Some(token), item, code);
                }
                definition => self.throw_one(frame, item, definition),
            }
        }
    }

    fn next_loop(&mut self, token: u32, frame: u32, node: NodeIx, is_first: bool) {
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
        let goes_on = condition
            .as_ref()
            .is_none_or(|condition| self.holds_with(condition, frame, Some(&extra)));
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
        let Some(held) = self.instance.tokens.remove(&token) else {
            return;
        };
        self.drop_timers(Owner::Token(token));
        if let (State::Multi(state), Some(Repeat::Multi(multi))) =
            (held.state, &self.model[node].repeat)
            && let Some(name) = &multi.output
        {
            let gathered: Vec<Value> = state.outputs.into_values().collect();
            let vars = Map::from_iter([(name.clone(), Value::Array(gathered))]);
            self.merge(held.frame, vars);
        }
        self.finish_activity(held.frame, node, held.back);
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
