//! Starting a comparison, looking at pairs, deciding.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use ::store::{
    Tx,
    page::{PageOf, PageRequest},
};
use identity::{Actor, Gate, Resource};
use kernel::{Error, Fault, Finding, Result, Text, clock::micros};
use web::App;

use super::{Explanation, PairState, RunState, Thresholds, Verdict, react::Run, store, weight_of};
use crate::{
    Declaration, Registries,
    declaration::Role,
    event, log, oversight,
    record::{
        self,
        act::{self, AsOf, View, must_say},
        apply,
    },
    schema::{self, match_pair, match_run},
};

/// A comparison that is asked for.
#[derive(Clone, Debug)]
pub struct Starting {
    pub registry: String,
    /// The registry on the other side; the same or nothing to look for duplicates.
    pub other: Option<String>,
    pub purpose: String,
    pub thresholds: Thresholds,
    /// Pairs from `link_from` on are merged without a person looking at them.
    pub links_itself: bool,
}

async fn may(app: &App, actor: &Actor, action: &str, id: &str) -> Result<Arc<Declaration>> {
    let registries = app.part::<Registries>()?;
    let declaration = registries.declaration(app.db().read(), id).await?;
    let resource = oversight::registry(app, &declaration).await?;
    actor.may(&*app.part::<Gate>()?, action, &resource)?;
    Ok(declaration)
}

/// Starts a comparison, which a job then makes; answers its id.
pub async fn start(app: &App, actor: &Actor, starting: &Starting) -> Result<String> {
    let other = starting.other.as_ref().filter(|other| !other.is_empty());
    let other = other.unwrap_or(&starting.registry).clone();
    let gate = app.part::<Gate>()?;
    actor.may(&gate, "registry.match", &Resource::system())?;
    if starting.registry.is_empty() {
        let text = Text::new("registry-match-registry");
        return Err(Error::invalid("registry", text));
    }
    let mut findings = Vec::new();
    for (field, id) in [("registry", &starting.registry), ("other", &other)] {
        let declaration = may(app, actor, "registry.match", id).await?;
        if starting.links_itself {
            may(app, actor, "registry.match.link", id).await?;
        }
        if !declaration.can_be_matched() {
            findings.push(Finding::new(field, Text::new("registry-match-no-fields")));
        }
    }
    if starting.links_itself && other != starting.registry {
        let text = Text::new("registry-match-two-registries");
        findings.push(Finding::new("links_itself", text));
    }
    let purpose = starting.purpose.trim().to_owned();
    if purpose.chars().count() < 2 {
        let text = Text::new("registry-match-purpose");
        findings.push(Finding::new("purpose", text));
    }
    let (link, review) = thresholds(&starting.thresholds, &mut findings);
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    let row = match_run::Model {
        id: String::new(),
        registry: starting.registry.clone(),
        other,
        purpose,
        state: RunState::Waiting.name().to_owned(),
        link_from: link,
        review_from: review,
        links_itself: starting.links_itself,
        done: 0,
        total: 0,
        records: 0,
        candidates: 0,
        skipped: 0,
        linked: 0,
        to_review: 0,
        model: String::new(),
        actor: actor.trace(),
        started_at: 0,
        finished_at: None,
        problem: String::new(),
    };
    app.db()
        .write(move |tx| {
            let row = row.clone();
            async move { start_in(&tx, row).await }
        })
        .await
}

fn thresholds(given: &Thresholds, findings: &mut Vec<Finding>) -> (i64, i64) {
    let mut read = |field: &str, value: f64| {
        weight_of(value).unwrap_or_else(|| {
            findings.push(Finding::new(field, Text::new("registry-match-threshold")));
            0
        })
    };
    let link = read("link_from", given.link_from);
    let review = read("review_from", given.review_from);
    if findings.is_empty() && review > link {
        let text = Text::new("registry-match-threshold-order");
        findings.push(Finding::new("review_from", text));
    }
    (link, review)
}

async fn start_in(tx: &Tx, mut row: match_run::Model) -> Result<String> {
    if store::is_running(&**tx, &row.registry).await? {
        return Err(Error::refused("registry-match-running"));
    }
    row.id = ::store::event::new_id(tx.now());
    row.started_at = micros(tx.now());
    store::insert_run(tx, row.clone()).await?;
    let body = event::MatchStarted {
        run: row.id.clone(),
        registry: row.registry.clone(),
        other: row.other.clone(),
        purpose: row.purpose.chars().take(200).collect(),
        links_itself: row.links_itself,
    };
    tx.emit(format!("registry:{}", row.registry), &row.actor, &body)?;
    tx.enqueue(&Run {
        run: row.id.clone(),
    })?;
    Ok(row.id)
}

