//! What is done to a task on its page: the verb is in the address, its words are in the form.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use identity::Actor;
use kernel::{Error, Finding, Result, Text};
use serde_json::{Map, Value};
use web::{App, Html, Page, WebError, component::Fields};

use super::{
    super::may,
    field::{self, VARIABLE},
    officer,
    show::{TaskPage, fields_of, view},
};
use crate::{
    core::Mode,
    verb::{
        self, Completion, Place, Target,
        api_task::write,
        request::{Request, carry_out},
    },
};

pub(super) async fn act(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path((id, verb)): Path<(String, String)>,
    f: Fields,
) -> Result<Response, WebError> {
    // Before anything typed is looked up: who is no officer learns nothing of officers.
    may(&app, &actor, "workflow.task.list")?;
    let done = match request(&app, &actor, &id, &verb, &f).await {
        Ok(request) => carry_out(&app, &actor, &id, request).await.map(drop),
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => Ok(Redirect::to(&after(&id, &verb, &f)).into_response()),
        Err(Error::Invalid(findings)) => {
            let page = again(&app, p, &actor, &id, &verb, f, findings).await?;
            Ok(Html::again(&page)?.into_response())
        }
        // Somebody else came first, or it is too early: what was typed stays, if the task may still
        // be looked at.
        Err(Error::Refused(text)) => {
            let findings = vec![Finding::new("", text.clone())];
            match again(&app, p, &actor, &id, &verb, f, findings).await {
                Ok(page) => Ok(Html::with(StatusCode::CONFLICT, &page)?.into_response()),
                Err(_) => Err(Error::Refused(text).into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Where one looks next: what was handed on or done is off one's desk.
fn after(id: &str, verb: &str, f: &Fields) -> String {
    match (verb, f.value("from")) {
        ("complete", _) if f.value("then") == "save" => format!("/tasks/{id}?done=save"),
        ("complete", _) => format!("/tasks/{id}?done=complete"),
        ("transfer" | "delegate" | "release" | "return" | "reject", _) => "/tasks".to_owned(),
        // One urges from the page of the task that one did before.
        (_, from) if from.parse::<crate::TaskId>().is_ok() => format!("/tasks/{from}?done={verb}"),
        _ if f.value("started").parse::<crate::InstanceId>().is_ok() => {
            format!("/tasks/started/{}?done={verb}", f.value("started"))
        }
        _ => format!("/tasks/{id}?done={verb}"),
    }
}

/// The page with what was typed, the form that it was typed into open, and the messages at its
/// fields.
async fn again(
    app: &App,
    p: Page,
    actor: &Actor,
    id: &str,
    verb: &str,
    f: Fields,
    findings: Vec<Finding>,
) -> Result<TaskPage> {
    let begin = match verb {
        "complete" => VARIABLE.to_owned(),
        _ => format!("{verb}-"),
    };
    let at = |finding: Finding| match finding.field.as_str() {
        "" => finding,
        field => Finding {
            field: format!("{begin}{field}"),
            ..finding
        },
    };
    let findings = findings.into_iter().map(at).collect();
    // The page of the task from which another one was urged.
    let shown = match f.value("from") {
        "" => id.to_owned(),
        from => from.to_owned(),
    };
    let mut page = view(app, p, actor, &shown).await?;
    page.f = f.rejected(findings);
    verb.clone_into(&mut page.form);
    Ok(page)
}

/// What the form asks for.
async fn request(app: &App, actor: &Actor, id: &str, verb: &str, f: &Fields) -> Result<Request> {
    let value = |name: &str| f.value(format!("{verb}-{name}")).trim().to_owned();
    let reason = value("reason");
    Ok(match verb {
        "claim" => Request::Claim {
            version: version(f),
        },
        "release" => Request::Release,
        "complete" => completion(app, actor, id, f).await?,
        "transfer" => Request::Transfer {
            to: officer::find(app, "to", &value("to")).await?,
            reason,
        },
        "delegate" => Request::Delegate {
            to: officer::find(app, "to", &value("to")).await?,
            reason,
        },
        "signers" => Request::AddSigners {
            place: place(&value("place"))?,
            signers: officer::find_all(app, "signers", &value("signers")).await?,
            reason,
        },
        "remove-signer" => Request::RemoveSigner { reason },
        "return" => Request::Return {
            target: Target::named(&value("to")),
            mode: match value("mode").as_str() {
                "back" => Mode::Back,
                _ => Mode::Again,
            },
            reason,
        },
        "withdraw" => Request::Withdraw { reason },
        "reject" => Request::Reject { reason },
        "circulate" => Request::Circulate {
            readers: officer::find_all(app, "readers", &value("readers")).await?,
            note: value("note"),
        },
        "urge" => Request::Urge {
            note: value("note"),
        },
        "suspend" => Request::Suspend {
            ground: value("ground"),
            reason,
        },
        "resume" => Request::Resume,
        "extend" => Request::Extend {
            days: days(&value("days"))?,
            reason,
        },
        _ => return Err(Error::NotFound { what: "page" }),
    })
}

fn version(f: &Fields) -> Option<i64> {
    f.value("version").parse().ok()
}

/// Completing, or saving for later, with the variables that were changed.
async fn completion(app: &App, actor: &Actor, id: &str, f: &Fields) -> Result<Request> {
    let fields = fields_of(app, actor, id).await?;
    let mut vars = field::changed(&fields, f).map_err(Error::Invalid)?;
    vars.extend(answers(f));
    if f.value("then") == "save" {
        return Ok(Request::Save {
            vars,
            version: version(f),
        });
    }
    let next = match f.value(format!("{VARIABLE}next")) {
        "" => None,
        typed => Some(officer::find(app, "next", typed).await?),
    };
    Ok(Request::Complete {
        done: Completion { vars, next },
        version: version(f),
    })
}

/// Outcome and opinion, where they were given.
fn answers(f: &Fields) -> Map<String, Value> {
    ["outcome", "opinion"]
        .into_iter()
        .map(|name| (name, f.value(format!("{VARIABLE}{name}")).trim()))
        .filter(|(_, said)| !said.is_empty())
        .map(|(name, said)| (name.to_owned(), Value::from(said)))
        .collect()
}

fn place(named: &str) -> Result<Place> {
    match named {
        "before" => Ok(Place::Before),
        "after" => Ok(Place::After),
        "beside" => Ok(Place::Beside),
        _ => Err(Error::invalid("place", Text::new("workflow-choose-place"))),
    }
}

fn days(typed: &str) -> Result<u32> {
    let wrong = |_| Error::invalid("days", Text::new("workflow-days-number"));
    typed.parse().map_err(wrong)
}

/// A copy is confirmed as read.
pub(super) async fn read_copy(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Redirect, WebError> {
    write(&app, &actor, "workflow.copy.read", move |tx, _, officer| {
        let id = id.clone();
        async move { verb::read_copy(&tx, &id, &officer).await }
    })
    .await?;
    Ok(Redirect::to("/tasks?of=copies"))
}
