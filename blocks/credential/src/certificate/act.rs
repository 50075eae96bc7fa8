//! What is done with certificates: looked at, verified, downloaded, used, and their status
//! changed.

use std::sync::Arc;

use ::store::Tx;
use chrono::NaiveDate;
use identity::{Actor, Gate, PartyKind, Resource};
use kernel::{Error, Result, Text, mask};
use sea_orm::ConnectionTrait;
use serde::Serialize;
use web::App;

use super::{
    Act, Certificate, Change, Status, Usage,
    store::{self, NewUse},
};
use crate::{CertificateId, event, part::Credentials, pdf};

const READ: &str = "credential.certificate.read";
const CHANGE: &str = "credential.status.change";
const SEARCH: &str = "credential.certificate.search";
const PAGE: u64 = 20;
const USES: u64 = 50;
const LONGEST_REASON: usize = 500;

/// The certificate as policies see it.
pub fn resource(certificate: &Certificate) -> Resource {
    Resource::new("Certificate", certificate.id)
        .owner(&certificate.holder_party)
        .org(&certificate.issuer_code)
}

/// The certificate, for its holder and officers of the issuing organisation; others do not learn
/// that it exists. Officers' looks are logged; holders' own are not.
pub async fn get(app: &App, actor: &Actor, id: CertificateId) -> Result<Certificate> {
    let certificate = store::get(app.db().read(), id).await?;
    let gate = app.part::<Gate>()?;
    actor
        .may(&gate, READ, &resource(&certificate))
        .map_err(|_| Error::NotFound {
            what: "certificate",
        })?;
    if actor.is_officer() {
        note(app, &certificate, Act::View, actor, "", None).await?;
    }
    Ok(certificate)
}

/// The certificates of the party that the actor acts for, newest first, and the key of the next
/// page.
pub async fn wallet(
    app: &App,
    actor: &Actor,
    after: Option<&str>,
) -> Result<(Vec<Certificate>, Option<String>)> {
    let Some(party) = actor.party() else {
        return Ok((Vec::new(), None));
    };
    let gate = app.part::<Gate>()?;
    actor.may(
        &gate,
        READ,
        &Resource::new("Certificate", "").owner(party.id),
    )?;
    let mut all =
        store::list_of_holder(app.db().read(), &party.id.to_string(), after, PAGE + 1).await?;
    let has_more = all.len() as u64 > PAGE;
    all.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let next = all
        .last()
        .filter(|_| has_more)
        .map(|last| last.id.to_string());
    Ok((all, next))
}

/// Certificates with exactly that identifier, number or holder's code, which the officer may see.
pub async fn search(app: &App, actor: &Actor, words: &str) -> Result<Vec<Certificate>> {
    let gate = app.part::<Gate>()?;
    actor.may(&gate, SEARCH, &Resource::system())?;
    let words = words.trim();
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = store::search(app.db().read(), words, PAGE).await?;
    found.retain(|certificate| actor.may(&gate, READ, &resource(certificate)).is_ok());
    Ok(found)
}

/// The log of uses, newest first.
pub async fn uses(app: &App, certificate: &Certificate, after: Option<&str>) -> Result<Vec<Usage>> {
    store::list_uses(app.db().read(), certificate.id, after, USES).await
}

/// What may be done to the certificate's status now by this actor.
pub fn changes(app: &App, actor: &Actor, certificate: &Certificate) -> Result<Vec<Change>> {
    let gate = app.part::<Gate>()?;
    if actor.may(&gate, CHANGE, &resource(certificate)).is_err() {
        return Ok(Vec::new());
    }
    let is_open = |change: &Change| certificate.status.may_become(change.status());
    // Resuming is the way back from a suspension only.
    Ok(Change::ALL.into_iter().filter(is_open).collect())
}

/// Changes the status by an officer's act, with a reason that the holder reads.
pub async fn change(
    app: &App,
    actor: &Actor,
    id: CertificateId,
    version: i64,
    change: Change,
    reason: &str,
) -> Result<Certificate> {
    let certificate = store::get(app.db().read(), id).await?;
    let gate = app.part::<Gate>()?;
    actor.may(&gate, CHANGE, &resource(&certificate))?;
    let reason = reason.trim().to_owned();
    if reason.is_empty() {
        return Err(Error::invalid(
            "reason",
            Text::new("credential-reason-missing"),
        ));
    }
    if reason.chars().count() > LONGEST_REASON {
        let text = Text::new("credential-reason-long").with("limit", LONGEST_REASON);
        return Err(Error::invalid("reason", text));
    }
    let trace = actor.trace();
    app.db()
        .write(move |tx| {
            let (reason, trace) = (reason.clone(), trace.clone());
            async move {
                let now = store::get(&*tx, id).await?;
                set_status(&tx, &now, version, change.status(), &reason, &trace).await?;
                store::get(&*tx, id).await
            }
        })
        .await
}

