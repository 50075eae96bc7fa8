//! Moving running instances from one version of a process to another: what fits, on plain values.
//!
//! Whatever an instance holds must have a place in the new version: tokens, timers, border
//! events, iterations, called processes, and the record of what compensation would undo. What
//! would be lost refuses the migration, with a reason for each. Timers keep the moment that they
//! were set to; timers that are new in the version begin with the migration.

pub(crate) mod act;
pub(crate) mod api;
mod difference;
mod store;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use kernel::Text;
use serde::{Deserialize, Serialize};

pub use act::{One, Report, Wanted, apply, check, one};
pub use difference::{Change, Difference, Element, difference};

use crate::{
    core::{self, Effect, Frame, FrameKind, Instance, Kept, Owner, Process, State, Token, Undo},
    model::{Definition, Id, Kind, Model, Node, NodeIx, Repeat, ScopeIx},
};

/// Which element of the new version takes the place of which of the old one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = MigrationPlan)]
pub struct Plan {
    /// Old id to new id; an element that is not named keeps its id. Null gives up a border event,
    /// an event sub-process or a timer that the new version does not have any more.
    #[schema(example = json!({"review": "first_review", "reminder": null}))]
    pub elements: BTreeMap<String, Option<String>>,
    /// Flows of the new version that lead to joins and count as taken: something is put there
    /// where nothing has come by them and nothing can.
    #[schema(example = json!(["notify-join"]))]
    pub arrived: BTreeSet<String>,
}

/// Why an instance does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MigrationReason)]
pub enum Reason {
    /// The instance is over.
    NotRunning,
    /// The plan names an element that its version does not have.
    UnknownElement,
    /// Something waits at an element that the new version does not have.
    Lost,
    /// The element is of another kind.
    OtherKind,
    /// The element lies in another sub-process.
    OtherPlace,
    /// The activity repeats in another way, or no longer.
    OtherRepeat,
    /// The call activity calls another process.
    OtherCall,
    /// A running timer has no place.
    TimerLost,
    /// A border event or event sub-process that could still happen has no place.
    EventLost,
    /// A token has come to a join by a flow that the new version does not have.
    JoinLost,
    /// The join would wait for ever: by a flow of the new version nothing comes any more.
    JoinWaits,
    /// The plan lets something arrive by what is no flow to a join of the new version.
    NotToJoin,
    /// What compensation would undo has no place.
    UndoLost,
    /// A new timer cannot be set; its time has no value.
    TimerWrong,
    /// It was moved to another version meanwhile.
    Moved,
}

impl Reason {
    fn key(self) -> &'static str {
        match self {
            Self::NotRunning => "workflow-not-running",
            Self::UnknownElement => "workflow-migrate-unknown-element",
            Self::Lost => "workflow-migrate-lost",
            Self::OtherKind => "workflow-migrate-other-kind",
            Self::OtherPlace => "workflow-migrate-other-place",
            Self::OtherRepeat => "workflow-migrate-other-repeat",
            Self::OtherCall => "workflow-migrate-other-call",
            Self::TimerLost => "workflow-migrate-timer-lost",
            Self::EventLost => "workflow-migrate-event-lost",
            Self::JoinLost => "workflow-migrate-join-lost",
            Self::JoinWaits => "workflow-migrate-join-waits",
            Self::NotToJoin => "workflow-migrate-not-to-join",
            Self::UndoLost => "workflow-migrate-undo-lost",
            Self::TimerWrong => "workflow-migrate-timer-wrong",
            Self::Moved => "workflow-migrate-moved",
        }
    }
}

/// One thing that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[schema(as = MigrationProblem)]
pub struct Problem {
    pub reason: Reason,
    /// Id of the element in the old version; for `join_waits` and `not_to_join`, of the flow in the
    /// new one.
    pub element: String,
}

impl Problem {
    pub fn text(&self) -> Text {
        Text::new(self.reason.key()).with("element", &self.element)
    }
}

