//! Tokens: how they come to an element, rest there and leave it.

use std::collections::HashMap;

use super::{
    Effect, FrameKind, Instance, Kept, Owner, State, Token,
    run::{Run, Work},
    undo::waits_for_undoing,
};
use crate::model::{FlowIx, Gateway, Id, Kind, Model, Node, NodeIx, Place};

/// Moves of one step. A model that needs more between two waits runs in a circle.
pub(super) const MAX_MOVES: u32 = 100_000;
/// Why a token does not get on; [`crate::reason`] knows the sentence.
pub(super) const NO_WAY: &str = "no condition of an outgoing flow is true, and none is the default";
/// Tokens in one scope: each step looks through them, and more come of a circle that splits.
const MAX_TOKENS: u32 = 2_000;

impl Instance {
    /// Whether the token has entered the element at which it is, and not left it.
    pub(crate) fn has_entered(&self, model: &Model, held: &Token) -> bool {
        match &held.state {
            State::Join(_) => false,
            // What need not wait for the undoing has gone on.
            State::Undoing(steps) if !steps.is_empty() => {
                let node = model.lookup(&held.at);
                node.is_some_and(|node| waits_for_undoing(&model[node]))
            }
            // The activity as a whole was entered, not each run of it.
            _ => !self.is_run_of(held.frame, &held.at),
        }
    }

    /// Whether the frame is one run of an activity that repeats.
    pub(super) fn is_run_of(&self, frame: u32, activity: &Id) -> bool {
        let inner = self.frames.get(&frame);
        inner.is_some_and(|inner| inner.kind == FrameKind::Iteration && inner.of == *activity)
    }
}

