//! Service calls in the background (`tongban:async="true"`): a job carries the call out in a write
//! of its own and tries again as the model says; then the process stops there as an incident.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kernel::{Error, Fault, Result};
use serde_json::{Map, Value};
use store::{Db, Handler, Job, JobBody, JobFailure, Tx};

use crate::{
    CallId, InstanceId,
    core::{Input, Instance, State},
    engine::{Call, Engine, Outcome},
    event,
    expr::is_expression,
    model::Node,
    react::RunCall,
    retry::Retries,
    schema::call,
    step, store as tables,
};

pub(crate) struct Calls {
    pub db: Db,
    pub engine: Arc<Engine>,
}

#[async_trait]
impl Handler for Calls {
    fn kind(&self) -> &'static str {
        RunCall::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let body = job.body::<RunCall>()?;
        let engine = self.engine.clone();
        let done = self
            .db
            .write(move |tx| {
                let engine = engine.clone();
                async move { carry_out(&tx, &engine, body.call).await }
            })
            .await;
        let reason = match done {
            Ok(()) => return Ok(()),
            // Somebody else moved the instance on in the same moment.
            Err(Error::Refused(text)) if text.key == "workflow-changed-meanwhile" => {
                let fault = Fault::new("the instance changed meanwhile");
                return Err(JobFailure::Retry(fault));
            }
            Err(Error::Fault(fault) | Error::Unavailable(fault)) => fault.chain(),
            Err(refusal) => refusal.to_string(),
        };
        // Nothing of the failed write holds, so the failure is noted in another.
        let engine = self.engine.clone();
        let noted = self.db.write(move |tx| {
            let (engine, reason) = (engine.clone(), reason.clone());
            async move { failed(&tx, &engine, &body, &reason).await }
        });
        Ok(noted.await?)
    }
}

/// The call, if it is still wanted.
async fn waiting(tx: &Tx, engine: &Engine, id: CallId) -> Result<Option<(call::Model, Call)>> {
    let row = tables::get_call(tx, &id.to_string()).await?;
    if row.state != "waiting" {
        return Ok(None);
    }
    let broken = || Fault::new("a call without an instance");
    let instance_id: InstanceId = row.instance.parse().map_err(|_| broken())?;
    let instance = match tables::get_instance(&**tx, instance_id).await {
        Err(Error::NotFound { .. }) => return Ok(None),
        instance => instance?,
    };
    let state = engine.state(&**tx, &instance).await?;
    let token = u32::try_from(row.token).unwrap_or_default();
    let held = state.tokens.get(&token);
    let Some(held) = held.filter(|held| held.state == State::Task && *held.at == *row.element)
    else {
        return Ok(None);
    };
    let process = engine.process(&**tx, &instance.definition).await?;
    let ix = process.model.lookup(&row.element).ok_or_else(broken)?;
    let node = &process.model[ix];
    let vars = seen(node, &state.visible(held.frame)).map_err(Fault::new)?;
    let attributes = step::filled(&node.attributes, &vars, tx.now()).map_err(Fault::new)?;
    let call = Call {
        id,
        instance: instance_id,
        subject: instance.subject,
        element: row.element.clone(),
        name: node.title().to_owned(),
        vars,
        attributes,
    };
    Ok(Some((row, call)))
}

/// What a call sees: the inputs of its task, and what is visible there.
fn seen(node: &Node, visible: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut vars = visible.clone();
    for mapping in &node.inputs {
        let expr = mapping.source.compiled.as_ref();
        let value = expr.map_err(Clone::clone);
        let value = value.and_then(|expr| expr.evaluate(visible))?;
        vars.insert(mapping.target.clone(), value);
    }
    Ok(vars)
}

async fn carry_out(tx: &Tx, engine: &Engine, id: CallId) -> Result<()> {
    let Some((row, call)) = waiting(tx, engine, id).await? else {
        return Ok(());
    };
    let handler = engine
        .handler(&row.name)
        .ok_or_else(|| Fault::new(format!("no service is registered as `{}`", row.name)))?;
    match handler.call(tx, &call).await? {
        Outcome::Done(vars) => crate::call_done(tx, engine, id, vars).await,
        Outcome::Error { code, message } => {
            crate::call_failed(tx, engine, id, &code, &message).await
        }
        Outcome::Wait => Ok(()),
    }
}

/// How often the model has the call tried. An expression is asked after each failure, as in other
/// engines; the error says why it has no answer, and then nobody knows that there is to be
/// another try. A text of which nothing can be made was let through when older files were
/// deployed, and stands for the usual tries as it did then.
fn retries(
    node: &Node,
    state: &Instance,
    row: &call::Model,
    now: DateTime<Utc>,
) -> std::result::Result<Retries, String> {
    let Some(text) = node.attribute("retries") else {
        return Ok(Retries::default());
    };
    if !is_expression(text) {
        return Ok(Retries::parse(text).unwrap_or_default());
    }
    let token = u32::try_from(row.token).unwrap_or_default();
    let frame = state.tokens.get(&token).map_or(0, |held| held.frame);
    let one = BTreeMap::from([("retries".to_owned(), text.to_owned())]);
    let filled = seen(node, &state.visible(frame)).and_then(|vars| step::filled(&one, &vars, now));
    filled.and_then(|filled| {
        let text = filled.get("retries").map_or("", String::as_str);
        Retries::parse(text)
    })
}

async fn failed(tx: &Tx, engine: &Engine, body: &RunCall, reason: &str) -> Result<()> {
    let row = tables::get_call(tx, &body.call.to_string()).await?;
    if row.state != "waiting" {
        return Ok(());
    }
    let instance: InstanceId = row
        .instance
        .parse()
        .map_err(|_| Fault::new("a call without an instance"))?;
    let about = tables::get_instance(&**tx, instance).await?;
    let process = engine.process(&**tx, &about.definition).await?;
    let node = process.model.lookup(&row.element);
    let state = engine.state(&**tx, &about).await?;
    let retries = match node.map(|ix| &process.model[ix]) {
        Some(node) => retries(node, &state, &row, tx.now()),
        None => Ok(Retries::default()),
    };
    // The step is to find it in nobody's hands.
    drop(state);
    let tries = body.tries + 1;
    let (again_at, reason) = match retries {
        Ok(retries) => (retries.next(tries, tx.now()), reason.to_owned()),
        Err(wrong) => (None, format!("{reason}; {wrong}")),
    };
    let noted = event::CallFailed {
        instance,
        subject: about.subject.clone(),
        element: row.element.clone(),
        name: row.name.clone(),
        reason: reason.clone(),
        again_at,
    };
    tx.emit(&about.subject, "system", &noted)?;
    if let Some(at) = again_at {
        let call = body.call;
        return tx.enqueue_at(at, &RunCall { call, tries });
    }
    tables::end_call(tx, &row.id).await?;
    let token = u32::try_from(row.token).unwrap_or_default();
    let reason = format!("`{}` failed {tries} times; at last: {reason}", row.name);
    step::step(
        tx,
        engine,
        instance,
        Input::Fail { token, reason },
        "system",
    )
    .await
}
