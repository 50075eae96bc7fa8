//! One step under way: the list of moves still to make, and the rules of tokens and frames.

use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap, VecDeque},
};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{
    Came, Effect, FrameKind, Input, Instance, Kept, Owner, Process, Rejection, State, Status,
    Timer, vars::View,
};
use crate::model::{Definition, FlowIx, Id, Model, Node, NodeIx, Place, Source};

pub(super) enum Work {
    /// A token under way enters a node of the frame.
    Enter {
        frame: u32,
        node: NodeIx,
        via: Option<FlowIx>,
    },
    /// A token under way enters an activity out of turn; from there it jumps back.
    Jump {
        frame: u32,
        node: NodeIx,
        back: Vec<Id>,
    },
    /// An activity that repeats goes on to its next iteration.
    Iterate {
        token: u32,
        frame: u32,
        node: NodeIx,
    },
    /// A frame may have become empty.
    Check(u32),
}

pub(super) struct Run<'a> {
    pub process: &'a Process,
    pub model: &'a Model,
    pub instance: Instance,
    pub now: DateTime<Utc>,
    pub effects: Vec<Effect>,
    pub work: VecDeque<Work>,
    /// Throwing events that wait until all other tokens of the step rest.
    pub late: VecDeque<Work>,
    /// Tokens at joins by frame, found once in a step; some may be gone since.
    pub joining: Option<HashMap<u32, Vec<u32>>>,
    pub changed: bool,
    /// A conditional event began to wait and was not looked at yet.
    pub conditions_armed: bool,
    /// Who may wait for a condition, once it was asked for in a step; some may be gone since.
    pub on_conditions: Option<BTreeSet<Owner>>,
    /// What the next token to rest remembers: see [`Token::back`].
    pub back: Vec<Id>,
    /// The token that enters has come before: it need not wait for others of its kind.
    pub jumps: bool,
    pub moves: u32,
    pub recursions: u32,
    /// Nodes that joins looked at in this step.
    pub looked: Cell<usize>,
}

impl<'a> Run<'a> {
    pub fn new(process: &'a Process, instance: Instance, now: DateTime<Utc>) -> Self {
        Self {
            process,
            model: &process.model,
            instance,
            now,
            effects: Vec::new(),
            work: VecDeque::new(),
            late: VecDeque::new(),
            joining: None,
            changed: false,
            conditions_armed: false,
            on_conditions: None,
            back: Vec::new(),
            jumps: false,
            moves: 0,
            recursions: 0,
            looked: Cell::new(0),
        }
    }

    pub fn end(self) -> (Instance, Vec<Effect>) {
        (self.instance, self.effects)
    }

    pub fn take(&mut self, input: Input) -> Result<(), Rejection> {
        match input {
            Input::Start { at, vars } => return self.start(at.as_deref(), &vars),
            Input::Import { at, vars } => return self.import(&at, vars),
            _ => {}
        }
        if self.instance.status != Status::Running {
            return Err(Rejection::NotRunning);
        }
        match input {
            Input::Start { .. } | Input::Import { .. } => Ok(()),
            Input::Complete { token, vars } => self.complete(token, vars),
            Input::Timer { timer } => self.timer(timer),
            Input::Trigger { element, vars } => self.trigger(&element, &vars),
            Input::Message {
                name,
                to,
                key,
                vars,
            } => {
                let (to, key) = (to.as_deref(), key.as_ref());
                let (name, vars) = (name.as_str(), &vars);
                self.message(&Came {
                    name,
                    to,
                    key,
                    vars,
                })
            }
            Input::Signal { name, vars } => {
                self.merge_into_process(vars.clone());
                self.signal(&name, None, &vars);
                Ok(())
            }
            Input::Error {
                token,
                code,
                message,
                vars,
            } => self.task_error(token, &code, &message, vars),
            Input::Escalate { token, code } => self.task_escalates(token, &code),
            Input::Fail { token, reason } => self.fail(token, reason),
            Input::Resume => {
                self.resume();
                Ok(())
            }
            Input::Set { vars } => {
                self.merge_into_process(vars);
                Ok(())
            }
            Input::Retry { token } => self.retry(token),
            Input::Move { token, to } => self.relocate(token, &to),
            back => self.take_back(back),
        }
    }

