//! A publication and its entry of the catalog: what may be opened, and what follows when the
//! entry is published anew or withdrawn.

use ::store::{Tx, fault};
use catalog::resource::{Entry, store as entries};
use exchange::{
    data::Shape,
    hub::{above, publication::suspend_in, terms::Offer},
};
use kernel::{Finding, Result, Text, clock::micros};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, sea_query::OnConflict,
};

use crate::{
    agreement,
    event::Bound,
    said,
    schema::binding::{self as table, Model as Binding},
};

/// The binding of a publication.
pub(crate) async fn lookup(
    db: &impl ConnectionTrait,
    publication: &str,
) -> Result<Option<Binding>> {
    let row = table::Entity::find_by_id(publication).one(db).await;
    row.map_err(|e| fault("look up a binding", e).into())
}

/// All bindings, by publication.
pub(crate) async fn list(db: &impl ConnectionTrait) -> Result<Vec<Binding>> {
    let rows = table::Entity::find()
        .order_by_asc(table::Column::Publication)
        .all(db)
        .await;
    rows.map_err(|e| fault("list bindings", e).into())
}

async fn of_entry(db: &impl ConnectionTrait, entry: &str) -> Result<Vec<Binding>> {
    let rows = table::Entity::find()
        .filter(table::Column::Entry.eq(entry))
        .order_by_asc(table::Column::Publication)
        .all(db)
        .await;
    rows.map_err(|e| fault("list bindings of an entry", e).into())
}

async fn keep(tx: &Tx, row: Binding) -> Result<()> {
    use table::Column as C;
    let mut replace = OnConflict::column(C::Publication);
    replace.update_columns([
        C::Entry,
        C::Code,
        C::Number,
        C::Lake,
        C::Findings,
        C::CheckedAt,
    ]);
    table::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(replace)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("keep a binding", e))?;
    Ok(())
}

/// The entry that an offer names, or why there is none.
async fn entry(
    db: &impl ConnectionTrait,
    offer: &Offer<'_>,
) -> Result<std::result::Result<Entry, Finding>> {
    let finding = |text| Ok(Err(Finding::new("resource", text)));
    if offer.resource.is_empty() {
        return finding(Text::new("flow-entry-missing"));
    }
    let found = entries::of_code(db, offer.resource).await?;
    let found = found.filter(|entry| entry.is_public() && entry.origin.is_empty());
    match found {
        None => finding(Text::new("flow-entry-unknown").with("code", offer.resource)),
        Some(entry) if entry.provider != offer.org => finding(
            Text::new("flow-entry-foreign")
                .with("code", offer.resource)
                .with("provider", entry.provider_name),
        ),
        Some(entry) => Ok(Ok(entry)),
    }
}

/// Everything that forbids to open a publication.
pub(crate) async fn forbids(db: &impl ConnectionTrait, offer: &Offer<'_>) -> Result<Vec<Finding>> {
    let entry = match entry(db, offer).await? {
        Ok(entry) => entry,
        Err(finding) => return Ok(vec![finding]),
    };
    let metadata = entry.metadata()?;
    let mut findings = agreement::differences(&metadata, offer.shape);
    if findings.is_empty() {
        let id = agreement::table_name(offer.code);
        let before = lake::change::declared(db, &id).await?;
        findings.extend(changed_types(before.as_ref(), &metadata, offer));
    }
    Ok(findings)
}

/// The lake keeps the rows of a column in one type for ever.
fn changed_types(
    before: Option<&lake::Table>,
    metadata: &catalog::Metadata,
    offer: &Offer<'_>,
) -> Vec<Finding> {
    let Some(before) = before else {
        return Vec::new();
    };
    let table = agreement::table(&before.id, offer.org, metadata, offer.shape, Some(before));
    let changed = before.columns.iter().filter(|old| {
        let now = table.column(&old.id);
        now.is_some_and(|now| now.data_type() != old.data_type())
    });
    changed
        .map(|old| {
            let text = Text::new("flow-lake-type");
            Finding::new(format!("columns.{}", old.id), text)
        })
        .collect()
}

