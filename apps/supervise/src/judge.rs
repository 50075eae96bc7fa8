//! The rules (service standards §2.9): what an event shows, and what the passing of days shows.
//!
//! Both functions are pure. Rules about charges (C01, C02) need payments, and complaints and
//! exchange (P, Q) need applications that do not exist yet; they are not here.

use chrono::{Datelike as _, Days, NaiveDate};
use kernel::calendar::{Calendar, CalendarError};
use serde::{Deserialize, Serialize};

use crate::{Settings, fact::Fact, light, light::Light, picture::Picture};

/// A rule by its published number.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
pub enum Rule {
    /// Looking through before receipt took too long.
    T01,
    /// Neither accepted nor answered within five working days of receipt.
    T02,
    /// About to expire.
    T03,
    /// Over the promise.
    T04,
    /// Over the legal limit.
    T05,
    /// A step took longer than published.
    T06,
    /// Result not delivered in time after the decision.
    T07,
    /// A special procedure takes longer than was told.
    T08,
    /// Extended late, or twice.
    T09,
    /// A published step was skipped or taken out of order.
    F01,
    /// One person accepted and decided.
    F02,
    /// Back-dated, or closed in bulk.
    F03,
    /// Correction asked for more than once.
    F04,
    /// A special procedure that the matter does not list.
    F05,
    /// Decided or closed without acceptance.
    F06,
    /// Accepted under a version that was not in force.
    F07,
    /// Refused without reason or remedy.
    N01,
    /// Asked for materials that the matter does not list.
    N02,
    /// Two yellow cards in one case (§2.8).
    Y2,
}

/// How serious a hit is.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = CardLevel)]
pub enum Level {
    /// A warning in good time; asks for no reply and does not count.
    Notice,
    Yellow,
    Red,
}

impl Rule {
    pub const ALL: [Self; 19] = [
        Self::T01,
        Self::T02,
        Self::T03,
        Self::T04,
        Self::T05,
        Self::T06,
        Self::T07,
        Self::T08,
        Self::T09,
        Self::F01,
        Self::F02,
        Self::F03,
        Self::F04,
        Self::F05,
        Self::F06,
        Self::F07,
        Self::N01,
        Self::N02,
        Self::Y2,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::T01 => "T01",
            Self::T02 => "T02",
            Self::T03 => "T03",
            Self::T04 => "T04",
            Self::T05 => "T05",
            Self::T06 => "T06",
            Self::T07 => "T07",
            Self::T08 => "T08",
            Self::T09 => "T09",
            Self::F01 => "F01",
            Self::F02 => "F02",
            Self::F03 => "F03",
            Self::F04 => "F04",
            Self::F05 => "F05",
            Self::F06 => "F06",
            Self::F07 => "F07",
            Self::N01 => "N01",
            Self::N02 => "N02",
            Self::Y2 => "Y2",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }

    fn level(self) -> Level {
        match self {
            Self::T03 => Level::Notice,
            Self::T01 | Self::T04 | Self::T06 | Self::T07 | Self::T08 | Self::F02 | Self::F07 => {
                Level::Yellow
            }
            Self::T02
            | Self::T05
            | Self::T09
            | Self::F01
            | Self::F03
            | Self::F04
            | Self::F05
            | Self::F06
            | Self::N01
            | Self::N02
            | Self::Y2 => Level::Red,
        }
    }
}

/// A rule that was broken. `occurrence` tells apart several breaches of one rule in one case;
/// the same breach seen again has the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    pub rule: Rule,
    pub level: Level,
    pub occurrence: String,
    /// The facts that show it, in words of the event.
    pub evidence: serde_json::Value,
}

impl Hit {
    fn new(rule: Rule, occurrence: impl Into<String>, evidence: serde_json::Value) -> Self {
        Self {
            rule,
            level: rule.level(),
            occurrence: occurrence.into(),
            evidence,
        }
    }

    fn at(mut self, level: Level) -> Self {
        self.level = level;
        self
    }
}

/// What one event shows, given the picture before it. `version_in_force` is the matter's version
/// on the day of acceptance, if known.
pub fn event(what: &str, fact: &Fact, before: &Picture, version_in_force: Option<i32>) -> Vec<Hit> {
    let mut hits = flow(what, fact, before);
    match what {
        "accepted" | "deemed_accepted" => {
            if let Some(version) =
                version_in_force.filter(|v| *v != fact.matter_version && !fact.is_theme)
            {
                let evidence =
                    serde_json::json!({ "used": fact.matter_version, "in_force": version });
                hits.push(Hit::new(Rule::F07, "", evidence));
            }
        }
        "refused" | "not_accepted" if !(fact.has_reason && fact.has_remedy) => {
            let evidence =
                serde_json::json!({ "has_reason": fact.has_reason, "has_remedy": fact.has_remedy });
            hits.push(Hit::new(Rule::N01, what, evidence));
        }
        "correction_notified" if !fact.unlisted_materials.is_empty() => {
            let evidence = serde_json::json!({ "materials": fact.unlisted_materials });
            hits.push(Hit::new(Rule::N02, fact.corrections.to_string(), evidence));
        }
        _ => {}
    }
    hits
}

