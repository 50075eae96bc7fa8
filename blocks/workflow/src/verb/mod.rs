//! The verbs of offices over ordinary user tasks: rules on plain values. What each does, who may
//! do it and how they compose is told in `docs/guide/verbs.md`.

mod arrange;
mod back;
pub(crate) mod batch;
mod clock;
mod copy;
mod intervene;
pub(crate) mod request;
mod sign;
mod start;
mod store;
mod substitute;
mod view;
pub(crate) mod who;
pub(crate) mod work;

pub(crate) mod api;
pub(crate) mod api_start;
pub(crate) mod api_task;

use std::collections::BTreeMap;

use kernel::{Error, Finding, Result, Text};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) use self::arrange::{Cause, created, is_skipped, take_places};
pub use self::{
    back::{Earlier, Target, earlier_steps, reject, return_task, withdraw},
    batch::{Answer, complete_many},
    clock::{extend, resume, suspend, urge},
    copy::{Copy, circulate, copies, read_copy, receipts},
    intervene::{Intervention, intervene},
    sign::{Place, add_signers, remove_signer},
    start::{StartForm, Startable, start_by_officer, startable, startables},
    store::{Deed, deeds},
    substitute::{
        Substitute, end_substitute, held_for_absent, name_substitute, substitutes_of, with_absent,
    },
    view::{Part, TaskDetail, detail},
    who::Acting,
    work::{Completion, Progress, complete_choosing, delegate, foresee, save},
};
pub(crate) use self::{
    intervene::said,
    start::{ACTION as STARTING, STARTERS, title_finding},
    store::insert_parts,
};

/// Words between commas, and what stands after the sign in each.
pub(crate) fn pairs(text: &str, sign: char) -> impl Iterator<Item = (&str, Option<&str>)> {
    let words = text.split(',').map(str::trim);
    words
        .filter(|word| !word.is_empty())
        .map(move |word| match word.split_once(sign) {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (word, None),
        })
}

// Signing together

/// When a countersigned task is decided (`tongban:sign`). Shares are in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignRule {
    /// Nobody refuses, and somebody agrees.
    All,
    /// One agrees.
    Any,
    /// At least this share of the signers agrees.
    Ratio(u32),
    /// Those who agree have at least this share of all weight.
    Weight(u32),
}

impl SignRule {
    /// `all`, `any`, `ratio:0.6`, `weight:0.5`; a share is above 0 and at most 1.
    pub fn parse(text: &str) -> Option<Self> {
        let share = |text: &str| {
            let share: f64 = text.trim().parse().ok()?;
            let is_share = share > 0.0 && share <= 1.0;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 1000"
            )]
            is_share.then_some((share * 1000.0).round() as u32)
        };
        match text.trim().split_once(':') {
            None if text.trim() == "all" => Some(Self::All),
            None if text.trim() == "any" => Some(Self::Any),
            Some(("ratio", rest)) => share(rest).map(Self::Ratio),
            Some(("weight", rest)) => share(rest).map(Self::Weight),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    Agree,
    Refuse,
    Abstain,
}

impl Vote {
    /// What an outcome means: the first of the task's outcomes agrees, the last refuses, those
    /// between abstain.
    pub fn of(outcomes: &[String], outcome: &str) -> Self {
        let last = outcomes.len().saturating_sub(1);
        match outcomes.iter().position(|known| known == outcome) {
            Some(0) => Self::Agree,
            Some(at) if at == last => Self::Refuse,
            Some(_) => Self::Abstain,
            None if matches!(outcome, "refused" | "refuse" | "rejected") => Self::Refuse,
            None if matches!(outcome, "abstained" | "abstain") => Self::Abstain,
            None => Self::Agree,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Agree => "agree",
            Self::Refuse => "refuse",
            Self::Abstain => "abstain",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Agree, Self::Refuse, Self::Abstain]
            .into_iter()
            .find(|vote| vote.name() == name)
    }
}

/// One signer's share: weight, vote if given, and whether a refusal decides alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ballot {
    pub weight: u32,
    pub vote: Option<Vote>,
    pub vetoes: bool,
}

