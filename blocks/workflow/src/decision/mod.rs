//! DMN decisions, evaluated by the `dsntk` crates behind this interface.
//!
//! What other modelers export is made readable first ([`adapt`]); inputs become what they declare
//! ([`types`]). Besides the value it answers which rules of the decision table matched and which
//! gave the value ([`trace`]), by evaluating the table's own cells once more; a table inside a
//! context or a business knowledge model is not looked into.

mod adapt;
mod check;
mod import;
mod trace;
mod types;
mod unary;

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc};

use dsntk_feel::{FeelScope, Name, context::FeelContext, values::Value as Feel};
use dsntk_model::{DecisionTable, Definitions, DmnElement, ExpressionInstance, NamedElement};
use dsntk_model_evaluator::ModelEvaluator;
use serde_json::{Map, Value};

use crate::{
    aside,
    expr::{from_feel, to_feel},
    read::Imports,
    tree::{self, Element},
};
pub use check::{check, check_with};
use import::Part;
use trace::{Trace, trace, violation};
use types::Input;

/// The decisions of some DMN files, by name and by id.
#[derive(Clone, Default)]
pub struct Decisions(BTreeMap<String, Arc<Decision>>);

impl std::fmt::Debug for Decisions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

struct Decision {
    namespace: String,
    model: String,
    /// The name by which the library knows it, and the one that the file gives.
    name: String,
    label: String,
    evaluator: Arc<ModelEvaluator>,
    table: Option<DecisionTable>,
    /// What it needs from outside, directly or by other decisions.
    inputs: Vec<Input>,
    /// Names of the decisions that it uses directly.
    requires: Vec<String>,
    /// Whether functions or other models occur in the table, which the trace cannot evaluate.
    uses_others: bool,
    uses_clock: bool,
    /// The file that it is in.
    file: Arc<Source>,
    /// Evaluated [`aside`](crate::aside), because it may not come to an end.
    is_heavy: bool,
}

/// A file with those that it imports.
struct Source {
    xml: String,
    imports: BTreeMap<String, String>,
}

/// What a decision said and why.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Answer {
    pub decision: String,
    pub value: Value,
    /// Numbers of the rules that gave the value, from 1; `None` where the decision is no table.
    pub rules: Option<Vec<usize>>,
    /// Numbers of all rules that matched, where the hit policy chooses among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<Vec<usize>>,
    /// Why the value is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Inputs that the decision needs and that were not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// What was given and is no input of the decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

impl Decisions {
    /// Reads a DMN file (1.1 to 1.5, and later ones as 1.5).
    pub fn read(xml: &str) -> Result<Self, String> {
        Self::read_with(xml, &Imports::new())
    }

    /// Reads a file together with the models that it imports. Only its own decisions can be asked
    /// for.
    pub fn read_with(xml: &str, imports: &Imports) -> Result<Self, String> {
        let parts = import::parts(xml, imports)?;
        for part in &parts {
            // The library would follow a circle until the stack is full, and end the server.
            if let Some(circle) = check::circles(&part.root).first() {
                return Err(format!("line {}: {}", circle.line, circle.text));
            }
        }
        let (definitions, evaluator) = build(&parts)?;
        let (Some(own), Some(part)) = (definitions.last(), parts.last()) else {
            return Err("the file is empty".to_owned());
        };
        let root = &part.root;
        let file = Arc::new(Source {
            xml: xml.to_owned(),
            imports: import::texts(imports),
        });
        let is_heavy = parts.iter().any(|part| is_heavy(&part.root));
        let uses_clock = parts.iter().any(|part| uses_clock(&part.root));
        let mut decisions = BTreeMap::new();
        let all = evaluator.invocables().list().into_iter();
        for (namespace, model, name) in all.filter(|(namespace, ..)| namespace == own.namespace()) {
            let element = root
                .children
                .iter()
                .find(|child| child.get("name") == Some(&name) && child.name != "inputData");
            let old = part
                .renamed
                .iter()
                .find(|(_, new)| **new == name)
                .map(|(old, _)| old.clone());
            let decision = Arc::new(Decision {
                namespace,
                model,
                label: old.unwrap_or_else(|| name.clone()),
                evaluator: evaluator.clone(),
                table: table(own, &name),
                inputs: element
                    .map(|e| types::inputs(&parts, e))
                    .unwrap_or_default(),
                requires: element.map(|e| required_names(root, e)).unwrap_or_default(),
                uses_others: element.is_some_and(uses_others),
                uses_clock,
                file: file.clone(),
                is_heavy,
                name,
            });
            if let Some(id) = element.and_then(|element| element.get("id")) {
                decisions.insert(id.to_owned(), decision.clone());
            }
            decisions.insert(decision.label.clone(), decision);
        }
        Ok(Self(decisions))
    }

