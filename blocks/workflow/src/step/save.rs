//! What a step writes when it is over.

use std::collections::HashSet;

use kernel::{Error, Result, Text};
use serde_json::Value;

use super::{
    Step, status_name,
    task::{filled, groups},
};
use crate::{
    core::{State, waits_in},
    deadline::{self, Terms},
    event, external, post,
    schema::task,
    state, store as tables, verb,
};

impl Step<'_> {
    async fn save_external(&mut self) -> Result<()> {
        let created = std::mem::take(&mut self.external);
        for row in &created {
            let task = external::facts(row)?;
            self.tx.emit(
                &self.row.subject,
                &self.by,
                &event::ExternalTaskCreated { task },
            )?;
        }
        external::store::insert(self.tx, created).await
    }

    /// The time that the process as a whole may take.
    fn start_process_clock(&mut self) -> Result<()> {
        let process = self.process.clone();
        let head = process.model.process(&process.id);
        let Some(head) = head.filter(|head| !head.attributes.is_empty()) else {
            return Ok(());
        };
        let vars = self.instance.variables();
        let wrong =
            |reason: String| Error::Refused(Text::new("workflow-rejected").with("reason", reason));
        let now = self.tx.now();
        let attributes = self.budget.within(|| filled(&head.attributes, &vars, now));
        let attributes = attributes.map_err(wrong)?;
        let Some(terms) = Terms::of(&attributes).map_err(wrong)? else {
            return Ok(());
        };
        let org = vars.get("org").and_then(Value::as_str).unwrap_or_default();
        let escalate = groups(&terms.escalate, org).map_err(wrong)?;
        self.clock("process", None, &head.id, &terms, escalate)?;
        Ok(())
    }

    async fn save_clocks(&mut self) -> Result<()> {
        if !self.process.has_clocks {
            return Ok(());
        }
        if self.instance.is_over() {
            return if self.is_new {
                Ok(())
            } else {
                deadline::store::end_all(self.tx, &self.row.id).await
            };
        }
        if self.is_new {
            self.start_process_clock()?;
        }
        let gone = self.before.iter().filter(|number| {
            let waits = self
                .instance
                .tokens
                .get(number)
                .is_some_and(|held| held.state == State::Task);
            !waits && !self.instance.timers.contains_key(number)
        });
        let gone: Vec<String> = gone
            .map(|&number| deadline::store::id_of(&self.row.id, number.into()))
            .collect();
        deadline::store::end(self.tx, &gone).await?;
        for clock in &self.clocks {
            deadline::act::schedule(self.tx, self.engine, clock)?;
        }
        deadline::store::insert(self.tx, std::mem::take(&mut self.clocks)).await
    }

    /// What the instance waits for is what others find it by.
    async fn save_post(&mut self) -> Result<()> {
        let waits = waits_in(&self.process, &mut self.instance);
        if waits != self.waited {
            post::keep_waits(self.tx, &self.row.id, &waits).await?;
        }
        let begun: Vec<_> = waits.difference(&self.waited).collect();
        let sent = std::mem::take(&mut self.sent);
        post::send(self.tx, &self.process, &self.row, sent, &begun).await
    }

    pub(super) async fn save(mut self) -> Result<()> {
        let before = self.row.version;
        self.row.version += 1;
        status_name(self.instance.status).clone_into(&mut self.row.status);
        self.row.incidents = i64::try_from(self.instance.incidents().count()).unwrap_or(i64::MAX);
        let mut writing = state::changes(&mut self.instance, self.is_in_parts, false)?;
        self.row.state = std::mem::take(&mut writing.head);
        if self.is_new {
            tables::insert_instance(self.tx, self.row.clone()).await?;
        } else {
            tables::update_instance(self.tx, &self.row, before).await?;
        }
        let is_in_parts = writing.is_in_parts;
        writing.write_parts(self.tx, &self.row.id).await?;
        tables::insert_trail(self.tx, std::mem::take(&mut self.trail));
        self.save_post().await?;
        self.save_gone().await?;
        self.cause.need_chosen()?;
        self.save_clocks().await?;
        let created = std::mem::take(&mut self.tasks);
        let facts = |row: &task::Model| Ok((row.parent.is_some(), tables::facts(row)?));
        let facts: Vec<_> = created.iter().map(facts).collect::<Result<_>>()?;
        let parts = std::mem::take(&mut self.parts);
        if !parts.is_empty() {
            let ids: HashSet<_> = created.iter().map(|row| row.id.as_str()).collect();
            let kept = parts
                .into_iter()
                .filter(|part| ids.contains(part.task.as_str()));
            verb::insert_parts(self.tx, kept.collect()).await?;
        }
        tables::insert_tasks(self.tx, created).await?;
        self.save_external().await?;
        let listeners = self.engine.listeners();
        for (is_part, task) in facts {
            // A signer's row is the same task to those who listen.
            for listener in listeners.iter().filter(|_| !is_part) {
                listener.created(self.tx, &task).await?;
            }
            self.tx
                .emit(&self.row.subject, &self.by, &event::TaskCreated { task })?;
        }
        if is_in_parts {
            let memory = self.engine.memory().clone();
            let (id, version) = (self.row.id, self.row.version);
            let instance = self.instance;
            self.tx
                .when_written(move || memory.keep(id, version, instance));
        }
        Ok(())
    }

    async fn save_gone(&mut self) -> Result<()> {
        let gone = std::mem::take(&mut self.gone);
        if gone.is_empty() || self.is_new {
            return Ok(());
        }
        let rows = tables::open_tasks_at(self.tx, &self.row.id, &gone).await?;
        tables::mark_gone(self.tx, &self.row.id, &gone).await?;
        external::store::mark_gone(self.tx, &self.row.id, &gone).await?;
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        tables::remove_candidates(self.tx, &ids).await?;
        let listeners = self.engine.listeners();
        for row in &rows {
            let task = tables::facts(row)?;
            for listener in listeners.iter().filter(|_| row.parent.is_none()) {
                listener.gone(self.tx, &task).await?;
            }
            self.tx
                .emit(&self.row.subject, &self.by, &event::TaskGone { task })?;
        }
        Ok(())
    }
}
