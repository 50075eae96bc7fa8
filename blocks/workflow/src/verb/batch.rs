//! Completing many tasks at once: each in a write of its own, each with its own answer.

use std::sync::Arc;

use ::store::Db;
use kernel::{Error, Result, Text};

use super::work::{Completion, Progress, complete_choosing};
use crate::{Engine, Officer, TaskId};

/// Tasks at one go.
const MAX_TASKS: usize = 200;

/// What became of one task.
#[derive(Debug)]
pub struct Answer {
    pub task: TaskId,
    pub result: Result<Progress>,
}

/// Refuses none, and too many.
pub(crate) fn need_number(tasks: usize) -> Result<()> {
    if tasks == 0 || tasks > MAX_TASKS {
        let text = Text::new("workflow-batch-number").with("most", MAX_TASKS);
        return Err(Error::invalid("tasks", text));
    }
    Ok(())
}

/// What somebody is told of a refusal.
pub(crate) fn why(error: Error) -> Text {
    match error {
        Error::Refused(text) => text,
        Error::Invalid(findings) => match findings.into_iter().next() {
            Some(finding) => finding.text,
            None => Text::new("web-error-invalid"),
        },
        Error::NotFound { .. } => Text::new("web-error-not-found"),
        _ => Text::new("web-error-forbidden"),
    }
}

/// Completes the tasks with the same answer. What one is refused does not hold the others up;
/// every task is authorised by itself.
pub async fn complete_many(
    db: &Db,
    engine: &Arc<Engine>,
    tasks: &[(TaskId, Option<i64>)],
    officer: &Officer,
    done: &Completion,
) -> Result<Vec<Answer>> {
    need_number(tasks.len())?;
    let mut answers = Vec::new();
    for (task, expected) in tasks.iter().copied() {
        let shared = (engine.clone(), officer.clone(), done.clone());
        let result = db
            .write(move |tx| {
                let (engine, officer, done) = shared.clone();
                Box::pin(async move {
                    engine.need_free(&tx, task).await?;
                    complete_choosing(&tx, &engine, task, &officer, expected, done).await
                })
            })
            .await;
        if let Err(fault @ (Error::Fault(_) | Error::Unavailable(_))) = result {
            return Err(fault);
        }
        answers.push(Answer { task, result });
    }
    Ok(answers)
}
