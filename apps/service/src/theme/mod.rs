//! Themes (一件事): several matters that people meet together, with a questionnaire that decides
//! which of them are needed, one merged form and one merged list of materials.
//!
//! Written in `themes/*.toml` of a pack; see [`Theme`] for the elements.

pub mod schema;
pub mod store;

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Finding, Text};
use serde::{Deserialize, Serialize};

use crate::{
    case::joint::OnReject,
    matter::{Material, Matter, Necessity},
};

/// A theme as its pack writes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Theme {
    /// Stable id, part of addresses: `open-restaurant`.
    pub id: String,
    /// Counts installed changes from 1; given by the store, never by a pack.
    #[serde(skip)]
    pub version: i32,
    pub name: String,
    pub name_en: String,
    pub summary: String,
    pub summary_en: String,
    /// Credit code of the lead body (牵头部门), whose hall takes the application in.
    pub org: String,
    pub org_name: String,
    /// Credit code of the body whose clerks take it in; the lead body's when empty.
    pub hall: String,
    /// Six digits.
    pub region: String,
    /// Process of the parent case.
    pub process: String,
    /// Form with what the theme itself asks; the matters' forms are merged into it.
    pub form: Option<String>,
    pub on_reject: OnReject,
    /// Working days for putting results together after the last sub-case.
    pub closing_days: u32,
    /// Joint legal limit in working days.
    pub legal_days: u32,
    /// Party kinds that may apply: `natural`, `legal`; empty for both.
    pub audience: Vec<String>,
    pub topics: Vec<String>,
    pub questions: Vec<Question>,
    pub parts: Vec<Part>,
}

/// A question of the questionnaire; one is shown per screen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Question {
    pub key: String,
    pub text: String,
    pub text_en: String,
    pub help: String,
    pub help_en: String,
    /// Empty for yes and no (`yes`, `no`).
    pub options: Vec<Choice>,
    /// Asked only when these earlier answers were given.
    pub when: Vec<Condition>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Choice {
    pub value: String,
    pub text: String,
    pub text_en: String,
}

/// An answer that is one of some values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Condition {
    pub question: String,
    pub is: Vec<String>,
}

/// A matter of the theme.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Part {
    /// Short name by which the process calls it: `food`.
    pub key: String,
    /// Implementation code of the matter.
    pub matter: String,
    /// All must hold; empty for always.
    pub when: Vec<Condition>,
}

/// Answers of the questionnaire by question.
pub type Answers = BTreeMap<String, String>;

impl Condition {
    fn holds(&self, answers: &Answers) -> bool {
        answers
            .get(&self.question)
            .is_some_and(|answer| self.is.contains(answer))
    }
}

impl Question {
    pub fn is_asked(&self, answers: &Answers) -> bool {
        self.when.iter().all(|condition| condition.holds(answers))
    }

    /// Values that may be answered.
    pub fn values(&self) -> Vec<&str> {
        if self.options.is_empty() {
            return vec!["yes", "no"];
        }
        self.options.iter().map(|o| o.value.as_str()).collect()
    }
}

impl Theme {
    /// The next question that has to be asked, in order.
    pub fn next_question(&self, answers: &Answers) -> Option<&Question> {
        self.questions
            .iter()
            .find(|q| q.is_asked(answers) && !answers.contains_key(&q.key))
    }

    /// The parts that the answers call for.
    pub fn needed(&self, answers: &Answers) -> Vec<&Part> {
        self.parts
            .iter()
            .filter(|part| part.when.iter().all(|condition| condition.holds(answers)))
            .collect()
    }

    /// What is wrong with a set of answers: unknown values, questions left out. Answers to
    /// questions that are not asked are dropped by [`Theme::kept`].
    pub fn check_answers(&self, answers: &Answers) -> Vec<Finding> {
        let mut findings = Vec::new();
        for question in self.questions.iter().filter(|q| q.is_asked(answers)) {
            match answers.get(&question.key) {
                None => findings.push(Finding::new(
                    &question.key,
                    Text::new("service-theme-answer-missing"),
                )),
                Some(answer) if !question.values().contains(&answer.as_str()) => findings.push(
                    Finding::new(&question.key, Text::new("service-theme-answer-unknown")),
                ),
                Some(_) => {}
            }
        }
        findings
    }

    /// Only the answers to questions that are asked, so that changing an early answer leaves no
    /// trace of what followed from the old one.
    pub fn kept(&self, answers: &Answers) -> Answers {
        let mut kept = Answers::new();
        for question in &self.questions {
            if let (true, Some(answer)) = (question.is_asked(&kept), answers.get(&question.key)) {
                kept.insert(question.key.clone(), answer.clone());
            }
        }
        kept
    }

