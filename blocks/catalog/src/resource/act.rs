//! Drafting, submitting, revising, withdrawing, reading.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use ::store::{
    Tx,
    page::{PageOf, PageRequest},
};
use identity::{Actor, Gate, Resource, directory};
use kernel::{
    Error, Finding, Result, Text,
    clock::{from_micros, micros},
};
use registry::Registries;
use sea_orm::ConnectionTrait;
use web::App;

use super::{
    Entry, Happening, State, Version, flow, react, read,
    store::{self, Facets, Filter},
};
use crate::{
    check::{Report, check},
    difference::{Change, difference},
    event, freshness,
    metadata::Metadata,
    oversight,
    profile::{self, Profile},
};

/// Whether the actor may do something with an entry, by its id and provider.
pub async fn may(
    app: &App,
    actor: &Actor,
    action: &str,
    (id, provider): (&str, &str),
) -> Result<()> {
    let resource = oversight::entry(app.db().read(), id, provider).await?;
    actor.may(&*app.part::<Gate>()?, action, &resource)
}

async fn may_edit(app: &App, actor: &Actor, row: &Entry) -> Result<()> {
    may(app, actor, "catalog.edit", (&row.id, &row.provider)).await
}

/// Checks entries; each with the id it has, empty for a new one.
pub(crate) async fn checked(
    app: &App,
    db: &impl ConnectionTrait,
    profile: &Profile,
    entries: &[(&str, &Metadata)],
) -> Result<Vec<Report>> {
    checked_within(app, db, profile, entries, &HashSet::new()).await
}

/// As [`checked`], of entries that come together with others of these codes.
pub(crate) async fn checked_within(
    app: &App,
    db: &impl ConnectionTrait,
    profile: &Profile,
    entries: &[(&str, &Metadata)],
    codes: &HashSet<String>,
) -> Result<Vec<Report>> {
    let mut facts = store::facts(db, entries).await?;
    for facts in &mut facts {
        facts.unknown_related.retain(|code| !codes.contains(code));
    }
    let tables: BTreeSet<_> = entries
        .iter()
        .flat_map(|(_, entry)| entry.items.iter().map(|item| item.code_table.clone()))
        .filter(|table| !table.is_empty())
        .collect();
    let mut unknown = BTreeSet::new();
    if let Ok(registries) = app.part::<Registries>() {
        for table in tables {
            if registries.codes(app.db(), &table).await?.is_empty() {
                unknown.insert(table);
            }
        }
    }
    let mut providers = BTreeMap::new();
    for ((_, entry), facts) in entries.iter().zip(&mut facts) {
        if !providers.contains_key(&entry.provider) {
            let found = directory::organisation(db, &entry.provider).await?;
            providers.insert(entry.provider.clone(), found.is_some());
        }
        facts.has_provider = providers.get(&entry.provider) == Some(&true);
        facts.unknown_tables.clone_from(&unknown);
    }
    let pairs = entries.iter().zip(&facts);
    Ok(pairs
        .map(|((_, entry), facts)| check(entry, profile, facts))
        .collect())
}

async fn checked_one(
    app: &App,
    db: &impl ConnectionTrait,
    profile: &Profile,
    id: &str,
    entry: &Metadata,
) -> Result<Report> {
    let reports = checked(app, db, profile, &[(id, entry)]).await?;
    Ok(reports.into_iter().next().unwrap_or_default())
}

/// A new entry, not yet written.
pub(crate) fn blank(now: chrono::DateTime<chrono::Utc>, provider: &str, who: &str) -> Entry {
    Entry {
        id: ::store::event::new_id(now),
        code: None,
        class: String::new(),
        name: String::new(),
        provider: provider.to_owned(),
        provider_name: String::new(),
        format_class: String::new(),
        share_type: String::new(),
        is_open: false,
        cycle: String::new(),
        state: State::Draft.name().to_owned(),
        number: 0,
        published_on: None,
        document: String::new(),
        draft: None,
        words: String::new(),
        fingerprint: String::new(),
        errors: 0,
        warnings: 0,
        rate: 0,
        data_at: None,
        due_at: None,
        is_overdue: false,
        instance: None,
        origin: String::new(),
        updated_at: micros(now),
        updated_by: who.to_owned(),
        version: 1,
    }
}