/// A publication was opened: it is bound to its entry, and the lake gets its table. Answers the
/// entry's id; none where the hub does without a catalog.
pub(crate) async fn opened(tx: &Tx, code: &str, who: &str) -> Result<Option<String>> {
    let Some(publication) = above::publication(&**tx, code).await? else {
        return Ok(None);
    };
    let shape = above::shape(&**tx, code).await?;
    let offer = Offer {
        code,
        org: &publication.org,
        resource: &publication.resource,
        shape: &shape,
    };
    match entry(&**tx, &offer).await? {
        Ok(entry) => {
            bind(tx, &offer, &entry, who).await?;
            Ok(Some(entry.id))
        }
        Err(_) => Ok(None),
    }
}

/// Compares the entry with what flows: either both agree and the lake's table follows the entry,
/// or the publication stops and says why.
async fn bind(tx: &Tx, offer: &Offer<'_>, entry: &Entry, who: &str) -> Result<()> {
    let findings = forbids(&**tx, offer).await?;
    let lake = agreement::table_name(offer.code);
    if findings.is_empty() {
        declare(tx, &lake, offer.org, entry, offer.shape).await?;
    } else {
        restrict(tx, &lake, entry).await?;
        suspend_in(tx, offer.code, who).await?;
    }
    let row = Binding {
        publication: offer.code.to_owned(),
        entry: entry.id.clone(),
        code: offer.resource.to_owned(),
        number: entry.number,
        lake,
        findings: said::write(&said::of_findings(&findings))?,
        checked_at: micros(tx.now()),
    };
    tell(tx, &row, findings.is_empty(), who)?;
    keep(tx, row).await
}

fn tell(tx: &Tx, row: &Binding, agrees: bool, who: &str) -> Result<()> {
    let body = Bound {
        publication: row.publication.clone(),
        resource: row.entry.clone(),
        code: row.code.clone(),
        number: row.number,
        table: row.lake.clone(),
        agrees,
    };
    tx.emit(format!("publication:{}", row.publication), who, &body)
}

async fn declare(tx: &Tx, id: &str, org: &str, entry: &Entry, shape: &Shape) -> Result<()> {
    let before = lake::change::declared(&**tx, id).await?;
    let table = agreement::table(id, org, &entry.metadata()?, shape, before.as_ref());
    lake::install(tx, &table).await.map(drop)
}

/// Nothing flows any more, but who reads what is there follows the entry.
async fn restrict(tx: &Tx, id: &str, entry: &Entry) -> Result<()> {
    let Some(table) = lake::change::declared(&**tx, id).await? else {
        return Ok(());
    };
    let table = agreement::restricted(&table, &entry.metadata()?);
    lake::install(tx, &table).await.map(drop)
}

/// Who reads the tables that are there follows their entries, also where they were declared by a
/// release that took less over from them.
pub(crate) async fn restrict_all(tx: &Tx) -> Result<()> {
    for row in list(&**tx).await? {
        if let Some(entry) = entries::of_code(&**tx, &row.code).await? {
            restrict(tx, &row.lake, &entry).await?;
        }
    }
    Ok(())
}

/// The publications that fill a table of the lake.
pub(crate) async fn of_table(db: &impl ConnectionTrait, lake: &str) -> Result<Vec<Binding>> {
    let rows = table::Entity::find()
        .filter(table::Column::Lake.eq(lake))
        .order_by_asc(table::Column::Publication)
        .all(db)
        .await;
    rows.map_err(|e| fault("list bindings of a table", e).into())
}

/// An entry was published anew: what flows under it is compared again.
pub(crate) async fn republished(tx: &Tx, entry: &str, who: &str) -> Result<()> {
    for row in of_entry(&**tx, entry).await? {
        opened(tx, &row.publication, who).await?;
    }
    Ok(())
}

/// An entry was withdrawn: what flows under it stops.
pub(crate) async fn withdrawn(tx: &Tx, entry: &str, who: &str) -> Result<()> {
    for row in of_entry(&**tx, entry).await? {
        suspend_in(tx, &row.publication, who).await?;
        let text = Text::new("flow-entry-withdrawn").with("code", &row.code);
        let findings = said::of_findings(&[Finding::new("resource", text)]);
        let row = Binding {
            findings: said::write(&findings)?,
            checked_at: micros(tx.now()),
            ..row
        };
        tell(tx, &row, false, who)?;
        keep(tx, row).await?;
    }
    Ok(())
}
