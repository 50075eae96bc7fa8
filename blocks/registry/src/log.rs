//! Who read whose record, and for what.

use identity::{Actor, Gate, Resource};
use kernel::{
    Error, Result,
    clock::{from_micros, micros},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use store::{
    Tx, fault,
    page::{PageOf, PageRequest},
};
use web::App;

use crate::{
    Declaration, Registries, event, oversight,
    record::{Row, store as records},
    schema::{self, read as table},
};

/// One look at a record.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Look {
    pub id: String,
    pub registry: String,
    pub record: String,
    pub at: chrono::DateTime<chrono::Utc>,
    #[schema(example = "11321000990000033R")]
    pub reader_org: String,
    pub reader_org_name: String,
    #[schema(example = "食品经营许可核验")]
    pub purpose: String,
    /// Whether sensitive values were shown in full.
    pub is_unmasked: bool,
}

fn org_of(actor: &Actor) -> (String, String) {
    let post = actor.posts.first();
    post.map_or_else(Default::default, |p| (p.org.clone(), p.org_name.clone()))
}

/// Keeps a look at a record, with its event, before the values go out.
pub(crate) async fn note(
    app: &App,
    actor: &Actor,
    declaration: &Declaration,
    record: &str,
    purpose: &str,
    is_unmasked: bool,
) -> Result<()> {
    let (org, org_name) = org_of(actor);
    let body = event::Read {
        registry: declaration.id.clone(),
        record: record.to_owned(),
        reader_org: org,
        purpose: purpose.chars().take(200).collect(),
        is_unmasked,
    };
    let who = actor.trace();
    app.db()
        .write(move |tx| {
            let (body, who, org_name) = (body.clone(), who.clone(), org_name.clone());
            async move { keep(&tx, vec![body], &who, &org_name).await }
        })
        .await
}

