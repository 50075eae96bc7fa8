//! Which rules of a decision table matched, and which of them gave the value.

use dsntk_feel::{FeelScope, values::Value as Feel};
use dsntk_model::{BuiltinAggregator, DecisionTable, HitPolicy};

/// Numbers of rules, from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trace {
    /// Every rule whose input entries all hold.
    pub matched: Vec<usize>,
    /// Those that made the value, by the hit policy.
    pub fired: Vec<usize>,
}

/// What the hit policy forbids, in words.
pub(super) fn violation(table: &DecisionTable, trace: &Trace) -> Option<String> {
    let rules = trace
        .matched
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    match table.hit_policy() {
        HitPolicy::Unique if trace.matched.len() > 1 => Some(format!(
            "the rules {rules} match at the same time, but the hit policy is UNIQUE"
        )),
        HitPolicy::Any if trace.matched.len() > 1 => Some(format!(
            "the rules {rules} match with different outputs, but the hit policy is ANY"
        )),
        _ if trace.matched.is_empty() => {
            Some("no rule matches, and there is no default output".to_owned())
        }
        _ => None,
    }
}

pub(super) fn trace(table: &DecisionTable, scope: &FeelScope, value: &Feel) -> Trace {
    let matched = matching(table, scope);
    let fired = match table.hit_policy() {
        HitPolicy::First => matched.iter().take(1).copied().collect(),
        HitPolicy::Unique | HitPolicy::Any if matches!(value, Feel::Null(_)) => Vec::new(),
        HitPolicy::Priority => {
            let same = |rule: &&usize| outputs(table, scope, **rule).as_ref() == Some(value);
            matched.iter().filter(same).take(1).copied().collect()
        }
        HitPolicy::OutputOrder => in_order(table, scope, &matched, value),
        HitPolicy::Collect(BuiltinAggregator::Min | BuiltinAggregator::Max) => {
            let same = |rule: &&usize| outputs(table, scope, **rule).as_ref() == Some(value);
            matched.iter().filter(same).copied().collect()
        }
        _ => matched.clone(),
    };
    Trace { matched, fired }
}

/// Rules in the order of the list that they made.
fn in_order(
    table: &DecisionTable,
    scope: &FeelScope,
    matched: &[usize],
    value: &Feel,
) -> Vec<usize> {
    let Feel::List(values) = value else {
        return matched.to_vec();
    };
    let mut left: Vec<(usize, Option<Feel>)> = matched
        .iter()
        .map(|rule| (*rule, outputs(table, scope, *rule)))
        .collect();
    let mut fired = Vec::new();
    for value in values {
        if let Some(at) = left
            .iter()
            .position(|(_, output)| output.as_ref() == Some(value))
        {
            fired.push(left.remove(at).0);
        }
    }
    fired.extend(left.into_iter().map(|(rule, _)| rule));
    fired
}

/// The value that one rule gives; `None` where its table has several outputs that differ in form.
fn outputs(table: &DecisionTable, scope: &FeelScope, rule: usize) -> Option<Feel> {
    let rule = table.rules().nth(rule.checked_sub(1)?)?;
    let evaluate = |text: &str| {
        let node = dsntk_feel_parser::parse_expression(scope, text, false).ok()?;
        Some(dsntk_feel_evaluator::evaluate(scope, &node))
    };
    let clauses: Vec<_> = table.output_clauses().collect();
    if let [_] = clauses.as_slice() {
        return evaluate(&rule.output_entries.first()?.text);
    }
    let mut context = dsntk_feel::context::FeelContext::default();
    for (clause, entry) in clauses.iter().zip(&rule.output_entries) {
        let name = dsntk_feel::Name::from(clause.name.as_deref()?);
        context.set_entry(&name, evaluate(&entry.text)?);
    }
    Some(Feel::Context(context))
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
