//! One step under way: the list of moves still to make, and the rules of tokens and frames.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{
    Effect, Frame, FrameKind, Input, Instance, Owner, Process, Rejection, State, Status, Timer,
    Token, vars::View,
};
use crate::model::{
    Definition, FlowIx, Gateway, Id, Kind, Model, Node, NodeIx, Place, ScopeIx, Source,
};

/// Moves of one step. A model that needs more between two waits runs in a circle.
const MAX_MOVES: u32 = 100_000;
/// Tokens in one scope: each step looks through them, and more come of a circle that splits.
const MAX_TOKENS: u32 = 2_000;
/// Frames in one another; a process that calls itself without end stops here.
const MAX_DEPTH: usize = 100;
/// Calls inside of the same call in one step.
const MAX_RECURSIONS: u32 = 300;

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
    late: VecDeque<Work>,
    /// Tokens at joins by frame, found once in a step; some may be gone since.
    joining: Option<HashMap<u32, Vec<u32>>>,
    pub changed: bool,
    /// A conditional event began to wait and was not looked at yet.
    pub conditions_armed: bool,
    /// What the next token to rest remembers: see [`Token::back`].
    back: Vec<Id>,
    moves: u32,
    recursions: u32,
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
            back: Vec::new(),
            moves: 0,
            recursions: 0,
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
            Input::Complete { token, vars } => self.complete(token, &vars),
            Input::Timer { timer } => self.timer(timer),
            Input::Trigger { element, vars } => self.trigger(&element, vars),
            Input::Message { name, key, vars } => self.message(&name, key.as_ref(), vars),
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
            Input::Fail { token, reason } => {
                self.waiting_task(token)?;
                self.stop(token, reason);
                Ok(())
            }
            Input::Set { vars } => {
                self.merge_into_process(vars);
                Ok(())
            }
            Input::Retry { token } => self.retry(token),
            Input::Move { token, to } => self.relocate(token, &to),
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
        }
    }

    /// Makes moves until nothing more happens by itself.
    pub fn settle(&mut self) {
        self.look_at_new_conditions();
        loop {
            while let Some(work) = self.next_work() {
                match work {
                    Work::Enter { frame, node, via } => self.enter(frame, node, via),
                    Work::Jump { frame, node, back } => {
                        self.back = back;
                        self.enter(frame, node, None);
                        self.back.clear();
                    }
                    Work::Iterate { token, frame, node } => self.go_on(token, frame, node),
                    Work::Check(frame) => self.check(frame),
                }
                self.look_at_new_conditions();
            }
            let changed = std::mem::take(&mut self.changed);
            if changed && self.conditions() {
                continue;
            }
            if !self.joins() {
                return;
            }
        }
    }

    /// A condition that holds when its event begins to wait fires before what it guards moves on,
    /// which may never wait itself.
    fn look_at_new_conditions(&mut self) {
        if std::mem::take(&mut self.conditions_armed) {
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

    fn start(&mut self, at: Option<&str>, vars: &Map<String, Value>) -> Result<(), Rejection> {
        if self.instance.status != Status::Created {
            return Err(Rejection::AlreadyStarted);
        }
        let id = &self.process.id;
        let head = self
            .model
            .process(id)
            .ok_or_else(|| Rejection::UnknownProcess(id.to_string()))?;
        let scope = head.root;
        let nodes = match at {
            Some(at) => vec![self.start_named(at, scope)?],
            None => self.default_starts(scope)?,
        };
        self.instance.status = Status::Running;
        let root = self.open_frame(FrameKind::Root, head.id.clone(), None, None);
        if let Some(frame) = self.instance.frames.get_mut(&root) {
            frame.vars.clone_from(vars);
        }
        self.changed = true;
        self.arm_frame(root, scope);
        for node in nodes {
            self.receive(root, node, vars.clone());
            match at {
                Some(_) if self.is_triggered_start(node) => self.begin_by_event(root, node),
                _ => self.send(root, node, None),
            }
        }
        Ok(())
    }

    /// A receive task or an event after a gateway that begins the process.
    fn is_triggered_start(&self, node: NodeIx) -> bool {
        let item = &self.model[node];
        !item.is_start() && (item.instantiates() || self.instantiating_gateway(node).is_some())
    }

    fn instantiating_gateway(&self, node: NodeIx) -> Option<NodeIx> {
        let sources = self.model[node]
            .incoming
            .iter()
            .map(|&flow| self.model[flow].from);
        sources
            .into_iter()
            .find(|&source| self.model[source].instantiates())
    }

    /// The event has happened: that is why the instance begins. A parallel gateway then waits
    /// for its other events.
    fn begin_by_event(&mut self, root: u32, node: NodeIx) {
        let model = self.model;
        if let Some(gateway) = self.instantiating_gateway(node)
            && matches!(
                model[gateway].kind,
                Kind::Gateway(Gateway::Event {
                    is_parallel: true,
                    ..
                })
            )
        {
            for &flow in &model[gateway].outgoing {
                if model[flow].to != node {
                    self.send(root, model[flow].to, Some(flow));
                }
            }
        }
        self.add_live(root);
        self.entered(&model[node], root);
        self.leave(root, node);
    }

    fn start_named(&self, at: &str, scope: ScopeIx) -> Result<NodeIx, Rejection> {
        let found = self
            .model
            .lookup(at)
            .filter(|&ix| self.model[ix].scope == scope);
        let can = |ix: &NodeIx| {
            let node = &self.model[*ix];
            node.is_start()
                || node.incoming.is_empty() && !node.is_boundary()
                || self.instantiating_gateway(*ix).is_some()
        };
        found
            .filter(can)
            .ok_or_else(|| Rejection::NoSuchStart(at.to_owned()))
    }

    /// The untriggered starts; where there are none, the only start there is.
    fn default_starts(&self, scope: ScopeIx) -> Result<Vec<NodeIx>, Rejection> {
        let starts = self.model.starts(scope);
        if !starts.is_empty() {
            return Ok(starts);
        }
        let typed = self.model[scope]
            .nodes
            .iter()
            .copied()
            .filter(|&ix| self.model[ix].is_start());
        match typed.collect::<Vec<_>>().as_slice() {
            [] => Err(Rejection::NoStart),
            [first, ..] => Ok(vec![*first]),
        }
    }

    // Frames

    pub fn open_frame(
        &mut self,
        kind: FrameKind,
        of: Id,
        parent: Option<u32>,
        owner: Option<u32>,
    ) -> u32 {
        let id = self.next();
        let frame = Frame {
            kind,
            of,
            parent,
            owner,
            live: 0,
            vars: Map::new(),
            undo: Vec::new(),
            holding: Vec::new(),
            queue: Vec::new(),
        };
        self.instance.frames.insert(id, frame);
        id
    }

    /// Whether a call inside of the same call may begin; a process that calls itself several
    /// times would otherwise fill the step with copies of itself before it is too deep.
    pub fn may_recur(&mut self, frame: u32, call: &Id) -> bool {
        let mut next = Some(frame);
        while let Some(inner) = next.and_then(|id| self.instance.frames.get(&id)) {
            if inner.kind == FrameKind::Call && inner.of == *call {
                self.recursions += 1;
                return self.recursions <= MAX_RECURSIONS;
            }
            next = inner.parent;
        }
        true
    }

    fn next(&mut self) -> u32 {
        let id = self.instance.next;
        self.instance.next = id.saturating_add(1);
        id
    }

    /// How many frames lie around this one.
    pub fn is_too_deep(&self, frame: u32) -> bool {
        let mut depth = 0;
        let mut next = Some(frame);
        while let Some(inner) = next.and_then(|id| self.instance.frames.get(&id)) {
            depth += 1;
            next = inner.parent;
        }
        depth > MAX_DEPTH
    }

    /// The part of the model that runs in a frame.
    pub fn scope_of(&self, frame: u32) -> Option<ScopeIx> {
        let inner = self.instance.frames.get(&frame)?;
        match inner.kind {
            FrameKind::Root => self.model.process(&inner.of).map(|head| head.root),
            FrameKind::Sub | FrameKind::EventSub => self.model[self.model.lookup(&inner.of)?].body,
            FrameKind::Call => match &self.model[self.model.lookup(&inner.of)?].kind {
                Kind::Call {
                    called: Some(called),
                } => self.model.process(called).map(|head| head.root),
                _ => None,
            },
            FrameKind::Iteration => self.scope_of(inner.parent?),
        }
    }

    /// The id by which people know where a frame runs.
    pub fn scope_name(&self, frame: u32) -> Id {
        let mut next = self.instance.frames.get(&frame);
        while let Some(inner) = next {
            if inner.kind != FrameKind::Iteration {
                return inner.of.clone();
            }
            next = inner
                .parent
                .and_then(|parent| self.instance.frames.get(&parent));
        }
        self.process.id.clone()
    }

    pub fn add_live(&mut self, frame: u32) {
        if let Some(inner) = self.instance.frames.get_mut(&frame) {
            inner.live = inner.live.saturating_add(1);
        }
    }

    /// One thing less is inside a frame.
    pub fn release(&mut self, frame: u32) {
        if let Some(inner) = self.instance.frames.get_mut(&frame) {
            inner.live = inner.live.saturating_sub(1);
            if inner.live == 0 {
                self.work.push_back(Work::Check(frame));
            }
        }
    }

    /// An event sub-process begins inside a frame.
    pub fn open_event_sub(&mut self, frame: u32, node: NodeIx) -> u32 {
        self.add_live(frame);
        self.open_frame(
            FrameKind::EventSub,
            self.model[node].id.clone(),
            Some(frame),
            None,
        )
    }

    fn check(&mut self, frame: u32) {
        let empty = self
            .instance
            .frames
            .get(&frame)
            .filter(|inner| inner.live == 0);
        let Some(kind) = empty.map(|inner| inner.kind) else {
            return;
        };
        if self.start_next_ad_hoc(frame) {
            return;
        }
        match kind {
            FrameKind::Root => self.finish(Status::Completed, None),
            FrameKind::Sub | FrameKind::Call => self.body_done(frame),
            FrameKind::EventSub => {
                let of = self
                    .instance
                    .frames
                    .get(&frame)
                    .map(|inner| (inner.parent, inner.of.clone()));
                self.drop_frame(frame);
                if let Some((Some(parent), of)) = of {
                    self.left(&of, parent);
                    self.undone(parent, &of);
                    self.release(parent);
                }
            }
            // An iteration ends with its one token, which says so itself.
            FrameKind::Iteration => {}
        }
    }

    /// Takes a frame away together with its timers; the inside must be gone already.
    pub fn drop_frame(&mut self, frame: u32) {
        self.instance.frames.remove(&frame);
        self.drop_timers(Owner::Frame(frame));
    }

    /// The instance ends: everything still inside goes.
    pub fn finish(&mut self, status: Status, reason: Option<String>) {
        let roots: Vec<u32> = self
            .instance
            .frames
            .iter()
            .filter(|(_, f)| f.kind == FrameKind::Root)
            .map(|(id, _)| *id)
            .collect();
        for root in roots {
            self.empty(root, None);
            self.drop_timers(Owner::Frame(root));
        }
        self.work.clear();
        self.late.clear();
        self.instance.status = status;
        self.instance.reason.clone_from(&reason);
        self.effects.push(Effect::Ended { status, reason });
    }

    /// Takes everything out of a frame, except what `keep` names (an event sub-process frame).
    pub fn empty(&mut self, frame: u32, keep: Option<u32>) {
        let tokens: Vec<u32> = self
            .instance
            .tokens
            .iter()
            .filter(|(_, t)| t.frame == frame)
            .map(|(id, _)| *id)
            .collect();
        for token in tokens {
            self.remove(token);
        }
        let is_inner = |id: u32, inner: &Frame| {
            inner.parent == Some(frame) && inner.kind == FrameKind::EventSub && Some(id) != keep
        };
        let subs: Vec<u32> = self
            .instance
            .frames
            .iter()
            .filter(|(id, f)| is_inner(**id, f))
            .map(|(id, _)| *id)
            .collect();
        for sub in subs {
            self.empty(sub, None);
            self.drop_frame(sub);
        }
        let enters = |work: &Work| matches!(work, Work::Enter { frame: at, .. } | Work::Jump { frame: at, .. } if *at == frame);
        self.work.retain(|work| !enters(work));
        self.late.retain(|work| !enters(work));
        if let Some(inner) = self.instance.frames.get_mut(&frame) {
            inner.live = u32::from(keep.is_some());
            inner.queue.clear();
        }
    }

    // Tokens

    /// Puts a token under way to a node.
    pub fn send(&mut self, frame: u32, node: NodeIx, via: Option<FlowIx>) {
        self.add_live(frame);
        self.work.push_back(Work::Enter { frame, node, via });
    }

    /// Tokens that rest at joins of a frame.
    pub fn joining(&mut self, frame: u32) -> Vec<u32> {
        let tokens = &self.instance.tokens;
        let joining = self.joining.get_or_insert_with(|| {
            let mut found: HashMap<u32, Vec<u32>> = HashMap::new();
            for (id, token) in tokens
                .iter()
                .filter(|(_, token)| matches!(token.state, State::Join(_)))
            {
                found.entry(token.frame).or_default().push(*id);
            }
            found
        });
        let Some(inside) = joining.get_mut(&frame) else {
            return Vec::new();
        };
        inside.retain(|id| tokens.contains_key(id));
        inside.clone()
    }

    /// The token under way comes to rest; it was counted when it was sent.
    pub fn rest(&mut self, frame: u32, node: NodeIx, state: State) -> u32 {
        let id = self.next();
        let at = self.model[node].id.clone();
        let back = std::mem::take(&mut self.back);
        if let (State::Join(_), Some(joining)) = (&state, &mut self.joining) {
            joining.entry(frame).or_default().push(id);
        }
        self.instance.tokens.insert(
            id,
            Token {
                frame,
                at,
                state,
                holding: Vec::new(),
                back,
            },
        );
        id
    }

    /// Takes a token away with all that runs below it, as cancelling does.
    pub fn remove(&mut self, token: u32) -> Option<Token> {
        let held = self.instance.tokens.remove(&token)?;
        self.drop_timers(Owner::Token(token));
        match held.state {
            State::Task => self.effects.push(Effect::TaskGone {
                token,
                element: held.at.clone(),
            }),
            State::Body | State::Multi(_) | State::Undoing(_) => self.remove_frames_of(token),
            _ => {}
        }
        Some(held)
    }

    pub fn remove_frames_of(&mut self, token: u32) {
        let owned: Vec<u32> = self
            .instance
            .frames
            .iter()
            .filter(|(_, f)| f.owner == Some(token))
            .map(|(id, _)| *id)
            .collect();
        for frame in owned {
            self.empty(frame, None);
            self.drop_frame(frame);
        }
    }

    pub fn node_of(&self, token: &Token) -> Option<NodeIx> {
        self.model.lookup(&token.at)
    }

    /// Where the token will leave by a flow: it may have to jump back to there first.
    pub fn leaves_from(&self, token: &Token) -> Option<NodeIx> {
        let returner = token.back.first().and_then(|id| self.model.lookup(id));
        returner.or_else(|| self.node_of(token))
    }

    pub fn entered(&mut self, node: &Node, frame: u32) {
        let scope = self.scope_name(frame);
        self.effects.push(Effect::Entered {
            element: node.id.clone(),
            scope,
        });
    }

    pub fn left(&mut self, element: &Id, frame: u32) {
        let scope = self.scope_name(frame);
        self.effects.push(Effect::Left {
            element: element.clone(),
            scope,
        });
    }

    fn enter(&mut self, frame: u32, node: NodeIx, via: Option<FlowIx>) {
        if !self.instance.frames.contains_key(&frame) {
            return;
        }
        self.moves += 1;
        let is_full = self
            .instance
            .frames
            .get(&frame)
            .is_some_and(|inner| inner.live > MAX_TOKENS);
        if self.moves > MAX_MOVES || is_full {
            let token = self.rest(frame, node, State::Task);
            let text = if is_full {
                "more than 2000 tokens are under way in one scope"
            } else {
                "the process runs in a circle without waiting for anything"
            };
            self.stop_silently(token, text.to_owned());
            return;
        }
        let model = self.model;
        let item = &model[node];
        match &item.kind {
            Kind::Gateway(gateway) => self.enter_gateway(frame, node, gateway, via),
            Kind::Event(event) => {
                self.entered(item, frame);
                match event.place {
                    Place::Catch if item.link().is_none() => self.wait_at(frame, node),
                    Place::Throw | Place::End => self.throw(frame, node),
                    _ => self.leave(frame, node),
                }
            }
            Kind::Task(_) | Kind::Sub(_) | Kind::Call { .. } => {
                if item.quantity.0 > 1 && !self.enough(frame, node, via) {
                    return;
                }
                self.entered(item, frame);
                self.begin(frame, node);
            }
        }
    }

    /// Whether as many tokens have come as the activity takes; those that came before rest.
    fn enough(&mut self, frame: u32, node: NodeIx, via: Option<FlowIx>) -> bool {
        let item = &self.model[node];
        let waits = |held: &Token| {
            held.frame == frame && held.at == item.id && matches!(held.state, State::Join(_))
        };
        let before: Vec<u32> = self
            .instance
            .tokens
            .iter()
            .filter(|(_, held)| waits(held))
            .map(|(id, _)| *id)
            .collect();
        if before.len() + 1 < item.quantity.0 as usize {
            let by = via.map_or_else(|| item.id.clone(), |via| self.model[via].id.clone());
            self.rest(frame, node, State::Join(by));
            return false;
        }
        for token in before {
            self.instance.tokens.remove(&token);
            self.release(frame);
        }
        true
    }

    fn enter_gateway(&mut self, frame: u32, node: NodeIx, gateway: &Gateway, via: Option<FlowIx>) {
        let item = &self.model[node];
        let joins = item.incoming.len() > 1
            && matches!(
                gateway,
                Gateway::Parallel | Gateway::Inclusive | Gateway::Complex { .. }
            );
        if joins && let Some(via) = via {
            self.rest(frame, node, State::Join(self.model[via].id.clone()));
            self.arrived(frame, node, gateway);
            return;
        }
        self.entered(item, frame);
        match gateway {
            Gateway::Event { .. } => self.choose_by_event(frame, node),
            _ => self.split(frame, node),
        }
    }

    /// A token leaves a node that is no gateway: along every flow whose condition holds.
    pub fn leave(&mut self, frame: u32, node: NodeIx) {
        let model = self.model;
        let item = &model[node];
        self.left(&item.id, frame);
        let mut ways = 0_usize;
        let (mut conditional, mut is_any_true) = (false, false);
        for &flow in &item.outgoing {
            if Some(flow) == item.default {
                continue;
            }
            let edge = &model[flow];
            let goes = match &edge.condition {
                Some(condition) => {
                    conditional = true;
                    let holds = self.holds(condition, frame);
                    is_any_true |= holds;
                    holds
                }
                None => true,
            };
            if goes {
                ways += 1;
                for _ in 0..item.quantity.1 {
                    self.send(frame, edge.to, Some(flow));
                }
            }
        }
        // Flows without a condition do not matter to the default: it is for when none of the
        // conditions holds (BPMN 2.0.2, 8.4.13).
        let default = item.default.filter(|_| !is_any_true);
        if let Some(default) = default {
            for _ in 0..item.quantity.1 {
                self.send(frame, model[default].to, Some(default));
            }
        } else if ways == 0 {
            if conditional {
                let token = self.rest(frame, node, State::Task);
                self.stop_silently(
                    token,
                    "no condition of an outgoing flow is true, and none is the default".to_owned(),
                );
                return;
            }
            self.after_last(frame, node);
        }
        if item.is_activity() {
            self.after_ad_hoc(frame);
        }
        self.release(frame);
    }

    // Expressions

    pub fn view<'b>(&'b self, frame: u32, extra: Option<&'b Map<String, Value>>) -> View<'b> {
        View {
            instance: &self.instance,
            frame,
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
        condition
            .compiled
            .as_ref()
            .is_ok_and(|expr| expr.is_true(&self.view(frame, extra)))
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

    /// As [`Self::stop`], for a token of which nobody has heard yet.
    pub fn stop_silently(&mut self, token: u32, text: String) {
        if let Some(held) = self.instance.tokens.get_mut(&token) {
            held.state = State::Incident(text.clone());
            let element = held.at.clone();
            self.effects.push(Effect::Incident {
                token,
                element,
                text,
            });
        }
        self.drop_timers(Owner::Token(token));
    }

    fn retry(&mut self, token: u32) -> Result<(), Rejection> {
        let stopped = self
            .instance
            .tokens
            .get(&token)
            .filter(|t| matches!(t.state, State::Incident(_)));
        let stopped = stopped.ok_or(Rejection::NotStopped(token))?;
        let node = self.node_of(stopped).ok_or(Rejection::NotStopped(token))?;
        let (frame, back) = (stopped.frame, stopped.back.clone());
        self.instance.tokens.remove(&token);
        self.jump(frame, node, back);
        Ok(())
    }

    fn relocate(&mut self, token: u32, to: &str) -> Result<(), Rejection> {
        let frame = self
            .instance
            .tokens
            .get(&token)
            .ok_or(Rejection::NoSuchTask(token))?
            .frame;
        let scope = self.scope_of(frame);
        let node = self
            .model
            .lookup(to)
            .filter(|&ix| Some(self.model[ix].scope) == scope);
        let node = node.ok_or_else(|| Rejection::NoSuchPlace(to.to_owned()))?;
        // An iteration belongs to one activity; the whole activity moves then.
        let (token, frame) = self.outermost(token, frame);
        if let Some(held) = self.remove(token) {
            self.left(&held.at, frame);
        }
        self.work.push_back(Work::Enter {
            frame,
            node,
            via: None,
        });
        Ok(())
    }

    pub fn outermost(&self, token: u32, frame: u32) -> (u32, u32) {
        let iteration = self
            .instance
            .frames
            .get(&frame)
            .filter(|f| f.kind == FrameKind::Iteration);
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
        if self.instance.timers.is_empty() {
            return;
        }
        let gone: Vec<u32> = self
            .instance
            .timers
            .iter()
            .filter(|(_, t)| t.owner == owner)
            .map(|(id, _)| *id)
            .collect();
        for timer in gone {
            self.instance.timers.remove(&timer);
            self.effects.push(Effect::TimerGone { timer });
        }
    }
}
