//! User tasks of a step: who gets them, until when, and which are left out.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kernel::{Fault, Result, clock::micros};
use serde_json::{Map, Value};

use super::Step;
use crate::{
    TaskId,
    core::{Input, timer},
    deadline::{Limit, Terms},
    event,
    expr::{self, Expr},
    model::{Kind, Node, Task},
    schema::task,
    store as tables, verb,
};

impl Step<'_> {
    pub(super) async fn task(
        &mut self,
        token: u32,
        element: &str,
        inputs: Map<String, Value>,
    ) -> Result<()> {
        let process = self.process.clone();
        let Some(node) = process.model.lookup(element).map(|ix| &process.model[ix]) else {
            return Ok(());
        };
        let frame = self
            .instance
            .tokens
            .get(&token)
            .map_or(0, |held| held.frame);
        let mut vars = inputs.clone();
        for (name, value) in self.instance.visible(frame) {
            vars.entry(name).or_insert(value);
        }
        match &node.kind {
            Kind::Task(Task::User) => {
                if let Err(reason) = self.offer(token, node, &vars).await? {
                    self.follow_ups.push_back(Input::Fail { token, reason });
                }
            }
            Kind::Task(Task::Receive { .. }) => {}
            _ => self.service_task(token, node, &inputs, vars).await?,
        }
        Ok(())
    }

    /// Puts a task on the list of those who get it, or leaves it out; the inner error is one of
    /// the model's or its variables'.
    async fn offer(
        &mut self,
        token: u32,
        node: &Node,
        vars: &Map<String, Value>,
    ) -> Result<Result<(), String>> {
        if let Err(reason) = self.user_task(token, node, vars)? {
            return Ok(Err(reason));
        }
        let Some(mut row) = self.tasks.pop() else {
            return Ok(Ok(()));
        };
        if let Err(reason) = verb::who::resolve(self.tx, &mut row).await? {
            return Ok(Err(reason));
        }
        if verb::is_skipped(&self.cause, &row) {
            if let Err(reason) = self.rounds.count(&self.instance, token) {
                return Ok(Err(reason));
            }
            self.skip(token, &row)?;
            return Ok(Ok(()));
        }
        Ok(verb::created(self.tx, &mut self.cause, row)
            .await?
            .map(|arranged| {
                self.tasks.extend(arranged.tasks);
                self.parts.extend(arranged.parts);
            }))
    }

    /// The one who would get the task has just agreed at the step before: he agrees here too.
    fn skip(&mut self, token: u32, row: &task::Model) -> Result<()> {
        self.trace(&row.element, "skipped", "");
        let skipped = event::TaskActed {
            task: tables::facts(row)?,
            verb: "skip".to_owned(),
            by: self.by.clone(),
            on_behalf: None,
            other: String::new(),
            reason: String::new(),
        };
        self.tx.emit(&row.subject, &self.by, &skipped)?;
        let agreed = tables::list(&row.outcomes).into_iter().next();
        let vars = agreed.map(|outcome| ("outcome".to_owned(), Value::from(outcome)));
        self.follow_ups.push_back(Input::Complete {
            token,
            vars: vars.into_iter().collect(),
        });
        Ok(())
    }

    /// Puts a task on the list; the inner error is one of the model's or its variables'.
    fn user_task(
        &mut self,
        token: u32,
        node: &Node,
        vars: &Map<String, Value>,
    ) -> Result<Result<(), String>> {
        let now = self.tx.now();
        let for_whom = match self.budget.within(|| ForWhom::of(node, vars, now)) {
            Ok(for_whom) => for_whom,
            Err(reason) => return Ok(Err(reason)),
        };
        let due_at = match self.due(token, node, &for_whom)? {
            Ok(due_at) => due_at,
            Err(reason) => return Ok(Err(reason)),
        };
        let row = self.row_of(token, node, for_whom, due_at)?;
        self.tasks.push(row);
        Ok(Ok(()))
    }

    /// When the task is due: by its clock, or at the moment that the model names.
    fn due(
        &mut self,
        token: u32,
        node: &Node,
        for_whom: &ForWhom,
    ) -> Result<Result<Option<i64>, String>> {
        if let Some(terms) = &for_whom.terms {
            let escalate = match groups(&terms.escalate, &for_whom.org) {
                Ok(groups) => groups,
                Err(reason) => return Ok(Err(reason)),
            };
            return Ok(Ok(self.clock(
                "task",
                Some(token),
                &node.id,
                terms,
                escalate,
            )?));
        }
        let due = for_whom.get("due");
        if due.is_empty() {
            return Ok(Ok(None));
        }
        Ok(match due_at(&due, self.tx.now()) {
            Some(at) => Ok(Some(micros(at))),
            None => Err(format!(
                "the due date `{due}` is neither a date nor a duration"
            )),
        })
    }

    fn row_of(
        &self,
        token: u32,
        node: &Node,
        for_whom: ForWhom,
        due_at: Option<i64>,
    ) -> Result<task::Model> {
        let assignee = Some(for_whom.get("assignee")).filter(|assignee| !assignee.is_empty());
        let state = if assignee.is_some() {
            "claimed"
        } else {
            "open"
        };
        let now = micros(self.tx.now());
        Ok(task::Model {
            id: TaskId::at(self.tx.now()).to_string(),
            instance: self.row.id.clone(),
            definition: self.row.definition.clone(),
            subject: self.row.subject.clone(),
            token: i64::from(token),
            element: node.id.to_string(),
            name: node.title().to_owned(),
            kind: node.type_name().to_owned(),
            state: state.to_owned(),
            candidates: for_whom.groups.join(","),
            claimed_at: assignee.as_ref().map(|_| now),
            assignee,
            form: for_whom.get("form"),
            outcomes: for_whom.get("outcomes"),
            suspends: for_whom.get("suspends"),
            officers: for_whom.get("officers").parse().unwrap_or(1),
            days: match for_whom.terms.as_ref().map(|terms| terms.limit) {
                Some(Limit::Days(days)) => Some(days.into()),
                Some(Limit::Hours(_)) | None => None,
            },
            due_at,
            attributes: serde_json::to_string(&for_whom.attributes)
                .map_err(|e| Fault::caused_by("write task attributes", e))?,
            org: for_whom.org,
            created_at: now,
            done_at: None,
            done_by: None,
            version: 1,
            parent: None,
            parts: 0,
            back_to: String::new(),
            followed: String::new(),
            acted_at: None,
            saved_at: None,
            suspended_at: None,
            urged_at: None,
            extended: 0,
        })
    }
}

