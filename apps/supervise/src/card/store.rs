//! The only queries on `supervise_card`.

use chrono::NaiveDate;
use kernel::{Result, clock};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, sea_query::Expr,
};
use store::{Tx, fault};

use super::{Card, CardId, State};
use crate::{
    judge::{Hit, Level, Rule},
    picture::Picture,
    schema::card as table,
};

/// Which cards to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub orgs: Option<Vec<String>>,
    pub regions: Option<Vec<String>>,
    pub case_id: Option<String>,
    pub state: Option<State>,
    pub level: Option<Level>,
}

/// Opens a card for the breach, or raises the level of the one that it already has. Answers
/// whether anything changed.
pub async fn put(
    tx: &Tx,
    case: &Picture,
    hit: &Hit,
    reply_due: Option<NaiveDate>,
) -> Result<Option<Card>> {
    let breach = format!("{}:{}:{}", case.case_id, hit.rule.name(), hit.occurrence);
    let known = table::Entity::find()
        .filter(table::Column::Breach.eq(&breach))
        .one(&**tx)
        .await
        .map_err(|e| fault("look up a card", e))?;
    let state = if hit.level == Level::Notice {
        State::Notice
    } else {
        State::Open
    };
    if let Some(known) = known {
        let is_higher = Level::named(&known.level).is_some_and(|level| level < hit.level);
        if !is_higher {
            return Ok(None);
        }
        let raised = table::ActiveModel {
            id: Set(known.id.clone()),
            level: Set(hit.level.name().to_owned()),
            evidence: Set(hit.evidence.to_string()),
            state: Set(state.name().to_owned()),
            version: Set(known.version + 1),
            ..Default::default()
        };
        let row = table::Entity::update(raised)
            .exec(&**tx)
            .await
            .map_err(|e| fault("raise a card", e))?;
        return card(row).map(Some);
    }
    let row = table::Model {
        id: CardId::at(tx.now()).to_string(),
        breach,
        case_id: case.case_id.clone(),
        case_no: case.case_no.clone(),
        matter_name: case.matter_name.clone(),
        org: case.org.clone(),
        org_name: case.org_name.clone(),
        region: case.region.clone(),
        rule: hit.rule.name().to_owned(),
        level: hit.level.name().to_owned(),
        evidence: hit.evidence.to_string(),
        person: case.holder.clone(),
        person_name: case.holder_name.clone(),
        opened_at: clock::micros(tx.now()),
        reply_due: reply_due.map(|d| d.to_string()),
        state: state.name().to_owned(),
        reply: None,
        replied_by: None,
        replied_at: None,
        is_late: false,
        verdict: None,
        verified_by: None,
        verified_at: None,
        version: 1,
    };
    let new = sea_orm::IntoActiveModel::into_active_model(row.clone());
    table::Entity::insert(new)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("insert a card", e))?;
    card(row).map(Some)
}

pub async fn lookup(db: &impl ConnectionTrait, id: &str) -> Result<Option<Card>> {
    let row = table::Entity::find_by_id(id.to_owned())
        .one(db)
        .await
        .map_err(|e| fault("look up a card", e))?;
    row.map(card).transpose()
}

/// Yellow cards of the case that stand.
pub async fn count_yellow(tx: &Tx, case_id: &str) -> Result<usize> {
    let rows = table::Entity::find()
        .filter(table::Column::CaseId.eq(case_id))
        .filter(table::Column::Level.eq(Level::Yellow.name()))
        .filter(table::Column::State.ne(State::Withdrawn.name()))
        .all(&**tx)
        .await
        .map_err(|e| fault("count yellow cards", e))?;
    Ok(rows.len())
}

/// A page of cards, newest first; `after` is the last id of the page before.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: &Filter,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Card>> {
    let mut query = table::Entity::find()
        .order_by_desc(table::Column::Id)
        .limit(limit);
    if let Some(orgs) = &filter.orgs {
        query = query.filter(table::Column::Org.is_in(orgs));
    }
    if let Some(regions) = &filter.regions {
        query = query.filter(table::Column::Region.is_in(regions));
    }
    if let Some(case) = &filter.case_id {
        query = query.filter(table::Column::CaseId.eq(case));
    }
    if let Some(state) = filter.state {
        query = query.filter(table::Column::State.eq(state.name()));
    }
    if let Some(level) = filter.level {
        query = query.filter(table::Column::Level.eq(level.name()));
    }
    if let Some(after) = after {
        query = query.filter(table::Column::Id.lt(after));
    }
    let rows = query.all(db).await.map_err(|e| fault("list cards", e))?;
    rows.into_iter().map(card).collect()
}

