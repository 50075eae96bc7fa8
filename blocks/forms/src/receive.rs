//! What a page of questions sends: answers, files, and which button was pressed.

use axum::extract::Multipart;
use identity::Actor;
use kernel::{Error, Finding, Result, Text};
use web::App;

use crate::{Draft, DraftId, Field, Offers, draft, file};

/// Which button was pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pressed {
    /// Go on to the next step.
    Next,
    /// Save and leave.
    Save,
    /// A file was uploaded or removed, or a certificate used: show the same step again.
    Stay,
}

/// What was received and kept.
#[derive(Clone, Debug)]
pub struct Received {
    /// The draft with the new answers.
    pub draft: Draft,
    pub pressed: Pressed,
    /// What was wrong with files; answers are checked by [`crate::validate_group`].
    pub findings: Vec<Finding>,
}

/// Answers of a page are small; more than this is no honest page.
const LARGEST_TEXT: usize = 1 << 20;

/// Reads the page of a group (`None` for a page of all groups), keeps files and answers in the
/// draft, and tells which button was pressed. The page carries the hidden field `version` with
/// the version it was rendered from: answers that another device has changed since are not
/// overwritten.
pub async fn receive(
    app: &App,
    actor: &Actor,
    id: DraftId,
    group: Option<&str>,
    offers: &Offers,
    form: Multipart,
) -> Result<Received> {
    let draft = draft::get(app, actor, id).await?;
    let page = read(app, actor, &draft, form).await?;
    let latest = draft::get(app, actor, id).await?;
    let seen = page.version.unwrap_or(draft.version);
    if seen != draft.version {
        return Err(Error::refused("forms-draft-changed"));
    }
    let shown: Vec<&Field> = latest
        .form
        .visible(&latest.values, &latest.answers)
        .into_iter()
        .filter(|field| group.is_none_or(|group| field.group == group))
        .collect();
    let values = latest.form.take(&shown, &page.pairs, &latest.values);
    let step = group.map(str::to_owned);
    let mut draft = draft::save(app, actor, id, latest.version, values, step).await?;
    let mut pressed = if page.act == "save" {
        Pressed::Save
    } else {
        Pressed::Next
    };
    let mut words = page.act.splitn(3, ':');
    match (words.next(), words.next(), words.next()) {
        (Some("upload" | "refresh"), ..) => pressed = Pressed::Stay,
        (Some("remove"), Some(field), Some(key)) => {
            draft = file::remove(app, actor, id, field, key).await?;
            pressed = Pressed::Stay;
        }
        (Some("use"), Some(field), Some(zzbs)) => {
            let kind = draft
                .form
                .field(field)
                .and_then(|asked| asked.file.as_ref());
            let kind = kind.and_then(|rule| rule.certificate_type.as_ref());
            let held = kind.and_then(|kind| offers.get(kind));
            let offer = held.and_then(|all| all.iter().find(|offer| offer.zzbs == zzbs));
            if let Some(offer) = offer {
                draft = file::use_certificate(app, actor, id, field, offer).await?;
            }
            pressed = Pressed::Stay;
        }
        _ => {}
    }
    if !page.findings.is_empty() {
        pressed = Pressed::Stay;
    }
    Ok(Received {
        draft,
        pressed,
        findings: page.findings,
    })
}

#[derive(Default)]
struct Sent {
    pairs: Vec<(String, String)>,
    act: String,
    version: Option<i64>,
    findings: Vec<Finding>,
}

async fn read(app: &App, actor: &Actor, draft: &Draft, mut form: Multipart) -> Result<Sent> {
    let broken = |_| Error::invalid("", Text::new("forms-upload-broken"));
    let mut page = Sent::default();
    let mut size = 0;
    while let Some(part) = form.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        if let Some(file_name) = part.file_name().map(str::to_owned) {
            // A file input that was left alone sends an empty name.
            if file_name.is_empty() {
                continue;
            }
            match file::upload(app, actor, draft.id, &name, &file_name, part).await {
                Ok(_) => {}
                Err(Error::Invalid(findings)) => page.findings.extend(findings),
                Err(other) => return Err(other),
            }
            continue;
        }
        let text = part.text().await.map_err(broken)?;
        size += text.len();
        if size > LARGEST_TEXT {
            return Err(Error::invalid(
                "",
                Text::new("forms-draft-too-big").with("limit", "1 MB"),
            ));
        }
        match name.as_str() {
            "_act" => page.act = text,
            "version" => page.version = text.parse().ok(),
            _ => page.pairs.push((name, text)),
        }
    }
    Ok(page)
}
