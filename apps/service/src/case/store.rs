//! Queries on the tables of cases.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use kernel::{
    Error, Fault, Result,
    clock::{from_micros, micros},
};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::OnConflict,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use store::{Late, Tx, fault};

use super::{CaseId, Channel, Facts, State, schema};

/// Stands for "no date matters now", so that lists ordered by date have no empty keys.
const NO_DUE: &str = "9999-12-31";

/// Who applies, as known when the application was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Applicant {
    /// Party of the register; absent for walk-ins who have no account.
    pub party: Option<String>,
    /// `natural` or `legal`.
    pub kind: String,
    pub name: String,
    /// Citizen number or unified social credit code; masked before it is shown.
    pub code: String,
    pub phone: String,
    pub address: String,
}

/// A case with everything in its row.
#[derive(Clone, Debug)]
pub struct Case {
    pub id: CaseId,
    pub number: String,
    pub parent: Option<CaseId>,
    pub parent_number: Option<String>,
    pub part: i32,
    pub is_theme: bool,
    pub matter_code: String,
    pub matter_name: String,
    pub matter_version: i32,
    pub applicant: Applicant,
    pub agent: String,
    pub agent_name: String,
    pub channel: Channel,
    pub region: String,
    pub org: String,
    pub org_name: String,
    pub facts: Facts,
    pub answers: std::collections::BTreeMap<String, String>,
    pub form: Option<String>,
    pub data: serde_json::Value,
    pub provenance: serde_json::Value,
    pub plan: Vec<Planned>,
    pub process: Option<String>,
    pub instance: Option<String>,
    pub call: Option<String>,
    pub certificate: Option<String>,
    pub idempotency_key: String,
    pub query: Query,
    pub version: i32,
}

/// A sub-case to come: everything that it will be made of, so that a version published meanwhile
/// changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Planned {
    /// Name by which the theme's process calls it.
    pub key: String,
    pub matter_code: String,
    pub matter_name: String,
    pub matter_version: i32,
    pub org: String,
    pub org_name: String,
    pub region: String,
    pub process: Option<String>,
    pub form: Option<String>,
    /// Its part of the merged form's values.
    pub data: serde_json::Value,
    /// Keys of the materials that it uses.
    pub materials: Vec<String>,
    pub terms: super::Terms,
}

/// The query password, hashed, and how often it was guessed wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub salt: String,
    pub hash: String,
    pub failures: i32,
    pub locked_until: DateTime<Utc>,
}

impl Case {
    pub fn state(&self) -> State {
        self.facts.state
    }

    /// The light of today. The results of sub-cases are delivered with their parent, so a closed
    /// one has no clock of its own.
    pub fn signal(
        &self,
        today: NaiveDate,
        calendar: &kernel::Calendar,
    ) -> Result<super::due::Signal> {
        if self.parent.is_some() && self.state() == State::Closed {
            return Ok(super::due::Signal::default());
        }
        Ok(super::due::signal(&self.facts, today, calendar)?)
    }

    fn due_on(&self) -> String {
        self.facts
            .due()
            .map_or_else(|| NO_DUE.to_owned(), |due| due.to_string())
    }

    /// Whether people still have something to do: sub-cases and parents alike.
    fn is_open(&self) -> bool {
        !self.facts.state.is_final()
    }
}

/// What a write does to cases, written together at its end: a step of a process changes a case
/// many times, and the last time counts. Content is what the write remembers of the case.
#[derive(Default)]
struct Gathered {
    /// The version in the table of a case that is there already.
    cases: BTreeMap<CaseId, Option<i32>>,
    entries: Vec<schema::entry::ActiveModel>,
    opinions: Vec<schema::opinion::ActiveModel>,
    notices: Vec<schema::notice::ActiveModel>,
}

/// Rows of one statement at the most; engines bound the number of its parameters.
const ROWS: usize = 200;

impl Gathered {
    fn new_ids(&self) -> Vec<CaseId> {
        let new = self.cases.iter().filter(|(_, seen)| seen.is_none());
        new.map(|(id, _)| *id).collect()
    }
}

