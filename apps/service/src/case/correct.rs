//! Correction: what was missing is handed in, with files, as a draft that can be left and found
//! again. What was handed in before is kept beside it.

use identity::Actor;
use kernel::{Error, Fault, Result, Text};
use serde_json::{Map, Value, json};
use store::Tx;
use web::App;

use super::{
    CaseId, Event, State,
    act::{Desk, Who, happen},
    store::{self as rows, Case, Material, Obtained},
};

/// The question for what belongs to no listed material; also the key of what is handed in there.
pub const OTHERS: &str = "correction";
const NOTE: &str = "note";
/// Which materials came on paper; asked of clerks only.
const PAPERS: &str = "papers";
const GROUP: &str = "correction";
/// What the timeline's reader sees when files came without a word.
const UNNAMED: &str = "补正材料";

/// Whether the case waits for its applicant.
pub fn is_awaited(state: State) -> bool {
    matches!(
        state,
        State::Correcting | State::PreReturned | State::AcceptedCorrecting
    )
}

/// The actor's open correction of a case, begun if there is none.
pub async fn open(app: &App, actor: &Actor, id: CaseId) -> Result<forms::Draft> {
    let desk = Desk::of(app)?;
    let case = allowed(&desk, actor, id).await?;
    if !is_awaited(case.state()) {
        return Err(Error::refused("service-correct-not-awaited"));
    }
    let subject = subject(id);
    if let Some(draft) = forms::draft::find_open(app, actor, &subject).await? {
        return Ok(draft);
    }
    let materials = rows::list_materials(app.db().read(), id).await?;
    let form = form(&materials, actor.is_officer())?;
    forms::draft::create(app, actor, forms::NewDraft::of(actor, subject, form)).await
}

/// The case, for its applicant, who handed it in, or a clerk.
async fn allowed(desk: &Desk, actor: &Actor, id: CaseId) -> Result<Case> {
    let case = super::act::view(desk, actor, id).await?;
    let party = actor.party().map(|party| party.id.to_string());
    let is_own = party.is_some() && party == case.applicant.party;
    if !is_own && case.agent != actor.user.to_string() {
        let resource = super::act::resource(&case);
        desk.gate.check(actor, "service.case.correct", &resource)?;
    }
    Ok(case)
}

fn subject(id: CaseId) -> String {
    format!("correction:{id}")
}

/// The case of a draft's subject, if it is a correction.
pub fn case_of(subject: &str) -> Option<&str> {
    subject.strip_prefix("correction:")
}

/// One question for the files of each material, one for others, and a note.
fn form(materials: &[Material], is_clerk: bool) -> Result<forms::Form> {
    let asked: Vec<&Material> = materials
        .iter()
        .filter(|m| m.is_current && ![OTHERS, NOTE, PAPERS].contains(&m.key.as_str()))
        .collect();
    let files = |title: &str, title_en: &str| {
        json!({"type": "array", "title": title, "x-tongban": {
            "title_en": title_en, "group": GROUP, "widget": "file", "sensitivity": 2,
            "file": {"accept": ["pdf", "ofd", "jpg", "jpeg", "png"], "max_mb": 20, "max_count": 10}}})
    };
    let mut properties = Map::new();
    for material in &asked {
        properties.insert(material.key.clone(), files(&material.name, ""));
    }
    properties.insert(OTHERS.to_owned(), files("其他补正材料", "Other documents"));
    if is_clerk && !asked.is_empty() {
        let options = asked
            .iter()
            .map(|m| json!({"value": m.key, "title": m.name}));
        let keys: Vec<_> = asked.iter().map(|m| &m.key).collect();
        let papers = json!({"type": "array", "title": "窗口收到的纸质材料", "items": {"enum": keys}, "uniqueItems": true,
            "x-tongban": {"title_en": "Received on paper", "group": GROUP, "widget": "checks",
                "options": options.collect::<Vec<_>>()}});
        properties.insert(PAPERS.to_owned(), papers);
    }
    let note = json!({"type": "string", "title": "补正说明", "maxLength": 500,
        "x-tongban": {"title_en": "What you corrected", "group": GROUP, "widget": "textarea"}});
    properties.insert(NOTE.to_owned(), note);
    let form = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "service-correction", "title": "补正", "type": "object",
        "x-tongban": {"title_en": "Correction", "groups": [
            {"id": GROUP, "title": "补正材料", "title_en": "Documents"}]},
        "properties": properties,
    });
    let parsed = forms::Form::parse(&form.to_string());
    Ok(parsed
        .map_err(|e| Fault::caused_by("make the form of a correction", Words(format!("{e:?}"))))?)
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Words(String);

