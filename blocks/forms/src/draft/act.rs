//! What is done with drafts.

use ::store::Tx;
use identity::{Actor, Gate};
use kernel::{Error, Finding, Result, Text};
use serde_json::Value;
use web::App;

use super::{Draft, DraftLine, KEPT, LARGEST, NewDraft, resource, store};
use crate::DraftId;

const USE: &str = "forms.draft.use";
const PAGE: u64 = 20;

/// Makes a draft for the actor.
pub async fn create(app: &App, actor: &Actor, new: NewDraft) -> Result<Draft> {
    let owner = new.owner_party.map(String::from);
    let gate = app.part::<Gate>()?;
    actor.may(
        &gate,
        USE,
        &resource(&new.owner_user.to_string(), owner.as_deref()),
    )?;
    app.db()
        .write(move |tx| {
            let new = new.clone();
            async move {
                clear(&tx).await?;
                let id = store::insert(&tx, &new).await?;
                store::load(&*tx, id).await
            }
        })
        .await
}

/// Drafts whose time is over go, a few whenever one is made, so that they never pile up and
/// nothing has to be scheduled.
async fn clear(tx: &Tx) -> Result<()> {
    const AT_ONCE: u64 = 10;
    for id in store::expired(tx, AT_ONCE).await? {
        crate::file::store::remove_of_draft(tx, id).await?;
        store::remove(tx, id).await?;
    }
    Ok(())
}

/// The draft, if it is the actor's; nobody else learns that it exists.
pub async fn get(app: &App, actor: &Actor, id: DraftId) -> Result<Draft> {
    let draft = store::load(app.db().read(), id).await?;
    authorise(app, actor, &draft)?;
    Ok(draft)
}

/// The actor's open draft of a subject, the latest if there are several.
pub async fn find_open(app: &App, actor: &Actor, subject: &str) -> Result<Option<Draft>> {
    let party = actor.party().map(|party| party.id.to_string());
    let user = actor.user.to_string();
    let db = app.db().read();
    let now = app.clock().now();
    let id = store::lookup_open(db, &user, party.as_deref(), subject, now).await?;
    match id {
        Some(id) => get(app, actor, id).await.map(Some),
        None => Ok(None),
    }
}

pub(crate) fn authorise(app: &App, actor: &Actor, draft: &Draft) -> Result<()> {
    let gate = app.part::<Gate>()?;
    let owner = draft.owner_party.map(String::from);
    actor
        .may(
            &gate,
            USE,
            &resource(&draft.owner_user.to_string(), owner.as_deref()),
        )
        .map_err(|_| Error::NotFound { what: "draft" })
}

/// The actor's open drafts, newest first, and the key of the next page.
pub async fn list(
    app: &App,
    actor: &Actor,
    after: Option<&str>,
) -> Result<(Vec<DraftLine>, Option<String>)> {
    let after = after.and_then(|key| {
        let (at, id) = key.split_once('.')?;
        Some((at.parse::<i64>().ok()?, id))
    });
    let party = actor.party().map(|party| party.id.to_string());
    let user = actor.user.to_string();
    let now = app.clock().now();
    let mut lines = store::list(
        app.db().read(),
        &user,
        party.as_deref(),
        now,
        after,
        PAGE + 1,
    )
    .await?;
    let has_more = lines.len() as u64 > PAGE;
    lines.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let next = lines.last().filter(|_| has_more);
    let next = next.map(|last| format!("{}.{}", kernel::clock::micros(last.updated_at), last.id));
    Ok((lines, next))
}

/// Saves answers that follow the version the caller has seen. Answers need not be right yet; what
/// may not be changed stays as it was prefilled. `step` is the group to go on with.
pub async fn save(
    app: &App,
    actor: &Actor,
    id: DraftId,
    version: i64,
    values: Value,
    step: Option<String>,
) -> Result<Draft> {
    let draft = get(app, actor, id).await?;
    if draft.submitted_as.is_some() {
        return Err(Error::refused("forms-draft-closed"));
    }
    if draft.expires_at <= app.clock().now() {
        return Err(Error::refused("forms-draft-expired"));
    }
    if draft.version != version {
        return Err(Error::refused("forms-draft-changed"));
    }
    check_shape(&draft, &values)?;
    let values = with_own_files(&draft, values);
    app.db()
        .write(move |tx| {
            let (draft, values, step) = (draft.clone(), values.clone(), step.clone());
            async move { put(&tx, &draft, values, step.as_deref()).await }
        })
        .await
}

/// Writes answers over the version that `draft` holds; for acts that already authorised.
pub async fn put(tx: &Tx, draft: &Draft, values: Value, step: Option<&str>) -> Result<Draft> {
    let (values, provenances) =
        crate::prefill::reconcile(&draft.form, &draft.values, values, &draft.provenances);
    let step = step.unwrap_or(&draft.step);
    let expires_at = draft.expires_at.max(tx.now() + KEPT);
    if !store::update(tx, draft, &values, &provenances, step, expires_at).await? {
        return Err(Error::refused("forms-draft-changed"));
    }
    store::load(&**tx, draft.id).await
}

/// Files and certificates come and go by acts that check them; what a caller says about them is
/// not believed.
fn with_own_files(draft: &Draft, values: Value) -> Value {
    let Value::Object(mut values) = values else {
        return values;
    };
    for field in draft
        .form
        .fields
        .iter()
        .filter(|field| field.file.is_some())
    {
        match draft.values.get(&field.name) {
            Some(own) => values.insert(field.name.clone(), own.clone()),
            None => values.remove(&field.name),
        };
    }
    Value::Object(values)
}

fn check_shape(draft: &Draft, values: &Value) -> Result<()> {
    if values.to_string().len() > LARGEST {
        let limit = crate::render::size(LARGEST as u64);
        return Err(Error::invalid(
            "",
            Text::new("forms-draft-too-big").with("limit", limit),
        ));
    }
    let Some(values) = values.as_object() else {
        return Err(Error::invalid(
            "",
            Text::new("forms-draft-unknown-fields").with("names", "—"),
        ));
    };
    let unknown: Vec<&str> = values
        .keys()
        .map(String::as_str)
        .filter(|name| draft.form.field(name).is_none())
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let text = Text::new("forms-draft-unknown-fields").with("names", unknown.join(", "));
    Err(Error::Invalid(vec![Finding::new(
        unknown.first().copied().unwrap_or_default(),
        text,
    )]))
}

/// What is still wrong with the answers; empty when they can be submitted.
pub fn check(draft: &Draft, today: chrono::NaiveDate) -> Result<Value, Vec<Finding>> {
    crate::validate(&draft.form, &draft.values, &draft.answers, today)
}

/// Closes a draft inside the transaction of its submission, so that it is submitted once: a
/// second submission finds what the first one made. `Ok(None)` means that it is closed now;
/// `Ok(Some(subject))` names what it became before.
pub async fn lock(tx: &Tx, id: DraftId, submitted_as: &str) -> Result<Option<String>> {
    if store::close(tx, id, submitted_as).await? {
        crate::file::store::claim(tx, id, submitted_as).await?;
        return Ok(None);
    }
    let draft = store::load(&**tx, id).await?;
    Ok(draft.submitted_as)
}

/// Throws a draft and its files away.
pub async fn discard(app: &App, actor: &Actor, id: DraftId) -> Result<()> {
    let draft = get(app, actor, id).await?;
    if draft.submitted_as.is_some() {
        return Err(Error::refused("forms-draft-closed"));
    }
    app.db()
        .write(move |tx| async move {
            crate::file::store::remove_of_draft(&tx, id).await?;
            store::remove(&tx, id).await
        })
        .await
}