/// Moves an instance to another version of its process.
///
/// The effects are timers that begin or go. An identical version changes nothing.
///
/// # Errors
/// Everything that does not fit; the instance given in is then the one to keep.
pub fn migrate(
    old: &Process,
    new: &Process,
    instance: &Instance,
    plan: &Plan,
    now: DateTime<Utc>,
) -> Result<(Instance, Vec<Effect>), Vec<Problem>> {
    let mut fit = Fit::new(old, new, plan);
    fit.check_plan();
    if instance.is_over() {
        fit.problem(Reason::NotRunning, "");
    }
    let mut moved = instance.clone();
    moved.process = new.id.clone();
    for (id, frame) in moved.frames.all_mut() {
        fit.frame(*id, frame);
    }
    for token in moved.tokens.all_mut().values_mut() {
        fit.token(token);
    }
    let effects = fit.timers(instance, &mut moved);
    fit.subscriptions(instance);
    if fit.problems.is_empty() {
        moved = fit.joins(old, instance, moved, now);
    }
    if !fit.problems.is_empty() {
        return Err(fit.problems.into_iter().collect());
    }
    let fresh = fit.new_timers(&moved);
    let (moved, armed) = core::arm(new, moved, &fresh, now).map_err(|element| {
        vec![Problem {
            reason: Reason::TimerWrong,
            element,
        }]
    })?;
    Ok((moved, effects.into_iter().chain(armed).collect()))
}

/// Where an element of the old version is in the new one.
enum Place {
    Node(NodeIx),
    /// The plan gives it up.
    GivenUp,
    Missing,
}

struct Fit<'a> {
    old: &'a Model,
    new: &'a Model,
    new_process: &'a Process,
    plan: &'a Plan,
    /// The scope in the new version in which each frame runs.
    scopes: BTreeMap<u32, ScopeIx>,
    problems: BTreeSet<Problem>,
}

impl<'a> Fit<'a> {
    fn new(old: &'a Process, new: &'a Process, plan: &'a Plan) -> Self {
        Self {
            old: &old.model,
            new: &new.model,
            new_process: new,
            plan,
            scopes: BTreeMap::new(),
            problems: BTreeSet::new(),
        }
    }

    fn problem(&mut self, reason: Reason, element: &str) {
        self.problems.insert(Problem {
            reason,
            element: element.to_owned(),
        });
    }

    fn check_plan(&mut self) {
        for (from, to) in &self.plan.elements {
            let is_known = self.old.lookup(from).is_some()
                && to.as_ref().is_none_or(|to| self.new.lookup(to).is_some());
            if !is_known {
                self.problem(Reason::UnknownElement, from);
            }
        }
        for id in &self.plan.arrived {
            let to = self.new.flow(id).map(|flow| &self.new[self.new[flow].to]);
            let passes =
                |node: &Node| node.incoming.len() < 2 || !matches!(node.kind, Kind::Gateway(_));
            if to.is_none_or(passes) {
                self.problem(Reason::NotToJoin, id);
            }
        }
    }

    /// Joins wait for what can come in the new version, or for what the plan lets arrive. One that
    /// waited in vain before may go on doing so.
    fn joins(
        &mut self,
        old: &Process,
        before: &Instance,
        moved: Instance,
        now: DateTime<Utc>,
    ) -> Instance {
        let after = core::starved(self.new_process, &moved, now);
        if after.is_empty() {
            return moved;
        }
        let before: BTreeSet<(u32, NodeIx)> = core::starved(old, before, now)
            .into_iter()
            .filter_map(|one| match self.place(&self.old[one.join].id) {
                Place::Node(join) => Some((one.frame, join)),
                _ => None,
            })
            .collect();
        let mut arriving = Vec::new();
        for one in after {
            for flow in one.missing {
                let id = &self.new[flow].id;
                if self.plan.arrived.contains(&**id) {
                    arriving.push((one.frame, flow));
                } else if !before.contains(&(one.frame, one.join)) {
                    self.problem(Reason::JoinWaits, id);
                }
            }
        }
        core::arrive(self.new_process, moved, &arriving, now)
    }

    fn place(&self, id: &str) -> Place {
        let to = match self.plan.elements.get(id) {
            Some(None) => return Place::GivenUp,
            Some(Some(to)) => to,
            None => id,
        };
        self.new.lookup(to).map_or(Place::Missing, Place::Node)
    }

