//! Queries on entries, their versions and what was done to them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ::store::{
    Db, Engine, Tx, dialect, fault,
    page::{PageOf, PageRequest},
};
use kernel::{Error, Result, clock::micros};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait, Func},
};

use super::{Entry, Happening, State, Version};
use crate::{
    check::Facts,
    list::Exclusions,
    metadata::Metadata,
    schema::{class, happening, number, resource, version},
};

/// Which entries; empty restricts nothing.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Words of name, abstract, code, provider, items.
    pub q: String,
    pub state: Option<State>,
    pub provider: String,
    /// Beginning of the class.
    pub class: String,
    pub share_type: String,
    pub format_class: String,
    pub cycle: String,
    pub is_open: Option<bool>,
    /// Data that was not renewed in time.
    pub only_overdue: bool,
    /// Entries whose working copy does not pass the check.
    pub only_faulty: bool,
    /// Published ones only, and never those of other catalogs.
    pub only_public: bool,
    /// Drafts of these organisations are seen, too; none means of all.
    pub drafts_of: Option<Vec<String>>,
}

fn select(engine: Engine, filter: &Filter) -> Select<resource::Entity> {
    use resource::Column as C;
    let mut query = resource::Entity::find();
    let is_public = || C::Number.gt(0).and(C::State.ne(State::Withdrawn.name()));
    if filter.only_public {
        query = query.filter(is_public()).filter(C::Origin.eq(""));
    }
    if let Some(orgs) = &filter.drafts_of {
        let own = C::Provider.is_in(orgs.clone());
        query = query.filter(Condition::any().add(is_public()).add(own));
    }
    for word in filter.q.split_whitespace().take(8) {
        query = query.filter(dialect::contains(engine, C::Words, word));
    }
    for (column, value) in [
        (C::Provider, &filter.provider),
        (C::ShareType, &filter.share_type),
        (C::FormatClass, &filter.format_class),
        (C::Cycle, &filter.cycle),
    ] {
        if !value.is_empty() {
            query = query.filter(column.eq(value));
        }
    }
    if !filter.class.is_empty() {
        query = query.filter(C::Class.starts_with(&filter.class));
    }
    if let Some(state) = filter.state {
        query = query.filter(C::State.eq(state.name()));
    }
    if let Some(is_open) = filter.is_open {
        query = query.filter(C::IsOpen.eq(is_open));
    }
    if filter.only_overdue {
        query = query.filter(C::IsOverdue.eq(true)).filter(is_public());
    }
    if filter.only_faulty {
        query = query.filter(C::Errors.gt(0));
    }
    query
}

/// The newest first.
pub async fn list(db: &Db, filter: &Filter, page: &PageRequest) -> Result<PageOf<Entry>> {
    let mut query = select(db.engine(), filter)
        .order_by_desc(resource::Column::Id)
        .limit(page.fetch());
    if let Some(before) = &page.after {
        query = query.filter(resource::Column::Id.lt(before));
    }
    let rows = query.all(db.read()).await;
    let rows = rows.map_err(|e| fault("list the catalog", e))?;
    Ok(page.cut(rows, |row| row.id.clone()))
}

pub(crate) async fn count(db: &Db, filter: &Filter) -> Result<u64> {
    let count = select(db.engine(), filter).count(db.read()).await;
    Ok(count.map_err(|e| fault("count the catalog", e))?)
}

/// How many entries have each value of the columns by which one narrows a search.
#[derive(Clone, Debug, Default, serde::Serialize, utoipa::ToSchema)]
#[schema(as = CatalogFacets)]
pub struct Facets {
    #[schema(example = 128)]
    pub total: u64,
    /// Social credit code, name, entries.
    pub providers: Vec<(String, String, i64)>,
    /// By the second level of classes, as `101`.
    pub classes: BTreeMap<String, i64>,
    pub share_types: BTreeMap<String, i64>,
    pub states: BTreeMap<String, i64>,
    pub cycles: BTreeMap<String, i64>,
}

#[derive(FromQueryResult)]
struct Counted {
    value: String,
    count: i64,
}