/// Who gets a task, and in what time.
struct ForWhom {
    /// The model's, filled in.
    attributes: BTreeMap<String, String>,
    org: String,
    groups: Vec<String>,
    terms: Option<Terms>,
}

impl ForWhom {
    fn of(node: &Node, vars: &Map<String, Value>, now: DateTime<Utc>) -> Result<Self, String> {
        let attributes = filled(&node.attributes, vars, now)?;
        let get = |name: &str| attributes.get(name).cloned().unwrap_or_default();
        let org = attributes.get("org").cloned().unwrap_or_else(|| {
            let org = vars.get("org").and_then(Value::as_str);
            org.unwrap_or_default().to_owned()
        });
        let mut groups = groups(&get("candidates"), &org)?;
        let named = tables::list(&get("users"));
        groups.extend(named.iter().map(|officer| verb::who::own_group(officer)));
        let terms = Terms::of(&attributes)?;
        Ok(Self {
            attributes,
            org,
            groups,
            terms,
        })
    }

    fn get(&self, name: &str) -> String {
        self.attributes.get(name).cloned().unwrap_or_default()
    }
}

/// Posts as `post@org`; those without an organisation are of the given one.
pub(super) fn groups(posts: &str, org: &str) -> Result<Vec<String>, String> {
    let posts = tables::list(posts);
    if org.is_empty() && posts.iter().any(|post| !post.contains('@')) {
        let reason =
            "neither `tongban:org` nor the variable `org` says whose posts are meant".to_owned();
        return Err(reason);
    }
    let whole = posts.into_iter().map(|post| {
        if post.contains('@') {
            post
        } else {
            format!("{post}@{org}")
        }
    });
    Ok(whole.collect())
}

/// When a due date of other engines is: an ISO 8601 date, or a duration from now.
fn due_at(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    timer::date(text).or_else(|| timer::span(text).map(|span| span.after(now)))
}

/// The attributes with `${…}`, `#{…}` and FEEL after an equals sign evaluated over the variables.
pub(crate) fn filled(
    attributes: &BTreeMap<String, String>,
    vars: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<BTreeMap<String, String>, String> {
    let at = expr::At { vars, now };
    let mut filled = BTreeMap::new();
    for (name, text) in attributes {
        let value = if expr::is_expression(text) {
            match Expr::shared(text).and_then(|expr| expr.evaluate(&at)) {
                Ok(Value::String(value)) => value,
                Ok(Value::Null) => return Err(format!("`{name}=\"{text}\"` has no value")),
                Ok(Value::Array(items)) => {
                    let items: Vec<_> = items
                        .iter()
                        .map(|item| {
                            item.as_str()
                                .map_or_else(|| item.to_string(), str::to_owned)
                        })
                        .collect();
                    items.join(",")
                }
                Ok(other) => other.to_string(),
                Err(reason) => return Err(format!("`{name}=\"{text}\"`: {reason}")),
            }
        } else {
            text.clone()
        };
        filled.insert(name.clone(), value);
    }
    Ok(filled)
}
