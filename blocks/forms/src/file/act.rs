//! What is done with files.

use ::store::{
    Blobs, Tx,
    blob::{self, Blob, Upload},
};
use bytes::Bytes;
use futures::Stream;
use identity::{Actor, Gate, Resource};
use kernel::{Error, Result, Text, clock};
use serde::{Deserialize, Serialize};
use web::App;

use super::{File, rules, store, with_entry, without_entry};
use crate::{
    Draft, DraftId, FileId, Offer,
    draft::{self, resource},
};

const READ: &str = "forms.file.read";

/// A file was read by somebody who did not hand it in.
#[derive(Debug, Serialize, Deserialize)]
pub struct FileRead {
    pub file: String,
    pub name: String,
    pub digest: String,
    pub subject: Option<String>,
}

impl ::store::EventBody for FileRead {
    const KIND: &'static str = "forms.file_read.v1";
}

/// Takes in a file at a question of a draft as it arrives, and adds it to the draft's answers.
pub async fn upload<E>(
    app: &App,
    actor: &Actor,
    draft: DraftId,
    field: &str,
    name: &str,
    content: impl Stream<Item = Result<Bytes, E>> + Send,
) -> Result<(File, Draft)>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let draft = draft::get(app, actor, draft).await?;
    if draft.submitted_as.is_some() {
        return Err(Error::refused("forms-draft-closed"));
    }
    let asked = draft
        .form
        .field(field)
        .and_then(|asked| Some((asked, asked.file.as_ref()?)));
    let Some((asked, rule)) = asked else {
        return Err(Error::invalid(
            field,
            Text::new("forms-file-field").with("name", field),
        ));
    };
    let handed_in = draft
        .values
        .get(field)
        .and_then(|value| value.as_array())
        .map_or(0, Vec::len);
    if handed_in >= rule.max_count {
        let text = asked.say("forms-file-count").with("limit", rule.max_count);
        return Err(Error::invalid(field, text));
    }
    let blobs = app.part::<Blobs>()?;
    let arrived = blobs.put(field, name, &rules(rule), content).await?;
    let (field, owner) = (field.to_owned(), draft.clone());
    app.db()
        .write(move |tx| {
            let (arrived, owner, field) = (arrived.clone(), owner.clone(), field.clone());
            async move { keep(&tx, &owner, &field, arrived).await }
        })
        .await
}

/// Adds arrived content to the draft as it is now: files of two devices both stay.
async fn keep(tx: &Tx, owner: &Draft, field: &str, arrived: Upload) -> Result<(File, Draft)> {
    let draft = draft::get_in(&**tx, owner.id).await?;
    let id = FileId::at(tx.now());
    blob::keep(tx, &arrived, &store::holder(id)).await?;
    let file = File {
        id,
        draft: Some(draft.id),
        owner_user: draft.owner_user.to_string(),
        owner_party: draft.owner_party.map(String::from),
        subject: None,
        readers: Vec::new(),
        field: field.to_owned(),
        name: arrived.name,
        media_type: arrived.media_type,
        size: u64::try_from(arrived.size).unwrap_or_default(),
        digest: arrived.digest.clone(),
        blob: arrived.digest,
        created_at: tx.now(),
    };
    store::insert(tx, &file).await?;
    let values = with_entry(&draft.values, field, file.entry());
    let draft = draft::put(tx, &draft, values, None).await?;
    Ok((file, draft))
}

/// Takes a file, or a certificate that stands in for files, away from a question.
pub async fn remove(
    app: &App,
    actor: &Actor,
    draft: DraftId,
    field: &str,
    key: &str,
) -> Result<Draft> {
    let draft = draft::get(app, actor, draft).await?.id;
    let (field, key) = (field.to_owned(), key.to_owned());
    app.db()
        .write(move |tx| {
            let (field, key) = (field.clone(), key.clone());
            async move {
                let draft = draft::get_in(&*tx, draft).await?;
                let values = without_entry(&draft.values, &field, &key);
                let changed = draft::put(&tx, &draft, values, None).await?;
                if let Ok(id) = key.parse::<FileId>() {
                    let file = store::get(&*tx, id).await?;
                    if file.draft == Some(draft.id) && file.subject.is_none() {
                        blob::release(&tx, &file.blob, &store::holder(id)).await?;
                        store::remove(&tx, id).await?;
                    }
                }
                Ok(changed)
            }
        })
        .await
}