#[async_trait]
impl Late for Gathered {
    async fn write(self, tx: &Tx) -> Result<()> {
        let mut new = Vec::new();
        for (id, seen) in self.cases {
            let Some(case) = tx.recall::<Case>(&id.to_string()) else {
                return Err(Fault::new("a case was changed and forgotten").into());
            };
            match seen {
                Some(seen) => write_checked(tx, &case, seen).await?,
                None => new.push(active(&case)?),
            }
        }
        insert_all::<schema::case::Entity, _>(tx, new, "write cases").await?;
        insert_all::<schema::entry::Entity, _>(tx, self.entries, "write the timeline").await?;
        insert_all::<schema::opinion::Entity, _>(tx, self.opinions, "write opinions").await?;
        insert_all::<schema::notice::Entity, _>(tx, self.notices, "write notices").await
    }
}

async fn insert_all<E, A>(tx: &Tx, rows: Vec<A>, what: &'static str) -> Result<()>
where
    E: EntityTrait,
    A: sea_orm::ActiveModelTrait<Entity = E> + Send,
{
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        E::insert_many(rows.by_ref().take(ROWS))
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault(what, e))?;
    }
    Ok(())
}

/// Writes a new case at the end of this write. A case whose number or key is taken is a fault of
/// the write.
pub fn insert(tx: &Tx, case: &Case) {
    tx.later(|rows: &mut Gathered| rows.cases.insert(case.id, None));
    tx.remember(case.id.to_string(), case.clone());
    if let (Some(parent), Some(mut parts)) = (case.parent, parts_known(tx, case)) {
        parts.0.push(case.id);
        tx.remember(parent.to_string(), parts);
    }
}

fn parts_known(tx: &Tx, case: &Case) -> Option<Parts> {
    tx.recall(&case.parent?.to_string())
}

fn active(case: &Case) -> Result<schema::case::ActiveModel> {
    Ok(schema::case::ActiveModel {
        id: Set(case.id.to_string()),
        number: Set(case.number.clone()),
        parent_id: Set(case.parent.map(String::from)),
        parent_number: Set(case.parent_number.clone()),
        part: Set(case.part),
        is_theme: Set(case.is_theme),
        matter_code: Set(case.matter_code.clone()),
        matter_name: Set(case.matter_name.clone()),
        matter_version: Set(case.matter_version),
        party_id: Set(case.applicant.party.clone()),
        party_kind: Set(case.applicant.kind.clone()),
        party_name: Set(case.applicant.name.clone()),
        party_code: Set(case.applicant.code.clone()),
        party_phone: Set(case.applicant.phone.clone()),
        party_address: Set(case.applicant.address.clone()),
        agent_id: Set(case.agent.clone()),
        agent_name: Set(case.agent_name.clone()),
        channel: Set(case.channel.code().to_owned()),
        region: Set(case.region.clone()),
        org: Set(case.org.clone()),
        org_name: Set(case.org_name.clone()),
        state: Set(case.state().code().to_owned()),
        is_open: Set(case.is_open()),
        due_on: Set(case.due_on()),
        submitted_at: Set(case.facts.submitted_at.map_or(0, micros)),
        closed_at: Set(case.facts.closed_at.map(micros)),
        facts: Set(json(&case.facts)?),
        answers: Set(json(&case.answers)?),
        form: Set(case.form.clone()),
        data: Set(json(&case.data)?),
        provenance: Set(json(&case.provenance)?),
        plan: Set(json(&case.plan)?),
        process: Set(case.process.clone()),
        instance_id: Set(case.instance.clone()),
        call_id: Set(case.call.clone()),
        certificate_id: Set(case.certificate.clone()),
        idempotency_key: Set(case.idempotency_key.clone()),
        query_salt: Set(case.query.salt.clone()),
        query_hash: Set(case.query.hash.clone()),
        query_failures: Set(case.query.failures),
        query_locked_until: Set(micros(case.query.locked_until)),
        version: Set(case.version),
    })
}