/// Changes the status in the caller's transaction, if it may change so and nobody was faster.
pub(crate) async fn set_status(
    tx: &Tx,
    certificate: &Certificate,
    version: i64,
    status: Status,
    reason: &str,
    actor: &str,
) -> Result<()> {
    if certificate.version != version {
        return Err(Error::refused("credential-changed"));
    }
    if !certificate.status.may_become(status) {
        return Err(Error::refused("credential-status-final"));
    }
    if !store::set_status(tx, certificate.id, version, status, reason, None).await? {
        return Err(Error::refused("credential-changed"));
    }
    announce_status(tx, certificate, status, reason, actor)
}

pub(crate) fn announce_status(
    tx: &Tx,
    certificate: &Certificate,
    to: Status,
    reason: &str,
    actor: &str,
) -> Result<()> {
    let body = event::StatusChanged {
        id: certificate.id.to_string(),
        zzbs: certificate.zzbs.clone(),
        type_code: certificate.type_code.clone(),
        type_name: certificate.type_name.clone(),
        type_name_en: certificate.type_name_en.clone(),
        number: certificate.number.clone(),
        holder_party: certificate.holder_party.clone(),
        issuer_code: certificate.issuer_code.clone(),
        from: certificate.status.code().to_owned(),
        to: to.code().to_owned(),
        reason: reason.to_owned(),
    };
    tx.emit(format!("certificate:{}", certificate.id), actor, &body)
}

/// The signed file, for those who may see the certificate. The download is logged.
pub async fn download(
    app: &App,
    actor: &Actor,
    id: CertificateId,
    purpose: &str,
) -> Result<(Certificate, Vec<u8>)> {
    let certificate = store::get(app.db().read(), id).await?;
    let gate = app.part::<Gate>()?;
    actor
        .may(&gate, READ, &resource(&certificate))
        .map_err(|_| Error::NotFound {
            what: "certificate",
        })?;
    let credentials = app.part::<Credentials>()?;
    let Some(blob) = &certificate.blob else {
        return Err(Error::refused("credential-not-rendered"));
    };
    let content = credentials.files.read(blob).await?;
    note(app, &certificate, Act::Download, actor, purpose, None).await?;
    Ok((certificate, content))
}

/// Logs that a certificate stood in for a material, in the caller's transaction.
pub async fn note_use(
    tx: &Tx,
    zzbs: &str,
    actor: &Actor,
    purpose: &str,
    case_no: &str,
) -> Result<()> {
    let certificate = store::lookup_zzbs(&**tx, zzbs)
        .await?
        .ok_or(Error::NotFound {
            what: "certificate",
        })?;
    let new = usage(&certificate, Act::Use, actor, purpose, Some(case_no));
    log(tx, &certificate, &new).await
}

async fn note(
    app: &App,
    certificate: &Certificate,
    act: Act,
    actor: &Actor,
    purpose: &str,
    case_no: Option<&str>,
) -> Result<()> {
    let new = usage(certificate, act, actor, purpose, case_no);
    let certificate = Arc::new(certificate.clone());
    app.db()
        .write(move |tx| {
            let (certificate, new) = (certificate.clone(), new.clone());
            async move { log(&tx, &certificate, &new).await }
        })
        .await
}

fn usage(
    certificate: &Certificate,
    act: Act,
    actor: &Actor,
    purpose: &str,
    case_no: Option<&str>,
) -> NewUse {
    let actor_name = match actor.posts.first() {
        Some(post) => post.org_name.clone(),
        None => mask::mask(mask::Kind::Name, mask::Profile::Internal, &actor.name),
    };
    NewUse {
        certificate: certificate.id,
        act,
        actor: actor.trace(),
        actor_name,
        purpose: purpose.chars().take(LONGEST_REASON).collect(),
        case_no: case_no.map(str::to_owned),
    }
}

async fn log(tx: &Tx, certificate: &Certificate, new: &NewUse) -> Result<()> {
    store::insert_use(tx, new).await?;
    if !matches!(new.act, Act::Download | Act::Use) {
        return Ok(());
    }
    let body = event::Used {
        id: certificate.id.to_string(),
        zzbs: certificate.zzbs.clone(),
        type_name: certificate.type_name.clone(),
        type_name_en: certificate.type_name_en.clone(),
        holder_party: certificate.holder_party.clone(),
        act: new.act.name().to_owned(),
        purpose: new.purpose.clone(),
        case_no: new.case_no.clone(),
    };
    tx.emit(format!("certificate:{}", certificate.id), &new.actor, &body)
}