    /// Adds others; a name already taken keeps its decision.
    pub fn link(&mut self, other: Self) {
        for (name, decision) in other.0 {
            self.0.entry(name).or_insert(decision);
        }
    }

    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether the decision asks for the time, so that it answers differently when asked again.
    pub fn uses_clock(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|decision| decision.uses_clock)
    }

    /// Evaluates the decision of that name or id; `None` when there is none.
    pub fn evaluate(&self, name: &str, input: &Map<String, Value>) -> Option<Answer> {
        let decision = self.0.get(name)?;
        let answer = aside::spend(name, || {
            let answer = decision
                .is_heavy
                .then(|| aside::decide(&decision.file.xml, &decision.file.imports, name, input));
            let answer = answer.flatten();
            answer.unwrap_or_else(|| Ok(decision.answer(input)))
        });
        Some(answer.unwrap_or_else(|none| Answer {
            decision: decision.label.clone(),
            reason: Some(none.reason),
            ..Answer::default()
        }))
    }

    pub(crate) fn evaluate_here(&self, name: &str, input: &Map<String, Value>) -> Option<Answer> {
        Some(self.0.get(name)?.answer(input))
    }
}

/// The namespace of a model, if the file is one.
pub(crate) fn namespace(xml: &str) -> Option<String> {
    let root = tree::parse(xml.as_bytes()).ok()?;
    let namespace = root.get("namespace").map(str::to_owned);
    namespace.filter(|_| root.namespace.contains("/DMN/"))
}

/// Reads the file; the library's reader would follow entities, ours refuses them.
fn parse(xml: &str) -> Result<Element, String> {
    let root = tree::parse(xml.as_bytes()).map_err(|e| format!("line {}: {}", e.line, e.text))?;
    if root.name != "definitions" || !root.namespace.contains("/DMN/") {
        return Err(format!(
            "line {}: a DMN file begins with `definitions` in the namespace of DMN",
            root.line
        ));
    }
    if calls_outside(&root) {
        return Err("functions outside of this server (Java, PMML) are not supported".to_owned());
    }
    Ok(root)
}

/// Has the library build what it evaluates; some files make it panic.
fn build(parts: &[Part]) -> Result<(Vec<Definitions>, Arc<ModelEvaluator>), String> {
    let adapted: Vec<String> = parts.iter().map(|part| adapt::to_xml(&part.root)).collect();
    let built = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let definitions = adapted
            .iter()
            .map(|xml| dsntk_model::parse(xml).map_err(|e| e.to_string()))
            .collect::<Result<Vec<_>, String>>()?;
        let evaluator = ModelEvaluator::new(&definitions).map_err(|e| e.to_string())?;
        Ok((definitions, evaluator))
    }));
    built.map_err(|_| "the decision model is broken".to_owned())?
}

impl Answer {
    /// Whether all was given that the table asks for, and none of its rules matches.
    pub fn is_unmatched(&self) -> bool {
        let matched = self.matched.as_ref().or(self.rules.as_ref());
        self.missing.is_empty() && matched.is_some_and(Vec::is_empty)
    }
}

/// The table of the decision with that name, if it is one.
fn table(definitions: &Definitions, name: &str) -> Option<DecisionTable> {
    let mut decisions = definitions.decisions().into_iter();
    let found = decisions.find(|decision| decision.name() == name)?;
    match found.decision_logic() {
        Some(ExpressionInstance::DecisionTable(table)) => Some((**table).clone()),
        _ => None,
    }
}

impl Decision {
    fn answer(&self, input: &Map<String, Value>) -> Answer {
        let is_known = |name: &String| self.inputs.iter().any(|known| known.name == *name);
        let mut answer = Answer {
            decision: self.label.clone(),
            unknown: input
                .keys()
                .filter(|name| !is_known(name))
                .cloned()
                .collect(),
            ..Answer::default()
        };
        let context = match self.context(input) {
            Ok(context) => context,
            Err(reason) => {
                answer.reason = Some(reason);
                return answer;
            }
        };
        let scope = self.scope(&context);
        if let Some(reason) = scope.as_ref().and_then(|scope| self.outside(scope)) {
            answer.reason = Some(reason);
            return answer;
        }
        let value = self.value(&self.name, &context);
        answer.value = from_feel(&value);
        // A name that is only used somewhere is told where it may be why there is no value.
        let lacks = |known: &&Input| {
            !input.contains_key(&known.name) && (known.is_declared || answer.value.is_null())
        };
        answer.missing = self
            .inputs
            .iter()
            .filter(lacks)
            .map(|i| i.name.clone())
            .collect();
        let why = match &value {
            Feel::Null(reason) => reason.clone(),
            _ => None,
        };
        let traced = scope.and_then(|scope| self.trace(&scope, &value));
        let broken = traced.as_ref().zip(self.table.as_ref());
        let broken = broken.and_then(|(trace, table)| violation(table, trace));
        answer.reason = if answer.value.is_null() && !answer.missing.is_empty() {
            let all: Vec<_> = answer.missing.iter().map(|n| format!("`{n}`")).collect();
            Some(format!("the input {} is missing", all.join(", ")))
        } else {
            why.map(|why| broken.unwrap_or(why))
        };
        if let Some(Trace { matched, fired }) = traced {
            answer.matched = (matched != fired).then_some(matched);
            answer.rules = Some(fired);
        }
        answer
    }