/// Writes what moves, at the end of this write: state, dates, instance, certificate. Refused when
/// somebody else changed the case meanwhile; the case's version is raised.
pub fn update(tx: &Tx, case: &mut Case) -> Result<()> {
    let key = case.id.to_string();
    let known = tx.recall(&key).map(|known: Case| known.version);
    if known.is_some_and(|known| known != case.version) {
        return Err(changed_meanwhile());
    }
    tx.later(|rows: &mut Gathered| *rows.cases.entry(case.id).or_insert(Some(case.version)));
    case.version += 1;
    tx.remember(key, case.clone());
    Ok(())
}

fn changed_meanwhile() -> Error {
    Error::refused("service-case-changed-meanwhile")
}

async fn write_checked(tx: &Tx, case: &Case, seen: i32) -> Result<()> {
    let changed = schema::case::ActiveModel {
        state: Set(case.state().code().to_owned()),
        is_open: Set(case.is_open()),
        due_on: Set(case.due_on()),
        submitted_at: Set(case.facts.submitted_at.map_or(0, micros)),
        closed_at: Set(case.facts.closed_at.map(micros)),
        facts: Set(json(&case.facts)?),
        instance_id: Set(case.instance.clone()),
        call_id: Set(case.call.clone()),
        certificate_id: Set(case.certificate.clone()),
        version: Set(case.version),
        ..schema::case::ActiveModel::default()
    };
    let done = schema::case::Entity::update_many()
        .set(changed)
        .filter(schema::case::Column::Id.eq(case.id.to_string()))
        .filter(schema::case::Column::Version.eq(seen))
        .exec(&**tx)
        .await
        .map_err(|e| fault("write a case", e))?;
    if done.rows_affected == 0 {
        return Err(changed_meanwhile());
    }
    Ok(())
}

/// Notes a right or wrong guess of the query password; races only lose a count.
pub async fn update_query(tx: &Tx, id: CaseId, query: &Query) -> Result<()> {
    schema::case::Entity::update_many()
        .set(schema::case::ActiveModel {
            query_failures: Set(query.failures),
            query_locked_until: Set(micros(query.locked_until)),
            ..schema::case::ActiveModel::default()
        })
        .filter(schema::case::Column::Id.eq(id.to_string()))
        .exec(&**tx)
        .await
        .map_err(|e| fault("note a query", e))?;
    Ok(())
}

pub async fn get(db: &impl ConnectionTrait, id: CaseId) -> Result<Case> {
    let row = schema::case::Entity::find_by_id(id.to_string())
        .one(db)
        .await;
    let row = row.map_err(|e| fault("read a case", e))?;
    case_of(row.ok_or(Error::NotFound { what: "case" })?)
}

/// The case as this write knows it: a step of a process passes it through many hands, and its row
/// is large.
pub async fn get_in(tx: &Tx, id: CaseId) -> Result<Case> {
    let key = id.to_string();
    if let Some(case) = tx.recall(&key) {
        return Ok(case);
    }
    let case = get(&**tx, id).await?;
    tx.remember(key, case.clone());
    Ok(case)
}

pub async fn lookup_by_number(db: &impl ConnectionTrait, number: &str) -> Result<Option<Case>> {
    one(db, schema::case::Column::Number.eq(number)).await
}

/// The case that was made from a draft.
pub async fn lookup_by_key(db: &impl ConnectionTrait, key: &str) -> Result<Option<Case>> {
    one(db, schema::case::Column::IdempotencyKey.eq(key)).await
}

async fn one(
    db: &impl ConnectionTrait,
    filter: sea_orm::sea_query::SimpleExpr,
) -> Result<Option<Case>> {
    let row = schema::case::Entity::find().filter(filter).one(db).await;
    row.map_err(|e| fault("read a case", e))?
        .map(case_of)
        .transpose()
}