    /// The node that takes the place of one that something stands at.
    fn node(&mut self, id: &Id) -> Option<NodeIx> {
        match self.place(id) {
            Place::Node(node) => Some(node),
            Place::GivenUp | Place::Missing => {
                self.problem(Reason::Lost, id);
                None
            }
        }
    }

    fn frame(&mut self, id: u32, frame: &mut Frame) {
        let old_of = frame.of.clone();
        let scope = if frame.kind == FrameKind::Root {
            frame.of = self.new_process.id.clone();
            self.new.process(&frame.of).map(|head| head.root)
        } else {
            self.inner_scope(frame)
        };
        if let Some(scope) = scope {
            self.scopes.insert(id, scope);
        }
        self.undo(&mut frame.undo);
        self.rename_all(&mut frame.holding);
        for queued in &mut frame.queue {
            if let Place::Node(node) = self.place(queued) {
                *queued = self.new[node].id.clone();
            } else {
                let queued = queued.clone();
                self.problem(Reason::Lost, &queued);
            }
        }
        if scope.is_none() && frame.kind == FrameKind::Root {
            self.problem(Reason::Lost, &old_of);
        }
    }

    /// The scope of a frame inside another; what does not fit is noted, and what lies in a frame
    /// without a scope is not looked at.
    fn inner_scope(&mut self, frame: &mut Frame) -> Option<ScopeIx> {
        let of = frame.of.clone();
        let around = frame
            .parent
            .and_then(|parent| self.scopes.get(&parent).copied());
        let node = self.node(&of)?;
        let item = &self.new[node];
        if around.is_some_and(|around| item.scope != around) {
            self.problem(Reason::OtherPlace, &of);
            return None;
        }
        frame.of = item.id.clone();
        match frame.kind {
            FrameKind::Root => None,
            FrameKind::Iteration => around,
            FrameKind::Sub | FrameKind::EventSub => {
                self.same_kind(&of, node);
                item.body
            }
            FrameKind::Call => {
                let called = |model: &Model, node: Option<NodeIx>| match &model[node?].kind {
                    Kind::Call { called } => called.clone(),
                    _ => None,
                };
                let to = called(self.new, Some(node));
                if to.is_none() || called(self.old, self.old.lookup(&of)) != to {
                    self.problem(Reason::OtherCall, &of);
                    return None;
                }
                to.and_then(|to| self.new.process(&to))
                    .map(|head| head.root)
            }
        }
    }

    fn token(&mut self, token: &mut Token) {
        let at = token.at.clone();
        let Some(node) = self.node(&at) else {
            return;
        };
        let item = &self.new[node];
        token.at = item.id.clone();
        let is_here = |scope: &ScopeIx| *scope == item.scope || self.begins_beside(node, *scope);
        if !self.scopes.get(&token.frame).is_none_or(is_here) {
            self.problem(Reason::OtherPlace, &at);
        }
        match &mut token.state {
            State::Task | State::Body | State::Multi(_) => {
                self.same_kind(&at, node);
                self.same_repeat(&at, node);
            }
            State::Catch | State::Choice => self.same_kind(&at, node),
            State::Join(flow) => {
                self.same_kind(&at, node);
                match self.flow(&at, flow, node) {
                    Some(found) => *flow = found,
                    None => self.problem(Reason::JoinLost, &at),
                }
            }
            State::Undoing(undo) => self.undo(undo),
            // Where its work is kept it goes on in the same way.
            State::Incident(_) if token.kept.as_ref().is_some_and(|kept| *kept != Kept::Begun) => {
                self.same_kind(&at, node);
                self.same_repeat(&at, node);
            }
            State::Incident(_) => {}
        }
        self.rename_all(&mut token.holding);
    }

    /// Whether the node begins an event sub-process of the scope: a token there has stopped for it.
    fn begins_beside(&self, node: NodeIx, scope: ScopeIx) -> bool {
        let owner = self.new[self.new[node].scope].owner;
        let is_event_sub = owner.is_some_and(|owner| self.new[scope].event_subs.contains(&owner));
        is_event_sub && self.new[node].is_start()
    }

    fn same_kind(&mut self, old: &Id, node: NodeIx) {
        let before = self.old.lookup(old).map(|ix| self.old[ix].type_name());
        if before != Some(self.new[node].type_name()) {
            self.problem(Reason::OtherKind, old);
        }
    }

