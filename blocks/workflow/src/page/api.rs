//! JSON doors of the drawing pages and of the figures.

use crate::rest::Body;
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use identity::Actor;
use kernel::{Error, Finding, Result, Text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::{App, Page, WebError};

use super::{may, store};
use crate::{
    check::{self, Severity, read_and_check},
    deploy::deploy_by,
    engine::Engine,
    simulate::check_file,
    stats,
};

type Answer<T> = Result<T, WebError>;

/// What is wrong at one element of a drawn file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelFinding)]
pub(super) struct FindingView {
    #[schema(example = "end-with-outgoing")]
    pub rule: String,
    /// `error` refuses deployment, `warning` does not.
    #[schema(example = "error")]
    pub severity: String,
    /// Empty where the whole file is meant.
    #[schema(example = "end")]
    pub element: String,
    #[schema(example = 12)]
    pub line: u32,
    /// What is wrong and what to do, in the language of `Accept-Language`.
    #[schema(example = "结束事件之后还有走向。请删除走向，或改为中间事件。")]
    pub message: String,
    /// The case at hand, in English.
    #[schema(example = "an end event has an outgoing flow")]
    pub text: String,
    #[schema(example = "remove the flow, or make it an intermediate event")]
    pub remedy: String,
}

impl FindingView {
    pub fn is_error(&self) -> bool {
        self.severity == "error"
    }
}

impl FindingView {
    fn of(p: &Page, finding: check::Finding) -> Self {
        let severity = if finding.severity == Severity::Error {
            "error"
        } else {
            "warning"
        };
        let words = format!("workflow-rule-{}", finding.rule);
        let message = if p.app.texts().has(&words) {
            p.t(words)
        } else {
            format!("{}; {}", finding.text, finding.remedy)
        };
        Self {
            rule: finding.rule.to_owned(),
            severity: severity.to_owned(),
            element: finding.element,
            line: finding.line,
            message,
            text: finding.text,
            remedy: finding.remedy.to_owned(),
        }
    }
}

/// A foreign attribute or element that has no effect here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelIgnored)]
pub(super) struct IgnoredView {
    #[schema(example = "review")]
    pub element: String,
    #[schema(example = 9)]
    pub line: u32,
    #[schema(example = "camunda:taskListener")]
    pub what: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelChecked)]
pub(super) struct Checked {
    pub findings: Vec<FindingView>,
    pub ignored: Vec<IgnoredView>,
}

/// Everything that is to say about a file.
pub(super) fn checked(p: &Page, xml: &[u8]) -> Checked {
    let findings = check_file(xml);
    let (model, _) = read_and_check(xml);
    let ignored = model.map(|model| model.ignored).unwrap_or_default();
    Checked {
        findings: findings
            .into_iter()
            .map(|finding| FindingView::of(p, finding))
            .collect(),
        ignored: ignored
            .into_iter()
            .map(|ignored| IgnoredView {
                element: ignored.element,
                line: ignored.line,
                what: ignored.what,
            })
            .collect(),
    }
}

/// Checks a BPMN or DMN file as deployment does, and changes nothing.
#[utoipa::path(post, path = "/api/workflow/models/check", tag = "workflow",
    request_body(content = String, content_type = "application/xml", description = "BPMN 2.0 or DMN file",
        example = "<definitions xmlns=\"http://www.omg.org/spec/BPMN/20100524/MODEL\"/>"),
    responses((status = 200, body = Checked), (status = 403, description = "not a steward")))]
pub(super) async fn check(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    xml: Bytes,
) -> Answer<Json<Checked>> {
    may(&app, &actor, "workflow.process.draw")?;
    Ok(Json(checked(&p, &xml)))
}

// A missing field is an empty one, so that whoever may not deploy is told so first.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = ModelDeployment)]
#[serde(default)]
pub(super) struct Deployment {
    /// Under which name it is started and called.
    #[schema(example = "food-licence")]
    key: String,
    /// The file itself.
    #[schema(
        example = "<definitions xmlns=\"http://www.omg.org/spec/BPMN/20100524/MODEL\">…</definitions>"
    )]
    xml: String,
    /// What changed and why, for whoever looks at the versions later.
    #[schema(example = "现场核查改为两名工作人员")]
    comment: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelDeployed)]
pub(super) struct Deployed {
    #[schema(example = "food-licence")]
    key: String,
    #[schema(example = 4)]
    version: i64,
    /// False when the same content was deployed before.
    is_new: bool,
    /// The page of the version.
    #[schema(example = "/processes/definitions/food-licence?version=4")]
    href: String,
}

/// Deploys a file that was drawn. A file that the standard forbids is refused with all findings.
#[utoipa::path(post, path = "/api/workflow/models/deploy", tag = "workflow", request_body = Deployment,
    responses((status = 200, body = Deployed), (status = 422, description = "the file is refused")))]
pub(super) async fn deploy(
    State(app): State<App>,
    actor: Actor,
    Body(deployment): Body<Deployment>,
) -> Answer<Json<Deployed>> {
    let version = deployed(
        &app,
        &actor,
        &deployment.key,
        &deployment.xml,
        &deployment.comment,
    );
    let version = version.await?;
    Ok(Json(Deployed {
        href: format!(
            "/processes/definitions/{}?version={}",
            super::escaped(&version.key),
            version.version
        ),
        key: version.key,
        version: version.version,
        is_new: version.is_new,
    }))
}

/// The act behind both doors, the island's and the form's.
pub(super) async fn deployed(
    app: &App,
    actor: &Actor,
    key: &str,
    xml: &str,
    comment: &str,
) -> Result<crate::Version> {
    may(app, actor, "workflow.process.deploy")?;
    let key = key.trim().to_owned();
    if !is_key(&key) {
        return Err(Error::invalid("key", Text::new("workflow-key-unreadable")));
    }
    if comment.chars().count() > LONGEST_COMMENT {
        let text = Text::new("workflow-comment-long").with("most", LONGEST_COMMENT);
        return Err(Error::Invalid(vec![Finding::new("comment", text)]));
    }
    let (xml, comment, by) = (xml.to_owned(), comment.trim().to_owned(), actor.trace());
    app.db()
        .write(move |tx| {
            let (key, xml, comment, by) = (key.clone(), xml.clone(), comment.clone(), by.clone());
            async move { deploy_by(&tx, &key, &xml, &by, &comment).await }
        })
        .await
}

const LONGEST_COMMENT: usize = 500;

/// Letters of any script, digits, `-`, `_` and `.`; it stands in addresses and before colons.
pub(crate) fn is_key(key: &str) -> bool {
    (1..=100).contains(&key.chars().count())
        && key
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Where the instances of a version stand, and how long its steps take.
#[utoipa::path(get, path = "/api/workflow/definitions/{key}/versions/{version}/figures", tag = "workflow",
    params(("key" = String, Path, description = "key of the definition", example = "food-licence"),
        ("version" = i64, Path, description = "number of the version", example = 1)),
    responses((status = 200, body = stats::Figures), (status = 404, description = "no such version")))]
pub(super) async fn figures(
    State(app): State<App>,
    actor: Actor,
    Path((key, version)): Path<(String, i64)>,
) -> Answer<Json<stats::Figures>> {
    may(&app, &actor, "workflow.process.view")?;
    let row = store::get_file(app.db(), &key, version).await?;
    if row.kind != "bpmn" {
        return Err(Error::NotFound { what: "process" }.into());
    }
    let engine = app.part::<Engine>()?;
    Ok(Json(stats::figures(app.db(), &engine, &row.id).await?))
}
