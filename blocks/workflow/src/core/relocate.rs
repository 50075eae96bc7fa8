//! An administrator puts a token elsewhere in its scope.

use super::{
    Instance, Rejection, State,
    run::{Run, Work},
};
use crate::model::NodeIx;

impl Run<'_> {
    pub(super) fn relocate(&mut self, token: u32, to: &str) -> Result<(), Rejection> {
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
        self.cancel(token);
        self.work.push_back(Work::Enter {
            frame,
            node,
            via: None,
        });
        Ok(())
    }

    /// After a move: what waits at joins that its token does not reach any more goes with it, for
    /// nobody would ever fetch it. Where something is still on its way to such a join, the move is
    /// refused.
    ///
    /// # Errors
    /// Names the join.
    pub(super) fn leave_no_join_behind(&mut self, before: &Instance) -> Result<(), Rejection> {
        let known = Run::new(self.process, before.clone(), self.now).starved();
        let is_new = |frame, join| {
            !known
                .iter()
                .any(|one| (one.frame, one.join) == (frame, join))
        };
        let new = |run: &Self| -> Option<(u32, NodeIx)> {
            let found = run.starved().into_iter().map(|one| (one.frame, one.join));
            let mut found = found.filter(|&(frame, join)| is_new(frame, join));
            found.next()
        };
        while let Some((frame, join)) = new(self) {
            let id = &self.model[join].id;
            let waits = |held: &super::Token| {
                held.frame == frame && held.at == *id && matches!(held.state, State::Join(_))
            };
            let tokens = self.instance.tokens.iter();
            let waiting = tokens.filter(|(_, held)| waits(held)).map(|(id, _)| *id);
            let waiting: Vec<u32> = waiting.collect();
            if waiting.is_empty() {
                return Err(Rejection::StillComes(id.to_string()));
            }
            for token in waiting {
                self.instance.tokens.remove(&token);
                self.release(frame);
            }
            self.settle();
        }
        Ok(())
    }
}
