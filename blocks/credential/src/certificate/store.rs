//! Queries on the tables of certificates and their uses.

use ::store::{Tx, fault};
use identity::PartyKind;
use kernel::{
    Error, Fault, Result,
    clock::{from_micros, micros},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};

use super::{Act, Certificate, Status, Usage};
use crate::{
    CertificateId,
    schema::{certificate as table, expiry, usage},
};

pub async fn insert(tx: &Tx, certificate: &Certificate) -> Result<()> {
    let c = certificate.clone();
    let face = serde_json::Value::Object(c.face).to_string();
    let row = table::ActiveModel {
        id: Set(c.id.to_string()),
        zzbs: Set(c.zzbs),
        type_code: Set(c.type_code),
        type_name_zh: Set(c.type_name),
        type_name_en: Set(c.type_name_en),
        definition_id: Set(c.definition_id),
        number: Set(c.number),
        holder_party: Set(c.holder_party),
        holder_kind: Set(kind_name(c.holder_kind).to_owned()),
        holder_name: Set(c.holder_name),
        holder_code: Set(c.holder_code),
        issuer_code: Set(c.issuer_code),
        issuer_name: Set(c.issuer_name),
        face: Set(face),
        issued_on: Set(c.issued_on.to_string()),
        valid_from: Set(c.valid_from.to_string()),
        valid_to: Set(c.valid_to.to_string()),
        status: Set(c.status.code().to_owned()),
        status_since: Set(micros(c.status_since)),
        status_reason: Set(c.status_reason),
        associated_zzbs: Set(c.associated_zzbs),
        case_no: Set(c.case_no),
        metadata: Set(c.metadata),
        signature: Set(c.signature),
        key_id: Set(c.key_id),
        blob: Set(c.blob),
        size: Set(c.size),
        digest: Set(c.digest),
        rendered_at: Set(c.rendered_at.map(micros)),
        version: Set(c.version),
        created_at: Set(micros(c.created_at)),
    };
    table::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("insert a certificate", e))?;
    Ok(())
}

fn kind_name(kind: PartyKind) -> &'static str {
    match kind {
        PartyKind::Natural => "natural",
        PartyKind::Legal => "legal",
    }
}

fn read(row: table::Model) -> Result<Certificate> {
    let day = |text: &str| {
        text.parse()
            .map_err(|e| Fault::caused_by("read a certificate's day", e))
    };
    let face = serde_json::from_str(&row.face)
        .map_err(|e| Fault::caused_by("read a certificate's face", e))?;
    Ok(Certificate {
        id: row
            .id
            .parse()
            .map_err(|e| Fault::caused_by("read a certificate", e))?,
        zzbs: row.zzbs,
        type_code: row.type_code,
        type_name: row.type_name_zh,
        type_name_en: row.type_name_en,
        definition_id: row.definition_id,
        number: row.number,
        holder_party: row.holder_party,
        holder_kind: if row.holder_kind == "natural" {
            PartyKind::Natural
        } else {
            PartyKind::Legal
        },
        holder_name: row.holder_name,
        holder_code: row.holder_code,
        issuer_code: row.issuer_code,
        issuer_name: row.issuer_name,
        face,
        issued_on: day(&row.issued_on)?,
        valid_from: day(&row.valid_from)?,
        valid_to: day(&row.valid_to)?,
        status: Status::from_code(&row.status).unwrap_or(Status::Other),
        status_since: from_micros(row.status_since),
        status_reason: row.status_reason,
        associated_zzbs: row.associated_zzbs,
        case_no: row.case_no,
        metadata: row.metadata,
        signature: row.signature,
        key_id: row.key_id,
        blob: row.blob,
        size: row.size,
        digest: row.digest,
        rendered_at: row.rendered_at.map(from_micros),
        version: row.version,
        created_at: from_micros(row.created_at),
    })
}

pub async fn get(connection: &impl ConnectionTrait, id: CertificateId) -> Result<Certificate> {
    let row = table::Entity::find_by_id(id.to_string())
        .one(connection)
        .await
        .map_err(|e| fault("read a certificate", e))?
        .ok_or(Error::NotFound {
            what: "certificate",
        })?;
    read(row)
}