/// Puts a certificate of the applicant in the place of files (免提交). The caller offers only
/// what the applicant holds.
pub async fn use_certificate(
    app: &App,
    actor: &Actor,
    draft: DraftId,
    field: &str,
    offer: &Offer,
) -> Result<Draft> {
    let draft = draft::get(app, actor, draft).await?.id;
    let (field, entry) = (field.to_owned(), crate::render::certificate(offer));
    app.db()
        .write(move |tx| {
            let (field, entry) = (field.clone(), entry.clone());
            async move {
                let draft = draft::get_in(&*tx, draft).await?;
                if draft
                    .form
                    .field(&field)
                    .is_none_or(|field| field.file.is_none())
                {
                    return Err(Error::invalid(
                        &*field,
                        Text::new("forms-file-field").with("name", &field),
                    ));
                }
                let values = with_entry(&draft.values, &field, entry);
                draft::put(&tx, &draft, values, None).await
            }
        })
        .await
}

/// The file as policies see it, once for each organisation that may read it.
fn resources(file: &File) -> Vec<Resource> {
    let owned = resource(&file.owner_user, file.owner_party.as_deref());
    let read = file
        .readers
        .iter()
        .map(|org| Resource::new("File", file.id).org(org));
    std::iter::once(owned).chain(read).collect()
}

/// A file and its content, for who handed it in and for officers of the organisations that handle
/// the case; others do not learn that it exists. An officer's reading leaves an event.
pub async fn open(app: &App, actor: &Actor, id: FileId) -> Result<(File, Blob)> {
    let file = store::get(app.db().read(), id).await?;
    let gate = app.part::<Gate>()?;
    if !resources(&file)
        .iter()
        .any(|resource| actor.may(&gate, READ, resource).is_ok())
    {
        return Err(Error::NotFound { what: "file" });
    }
    let blobs = app.part::<Blobs>()?;
    let content = blobs.get(app.db(), &file.blob).await?;
    if actor.user.to_string() != file.owner_user {
        let (trace, read) = (actor.trace(), file.clone());
        app.db()
            .write(move |tx| {
                let (trace, read) = (trace.clone(), read.clone());
                async move {
                    let body = FileRead {
                        file: read.id.to_string(),
                        name: read.name,
                        digest: read.digest,
                        subject: read.subject.clone(),
                    };
                    tx.emit(format!("file:{}", read.id), trace, &body)
                }
            })
            .await?;
    }
    Ok((file, content))
}

/// Lets officers of these organisations (credit codes) read the files of a submitted subject, as
/// `case:0192…`; in the caller's transaction, and again whenever the organisations change.
pub async fn assign(tx: &Tx, subject: &str, orgs: &[String]) -> Result<()> {
    store::set_readers(tx, subject, orgs).await
}

/// Keeps a file that an officer or the system adds to a subject, as a notice or an opinion.
pub async fn attach(
    tx: &Tx,
    actor: &Actor,
    subject: &str,
    field: &str,
    orgs: &[String],
    arrived: &Upload,
) -> Result<File> {
    let id = FileId::at(tx.now());
    blob::keep(tx, arrived, &store::holder(id)).await?;
    let file = File {
        id,
        draft: None,
        owner_user: actor.user.to_string(),
        owner_party: actor.party().map(|party| party.id.to_string()),
        subject: Some(subject.to_owned()),
        readers: orgs.to_vec(),
        field: field.to_owned(),
        name: arrived.name.clone(),
        media_type: arrived.media_type.clone(),
        size: u64::try_from(arrived.size).unwrap_or_default(),
        digest: arrived.digest.clone(),
        blob: arrived.digest.clone(),
        created_at: clock::from_micros(clock::micros(tx.now())),
    };
    store::insert(tx, &file).await?;
    Ok(file)
}
