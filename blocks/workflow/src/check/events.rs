//! Rules of events: what may stand where.

use super::{Check, Severity};
use crate::{
    core::timer,
    model::{Definition, Event, Kind, Node, NodeIx, Place, Sub, TimerSource},
    timed,
};

impl Check<'_> {
    pub(super) fn event(&mut self, ix: NodeIx, node: &Node, event: &Event) {
        for definition in &event.definitions {
            self.place(node, event, definition);
            self.definition(ix, node, definition);
        }
        match event.place {
            Place::Start { is_interrupting } => self.start(node, is_interrupting),
            Place::End => {
                if !node.outgoing.is_empty() {
                    self.error(
                        "end-with-outgoing",
                        node,
                        "an end event has no outgoing flow",
                        "remove the flow",
                    );
                }
                if node.incoming.is_empty() {
                    let text = "no flow leads to the end event";
                    self.push(
                        Severity::Warning,
                        "end-without-incoming",
                        &node.id,
                        node.line,
                        text,
                        "connect it, or delete it",
                    );
                }
            }
            Place::Boundary { .. } => self.boundary(node, event),
            Place::Catch | Place::Throw => self.intermediate(ix, node, event),
        }
    }

    fn start(&mut self, node: &Node, is_interrupting: bool) {
        let model = self.model;
        if !node.incoming.is_empty() {
            self.error(
                "start-with-incoming",
                node,
                "a start event has no incoming flow",
                "let the flow lead to the step after it",
            );
        }
        let is_conditional = |one: &Definition| matches!(one, Definition::Conditional { .. });
        if model[node.scope].owner.is_none() && node.definitions().iter().any(is_conditional) {
            self.push(
                Severity::Warning,
                "start-conditional",
                &node.id,
                node.line,
                "nothing begins a process by its condition unless a program gives the variables: before it begins there are none",
                "let a program ask by `POST /engine-rest/condition`, or begin it by name, by a message or by a timer",
            );
        }
        if node.outgoing.is_empty() {
            self.error(
                "start-without-outgoing",
                node,
                "nothing follows the start event",
                "connect it to the first step",
            );
        }
        let owner = model[node.scope].owner;
        let in_event_sub = owner.is_some_and(|owner| model[owner].is_event_sub());
        if !is_interrupting && !in_event_sub {
            self.error(
                "start-not-interrupting",
                node,
                "only the start of an event sub-process may be non-interrupting",
                "remove `isInterrupting`",
            );
        }
        for &flow in &node.outgoing {
            if model[flow].condition.is_some() {
                let flow = &model[flow];
                self.push(
                    Severity::Error,
                    "condition-not-allowed",
                    &flow.id,
                    flow.line,
                    "a flow from a start event has no condition",
                    "put a gateway between",
                );
            }
        }
    }

    fn boundary(&mut self, node: &Node, event: &Event) {
        if !node.incoming.is_empty() {
            self.error(
                "boundary-with-incoming",
                node,
                "an event on a border has no incoming flow",
                "remove the flow",
            );
        }
        let compensates = event
            .definitions
            .iter()
            .any(|d| matches!(d, Definition::Compensation { .. }));
        if compensates {
            self.compensation_border(node, event);
        } else if node.outgoing.is_empty() {
            self.error(
                "boundary-without-outgoing",
                node,
                "nothing follows the event",
                "connect it to the next step",
            );
        }
        if event.definitions.is_empty() {
            self.error(
                "boundary-untyped",
                node,
                "an event on a border needs a trigger",
                "give it a trigger",
            );
        }
        self.host(node, event);
    }

    fn compensation_border(&mut self, node: &Node, event: &Event) {
        if !node.outgoing.is_empty() {
            self.error(
                "compensation-with-flow",
                node,
                "a compensation event has no outgoing flow",
                "associate it with what undoes the activity",
            );
        }
        let undone = event.host.and_then(|host| self.model[host].undone_by);
        let handler = undone.map(|handler| &self.model[handler]);
        if let (Some(handler), Some(ix)) = (handler, undone)
            && !handler.is_for_compensation
        {
            let text = format!(
                "what is associated with `{}` runs in the flow: it is not marked as for compensation",
                node.id
            );
            let remedy = "give it `isForCompensation=\"true\"` and no flows";
            self.if_executable("compensation-handler", handler, ix, &text, remedy);
        }
        if !node.interrupts() {
            let text = "`cancelActivity` does not apply to compensation";
            self.push(
                Severity::Warning,
                "compensation-not-interrupting",
                &node.id,
                node.line,
                text,
                "remove it",
            );
        }
        if undone.is_none() {
            self.error(
                "compensation-without-handler",
                node,
                "nothing is associated with the compensation event",
                "draw an association to the activity that undoes",
            );
        }
    }

    /// The activity on whose border the event sits.
    fn host(&mut self, node: &Node, event: &Event) {
        let Some(host) = event.host.map(|host| &self.model[host]) else {
            return self.error(
                "boundary-without-host",
                node,
                "the event is on no activity's border",
                "attach it to an activity",
            );
        };
        if !host.is_activity() {
            let text = format!(
                "`{}` is a {}; only activities have border events",
                host.id,
                host.type_name()
            );
            self.error(
                "boundary-host",
                node,
                &text,
                "attach it to a task or sub-process",
            );
        }
        if host.scope != node.scope {
            self.error(
                "boundary-host",
                node,
                "the event and its activity lie in different scopes",
                "draw them side by side",
            );
        }
        let cancels = event
            .definitions
            .iter()
            .any(|d| matches!(d, Definition::Cancel));
        if cancels && !matches!(host.kind, Kind::Sub(Sub::Transaction)) {
            self.error(
                "cancel-outside-transaction",
                node,
                "a cancel event is only on the border of a transaction",
                "make the sub-process a transaction",
            );
        }
        let must_interrupt = event
            .definitions
            .iter()
            .any(|d| matches!(d, Definition::Error { .. } | Definition::Cancel));
        if must_interrupt && !node.interrupts() {
            self.error(
                "boundary-must-interrupt",
                node,
                "error and cancel events always interrupt",
                "remove `cancelActivity=\"false\"`",
            );
        }
    }

    fn intermediate(&mut self, ix: NodeIx, node: &Node, event: &Event) {
        let is_link = node.link().is_some();
        let is_caught_link = is_link && event.place == Place::Catch;
        if node.incoming.is_empty() && !is_caught_link {
            let text = "no flow leads to the event";
            self.if_executable(
                "event-without-incoming",
                node,
                ix,
                text,
                "connect it, or make it a start event",
            );
        }
        if event.place == Place::Catch {
            if event.definitions.is_empty() {
                self.error(
                    "catch-untyped",
                    node,
                    "an intermediate catch event needs a trigger",
                    "give it a trigger",
                );
            }
            if is_link && !node.incoming.is_empty() {
                self.error(
                    "link-catch-with-incoming",
                    node,
                    "a link that catches has no incoming flow",
                    "remove the flow",
                );
            }
            if node.outgoing.is_empty() {
                self.error(
                    "event-without-outgoing",
                    node,
                    "nothing follows the event",
                    "connect it, or make it an end event",
                );
            }
        } else {
            self.throwing(ix, node, is_link);
        }
        if is_link {
            self.link(ix, node, event);
        }
    }

    fn throwing(&mut self, ix: NodeIx, node: &Node, is_link: bool) {
        if is_link && !node.outgoing.is_empty() {
            self.error(
                "link-throw-with-outgoing",
                node,
                "a link that throws has no outgoing flow",
                "remove the flow",
            );
        }
        if !is_link && node.outgoing.is_empty() {
            let text = "nothing follows the event";
            self.if_executable(
                "event-without-outgoing",
                node,
                ix,
                text,
                "make it an end event",
            );
        }
    }

    fn link(&mut self, ix: NodeIx, node: &Node, event: &Event) {
        let model = self.model;
        if event.definitions.len() > 1 {
            self.error(
                "link-not-alone",
                node,
                "a link event has no other trigger",
                "remove the others",
            );
        }
        if event.place == Place::Throw {
            if model.link_target(ix).is_none() {
                self.error(
                    "link-without-partner",
                    node,
                    "no link of that name catches in the same scope",
                    "add the catching link, with the same name",
                );
            }
            return;
        }
        let nodes = &model[node.scope].nodes;
        let throws = nodes.iter().any(|&other| {
            model[other].place() == Some(Place::Throw) && model.link_target(other) == Some(ix)
        });
        let is_twin = |&other: &NodeIx| {
            other != ix
                && model[other].place() == Some(Place::Catch)
                && model[other].link() == node.link()
        };
        if nodes.iter().any(is_twin) {
            self.error(
                "link-duplicate",
                node,
                "two links of the same name catch",
                "leave one, or rename",
            );
        } else if !throws {
            let text = "no link throws to it in the same scope";
            self.error(
                "link-without-partner",
                node,
                text,
                "add the throwing link, with the same name",
            );
        }
    }

    fn place(&mut self, node: &Node, event: &Event, definition: &Definition) {
        let in_event_sub = self.model[node.scope]
            .owner
            .is_some_and(|owner| self.model[owner].is_event_sub());
        let is_allowed = may_stand(definition, event.place, in_event_sub);
        if !is_allowed {
            let text = format!(
                "a {} cannot have the trigger `{}`",
                node.type_name(),
                name(definition)
            );
            self.error(
                "trigger-not-allowed",
                node,
                &text,
                "choose a trigger that the standard allows at this place",
            );
        }
        let must_interrupt = matches!(
            definition,
            Definition::Error { .. } | Definition::Compensation { .. }
        );
        if must_interrupt
            && matches!(
                event.place,
                Place::Start {
                    is_interrupting: false
                }
            )
        {
            self.error(
                "boundary-must-interrupt",
                node,
                "errors and compensation always interrupt",
                "remove `isInterrupting=\"false\"`",
            );
        }
    }

    fn definition(&mut self, ix: NodeIx, node: &Node, definition: &Definition) {
        if let Some((rule, text, remedy)) = self.lacks(node, definition) {
            return self.if_executable(rule, node, ix, text, remedy);
        }
        if let Definition::Timer(source) = definition {
            self.timer(ix, node, source);
        }
        match definition {
            Definition::Timer(
                TimerSource::Date(source)
                | TimerSource::Duration(source)
                | TimerSource::Cycle(source)
                | TimerSource::WorkingDays(source),
            )
            | Definition::Conditional {
                condition: Some(source),
            } => self.not_understood("expression-syntax", ix, &node.id, source),
            Definition::Compensation {
                activity: Some(activity),
                ..
            } => self.compensated(ix, node, activity),
            Definition::Cancel
                if node.is_end() && self.model.transaction_around(node.scope).is_none() =>
            {
                let text = "a cancel end event is only inside a transaction";
                let remedy = "make the sub-process a transaction";
                self.error("cancel-outside-transaction", node, text, remedy);
            }
            Definition::Link { name, .. } if name.is_empty() => {
                let remedy = "give both links the same name";
                self.error("link-without-name", node, "the link has no name", remedy);
            }
            _ => {}
        }
    }

    /// Times that can never come: of the wrong kind, or of variables that nothing has set yet.
    fn timer(&mut self, ix: NodeIx, node: &Node, source: &TimerSource) {
        let (TimerSource::Date(given) | TimerSource::Duration(given) | TimerSource::Cycle(given)) =
            source
        else {
            return self.working_days(ix, node, source);
        };
        let head = self.model.process_of(ix);
        let (id, line) = (&node.id, node.line);
        if timer::is_literal(&given.text) {
            if !timed::is_fit(source, &given.text) {
                let text = format!("`{}` is not of the kind that stands there", given.text);
                let remedy = "write a moment as `timeDate`, a duration as `timeDuration`, what repeats as `timeCycle`";
                self.unless_drawn(head, "timer-wrong-kind", id, line, &text, remedy);
            }
        } else if node.is_start()
            && self.model[node.scope].owner.is_none()
            && given.compiled.is_ok()
            && !timed::begins(source)
        {
            let text = format!("`{}` has no value before the process begins", given.text);
            let remedy = "write the moment, the duration or the cycle itself";
            self.unless_drawn(head, "start-timer-unknown", id, line, &text, remedy);
        }
    }

    fn working_days(&mut self, ix: NodeIx, node: &Node, source: &TimerSource) {
        let TimerSource::WorkingDays(given) = source else {
            return;
        };
        let written = given.text.trim();
        let is_number = written.parse::<f64>().is_ok();
        if is_number && written.parse::<u32>().is_err() {
            let text = format!("`{written}` is no number of working days");
            let remedy = "write a whole number, from 0 on";
            let head = self.model.process_of(ix);
            self.unless_drawn(head, "timer-wrong-kind", &node.id, node.line, &text, remedy);
        }
    }

    /// What a definition needs to run and does not have: the rule, what is wrong, the remedy.
    fn lacks(
        &self,
        node: &Node,
        definition: &Definition,
    ) -> Option<(&'static str, &'static str, &'static str)> {
        Some(match definition {
            Definition::Timer(TimerSource::Missing) => (
                "timer-without-time",
                "the timer has no time",
                "give a date, a duration, a cycle or `tongban:workingDays`",
            ),
            Definition::Timer(TimerSource::WorkingDays(_))
                if node.is_start() && self.model[node.scope].owner.is_none() =>
            {
                (
                    "start-working-days",
                    "nothing waits yet from which working days could count",
                    "give a date or a cycle",
                )
            }
            Definition::Conditional { condition: None } => (
                "condition-missing",
                "the conditional event has no condition",
                "give it a condition",
            ),
            Definition::Error {
                has_code: false, ..
            } if node.is_end() => (
                "error-without-code",
                "the error that it throws is not named, or has no code",
                "choose an error, and give it an `errorCode`",
            ),
            Definition::Escalation {
                has_code: false, ..
            } if node.is_end() || node.place() == Some(Place::Throw) => (
                "escalation-without-code",
                "the escalation that it throws is not named, or has no code",
                "choose an escalation, and give it an `escalationCode`",
            ),
            Definition::Message { name, is_outside } if name.starts_with('#') && !is_outside => (
                "message-missing",
                "the event names no message",
                "choose a message",
            ),
            Definition::Signal { name } if name.starts_with('#') => (
                "signal-missing",
                "the event names no signal",
                "choose a signal",
            ),
            _ => return None,
        })
    }

    fn compensated(&mut self, ix: NodeIx, node: &Node, activity: &str) {
        let model = self.model;
        let found = model
            .lookup(activity)
            .filter(|&found| model[found].is_activity());
        let Some(found) = found else {
            let text = format!("it undoes `{activity}`, which is no activity");
            return self.error("compensation-reference", node, &text, "choose an activity");
        };
        if !self.sees(node, found) {
            let text = format!(
                "it undoes `{activity}`, which lies in another scope: nothing of it would be undone"
            );
            let remedy = "choose an activity beside the event, as the sub-process around this one";
            self.if_executable("compensation-reference", node, ix, &text, remedy);
        } else if !self.can_be_undone(found) {
            let text = format!(
                "it undoes `{activity}`, and nothing is there that undoes: it does nothing"
            );
            let remedy = "put a compensation event on its border, or leave this one out";
            let severity = Severity::Warning;
            let rule = "compensation-without-effect";
            self.push(severity, rule, &node.id, node.line, &text, remedy);
        }
    }

    /// Whether an event can undo an activity: one of its scope, and in an event sub-process also one
    /// of the scope around it (BPMN 2.0.2, 10.5.5).
    fn sees(&self, node: &Node, activity: NodeIx) -> bool {
        let model = self.model;
        let mut scope = node.scope;
        while scope != model[activity].scope {
            let owner = model[scope]
                .owner
                .filter(|&owner| model[owner].is_event_sub());
            let Some(owner) = owner else {
                return false;
            };
            scope = model[owner].scope;
        }
        true
    }

    /// Whether anything undoes an activity, or what is done inside of it. What a call does is seen
    /// where it is called.
    fn can_be_undone(&self, activity: NodeIx) -> bool {
        let model = self.model;
        let item = &model[activity];
        let undoes = |ix: &NodeIx| {
            let definitions = model[*ix].definitions().iter();
            let mut compensates = definitions.map(|d| matches!(d, Definition::Compensation { .. }));
            model[*ix].is_start() && compensates.any(|is| is) || self.can_be_undone(*ix)
        };
        let body = item.body.map(|body| model[body].nodes.as_slice());
        item.undone_by.is_some()
            || matches!(item.kind, Kind::Call { .. })
            || body.is_some_and(|nodes| nodes.iter().any(undoes))
    }
}

