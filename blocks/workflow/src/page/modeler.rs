//! Where processes and decisions are drawn, and the form that takes a file drawn elsewhere.
//!
//! The drawing itself happens in the browser (`web/src/modeler.js`); its check and its deployment
//! come back through the JSON doors in [`super::api`].

use askama::Template;
use axum::{
    extract::{Multipart, Path, Query, State, multipart::MultipartRejection},
    response::{IntoResponse, Redirect, Response},
};
use identity::Actor;
use kernel::{Error, Finding, Result, Text};
use serde::Deserialize;
use web::{
    App, Html, Page, WebError,
    component::{Crumb, Fields},
};

use super::{
    api::{Checked, checked, deployed},
    can,
    definition::{Head, VersionQuery},
    escaped, may,
};
use crate::{
    engine::Engine,
    tree::{self, MAX_BYTES},
};

#[derive(Debug, Deserialize)]
pub(super) struct KindQuery {
    kind: Option<String>,
}

#[derive(Template)]
#[template(path = "processes/modeler.html")]
struct ModelerPage {
    p: Page,
    title: String,
    crumbs: Vec<Crumb>,
    is_decision: bool,
    /// Where the file is; empty for a blank sheet.
    file: String,
    key: String,
    may_deploy: bool,
    /// Services that applications carry out, offered for `tongban:call`.
    services: Vec<String>,
}

impl ModelerPage {
    fn bundle(&self, ending: &str) -> String {
        let name = if self.is_decision {
            "decision"
        } else {
            "modeler"
        };
        self.p.asset(&format!("{name}.{ending}"))
    }
}

/// A blank sheet.
pub(super) async fn blank(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<KindQuery>,
) -> Result<Html, WebError> {
    may(&app, &actor, "workflow.process.draw")?;
    let is_decision = query.kind.as_deref() == Some("dmn");
    let title = p.t(if is_decision {
        "workflow-new-decision"
    } else {
        "workflow-new-process"
    });
    Html::page(&ModelerPage {
        crumbs: vec![
            Crumb::new(p.t("workflow-menu-processes"), "/processes"),
            Crumb::new(&title, ""),
        ],
        may_deploy: can(&app, &actor, "workflow.process.deploy"),
        services: app.part::<Engine>()?.services(),
        p,
        title,
        is_decision,
        file: String::new(),
        key: String::new(),
    })
}

/// A deployed version, to be changed into the next one.
pub(super) async fn edit(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(key): Path<String>,
    Query(query): Query<VersionQuery>,
) -> Result<Html, WebError> {
    may(&app, &actor, "workflow.process.draw")?;
    let head = Head::of(&app, &p, &actor, &key, query.version).await?;
    let version = head.deployed.version;
    Html::page(&ModelerPage {
        crumbs: vec![
            Crumb::new(p.t("workflow-menu-processes"), "/processes"),
            Crumb::new(p.zh(&head.name), head.href_of(version)),
            Crumb::new(p.t("workflow-edit"), ""),
        ],
        may_deploy: can(&app, &actor, "workflow.process.deploy"),
        services: app.part::<Engine>()?.services(),
        title: p.zh(&head.name),
        is_decision: head.deployed.kind == "dmn",
        file: head.file_href(version),
        key: head.key,
        p,
    })
}

#[derive(Template)]
#[template(path = "processes/upload.html")]
struct UploadPage {
    p: Page,
    crumbs: Vec<Crumb>,
    f: Fields,
    /// What is to say about the file that came.
    checked: Option<Checked>,
}

impl UploadPage {
    fn new(p: Page, f: Fields, checked: Option<Checked>) -> Self {
        Self {
            crumbs: vec![
                Crumb::new(p.t("workflow-menu-processes"), "/processes"),
                Crumb::new(p.t("workflow-upload"), ""),
            ],
            p,
            f,
            checked,
        }
    }
}

pub(super) async fn upload(
    State(app): State<App>,
    p: Page,
    actor: Actor,
) -> Result<Html, WebError> {
    may(&app, &actor, "workflow.process.draw")?;
    Html::page(&UploadPage::new(p, Fields::new(), None))
}

/// Checks a file that was drawn elsewhere, and deploys it when that was asked for.
pub(super) async fn uploaded(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, WebError> {
    may(&app, &actor, "workflow.process.draw")?;
    let form = form.map_err(|_| Error::invalid("file", Text::new("workflow-upload-broken")))?;
    let (f, xml) = read(form).await?;
    let xml = match xml {
        Ok(xml) => xml,
        Err(text) => {
            let f = f.rejected(vec![Finding::new("file", text)]);
            return Ok(Html::again(&UploadPage::new(p, f, None))?.into_response());
        }
    };
    let checked = checked(&p, xml.as_bytes());
    let is_refused = checked
        .findings
        .iter()
        .any(super::api::FindingView::is_error);
    if f.value("act") != "deploy" {
        return Ok(Html::page(&UploadPage::new(p, f, Some(checked)))?.into_response());
    }
    if is_refused {
        return Ok(Html::again(&UploadPage::new(p, f, Some(checked)))?.into_response());
    }
    match deployed(&app, &actor, f.value("key"), &xml, f.value("comment")).await {
        Ok(version) => {
            let target = format!(
                "/processes/definitions/{}?version={}",
                escaped(&version.key),
                version.version
            );
            Ok(Redirect::to(&target).into_response())
        }
        Err(Error::Invalid(findings)) => {
            let page = UploadPage::new(p, f.rejected(findings), Some(checked));
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// The text fields, and the file as text or why there is none.
async fn read(mut form: Multipart) -> Result<(Fields, Result<String, Text>), WebError> {
    let broken = |_| Error::invalid("file", Text::new("workflow-upload-broken"));
    let mut f = Fields::new();
    let mut file = Vec::new();
    while let Some(mut field) = form.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name != "file" {
            f = f.with(name, field.text().await.map_err(broken)?);
            continue;
        }
        while let Some(part) = field.chunk().await.map_err(broken)? {
            file.extend_from_slice(&part);
            if file.len() > MAX_BYTES {
                let text = Text::new("workflow-upload-big").with("most", MAX_BYTES >> 20);
                return Ok((f, Err(text)));
            }
        }
    }
    if file.is_empty() {
        return Ok((f, Err(Text::new("workflow-upload-empty"))));
    }
    let text = tree::to_utf8(&file).map_err(|_| Text::new("workflow-upload-encoding"));
    Ok((f, text))
}
