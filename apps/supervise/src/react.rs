//! How supervision learns: sealed events of cases, and days that begin.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use kernel::{Result, calendar::Calendar, clock::local_date};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, ExprTrait as _, QueryFilter as _,
    QueryOrder as _, sea_query::OnConflict,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Consumer, Db, Event, EventBody, Handler, Job, JobBody, JobFailure, Tx, fault};

use crate::{
    Settings,
    board::store as pictures,
    card::{self, Card},
    fact::{self, Fact},
    judge::{self, Hit, Level, Rule},
    picture::Picture,
    schema::{closing, matter},
};

/// Where the calendar comes from: the one that packs loaded last.
pub type Calendars = Arc<dyn Fn() -> Arc<Calendar> + Send + Sync>;

/// A rule was broken, or broken worse.
#[derive(Debug, Serialize, Deserialize)]
pub struct CardOpened {
    pub card_id: String,
    pub case_id: String,
    pub case_no: String,
    pub org: String,
    pub org_name: String,
    pub region: String,
    pub rule: Rule,
    pub level: Level,
    pub person_name: String,
    pub reply_due: Option<NaiveDate>,
}

impl EventBody for CardOpened {
    const KIND: &'static str = "supervise.card_opened.v1";
}

/// A case's light or time rules change on this day.
#[derive(Debug, Serialize, Deserialize)]
pub struct JudgeCase {
    pub case_id: String,
}

impl JobBody for JudgeCase {
    const KIND: &'static str = "supervise.judge_case.v1";
}

/// Judges cases, whether an event or a day asks.
#[derive(Clone)]
pub struct Judge {
    pub db: Db,
    pub settings: Settings,
    pub calendars: Calendars,
}

#[async_trait]
impl Consumer for Judge {
    fn name(&self) -> &'static str {
        "supervise.judge"
    }

    fn reads(&self, kind: &str) -> bool {
        fact::what(kind).is_some() || kind == MATTER_PUBLISHED
    }

    async fn prepare(&self, tx: &Tx, events: &[Arc<Event>]) -> Result<()> {
        let facts = events
            .iter()
            .filter(|event| fact::what(&event.kind).is_some());
        let cases = facts.filter_map(|event| event.data.get("case_id").and_then(Value::as_str));
        pictures::read_ahead(tx, cases.map(str::to_owned).collect()).await
    }

    async fn take(&self, tx: &Tx, event: &Event) -> Result<()> {
        if event.kind == MATTER_PUBLISHED {
            return note_version(tx, event).await;
        }
        let Some(what) = fact::what(&event.kind) else {
            return Ok(());
        };
        let fact: Fact = Fact::deserialize(&event.data)
            .map_err(|e| kernel::Fault::caused_by(format!("read event {}", event.id), e))?;
        let mut case = pictures::lookup(tx, &fact.case_id)
            .await?
            .unwrap_or_default();
        let in_force = version_in_force(tx, &fact).await?;
        let mut hits = judge::event(what, &fact, &case, in_force);
        if what == "closed" && !fact.is_theme {
            hits.extend(self.count_closing(tx, &fact).await?);
        }
        case.take(what, &fact);
        // As of the event, not of now: a reader that lags must not blame a case for days that its
        // next events, still unread, fill. The passing of days is judged by jobs.
        self.stand(tx, case, hits, local_date(fact.at)).await
    }
}

#[async_trait]
impl Handler for Judge {
    fn kind(&self) -> &'static str {
        JudgeCase::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let JudgeCase { case_id } = job.body()?;
        let (judge, case_id) = (self.clone(), Arc::new(case_id));
        self.db
            .write(move |tx| {
                let (judge, case_id) = (judge.clone(), case_id.clone());
                async move {
                    match pictures::lookup(&tx, &case_id).await? {
                        Some(case) => {
                            judge
                                .stand(&tx, case, Vec::new(), local_date(tx.now()))
                                .await
                        }
                        None => Ok(()),
                    }
                }
            })
            .await?;
        Ok(())
    }
}

impl Judge {
    /// Gives the case its light for the day, keeps it, opens cards, and asks to be called on the
    /// next day that changes something.
    async fn stand(
        &self,
        tx: &Tx,
        mut case: Picture,
        mut hits: Vec<Hit>,
        today: NaiveDate,
    ) -> Result<()> {
        let before = case.next_change;
        let calendar = (self.calendars)();
        match judge::day(&case, today, &calendar, &self.settings) {
            Ok(standing) => {
                case.light = standing.light;
                case.remaining = standing.remaining;
                case.next_change = standing.next_change;
                hits.extend(standing.hits);
            }
            // The case waits for its calendar instead of blocking all others; operators see the
            // error and load the year, and the case is judged again tomorrow.
            Err(error) => {
                tracing::error!(case = %case.case_no, %error, "cannot judge: load the calendar of this year");
                case.next_change = today.succ_opt();
            }
        }
        pictures::put(tx, &case);
        if case.next_change != before
            && let Some(day) = case.next_change
        {
            let case_id = case.case_id.clone();
            tx.enqueue_at(begin_of(day), &JudgeCase { case_id })?;
        }
        self.open_cards(tx, &case, hits, &calendar).await
    }