fn name(definition: &Definition) -> &'static str {
    match definition {
        Definition::Message { .. } => "message",
        Definition::Signal { .. } => "signal",
        Definition::Timer(_) => "timer",
        Definition::Error { .. } => "error",
        Definition::Escalation { .. } => "escalation",
        Definition::Conditional { .. } => "conditional",
        Definition::Link { .. } => "link",
        Definition::Compensation { .. } => "compensation",
        Definition::Terminate => "terminate",
        Definition::Cancel => "cancel",
    }
}

/// The table of the standard: which trigger at which place.
fn may_stand(definition: &Definition, place: Place, in_event_sub: bool) -> bool {
    match definition {
        Definition::Message { .. } | Definition::Signal { .. } => true,
        Definition::Timer(_) | Definition::Conditional { .. } => {
            !matches!(place, Place::Throw | Place::End)
        }
        Definition::Error { .. } => match place {
            Place::Start { .. } => in_event_sub,
            Place::Boundary { .. } | Place::End => true,
            Place::Catch | Place::Throw => false,
        },
        Definition::Escalation { .. } => match place {
            Place::Start { .. } => in_event_sub,
            Place::Catch => false,
            _ => true,
        },
        Definition::Compensation { .. } => match place {
            Place::Start { .. } => in_event_sub,
            Place::Catch => false,
            _ => true,
        },
        Definition::Link { .. } => matches!(place, Place::Catch | Place::Throw),
        Definition::Terminate => place == Place::End,
        Definition::Cancel => matches!(place, Place::End | Place::Boundary { .. }),
    }
}