impl Run<'_> {
    /// Puts a token under way to a node.
    pub(super) fn send(&mut self, frame: u32, node: NodeIx, via: Option<FlowIx>) {
        self.add_live(frame);
        self.work.push_back(Work::Enter { frame, node, via });
    }

    /// Tokens that rest at joins of a frame.
    pub(super) fn joining(&mut self, frame: u32) -> Vec<u32> {
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
    pub(super) fn rest(&mut self, frame: u32, node: NodeIx, state: State) -> u32 {
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
                kept: None,
            },
        );
        id
    }

    /// Takes a token away with all that runs below it, and its stay at the element ends by that.
    pub(super) fn cancel(&mut self, token: u32) -> Option<Token> {
        let held = self.instance.tokens.get(&token)?;
        let has_entered = self.instance.has_entered(self.model, held);
        let held = self.remove(token)?;
        if has_entered {
            self.left_by(&held.at, held.frame, true);
        }
        Some(held)
    }

    /// Takes a token away with all that runs below it. Whoever does so says what becomes of its
    /// stay at the element.
    pub(super) fn remove(&mut self, token: u32) -> Option<Token> {
        let held = self.instance.tokens.remove(&token)?;
        self.drop_timers(Owner::Token(token));
        match held.state {
            State::Task => self.effects.push(Effect::TaskGone {
                token,
                element: held.at.clone(),
            }),
            // Of what stopped, the inside may be kept.
            State::Body | State::Multi(_) | State::Undoing(_) | State::Incident(_) => {
                self.remove_frames_of(token);
            }
            _ => {}
        }
        Some(held)
    }

    pub(super) fn remove_frames_of(&mut self, token: u32) {
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

    pub(super) fn node_of(&self, token: &Token) -> Option<NodeIx> {
        self.model.lookup(&token.at)
    }

    /// Where the token will leave by a flow: it may have to jump back to there first.
    pub(super) fn leaves_from(&self, token: &Token) -> Option<NodeIx> {
        let returner = token.back.first().and_then(|id| self.model.lookup(id));
        returner.or_else(|| self.node_of(token))
    }

    pub(super) fn entered(&mut self, node: &Node, frame: u32) {
        let scope = self.scope_name(frame);
        self.effects.push(Effect::Entered {
            element: node.id.clone(),
            scope,
        });
    }

    pub(super) fn left(&mut self, element: &Id, frame: u32) {
        self.left_by(element, frame, false);
    }

    pub(super) fn left_by(&mut self, element: &Id, frame: u32, is_cancelled: bool) {
        self.over_in_round(frame, element);
        let scope = self.scope_name(frame);
        self.effects.push(Effect::Left {
            element: element.clone(),
            scope,
            is_cancelled,
        });
    }

    pub(super) fn enter(&mut self, frame: u32, node: NodeIx, via: Option<FlowIx>) {
        if !self.instance.frames.contains_key(&frame) {
            return;
        }
        if self.begins_nothing(frame, node) {
            return self.release(frame);
        }
        self.moves += 1;
        let is_full = self
            .instance
            .frames
            .get(&frame)
            .is_some_and(|inner| inner.live > MAX_TOKENS);
        if self.moves > MAX_MOVES || is_full {
            self.entered(&self.model[node], frame);
            let token = self.rest(frame, node, State::Task);
            let text = if is_full {
                "more than 2000 tokens are under way in one scope"
            } else {
                "the process runs in a circle without waiting for anything"
            };
            self.stop_before(token, text.to_owned());
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
                if item.quantity.0 > 1 && !self.jumps && !self.enough(frame, node, via) {
                    return;
                }
                if self.waits_for_its_turn(frame, node) {
                    return;
                }
                if !self.instance.is_run_of(frame, &item.id) {
                    self.entered(item, frame);
                }
                self.begin(frame, node);
            }
        }
    }

    /// Whether as many tokens have come as the activity takes; those that came before rest.
    pub(super) fn enough(&mut self, frame: u32, node: NodeIx, via: Option<FlowIx>) -> bool {
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

    pub(super) fn enter_gateway(
        &mut self,
        frame: u32,
        node: NodeIx,
        gateway: &Gateway,
        via: Option<FlowIx>,
    ) {
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
    pub(super) fn leave(&mut self, frame: u32, node: NodeIx) {
        let model = self.model;
        let item = &model[node];
        let known = self
            .ways_out(frame, item)
            .and_then(|ways| Ok((ways, self.is_ad_hoc_enough(frame, item)?)));
        let (ways, is_enough) = match known {
            Ok(known) => known,
            Err(reason) => {
                let token = self.rest(frame, node, State::Task);
                if let Some(held) = self.instance.tokens.get_mut(&token) {
                    held.kept = Some(Kept::Leaving);
                }
                return self.stop_silently(token, reason);
            }
        };
        self.left(&item.id, frame);
        self.remember_done(frame, node);
        for &way in &ways {
            for _ in 0..item.quantity.1 {
                self.send(frame, model[way].to, Some(way));
            }
        }
        if is_enough {
            self.enough_done(frame);
        }
        self.release(frame);
        // What goes on after it may end the scope, and must find it counted out.
        if ways.is_empty() {
            self.after_last(frame, node);
        }
    }

    /// The flows by which a node is left that is no gateway; none at the end of a path.
    ///
    /// # Errors
    /// Says why the token cannot get on: none of the conditions holds, or nobody knows of one.
    fn ways_out(&self, frame: u32, item: &Node) -> Result<Vec<FlowIx>, String> {
        let mut ways = Vec::new();
        let (mut is_asked, mut is_any_true) = (false, false);
        for &flow in &item.outgoing {
            if Some(flow) == item.default {
                continue;
            }
            let goes = match &self.model[flow].condition {
                Some(condition) => {
                    is_asked = true;
                    let holds = self.asked(condition, frame, None)?;
                    is_any_true |= holds;
                    holds
                }
                None => true,
            };
            ways.extend(goes.then_some(flow));
        }
        // Flows without a condition do not matter to the default: it is for when none of the
        // conditions holds (BPMN 2.0.2, 8.4.13).
        ways.extend(item.default.filter(|_| !is_any_true));
        if ways.is_empty() && is_asked {
            return Err(NO_WAY.to_owned());
        }
        Ok(ways)
    }
}
