//! What people look at: a resource from its entry to its readers, where a record's values came
//! from, and who had a person's data.

use std::collections::{BTreeMap, BTreeSet};

use ::store::page::PageRequest;
use catalog::{
    request::{Request, act as requests},
    resource::{Entry, store as entries},
};
use chrono::{DateTime, Utc};
use exchange::{
    Hub,
    hub::{
        above::{self, Outcome, Proof, Sum},
        batch::Batch as Sent,
        publication::Publication,
        subscription::Subscription,
    },
    wire::PublicationState,
};
use identity::{Actor, directory};
use kernel::{Error, Result};
use registry::{log::Own, record::Statement};
use sea_orm::ConnectionTrait;
use web::App;

use crate::{
    batch::{self, Batch, State, act::may, store::Count},
    bind,
    feed::{Feed, Feeding, store as feeds},
    grant::{self, Missing},
    said::{self, Said},
};

/// A publication in the list of resources.
pub struct Line {
    pub publication: Publication,
    /// Name of the entry; empty where it is bound to none.
    pub name: String,
    /// What the entry says otherwise.
    pub differences: Vec<Said>,
    pub waiting: i64,
    pub failed: i64,
    pub loaded: i64,
    pub good: i64,
    pub bad: i64,
}

/// All publications with how far their batches are, the stuck ones first.
pub async fn resources(app: &App, actor: &Actor) -> Result<Vec<Line>> {
    may(app, actor, "flow.read", None)?;
    let db = app.db().read();
    let mut bindings: BTreeMap<_, _> = bind::list(db)
        .await?
        .into_iter()
        .map(|row| (row.publication.clone(), row))
        .collect();
    let counts = batch::store::counts(db, None).await?;
    let mut lines = Vec::new();
    for publication in above::publications(db).await? {
        let own = || counts.iter().filter(|c| c.publication == publication.code);
        let of = |state: State| own().find(|c| c.state == state.name());
        let batches = |state| of(state).map_or(0, |c: &Count| c.batches);
        let binding = bindings.remove(&publication.code);
        let entry = match &binding {
            Some(binding) => entries::of_code(db, &binding.code).await?,
            None => None,
        };
        lines.push(Line {
            name: entry.map(|entry| entry.name).unwrap_or_default(),
            differences: said::read(&binding.map(|b| b.findings).unwrap_or_default())?,
            waiting: batches(State::Waiting),
            failed: batches(State::Failed),
            loaded: batches(State::Loaded),
            good: own().map(|c| c.good).sum(),
            bad: own().map(|c| c.bad).sum(),
            publication,
        });
    }
    lines.sort_by_key(|line| (line.failed == 0, line.differences.is_empty()));
    Ok(lines)
}

/// A batch at every hop.
pub struct Journey {
    pub sent: Sent,
    /// Its place on the way into the lake; none where the publication is bound to no entry.
    pub lake: Option<Batch>,
    pub registries: Vec<(Feeding, Option<registry::batch::Batch>)>,
}

impl Journey {
    pub fn problems(&self) -> Result<Vec<Said>> {
        said::read(self.lake.as_ref().map_or("", |batch| &batch.problem))
    }
}

/// Why a batch is not in a registry.
pub fn problems(feeding: &Feeding) -> Result<Vec<Said>> {
    said::read(&feeding.problem)
}

/// Who gets rows of a publication, and what became of them.
pub struct Reader {
    pub subscription: Subscription,
    pub org_name: String,
    /// The grant that it rests on.
    pub grant: Option<Request>,
    pub outcomes: Vec<Outcome>,
}

/// A grant without a subscription, and what it waits for.
pub struct Waiting {
    pub grant: Request,
    pub missing: Missing,
}

/// A resource from its entry to its readers.
pub struct Resource {
    pub publication: Publication,
    pub org_name: String,
    pub entry: Option<Entry>,
    /// Name of the table in the lake; empty where it is bound to no entry.
    pub table: String,
    pub differences: Vec<Said>,
    pub sum: Sum,
    pub counts: Vec<Count>,
    pub journeys: Vec<Journey>,
    pub next: Option<String>,
    pub feeds: Vec<Feed>,
    pub readers: Vec<Reader>,
    pub waiting: Vec<Waiting>,
}

