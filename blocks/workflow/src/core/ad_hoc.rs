//! Ad-hoc sub-processes (BPMN 2.0.2, 10.3.5 and 13.3.5).
//!
//! Activities without an incoming flow are offered: all at once, or in turn. When all that was
//! offered is done and the completion condition is false, they are offered again; once it was true
//! after an activity, nothing begins any more. Without a condition one round is all.

use super::{FrameKind, State, run::Run};
use crate::model::{Id, Kind, Node, NodeIx, ScopeIx, Source, Sub};

/// What a model says of an ad-hoc sub-process.
struct AdHoc<'m> {
    id: &'m Id,
    body: ScopeIx,
    is_sequential: bool,
    until: Option<&'m Source>,
    cancels_rest: bool,
}

impl<'a> Run<'a> {
    /// The ad-hoc sub-process whose inside runs in a frame.
    fn ad_hoc(&self, frame: u32) -> Option<AdHoc<'a>> {
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

    /// Offers every activity without an incoming flow.
    pub(super) fn offer_all(&mut self, frame: u32, body: ScopeIx) {
        let model = self.model;
        let all: Vec<NodeIx> = model.starts(body);
        if self
            .ad_hoc(frame)
            .is_some_and(|ad_hoc| ad_hoc.is_sequential)
        {
            if let Some(opened) = self.instance.frames.get_mut(&frame) {
                opened.queue = all.into_iter().map(|ix| model[ix].id.clone()).collect();
            }
        } else {
            for node in all {
                self.send(frame, node, None);
            }
        }
    }

    /// All that was offered is done: the next in turn, or another round. False if it is over.
    pub(super) fn goes_on_ad_hoc(&mut self, frame: u32) -> bool {
        let Some(inner) = self.instance.frames.get_mut(&frame) else {
            return false;
        };
        if inner.queue.is_empty() {
            let Some(ad_hoc) = self.ad_hoc(frame) else {
                return false;
            };
            let is_short = ad_hoc.until.is_some_and(|until| !self.holds(until, frame));
            let has_any = !self.model.starts(ad_hoc.body).is_empty();
            if !is_short || !has_any || self.is_enough_done(frame, ad_hoc.id) {
                return false;
            }
            self.offer_all(frame, ad_hoc.body);
        }
        let Some(inner) = self.instance.frames.get_mut(&frame) else {
            return false;
        };
        if !inner.queue.is_empty() {
            let next = inner.queue.remove(0);
            if let Some(node) = self.model.lookup(&next) {
                self.send(frame, node, None);
            }
        }
        true
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

    /// Enough has been done in an ad-hoc sub-process.
    pub(super) fn enough_done(&mut self, frame: u32) {
        let Some(ad_hoc) = self.ad_hoc(frame) else {
            return;
        };
        self.end_ad_hoc(frame);
        if ad_hoc.cancels_rest {
            self.empty(frame, None);
        } else {
            self.begin_nothing_more(frame);
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
    /// join (see [`Self::begins_nothing`]).
    fn begin_nothing_more(&mut self, frame: u32) {
        if let Some(inner) = self.instance.frames.get_mut(&frame) {
            inner.queue.clear();
        }
        let tokens = self.instance.tokens.iter();
        let rests =
            tokens.filter(|(_, held)| held.frame == frame && matches!(held.state, State::Join(_)));
        for token in rests.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.instance.tokens.remove(&token);
            self.release(frame);
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