fn flow(what: &str, fact: &Fact, before: &Picture) -> Vec<Hit> {
    use serde_json::json;
    let mut hits = Vec::new();
    if !before.case_id.is_empty() && fact.at < before.last_at {
        let evidence = json!({ "event_at": fact.at, "previous_at": before.last_at });
        hits.push(Hit::new(
            Rule::F03,
            fact.at.timestamp_micros().to_string(),
            evidence,
        ));
    }
    match what {
        "deemed_accepted" => {
            hits.push(Hit::new(
                Rule::T02,
                "",
                json!({ "answer_due": before.answer_due, "deemed_on": fact.d0 }),
            ));
        }
        "correction_notified" if fact.corrections > 1 => {
            hits.push(Hit::new(
                Rule::F04,
                fact.corrections.to_string(),
                json!({ "corrections": fact.corrections }),
            ));
        }
        "special_started" if !fact.is_listed => {
            let special = fact.special.clone().unwrap_or_default();
            hits.push(Hit::new(
                Rule::F05,
                special.clone(),
                json!({ "special": special }),
            ));
        }
        "extended" => {
            let is_late = before
                .promise_due
                .is_some_and(|due| kernel::clock::local_date(fact.at) > due);
            if is_late || before.extensions > 0 {
                let evidence = json!({ "due": before.promise_due, "extended_at": fact.at, "extensions": before.extensions + 1 });
                hits.push(Hit::new(
                    Rule::T09,
                    (before.extensions + 1).to_string(),
                    evidence,
                ));
            }
        }
        "reviewed" => hits.extend(skipped(before, &fact.step)),
        "approved" | "partly_approved" | "refused" => {
            let decision = before
                .steps
                .iter()
                .find(|s| s.name.contains("决定"))
                .map(|s| s.name.clone());
            hits.extend(decision.and_then(|name| skipped(before, &name)));
            if fact.accepted_by.is_some() && fact.accepted_by == fact.decided_by && !fact.is_instant
            {
                hits.push(Hit::new(
                    Rule::F02,
                    "",
                    json!({ "person": fact.actor_name }),
                ));
            }
        }
        _ => {}
    }
    let needs_acceptance = ["approved", "partly_approved", "refused", "closed"].contains(&what);
    if needs_acceptance && fact.accepted_at.is_none() && !before.is_accepted {
        hits.push(Hit::new(Rule::F06, "", json!({ "event": what })));
    }
    hits
}

fn skipped(before: &Picture, step: &str) -> Option<Hit> {
    let skipped = before.skipped_before(step);
    (!skipped.is_empty()).then(|| {
        Hit::new(
            Rule::F01,
            step,
            serde_json::json!({ "step": step, "skipped": skipped }),
        )
    })
}

/// How a case stands on a day: its light, the rules that time alone broke, and the next day on
/// which any of this changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub light: Light,
    pub remaining: Option<i64>,
    pub hits: Vec<Hit>,
    pub next_change: Option<NaiveDate>,
}

/// Judges a case by the calendar. A year that is not loaded is an error, never a guess.
pub fn day(
    case: &Picture,
    today: NaiveDate,
    calendar: &Calendar,
    settings: &Settings,
) -> Result<Standing, CalendarError> {
    let mut judge = Judge {
        today,
        calendar,
        changes: Vec::new(),
        hits: Vec::new(),
    };
    if !case.is_ended && !case.is_accepted {
        judge.before_acceptance(case, settings)?;
    }
    let mut standing = Standing::default();
    if case.is_accepted && !case.is_decided && !case.is_ended {
        let at = case.paused_on.unwrap_or(today);
        if let Some(due) = case.promise_due {
            let remaining = remaining(at, due, calendar)?;
            standing.light = light::light(remaining, case.limit_days, settings);
            standing.remaining = Some(remaining);
        }
        match case.paused_on {
            Some(since) => judge.special(case, since)?,
            None => judge.handling(case, standing.remaining, settings)?,
        }
    }
    // Results of sub-cases are delivered with their parent.
    if case.is_decided
        && !case.is_delivered
        && case.parent_no.is_none()
        && !["withdrawn", "aborted"].contains(&case.state.as_str())
        && let Some(due) = case.delivery_due
    {
        judge.over(Rule::T07, "", due);
    }
    judge.changes.retain(|day| *day > today);
    standing.next_change = judge.changes.into_iter().min();
    standing.hits = judge.hits;
    Ok(standing)
}