/// Sub-cases of a parent in order.
pub async fn list_parts(db: &impl ConnectionTrait, parent: CaseId) -> Result<Vec<Case>> {
    let rows = schema::case::Entity::find()
        .filter(schema::case::Column::ParentId.eq(parent.to_string()))
        .order_by_asc(schema::case::Column::Part)
        .all(db)
        .await
        .map_err(|e| fault("list sub-cases", e))?;
    rows.into_iter().map(case_of).collect()
}

/// Sub-cases that a write knows of a parent.
#[derive(Clone)]
struct Parts(Vec<CaseId>);

/// Sub-cases of a parent in order, as this write knows them.
pub async fn list_parts_in(tx: &Tx, parent: CaseId) -> Result<Vec<Case>> {
    let key = parent.to_string();
    if let Some(Parts(ids)) = tx.recall(&key) {
        let known = ids.iter().filter_map(|id| tx.recall(&id.to_string()));
        return Ok(known.collect());
    }
    let mut parts = list_parts(&**tx, parent).await?;
    for part in &mut parts {
        let key = part.id.to_string();
        match tx.recall(&key) {
            Some(known) => *part = known,
            None => tx.remember(key, part.clone()),
        }
    }
    let new = tx.later(|rows: &mut Gathered| rows.new_ids());
    let new = new.iter().filter_map(|id| tx.recall(&id.to_string()));
    parts.extend(new.filter(|case: &Case| case.parent == Some(parent)));
    parts.sort_by_key(|part| part.part);
    tx.remember(key, Parts(parts.iter().map(|part| part.id).collect()));
    Ok(parts)
}

/// Cases by id, in no particular order.
pub async fn list_by_ids(db: &impl ConnectionTrait, ids: &[String]) -> Result<Vec<Case>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = schema::case::Entity::find()
        .filter(schema::case::Column::Id.is_in(ids))
        .all(db)
        .await
        .map_err(|e| fault("list cases", e))?;
    rows.into_iter().map(case_of).collect()
}

/// Cases of a party or handed in by a user, newest first; parents and single ones, no sub-cases.
pub async fn list_own(
    db: &impl ConnectionTrait,
    parties: &[String],
    user: &str,
    after: &str,
    limit: u64,
) -> Result<(Vec<Case>, bool)> {
    use schema::case::Column;
    let mut filter = Condition::all().add(Column::ParentId.is_null()).add(
        Condition::any()
            .add(Column::PartyId.is_in(parties))
            .add(Column::AgentId.eq(user)),
    );
    if !after.is_empty() {
        filter = filter.add(Column::Id.lt(after));
    }
    let query = schema::case::Entity::find()
        .filter(filter)
        .order_by_desc(Column::Id);
    page(query.limit(limit + 1).all(db).await, limit)
}

/// The latest values that a party handed in with a form.
pub async fn lookup_last_data(
    db: &impl ConnectionTrait,
    party: &str,
) -> Result<Option<serde_json::Value>> {
    use schema::case::Column;
    let row = schema::case::Entity::find()
        .filter(Column::PartyId.eq(party))
        .filter(Column::ParentId.is_null())
        .order_by_desc(Column::Id)
        .limit(1)
        .one(db)
        .await
        .map_err(|e| fault("read earlier values", e))?;
    row.map(|row| parse(&row.data)).transpose()
}

/// What a list of an organisation's cases is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct Search {
    pub orgs: Vec<String>,
    /// Regions whose halls the viewer serves.
    pub regions: Vec<String>,
    pub is_open: Option<bool>,
    pub state: Option<State>,
    pub matter: String,
    /// Case number or its beginning.
    pub number: String,
    /// Key of the last row seen: due date, `~`, id.
    pub after: String,
    pub limit: u64,
}