async fn first(
    connection: &impl ConnectionTrait,
    query: sea_orm::Select<table::Entity>,
) -> Result<Option<Certificate>> {
    let row = query
        .one(connection)
        .await
        .map_err(|e| fault("look a certificate up", e))?;
    row.map(read).transpose()
}

pub async fn lookup_zzbs(
    connection: &impl ConnectionTrait,
    zzbs: &str,
) -> Result<Option<Certificate>> {
    first(
        connection,
        table::Entity::find().filter(table::Column::Zzbs.eq(zzbs)),
    )
    .await
}

pub async fn lookup_digest(
    connection: &impl ConnectionTrait,
    digest: &str,
) -> Result<Option<Certificate>> {
    first(
        connection,
        table::Entity::find().filter(table::Column::Digest.eq(digest)),
    )
    .await
}

/// The certificate of that type that the case already gave this holder.
pub async fn lookup_of_case(
    connection: &impl ConnectionTrait,
    case_no: &str,
    type_code: &str,
    holder_party: &str,
) -> Result<Option<Certificate>> {
    let query = table::Entity::find()
        .filter(table::Column::CaseNo.eq(case_no))
        .filter(table::Column::TypeCode.eq(type_code))
        .filter(table::Column::HolderParty.eq(holder_party))
        .order_by_desc(table::Column::Id);
    first(connection, query).await
}

async fn all(
    connection: &impl ConnectionTrait,
    query: sea_orm::Select<table::Entity>,
) -> Result<Vec<Certificate>> {
    let rows = query
        .all(connection)
        .await
        .map_err(|e| fault("list certificates", e))?;
    rows.into_iter().map(read).collect()
}

/// A holder's certificates, newest first, after an id.
pub async fn list_of_holder(
    connection: &impl ConnectionTrait,
    party: &str,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Certificate>> {
    let mut query = table::Entity::find().filter(table::Column::HolderParty.eq(party));
    if let Some(after) = after {
        query = query.filter(table::Column::Id.lt(after));
    }
    all(
        connection,
        query.order_by_desc(table::Column::Id).limit(limit),
    )
    .await
}

/// Certificates whose identifier, number or holder's code is exactly that, newest first.
pub async fn search(
    connection: &impl ConnectionTrait,
    words: &str,
    limit: u64,
) -> Result<Vec<Certificate>> {
    let any = table::Column::Zzbs
        .eq(words)
        .or(table::Column::Number.eq(words))
        .or(table::Column::HolderCode.eq(words));
    all(
        connection,
        table::Entity::find()
            .filter(any)
            .order_by_desc(table::Column::Id)
            .limit(limit),
    )
    .await
}

/// Certificates of a holder's code and type whose status is 01, newest first.
pub async fn list_in_force(
    connection: &impl ConnectionTrait,
    holder_code: &str,
    type_code: Option<&str>,
) -> Result<Vec<Certificate>> {
    let mut query = table::Entity::find()
        .filter(table::Column::HolderCode.eq(holder_code))
        .filter(table::Column::Status.eq(Status::Valid.code()));
    if let Some(type_code) = type_code {
        query = query.filter(table::Column::TypeCode.eq(type_code));
    }
    all(connection, query.order_by_desc(table::Column::Id)).await
}

/// Certificates still in force whose last day is that day or before, oldest id first.
pub async fn list_over(
    connection: &impl ConnectionTrait,
    last_day: &str,
    limit: u64,
) -> Result<Vec<Certificate>> {
    let open = [
        Status::Valid.code(),
        Status::Suspended.code(),
        Status::Transferring.code(),
    ];
    let query = table::Entity::find()
        .filter(table::Column::ValidTo.lte(last_day))
        .filter(table::Column::Status.is_in(open));
    all(
        connection,
        query
            .order_by_asc(table::Column::ValidTo)
            .order_by_asc(table::Column::Id)
            .limit(limit),
    )
    .await
}

/// What a render made.
#[derive(Clone, Debug)]
pub struct Rendered {
    pub metadata: String,
    pub signature: String,
    pub key_id: String,
    pub blob: String,
    pub size: i64,
    pub digest: String,
}

/// Keeps a render unless there is one already; tells whether it did.
pub async fn set_rendered(tx: &Tx, id: CertificateId, rendered: &Rendered) -> Result<bool> {
    let done = table::Entity::update_many()
        .col_expr(
            table::Column::Metadata,
            Expr::value(rendered.metadata.clone()),
        )
        .col_expr(
            table::Column::Signature,
            Expr::value(rendered.signature.clone()),
        )
        .col_expr(table::Column::KeyId, Expr::value(rendered.key_id.clone()))
        .col_expr(table::Column::Blob, Expr::value(rendered.blob.clone()))
        .col_expr(table::Column::Size, Expr::value(rendered.size))
        .col_expr(table::Column::Digest, Expr::value(rendered.digest.clone()))
        .col_expr(table::Column::RenderedAt, Expr::value(micros(tx.now())))
        .filter(table::Column::Id.eq(id.to_string()))
        .filter(table::Column::RenderedAt.is_null())
        .exec(&**tx)
        .await
        .map_err(|e| fault("keep a render", e))?;
    Ok(done.rows_affected == 1)
}

/// Changes the status if nobody did since `version`; tells whether it did.
pub async fn set_status(
    tx: &Tx,
    id: CertificateId,
    version: i64,
    status: Status,
    reason: &str,
    associated: Option<&str>,
) -> Result<bool> {
    let mut update = table::Entity::update_many()
        .col_expr(table::Column::Status, Expr::value(status.code()))
        .col_expr(table::Column::StatusSince, Expr::value(micros(tx.now())))
        .col_expr(table::Column::StatusReason, Expr::value(reason))
        .col_expr(
            table::Column::Version,
            Expr::col(table::Column::Version).add(1),
        );
    if let Some(associated) = associated {
        update = update.col_expr(table::Column::AssociatedZzbs, Expr::value(associated));
    }
    let done = update
        .filter(table::Column::Id.eq(id.to_string()))
        .filter(table::Column::Version.eq(version))
        .exec(&**tx)
        .await
        .map_err(|e| fault("change a certificate's status", e))?;
    Ok(done.rows_affected == 1)
}

/// Notes a last day; `true` if it was not known, and so has no job yet.
pub async fn note_expiry(tx: &Tx, last_day: &str) -> Result<bool> {
    let known = expiry::Entity::find_by_id(last_day.to_owned())
        .one(&**tx)
        .await
        .map_err(|e| fault("read a day of expiry", e))?;
    if known.is_some() {
        return Ok(false);
    }
    let row = expiry::ActiveModel {
        last_day: Set(last_day.to_owned()),
    };
    let inserted = expiry::Entity::insert(row)
        .on_conflict(
            OnConflict::column(expiry::Column::LastDay)
                .do_nothing()
                .to_owned(),
        )
        .try_insert()
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("note a day of expiry", e))?;
    Ok(matches!(inserted, sea_orm::TryInsertResult::Inserted(_)))
}