/// One resource, a page of its batches with it.
pub async fn resource(
    app: &App,
    actor: &Actor,
    code: &str,
    page: &PageRequest,
) -> Result<Resource> {
    may(app, actor, "flow.read", None)?;
    let db = app.db().read();
    let publication = above::publication(db, code).await?;
    let publication = publication.ok_or(Error::NotFound {
        what: "publication",
    })?;
    let binding = bind::lookup(db, code).await?;
    let entry = match &binding {
        Some(binding) => entries::of_code(db, &binding.code).await?,
        None => None,
    };
    let (journeys, next) = journeys(app, code, page).await?;
    Ok(Resource {
        org_name: org_name(db, &publication.org).await?,
        table: binding.as_ref().map(|b| b.lake.clone()).unwrap_or_default(),
        differences: said::read(&binding.map(|b| b.findings).unwrap_or_default())?,
        sum: above::sum(db, code).await?,
        counts: batch::store::counts(db, Some(code)).await?,
        journeys,
        next,
        feeds: feeds::of_publication(db, code).await?,
        readers: readers(db, code).await?,
        waiting: waiting(db, entry.as_ref(), &publication, app.clock().today()).await?,
        entry,
        publication,
    })
}

async fn org_name(db: &impl ConnectionTrait, org: &str) -> Result<String> {
    let found = directory::organisation(db, org).await?;
    Ok(found.map_or_else(|| org.to_owned(), |org| org.name_zh))
}

async fn journeys(
    app: &App,
    code: &str,
    page: &PageRequest,
) -> Result<(Vec<Journey>, Option<String>)> {
    let db = app.db().read();
    let system = Actor::system();
    let sent = exchange::hub::overview::batches(app, &system, Some(code), page).await?;
    let ids: Vec<String> = sent
        .items
        .iter()
        .map(|(batch, _)| batch.id.clone())
        .collect();
    let mut fed: BTreeMap<String, Vec<Feeding>> = BTreeMap::new();
    for row in feeds::of_batches(db, &ids).await? {
        fed.entry(row.batch.clone()).or_default().push(row);
    }
    let mut journeys = Vec::new();
    for (sent, _) in sent.items {
        let mut registries = Vec::new();
        for feeding in fed.remove(&sent.id).unwrap_or_default() {
            let loaded = loaded(app, &feeding).await?;
            registries.push((feeding, loaded));
        }
        journeys.push(Journey {
            lake: batch::store::lookup(db, &sent.id).await?,
            registries,
            sent,
        });
    }
    Ok((journeys, sent.next))
}