/// Cases of organisations, the most urgent first.
pub async fn list(db: &impl ConnectionTrait, search: &Search) -> Result<(Vec<Case>, bool)> {
    use schema::case::Column;
    let mut place = Condition::any();
    if !search.orgs.is_empty() {
        place = place.add(Column::Org.is_in(&search.orgs));
    }
    for region in &search.regions {
        place = place.add(Column::Region.starts_with(stem(region)));
    }
    let mut filter = Condition::all().add(place);
    if let Some(is_open) = search.is_open {
        filter = filter.add(Column::IsOpen.eq(is_open));
    }
    if let Some(state) = search.state {
        filter = filter.add(Column::State.eq(state.code()));
    }
    if !search.matter.is_empty() {
        filter = filter.add(Column::MatterCode.eq(&search.matter));
    }
    if !search.number.is_empty() {
        filter = filter.add(Column::Number.starts_with(&search.number));
    }
    if let Some((due, id)) = search.after.split_once('~') {
        let later = Condition::any().add(Column::DueOn.gt(due)).add(
            Condition::all()
                .add(Column::DueOn.eq(due))
                .add(Column::Id.gt(id)),
        );
        filter = filter.add(later);
    }
    let query = schema::case::Entity::find()
        .filter(filter)
        .order_by_asc(Column::DueOn)
        .order_by_asc(Column::Id);
    page(query.limit(search.limit + 1).all(db).await, search.limit)
}

/// The digits that all regions within a region share.
pub(crate) fn stem(region: &str) -> &str {
    let stem = region
        .strip_suffix("0000")
        .or_else(|| region.strip_suffix("00"));
    stem.unwrap_or(region)
}

/// The key under which [`list`] goes on after this case.
pub fn list_key(case: &Case) -> String {
    format!("{}~{}", case.due_on(), case.id)
}

/// Cases with dates that can still move, after a case: open ones, and closed ones whose result is
/// to be delivered.
pub async fn list_running(
    db: &impl ConnectionTrait,
    after: &str,
    limit: u64,
) -> Result<Vec<CaseId>> {
    use schema::case::Column;
    let running = Condition::any()
        .add(Column::IsOpen.eq(true))
        .add(Column::DueOn.ne(NO_DUE));
    let ids: Vec<String> = schema::case::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(running)
        .filter(Column::Id.gt(after))
        .order_by_asc(Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("list running cases", e))?;
    ids.iter()
        .map(|id| {
            id.parse()
                .map_err(|e| Fault::caused_by("read a case's id", e).into())
        })
        .collect()
}

/// Cases in a state whose date has passed, for timers.
pub async fn list_overdue(
    db: &impl ConnectionTrait,
    state: State,
    today: NaiveDate,
    limit: u64,
) -> Result<Vec<Case>> {
    use schema::case::Column;
    let rows = schema::case::Entity::find()
        .filter(Column::State.eq(state.code()))
        .filter(Column::DueOn.lt(today.to_string()))
        .order_by_asc(Column::DueOn)
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(db)
        .await
        .map_err(|e| fault("list overdue cases", e))?;
    rows.into_iter().map(case_of).collect()
}

fn page(
    rows: Result<Vec<schema::case::Model>, sea_orm::DbErr>,
    limit: u64,
) -> Result<(Vec<Case>, bool)> {
    let mut rows = rows.map_err(|e| fault("list cases", e))?;
    let has_more = rows.len() as u64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let cases = rows.into_iter().map(case_of).collect::<Result<_>>()?;
    Ok((cases, has_more))
}

