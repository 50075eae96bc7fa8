//! Queries on feeds, on batches on their way into registries, and on rows that these refused.

use ::store::{
    Tx, fault,
    page::{PageOf, PageRequest, key_of},
};
use kernel::{Error, Fault, Result, Text, clock::micros};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, sea_query::OnConflict,
};

use super::{Feed, Feeding};
use crate::{
    batch::State,
    schema::{feed, feeding, refusal},
};

fn read(row: &feed::Model) -> Result<Feed> {
    serde_json::from_str(&row.document).map_err(|e| Fault::caused_by("read a feed", e).into())
}

/// Keeps a feed; answers whether it is new or changed.
pub(crate) async fn keep(tx: &Tx, said: &Feed) -> Result<bool> {
    use feed::Column as C;
    let id = (said.registry.clone(), said.publication.clone());
    let known = feed::Entity::find_by_id(id)
        .one(&**tx)
        .await
        .map_err(|e| fault("look up a feed", e))?;
    if known.as_ref().map(read).transpose()?.as_ref() == Some(said) {
        return Ok(false);
    }
    let document = serde_json::to_string(said).map_err(|e| Fault::caused_by("write a feed", e))?;
    let row = feed::Model {
        registry: said.registry.clone(),
        publication: said.publication.clone(),
        source: said.source.clone(),
        document,
        updated_at: micros(tx.now()),
    };
    let mut replace = OnConflict::columns([C::Registry, C::Publication]);
    replace.update_columns([C::Source, C::Document, C::UpdatedAt]);
    feed::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(replace)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("keep a feed", e))?;
    Ok(true)
}

/// The feeds of a publication, by registry.
pub(crate) async fn of_publication(
    db: &impl ConnectionTrait,
    publication: &str,
) -> Result<Vec<Feed>> {
    let rows = feed::Entity::find()
        .filter(feed::Column::Publication.eq(publication))
        .order_by_asc(feed::Column::Registry)
        .all(db)
        .await
        .map_err(|e| fault("list feeds", e))?;
    rows.iter().map(read).collect()
}

pub(crate) async fn insert(tx: &Tx, row: Feeding) -> Result<()> {
    use feeding::Column as C;
    let there = OnConflict::columns([C::Registry, C::Batch])
        .do_nothing()
        .to_owned();
    feeding::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(there)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("note a batch for a registry", e))?;
    Ok(())
}

pub(crate) async fn update(tx: &Tx, row: Feeding) -> Result<()> {
    feeding::Entity::update(row.into_active_model().reset_all())
        .exec(&**tx)
        .await
        .map_err(|e| fault("note how far a registry is", e))?;
    Ok(())
}

pub(crate) async fn get(db: &impl ConnectionTrait, registry: &str, batch: &str) -> Result<Feeding> {
    let row = feeding::Entity::find_by_id((registry.to_owned(), batch.to_owned()))
        .one(db)
        .await
        .map_err(|e| fault("look up a batch for a registry", e))?;
    row.ok_or(Error::NotFound { what: "batch" })
}

/// What a registry has to take next of a publication.
pub(crate) async fn next(
    db: &impl ConnectionTrait,
    registry: &str,
    publication: &str,
) -> Result<Option<Feeding>> {
    use feeding::Column as C;
    let open = [State::Waiting.name(), State::Failed.name()];
    feeding::Entity::find()
        .filter(C::Registry.eq(registry))
        .filter(C::Publication.eq(publication))
        .filter(C::State.is_in(open))
        .order_by_asc(C::Sequence)
        .limit(1)
        .one(db)
        .await
        .map_err(|e| fault("find what a registry takes next", e).into())
}

/// The version of the lake's table that a registry has.
pub(crate) async fn version(
    db: &impl ConnectionTrait,
    registry: &str,
    publication: &str,
) -> Result<Option<i64>> {
    use feeding::Column as C;
    let version: Option<i64> = feeding::Entity::find()
        .select_only()
        .column(C::Version)
        .filter(C::Registry.eq(registry))
        .filter(C::Publication.eq(publication))
        .filter(C::State.eq(State::Loaded.name()))
        .order_by_desc(C::Sequence)
        .limit(1)
        .into_tuple()
        .one(db)
        .await
        .map_err(|e| fault("find how far a registry is", e))?;
    Ok(version)
}

/// What became of these batches in registries.
pub(crate) async fn of_batches(
    db: &impl ConnectionTrait,
    batches: &[String],
) -> Result<Vec<Feeding>> {
    feeding::Entity::find()
        .filter(feeding::Column::Batch.is_in(batches))
        .order_by_asc(feeding::Column::Registry)
        .all(db)
        .await
        .map_err(|e| fault("list what registries took", e).into())
}

pub(crate) async fn insert_refusals(tx: &Tx, rows: Vec<refusal::Model>) -> Result<()> {
    let there = OnConflict::new().do_nothing().to_owned();
    for some in rows.chunks(500) {
        let some: Vec<_> = some
            .iter()
            .map(|row| row.clone().into_active_model().reset_all())
            .collect();
        refusal::Entity::insert_many(some)
            .on_conflict(there.clone())
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("keep refused rows", e))?;
    }
    Ok(())
}

/// Rows that a registry refused of a batch, by row.
pub(crate) async fn refusals(
    db: &impl ConnectionTrait,
    registry: &str,
    batch: &str,
    page: &PageRequest,
) -> Result<PageOf<refusal::Model>> {
    use refusal::Column as C;
    let mut query = refusal::Entity::find()
        .filter(C::Registry.eq(registry))
        .filter(C::Batch.eq(batch));
    if let Some([row, field]) = page.after_parts::<2>() {
        let foreign = |_| Error::invalid("after", Text::new("exchange-after-foreign"));
        let row: i64 = row.parse().map_err(foreign)?;
        let same = Condition::all().add(C::Row.eq(row)).add(C::Field.gt(field));
        query = query.filter(Condition::any().add(C::Row.gt(row)).add(same));
    }
    let rows = query
        .order_by_asc(C::Row)
        .order_by_asc(C::Field)
        .limit(page.fetch())
        .all(db)
        .await
        .map_err(|e| fault("list refused rows", e))?;
    Ok(page.cut(rows, |row| key_of([&row.row, &row.field])))
}
