//! What happens to cases by themselves: silence counts as acceptance, and a correction that does
//! not come ends the case.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeZone, Utc};
use kernel::{Result, clock::local_date};
use serde::{Deserialize, Serialize};
use store::{Handler, Job, JobBody, JobFailure, Tx};
use web::App;

use super::{
    CaseId, Event, Facts, State,
    act::{Desk, Who, happen, settle},
    flow, store as rows,
};

/// Looks at a case on the day after a date that matters has passed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LookAgain {
    pub case: CaseId,
}

impl JobBody for LookAgain {
    const KIND: &'static str = "service.look_again.v1";
}

/// Arranges that the case is looked at when its answer or its correction is late.
pub(crate) fn arrange(tx: &Tx, case: CaseId, facts: &Facts) -> Result<()> {
    let due = match facts.state {
        State::Received => facts.answer_due,
        State::Correcting => facts.correction_due,
        _ => None,
    };
    match due.and_then(morning_after) {
        Some(at) => tx.enqueue_at(at, &LookAgain { case }),
        None => Ok(()),
    }
}

/// Five minutes past midnight in China, after the day.
fn morning_after(day: NaiveDate) -> Option<DateTime<Utc>> {
    let next = day.succ_opt()?;
    let local = next.and_time(NaiveTime::from_hms_opt(0, 5, 0)?);
    let china = chrono::FixedOffset::east_opt(8 * 3600)?;
    Some(china.from_local_datetime(&local).single()?.to_utc())
}

/// Runs [`LookAgain`].
pub struct Watch(pub App);

#[async_trait]
impl Handler for Watch {
    fn kind(&self) -> &'static str {
        LookAgain::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let body: LookAgain = job.body()?;
        let desk = Desk::of(&self.0)?;
        Ok(look(&desk, body.case).await?)
    }
}

/// Takes a case whose time has come to where the law puts it; one that has moved on stays.
pub async fn look(desk: &Desk, id: CaseId) -> Result<()> {
    let shared = desk.clone();
    desk.db
        .write(move |tx| {
            let desk = shared.clone();
            Box::pin(async move { look_in(&tx, &desk, id).await })
        })
        .await
}

async fn look_in(tx: &Tx, desk: &Desk, id: CaseId) -> Result<()> {
    let mut case = rows::get_in(tx, id).await?;
    let today = local_date(tx.now());
    let is_past = |due: Option<NaiveDate>| due.is_some_and(|due| today > due);
    let event = match case.state() {
        State::Received if is_past(case.facts.answer_due) => Event::DeemAccepted,
        State::Correcting if is_past(case.facts.correction_due) => Event::ExpireCorrection,
        _ => return Ok(()),
    };
    let who = Who::system();
    happen(tx, desk, &mut case, std::slice::from_ref(&event), &who, "").await?;
    if event == Event::DeemAccepted {
        flow::pass_acceptance(tx, desk, &case).await?;
    }
    settle(tx, desk, &mut case, &who).await
}