/// Working days from `today` to `due`; negative when `due` has passed.
pub fn remaining(
    today: NaiveDate,
    due: NaiveDate,
    calendar: &Calendar,
) -> Result<i64, CalendarError> {
    if today <= due {
        Ok(i64::from(calendar.elapsed_working_days(today, due)?))
    } else {
        // A due date may be a rest day for limits in natural days; one day over is over.
        Ok(-i64::from(
            calendar.elapsed_working_days(due, today)?.max(1),
        ))
    }
}

struct Judge<'a> {
    today: NaiveDate,
    calendar: &'a Calendar,
    changes: Vec<NaiveDate>,
    hits: Vec<Hit>,
}

impl Judge<'_> {
    /// Hits once `due` has passed, else notes when it will.
    fn over(&mut self, rule: Rule, occurrence: &str, due: NaiveDate) -> bool {
        let first_over = due + Days::new(1);
        self.changes.push(first_over);
        let is_over = self.today >= first_over;
        if is_over {
            self.hits.push(Hit::new(
                rule,
                occurrence,
                serde_json::json!({ "due": due, "seen_on": self.today }),
            ));
        }
        is_over
    }

    fn before_acceptance(
        &mut self,
        case: &Picture,
        settings: &Settings,
    ) -> Result<(), CalendarError> {
        if let Some(since) = case.submitted_on.filter(|_| case.state == "submitted") {
            let due = self
                .calendar
                .add_working_days(since, settings.pre_review_days)?;
            self.over(Rule::T01, &since.to_string(), due);
        }
        if let Some(due) = case.answer_due.filter(|_| case.state == "received") {
            self.over(Rule::T02, "", due);
        }
        Ok(())
    }

    fn special(&mut self, case: &Picture, since: NaiveDate) -> Result<(), CalendarError> {
        if let Some(days) = case.declared_days {
            let due = self.calendar.add_working_days(since, days)?;
            self.over(Rule::T08, &since.to_string(), due);
        }
        Ok(())
    }

    fn handling(
        &mut self,
        case: &Picture,
        remaining: Option<i64>,
        settings: &Settings,
    ) -> Result<(), CalendarError> {
        if let (Some(due), Some(remaining)) = (case.promise_due, remaining) {
            self.promise(case, due, remaining, settings)?;
        }
        if let Some(due) = case.legal_due {
            self.over(Rule::T05, "", due);
        }
        if let (Some(step), Some(since)) = (case.current_step(), case.step_since)
            && step.days > 0
        {
            let due = self.calendar.add_working_days(since, step.days)?;
            self.over(Rule::T06, &step.name, due);
        }
        Ok(())
    }

    fn promise(
        &mut self,
        case: &Picture,
        due: NaiveDate,
        remaining: i64,
        settings: &Settings,
    ) -> Result<(), CalendarError> {
        let warn_from = self.day_with_left(due, light::warn_at(case.limit_days, settings))?;
        self.changes.push(warn_from);
        if self.today >= warn_from && remaining >= 0 {
            let evidence = serde_json::json!({ "due": due, "remaining": remaining });
            self.hits
                .push(Hit::new(Rule::T03, due.to_string(), evidence));
        }
        self.changes.push(due + Days::new(1));
        // Without next year's calendar this is found out on the day after the due date.
        if let Ok(red_after) = self.calendar.add_working_days(due, settings.yellow_days) {
            self.changes.push(red_after + Days::new(1));
        }
        if remaining < 0 {
            let level = if -remaining > i64::from(settings.yellow_days) {
                Level::Red
            } else {
                Level::Yellow
            };
            let evidence =
                serde_json::json!({ "due": due, "over": -remaining, "seen_on": self.today });
            self.hits.push(Hit::new(Rule::T04, "", evidence).at(level));
        }
        Ok(())
    }

    /// The first day on which no more than `left` working days remain until `due`.
    fn day_with_left(&self, due: NaiveDate, left: i64) -> Result<NaiveDate, CalendarError> {
        let mut day = due;
        let mut counted = 0;
        while let Some(before) = day.pred_opt() {
            if self.calendar.is_working_day(day)? {
                counted += 1;
            }
            if counted > left || before.year() < due.year() - 1 {
                break;
            }
            day = before;
        }
        Ok(day)
    }
}

/// Two yellow cards in one case (§2.8).
pub fn two_yellow() -> Hit {
    Hit::new(Rule::Y2, "", serde_json::json!({ "yellow_cards": 2 }))
}

/// F03's other half: more closings within a minute than a person can do.
pub fn closed_in_bulk(closings: u32, person: &str) -> Hit {
    Hit::new(
        Rule::F03,
        "bulk",
        serde_json::json!({ "closings_in_a_minute": closings, "person": person }),
    )
}