fn case_of(row: schema::case::Model) -> Result<Case> {
    let broken = |e| Fault::caused_by("read a case's id", e);
    let parent = row
        .parent_id
        .map(|id| id.parse())
        .transpose()
        .map_err(broken)?;
    Ok(Case {
        id: row.id.parse().map_err(broken)?,
        number: row.number,
        parent,
        parent_number: row.parent_number,
        part: row.part,
        is_theme: row.is_theme,
        matter_code: row.matter_code,
        matter_name: row.matter_name,
        matter_version: row.matter_version,
        applicant: Applicant {
            party: row.party_id,
            kind: row.party_kind,
            name: row.party_name,
            code: row.party_code,
            phone: row.party_phone,
            address: row.party_address,
        },
        agent: row.agent_id,
        agent_name: row.agent_name,
        channel: Channel::of_code(&row.channel),
        region: row.region,
        org: row.org,
        org_name: row.org_name,
        facts: parse(&row.facts)?,
        answers: parse(&row.answers)?,
        form: row.form,
        data: parse(&row.data)?,
        provenance: parse(&row.provenance)?,
        plan: parse(&row.plan)?,
        process: row.process,
        instance: row.instance_id,
        call: row.call_id,
        certificate: row.certificate_id,
        idempotency_key: row.idempotency_key,
        query: Query {
            salt: row.query_salt,
            hash: row.query_hash,
            failures: row.query_failures,
            locked_until: from_micros(row.query_locked_until),
        },
        version: row.version,
    })
}

pub(crate) fn json(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string(value).map_err(|e| Fault::caused_by("write JSON", e))?)
}

pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    Ok(serde_json::from_str(text).map_err(|e| Fault::caused_by("read JSON of a row", e))?)
}

fn new_id(tx: &Tx) -> String {
    kernel::id::new_v7(tx.now()).to_string()
}

/// Moves an organisation's serial of a day forward and answers where it stands.
pub async fn update_sequence(tx: &Tx, org: &str, day: NaiveDate, by: i64) -> Result<i64> {
    use schema::sequence::Column;
    use sea_orm::{prelude::Expr, sea_query::ExprTrait};
    let row = schema::sequence::ActiveModel {
        org: Set(org.to_owned()),
        day: Set(day.to_string()),
        last: Set(by),
    };
    let raise = OnConflict::columns([Column::Org, Column::Day])
        .value(
            Column::Last,
            Expr::col((schema::sequence::Entity, Column::Last)).add(by),
        )
        .to_owned();
    schema::sequence::Entity::insert(row)
        .on_conflict(raise)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("take case numbers", e))?;
    let row = schema::sequence::Entity::find_by_id((org.to_owned(), day.to_string()))
        .one(&**tx)
        .await
        .map_err(|e| fault("take case numbers", e))?;
    Ok(row.map_or(by, |row| row.last))
}

/// A line of the timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Entry {
    pub at: DateTime<Utc>,
    pub seq: u32,
    pub event: String,
    /// State after it.
    pub state: State,
    pub actor: String,
    pub actor_name: String,
    pub post: String,
    pub org_name: String,
    pub words: String,
    pub is_public: bool,
}

pub fn insert_entry(tx: &Tx, case: CaseId, entry: Entry) {
    let row = schema::entry::ActiveModel {
        id: Set(new_id(tx)),
        case_id: Set(case.to_string()),
        at: Set(micros(entry.at)),
        seq: Set(i32::try_from(entry.seq).unwrap_or(i32::MAX)),
        event: Set(entry.event),
        state: Set(entry.state.code().to_owned()),
        actor: Set(entry.actor),
        actor_name: Set(entry.actor_name),
        post: Set(entry.post),
        org_name: Set(entry.org_name),
        words: Set(entry.words),
        is_public: Set(entry.is_public),
    };
    tx.later(|rows: &mut Gathered| rows.entries.push(row));
}

/// The timeline of a case, oldest first.
pub async fn list_entries(
    db: &impl ConnectionTrait,
    case: CaseId,
    only_public: bool,
) -> Result<Vec<Entry>> {
    use schema::entry::Column;
    let mut query = schema::entry::Entity::find().filter(Column::CaseId.eq(case.to_string()));
    if only_public {
        query = query.filter(Column::IsPublic.eq(true));
    }
    let rows = query
        .order_by_asc(Column::Seq)
        .order_by_asc(Column::Id)
        .all(db)
        .await
        .map_err(|e| fault("read the timeline", e))?;
    let entries = rows.into_iter().map(|row| Entry {
        at: from_micros(row.at),
        seq: u32::try_from(row.seq).unwrap_or_default(),
        event: row.event,
        state: State::of_code(&row.state).unwrap_or_default(),
        actor: row.actor,
        actor_name: row.actor_name,
        post: row.post,
        org_name: row.org_name,
        words: row.words,
        is_public: row.is_public,
    });
    Ok(entries.collect())
}

