//! DMN decisions, evaluated by the `dsntk` crates behind this interface.
//!
//! Besides the value it answers which rules of the decision table matched, by evaluating the
//! table's own cells once more; a table inside a context or a business knowledge model is not
//! looked into.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc};

use dsntk_feel::{FeelScope, values::Value as Feel};
use dsntk_model::{DecisionTable, ExpressionInstance, NamedElement};
use dsntk_model_evaluator::ModelEvaluator;
use serde_json::{Map, Value};

use crate::{
    expr::{from_feel, to_context},
    tree,
};

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
    name: String,
    evaluator: Arc<ModelEvaluator>,
    table: Option<DecisionTable>,
}

/// What a decision said and why.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Answer {
    pub decision: String,
    pub value: Value,
    /// Numbers of the rules that matched, from 1; `None` where the decision is no table.
    pub rules: Option<Vec<usize>>,
    /// Why the value is null, in the library's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Decisions {
    /// Reads a DMN file (1.1 to 1.5).
    pub fn read(xml: &str) -> Result<Self, String> {
        // The library's reader would follow entities; ours refuses them.
        let root =
            tree::parse(xml.as_bytes()).map_err(|e| format!("line {}: {}", e.line, e.text))?;
        if root.name != "definitions" {
            return Err(format!(
                "line {}: a DMN file begins with `definitions`",
                root.line
            ));
        }
        if calls_outside(&root) {
            return Err(
                "functions outside of this server (Java, PMML) are not supported".to_owned(),
            );
        }
        let built = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let definitions = dsntk_model::parse(xml).map_err(|e| e.to_string())?;
            let evaluator = ModelEvaluator::new(std::slice::from_ref(&definitions))
                .map_err(|e| e.to_string())?;
            Ok::<_, String>((definitions, evaluator))
        }));
        let (definitions, evaluator) =
            built.map_err(|_| "the decision model is broken".to_owned())??;
        let mut decisions = BTreeMap::new();
        for (namespace, model, name) in evaluator.invocables().list() {
            let found = definitions
                .decisions()
                .into_iter()
                .find(|decision| decision.name() == name);
            let table = found
                .as_ref()
                .and_then(|decision| match decision.decision_logic() {
                    Some(ExpressionInstance::DecisionTable(table)) => Some((**table).clone()),
                    _ => None,
                });
            let decision = Arc::new(Decision {
                namespace,
                model,
                name: name.clone(),
                evaluator: evaluator.clone(),
                table,
            });
            for element in root
                .children
                .iter()
                .filter(|child| child.get("name") == Some(&name))
            {
                if let Some(id) = element.get("id") {
                    decisions.insert(id.to_owned(), decision.clone());
                }
            }
            decisions.insert(name, decision);
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

    /// Evaluates the decision of that name or id; `None` when there is none.
    pub fn evaluate(&self, name: &str, input: &Map<String, Value>) -> Option<Answer> {
        let decision = self.0.get(name)?;
        let context = to_context(input);
        let evaluated = std::panic::catch_unwind(AssertUnwindSafe(|| {
            decision.evaluator.evaluate_invocable(
                &decision.namespace,
                &decision.model,
                &decision.name,
                &context,
            )
        }));
        let value = evaluated
            .unwrap_or_else(|_| Feel::Null(Some("the decision could not be evaluated".to_owned())));
        let reason = match &value {
            Feel::Null(reason) => reason.clone(),
            _ => None,
        };
        let rules = decision
            .table
            .as_ref()
            .map(|table| matching(table, &FeelScope::from(context.clone())));
        Some(Answer {
            decision: decision.name.clone(),
            value: from_feel(&value),
            rules,
            reason,
        })
    }
}

/// The library would call a Java server by HTTP for external functions, and descend without
/// bound into very long expressions.
fn calls_outside(element: &tree::Element) -> bool {
    if matches!(
        element.name.as_str(),
        "textAnnotation" | "description" | "extensionElements"
    ) {
        return false;
    }
    element.text.contains("external")
        || crate::expr::is_too_deep(&element.text)
        || element
            .get("kind")
            .is_some_and(|kind| !kind.eq_ignore_ascii_case("feel"))
        || element.children.iter().any(calls_outside)
}

/// Numbers of the rules whose every input entry holds.
fn matching(table: &DecisionTable, scope: &FeelScope) -> Vec<usize> {
    let inputs: Vec<&str> = table
        .input_clauses()
        .map(|clause| clause.input_expression.as_str())
        .collect();
    let mut matched = Vec::new();
    for (at, rule) in table.rules().enumerate() {
        let holds = rule
            .input_entries
            .iter()
            .zip(&inputs)
            .all(|(entry, input)| {
                let Ok(left) = dsntk_feel_parser::parse_expression(scope, input, false) else {
                    return false;
                };
                let Ok(right) = dsntk_feel_parser::parse_unary_tests(scope, &entry.text, false)
                else {
                    return false;
                };
                let node = dsntk_feel_parser::AstNode::In(Box::new(left), Box::new(right));
                dsntk_feel_evaluator::evaluate(scope, &node).is_true()
            });
        if holds {
            matched.push(at + 1);
        }
    }
    matched
}