pub(crate) fn tell(tx: &Tx, row: &Entry, who: &str, act: &str) -> Result<()> {
    let body = event::EntryMoved {
        resource: row.id.clone(),
        code: row.code.clone().unwrap_or_default(),
        name: row.name.clone(),
        provider: row.provider.clone(),
        act: act.to_owned(),
        state: row.state.clone(),
    };
    tx.emit(flow::subject(&row.id), who, &body)
}

/// Drafts an entry; answers its id.
pub async fn create(app: &App, actor: &Actor, entry: Metadata) -> Result<String> {
    let mut entry = entry.tidy();
    let gate = app.part::<Gate>()?;
    actor.may(&gate, "catalog.read", &Resource::system())?;
    if entry.provider.is_empty() {
        return Err(Error::invalid(
            "provider",
            Text::new("catalog-request-needed"),
        ));
    }
    may(app, actor, "catalog.edit", ("", &entry.provider)).await?;
    entry.need_fit()?;
    if entry.name.is_empty() {
        return Err(Error::invalid("name", Text::new("catalog-rule-name")));
    }
    name_provider(app.db().read(), &mut entry).await?;
    let (app, who) = (app.clone(), actor.trace());
    let db = app.db().clone();
    db.write(move |tx| {
        let (app, who, entry) = (app.clone(), who.clone(), entry.clone());
        async move {
            let profile = profile::get(&*tx).await?;
            let report = checked_one(&app, &*tx, &profile, "", &entry).await?;
            let mut row = blank(tx.now(), &entry.provider, &who);
            row.work_on(&entry, &report)?;
            need_free_code(&tx, &row).await?;
            store::insert(&tx, vec![row.clone()]).await?;
            store::note(&tx, &row.id, &who, "drafted", "").await?;
            tell(&tx, &row, &who, "drafted")?;
            Ok(row.id)
        }
    })
    .await
}

/// The column is unique; a twin is told as a field's mistake, not as a failure.
async fn need_free_code(tx: &Tx, row: &Entry) -> Result<()> {
    let Some(code) = &row.code else { return Ok(()) };
    match store::of_code(&**tx, code).await? {
        Some(other) if other.id != row.id => {
            Err(Error::invalid("code", Text::new("catalog-rule-code-twice")))
        }
        _ => Ok(()),
    }
}

/// The provider's name is that of the directory.
pub(crate) async fn name_provider(db: &impl ConnectionTrait, entry: &mut Metadata) -> Result<()> {
    let found = directory::organisation(db, &entry.provider).await?;
    let Some(organisation) = found else {
        return Err(Error::invalid(
            "provider",
            Text::new("catalog-rule-provider"),
        ));
    };
    entry.provider_name = organisation.name_zh;
    Ok(())
}

/// Writes the working copy. The provider and a code once given stay.
pub async fn save(
    app: &App,
    actor: &Actor,
    id: &str,
    version: i64,
    entry: Metadata,
) -> Result<Entry> {
    let known = store::get(app.db().read(), id).await?;
    may_edit(app, actor, &known).await?;
    let mut entry = entry.tidy();
    entry.need_fit()?;
    if entry.name.is_empty() {
        return Err(Error::invalid("name", Text::new("catalog-rule-name")));
    }
    entry.provider.clone_from(&known.provider);
    name_provider(app.db().read(), &mut entry).await?;
    change(app, actor, id, version, "saved", move |row| {
        if !row.standing().is_writable() {
            return Err(Error::refused("catalog-not-writable"));
        }
        let mut entry = entry.clone();
        if row.number > 0 {
            entry.code = row.code.clone().unwrap_or_default();
        }
        Ok(Some(entry))
    })
    .await
}