/// A file of a material.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct FileRef {
    pub id: String,
    pub name: String,
    pub size: u64,
    pub media_type: String,
    pub digest: String,
}

/// How a material came to be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Obtained {
    /// Not there, and not needed.
    #[default]
    None,
    Upload,
    /// A certificate of the library replaces it.
    Certificate,
    /// On paper at a window.
    Paper,
    /// Promised for later (容缺后补).
    Later,
}

impl Obtained {
    pub fn code(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Upload => "upload",
            Self::Certificate => "certificate",
            Self::Paper => "paper",
            Self::Later => "later",
        }
    }

    pub fn of_code(code: &str) -> Self {
        match code {
            "upload" => Self::Upload,
            "certificate" => Self::Certificate,
            "paper" => Self::Paper,
            "later" => Self::Later,
            _ => Self::None,
        }
    }
}

/// A material as handed in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Material {
    pub key: String,
    pub name: String,
    pub obtained: Obtained,
    pub certificate: Option<String>,
    pub copies: i32,
    pub files: Vec<FileRef>,
    /// When it was handed in.
    pub at: Option<DateTime<Utc>>,
    /// Nothing was handed in later in its place; set when it is read.
    pub is_current: bool,
}

pub async fn insert_materials(tx: &Tx, case: CaseId, materials: &[Material]) -> Result<()> {
    if materials.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::new();
    let batch = new_id(tx);
    for (index, material) in materials.iter().enumerate() {
        rows.push(schema::material::ActiveModel {
            // Lists are in the order of handing in.
            id: Set(format!("{batch}.{index:04}")),
            case_id: Set(case.to_string()),
            key: Set(material.key.clone()),
            name: Set(material.name.clone()),
            obtained: Set(material.obtained.code().to_owned()),
            certificate_id: Set(material.certificate.clone()),
            copies: Set(material.copies),
            files: Set(json(&material.files)?),
            at: Set(micros(tx.now())),
        });
    }
    schema::material::Entity::insert_many(rows)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("write materials", e))?;
    Ok(())
}

/// All materials of a case in the order of handing in, those that a correction replaced too.
pub async fn list_materials(db: &impl ConnectionTrait, case: CaseId) -> Result<Vec<Material>> {
    let rows = schema::material::Entity::find()
        .filter(schema::material::Column::CaseId.eq(case.to_string()))
        .order_by_asc(schema::material::Column::Id)
        .all(db)
        .await
        .map_err(|e| fault("read materials", e))?;
    let materials = rows.into_iter().map(|row| {
        Ok(Material {
            key: row.key,
            name: row.name,
            obtained: Obtained::of_code(&row.obtained),
            certificate: row.certificate_id,
            copies: row.copies,
            files: parse(&row.files)?,
            at: Some(from_micros(row.at)),
            is_current: true,
        })
    });
    let mut materials: Vec<Material> = materials.collect::<Result<_>>()?;
    let mut seen = std::collections::BTreeSet::new();
    for material in materials.iter_mut().rev() {
        let is_latest = seen.insert(material.key.clone());
        // Further documents stand beside each other; none replaces another.
        material.is_current = is_latest || material.key == super::correct::OTHERS;
    }
    Ok(materials)
}

/// What an officer said in a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Opinion {
    pub at: DateTime<Utc>,
    pub step: String,
    pub outcome: String,
    pub opinion: String,
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
    pub officer: String,
    pub officer_name: String,
    pub post: String,
    pub org_name: String,
}

