//! A verb on one task as doors and pages ask for it: at the gate, and in a write of its own.

use std::sync::Arc;

use ::store::Tx;
use identity::Actor;
use kernel::Result;
use serde_json::{Map, Value};
use web::App;

use super::{
    Earlier, Place, Target,
    api_task::{may, write},
    who,
    work::{self, Completion, Progress},
};
use crate::{
    Engine, Officer, TaskId, act,
    api::{gate, parse},
    core::Mode,
};

#[derive(Clone, Debug)]
pub(crate) enum Request {
    Claim {
        version: Option<i64>,
    },
    Release,
    Save {
        vars: Map<String, Value>,
        version: Option<i64>,
    },
    Complete {
        done: Completion,
        version: Option<i64>,
    },
    Transfer {
        to: String,
        reason: String,
    },
    Delegate {
        to: String,
        reason: String,
    },
    AddSigners {
        place: Place,
        signers: Vec<String>,
        reason: String,
    },
    RemoveSigner {
        reason: String,
    },
    Return {
        target: Target,
        mode: Mode,
        reason: String,
    },
    Withdraw {
        reason: String,
    },
    Reject {
        reason: String,
    },
    Circulate {
        readers: Vec<String>,
        note: String,
    },
    Urge {
        note: String,
    },
    Suspend {
        ground: String,
        reason: String,
    },
    Resume,
    Extend {
        days: u32,
        reason: String,
    },
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Done,
    Answered(Progress),
    Returned(Earlier),
    /// Copies sent.
    Sent(usize),
}

impl Request {
    /// Its name in policies, after `workflow.task.`.
    fn action(&self) -> &'static str {
        match self {
            Self::Claim { .. } | Self::Release => "claim",
            Self::Save { .. } => "save",
            Self::Complete { .. } => "complete",
            Self::Transfer { .. } => "transfer",
            Self::Delegate { .. } => "delegate",
            Self::AddSigners { .. } | Self::RemoveSigner { .. } => "sign",
            Self::Return { .. } => "return",
            Self::Withdraw { .. } => "withdraw",
            Self::Reject { .. } => "reject",
            Self::Circulate { .. } => "circulate",
            Self::Urge { .. } => "urge",
            Self::Suspend { .. } | Self::Resume => "suspend",
            Self::Extend { .. } => "extend",
        }
    }

    /// Whether it leaves the process and its clock alone: what does not is the application's to
    /// do where one keeps its subjects to itself. Removing a signer may decide what is left.
    fn is_safe(&self) -> bool {
        !matches!(
            self,
            Self::Complete { .. }
                | Self::RemoveSigner { .. }
                | Self::Return { .. }
                | Self::Withdraw { .. }
                | Self::Reject { .. }
                | Self::Suspend { .. }
                | Self::Resume
                | Self::Extend { .. }
        )
    }

    /// The action that lets its holder do it to tasks of others.
    fn action_for_any(&self) -> Option<&'static str> {
        match self {
            Self::RemoveSigner { .. } => Some("workflow.instance.intervene"),
            Self::Urge { .. } => Some("workflow.task.urge_any"),
            _ => None,
        }
    }

    async fn act(
        self,
        tx: &Tx,
        engine: &Arc<Engine>,
        id: TaskId,
        officer: &Officer,
        to_any: bool,
    ) -> Result<Outcome> {
        if !self.is_safe() {
            engine.need_free(tx, id).await?;
        }
        match self {
            Self::Claim { version } => act::claim(tx, id, officer, version).await?,
            Self::Release => act::release(tx, id, officer).await?,
            Self::Save { vars, version } => {
                super::save(tx, id, officer, version, &vars).await?;
            }
            Self::Complete { done, version } => {
                let progress =
                    work::complete_choosing(tx, engine, id, officer, version, done).await?;
                return Ok(Outcome::Answered(progress));
            }
            Self::Transfer { to, reason } => {
                who::need_candidate(tx, id, &to).await?;
                act::transfer(tx, id, officer, &to, &reason).await?;
            }
            Self::Delegate { to, reason } => {
                super::delegate(tx, id, officer, &to, &reason).await?;
            }
            Self::AddSigners {
                place,
                signers,
                reason,
            } => super::add_signers(tx, id, officer, place, &signers, &reason).await?,
            Self::RemoveSigner { reason } => {
                super::remove_signer(tx, engine, id, officer, to_any, &reason).await?;
            }
            Self::Return {
                target,
                mode,
                reason,
            } => {
                let step =
                    super::return_task(tx, engine, id, officer, &target, mode, &reason).await?;
                return Ok(Outcome::Returned(step));
            }
            Self::Withdraw { reason } => super::withdraw(tx, engine, id, officer, &reason).await?,
            Self::Reject { reason } => super::reject(tx, engine, id, officer, &reason).await?,
            Self::Circulate { readers, note } => {
                let sent = super::circulate(tx, id, officer, &readers, &note).await?;
                return Ok(Outcome::Sent(sent));
            }
            Self::Urge { note } => super::urge(tx, id, officer, to_any, &note).await?,
            Self::Suspend { ground, reason } => {
                super::suspend(tx, id, officer, &ground, &reason).await?;
            }
            Self::Resume => super::resume(tx, engine, id, officer).await?,
            Self::Extend { days, reason } => {
                super::extend(tx, engine, id, officer, days, &reason).await?;
            }
        }
        Ok(Outcome::Done)
    }
}

/// Authorises, then does it in one write.
pub(crate) async fn carry_out(
    app: &App,
    actor: &Actor,
    id: &str,
    request: Request,
) -> Result<Outcome> {
    let action = format!("workflow.task.{}", request.action());
    gate(app, actor, &action)?;
    let id = parse::<TaskId>(id, "task")?;
    let to_any = match request.action_for_any() {
        Some(any) => may(app, actor, any)?,
        None => false,
    };
    write(app, actor, &action, move |tx, engine, officer| {
        let request = request.clone();
        async move { request.act(&tx, &engine, id, &officer, to_any).await }
    })
    .await
}