/// One change of one entry: the rule decides on the row, and may give a new working copy.
async fn change(
    app: &App,
    actor: &Actor,
    id: &str,
    version: i64,
    act: &'static str,
    rule: impl Fn(&mut Entry) -> Result<Option<Metadata>> + Clone + Send + Sync + 'static,
) -> Result<Entry> {
    let (shared, who, id) = (app.clone(), actor.trace(), id.to_owned());
    app.db()
        .write(move |tx| {
            let (app, who, id, rule) = (shared.clone(), who.clone(), id.clone(), rule.clone());
            async move {
                let mut row = store::get(&*tx, &id).await?;
                if row.version != version {
                    return Err(Error::refused("catalog-changed"));
                }
                if let Some(entry) = rule(&mut row)? {
                    let profile = profile::get(&*tx).await?;
                    let report = checked_one(&app, &*tx, &profile, &row.id, &entry).await?;
                    row.work_on(&entry, &report)?;
                    need_free_code(&tx, &row).await?;
                }
                row.updated_by.clone_from(&who);
                let row = store::update(&tx, row).await?;
                store::note(&tx, &row.id, &who, act, "").await?;
                tell(&tx, &row, &who, act)?;
                Ok(row)
            }
        })
        .await
}

/// Begins the next version of a published entry; the present one holds meanwhile.
pub async fn revise(app: &App, actor: &Actor, id: &str, version: i64) -> Result<Entry> {
    let row = store::get(app.db().read(), id).await?;
    may_edit(app, actor, &row).await?;
    change(app, actor, id, version, "revised", |row| {
        if row.standing() != State::Published || !row.origin.is_empty() {
            return Err(Error::refused("catalog-not-published"));
        }
        State::Changing.name().clone_into(&mut row.state);
        row.draft = Some(row.document.clone());
        Ok(None)
    })
    .await
}

/// Gives up a working copy. An entry never published is gone; the answer is empty then.
pub async fn discard(app: &App, actor: &Actor, id: &str, version: i64) -> Result<Option<Entry>> {
    let row = store::get(app.db().read(), id).await?;
    may_edit(app, actor, &row).await?;
    if row.number > 0 {
        let row = change(app, actor, id, version, "discarded", |row| {
            if row.standing() != State::Changing {
                return Err(Error::refused("catalog-not-writable"));
            }
            State::Published.name().clone_into(&mut row.state);
            row.draft = None;
            (row.errors, row.warnings, row.rate) = (0, 0, 1000);
            Ok(None)
        });
        return row.await.map(Some);
    }
    let (id, who) = (id.to_owned(), actor.trace());
    app.db()
        .write(move |tx| {
            let (id, who) = (id.clone(), who.clone());
            async move {
                let row = store::get(&*tx, &id).await?;
                if row.version != version || row.number > 0 {
                    return Err(Error::refused("catalog-changed"));
                }
                if row.standing() != State::Draft {
                    return Err(Error::refused("catalog-not-writable"));
                }
                store::remove(&tx, &id).await?;
                tell(&tx, &row, &who, "discarded")
            }
        })
        .await?;
    Ok(None)
}

/// Hands the working copy in: it is checked, and if it passes, the department decides next. One
/// that does not pass is refused with everything that is wrong.
pub async fn submit(app: &App, actor: &Actor, id: &str, version: i64) -> Result<Entry> {
    let row = store::get(app.db().read(), id).await?;
    may_edit(app, actor, &row).await?;
    if !row.standing().is_writable() {
        return Err(Error::refused("catalog-not-writable"));
    }
    let report = report(app, &row).await?;
    if !report.passes() {
        let findings = report
            .errors()
            .map(|d| Finding::new(d.place.clone(), d.text.clone()));
        return Err(Error::Invalid(findings.collect()));
    }
    flow::begin(app, actor, id, version, flow::Aim::Publish, "").await
}