/// Certificates of a holder that may be relied on today; `type_code` narrows them. For prefill
/// and for materials that need not be handed in.
pub async fn find_valid(
    connection: &impl ConnectionTrait,
    holder_code: &str,
    type_code: Option<&str>,
    today: NaiveDate,
) -> Result<Vec<Certificate>> {
    let mut found = store::list_in_force(connection, holder_code, type_code).await?;
    found.retain(|certificate| certificate.is_valid_on(today));
    Ok(found)
}

/// What anybody may know of an identifier or a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Relied on today.
    Valid(Shown),
    /// Issued here, but not to be relied on.
    Invalid(Shown),
    /// Not issued here.
    Unknown,
    /// The file names a certificate of ours but is not the file that we issued.
    Altered(Shown),
}

/// A certificate as strangers see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Shown {
    #[schema(example = "1.2.156.3005.2.11110000000000019K001.11110000000000019K.2025000001.001.D")]
    pub zzbs: String,
    pub type_name: String,
    pub type_name_en: String,
    pub number: String,
    /// Masked for persons.
    pub holder: String,
    pub holder_code: String,
    pub issuer: String,
    pub issued_on: NaiveDate,
    pub valid_from: NaiveDate,
    pub valid_to: NaiveDate,
    pub status: Status,
    /// Day since which the status holds.
    pub since: NaiveDate,
    /// Whether the SM2 signature of the metadata holds; `None` until the file is rendered.
    pub is_signed: Option<bool>,
}

/// The answer for an identifier; logged as a verification.
pub async fn verify(app: &App, zzbs: &str, actor: Option<&Actor>) -> Result<Verdict> {
    let Ok(zzbs) = kernel::code::certificate::parse(zzbs) else {
        return Ok(Verdict::Unknown);
    };
    let found = store::lookup_zzbs(app.db().read(), &zzbs.to_string()).await?;
    let Some(certificate) = found else {
        return Ok(Verdict::Unknown);
    };
    note_verification(app, &certificate, actor).await?;
    verdict(app, &certificate)
}

/// The answer for a file: the digest must be that of the file we made.
pub async fn verify_file(app: &App, file: &[u8], actor: Option<&Actor>) -> Result<Verdict> {
    let digest = hex::encode(kernel::crypto::sm3(file));
    if let Some(certificate) = store::lookup_digest(app.db().read(), &digest).await? {
        note_verification(app, &certificate, actor).await?;
        return verdict(app, &certificate);
    }
    let named = pdf::named_identifier(file);
    let found = match named {
        Some(zzbs) => store::lookup_zzbs(app.db().read(), &zzbs).await?,
        None => None,
    };
    Ok(match found {
        Some(certificate) => Verdict::Altered(shown(app, &certificate)?),
        None => Verdict::Unknown,
    })
}

fn verdict(app: &App, certificate: &Certificate) -> Result<Verdict> {
    let shown = shown(app, certificate)?;
    let is_sound = shown.is_signed != Some(false);
    let is_valid = certificate.is_valid_on(app.clock().today()) && is_sound;
    Ok(if is_valid {
        Verdict::Valid(shown)
    } else {
        Verdict::Invalid(shown)
    })
}

fn shown(app: &App, certificate: &Certificate) -> Result<Shown> {
    let credentials = app.part::<Credentials>()?;
    let today = app.clock().today();
    let status = certificate.status_on(today);
    let since = if status == certificate.status {
        kernel::clock::local_date(certificate.status_since)
    } else {
        certificate
            .valid_to
            .succ_opt()
            .unwrap_or(certificate.valid_to)
    };
    let holder_code = match certificate.holder_kind {
        PartyKind::Legal => certificate.holder_code.clone(),
        PartyKind::Natural => certificate.masked_holder_code(mask::Profile::Public),
    };
    Ok(Shown {
        zzbs: certificate.zzbs.clone(),
        type_name: certificate.type_name.clone(),
        type_name_en: certificate.type_name_en.clone(),
        number: certificate.number.clone(),
        holder: certificate.public_holder_name(),
        holder_code,
        issuer: certificate.issuer_name.clone(),
        issued_on: certificate.issued_on,
        valid_from: certificate.valid_from,
        valid_to: certificate.valid_to,
        status,
        since,
        is_signed: certificate
            .rendered_at
            .map(|_| credentials.is_signed(certificate)),
    })
}

async fn note_verification(
    app: &App,
    certificate: &Certificate,
    actor: Option<&Actor>,
) -> Result<()> {
    let new = NewUse {
        certificate: certificate.id,
        act: Act::Verify,
        actor: actor.map_or_else(|| "anonymous".to_owned(), Actor::trace),
        actor_name: String::new(),
        purpose: String::new(),
        case_no: None,
    };
    app.db()
        .write(move |tx| {
            let new = new.clone();
            async move { store::insert_use(&tx, &new).await }
        })
        .await
}