pub(crate) async fn facets(db: &Db, filter: &Filter) -> Result<Facets> {
    use resource::Column as C;
    let by = async |column: C| -> Result<BTreeMap<String, i64>> {
        let rows = select(db.engine(), filter)
            .select_only()
            .column_as(column, "value")
            .column_as(C::Id.count(), "count")
            .group_by(column)
            .into_model::<Counted>()
            .all(db.read())
            .await;
        let rows = rows.map_err(|e| fault("count the catalog", e))?;
        Ok(rows.into_iter().map(|row| (row.value, row.count)).collect())
    };
    let mut classes = BTreeMap::new();
    for (class, count) in by(C::Class).await? {
        let group = class.get(..3).unwrap_or(&class).to_owned();
        *classes.entry(group).or_default() += count;
    }
    let providers = by(C::Provider).await?;
    let names = names(db, providers.keys()).await?;
    let mut providers: Vec<_> = providers
        .into_iter()
        .map(|(code, count)| {
            let name = names.get(&code).unwrap_or(&code).clone();
            (code, name, count)
        })
        .collect();
    providers.sort_by_key(|(code, _, count)| (-count, code.clone()));
    Ok(Facets {
        total: count(db, filter).await?,
        providers,
        classes,
        share_types: by(C::ShareType).await?,
        states: by(C::State).await?,
        cycles: by(C::Cycle).await?,
    })
}

async fn names(db: &Db, codes: impl Iterator<Item = &String>) -> Result<HashMap<String, String>> {
    use resource::Column as C;
    let rows: Vec<(String, Option<String>)> = resource::Entity::find()
        .select_only()
        .column(C::Provider)
        .expr(Func::max(Expr::col(C::ProviderName)))
        .filter(C::Provider.is_in(codes))
        .group_by(C::Provider)
        .into_tuple()
        .all(db.read())
        .await
        .map_err(|e| fault("list providers", e))?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|(code, name)| (code, name.unwrap_or_default()))
        .collect())
}

pub(crate) async fn lookup(db: &impl ConnectionTrait, id: &str) -> Result<Option<Entry>> {
    let row = resource::Entity::find_by_id(id).one(db).await;
    Ok(row.map_err(|e| fault("look up an entry", e))?)
}

pub(crate) async fn get(db: &impl ConnectionTrait, id: &str) -> Result<Entry> {
    let row = lookup(db, id).await?;
    row.ok_or(Error::NotFound { what: "resource" })
}

/// The entry of a code.
pub async fn of_code(db: &impl ConnectionTrait, code: &str) -> Result<Option<Entry>> {
    let row = resource::Entity::find()
        .filter(resource::Column::Code.eq(code))
        .one(db)
        .await;
    Ok(row.map_err(|e| fault("look up an entry", e))?)
}

/// Entries of a provider with these names.
pub(crate) async fn named(
    db: &impl ConnectionTrait,
    provider: &str,
    names: &[String],
) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    for part in names.chunks(500) {
        let rows = resource::Entity::find()
            .filter(resource::Column::Provider.eq(provider))
            .filter(resource::Column::Name.is_in(part))
            .order_by_asc(resource::Column::Id)
            .all(db)
            .await;
        found.extend(rows.map_err(|e| fault("look up entries", e))?);
    }
    Ok(found)
}

/// Rows of a statement: 28 columns each, below any engine's bound of parameters.
const ROWS: usize = 500;

pub(crate) async fn insert(tx: &Tx, rows: Vec<Entry>) -> Result<()> {
    for part in rows.chunks(ROWS) {
        let rows = part.iter().cloned().map(IntoActiveModel::into_active_model);
        resource::Entity::insert_many(rows)
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("write entries", e))?;
    }
    Ok(())
}

/// Writes the row under its next version; refused when somebody else was faster.
pub(crate) async fn update(tx: &Tx, row: Entry) -> Result<Entry> {
    let (id, seen) = (row.id.clone(), row.version);
    let next = Entry {
        version: seen + 1,
        updated_at: micros(tx.now()),
        ..row
    };
    let change = next.clone().into_active_model().reset_all();
    let done = resource::Entity::update_many()
        .set(change)
        .filter(resource::Column::Id.eq(id))
        .filter(resource::Column::Version.eq(seen))
        .exec(&**tx)
        .await
        .map_err(|e| fault("change an entry", e))?;
    if done.rows_affected == 0 {
        return Err(Error::refused("catalog-changed"));
    }
    Ok(next)
}