/// What became of drafts that were submitted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = CatalogSubmissions)]
pub struct Submissions {
    #[schema(example = 200)]
    pub submitted: u64,
    /// Drafts that break rules; the page of each tells which.
    #[schema(example = 3)]
    pub faulty: u64,
    /// Drafts that are left, because one time takes [`MOST_SUBMITTED`].
    pub left: u64,
}

/// Entries submitted at one time; each starts a process.
pub const MOST_SUBMITTED: u32 = 200;

/// Submits the working copies of a provider that pass, as after an import; each in its own write.
pub async fn submit_all(app: &App, actor: &Actor, provider: &str) -> Result<Submissions> {
    let gate = app.part::<Gate>()?;
    actor.may(&gate, "catalog.read", &Resource::system())?;
    // A blank one would narrow nothing.
    if provider.is_empty() {
        return Err(Error::invalid(
            "provider",
            Text::new("catalog-request-needed"),
        ));
    }
    may(app, actor, "catalog.edit", ("", provider)).await?;
    let mut done = Submissions::default();
    for state in [State::Draft, State::Changing] {
        let filter = Filter {
            state: Some(state),
            provider: provider.to_owned(),
            ..Filter::default()
        };
        let mut page = PageRequest::new(None, Some(MOST_SUBMITTED));
        loop {
            let found = store::list(app.db(), &filter, &page).await?;
            for row in &found.items {
                submit_one(app, actor, row, &mut done).await?;
            }
            match found.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
    }
    Ok(done)
}

async fn submit_one(app: &App, actor: &Actor, row: &Entry, done: &mut Submissions) -> Result<()> {
    if done.submitted >= u64::from(MOST_SUBMITTED) {
        done.left += 1;
        return Ok(());
    }
    match submit(app, actor, &row.id, row.version).await {
        Ok(_) => done.submitted += 1,
        Err(Error::Invalid(_)) => done.faulty += 1,
        // Somebody was faster.
        Err(Error::Refused(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Asks that a published entry shall hold no longer.
pub async fn withdraw(
    app: &App,
    actor: &Actor,
    id: &str,
    version: i64,
    reason: &str,
) -> Result<Entry> {
    let row = store::get(app.db().read(), id).await?;
    may_edit(app, actor, &row).await?;
    if row.standing() != State::Published || !row.origin.is_empty() {
        return Err(Error::refused("catalog-not-published"));
    }
    let reason = crate::must_say("reason", reason)?;
    flow::begin(app, actor, id, version, flow::Aim::Withdraw, &reason).await
}

/// The provider renewed the data at that moment; now where nothing is said.
pub async fn renew(
    app: &App,
    actor: &Actor,
    id: &str,
    at: Option<chrono::DateTime<chrono::Utc>>,
) -> Result<Entry> {
    let row = store::get(app.db().read(), id).await?;
    may(app, actor, "catalog.renew", (&row.id, &row.provider)).await?;
    let now = app.clock().now();
    let at = at.unwrap_or(now);
    if at > now {
        return Err(Error::invalid("at", Text::new("catalog-renewed-later")));
    }
    let (id, who) = (id.to_owned(), actor.trace());
    app.db()
        .write(move |tx| {
            let (id, who) = (id.clone(), who.clone());
            async move {
                let profile = profile::get(&*tx).await?;
                let row = store::get(&*tx, &id).await?;
                renewed(&tx, row, &profile, at, &who).await
            }
        })
        .await
}

/// Moments between two renewals that deliveries tell; sources that send each second do not make an
/// event of each.
const TOLD_AGAIN: i64 = 60_000_000;

/// Data of an entry arrived just now by the exchange. Entries that are not open, or that another
/// hub answers for, are left alone.
pub async fn delivered(tx: &Tx, id: &str) -> Result<()> {
    let row = store::get(&**tx, id).await?;
    let is_told = row
        .data_at
        .is_some_and(|at| micros(tx.now()) - at < TOLD_AGAIN);
    if !row.is_public() || !row.origin.is_empty() || (is_told && !row.is_overdue) {
        return Ok(());
    }
    let profile = profile::get(&**tx).await?;
    renewed(tx, row, &profile, tx.now(), "system").await?;
    Ok(())
}

/// As [`renew`], in a write.
pub(crate) async fn renewed(
    tx: &Tx,
    mut row: Entry,
    profile: &Profile,
    at: chrono::DateTime<chrono::Utc>,
    who: &str,
) -> Result<Entry> {
    if !row.is_public() {
        return Err(Error::refused("catalog-not-published"));
    }
    clock(&mut row, profile, at);
    row.is_overdue = row.due_at.is_some_and(|due| due <= micros(tx.now()));
    let row = store::update(tx, row).await?;
    react::watch(tx, &row)?;
    let body = event::Renewed {
        resource: row.id.clone(),
        code: row.code.clone().unwrap_or_default(),
        provider: row.provider.clone(),
        data_at: micros(at),
    };
    tx.emit(flow::subject(&row.id), who, &body)?;
    Ok(row)
}

/// Sets the moments by which lateness is told.
pub(crate) fn clock(row: &mut Entry, profile: &Profile, at: chrono::DateTime<chrono::Utc>) {
    let cycle = profile::of_code(&profile.cycles, &row.cycle);
    let due = cycle.and_then(|cycle| freshness::after(at, &cycle.interval));
    row.data_at = Some(micros(at));
    row.due_at = due.map(micros);
}

/// What the check says of the working copy now.
pub async fn report(app: &App, row: &Entry) -> Result<Report> {
    let db = app.db().read();
    let profile = profile::get(db).await?;
    checked_one(app, db, &profile, &row.id, &row.working()?).await
}

/// Whether the actor sees drafts of everybody (none), or of which organisations.
async fn drafts_of(app: &App, actor: &Actor) -> Result<Option<Vec<String>>> {
    let gate = app.part::<Gate>()?;
    let whole = oversight::whole(app.db().read()).await?;
    match actor.may(&gate, "catalog.drafts", &whole) {
        Ok(()) => Ok(None),
        Err(Error::Forbidden { .. }) => {
            Ok(Some(actor.posts.iter().map(|p| p.org.clone()).collect()))
        }
        Err(error) => Err(error),
    }
}

/// Entries that the actor may see.
pub async fn list(
    app: &App,
    actor: &Actor,
    filter: &Filter,
    page: &PageRequest,
) -> Result<PageOf<Entry>> {
    let filter = seen(app, actor, filter).await?;
    store::list(app.db(), &filter, page).await
}

/// How many of them there are by each value.
pub async fn facets(app: &App, actor: &Actor, filter: &Filter) -> Result<Facets> {
    let filter = seen(app, actor, filter).await?;
    store::facets(app.db(), &filter).await
}

async fn seen(app: &App, actor: &Actor, filter: &Filter) -> Result<Filter> {
    actor.may(&*app.part::<Gate>()?, "catalog.read", &Resource::system())?;
    Ok(Filter {
        drafts_of: drafts_of(app, actor).await?,
        ..filter.clone()
    })
}

/// An entry with what the reader may know of it.
pub struct View {
    pub row: Entry,
    /// The published metadata, or the draft of one never published.
    pub metadata: Metadata,
    /// What its provider works on; only for those who may see drafts.
    pub working: Option<Metadata>,
    pub versions: Vec<Version>,
    pub happenings: Vec<Happening>,
}

/// One entry, by id or code. What is not published is there for its provider and the centre only.
pub async fn get(app: &App, actor: &Actor, id: &str) -> Result<View> {
    let gate = app.part::<Gate>()?;
    actor.may(&gate, "catalog.read", &Resource::system())?;
    let db = app.db().read();
    let found = match store::lookup(db, id).await? {
        Some(row) => Some(row),
        None => store::of_code(db, id).await?,
    };
    let row = found.ok_or(Error::NotFound { what: "resource" })?;
    let own = oversight::entry(db, &row.id, &row.provider).await?;
    let sees_drafts = actor.may(&gate, "catalog.drafts", &own).is_ok();
    if row.number == 0 && !sees_drafts {
        return Err(Error::NotFound { what: "resource" });
    }
    let metadata = row.metadata()?;
    let working = (sees_drafts && row.draft.is_some())
        .then(|| row.working())
        .transpose()?;
    let versions = store::versions(db, &row.id).await?;
    let happenings = if sees_drafts {
        store::happenings(db, &row.id).await?
    } else {
        Vec::new()
    };
    Ok(View {
        row,
        metadata,
        working,
        versions,
        happenings,
    })
}

/// What changed from one version to another; 0 is the working copy as the second, nothing as the
/// first.
pub fn compare(view: &View, from: i64, to: i64) -> Result<Vec<Change>> {
    let of = |number: i64| -> Result<Metadata> {
        let found = view.versions.iter().find(|v| v.number == number);
        read(&found.ok_or(Error::NotFound { what: "version" })?.document)
    };
    let before = if from == 0 {
        Metadata::default()
    } else {
        of(from)?
    };
    let after = match (to, &view.working) {
        (0, Some(working)) => working.clone(),
        (0, None) => view.metadata.clone(),
        (number, _) => of(number)?,
    };
    Ok(difference(&before, &after))
}

/// The catalog's quality: how many entries the actor sees, how many pass.
#[derive(Clone, Debug, Default, serde::Serialize, utoipa::ToSchema)]
#[schema(as = CatalogQuality)]
pub struct Quality {
    #[schema(example = 3154)]
    pub entries: u64,
    #[schema(example = 3154)]
    pub passing: u64,
    /// Passing entries in thousandths.
    #[schema(example = 1000)]
    pub rate: u64,
    /// Published entries whose data is late.
    pub overdue: u64,
}

pub async fn quality(app: &App, actor: &Actor) -> Result<Quality> {
    let all = seen(app, actor, &Filter::default()).await?;
    let count = async |filter: Filter| store::count(app.db(), &filter).await;
    let entries = count(all.clone()).await?;
    let faulty = Filter {
        only_faulty: true,
        ..all.clone()
    };
    let late = Filter {
        only_overdue: true,
        ..all
    };
    let passing = entries - count(faulty).await?.min(entries);
    Ok(Quality {
        entries,
        passing,
        rate: passing * 1000 / entries.max(1),
        overdue: count(late).await?,
    })
}

/// The moment at which data is late, if it has a cycle.
pub fn due(row: &Entry) -> Option<chrono::DateTime<chrono::Utc>> {
    row.due_at.map(from_micros)
}

/// An entry that a pack describes; answers whether it is new. One that is there already is its
/// provider's to change, so it stays as it is.
pub async fn install(tx: &Tx, entry: Metadata, publish: bool) -> Result<bool> {
    let mut entry = entry.tidy();
    entry.need_fit()?;
    name_provider(&**tx, &mut entry).await?;
    let names = std::slice::from_ref(&entry.name);
    if !store::named(&**tx, &entry.provider, names)
        .await?
        .is_empty()
    {
        return Ok(false);
    }
    let profile = profile::get(&**tx).await?;
    let facts = store::facts(&**tx, &[("", &entry)]).await?;
    let mut facts = facts.into_iter().next().unwrap_or_default();
    // The pack's check has looked at both.
    facts.has_provider = true;
    let report = check(&entry, &profile, &facts);
    let mut row = blank(tx.now(), &entry.provider, "system");
    row.work_on(&entry, &report)?;
    need_free_code(tx, &row).await?;
    store::insert(tx, vec![row.clone()]).await?;
    store::note(tx, &row.id, "system", "drafted", "").await?;
    if publish {
        if let Some(defect) = report.errors().next() {
            let finding = Finding::new(defect.place.clone(), defect.text.clone());
            return Err(Error::Invalid(vec![finding]));
        }
        flow::publish(tx, row, "system", "").await?;
    }
    Ok(true)
}