    fn same_repeat(&mut self, old: &Id, node: NodeIx) {
        let way = |repeat: &Option<Repeat>| match repeat {
            None => 0,
            Some(Repeat::Standard { .. }) => 1,
            Some(Repeat::Multi(multi)) if multi.is_sequential => 2,
            Some(Repeat::Multi(_)) => 3,
        };
        let before = self.old.lookup(old).map(|ix| way(&self.old[ix].repeat));
        if before != Some(way(&self.new[node].repeat)) {
            self.problem(Reason::OtherRepeat, old);
        }
    }

    /// The flow by which a token that waits at a join would have come in the new version: the one
    /// of the same id, or the only one from the same source.
    fn flow(&self, at: &Id, flow: &Id, join: NodeIx) -> Option<Id> {
        // A token that was put here came by no flow.
        if flow == at {
            return Some(self.new[join].id.clone());
        }
        let incoming = &self.new[join].incoming;
        if incoming.iter().any(|&ix| self.new[ix].id == *flow) {
            return Some(flow.clone());
        }
        let source = self.old.flows.iter().find(|edge| edge.id == *flow)?.from;
        let Place::Node(source) = self.place(&self.old[source].id) else {
            return None;
        };
        let mut same = incoming.iter().filter(|&&ix| self.new[ix].from == source);
        match (same.next(), same.next()) {
            (Some(&ix), None) => Some(self.new[ix].id.clone()),
            _ => None,
        }
    }

    fn undo(&mut self, undo: &mut [Undo]) {
        for record in undo {
            for id in std::iter::once(&mut record.of).chain(&mut record.by) {
                if let Place::Node(node) = self.place(id) {
                    *id = self.new[node].id.clone();
                } else {
                    let id = id.clone();
                    self.problem(Reason::UndoLost, &id);
                }
            }
            self.undo(&mut record.inner);
        }
    }

    /// Conditions that hold at present: those of events that are gone hold no longer.
    fn rename_all(&self, ids: &mut Vec<Id>) {
        ids.retain_mut(|id| match self.place(id) {
            Place::Node(node) => {
                *id = self.new[node].id.clone();
                true
            }
            // Not the id of an element but of a definition inside one.
            Place::Missing => self.old.lookup(id).is_none(),
            Place::GivenUp => false,
        });
    }

    /// Running timers go with their events.
    fn timers(&mut self, before: &Instance, moved: &mut Instance) -> Vec<Effect> {
        let mut gone = Vec::new();
        let mut lost = Vec::new();
        moved.timers.all_mut().retain(|id, timer| {
            let old_at = timer.at.clone();
            match self.place(&old_at) {
                Place::Node(node) if self.belongs(before, timer.owner, node) => {
                    timer.at = self.new[node].id.clone();
                    true
                }
                Place::GivenUp => {
                    gone.push(Effect::TimerGone { timer: *id });
                    false
                }
                _ => {
                    lost.push(old_at);
                    true
                }
            }
        });
        for at in lost {
            self.problem(Reason::TimerLost, &at);
        }
        gone
    }

    /// Whether a timer event of the new version waits for the owner of the timer.
    fn belongs(&self, before: &Instance, owner: Owner, event: NodeIx) -> bool {
        let item = &self.new[event];
        if !has_timer(self.new, event) {
            return false;
        }
        let Owner::Token(token) = owner else {
            return item.is_start();
        };
        let Some(held) = before.tokens.get(&token) else {
            return false;
        };
        let Place::Node(at) = self.place(&held.at) else {
            return false;
        };
        self.waited_for(held, at).contains(&event)
    }

