//! Ad-hoc sub-processes (BPMN 2.0.2, 10.3.5 and 13.3.5).
//!
//! Activities without an incoming flow are enabled. Which of them is done next is for people to
//! choose, so what people do is offered all at once, and offered again when it is done and the
//! completion condition is false. What begins by itself has nobody to choose it: it begins once in
//! a round, in the order of the file; a round is over when all that people do was done in it.
//! Without a condition one round is all.
//!
//! In sequence one activity at the most is under way. What somebody completes in one act is so in
//! that act only; what begins by itself may last, and everything else waits for it.
//!
//! Once the condition was true after an activity, nothing begins any more.

use super::{FrameKind, Rejection, State, run::Run};
use crate::model::{Id, Kind, Node, NodeIx, ScopeIx, Source, Sub, Task};

/// What a model says of an ad-hoc sub-process.
struct AdHoc<'m> {
    id: &'m Id,
    body: ScopeIx,
    is_sequential: bool,
    until: Option<&'m Source>,
    cancels_rest: bool,
}

/// Whether it is done from outside in one act, when somebody chooses to.
fn is_chosen(node: &Node) -> bool {
    matches!(node.kind, Kind::Task(Task::User | Task::Receive { .. }))
}

/// Whether an activity is only offered: nothing of it has been done.
fn is_offered(node: &Node, state: &State) -> bool {
    match state {
        State::Task => is_chosen(node),
        State::Multi(multi) => is_chosen(node) && multi.done == 0,
        _ => false,
    }
}

/// Whether the activity of a token has begun and is not over.
fn is_under_way(node: &Node, state: &State) -> bool {
    let may_be = matches!(
        state,
        State::Task | State::Multi(_) | State::Body | State::Incident(_)
    );
    may_be && node.is_activity() && !is_offered(node, state)
}

