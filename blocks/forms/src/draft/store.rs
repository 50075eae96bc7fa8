//! Queries on `forms_form` and `forms_draft`.

use chrono::{DateTime, Utc};
use kernel::{
    Error, Fault, Result,
    clock::{from_micros, micros},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, OnConflict},
};
use serde_json::Value;
use store::{Tx, fault};

use super::{Draft, DraftLine, NewDraft};
use crate::{
    DraftId, Form, Provenances,
    schema::{draft as table, form as form_table},
};

/// Writes a new draft in the caller's transaction.
pub async fn insert(tx: &Tx, new: &NewDraft) -> Result<DraftId> {
    let id = DraftId::at(tx.now());
    let form_id = keep_form(&**tx, &new.form).await?;
    let row = table::ActiveModel {
        id: Set(id.to_string()),
        owner_user: Set(new.owner_user.to_string()),
        owner_party: Set(new.owner_party.map(String::from)),
        subject: Set(new.subject.clone()),
        form_id: Set(form_id),
        answers: Set(new.answers.to_string()),
        answered: Set(new.values.to_string()),
        provenances: Set(text(&new.provenances)?),
        step: Set(String::new()),
        version: Set(1),
        submitted_as: Set(None),
        created_at: Set(micros(tx.now())),
        updated_at: Set(micros(tx.now())),
        expires_at: Set(micros(tx.now() + new.kept)),
    };
    table::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("insert a draft", e))?;
    Ok(id)
}

async fn keep_form(connection: &impl ConnectionTrait, form: &Form) -> Result<String> {
    let content = text(form)?;
    let id = hex::encode(kernel::crypto::sm3(content.as_bytes()));
    let row = form_table::ActiveModel {
        id: Set(id.clone()),
        content: Set(content),
    };
    form_table::Entity::insert(row)
        .on_conflict(
            OnConflict::column(form_table::Column::Id)
                .do_nothing()
                .to_owned(),
        )
        .try_insert()
        .exec_without_returning(connection)
        .await
        .map_err(|e| fault("keep a form", e))?;
    Ok(id)
}

/// The draft of that id, or not found. Does not authorise: for acts that already did.
pub async fn load(connection: &impl ConnectionTrait, id: DraftId) -> Result<Draft> {
    let row = table::Entity::find_by_id(id.to_string())
        .one(connection)
        .await
        .map_err(|e| fault("read a draft", e))?
        .ok_or(Error::NotFound { what: "draft" })?;
    let form = form_table::Entity::find_by_id(row.form_id.clone())
        .one(connection)
        .await
        .map_err(|e| fault("read a form", e))?
        .ok_or_else(|| Fault::new("the form of a draft is gone"))?;
    read(row, &form)
}

fn read(row: table::Model, form: &form_table::Model) -> Result<Draft> {
    Ok(Draft {
        id: row
            .id
            .parse()
            .map_err(|e| Fault::caused_by("read a draft", e))?,
        owner_user: row
            .owner_user
            .parse()
            .map_err(|e| Fault::caused_by("read a draft", e))?,
        owner_party: row
            .owner_party
            .map(|p| p.parse())
            .transpose()
            .map_err(|e| Fault::caused_by("read a draft", e))?,
        subject: row.subject,
        form: json(&form.content)?,
        form_id: row.form_id,
        answers: json(&row.answers)?,
        values: json(&row.answered)?,
        provenances: json(&row.provenances)?,
        step: row.step,
        version: row.version,
        submitted_as: row.submitted_as,
        created_at: from_micros(row.created_at),
        updated_at: from_micros(row.updated_at),
        expires_at: from_micros(row.expires_at),
    })
}

/// Writes answers if the draft still has that version and is open; tells whether it did.
pub async fn update(
    tx: &Tx,
    draft: &Draft,
    values: &Value,
    provenances: &Provenances,
    step: &str,
    expires_at: DateTime<Utc>,
) -> Result<bool> {
    let done = table::Entity::update_many()
        .col_expr(table::Column::Answered, Expr::value(values.to_string()))
        .col_expr(table::Column::Provenances, Expr::value(text(provenances)?))
        .col_expr(table::Column::Step, Expr::value(step))
        .col_expr(
            table::Column::Version,
            Expr::col(table::Column::Version).add(1),
        )
        .col_expr(table::Column::UpdatedAt, Expr::value(micros(tx.now())))
        .col_expr(table::Column::ExpiresAt, Expr::value(micros(expires_at)))
        .filter(table::Column::Id.eq(draft.id.to_string()))
        .filter(table::Column::Version.eq(draft.version))
        .filter(table::Column::SubmittedAs.is_null())
        .exec(&**tx)
        .await
        .map_err(|e| fault("save a draft", e))?;
    Ok(done.rows_affected == 1)
}