    /// Events of the new version that a token in this state waits for.
    fn waited_for(&self, token: &Token, at: NodeIx) -> Vec<NodeIx> {
        let item = &self.new[at];
        match token.state {
            _ if is_guarded(token) => item.boundary.clone(),
            State::Catch => vec![at],
            State::Choice => item
                .outgoing
                .iter()
                .map(|&flow| self.new[flow].to)
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Border events of what is under way, and event sub-processes around it, can still happen.
    fn subscriptions(&mut self, before: &Instance) {
        let mut waiting: BTreeSet<NodeIx> = BTreeSet::new();
        for token in before.tokens.values() {
            if let Some(node) = self.old.lookup(&token.at).filter(|_| is_guarded(token)) {
                waiting.extend(&self.old[node].boundary);
            }
        }
        for frame in before.frames.values() {
            if let Some(scope) = old_scope(self.old, before, frame) {
                waiting.extend(&self.old[scope].event_subs);
            }
        }
        for event in waiting {
            let id = self.old[event].id.clone();
            let fits = match self.place(&id) {
                Place::GivenUp => true,
                Place::Missing => false,
                Place::Node(node) => self.same_event(event, node),
            };
            if !fits {
                self.problem(Reason::EventLost, &id);
            }
        }
    }

    fn same_event(&self, old: NodeIx, new: NodeIx) -> bool {
        let (old, new) = (&self.old[old], &self.new[new]);
        let host = |model: &Model, node: &Node| {
            let host = node.event().and_then(|event| event.host)?;
            Some(model[host].id.clone())
        };
        let old_host = host(self.old, old).and_then(|id| match self.place(&id) {
            Place::Node(node) => Some(self.new[node].id.clone()),
            _ => None,
        });
        old.type_name() == new.type_name() && old_host == host(self.new, new)
    }

    /// Timers of the new version for which the old one had none.
    fn new_timers(&self, moved: &Instance) -> Vec<(Owner, u32, NodeIx)> {
        let mut taken: BTreeSet<NodeIx> = BTreeSet::new();
        for (at, node) in self.old.nodes.iter().enumerate() {
            if let Place::Node(new) = self.place(&node.id)
                && has_timer(self.old, NodeIx(at))
            {
                taken.insert(new);
            }
        }
        let is_new = |event: &NodeIx| has_timer(self.new, *event) && !taken.contains(event);
        let mut found = Vec::new();
        for (id, token) in &moved.tokens {
            let is_iteration = moved
                .frames
                .get(&token.frame)
                .is_some_and(|f| f.kind == FrameKind::Iteration && f.of == token.at);
            let Some(at) = self.new.lookup(&token.at).filter(|_| !is_iteration) else {
                continue;
            };
            let events = self.waited_for(token, at);
            let events = events.into_iter().filter(is_new);
            found.extend(events.map(|event| (Owner::Token(*id), token.frame, event)));
        }
        for (id, frame) in &moved.frames {
            let scope = self.scopes.get(id).copied();
            let Some(scope) = scope.filter(|_| frame.kind != FrameKind::Iteration) else {
                continue;
            };
            let bodies = self.new[scope].event_subs.iter();
            let bodies = bodies.filter_map(|&sub| self.new[sub].body);
            let starts = bodies.flat_map(|body| self.new[body].nodes.iter().copied());
            let starts = starts.filter(|&ix| self.new[ix].is_start()).filter(is_new);
            found.extend(starts.map(|event| (Owner::Frame(*id), *id, event)));
        }
        found
    }
}

/// Whether the border events of the token's activity wait.
fn is_guarded(token: &Token) -> bool {
    match token.state {
        State::Task | State::Body | State::Multi(_) => true,
        State::Incident(_) => !matches!(token.kept, None | Some(Kept::Leaving)),
        _ => false,
    }
}

fn has_timer(model: &Model, event: NodeIx) -> bool {
    model[event]
        .definitions()
        .iter()
        .any(|definition| matches!(definition, Definition::Timer(_)))
}

/// The scope of the old version in which a frame runs.
fn old_scope(model: &Model, instance: &Instance, frame: &Frame) -> Option<ScopeIx> {
    match frame.kind {
        FrameKind::Root => model.process(&frame.of).map(|head| head.root),
        FrameKind::Sub | FrameKind::EventSub => model[model.lookup(&frame.of)?].body,
        FrameKind::Call => match &model[model.lookup(&frame.of)?].kind {
            Kind::Call {
                called: Some(called),
            } => model.process(called).map(|head| head.root),
            _ => None,
        },
        FrameKind::Iteration => old_scope(model, instance, instance.frames.get(&frame.parent?)?),
    }
}
