//! Frames: one run of a process, sub-process or iteration each.

use std::collections::BTreeMap;

use serde_json::Map;

use super::{
    Effect, Frame, FrameKind, Owner, Status,
    run::{Run, Work},
};
use crate::model::{Id, Kind, NodeIx, ScopeIx};

/// Frames in one another; a process that calls itself without end stops here.
const MAX_DEPTH: usize = 100;
/// Calls inside of the same call in one step.
const MAX_RECURSIONS: u32 = 300;

impl Run<'_> {
    pub(super) fn open_frame(
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
            keys: BTreeMap::new(),
        };
        self.instance.frames.insert(id, frame);
        id
    }

    /// Whether a call inside of the same call may begin; a process that calls itself several
    /// times would otherwise fill the step with copies of itself before it is too deep.
    pub(super) fn may_recur(&mut self, frame: u32, call: &Id) -> bool {
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

    /// How many frames lie around this one.
    pub(super) fn is_too_deep(&self, frame: u32) -> bool {
        let mut depth = 0;
        let mut next = Some(frame);
        while let Some(inner) = next.and_then(|id| self.instance.frames.get(&id)) {
            depth += 1;
            next = inner.parent;
        }
        depth > MAX_DEPTH
    }

    /// The part of the model that runs in a frame.
    pub(super) fn scope_of(&self, frame: u32) -> Option<ScopeIx> {
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
    pub(super) fn scope_name(&self, frame: u32) -> Id {
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

    pub(super) fn add_live(&mut self, frame: u32) {
        if let Some(inner) = self.instance.frames.get_mut(&frame) {
            inner.live = inner.live.saturating_add(1);
        }
    }

    /// One thing less is inside a frame.
    pub(super) fn release(&mut self, frame: u32) {
        if let Some(inner) = self.instance.frames.get_mut(&frame) {
            inner.live = inner.live.saturating_sub(1);
            if inner.live == 0 {
                self.work.push_back(Work::Check(frame));
            }
        }
    }

    /// An event sub-process begins inside a frame.
    pub(super) fn open_event_sub(&mut self, frame: u32, node: NodeIx) -> u32 {
        self.add_live(frame);
        self.open_frame(
            FrameKind::EventSub,
            self.model[node].id.clone(),
            Some(frame),
            None,
        )
    }

    pub(super) fn check(&mut self, frame: u32) {
        let empty = self
            .instance
            .frames
            .get(&frame)
            .filter(|inner| inner.live == 0);
        let Some(kind) = empty.map(|inner| inner.kind) else {
            return;
        };
        if self.goes_on_ad_hoc(frame) {
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
                    self.release(parent);
                    self.undone(parent, &of);
                }
            }
            // An iteration ends with its one token, which says so itself.
            FrameKind::Iteration => self.undone_alone(frame),
        }
    }

    /// Takes a frame away together with its timers; the inside must be gone already.
    pub(super) fn drop_frame(&mut self, frame: u32) {
        self.instance.frames.remove(&frame);
        self.drop_timers(Owner::Frame(frame));
    }

    /// The instance ends: everything still inside goes.
    pub(super) fn finish(&mut self, status: Status, reason: Option<String>) {
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
    pub(super) fn empty(&mut self, frame: u32, keep: Option<u32>) {
        let tokens: Vec<u32> = self
            .instance
            .tokens
            .iter()
            .filter(|(_, t)| t.frame == frame)
            .map(|(id, _)| *id)
            .collect();
        for token in tokens {
            self.cancel(token);
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
            let of = self.instance.frames.get(&sub).map(|inner| inner.of.clone());
            self.drop_frame(sub);
            if let Some(of) = of {
                self.left_by(&of, frame, true);
            }
        }
        let enters = |work: &Work| matches!(work, Work::Enter { frame: at, .. } | Work::Jump { frame: at, .. } if *at == frame);
        self.work.retain(|work| !enters(work));
        self.late.retain(|work| !enters(work));
        if let Some(inner) = self.instance.frames.get_mut(&frame) {
            inner.live = u32::from(keep.is_some());
            inner.queue.clear();
        }
    }
}
