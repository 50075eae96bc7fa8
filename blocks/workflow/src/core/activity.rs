//! Tasks, sub-processes and called processes.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    Effect, FrameKind, Kept, Multi, Owner, Rejection, State,
    run::{Run, Work},
};
use crate::model::{ALL, Id, Kind, Mapping, Node, NodeIx, Repeat, Source, Sub, Task};

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
                return self.stop_before(token, text);
            }
        }
        self.begin_work(token, frame, node);
    }

    /// The work of an activity whose border events wait already: once, or several times.
    pub(super) fn begin_work(&mut self, token: u32, frame: u32, node: NodeIx) {
        match &self.model[node].repeat {
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

    pub(super) fn set_state(&mut self, token: u32, state: State) {
        if let Some(held) = self.instance.tokens.get_mut(&token) {
            held.state = state;
        }
    }

    pub(super) fn run_body(&mut self, token: u32, frame: u32, node: NodeIx, index: Option<u32>) {
        let model = self.model;
        let item = &model[node];
        match &item.kind {
            Kind::Task(Task::None | Task::Manual) => {
                let inputs = match self.inputs(frame, node) {
                    Ok(inputs) => inputs,
                    Err(text) => return self.stop_silently(token, text),
                };
                if !item.outputs.is_empty()
                    && let Err(text) = self.output(frame, node, &inputs, &inputs)
                {
                    return self.stop_silently(token, text);
                }
                self.done(token);
            }
            Kind::Task(Task::Script { text, value, .. }) => {
                self.effects.push(Effect::Script {
                    element: item.id.clone(),
                    text: text.clone(),
                });
                match self.scripted(frame, node, value.as_ref()) {
                    Ok(()) => self.done(token),
                    Err(text) => self.stop_silently(token, text),
                }
            }
            Kind::Task(Task::Rule)
                if item
                    .attribute("decision")
                    .is_some_and(|name| model.decisions.contains(name)) =>
            {
                match self.decided(frame, node) {
                    Ok(()) => self.done(token),
                    Err(text) => self.stop_silently(token, text),
                }
            }
            Kind::Sub(_) => self.open_body(token, frame, node, FrameKind::Sub),
            Kind::Call {
                called: Some(called),
            } if model.process(called).is_some() => {
                self.open_body(token, frame, node, FrameKind::Call);
            }
            _ => {
                let vars = match self.inputs(frame, node) {
                    Ok(vars) => vars,
                    Err(text) => return self.stop_silently(token, text),
                };
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

    /// The values of an activity's own: its mapped inputs and its data inputs. Later mappings see
    /// the earlier ones.
    pub(super) fn inputs(&self, frame: u32, node: NodeIx) -> Result<Map<String, Value>, String> {
        let item = &self.model[node];
        let mut own = Map::new();
        for mapping in &item.data_in {
            let value = self.value_with(&mapping.source, frame, &own);
            own.insert(mapping.target.clone(), value.unwrap_or(Value::Null));
        }
        for mapping in item.inputs.iter().filter(|mapping| mapping.target != ALL) {
            let value = self.mapped(&mapping.source, frame, &own)?;
            own.insert(mapping.target.clone(), value);
        }
        Ok(own)
    }

    /// As [`Self::value_with`]; a variable that was never set is null.
    pub(super) fn mapped(
        &self,
        source: &Source,
        frame: u32,
        own: &Map<String, Value>,
    ) -> Result<Value, String> {
        match self.value_with(source, frame, own) {
            Err(_) if source.is_name() => Ok(Value::Null),
            value => value,
        }
    }

    /// The value of an output; `own` holds for it alone, before all variables.
    pub(super) fn mapped_out(
        &self,
        mapping: &Mapping,
        frame: u32,
        own: &Map<String, Value>,
    ) -> Result<Value, String> {
        let value = self.mapped(&mapping.source, frame, own);
        value.map_err(|reason| format!("the output `{}` has no value: {reason}", mapping.target))
    }

    pub(super) fn value_with(
        &self,
        source: &Source,
        frame: u32,
        own: &Map<String, Value>,
    ) -> Result<Value, String> {
        match &source.compiled {
            Ok(expr) => expr.evaluate(&self.view(frame, Some(own))),
            Err(reason) => Err(format!("`{}`: {reason}", source.text)),
        }
    }

    /// What a task gave goes to the variables: all of it, or what its outputs map out of what is
    /// `seen`, its own inputs with what it gave. One that fails writes nothing.
    pub(super) fn output(
        &mut self,
        frame: u32,
        node: NodeIx,
        gave: &Map<String, Value>,
        seen: &Map<String, Value>,
    ) -> Result<(), String> {
        let model = self.model;
        let outputs = &model[node].outputs;
        let mut mapped = Map::new();
        for mapping in outputs.iter().filter(|mapping| mapping.target != ALL) {
            let value = self.mapped_out(mapping, frame, seen)?;
            mapped.insert(mapping.target.clone(), value);
        }
        if outputs.is_empty() || outputs.iter().any(|mapping| mapping.target == ALL) {
            self.merge(frame, gave.clone());
        }
        self.merge(frame, mapped);
        Ok(())
    }

    /// Evaluates a script in FEEL; others are told only.
    fn scripted(
        &mut self,
        frame: u32,
        node: NodeIx,
        script: Option<&Source>,
    ) -> Result<(), String> {
        let mut own = self.inputs(frame, node)?;
        let has_outputs = !self.model[node].outputs.is_empty();
        let Some(script) = script else {
            return if has_outputs {
                self.output(frame, node, &own, &own)
            } else {
                Ok(())
            };
        };
        let value = self.value_with(script, frame, &own)?;
        let result = match (self.model[node].attribute("result"), value) {
            (Some(name), value) => Map::from_iter([(name.to_owned(), value)]),
            (None, Value::Object(vars)) => vars,
            (None, _) => Map::new(),
        };
        if has_outputs {
            own.extend(result);
            return self.output(frame, node, &own, &own);
        }
        self.merge(frame, result);
        Ok(())
    }

    /// Evaluates the decision of a business rule task.
    fn decided(&mut self, frame: u32, node: NodeIx) -> Result<(), String> {
        let model = self.model;
        let item = &model[node];
        let name = item.attribute("decision").unwrap_or_default();
        if model.decisions.uses_clock(name) {
            return Err(format!(
                "the decision `{name}` asks for the time; give it the date as an input"
            ));
        }
        let mut own = self.inputs(frame, node)?;
        let mut visible = self.instance.visible(frame);
        visible.extend(own.clone());
        let Some(answer) = model.decisions.evaluate(name, &visible) else {
            return Ok(());
        };
        // Where no rule matches null is the answer (DMN 1.5, 8.2.8), and not the lack of one.
        if let (Value::Null, Some(reason)) = (&answer.value, &answer.reason)
            && !answer.is_unmatched()
        {
            return Err(format!("the decision `{name}` has no answer: {reason}"));
        }
        self.effects.push(Effect::Decision {
            element: item.id.clone(),
            decision: answer.decision.clone(),
            value: answer.value.clone(),
            rules: answer.rules,
        });
        let result = match (item.attribute("result"), answer.value) {
            (None, Value::Object(vars)) => vars,
            (None, value) => Map::from_iter([(answer.decision, value)]),
            (Some(name), value) => Map::from_iter([(name.to_owned(), value)]),
        };
        if !item.outputs.is_empty() {
            own.extend(result);
            return self.output(frame, node, &own, &own);
        }
        self.merge(frame, result);
        Ok(())
    }

    fn open_body(&mut self, token: u32, frame: u32, node: NodeIx, kind: FrameKind) {
        if self.is_too_deep(frame) {
            return self.stop_silently(token, "processes call one another without end".to_owned());
        }
        let model = self.model;
        let item = &model[node];
        if kind == FrameKind::Call && !self.may_recur(frame, &item.id) {
            let text = "the process calls itself again and again in one step";
            return self.stop_silently(token, text.to_owned());
        }
        let mut vars = Map::new();
        let takes_all = shares_all(item) || item.inputs.iter().any(|m| m.target == ALL);
        if kind == FrameKind::Call && takes_all {
            vars = self.instance.visible(frame);
        }
        match self.inputs(frame, node) {
            Ok(inputs) => vars.extend(inputs),
            Err(text) => return self.stop_silently(token, text),
        }
        if let Some(body) = item.body {
            for name in &model[body].data {
                vars.entry(name.clone()).or_insert(Value::Null);
            }
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
        if matches!(model[node].kind, Kind::Sub(Sub::AdHoc { .. })) {
            self.begin_round(frame, scope);
        } else {
            let mut starts = model.starts(scope);
            if starts.is_empty() {
                let mut nodes = model[scope].nodes.iter().copied();
                starts.extend(nodes.find(|&ix| model[ix].is_start()));
            }
            for start in starts {
                self.send(frame, start, None);
            }
        }
        self.work.push_back(Work::Check(frame));
    }

    /// The last node of a path is done.
    pub(super) fn after_last(&mut self, frame: u32, node: NodeIx) {
        let model = self.model;
        if model[node].is_for_compensation {
            self.handled(frame, &model[node].id);
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
        let vars = match self.body_outputs(frame, kind, item) {
            Ok(vars) => vars,
            Err(text) => return self.keep_inside(frame, token, text),
        };
        let (undo, mut known) = self
            .instance
            .frames
            .get_mut(&frame)
            .map(|f| (std::mem::take(&mut f.undo), std::mem::take(&mut f.vars)))
            .unwrap_or_default();
        if kind == FrameKind::Call && shares_all(item) {
            // The caller knows them; what undoes the call reads and writes them there.
            known.clear();
        }
        self.drop_frame(frame);
        self.merge(outside, vars);
        self.remember_inner(outside, node, undo, known);
        self.done(token);
    }

    /// What the inside of a sub-process or called process hands to the outside.
    fn body_outputs(
        &self,
        frame: u32,
        kind: FrameKind,
        item: &Node,
    ) -> Result<Map<String, Value>, String> {
        let is_call = kind == FrameKind::Call;
        let gives_all = shares_all(item) || item.outputs.iter().any(|m| m.target == ALL);
        let inner = self.instance.frames.get(&frame);
        let mut vars = match inner {
            Some(inner) if is_call && gives_all => inner.vars.clone(),
            _ => Map::new(),
        };
        let outputs = item.outputs.iter().filter(|mapping| mapping.target != ALL);
        for mapping in outputs.chain(item.data_out.iter().filter(|_| is_call)) {
            let value = self.mapped_out(mapping, frame, &Map::new())?;
            vars.insert(mapping.target.clone(), value);
        }
        Ok(vars)
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
        self.has_its_turn(token, frame)?;
        self.give(token, frame, node, vars);
        Ok(())
    }

    /// One run of an activity is done: the activity itself, or one of its iterations.
    pub(super) fn done(&mut self, token: u32) {
        let found = self.instance.tokens.get(&token);
        let Some((held, node)) = found.and_then(|held| Some((held, self.node_of(held)?))) else {
            return;
        };
        let is_iteration = self.is_iteration(held);
        // What may fail comes before anything is given up.
        let model = self.model;
        let sends = model[node].sends.as_deref();
        let may_send = sends.map_or(Ok(()), |name| self.may_send(held.frame, &model[node], name));
        let leaving = if let Err(text) = may_send {
            Err(text)
        } else if is_iteration {
            self.iteration_result(held.frame, node)
                .map(|result| (Some(result), Map::new()))
        } else {
            self.data_out(held.frame, node).map(|moved| (None, moved))
        };
        let (result, moved) = match leaving {
            Ok(leaving) => leaving,
            Err(text) => return self.keep(token, Kept::Mapped, text),
        };
        let Some(held) = self.instance.tokens.remove(&token) else {
            return;
        };
        self.drop_timers(Owner::Token(token));
        if let Some(name) = sends {
            let vars = self.sent(held.frame, &model[node]);
            self.learn(held.frame, &model[node], name, &vars);
            self.effects.push(Effect::Message {
                element: model[node].id.clone(),
                name: name.to_owned(),
                vars,
            });
        }
        match result {
            Some(result) => self.iteration_done(held.frame, node, result),
            None => self.finish_activity(held.frame, node, held.back, moved),
        }
    }

    /// Leaves an activity of which all instances are done.
    pub(super) fn leave_activity(&mut self, token: u32) {
        let found = self.instance.tokens.get(&token);
        let found = found.and_then(|held| Some((held.frame, self.node_of(held)?)));
        let Some((frame, node)) = found else {
            return;
        };
        match self.data_out(frame, node) {
            Ok(moved) => {
                let held = self.instance.tokens.remove(&token);
                self.drop_timers(Owner::Token(token));
                let back = held.map(|held| held.back).unwrap_or_default();
                self.finish_activity(frame, node, back, moved);
            }
            Err(text) => self.keep(token, Kept::Mapped, text),
        }
    }

    /// What data associations move out of an activity; those of a call are its outputs.
    fn data_out(&self, frame: u32, node: NodeIx) -> Result<Map<String, Value>, String> {
        let item = &self.model[node];
        let mut moved = Map::new();
        if matches!(item.kind, Kind::Call { .. }) {
            return Ok(moved);
        }
        for mapping in &item.data_out {
            // An output that the task did not give moves nothing.
            let value = self.mapped_out(mapping, frame, &moved)?;
            if !value.is_null() {
                moved.insert(mapping.target.clone(), value);
            }
        }
        Ok(moved)
    }

    fn finish_activity(
        &mut self,
        frame: u32,
        node: NodeIx,
        mut back: Vec<Id>,
        moved: Map<String, Value>,
    ) {
        let model = self.model;
        let item = &model[node];
        if item.repeat.is_none() {
            self.remember(frame, node);
        }
        self.merge(frame, moved);
        let returner = back.pop().and_then(|id| model.lookup(&id));
        match returner {
            Some(returner) => {
                self.left(&item.id, frame);
                self.jump(frame, returner, back);
            }
            None => self.leave(frame, node),
        }
    }
}

/// A call without any mapping shares every variable in both directions; with one it shares what is
/// mapped and nothing else.
fn shares_all(call: &Node) -> bool {
    let mappings = [&call.inputs, &call.outputs, &call.data_in, &call.data_out];
    mappings.into_iter().all(Vec::is_empty)
}