/// Closes a draft for the thing it became; tells whether it was open.
pub async fn close(tx: &Tx, id: DraftId, submitted_as: &str) -> Result<bool> {
    let done = table::Entity::update_many()
        .col_expr(table::Column::SubmittedAs, Expr::value(submitted_as))
        .col_expr(
            table::Column::Version,
            Expr::col(table::Column::Version).add(1),
        )
        .col_expr(table::Column::UpdatedAt, Expr::value(micros(tx.now())))
        .filter(table::Column::Id.eq(id.to_string()))
        .filter(table::Column::SubmittedAs.is_null())
        .exec(&**tx)
        .await
        .map_err(|e| fault("close a draft", e))?;
    Ok(done.rows_affected == 1)
}

pub async fn remove(tx: &Tx, id: DraftId) -> Result<()> {
    table::Entity::delete_by_id(id.to_string())
        .exec(&**tx)
        .await
        .map_err(|e| fault("remove a draft", e))?;
    Ok(())
}

/// Drafts that can be gone on with, of the party that a user acts for or else his own.
fn open_of(user: &str, party: Option<&str>, now: DateTime<Utc>) -> Condition {
    let owner = match party {
        Some(party) => table::Column::OwnerParty.eq(party),
        None => table::Column::OwnerUser
            .eq(user)
            .and(table::Column::OwnerParty.is_null()),
    };
    Condition::all()
        .add(owner)
        .add(table::Column::SubmittedAs.is_null())
        .add(table::Column::ExpiresAt.gt(micros(now)))
}

/// The latest open draft of a subject.
pub async fn lookup_open(
    connection: &impl ConnectionTrait,
    user: &str,
    party: Option<&str>,
    subject: &str,
    now: DateTime<Utc>,
) -> Result<Option<DraftId>> {
    let row = table::Entity::find()
        .filter(open_of(user, party, now))
        .filter(table::Column::Subject.eq(subject))
        .order_by_desc(table::Column::Id)
        .limit(1)
        .one(connection)
        .await
        .map_err(|e| fault("look for a draft", e))?;
    row.map(|row| {
        row.id
            .parse()
            .map_err(|e| Fault::caused_by("read a draft", e).into())
    })
    .transpose()
}

/// Open drafts of a user or of the party that he acts for, newest first, after a key
/// `<micros>.<id>`.
pub async fn list(
    connection: &impl ConnectionTrait,
    user: &str,
    party: Option<&str>,
    now: DateTime<Utc>,
    after: Option<(i64, &str)>,
    limit: u64,
) -> Result<Vec<DraftLine>> {
    let mut query = table::Entity::find().filter(open_of(user, party, now));
    if let Some((at, id)) = after {
        let earlier = table::Column::UpdatedAt.lt(at);
        let same = table::Column::UpdatedAt
            .eq(at)
            .and(table::Column::Id.lt(id));
        query = query.filter(Condition::any().add(earlier).add(same));
    }
    let rows = query
        .order_by_desc(table::Column::UpdatedAt)
        .order_by_desc(table::Column::Id)
        .limit(limit)
        .all(connection)
        .await
        .map_err(|e| fault("list drafts", e))?;
    let ids: Vec<_> = rows.iter().map(|row| row.form_id.clone()).collect();
    let forms = form_table::Entity::find()
        .filter(form_table::Column::Id.is_in(ids))
        .all(connection)
        .await
        .map_err(|e| fault("list drafts", e))?;
    rows.into_iter()
        .map(|row| {
            let form = forms.iter().find(|form| form.id == row.form_id);
            let form: Form = json(
                &form
                    .ok_or_else(|| Fault::new("the form of a draft is gone"))?
                    .content,
            )?;
            Ok(DraftLine {
                id: row
                    .id
                    .parse()
                    .map_err(|e| Fault::caused_by("read a draft", e))?,
                subject: row.subject,
                title_en: form.title.english().to_owned(),
                title: form.title.zh,
                step: row.step,
                updated_at: from_micros(row.updated_at),
                expires_at: from_micros(row.expires_at),
            })
        })
        .collect()
}

/// Drafts whose time is over, oldest first.
pub async fn expired(tx: &Tx, limit: u64) -> Result<Vec<DraftId>> {
    let rows = table::Entity::find()
        .filter(table::Column::ExpiresAt.lte(micros(tx.now())))
        .filter(table::Column::SubmittedAs.is_null())
        .order_by_asc(table::Column::ExpiresAt)
        .limit(limit)
        .all(&**tx)
        .await
        .map_err(|e| fault("list expired drafts", e))?;
    rows.into_iter()
        .map(|row| {
            row.id
                .parse()
                .map_err(|e| Fault::caused_by("read a draft", e).into())
        })
        .collect()
}

fn text(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Fault::caused_by("write JSON", e).into())
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| Fault::caused_by("read JSON", e).into())
}