/// Hands a correction in: its files become the current ones of their materials, and the time for
/// an answer begins anew. Handing in the same draft again changes nothing.
pub async fn hand_in(app: &App, actor: &Actor, id: CaseId, draft: forms::DraftId) -> Result<Case> {
    let desk = Desk::of(app)?;
    let case = allowed(&desk, actor, id).await?;
    let draft = forms::draft::get(app, actor, draft).await?;
    if draft.subject != subject(id) {
        return Err(Error::NotFound { what: "draft" });
    }
    let values = forms::draft::check(&draft, app.clock().today()).map_err(Error::Invalid)?;
    let earlier = rows::list_materials(app.db().read(), id).await?;
    let materials = supplied(&values, &earlier);
    if materials.is_empty() {
        return Err(Error::invalid(OTHERS, Text::new("service-correct-nothing")));
    }
    let (shared, who) = (desk.clone(), Who::of(actor, &case));
    let draft = draft.id;
    desk.db
        .write(move |tx| {
            let (desk, who, materials) = (shared.clone(), who.clone(), materials.clone());
            Box::pin(async move { take(&tx, &desk, id, draft, &materials, &who).await })
        })
        .await
}

async fn take(
    tx: &Tx,
    desk: &Desk,
    id: CaseId,
    draft: forms::DraftId,
    materials: &[Material],
    who: &Who,
) -> Result<Case> {
    let mut case = rows::get_in(tx, id).await?;
    let files = format!("case:{id}");
    if forms::draft::lock(tx, draft, &files).await?.is_some() {
        return Ok(case);
    }
    forms::file::assign(tx, &files, &readers(&case)).await?;
    rows::insert_materials(tx, id, materials).await?;
    let event = match case.state() {
        State::PreReturned => Event::Resubmit,
        _ => Event::SupplyCorrection,
    };
    happen(tx, desk, &mut case, &[event], who, "").await?;
    Ok(case)
}

/// What a filled form hands in, under the names that the case's materials have.
fn supplied(values: &Value, earlier: &[Material]) -> Vec<Material> {
    let note = values.get(NOTE).and_then(Value::as_str).unwrap_or_default();
    let papers: Vec<&str> = values
        .get(PAPERS)
        .and_then(Value::as_array)
        .map(|keys| keys.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let mut all = Vec::new();
    for known in earlier.iter().filter(|m| m.is_current && m.key != OTHERS) {
        let files = crate::apply::files_of(values, &known.key);
        let is_paper = papers.contains(&known.key.as_str());
        if files.is_empty() && !is_paper {
            continue;
        }
        all.push(Material {
            key: known.key.clone(),
            name: known.name.clone(),
            obtained: if files.is_empty() {
                Obtained::Paper
            } else {
                Obtained::Upload
            },
            copies: i32::from(is_paper),
            files,
            ..Material::default()
        });
    }
    let files = crate::apply::files_of(values, OTHERS);
    if !files.is_empty() || !note.trim().is_empty() {
        let name = if note.trim().is_empty() {
            UNNAMED
        } else {
            note.trim()
        };
        all.push(Material {
            key: OTHERS.to_owned(),
            name: name.to_owned(),
            obtained: if files.is_empty() {
                Obtained::None
            } else {
                Obtained::Upload
            },
            files,
            ..Material::default()
        });
    }
    all
}

/// The bodies whose officers read a case's files: who handles it or a part of it, and who takes
/// it in.
pub(crate) fn readers(case: &Case) -> Vec<String> {
    let own = [&case.org, &case.facts.terms.hall];
    let parts = case.plan.iter().map(|part| &part.org);
    let mut all: Vec<String> = own.into_iter().chain(parts).cloned().collect();
    all.retain(|org| !org.is_empty());
    all.sort_unstable();
    all.dedup();
    all
}