    async fn open_cards(
        &self,
        tx: &Tx,
        case: &Picture,
        hits: Vec<Hit>,
        calendar: &Calendar,
    ) -> Result<()> {
        let today = local_date(tx.now());
        let reply_due = calendar
            .add_working_days(today, self.settings.reply_days)
            .ok();
        let mut is_yellow = false;
        for hit in hits {
            let due = reply_due.filter(|_| hit.level != Level::Notice);
            if let Some(card) = card::store::put(tx, case, &hit, due).await? {
                is_yellow |= card.level == Level::Yellow;
                announce(tx, &card)?;
            }
        }
        // §2.8: two yellow cards in one case make a red one.
        if is_yellow && card::store::count_yellow(tx, &case.case_id).await? >= 2 {
            let hit = judge::two_yellow();
            if let Some(card) = card::store::put(tx, case, &hit, reply_due).await? {
                announce(tx, &card)?;
            }
        }
        Ok(())
    }

    /// F03: more closings by one person within a minute than a person can do.
    async fn count_closing(&self, tx: &Tx, fact: &Fact) -> Result<Option<Hit>> {
        let minute = fact.at.timestamp() / 60;
        let row = closing::ActiveModel {
            person: Set(fact.actor.clone()),
            minute: Set(minute),
            closings: Set(1),
        };
        let more = OnConflict::columns([closing::Column::Person, closing::Column::Minute])
            .value(
                closing::Column::Closings,
                sea_orm::sea_query::Expr::col((closing::Entity, closing::Column::Closings)).add(1),
            )
            .to_owned();
        let row = closing::Entity::insert(row)
            .on_conflict(more)
            .exec_with_returning(&**tx)
            .await
            .map_err(|e| fault("count a closing", e))?;
        let closings = u32::try_from(row.closings).unwrap_or_default();
        let is_system = fact.actor == "system";
        Ok((closings > self.settings.closings_a_minute && !is_system)
            .then(|| judge::closed_in_bulk(closings, &fact.actor_name)))
    }
}

fn announce(tx: &Tx, card: &Card) -> Result<()> {
    let body = CardOpened {
        card_id: card.id.to_string(),
        case_id: card.case_id.clone(),
        case_no: card.case_no.clone(),
        org: card.org.clone(),
        org_name: card.org_name.clone(),
        region: card.region.clone(),
        rule: card.rule,
        level: card.level,
        person_name: card.person_name.clone(),
        reply_due: card.reply_due,
    };
    tx.emit(format!("case:{}", card.case_id), "system", &body)
}

/// A little after the day has begun on the wall in China.
fn begin_of(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc() - chrono::Duration::hours(8)
        + chrono::Duration::seconds(5)
}

const MATTER_PUBLISHED: &str = "service.matter_published.v1";

/// The part of a publication that F07 needs.
#[derive(Deserialize)]
struct Published {
    task_code: String,
    version: i32,
}

async fn note_version(tx: &Tx, event: &Event) -> Result<()> {
    let published = Published::deserialize(&event.data)
        .map_err(|e| kernel::Fault::caused_by(format!("read event {}", event.id), e))?;
    let row = matter::ActiveModel {
        code: Set(published.task_code),
        version: Set(published.version),
        since: Set(local_date(event.at).to_string()),
    };
    let known = OnConflict::columns([matter::Column::Code, matter::Column::Version])
        .do_nothing()
        .to_owned();
    matter::Entity::insert(row)
        .on_conflict(known)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("note a version", e))?;
    tx.remember(VERSIONS, Versions::default());
    Ok(())
}

/// The newest version published on or before the day of acceptance.
async fn version_in_force(tx: &Tx, fact: &Fact) -> Result<Option<i32>> {
    let Some(d0) = fact.d0 else { return Ok(None) };
    // Events are taken many at a time, and most of them are of a few matters.
    let key = (fact.matter_code.clone(), d0);
    let mut known: Versions = tx.recall(VERSIONS).unwrap_or_default();
    if let Some(version) = known.0.get(&key) {
        return Ok(*version);
    }
    let row = matter::Entity::find()
        .filter(matter::Column::Code.eq(&fact.matter_code))
        .filter(matter::Column::Since.lte(d0.to_string()))
        .order_by_desc(matter::Column::Version)
        .one(&**tx)
        .await
        .map_err(|e| fault("look up a version", e))?;
    let version = row.map(|r| r.version);
    known.0.insert(key, version);
    tx.remember(VERSIONS, known);
    Ok(version)
}

/// Versions in force, by matter and day, as one write knows them.
#[derive(Clone, Default)]
struct Versions(HashMap<(String, NaiveDate), Option<i32>>);

const VERSIONS: &str = "versions in force";
