//! When the official calendar of a year comes, dates that a provisional one gave are counted anew.

use async_trait::async_trait;
use kernel::Result;
use serde::{Deserialize, Serialize};
use store::{Consumer, Event, EventBody, Handler, Job, JobBody, JobFailure, Tx};
use web::App;

use super::{
    CaseId,
    act::{Desk, Who, fact},
    due,
    event::CaseRecounted,
    store::{self as rows, Entry},
};

/// Cases looked at between two commits.
const BATCH: u64 = 100;

/// Counts the dates of all running cases anew, beginning after a case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recount {
    pub after: String,
}

impl JobBody for Recount {
    const KIND: &'static str = "service.recount.v1";
}

/// Orders a recount whenever a year's notice was loaded.
pub struct NewYear;

#[async_trait]
impl Consumer for NewYear {
    fn name(&self) -> &'static str {
        "service.new_year"
    }

    fn reads(&self, kind: &str) -> bool {
        kind == pack::CalendarLoaded::KIND
    }

    async fn take(&self, tx: &Tx, _: &Event) -> Result<()> {
        let after = String::new();
        tx.enqueue_unique("", tx.now(), &Recount { after })
    }
}

/// Runs [`Recount`], a batch at a time; a case that moves no more is left alone, so that running
/// twice changes nothing.
pub struct Recounter(pub App);

#[async_trait]
impl Handler for Recounter {
    fn kind(&self) -> &'static str {
        Recount::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let mut body: Recount = job.body()?;
        // The year may have been loaded by another process.
        if let Ok(calendars) = self.0.part::<pack::Calendars>() {
            calendars.refresh(self.0.db()).await?;
        }
        let desk = Desk::of(&self.0)?;
        loop {
            let ids = rows::list_running(desk.db.read(), &body.after, BATCH).await?;
            let Some(last) = ids.last() else {
                return Ok(());
            };
            body.after = last.to_string();
            for id in ids {
                recount(&desk, id).await?;
            }
        }
    }
}

/// Counts one case's dates anew; answers whether any moved.
pub async fn recount(desk: &Desk, id: CaseId) -> Result<bool> {
    let shared = desk.clone();
    desk.db
        .write(move |tx| {
            let desk = shared.clone();
            Box::pin(async move { recount_in(&tx, &desk, id).await })
        })
        .await
}

async fn recount_in(tx: &Tx, desk: &Desk, id: CaseId) -> Result<bool> {
    let mut case = rows::get_in(tx, id).await?;
    let before = case.facts.clone();
    let Some(mut next) = due::recount(&before, &desk.calendar)? else {
        return Ok(false);
    };
    next.moves += 1;
    case.facts = next;
    rows::update(tx, &mut case)?;
    super::react::arrange(tx, id, &case.facts)?;
    let who = Who::system();
    let due = case.facts.due();
    let entry = Entry {
        at: tx.now(),
        seq: case.facts.moves,
        event: "recounted".to_owned(),
        state: case.state(),
        actor: who.id.clone(),
        words: match (before.due(), due) {
            (Some(old), Some(new)) if old != new => format!("{old} → {new}"),
            _ => String::new(),
        },
        is_public: true,
        ..Entry::default()
    };
    rows::insert_entry(tx, id, entry);
    let mut fact = fact(&case, (&before, &case.facts), None, &who, "");
    fact.at = tx.now();
    tx.emit(format!("case:{id}"), who.trace, &CaseRecounted(fact))?;
    if before.due() != due && case.parent.is_none() {
        crate::notice::tell_recounted(tx, &desk.calendar, &case).await?;
    }
    Ok(true)
}