/// What the registry itself says of a batch; nothing where nothing changed.
async fn loaded(app: &App, feeding: &Feeding) -> Result<Option<registry::batch::Batch>> {
    let (system, none) = (Actor::system(), PageRequest::new(None, Some(1)));
    let found = registry::batch::act::get(app, &system, &feeding.registry, &feeding.batch, &none);
    match found.await {
        Ok((batch, _)) => Ok(Some(batch)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn readers(db: &impl ConnectionTrait, code: &str) -> Result<Vec<Reader>> {
    let mut outcomes = above::outcomes(db, code).await?;
    let mut readers = Vec::new();
    for subscription in above::subscriptions(db, code).await? {
        let is_own = |o: &mut Outcome| o.subscription == subscription.id;
        readers.push(Reader {
            org_name: org_name(db, &subscription.org).await?,
            grant: requests::of_number(db, &subscription.granted_by).await?,
            outcomes: outcomes.extract_if(.., is_own).collect(),
            subscription,
        });
    }
    Ok(readers)
}

async fn waiting(
    db: &impl ConnectionTrait,
    entry: Option<&Entry>,
    publication: &Publication,
    today: chrono::NaiveDate,
) -> Result<Vec<Waiting>> {
    let mut waiting = Vec::new();
    let Some(entry) = entry else {
        return Ok(waiting);
    };
    for row in requests::grants(db, Some(&entry.id), None).await? {
        if let Some(missing) = grant::missing(db, &row, publication, today).await? {
            waiting.push(Waiting {
                grant: row,
                missing,
            });
        }
    }
    Ok(waiting)
}

/// The table of the lake that a batch is in, or is to be in.
pub async fn table_of(app: &App, actor: &Actor, batch: &str) -> Result<Option<String>> {
    may(app, actor, "flow.read", None)?;
    let found = batch::store::lookup(app.db().read(), batch).await?;
    Ok(found.map(|batch| batch.lake))
}

/// Where a batch came from, with its proofs looked at now.
#[derive(Clone, Debug)]
pub struct Origin {
    pub sent: Sent,
    pub title: String,
    pub org_name: String,
    pub proof: Proof,
}

/// The origins of these batches, by number; what the exchange did not bring is left out.
pub async fn origins(
    app: &App,
    actor: &Actor,
    batches: &BTreeSet<String>,
) -> Result<BTreeMap<String, Origin>> {
    may(app, actor, "flow.trace", None)?;
    let hub = app.part::<Hub>()?;
    let db = app.db().read();
    let mut found = BTreeMap::new();
    for id in batches {
        let Some(sent) = above::batch(db, id).await? else {
            continue;
        };
        let publication = above::publication(db, &sent.publication).await?;
        let origin = Origin {
            title: publication.map(|p| p.title).unwrap_or_default(),
            org_name: org_name(db, &sent.org).await?,
            proof: above::proof(&hub, id).await?,
            sent,
        };
        found.insert(id.clone(), origin);
    }
    Ok(found)
}

/// A department that gets a person's data by the exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// What the delivery is called.
    pub title: String,
    pub org_name: String,
    pub purpose: String,
    pub basis: String,
    /// Columns in words.
    pub columns: Vec<String>,
    /// Whether it still flows.
    pub is_live: bool,
    pub last_at: Option<DateTime<Utc>>,
}

/// A question at a table in which the person is.
#[derive(Clone, Debug)]
pub struct Asked {
    pub at: DateTime<Utc>,
    pub org_name: String,
    pub purpose: String,
    /// What was asked about, in words.
    pub tables: Vec<String>,
}

/// Who had a person's data, besides those who opened her records.
#[derive(Clone, Debug, Default)]
pub struct Uses {
    pub carried: Vec<Carried>,
    /// One page of questions, the latest first.
    pub asked: Vec<Asked>,
    /// The page after this one.
    pub next: Option<String>,
    /// Titles of tables in which she could not be looked for now.
    pub left: Vec<String>,
}

/// Who had the data of the person or firm that asks: by subscriptions whose rows she is among, and
/// by questions that name her or read tables of the lake in which she is. `page` is one of the
/// questions.
pub async fn of_own(app: &App, actor: &Actor, page: &PageRequest) -> Result<Uses> {
    let own = registry::log::own_group(app, actor).await?;
    let numbers = numbers(actor, &own);
    let search = lake::subject::rows_about(app, &numbers).await?;
    let known = known_rows(app, &own, &search).await?;
    let db = app.db().read();
    let mut tables: BTreeSet<String> = search.found.iter().map(|f| f.table.id.clone()).collect();
    let mut uses = Uses::default();
    for (code, rows) in &known {
        let Some(publication) = above::publication(db, code).await? else {
            continue;
        };
        for one in carried(app, rows, &publication).await? {
            if !uses.carried.contains(&one) {
                uses.carried.push(one);
            }
        }
        tables.extend(bind::lookup(db, code).await?.map(|binding| binding.lake));
    }
    let tables: Vec<String> = tables.into_iter().collect();
    let asked = lake::questions_about(db, &numbers, &tables, page).await?;
    let titles = lake::tables(app, &Actor::system()).await?;
    let titles: BTreeMap<_, _> = titles.into_iter().map(|t| (t.id, t.title.zh)).collect();
    for (question, of) in asked.items {
        uses.asked.push(Asked {
            at: question.at,
            org_name: question.who_org_name,
            purpose: question.purpose,
            tables: of.iter().filter_map(|id| titles.get(id).cloned()).collect(),
        });
    }
    uses.next = asked.next;
    uses.left = search.left.into_iter().map(|t| t.title.zh).collect();
    Ok(uses)
}

/// The numbers under which somebody is known: the own one, and those of records that were merged
/// with the own.
fn numbers(actor: &Actor, own: &[Own]) -> Vec<String> {
    let mut numbers: BTreeSet<String> = actor.party().iter().map(|p| p.code.clone()).collect();
    for own in own {
        let declaration = &own.declaration;
        let subject = declaration.subject.as_ref();
        let field = subject.and_then(|id| declaration.field(id));
        let value = field.and_then(|field| own.row.values.get(&field.id).map(|v| v.text(field)));
        numbers.extend(value);
    }
    numbers.into_iter().collect()
}

/// What is known of somebody's rows, by publication: from the lake, and where they are gone from
/// there, from the records that they fed.
async fn known_rows(
    app: &App,
    own: &[Own],
    search: &lake::subject::Search,
) -> Result<BTreeMap<String, Vec<Known>>> {
    let db = app.db().read();
    let mut known: BTreeMap<String, Vec<Known>> = BTreeMap::new();
    for found in &search.found {
        for binding in bind::of_table(db, &found.table.id).await? {
            known.insert(binding.publication, found.rows.clone());
        }
    }
    let mut fed: BTreeMap<String, Vec<Known>> = BTreeMap::new();
    for own in own {
        for feed in feeds_of(db, own).await? {
            let row = row_key(own, &feed);
            fed.entry(feed.publication).or_default().push(row);
        }
    }
    for (publication, rows) in fed {
        known.entry(publication).or_insert(rows);
    }
    Ok(known)
}

/// Values of a row by column, as far as they are known.
type Known = BTreeMap<String, String>;

/// The feeds that brought statements of a record.
async fn feeds_of(db: &impl ConnectionTrait, own: &Own) -> Result<Vec<Feed>> {
    let ids = [own.row.id.clone()];
    let said: Vec<Statement> =
        registry::record::store::statements(db, &own.declaration, &ids).await?;
    let batches: BTreeSet<String> = said.into_iter().filter_map(|s| s.batch).collect();
    let mut publications = BTreeSet::new();
    for id in batches {
        if let Some(batch) = batch::store::lookup(db, &id).await? {
            publications.insert(batch.publication);
        }
    }
    let mut found = Vec::new();
    for code in publications {
        let feeds = feeds::of_publication(db, &code).await?;
        found.extend(
            feeds
                .into_iter()
                .filter(|f| f.registry == own.declaration.id),
        );
    }
    Ok(found)
}

/// Subscriptions of a publication that give one of these rows.
async fn carried(app: &App, rows: &[Known], publication: &Publication) -> Result<Vec<Carried>> {
    let db = app.db().read();
    let shape = above::shape(db, &publication.code).await?;
    let mut found = Vec::new();
    for reader in readers(db, &publication.code).await? {
        let subscription = reader.subscription;
        let applied = reader.outcomes.iter().filter(|o| o.state == "applied");
        let last_at = applied.filter_map(|o| o.last_at).max();
        // What was never delivered told nobody anything.
        let gives = |row: &Known| above::gives(&subscription, &shape, row);
        if last_at.is_none() || !rows.iter().any(gives) {
            continue;
        }
        let grant_holds = reader
            .grant
            .as_ref()
            .is_none_or(|grant| grant.holds_on(app.clock().today()));
        let is_active = subscription.state == exchange::hub::subscription::State::Active;
        let title = |name: &String| {
            let column = shape.column(name).map(|column| column.title.as_str());
            column
                .filter(|title| !title.is_empty())
                .unwrap_or(name)
                .to_owned()
        };
        found.push(Carried {
            title: publication.title.clone(),
            org_name: reader.org_name,
            columns: subscription.columns.iter().map(title).collect(),
            is_live: is_active && grant_holds && publication.state == PublicationState::Open,
            purpose: subscription.purpose,
            basis: subscription.basis,
            last_at: last_at.map(kernel::clock::from_micros),
        });
    }
    Ok(found)
}

/// What the record tells of its row at the source, by column.
fn row_key(own: &Own, feed: &Feed) -> Known {
    let known = feed.fields.iter().filter_map(|(field, column)| {
        let value = own.row.values.get(field)?;
        Some((column.clone(), value.text(own.declaration.field(field)?)))
    });
    known.collect()
}