    /// What undoes steps, or ends all.
    fn take_back(&mut self, input: Input) -> Result<(), Rejection> {
        match input {
            Input::Return {
                token,
                to,
                mode,
                vars,
            } => self.return_to(token, &to, mode, vars),
            Input::Withdraw { to, followed } => self.withdraw(&to, &followed),
            Input::Reject {
                token,
                to,
                reason,
                vars,
            } => self.reject(token, to.as_deref(), reason, vars),
            Input::Cancel { reason } => {
                self.finish(Status::Cancelled, Some(reason));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn fail(&mut self, token: u32, reason: String) -> Result<(), Rejection> {
        self.waiting_task(token)?;
        self.stop(token, reason);
        Ok(())
    }

    /// Makes moves until nothing more happens by itself.
    pub fn settle(&mut self) {
        loop {
            self.look_at_conditions();
            if self.instance.is_over() {
                return;
            }
            match self.next_work() {
                Some(work) => self.carry_out(work),
                None if !self.joins() && !self.ad_hocs() => return,
                None => {}
            }
        }
    }

    fn carry_out(&mut self, work: Work) {
        match work {
            Work::Enter { frame, node, via } => self.enter(frame, node, via),
            Work::Jump { frame, node, back } => {
                (self.back, self.jumps) = (back, true);
                self.enter(frame, node, None);
                self.back.clear();
                self.jumps = false;
            }
            Work::Iterate { token, frame, node } => self.go_on(token, frame, node),
            Work::Check(frame) => self.check(frame),
        }
    }

    /// A condition that holds when its event begins to wait, or from a change on, fires before
    /// anything moves on: what it guards may never wait, and the next change may take it away.
    fn look_at_conditions(&mut self) {
        while std::mem::take(&mut self.conditions_armed) | std::mem::take(&mut self.changed) {
            self.conditions();
        }
    }

    /// What tokens do comes before what they throw: a signal of one parallel branch must find the
    /// other branch waiting, however the flows are ordered in the file.
    fn next_work(&mut self) -> Option<Work> {
        while let Some(work) = self.work.pop_front() {
            match &work {
                Work::Enter { node, .. } if self.broadcasts(*node) => self.late.push_back(work),
                _ => return Some(work),
            }
        }
        self.late.pop_front()
    }

    fn broadcasts(&self, node: NodeIx) -> bool {
        let item = &self.model[node];
        matches!(item.place(), Some(Place::Throw | Place::End))
            && item.definitions().iter().any(|definition| {
                matches!(
                    definition,
                    Definition::Signal { .. }
                        | Definition::Message { .. }
                        | Definition::Escalation { .. }
                )
            })
    }

    pub(super) fn next(&mut self) -> u32 {
        let id = self.instance.next;
        self.instance.next = id.saturating_add(1);
        id
    }

    // Expressions

    pub fn view<'b>(&'b self, frame: u32, extra: Option<&'b Map<String, Value>>) -> View<'b> {
        View {
            instance: &self.instance,
            frame,
            now: self.now,
            extra,
        }
    }

    pub fn holds(&self, condition: &Source, frame: u32) -> bool {
        self.holds_with(condition, frame, None)
    }

    pub fn holds_with(
        &self,
        condition: &Source,
        frame: u32,
        extra: Option<&Map<String, Value>>,
    ) -> bool {
        self.asked(condition, frame, extra).unwrap_or(false)
    }

    /// As [`Self::holds_with`], where what nobody could find out is not the same as false.
    pub fn asked(
        &self,
        condition: &Source,
        frame: u32,
        extra: Option<&Map<String, Value>>,
    ) -> Result<bool, String> {
        let expr = condition.compiled.as_ref().ok();
        expr.map_or(Ok(false), |expr| expr.is_true(&self.view(frame, extra)))
    }

    pub fn value(&self, source: &Source, frame: u32) -> Result<Value, String> {
        match &source.compiled {
            Ok(expr) => expr.evaluate(&self.view(frame, None)),
            Err(reason) => Err(format!("`{}`: {reason}", source.text)),
        }
    }

    pub fn merge(&mut self, frame: u32, vars: Map<String, Value>) {
        for (name, value) in vars {
            self.instance.set(frame, name, value);
            self.changed = true;
        }
    }

    fn merge_into_process(&mut self, vars: Map<String, Value>) {
        let root = self
            .instance
            .frames
            .iter()
            .find(|(_, f)| f.kind == FrameKind::Root)
            .map(|(id, _)| *id);
        if let Some(root) = root {
            self.merge(root, vars);
        }
    }

    // Stopping and going on

    /// A token stops; what ran below it is taken away, for a retry begins the activity anew.
    pub fn stop(&mut self, token: u32, text: String) {
        let below = self
            .instance
            .tokens
            .get(&token)
            .map(|held| held.state.clone());
        match below {
            Some(State::Body | State::Multi(_)) => self.remove_frames_of(token),
            Some(State::Task) => {
                let element = self.instance.tokens.get(&token).map(|held| held.at.clone());
                self.effects
                    .extend(element.map(|element| Effect::TaskGone { token, element }));
            }
            _ => {}
        }
        self.stop_silently(token, text);
    }

    /// As [`Self::stop`], for a token of which nobody has heard yet. The border events of an activity
    /// that has begun wait on: they are for the time when it does not get on.
    pub fn stop_silently(&mut self, token: u32, text: String) {
        if self.has_begun(token)
            && let Some(held) = self.instance.tokens.get_mut(&token)
        {
            held.kept.get_or_insert(Kept::Begun);
        }
        self.halt(token, text);
        self.drop_timers_unless(Owner::Token(token), Node::is_boundary);
    }

    /// As [`Self::stop_silently`], at an activity that has not begun.
    pub fn stop_before(&mut self, token: u32, text: String) {
        self.halt(token, text);
        self.drop_timers(Owner::Token(token));
    }

    fn halt(&mut self, token: u32, text: String) {
        if let Some(held) = self.instance.tokens.get_mut(&token) {
            held.state = State::Incident(text.clone());
            let element = held.at.clone();
            self.effects.push(Effect::Incident {
                token,
                element,
                text,
            });
        }
    }

    /// Whether the token is that of an activity with border events, which wait from its beginning.
    fn has_begun(&self, token: u32) -> bool {
        let held = self.instance.tokens.get(&token);
        let held = held.filter(|held| !self.is_iteration(held));
        let node = held.and_then(|held| self.node_of(held));
        node.is_some_and(|node| !self.model[node].boundary.is_empty())
    }

    fn retry(&mut self, token: u32) -> Result<(), Rejection> {
        let stopped = self
            .instance
            .tokens
            .get(&token)
            .filter(|t| matches!(t.state, State::Incident(_)));
        let stopped = stopped.ok_or(Rejection::NotStopped(token))?;
        let node = self.node_of(stopped).ok_or(Rejection::NotStopped(token))?;
        if let Some(kept) = stopped.kept.clone() {
            self.resume_kept(token, node, kept);
            return Ok(());
        }
        let (frame, back) = (stopped.frame, stopped.back.clone());
        if self.scope_of(frame) != Some(self.model[node].scope) {
            // It stands for an event sub-process of the scope.
            self.arm_again(token, frame, node);
            return Ok(());
        }
        self.cancel(token);
        self.jump(frame, node, back);
        Ok(())
    }

    pub fn outermost(&self, token: u32, frame: u32) -> (u32, u32) {
        let held = self.instance.tokens.get(&token);
        let is_one_of_several = held.is_some_and(|held| self.is_iteration(held));
        let frames = &self.instance.frames;
        let iteration = frames.get(&frame).filter(|_| is_one_of_several);
        match iteration.and_then(|f| Some((f.owner?, f.parent?))) {
            Some((owner, parent)) => (owner, parent),
            None => (token, frame),
        }
    }

    // Timers

    pub fn add_timer(&mut self, timer: Timer, due: super::Due) {
        let id = self.next();
        self.effects.push(Effect::Timer {
            timer: id,
            element: timer.at.clone(),
            due,
        });
        self.instance.timers.insert(id, timer);
    }

    pub fn drop_timers(&mut self, owner: Owner) {
        self.drop_timers_unless(owner, |_| false);
    }

    /// Drops the timers of those events that do not stay.
    pub fn drop_timers_unless(&mut self, owner: Owner, stays: impl Fn(&Node) -> bool) {
        if self.instance.timers.is_empty() {
            return;
        }
        let model = self.model;
        let is_kept = |timer: &Timer| model.lookup(&timer.at).is_some_and(|at| stays(&model[at]));
        let gone: Vec<u32> = self
            .instance
            .timers
            .iter()
            .filter(|(_, timer)| timer.owner == owner && !is_kept(timer))
            .map(|(id, _)| *id)
            .collect();
        for timer in gone {
            self.instance.timers.remove(&timer);
            self.effects.push(Effect::TimerGone { timer });
        }
    }
}