/// Whether the task is agreed to or refused, as soon as no further vote can change it.
pub fn decide(rule: SignRule, ballots: &[Ballot]) -> Option<bool> {
    let has = |vote: Vote| ballots.iter().any(|ballot| ballot.vote == Some(vote));
    let is_vetoed = |ballot: &Ballot| ballot.vetoes && ballot.vote == Some(Vote::Refuse);
    if ballots.iter().any(is_vetoed) {
        return Some(false);
    }
    let is_over = ballots.iter().all(|ballot| ballot.vote.is_some());
    let by_share = |share: u32, weight: fn(&Ballot) -> u32| {
        let sum = |of: &dyn Fn(&&Ballot) -> bool| -> u64 {
            ballots
                .iter()
                .filter(of)
                .map(|b| u64::from(weight(b)))
                .sum()
        };
        let needed = u64::from(share) * sum(&|_| true);
        let agreed = sum(&|ballot| ballot.vote == Some(Vote::Agree));
        let open = sum(&|ballot| ballot.vote.is_none());
        if agreed * 1000 >= needed && agreed > 0 {
            Some(true)
        } else if (agreed + open) * 1000 < needed || open == 0 {
            Some(false)
        } else {
            None
        }
    };
    match rule {
        SignRule::All if has(Vote::Refuse) => Some(false),
        SignRule::All => is_over.then(|| has(Vote::Agree)),
        SignRule::Any if has(Vote::Agree) => Some(true),
        SignRule::Any => is_over.then_some(false),
        SignRule::Ratio(share) => by_share(share, |_| 1),
        SignRule::Weight(share) => by_share(share, |ballot| ballot.weight),
    }
}

/// The outcome by which a countersigned task completes.
pub fn signed_outcome(outcomes: &[String], is_agreed: bool) -> String {
    let known = if is_agreed {
        outcomes.first()
    } else {
        outcomes.last()
    };
    known
        .cloned()
        .unwrap_or_else(|| if is_agreed { "agreed" } else { "refused" }.to_owned())
}

// Fields

/// What a step may do with a variable (`tongban:fields`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    Hidden,
    Read,
    Write,
}

/// `tongban:fields="name:read,id:hidden,amount:write:number"`; `*` stands for all others, which
/// may be written where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<String, (Access, Option<String>)>);

impl Fields {
    /// What is no permission hides: a slip in the model must not show what it meant to hide.
    pub fn parse(text: &str) -> Self {
        let read = |(name, rest): (&str, Option<&str>)| {
            let (access, kind) = match rest.map(|rest| rest.split_once(':').unwrap_or((rest, ""))) {
                Some(("write", kind)) => (Access::Write, kind),
                Some(("read", kind)) => (Access::Read, kind),
                _ => (Access::Hidden, ""),
            };
            let kind = Some(kind.to_owned()).filter(|kind| !kind.is_empty());
            (name.to_owned(), (access, kind))
        };
        Self(pairs(text, ':').map(read).collect())
    }

    pub fn access(&self, name: &str) -> Access {
        let found = self.0.get(name).or_else(|| self.0.get("*"));
        found.map_or(Access::Write, |(access, _)| *access)
    }

    /// Everything in the variables that the step may not write or that has another type; one
    /// finding each.
    pub fn findings(&self, vars: &Map<String, Value>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (name, value) in vars {
            let is_answer = matches!(name.as_str(), "outcome" | "opinion");
            let is_named = self.0.contains_key(name);
            if self.access(name) != Access::Write && (is_named || !is_answer) {
                findings.push(Finding::new(name, Text::new("workflow-field-not-writable")));
            } else if let Some((_, Some(kind))) = self.0.get(name)
                && !is_a(value, kind)
            {
                let text = Text::new("workflow-field-type").with("kind", kind);
                findings.push(Finding::new(name, text));
            }
        }
        findings
    }

    /// The variables that may be seen.
    pub fn visible(&self, vars: Map<String, Value>) -> Map<String, Value> {
        let is_seen = |name: &String| self.access(name) != Access::Hidden;
        vars.into_iter().filter(|(name, _)| is_seen(name)).collect()
    }

    /// The type that a variable must have, where the step says one.
    pub(crate) fn kind(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.1.as_deref()
    }

    pub fn list(&self) -> BTreeMap<String, Access> {
        let access = |(name, (access, _)): (&String, &(Access, _))| (name.clone(), *access);
        self.0.iter().map(access).collect()
    }
}