pub(crate) async fn remove(tx: &Tx, id: &str) -> Result<()> {
    let done = resource::Entity::delete_by_id(id).exec(&**tx).await;
    done.map_err(|e| fault("remove an entry", e))?;
    Ok(())
}

pub(crate) async fn insert_version(tx: &Tx, row: &Entry, actor: &str, reason: &str) -> Result<()> {
    let version = version::ActiveModel {
        resource: Set(row.id.clone()),
        number: Set(row.number),
        document: Set(row.document.clone()),
        actor: Set(actor.to_owned()),
        reason: Set(reason.to_owned()),
        published_at: Set(micros(tx.now())),
    };
    version::Entity::insert(version)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("write a version", e))?;
    Ok(())
}

/// All versions, the newest first.
pub async fn versions(db: &impl ConnectionTrait, id: &str) -> Result<Vec<Version>> {
    let rows = version::Entity::find()
        .filter(version::Column::Resource.eq(id))
        .order_by_desc(version::Column::Number)
        .all(db)
        .await;
    Ok(rows.map_err(|e| fault("list versions", e))?)
}

pub(crate) async fn note(
    tx: &Tx,
    resource: &str,
    actor: &str,
    act: &str,
    words: &str,
) -> Result<()> {
    let row = happening::ActiveModel {
        id: Set(::store::event::new_id(tx.now())),
        resource: Set(resource.to_owned()),
        at: Set(micros(tx.now())),
        actor: Set(actor.to_owned()),
        act: Set(act.to_owned()),
        words: Set(words.to_owned()),
    };
    row.insert(&**tx)
        .await
        .map_err(|e| fault("note an act", e))?;
    Ok(())
}

/// As [`note`], of many: id and act of each.
pub(crate) async fn note_all(
    tx: &Tx,
    acts: &[(String, &str)],
    actor: &str,
    words: &str,
) -> Result<()> {
    for part in acts.chunks(ROWS) {
        let rows = part.iter().map(|(resource, act)| happening::ActiveModel {
            id: Set(::store::event::new_id(tx.now())),
            resource: Set(resource.clone()),
            at: Set(micros(tx.now())),
            actor: Set(actor.to_owned()),
            act: Set((*act).to_owned()),
            words: Set(words.to_owned()),
        });
        happening::Entity::insert_many(rows)
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("note acts", e))?;
    }
    Ok(())
}

/// What was done to an entry or request, the newest first.
pub async fn happenings(db: &impl ConnectionTrait, id: &str) -> Result<Vec<Happening>> {
    let rows = happening::Entity::find()
        .filter(happening::Column::Resource.eq(id))
        .order_by_desc(happening::Column::Id)
        .limit(100)
        .all(db)
        .await;
    Ok(rows.map_err(|e| fault("list acts", e))?)
}

/// The next number of a class; none is given twice.
pub(crate) async fn next_number(tx: &Tx, front: &str) -> Result<i64> {
    let known = number::Entity::find_by_id(front).one(&**tx).await;
    let known = known.map_err(|e| fault("count in a class", e))?;
    let last = known.as_ref().map_or(0, |row| row.last) + 1;
    let row = number::ActiveModel {
        front: Set(front.to_owned()),
        last: Set(last),
    };
    let done = match known {
        Some(_) => row.update(&**tx).await,
        None => row.insert(&**tx).await,
    };
    done.map_err(|e| fault("count in a class", e))?;
    Ok(last)
}