pub fn insert_opinion(tx: &Tx, case: CaseId, opinion: Opinion) -> Result<()> {
    let row = schema::opinion::ActiveModel {
        id: Set(new_id(tx)),
        case_id: Set(case.to_string()),
        at: Set(micros(opinion.at)),
        step: Set(opinion.step),
        outcome: Set(opinion.outcome),
        opinion: Set(opinion.opinion),
        data: Set(json(&opinion.data)?),
        officer_id: Set(opinion.officer),
        officer_name: Set(opinion.officer_name),
        post: Set(opinion.post),
        org_name: Set(opinion.org_name),
    };
    tx.later(|rows: &mut Gathered| rows.opinions.push(row));
    Ok(())
}

/// Opinions on a case, oldest first.
pub async fn list_opinions(db: &impl ConnectionTrait, case: CaseId) -> Result<Vec<Opinion>> {
    let rows = schema::opinion::Entity::find()
        .filter(schema::opinion::Column::CaseId.eq(case.to_string()))
        .order_by_asc(schema::opinion::Column::At)
        .order_by_asc(schema::opinion::Column::Id)
        .all(db)
        .await
        .map_err(|e| fault("read opinions", e))?;
    let opinions = rows.into_iter().map(|row| {
        Ok(Opinion {
            at: from_micros(row.at),
            step: row.step,
            outcome: row.outcome,
            opinion: row.opinion,
            data: parse(&row.data)?,
            officer: row.officer_id,
            officer_name: row.officer_name,
            post: row.post,
            org_name: row.org_name,
        })
    });
    opinions.collect()
}

/// A statutory notice.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    pub id: String,
    pub case: CaseId,
    pub kind: String,
    pub number: String,
    pub at: DateTime<Utc>,
    pub data: serde_json::Value,
    /// Digest (SM3) under which the finished file is kept; absent until it is made.
    pub blob: Option<String>,
}

pub fn insert_notice(tx: &Tx, notice: &Notice) -> Result<()> {
    let row = schema::notice::ActiveModel {
        id: Set(notice.id.clone()),
        case_id: Set(notice.case.to_string()),
        kind: Set(notice.kind.clone()),
        number: Set(notice.number.clone()),
        at: Set(micros(notice.at)),
        data: Set(json(&notice.data)?),
        blob: Set(notice.blob.clone()),
    };
    tx.later(|rows: &mut Gathered| rows.notices.push(row));
    Ok(())
}

/// Notes the digest of a notice's file unless it has one; answers whether it did.
pub async fn update_notice_blob(tx: &Tx, id: &str, blob: &str) -> Result<bool> {
    let done = schema::notice::Entity::update_many()
        .set(schema::notice::ActiveModel {
            id: NotSet,
            blob: Set(Some(blob.to_owned())),
            ..schema::notice::ActiveModel::default()
        })
        .filter(schema::notice::Column::Id.eq(id))
        .filter(schema::notice::Column::Blob.is_null())
        .exec(&**tx)
        .await
        .map_err(|e| fault("keep a notice", e))?;
    Ok(done.rows_affected == 1)
}

pub async fn get_notice(db: &impl ConnectionTrait, id: &str) -> Result<Notice> {
    let row = schema::notice::Entity::find_by_id(id).one(db).await;
    let row = row.map_err(|e| fault("read a notice", e))?;
    notice_of(row.ok_or(Error::NotFound { what: "notice" })?)
}

pub async fn list_notices(db: &impl ConnectionTrait, case: CaseId) -> Result<Vec<Notice>> {
    let rows = schema::notice::Entity::find()
        .filter(schema::notice::Column::CaseId.eq(case.to_string()))
        .order_by_asc(schema::notice::Column::Id)
        .all(db)
        .await
        .map_err(|e| fault("list notices", e))?;
    rows.into_iter().map(notice_of).collect()
}

fn notice_of(row: schema::notice::Model) -> Result<Notice> {
    let case = row.case_id.parse();
    Ok(Notice {
        id: row.id,
        case: case.map_err(|e| Fault::caused_by("read a case's id", e))?,
        kind: row.kind,
        number: row.number,
        at: from_micros(row.at),
        data: parse(&row.data)?,
        blob: row.blob,
    })
}
