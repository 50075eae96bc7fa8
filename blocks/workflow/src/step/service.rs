//! Service tasks of a step: carried out in it, by a job, or by workers outside.

use std::collections::BTreeMap;

use kernel::{Error, Fault, Result, clock::micros};
use serde_json::{Map, Value};

use super::{Step, task::filled};
use crate::{
    CallId,
    core::Input,
    engine::{Call, Outcome, ServiceHandler},
    external::ExternalTaskId,
    model::{Kind, Node, Task},
    react::RunCall,
    retry::Retries,
    schema::{call, external as external_task},
    store as tables,
};

impl Step<'_> {
    pub(super) async fn service_task(
        &mut self,
        token: u32,
        node: &Node,
        inputs: &Map<String, Value>,
        vars: Map<String, Value>,
    ) -> Result<()> {
        if let Err(reason) = self.rounds.count(&self.instance, token) {
            self.follow_ups.push_back(Input::Fail { token, reason });
            return Ok(());
        }
        let now = self.tx.now();
        let attributes = self.budget.within(|| filled(&node.attributes, &vars, now));
        let attributes = match attributes {
            Ok(attributes) => attributes,
            Err(reason) => {
                self.follow_ups.push_back(Input::Fail { token, reason });
                return Ok(());
            }
        };
        let Some(name) = attributes.get("call").cloned() else {
            if attributes.contains_key("topic") {
                return self.external_task(token, node, &attributes, inputs);
            }
            self.follow_ups.push_back(uncalled(token, node));
            return Ok(());
        };
        let Some(handler) = self.engine.handler(&name) else {
            let reason = format!("no service is registered under the name `{name}`");
            self.follow_ups.push_back(Input::Fail { token, reason });
            return Ok(());
        };
        let call = Call {
            id: CallId::at(self.tx.now()),
            instance: self.id,
            subject: self.row.subject.clone(),
            element: node.id.to_string(),
            name: node.title().to_owned(),
            vars,
            attributes,
        };
        self.call(token, &name, &*handler, call).await
    }

    /// Calls now, or has it called by a job.
    async fn call(
        &mut self,
        token: u32,
        name: &str,
        handler: &dyn ServiceHandler,
        call: Call,
    ) -> Result<()> {
        if call.attributes.get("async").is_some_and(|a| a == "true") {
            self.wait_for(&call, token, name).await?;
            return self.tx.enqueue(&RunCall {
                call: call.id,
                tries: 0,
            });
        }
        let follow_up = match handler.call(self.tx, &call).await {
            Ok(Outcome::Done(vars)) => Input::Complete { token, vars },
            Ok(Outcome::Error { code, message }) => Input::Error {
                token,
                code,
                message,
                vars: Map::new(),
            },
            Ok(Outcome::Wait) => return self.wait_for(&call, token, name).await,
            // After a fault the transaction cannot be trusted: nothing of the step holds.
            Err(error @ (Error::Fault(_) | Error::Unavailable(_))) => return Err(error),
            Err(refusal) => Input::Fail {
                token,
                reason: format!("`{name}`: {refusal}"),
            },
        };
        self.follow_ups.push_back(follow_up);
        Ok(())
    }

    async fn wait_for(&self, call: &Call, token: u32, name: &str) -> Result<()> {
        let row = call::Model {
            id: call.id.to_string(),
            instance: self.row.id.clone(),
            token: i64::from(token),
            element: call.element.clone(),
            name: name.to_owned(),
            state: "waiting".to_owned(),
            created_at: micros(self.tx.now()),
            done_at: None,
        };
        tables::insert_call(self.tx, row).await
    }

    /// A task for workers outside; the topic says for which.
    fn external_task(
        &mut self,
        token: u32,
        node: &Node,
        attributes: &BTreeMap<String, String>,
        inputs: &Map<String, Value>,
    ) -> Result<()> {
        let number = |name: &str| match attributes.get(name).map(|text| text.trim()) {
            None | Some("") => Ok(None),
            Some(text) => match text.parse::<i64>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(format!("`{name}` is no whole number but `{text}`")),
            },
        };
        let numbers = number("priority").and_then(|priority| {
            let retries = attributes.get("retries").map(|text| Retries::parse(text));
            Ok((priority, retries.transpose()?))
        });
        let (priority, retries) = match numbers {
            Ok(numbers) => numbers,
            Err(reason) => {
                self.follow_ups.push_back(Input::Fail { token, reason });
                return Ok(());
            }
        };
        let now = micros(self.tx.now());
        let key = self.row.definition.split(':').next().unwrap_or_default();
        self.external.push(external_task::Model {
            id: ExternalTaskId::at(self.tx.now()).to_string(),
            instance: self.row.id.clone(),
            definition: self.row.definition.clone(),
            key: key.to_owned(),
            subject: self.row.subject.clone(),
            token: i64::from(token),
            element: node.id.to_string(),
            topic: attributes.get("topic").cloned().unwrap_or_default(),
            priority: priority.unwrap_or_default(),
            state: "open".to_owned(),
            worker: None,
            available_at: now,
            retries: retries.map(|retries| i64::from(retries.times)),
            error_message: String::new(),
            error_details: String::new(),
            inputs: serde_json::to_string(inputs)
                .map_err(|e| Fault::caused_by("write inputs", e))?,
            created_at: now,
            ended_at: None,
        });
        Ok(())
    }
}

/// What becomes of a task that names no service: a message goes out when it completes.
fn uncalled(token: u32, node: &Node) -> Input {
    match node.kind {
        Kind::Task(Task::Send { .. }) => Input::Complete {
            token,
            vars: Map::new(),
        },
        _ => Input::Fail {
            token,
            reason: "the task names no service to call".to_owned(),
        },
    }
}