/// What the rest of the catalog says of entries; `own` is the id each has, empty for new ones.
pub(crate) async fn facts(
    db: &impl ConnectionTrait,
    entries: &[(&str, &Metadata)],
) -> Result<Vec<Facts>> {
    let classes = known_classes(db, entries).await?;
    let exclusions = Exclusions::get(db).await?;
    let names = keyed(db, resource::Column::Name, entries, |e| e.name.clone()).await?;
    let codes = keyed(db, resource::Column::Code, entries, |e| e.code.clone()).await?;
    let twins = keyed(
        db,
        resource::Column::Fingerprint,
        entries,
        Metadata::fingerprint,
    )
    .await?;
    let mut all = Vec::new();
    for (own, entry) in entries {
        let other = |row: &&Brief| row.id != *own && row.state != State::Withdrawn.name();
        let namesake = |row: &&Brief| row.provider == entry.provider && row.name == entry.name;
        let of = |rows: &HashMap<String, Vec<Brief>>, key: &str| -> Vec<Brief> {
            rows.get(key).cloned().unwrap_or_default()
        };
        let twin = of(&twins, &entry.fingerprint());
        let mut facts = Facts {
            has_class: classes.contains(&entry.class),
            has_namesake: of(&names, &entry.name)
                .iter()
                .filter(other)
                .any(|row| namesake(&row)),
            twin: twin.iter().find(|row| other(row)).map(Brief::called),
            has_code_twin: of(&codes, &entry.code).iter().any(|row| row.id != *own),
            excluded: exclusions
                .basis(&entry.code, &entry.provider, &entry.name)
                .map(str::to_owned),
            ..Facts::default()
        };
        if !entry.related.is_empty() {
            relations(db, own, entry, &mut facts).await?;
        }
        all.push(facts);
    }
    Ok(all)
}

async fn known_classes(
    db: &impl ConnectionTrait,
    entries: &[(&str, &Metadata)],
) -> Result<BTreeSet<String>> {
    let asked: BTreeSet<_> = entries.iter().map(|(_, e)| e.class.as_str()).collect();
    let rows: Vec<String> = class::Entity::find()
        .select_only()
        .column(class::Column::Code)
        .filter(class::Column::Code.is_in(asked))
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("look up classes", e))?;
    Ok(rows.into_iter().collect())
}

#[derive(Clone, Debug, FromQueryResult)]
struct Brief {
    id: String,
    key: Option<String>,
    code: Option<String>,
    name: String,
    provider: String,
    state: String,
}

impl Brief {
    fn called(&self) -> String {
        self.code.clone().unwrap_or_else(|| self.name.clone())
    }
}

/// Entries that share a column's value with one of these, by that value.
async fn keyed(
    db: &impl ConnectionTrait,
    column: resource::Column,
    entries: &[(&str, &Metadata)],
    key: impl Fn(&Metadata) -> String,
) -> Result<HashMap<String, Vec<Brief>>> {
    use resource::Column as C;
    let keys: BTreeSet<_> = entries.iter().map(|(_, entry)| key(entry)).collect();
    let keys: Vec<_> = keys.into_iter().filter(|key| !key.is_empty()).collect();
    let mut found: HashMap<String, Vec<Brief>> = HashMap::new();
    for part in keys.chunks(1000) {
        let rows = resource::Entity::find()
            .select_only()
            .column_as(column, "key")
            .columns([C::Id, C::Code, C::Name, C::Provider, C::State])
            .filter(column.is_in(part))
            .into_model::<Brief>()
            .all(db)
            .await
            .map_err(|e| fault("look up entries", e))?;
        for row in rows {
            found
                .entry(row.key.clone().unwrap_or_default())
                .or_default()
                .push(row);
        }
    }
    Ok(found)
}

/// Steps that are followed along related codes.
const FAR: usize = 200;

async fn relations(
    db: &impl ConnectionTrait,
    own: &str,
    entry: &Metadata,
    facts: &mut Facts,
) -> Result<()> {
    let mut waiting: Vec<(String, bool)> =
        entry.related.iter().map(|c| (c.clone(), true)).collect();
    let mut seen = BTreeSet::new();
    while let Some((code, is_first)) = waiting.pop() {
        if seen.len() >= FAR || !seen.insert(code.clone()) {
            continue;
        }
        match of_code(db, &code).await? {
            Some(row) if row.id == own => facts.has_circle |= !is_first,
            Some(row) => {
                let further = row.metadata()?.related;
                waiting.extend(further.into_iter().map(|code| (code, false)));
            }
            None if is_first => facts.unknown_related.push(code),
            None => {}
        }
    }
    facts.unknown_related.sort();
    Ok(())
}
