//! Granting a certificate: the row and its identifier in the caller's transaction, the file by a
//! job afterwards.

use ::store::Tx;
use chrono::{Days, NaiveDate, NaiveTime, TimeZone};
use identity::Party;
use kernel::{Error, Fault, Finding, Result, Text, clock, code};
use serde_json::{Map, Value};

use super::{Certificate, Status, store};
use crate::{CertificateId, event, job, kind};

/// Who issues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Unified social credit code.
    pub code: String,
    pub name: String,
}

/// What is granted to whom.
#[derive(Clone, Debug)]
pub struct Issue {
    pub type_code: String,
    pub holder: Party,
    pub issuer: Issuer,
    /// Values of the face by key; [`crate::CertificateType::face`] says which are needed.
    pub face: Map<String, Value>,
    /// Printed number; `None` takes the serial of the identifier behind the type's prefix.
    pub number: Option<String>,
    /// First day; `None` for the day of issue.
    pub valid_from: Option<NaiveDate>,
    /// Last day; `None` for the term of the type.
    pub valid_to: Option<NaiveDate>,
    pub case_no: Option<String>,
    /// Identifier of the certificate that this one renews or changes.
    pub replaces: Option<String>,
    /// How events name who does it, as [`identity::Actor::trace`].
    pub actor: String,
}

/// What was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    pub id: CertificateId,
    pub zzbs: String,
    pub number: String,
}

/// Grants a certificate in the caller's transaction. A case grants one of each type to a holder:
/// asked again, it answers the same.
pub async fn issue(tx: &Tx, issue: &Issue) -> Result<Issued> {
    let party = issue.holder.id.to_string();
    if let Some(case_no) = &issue.case_no {
        let known = store::lookup_of_case(&**tx, case_no, &issue.type_code, &party).await?;
        if let Some(known) = known.filter(|known| known.associated_zzbs == issue.replaces) {
            return Ok(Issued {
                id: known.id,
                zzbs: known.zzbs,
                number: known.number,
            });
        }
    }
    let kind = kind::get(&**tx, &issue.type_code).await?;
    kind.check_face(&issue.face)?;
    let today = clock::local_date(tx.now());
    let valid_from = issue.valid_from.unwrap_or(today);
    let valid_to = issue.valid_to.unwrap_or_else(|| kind.last_day(valid_from));
    if valid_to < valid_from {
        return Err(Error::invalid(
            "valid_to",
            Text::new("credential-term-backwards"),
        ));
    }
    let id = CertificateId::at(tx.now());
    let (zzbs, serial) = identifier(tx, issue, id).await?;
    let number = issue
        .number
        .clone()
        .unwrap_or_else(|| format!("{}{serial}", kind.number_prefix));
    let certificate = Certificate {
        id,
        zzbs: zzbs.clone(),
        type_code: kind.code.clone(),
        type_name: kind.name.clone(),
        type_name_en: kind.name_en.clone(),
        definition_id: kind::keep(tx, &kind).await?,
        number: number.clone(),
        holder_party: party,
        holder_kind: issue.holder.kind,
        holder_name: issue.holder.name.clone(),
        holder_code: issue.holder.code.clone(),
        issuer_code: issue.issuer.code.clone(),
        issuer_name: issue.issuer.name.clone(),
        face: issue.face.clone(),
        issued_on: today,
        valid_from,
        valid_to,
        status: Status::Valid,
        status_since: tx.now(),
        status_reason: String::new(),
        associated_zzbs: issue.replaces.clone(),
        case_no: issue.case_no.clone(),
        metadata: String::new(),
        signature: String::new(),
        key_id: String::new(),
        blob: None,
        size: None,
        digest: None,
        rendered_at: None,
        version: 1,
        created_at: tx.now(),
    };
    store::insert(tx, &certificate).await?;
    announce(tx, &certificate, &issue.actor)?;
    schedule(tx, &certificate).await?;
    Ok(Issued { id, zzbs, number })
}