/// One line of the log of uses.
#[derive(Clone, Debug)]
pub struct NewUse {
    pub certificate: CertificateId,
    pub act: Act,
    pub actor: String,
    pub actor_name: String,
    pub purpose: String,
    pub case_no: Option<String>,
}

pub async fn insert_use(tx: &Tx, new: &NewUse) -> Result<()> {
    let row = usage::ActiveModel {
        id: Set(kernel::id::new_v7(tx.now()).to_string()),
        certificate_id: Set(new.certificate.to_string()),
        at: Set(micros(tx.now())),
        act: Set(new.act.name().to_owned()),
        actor: Set(new.actor.clone()),
        actor_name: Set(new.actor_name.clone()),
        purpose: Set(new.purpose.clone()),
        case_no: Set(new.case_no.clone()),
    };
    usage::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("log a use", e))?;
    Ok(())
}

/// Uses of a certificate, newest first, after an id.
pub async fn list_uses(
    connection: &impl ConnectionTrait,
    id: CertificateId,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Usage>> {
    let mut query = usage::Entity::find().filter(usage::Column::CertificateId.eq(id.to_string()));
    if let Some(after) = after {
        query = query.filter(usage::Column::Id.lt(after));
    }
    let rows = query
        .order_by_desc(usage::Column::Id)
        .limit(limit)
        .all(connection)
        .await
        .map_err(|e| fault("list uses", e))?;
    let line = |row: usage::Model| Usage {
        id: row.id,
        at: from_micros(row.at),
        act: row.act,
        actor_name: row.actor_name,
        purpose: row.purpose,
        case_no: row.case_no,
    };
    Ok(rows.into_iter().map(line).collect())
}