fn is_a(value: &Value, kind: &str) -> bool {
    match (kind, value) {
        // Nothing is of every type: it takes a value away.
        (_, Value::Null)
        | ("text", Value::String(_))
        | ("number", Value::Number(_))
        | ("boolean", Value::Bool(_))
        | ("list", Value::Array(_))
        | ("object", Value::Object(_)) => true,
        ("integer", Value::Number(number)) => number.is_i64() || number.is_u64(),
        ("date", Value::String(text)) => text.parse::<chrono::NaiveDate>().is_ok(),
        _ => false,
    }
}

// Words

/// A reason that says something.
pub(crate) fn need_reason(reason: &str) -> Result<()> {
    if reason.trim().is_empty() {
        return Err(Error::invalid(
            "reason",
            Text::new("workflow-reason-needed"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ballots(text: &str) -> Vec<Ballot> {
        let vote = |sign: char| match sign {
            '+' => Some(Vote::Agree),
            '-' | '!' => Some(Vote::Refuse),
            '0' => Some(Vote::Abstain),
            _ => None,
        };
        let ballot = |(at, sign): (usize, char)| Ballot {
            weight: u32::try_from(at).unwrap() + 1,
            vote: vote(sign),
            vetoes: sign == '!',
        };
        text.chars().enumerate().map(ballot).collect()
    }

    #[test]
    fn a_rule_decides_as_soon_as_nothing_can_change_it() {
        for (rule, votes, expected) in [
            ("all", "++.", None),
            ("all", "+++", Some(true)),
            ("all", "-..", Some(false)),
            ("all", "+0+", Some(true)),
            ("all", "000", Some(false)),
            ("any", "-..", None),
            ("any", "--+", Some(true)),
            ("any", "---", Some(false)),
            ("ratio:0.6", "++...", None),
            ("ratio:0.6", "+++..", Some(true)),
            ("ratio:0.6", "---..", Some(false)),
            ("ratio:0.6", "--...", None),
            ("ratio:0.6", "++--0", Some(false)),
            ("ratio:0.667", "++.", None),
            ("ratio:1", "++-", Some(false)),
            // Weights 1, 2, 3: half of 6 is 3.
            ("weight:0.5", "..+", Some(true)),
            ("weight:0.5", "++.", Some(true)),
            ("weight:0.5", "+..", None),
            ("weight:0.51", "..+", None),
            ("weight:0.51", "+.-", Some(false)),
            ("any", "!+.", Some(false)),
            ("ratio:0.1", "+!.", Some(false)),
        ] {
            let parsed = SignRule::parse(rule).unwrap();
            assert_eq!(decide(parsed, &ballots(votes)), expected, "{rule} {votes}");
        }
        for wrong in [
            "",
            "most",
            "ratio:0",
            "ratio:1.1",
            "ratio:x",
            "weight:-1",
            "ratio",
        ] {
            assert_eq!(SignRule::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_first_outcome_agrees_and_the_last_refuses() {
        let known = ["approve", "pass on", "refuse"].map(str::to_owned);
        let votes = ["approve", "pass on", "refuse"].map(|outcome| Vote::of(&known, outcome));
        assert_eq!(votes, [Vote::Agree, Vote::Abstain, Vote::Refuse]);
        assert_eq!(signed_outcome(&known, false), "refuse");
        assert_eq!(Vote::of(&[], "refused"), Vote::Refuse);
        assert_eq!(signed_outcome(&[], true), "agreed");
    }

    #[test]
    fn fields_that_may_not_be_written_or_have_another_type_are_named() {
        let fields =
            Fields::parse("name:read, id:hidden, amount:write:number, on:write:date, odd:wrte");
        let vars = json!({"name": "x", "id": 1, "amount": "3", "on": "2026-01-05", "free": true, "odd": 1});
        let vars = vars.as_object().unwrap();
        let found = fields.findings(vars);
        let names: Vec<_> = found
            .iter()
            .map(|f| (f.field.as_str(), f.text.key))
            .collect();
        let no = "workflow-field-not-writable";
        assert_eq!(
            names,
            [
                ("name", no),
                ("id", no),
                ("amount", "workflow-field-type"),
                ("odd", no)
            ]
        );
        let seen: Vec<_> = fields
            .visible(vars.clone())
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(seen, ["name", "amount", "on", "free"]);
        let closed = Fields::parse("*:read,note:write");
        let found = closed.findings(
            json!({"outcome": "x", "note": 1, "other": 1})
                .as_object()
                .unwrap(),
        );
        assert_eq!(found.len(), 1);
    }
}