    /// The inputs as what they declare; others as they are.
    fn context(&self, input: &Map<String, Value>) -> Result<FeelContext, String> {
        let mut context = FeelContext::default();
        for (name, value) in input {
            let declared = self.inputs.iter().find(|known| known.name == *name);
            let value = match declared {
                Some(known) => known.of.convert(name, value)?,
                None => to_feel(value),
            };
            context.set_entry(&Name::from(name.as_str()), value);
        }
        for known in &self.inputs {
            if !input.contains_key(&known.name) {
                context.set_null(Name::from(known.name.as_str()));
            }
        }
        Ok(context)
    }

    fn value(&self, name: &str, context: &FeelContext) -> Feel {
        let evaluated = std::panic::catch_unwind(AssertUnwindSafe(|| {
            self.evaluator
                .evaluate_invocable(&self.namespace, &self.model, name, context)
        }));
        evaluated
            .unwrap_or_else(|_| Feel::Null(Some("the decision could not be evaluated".to_owned())))
    }

    /// The inputs and what the required decisions say, for the table's own cells.
    fn scope(&self, context: &FeelContext) -> Option<FeelScope> {
        self.table.as_ref().filter(|_| !self.uses_others)?;
        let mut seen = context.clone();
        for required in &self.requires {
            seen.set_entry(
                &Name::from(required.as_str()),
                self.value(required, context),
            );
        }
        Some(FeelScope::from(seen))
    }

    /// What is wrong with a column's value that is not among those the column allows (DMN 1.5,
    /// 8.3.3).
    fn outside(&self, scope: &FeelScope) -> Option<String> {
        let columns = self.table.as_ref()?.input_clauses();
        std::panic::catch_unwind(AssertUnwindSafe(|| {
            let mut columns = columns;
            columns.find_map(|column| {
                let allowed = column.allowed_input_values.as_deref()?;
                let text = &column.input_expression;
                let node = dsntk_feel_parser::parse_expression(scope, text, false).ok()?;
                let value = dsntk_feel_evaluator::evaluate(scope, &node);
                let is_wrong = !matches!(value, Feel::Null(_)) && !types::fits(&value, allowed);
                let shown = from_feel(&value);
                is_wrong.then(|| format!("`{text}` is to be among {allowed}, not `{shown}`"))
            })
        }))
        .ok()
        .flatten()
    }

    /// The rules that matched.
    fn trace(&self, scope: &FeelScope, value: &Feel) -> Option<Trace> {
        let table = self.table.as_ref()?;
        std::panic::catch_unwind(AssertUnwindSafe(|| trace(table, scope, value))).ok()
    }
}

/// Names of the decisions that an element requires directly.
fn required_names(root: &Element, element: &Element) -> Vec<String> {
    let by_id = |id: &str| {
        root.children
            .iter()
            .find(|child| child.get("id") == Some(id))
    };
    adapt::required(element, "requiredDecision")
        .filter_map(|id| by_id(id)?.get("name").map(str::to_owned))
        .collect()
}

/// Whether it requires functions, or what another model has.
fn uses_others(element: &Element) -> bool {
    let mut hrefs = adapt::references(element, "requiredDecision");
    let is_elsewhere = |href: &str| {
        href.rsplit_once('#')
            .is_some_and(|(model, _)| !model.is_empty())
    };
    adapt::references(element, "requiredKnowledge")
        .next()
        .is_some()
        || hrefs.any(is_elsewhere)
}

fn uses_clock(element: &Element) -> bool {
    let text = element.text.replace(char::is_whitespace, "");
    text.contains("now()") || text.contains("today()") || element.children.iter().any(uses_clock)
}

/// Functions and loops of DMN's own, or such a text in any place.
fn is_heavy(element: &Element) -> bool {
    let name = element.name.as_str();
    let is_known = matches!(
        name,
        "businessKnowledgeModel"
            | "functionDefinition"
            | "invocation"
            | "for"
            | "some"
            | "every"
            | "filter"
            // Its entries may be made of one another.
            | "contextEntry"
    );
    is_known
        || (name == "text" && crate::expr::is_heavy(&element.text))
        || element.children.iter().any(is_heavy)
}

/// The library would call a Java server by HTTP for external functions, and descend without
/// bound into very long expressions.
fn calls_outside(element: &Element) -> bool {
    if matches!(
        element.name.as_str(),
        "textAnnotation" | "description" | "extensionElements"
    ) {
        return false;
    }
    crate::expr::defines_outside(&element.text)
        || crate::expr::is_too_deep(&element.text)
        || element
            .get("kind")
            .is_some_and(|kind| !kind.eq_ignore_ascii_case("feel"))
        || element.children.iter().any(calls_outside)
}