    /// Mistakes of the theme itself, for `pack check`: `(where, Fluent key)`.
    pub fn problems(&self) -> Vec<(String, &'static str)> {
        let mut problems = Vec::new();
        let mut questions = BTreeSet::new();
        for question in &self.questions {
            for condition in &question.when {
                self.check_condition(condition, &questions, &mut problems);
            }
            if question.key.is_empty() || !questions.insert(question.key.as_str()) {
                problems.push((question.key.clone(), "service-theme-question-double"));
            }
        }
        let mut parts = BTreeSet::new();
        for part in &self.parts {
            for condition in &part.when {
                self.check_condition(condition, &questions, &mut problems);
            }
            if part.key.is_empty() || !parts.insert(part.key.as_str()) {
                problems.push((part.key.clone(), "service-theme-part-double"));
            }
        }
        if self.parts.is_empty() {
            problems.push((self.id.clone(), "service-theme-without-parts"));
        }
        for (field, value) in [
            ("id", &self.id),
            ("name", &self.name),
            ("process", &self.process),
        ] {
            if value.is_empty() {
                problems.push((field.to_owned(), "service-theme-element-missing"));
            }
        }
        problems
    }

    fn check_condition(
        &self,
        condition: &Condition,
        earlier: &BTreeSet<&str>,
        problems: &mut Vec<(String, &'static str)>,
    ) {
        if !earlier.contains(condition.question.as_str()) {
            problems.push((condition.question.clone(), "service-theme-question-unknown"));
            return;
        }
        let question = self.questions.iter().find(|q| q.key == condition.question);
        let known = question.map(Question::values).unwrap_or_default();
        for value in condition.is.iter().filter(|v| !known.contains(&v.as_str())) {
            problems.push((value.clone(), "service-theme-answer-unknown"));
        }
    }
}

/// A material that one or several matters of an application ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// Form question that collects its files; also its key in the case.
    pub key: String,
    pub name: String,
    pub is_required: bool,
    pub may_follow: bool,
    pub standard: String,
    pub notes: String,
    /// Type code of the certificate that replaces it.
    pub licence: Option<String>,
    /// Names of the matters that use it.
    pub used_by: Vec<String>,
    /// Task codes of the matters that use it.
    pub matters: Vec<String>,
}

/// Materials of all matters, each once: equal by the certificate that replaces it, by key, or by
/// normalised name. The second value counts what the applicant need not hand in again.
pub fn merged_materials(matters: &[Matter]) -> (Vec<Wanted>, usize) {
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut asked = 0;
    for matter in matters {
        for material in &matter.materials {
            asked += 1;
            match wanted.iter_mut().find(|w| is_same(w, material)) {
                Some(known) => join(known, matter, material),
                None => wanted.push(first(matter, material)),
            }
        }
    }
    let saved = asked - wanted.len();
    (wanted, saved)
}

fn is_same(wanted: &Wanted, material: &Material) -> bool {
    let same_licence = wanted.licence.is_some() && wanted.licence == material.licence;
    let same_key = !material.key.is_empty() && wanted.key == material.key;
    same_licence || same_key || normalised(&wanted.name) == normalised(&material.name)
}

fn join(known: &mut Wanted, matter: &Matter, material: &Material) {
    known.is_required |= material.need == Necessity::Required;
    known.may_follow &= material.need == Necessity::Deferred;
    if !known.matters.contains(&matter.task_code) {
        known.used_by.push(matter.name.clone());
        known.matters.push(matter.task_code.clone());
    }
}

fn first(matter: &Matter, material: &Material) -> Wanted {
    let key = if material.key.is_empty() {
        normalised(&material.name)
    } else {
        material.key.clone()
    };
    Wanted {
        key,
        name: material.name.clone(),
        is_required: material.need == Necessity::Required,
        may_follow: material.need == Necessity::Deferred,
        standard: material.standard.clone(),
        notes: material.notes.clone(),
        licence: material.licence.clone(),
        used_by: vec![matter.name.clone()],
        matters: vec![matter.task_code.clone()],
    }
}

/// A material's name without what lists write differently: spaces, book-title marks, brackets.
fn normalised(name: &str) -> String {
    name.chars()
        .filter(|c| !c.is_whitespace() && !"《》“”\"（）()、，,".contains(*c))
        .flat_map(char::to_lowercase)
        .collect()
}