impl<'a> Run<'a> {
    /// The ad-hoc sub-process whose inside runs in a frame.
    fn ad_hoc(&self, frame: u32) -> Option<AdHoc<'a>> {
        if !self.process.has_ad_hoc {
            return None;
        }
        let model = self.model;
        let inside = self.instance.frames.get(&frame);
        inside.filter(|inner| inner.kind == FrameKind::Sub)?;
        let body = self.scope_of(frame)?;
        let node = &model[model[body].owner?];
        let Kind::Sub(Sub::AdHoc {
            is_sequential,
            until,
            cancels_rest,
        }) = &node.kind
        else {
            return None;
        };
        Some(AdHoc {
            id: &node.id,
            body,
            is_sequential: *is_sequential,
            until: until.as_ref(),
            cancels_rest: *cancels_rest,
        })
    }

    /// Begins a round: what begins by itself does so, and what people do is offered; in sequence
    /// after that.
    pub(super) fn begin_round(&mut self, frame: u32, body: ScopeIx) {
        let model = self.model;
        let starts = model.starts(body);
        let chosen = starts.iter().filter(|&&ix| is_chosen(&model[ix]));
        let queue: Vec<Id> = chosen.map(|&ix| model[ix].id.clone()).collect();
        let waits =
            self.ad_hoc(frame).is_some_and(|it| it.is_sequential) && queue.len() < starts.len();
        if let Some(opened) = self.instance.frames.get_mut(&frame) {
            opened.queue = queue;
        }
        for node in starts {
            if !is_chosen(&model[node]) || !waits && !self.stands_in(frame, node) {
                self.send(frame, node, None);
            }
        }
    }

    /// Whether a token of the frame is at the node.
    fn stands_in(&self, frame: u32, node: NodeIx) -> bool {
        let id = &self.model[node].id;
        let mut tokens = self.instance.tokens.values();
        tokens.any(|held| held.frame == frame && held.at == *id)
    }

    /// Goes on in every ad-hoc sub-process in which something is left; whether anything begins. Of
    /// one in which nothing is left [`Self::check`] finds whether it is over.
    pub(super) fn ad_hocs(&mut self) -> bool {
        if !self.process.has_ad_hoc {
            return false;
        }
        let frames = self.instance.frames.iter();
        let open = frames.filter(|(_, inner)| inner.kind == FrameKind::Sub && inner.live > 0);
        let open: Vec<u32> = open.map(|(id, _)| *id).collect();
        let mut any = false;
        for frame in open {
            any |= self.goes_on_ad_hoc(frame);
        }
        any
    }

    /// Begins what comes next in an ad-hoc sub-process: what waits for its turn, another round, or
    /// what is offered again. False if nothing does.
    pub(super) fn goes_on_ad_hoc(&mut self, frame: u32) -> bool {
        let inner = self.instance.frames.get(&frame);
        let (Some(ad_hoc), Some(inner)) = (self.ad_hoc(frame), inner) else {
            return false;
        };
        let is_busy = self.under_way_in(frame, None).is_some();
        if self.is_enough_done(frame, ad_hoc.id) || ad_hoc.is_sequential && is_busy {
            return false;
        }
        let model = self.model;
        let is_empty = inner.live == 0;
        let queue = inner.queue.iter().filter_map(|id| model.lookup(id));
        let (chosen, alone): (Vec<_>, Vec<_>) = queue.partition(|&ix| is_chosen(&model[ix]));
        if let Some(&next) = alone.first() {
            self.leave_queue(frame, &model[next].id);
            self.add_live(frame);
            self.jump(frame, next, Vec::new());
            return true;
        }
        let Some(until) = ad_hoc.until else {
            return self.offer(frame, chosen);
        };
        let starts = model.starts(ad_hoc.body);
        let (others, rest): (Vec<_>, Vec<_>) =
            starts.into_iter().partition(|&ix| is_chosen(&model[ix]));
        if is_empty && chosen.is_empty() && self.holds(until, frame) {
            return false;
        }
        if chosen.is_empty() && !is_busy && !rest.is_empty() {
            self.begin_round(frame, ad_hoc.body);
            return true;
        }
        self.offer(frame, others)
    }

    /// Offers those of them that are not offered; whether any was not.
    fn offer(&mut self, frame: u32, mut nodes: Vec<NodeIx>) -> bool {
        nodes.retain(|&node| !self.stands_in(frame, node));
        for &node in &nodes {
            self.send(frame, node, None);
        }
        !nodes.is_empty()
    }

    /// An activity that has begun in the frame and is not over; `but` is not meant.
    fn under_way_in(&self, frame: u32, but: Option<u32>) -> Option<&Id> {
        let tokens = self.instance.tokens.iter();
        let mut others = tokens.filter(|(id, held)| held.frame == frame && Some(**id) != but);
        let found = others.find(|(_, held)| {
            let node = self.node_of(held).map(|ix| &self.model[ix]);
            node.is_some_and(|node| is_under_way(node, &held.state))
        });
        found.map(|(_, held)| &held.at)
    }

    /// What begins by itself in a sequence waits there for what is under way; true if it must.
    pub(super) fn waits_for_its_turn(&mut self, frame: u32, node: NodeIx) -> bool {
        let item = &self.model[node];
        let is_free = is_chosen(item) || item.is_for_compensation || !self.back.is_empty();
        if is_free
            || !self.ad_hoc(frame).is_some_and(|it| it.is_sequential)
            || self.under_way_in(frame, None).is_none()
        {
            return false;
        }
        if let Some(inner) = self.instance.frames.get_mut(&frame) {
            inner.queue.push(item.id.clone());
        }
        self.release(frame);
        true
    }

    /// Refuses to complete in a sequence while something else is under way.
    pub(super) fn has_its_turn(&self, token: u32, frame: u32) -> Result<(), Rejection> {
        let (token, frame) = self.outermost(token, frame);
        let is_sequential = self.ad_hoc(frame).is_some_and(|it| it.is_sequential);
        let held = self.instance.tokens.get(&token).filter(|_| is_sequential);
        let node = held.and_then(|held| self.node_of(held));
        if !node.is_some_and(|node| is_chosen(&self.model[node])) {
            return Ok(());
        }
        match self.under_way_in(frame, Some(token)) {
            Some(other) => Err(Rejection::NotItsTurn(other.to_string())),
            None => Ok(()),
        }
    }

    /// What people do was done, or is over without that: it is not waited for in this round.
    pub(super) fn leave_queue(&mut self, frame: u32, element: &Id) {
        let inner = self.instance.frames.get(&frame);
        let place = inner.and_then(|inner| inner.queue.iter().position(|id| id == element));
        if let Some((place, inner)) = place.zip(self.instance.frames.get_mut(&frame)) {
            inner.queue.remove(place);
        }
    }

    /// Something in a frame is over.
    pub(super) fn over_in_round(&mut self, frame: u32, element: &Id) {
        if !self.process.has_ad_hoc {
            return;
        }
        let node = self.model.lookup(element);
        if node.is_some_and(|node| is_chosen(&self.model[node])) {
            self.leave_queue(frame, element);
        }
    }

    /// Whether enough has been done in an ad-hoc sub-process, now that something in it is left.
    ///
    /// # Errors
    /// Says why nobody knows.
    pub(super) fn is_ad_hoc_enough(&self, frame: u32, left: &Node) -> Result<bool, String> {
        let Some(ad_hoc) = self.ad_hoc(frame).filter(|_| left.is_activity()) else {
            return Ok(false);
        };
        // Once it was enough it stays enough, whatever becomes of the variables.
        if self.is_enough_done(frame, ad_hoc.id) {
            return Ok(true);
        }
        let until = ad_hoc.until;
        until.map_or(Ok(false), |until| self.asked(until, frame, None))
    }

    /// Remembers what people have done: offered again, nobody need do it.
    pub(super) fn remember_done(&mut self, frame: u32, node: NodeIx) {
        let item = &self.model[node];
        let may_come_again = self.ad_hoc(frame).is_some_and(|it| it.until.is_some());
        if may_come_again
            && is_chosen(item)
            && let Some(inner) = self.instance.frames.get_mut(&frame)
            && !inner.holding.contains(&item.id)
        {
            inner.holding.push(item.id.clone());
        }
    }

    /// Enough has been done in an ad-hoc sub-process.
    pub(super) fn enough_done(&mut self, frame: u32) {
        let Some(ad_hoc) = self.ad_hoc(frame) else {
            return;
        };
        self.end_ad_hoc(frame);
        if ad_hoc.cancels_rest {
            self.empty(frame, None);
        } else {
            self.begin_nothing_more(frame, ad_hoc.is_sequential);
        }
    }

    /// Nothing is offered any more, if it is an ad-hoc sub-process.
    pub(super) fn end_ad_hoc(&mut self, frame: u32) {
        let Some(ad_hoc) = self.ad_hoc(frame) else {
            return;
        };
        if !self.is_enough_done(frame, ad_hoc.id)
            && let Some(inner) = self.instance.frames.get_mut(&frame)
        {
            inner.holding.push(ad_hoc.id.clone());
        }
    }

    fn is_enough_done(&self, frame: u32, ad_hoc: &Id) -> bool {
        let inner = self.instance.frames.get(&frame);
        inner.is_some_and(|inner| inner.holding.contains(ad_hoc))
    }

    /// What is under way in a frame is done to its end; nothing follows it, nor what has come to a
    /// join (see [`Self::begins_nothing`]). Several people may be at work on what is offered beside
    /// one another for the first time; what is only offered again, or in sequence, goes.
    fn begin_nothing_more(&mut self, frame: u32, is_sequential: bool) {
        let Some(inner) = self.instance.frames.get_mut(&frame) else {
            return;
        };
        inner.queue.clear();
        let done = inner.holding.clone();
        let tokens = self.instance.tokens.iter();
        let rests = tokens.filter(|(_, held)| {
            let node = self.node_of(held).map(|ix| &self.model[ix]);
            let is_optional = is_sequential || done.contains(&held.at);
            held.frame == frame
                && (matches!(held.state, State::Join(_))
                    || is_optional && node.is_some_and(|node| is_offered(node, &held.state)))
        });
        for token in rests.map(|(id, _)| *id).collect::<Vec<_>>() {
            if self.cancel(token).is_some() {
                self.release(frame);
            }
        }
    }

    /// Whether a token that comes to a node goes no further, because enough has been done in the
    /// ad-hoc sub-process. What undoes is part of an activity that has begun.
    pub(super) fn begins_nothing(&self, frame: u32, node: NodeIx) -> bool {
        let inner = self.instance.frames.get(&frame);
        let is_over = inner
            .is_some_and(|inner| inner.kind == FrameKind::Sub && inner.holding.contains(&inner.of));
        is_over && !self.model[node].is_for_compensation
    }
}