/// Comparisons, newest first; those of registries that the actor may not compare are left out.
pub async fn list_runs(
    app: &App,
    actor: &Actor,
    page: &PageRequest,
) -> Result<PageOf<match_run::Model>> {
    let gate = app.part::<Gate>()?;
    actor.may(&gate, "registry.match", &Resource::system())?;
    let db = app.db().read();
    let mut own = Vec::new();
    for row in schema::declarations(db).await? {
        match may(app, actor, "registry.match", &row.id).await {
            Ok(_) => own.push(row.id),
            Err(Error::Forbidden { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    store::list_runs(db, &own, page).await
}

pub async fn get_run(app: &App, actor: &Actor, id: &str) -> Result<match_run::Model> {
    let row = store::get_run(app.db().read(), id).await?;
    may(app, actor, "registry.match", &row.registry).await?;
    Ok(row)
}

/// Pairs of a registry in a state, the likeliest first.
pub async fn list_pairs(
    app: &App,
    actor: &Actor,
    registry_id: &str,
    state: PairState,
    page: &PageRequest,
) -> Result<PageOf<match_pair::Model>> {
    may(app, actor, "registry.match", registry_id).await?;
    store::list_pairs(app.db().read(), registry_id, state, page).await
}

/// What the records of these pairs are called, by record, masked; a search of their registries.
pub async fn names(
    app: &App,
    actor: &Actor,
    pairs: &[match_pair::Model],
) -> Result<HashMap<String, String>> {
    let db = app.db().read();
    let mut names = HashMap::new();
    let sides = pairs.iter().flat_map(|pair| {
        let left = (&pair.registry, &pair.left_record);
        [left, (&pair.other, &pair.right_record)]
    });
    let mut searched: BTreeMap<&String, Vec<String>> = BTreeMap::new();
    for (registry_id, record) in sides {
        if names.contains_key(record) {
            continue;
        }
        let declaration = may(app, actor, "registry.match", registry_id).await?;
        let Some(row) = record::store::lookup(db, &declaration, record).await? else {
            continue;
        };
        let field = declaration.in_role(Role::Name).next();
        let name = field.and_then(|f| Some(row.values.get(&f.id)?.masked(f)));
        names.insert(record.clone(), name.unwrap_or_default());
        searched
            .entry(registry_id)
            .or_default()
            .push(record.clone());
    }
    for (registry_id, rows) in searched {
        let declaration = may(app, actor, "registry.match", registry_id).await?;
        if declaration.is_sensitive() {
            log::note_search(app, actor, &declaration, rows, false).await?;
        }
    }
    Ok(names)
}

/// How many pairs of a registry are in each state.
pub async fn count_pairs(
    app: &App,
    actor: &Actor,
    registry_id: &str,
) -> Result<Vec<(PairState, u64)>> {
    may(app, actor, "registry.match", registry_id).await?;
    let mut counts = Vec::new();
    for state in PairState::ALL {
        let count = store::count_pairs(app.db().read(), registry_id, state).await?;
        counts.push((state, count));
    }
    Ok(counts)
}

/// A pair with both records, as this reader may see them.
#[derive(Clone, Debug)]
pub struct PairView {
    pub row: match_pair::Model,
    pub explanation: Explanation,
    pub left: View,
    pub right: View,
}

/// Opens a pair: a look at both records, which is kept like every other.
pub async fn open_pair(
    app: &App,
    actor: &Actor,
    id: &str,
    purpose: &str,
    unmask: bool,
) -> Result<PairView> {
    let row = store::get_pair(app.db().read(), id).await?;
    may(app, actor, "registry.match", &row.registry).await?;
    let now = AsOf::default();
    let left = act::view(
        app,
        actor,
        &row.registry,
        &row.left_record,
        now,
        purpose,
        unmask,
    )
    .await?;
    let right = act::view(
        app,
        actor,
        &row.other,
        &row.right_record,
        now,
        purpose,
        unmask,
    )
    .await?;
    let explanation = serde_json::from_str(&row.explanation)
        .map_err(|e| Fault::caused_by("read what a pair weighs", e))?;
    Ok(PairView {
        row,
        explanation,
        left,
        right,
    })
}

/// What a person decides of a pair.
#[derive(Clone, Debug)]
pub struct Deciding {
    pub verdict: Verdict,
    /// Version that the actor has seen.
    pub version: i64,
    pub reason: String,
}

/// Decides a pair. One that was linked or decided can be decided again: what was merged is undone.
pub async fn decide(
    app: &App,
    actor: &Actor,
    id: &str,
    deciding: &Deciding,
) -> Result<match_pair::Model> {
    let row = store::get_pair(app.db().read(), id).await?;
    let declaration = may(app, actor, "registry.match", &row.registry).await?;
    let is_one_registry = row.registry == row.other;
    let reason = match deciding.verdict {
        Verdict::Later => deciding.reason.trim().chars().take(2000).collect(),
        _ => must_say(&deciding.reason)?,
    };
    if is_one_registry && deciding.verdict != Verdict::Later {
        may(app, actor, "registry.merge", &row.registry).await?;
    }
    let (id, who, deciding) = (id.to_owned(), actor.trace(), deciding.clone());
    let own = declaration.clone();
    let done = app
        .db()
        .write(move |tx| {
            let (id, who, deciding) = (id.clone(), who.clone(), deciding.clone());
            let (declaration, reason) = (own.clone(), reason.clone());
            async move {
                let row = store::get_pair(&*tx, &id).await?;
                if row.version != deciding.version {
                    return Err(Error::refused("registry-pair-changed"));
                }
                decide_in(&tx, &declaration, row, deciding.verdict, &reason, &who).await
            }
        })
        .await;
    act::discreet(app, actor, &declaration, done)
}

async fn decide_in(
    tx: &Tx,
    declaration: &Declaration,
    row: match_pair::Model,
    verdict: Verdict,
    reason: &str,
    who: &str,
) -> Result<match_pair::Model> {
    let state = PairState::of_name(&row.state);
    let next = match verdict {
        Verdict::KeepLeft | Verdict::KeepRight => PairState::Same,
        Verdict::Different => PairState::Different,
        Verdict::Later => PairState::Later,
    };
    let is_settled = matches!(state, PairState::Linked | PairState::Same);
    if state == next || (next == PairState::Same && is_settled) {
        return Err(Error::refused("registry-pair-decided"));
    }
    // Putting off is for what nobody decided; what was decided is decided otherwise.
    if next == PairState::Later && state != PairState::Open {
        return Err(Error::refused("registry-pair-decided"));
    }
    let mut row = separated(tx, declaration, row, reason, who).await?;
    if next == PairState::Same && row.registry == row.other {
        let (stays, goes) = match verdict {
            Verdict::KeepRight => (&row.right_record, &row.left_record),
            _ => (&row.left_record, &row.right_record),
        };
        row.merge = join(tx, declaration, goes, stays, reason, who).await?;
    }
    finish(tx, row, next, reason, who).await
}

/// Undoes what was merged of a pair, if it still is.
async fn separated(
    tx: &Tx,
    declaration: &Declaration,
    row: match_pair::Model,
    reason: &str,
    who: &str,
) -> Result<match_pair::Model> {
    let Some(made) = row.merge.clone() else {
        return Ok(row);
    };
    act::unmerge_in(tx, declaration, &made, reason, who).await?;
    // Undoing opened the pair again.
    store::get_pair(&**tx, &row.id).await
}

/// Makes the record that `goes` counts for count for the one that `stays` counts for; nothing where
/// they are one already.
pub(crate) async fn join(
    tx: &Tx,
    declaration: &Declaration,
    goes: &str,
    stays: &str,
    reason: &str,
    who: &str,
) -> Result<Option<String>> {
    let from = apply::shown_by(&**tx, declaration, goes).await?;
    let into = apply::shown_by(&**tx, declaration, stays).await?;
    if from == into {
        return Ok(None);
    }
    let merge = act::merge_in(tx, declaration, &from, &into, reason, who).await?;
    Ok(Some(merge))
}

/// Writes what was decided, with its event.
pub(crate) async fn finish(
    tx: &Tx,
    mut row: match_pair::Model,
    state: PairState,
    reason: &str,
    who: &str,
) -> Result<match_pair::Model> {
    state.name().clone_into(&mut row.state);
    reason.clone_into(&mut row.reason);
    who.clone_into(&mut row.decided_by);
    row.decided_at = Some(micros(tx.now()));
    let row = store::update_pair(tx, row).await?;
    let body = event::PairDecided {
        pair: row.id.clone(),
        run: row.run.clone(),
        registry: row.registry.clone(),
        left: row.left_record.clone(),
        other: row.other.clone(),
        right: row.right_record.clone(),
        state: row.state.clone(),
        merge: row.merge.clone(),
    };
    tx.emit(format!("pair:{}", row.id), who, &body)?;
    Ok(row)
}