/// Writes looks of one reader with their events.
async fn keep(tx: &Tx, looks: Vec<event::Read>, who: &str, org_name: &str) -> Result<()> {
    let rows: Vec<_> = looks
        .iter()
        .map(|look| table::ActiveModel {
            id: Set(::store::event::new_id(tx.now())),
            registry: Set(look.registry.clone()),
            record: Set(look.record.clone()),
            at: Set(micros(tx.now())),
            reader: Set(who.to_owned()),
            reader_org: Set(look.reader_org.clone()),
            reader_org_name: Set(org_name.to_owned()),
            purpose: Set(look.purpose.clone()),
            is_unmasked: Set(look.is_unmasked),
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    table::Entity::insert_many(rows)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("note looks at records", e))?;
    for look in &looks {
        tx.emit(format!("record:{}", look.record), who, look)?;
    }
    Ok(())
}

/// Keeps that somebody searched, and with `is_look` a look at each record that was found.
pub(crate) async fn note_search(
    app: &App,
    actor: &Actor,
    declaration: &Declaration,
    found: Vec<String>,
    is_look: bool,
) -> Result<()> {
    let (org, org_name) = org_of(actor);
    let body = event::Searched {
        registry: declaration.id.clone(),
        reader_org: org.clone(),
        rows: found.len(),
    };
    let looked = if is_look { found } else { Vec::new() };
    let looks: Vec<_> = looked
        .into_iter()
        .map(|record| event::Read {
            registry: declaration.id.clone(),
            record,
            reader_org: org.clone(),
            purpose: String::new(),
            is_unmasked: false,
        })
        .collect();
    let who = actor.trace();
    app.db()
        .write(move |tx| {
            let (body, looks) = (body.clone(), looks.clone());
            let (who, org_name) = (who.clone(), org_name.clone());
            async move {
                keep(&tx, looks, &who, &org_name).await?;
                tx.emit(format!("registry:{}", body.registry), who, &body)
            }
        })
        .await
}

fn read(row: table::Model) -> Look {
    Look {
        id: row.id,
        registry: row.registry,
        record: row.record,
        at: from_micros(row.at),
        reader_org: row.reader_org,
        reader_org_name: row.reader_org_name,
        purpose: row.purpose,
        is_unmasked: row.is_unmasked,
    }
}

async fn list(
    db: &impl ConnectionTrait,
    records: &[String],
    page: &PageRequest,
) -> Result<PageOf<Look>> {
    let mut query = table::Entity::find()
        .filter(table::Column::Record.is_in(records.iter().map(String::as_str)));
    if let Some(after) = &page.after {
        query = query.filter(table::Column::Id.lt(after));
    }
    let rows = query
        .order_by_desc(table::Column::Id)
        .limit(page.fetch())
        .all(db)
        .await
        .map_err(|e| fault("list looks at records", e))?;
    let page = page.cut(rows, |row| row.id.clone());
    Ok(page.map(read))
}

/// Who read a record, newest first; for those who watch over reading.
pub async fn of_record(
    app: &App,
    actor: &Actor,
    registry_id: &str,
    record: &str,
    page: &PageRequest,
) -> Result<PageOf<Look>> {
    let registries = app.part::<Registries>()?;
    let declaration = registries.declaration(app.db().read(), registry_id).await?;
    let resource = oversight::registry(app, &declaration).await?;
    actor.may(&*app.part::<Gate>()?, "registry.reads", &resource)?;
    list(app.db().read(), &[record.to_owned()], page).await
}

/// A record about the person or firm that asks.
#[derive(Clone, Debug)]
pub struct Own {
    pub declaration: std::sync::Arc<Declaration>,
    pub row: Row,
}

/// The records about the party that the actor acts for, in every registry.
pub async fn own_records(app: &App, actor: &Actor) -> Result<Vec<Own>> {
    let party = actor.party().cloned().ok_or_else(|| Error::Forbidden {
        action: "registry.own".into(),
    })?;
    let resource = Resource::new("Party", party.id).owner(party.id);
    actor.may(&*app.part::<Gate>()?, "registry.own", &resource)?;
    let registries = app.part::<Registries>()?;
    let db = app.db().read();
    let mut own = Vec::new();
    for row in schema::declarations(db).await? {
        let declaration = registries.declaration(db, &row.id).await?;
        let Some(subject) = &declaration.subject else {
            continue;
        };
        let rows = records::find_by_field(db, &declaration, subject, &party.code).await?;
        own.extend(rows.into_iter().map(|row| Own {
            declaration: declaration.clone(),
            row,
        }));
    }
    Ok(own)
}

/// The same with the records that a merge joined with them, each once: looks at them, before the
/// merge and after it, were looks at the same person.
pub async fn own_group(app: &App, actor: &Actor) -> Result<Vec<Own>> {
    let db = app.db().read();
    let now = micros(app.clock().now());
    let mut all: Vec<Own> = Vec::new();
    for own in own_records(app, actor).await? {
        let declaration = &own.declaration;
        let mut head = own.row;
        while let Some(into) = &head.merged_into {
            let row = records::lookup(db, declaration, into).await?;
            head = row.ok_or(Error::NotFound { what: "record" })?;
        }
        let groups = records::groups(db, &[head.id], now).await?;
        for id in groups.into_values().flatten() {
            let is_there = |one: &Own| one.declaration.id == declaration.id && one.row.id == id;
            if all.iter().any(is_there) {
                continue;
            }
            let row = records::lookup(db, declaration, &id).await?;
            all.extend(row.map(|row| Own {
                declaration: declaration.clone(),
                row,
            }));
        }
    }
    Ok(all)
}

/// Who read the records about the party that the actor acts for, newest first.
pub async fn of_own(app: &App, actor: &Actor, page: &PageRequest) -> Result<PageOf<Look>> {
    let records: Vec<String> = own_group(app, actor)
        .await?
        .into_iter()
        .map(|own| own.row.id)
        .collect();
    list(app.db().read(), &records, page).await
}
