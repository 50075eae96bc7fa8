//! Whole restaurant cases by the acts that people use, many side by side: what
//! `tongban bench cases` measures.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use identity::Actor;
use kernel::{Error, Fault, Result, ShiftedClock};
use serde::Serialize;
use web::App;

use super::{City, Story, THEME, holder, said};
use crate::{
    case::{
        CaseId, Outcome, State, act,
        act::Desk,
        flow,
        store::{self as rows, Case},
        work::{self, Done},
    },
    theme,
};

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub cases: usize,
    /// Applicants and officers who are at work side by side: so many cases are open at a time.
    pub callers: usize,
    /// From the first submission to the last licence.
    pub seconds: f64,
    pub cases_per_s: f64,
    /// Tasks that officers completed.
    pub tasks: usize,
    /// Milliseconds of completing one task, durable on return.
    pub task_p50_ms: f64,
    pub task_p99_ms: f64,
    /// How often an officer was told to come back, because the database could not put acts that
    /// met on one thing into an order.
    pub put_off: usize,
}

/// Everybody who acts, looked up once: a real officer signs in once, too.
struct Desks {
    app: App,
    desk: Desk,
    city: City,
    theme: theme::Theme,
    clerk: Actor,
    /// `(body, examiner, approver)`.
    bodies: Vec<(String, Actor, Actor)>,
    /// How long completing a task took, each.
    times: Mutex<Vec<Duration>>,
    /// How often an officer was told to come back.
    put_off: AtomicUsize,
}

/// How long an officer comes back to one task.
const PATIENCE: Duration = Duration::from_mins(1);

/// Handles so many restaurants from submission to granted licences, `callers` at a time.
///
/// Every case calls for all four departments, which work at the same time: an examiner and an
/// approver in each. Each act is authorised and durable before the next begins.
pub async fn run(app: &App, cases: usize, callers: usize) -> Result<Figures> {
    let desks = Arc::new(Desks::open(app).await?);
    let next = Arc::new(AtomicUsize::new(0));
    let begin = Instant::now();
    let work = (0..callers).map(|_| {
        let (desks, next) = (desks.clone(), next.clone());
        tokio::spawn(async move {
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                if place >= cases {
                    return Ok::<_, Error>(());
                }
                Box::pin(desks.live(place)).await?;
            }
        })
    });
    for caller in try_join_all(work)
        .await
        .map_err(|e| Fault::caused_by("run the benchmark", e))?
    {
        caller?;
    }
    Ok(desks.figures(cases, callers, begin.elapsed()))
}

impl Desks {
    async fn open(app: &App) -> Result<Self> {
        let city = City::read(app).await?;
        let theme = theme::store::get(app.db().read(), THEME).await?;
        let mut bodies = Vec::new();
        for part in &theme.parts {
            let matter = crate::matter::get_in_force(app.db().read(), &part.matter).await?;
            let org = matter.dept_code;
            let examiner = holder(app, "examiner", &org).await?;
            let approver = holder(app, "approver", &org).await?;
            bodies.push((org, examiner, approver));
        }
        Ok(Self {
            desk: Desk::of(app)?,
            clerk: city.clerk.clone(),
            app: app.clone(),
            city,
            theme,
            bodies,
            times: Mutex::default(),
            put_off: AtomicUsize::new(0),
        })
    }

    /// One case, from the application to the last licence.
    async fn live(&self, place: usize) -> Result<()> {
        let clock = ShiftedClock::default();
        let story = Story {
            city: &self.city,
            clock: &clock,
            theme: &self.theme,
            days: 0,
            is_full: true,
        };
        let whole = Box::pin(story.submit(&self.app, &self.desk, place)).await?;
        self.finish(&self.clerk, whole, said("accept")).await?;
        let parts = rows::list_parts(self.desk.db.read(), whole).await?;
        let departments = parts.iter().map(|part| Box::pin(self.handle(part)));
        try_join_all(departments).await?;
        let whole = rows::get(self.desk.db.read(), whole).await?;
        if whole.state() != State::Closed || act::outcome(&whole.facts) != Some(Outcome::Approved) {
            return Err(Fault::new(format!("{} was not granted", whole.number)).into());
        }
        Ok(())
    }

    /// A department's work on its part, up to the certificate.
    async fn handle(&self, part: &Case) -> Result<()> {
        let body = self.bodies.iter().find(|(org, ..)| *org == part.org);
        let Some((_, examiner, approver)) = body else {
            return Err(Error::NotFound { what: "officer" });
        };
        let mut now = self.finish(examiner, part.id, said("pass")).await?;
        if now.state() == State::Suspended {
            let officers = ["合成·核查员甲", "合成·核查员乙"].map(str::to_owned);
            let seen = Done {
                officers: officers.to_vec(),
                ..said("pass")
            };
            self.finish(examiner, part.id, seen).await?;
        }
        now = self.finish(approver, part.id, said("approve")).await?;
        if now.certificate.is_none() {
            return Err(Fault::new(format!("{} has no certificate", now.number)).into());
        }
        Ok(())
    }

    /// Finds the open task of a case and completes it.
    async fn finish(&self, actor: &Actor, case: CaseId, done: Done) -> Result<Case> {
        let case = rows::get(self.desk.db.read(), case).await?;
        let tasks = flow::tasks_of(&self.desk, &case).await?;
        let task = tasks.first().ok_or(Error::NotFound { what: "task" })?;
        let begin = Instant::now();
        let case = loop {
            match Box::pin(work::complete(&self.desk, actor, &task.id, done.clone())).await {
                // Nothing happened, and the caller is told to come back: a real one does.
                Err(Error::Fault(fault)) if fault.is_transient && begin.elapsed() < PATIENCE => {
                    self.put_off.fetch_add(1, Ordering::Relaxed);
                }
                other => break other?,
            }
        };
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.push(begin.elapsed());
        Ok(case)
    }

    fn figures(&self, cases: usize, callers: usize, took: Duration) -> Figures {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.sort_unstable();
        let at = |percent: usize| {
            let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(place).map_or(0.0, |t| t.as_secs_f64() * 1000.0)
        };
        let seconds = took.as_secs_f64();
        Figures {
            cases,
            callers,
            seconds,
            cases_per_s: f64::from(u32::try_from(cases).unwrap_or(u32::MAX)) / seconds,
            tasks: times.len(),
            task_p50_ms: at(50),
            task_p99_ms: at(99),
            put_off: self.put_off.load(Ordering::Relaxed),
        }
    }
}