/// What a reply or verdict changes; nothing if somebody was faster.
pub struct Change {
    pub state: State,
    pub text: String,
    pub by: String,
    pub is_late: bool,
    pub is_verdict: bool,
}

pub async fn update(tx: &Tx, card: &Card, change: Change) -> Result<bool> {
    let now = clock::micros(tx.now());
    let mut update = table::Entity::update_many()
        .col_expr(table::Column::State, Expr::value(change.state.name()))
        .col_expr(table::Column::Version, Expr::value(card.version + 1))
        .filter(table::Column::Id.eq(card.id.to_string()))
        .filter(table::Column::Version.eq(card.version));
    update = if change.is_verdict {
        update
            .col_expr(table::Column::Verdict, Expr::value(change.text))
            .col_expr(table::Column::VerifiedBy, Expr::value(change.by))
            .col_expr(table::Column::VerifiedAt, Expr::value(now))
    } else {
        update
            .col_expr(table::Column::Reply, Expr::value(change.text))
            .col_expr(table::Column::RepliedBy, Expr::value(change.by))
            .col_expr(table::Column::RepliedAt, Expr::value(now))
            .col_expr(table::Column::IsLate, Expr::value(change.is_late))
    };
    let done = update
        .exec(&**tx)
        .await
        .map_err(|e| fault("update a card", e))?;
    Ok(done.rows_affected == 1)
}

/// Cards that stand, by organisation: yellow, red, late replies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub yellow: u32,
    pub red: u32,
    pub late: u32,
}

pub async fn tallies(
    db: &impl ConnectionTrait,
    regions: Option<&[String]>,
) -> Result<std::collections::HashMap<String, Tally>> {
    use table::Column as C;
    let mut query = table::Entity::find()
        .select_only()
        .columns([C::Org, C::Level, C::IsLate])
        .column_as(C::Id.count(), "cards")
        .filter(C::State.is_not_in([State::Withdrawn.name(), State::Notice.name()]))
        .group_by(C::Org)
        .group_by(C::Level)
        .group_by(C::IsLate);
    if let Some(regions) = regions {
        query = query.filter(C::Region.is_in(regions));
    }
    let rows: Vec<(String, String, bool, i64)> = query
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("count cards", e))?;
    let mut tallies = std::collections::HashMap::<String, Tally>::new();
    for (org, level, is_late, cards) in rows {
        let cards = u32::try_from(cards).unwrap_or(u32::MAX);
        let tally = tallies.entry(org).or_default();
        match Level::named(&level) {
            Some(Level::Red) => tally.red += cards,
            Some(Level::Yellow) => tally.yellow += cards,
            _ => {}
        }
        if is_late {
            tally.late += cards;
        }
    }
    Ok(tallies)
}

fn card(row: table::Model) -> Result<Card> {
    let bad = |what: &str| kernel::Fault::new(format!("card {}: bad {what}", row.id));
    Ok(Card {
        id: row.id.parse().map_err(|_| bad("id"))?,
        rule: Rule::named(&row.rule).ok_or_else(|| bad("rule"))?,
        level: Level::named(&row.level).ok_or_else(|| bad("level"))?,
        state: State::named(&row.state).ok_or_else(|| bad("state"))?,
        evidence: serde_json::from_str(&row.evidence).map_err(|_| bad("evidence"))?,
        reply_due: row.reply_due.as_deref().and_then(|d| d.parse().ok()),
        case_id: row.case_id,
        case_no: row.case_no,
        matter_name: row.matter_name,
        org: row.org,
        org_name: row.org_name,
        region: row.region,
        person_name: row.person_name,
        opened_at: clock::from_micros(row.opened_at),
        reply: row.reply,
        replied_at: row.replied_at.map(clock::from_micros),
        is_late: row.is_late,
        verdict: row.verdict,
        verified_at: row.verified_at.map(clock::from_micros),
        version: row.version,
    })
}