/// The new identifier and its serial. A renewal keeps the serial, counts the version up and ends
/// the certificate before it.
async fn identifier(tx: &Tx, issue: &Issue, id: CertificateId) -> Result<(String, String)> {
    let Some(replaced) = &issue.replaces else {
        let serial = serial(tx, id);
        let zzbs = code::certificate::build(&issue.type_code, &issue.issuer.code, &serial, 1)
            .map_err(|e| Error::Invalid(vec![Finding::new("issuer", e.text())]))?;
        return Ok((zzbs.to_string(), serial));
    };
    let before = store::lookup_zzbs(&**tx, replaced)
        .await?
        .ok_or(Error::NotFound {
            what: "certificate",
        })?;
    if !before.status.may_become(Status::Expired) || before.type_code != issue.type_code {
        return Err(Error::refused("credential-not-replaceable"));
    }
    let old = code::certificate::parse(&before.zzbs)
        .map_err(|e| Fault::caused_by("read an identifier", e))?;
    let new = old
        .next_version()
        .map_err(|_| Error::refused("credential-not-replaceable"))?;
    let zzbs = new.to_string();
    let is_done = store::set_status(
        tx,
        before.id,
        before.version,
        Status::Expired,
        "换发",
        Some(&zzbs),
    )
    .await?;
    if !is_done {
        return Err(Error::refused("credential-changed"));
    }
    super::act::announce_status(tx, &before, Status::Expired, "换发", &issue.actor)?;
    Ok((zzbs, new.serial().to_owned()))
}

/// The day of issue and ten letters of the id's random part: unique without a counter that every
/// issue would wait for, and short enough to be read out.
fn serial(tx: &Tx, id: CertificateId) -> String {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let text = id.to_string().replace('-', "");
    let low = text
        .get(16..)
        .and_then(|hex| u64::from_str_radix(hex, 16).ok())
        .unwrap_or_default();
    let tail: String = (0..10)
        .filter_map(|place| {
            let index = usize::try_from((low >> (place * 5)) & 31).ok()?;
            LETTERS.get(index).map(|letter| char::from(*letter))
        })
        .collect();
    format!("{}{tail}", clock::local_date(tx.now()).format("%Y%m%d"))
}

fn announce(tx: &Tx, certificate: &Certificate, actor: &str) -> Result<()> {
    let body = event::Issued {
        id: certificate.id.to_string(),
        zzbs: certificate.zzbs.clone(),
        type_code: certificate.type_code.clone(),
        type_name: certificate.type_name.clone(),
        type_name_en: certificate.type_name_en.clone(),
        number: certificate.number.clone(),
        holder_party: certificate.holder_party.clone(),
        issuer_code: certificate.issuer_code.clone(),
        issuer_name: certificate.issuer_name.clone(),
        valid_from: certificate.valid_from.to_string(),
        valid_to: certificate.valid_to.to_string(),
        case_no: certificate.case_no.clone(),
    };
    tx.emit(format!("certificate:{}", certificate.id), actor, &body)
}

/// The render now, and one job for all certificates that end with the same day.
async fn schedule(tx: &Tx, certificate: &Certificate) -> Result<()> {
    tx.enqueue(&job::Render {
        id: certificate.id.to_string(),
    })?;
    if certificate.valid_to >= kind::FOR_EVER {
        return Ok(());
    }
    let last_day = certificate.valid_to.to_string();
    if store::note_expiry(tx, &last_day).await? {
        let due = morning_after(certificate.valid_to).unwrap_or_else(|| tx.now());
        tx.enqueue_at(due, &job::Expire { last_day })?;
    }
    Ok(())
}

/// Midnight in China that ends a day.
fn morning_after(day: NaiveDate) -> Option<chrono::DateTime<chrono::Utc>> {
    let next = day.checked_add_days(Days::new(1))?.and_time(NaiveTime::MIN);
    let offset = clock::local(chrono::DateTime::UNIX_EPOCH).timezone();
    Some(offset.from_local_datetime(&next).single()?.to_utc())
}
