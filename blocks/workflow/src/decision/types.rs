//! Declared types of inputs, and JSON values as what they declare.

use std::{collections::HashMap, panic::AssertUnwindSafe};

use dsntk_feel::{FeelScope, Name, context::FeelContext, values::Value as Feel};
use serde_json::Value;

use super::{
    adapt::{USED, references, required, type_name, variable_of},
    import::{Part, imported},
};
use crate::{
    expr::{literal, to_feel},
    tree::Element,
};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    Any,
    Number,
    Text,
    Truth,
    /// A date, time or duration: the function of FEEL that makes one of a text.
    Temporal(&'static str),
    List(Box<Type>),
    Parts(Vec<(String, Type)>),
    /// Of that type, and among these: unary tests.
    Among(Box<Type>, String),
}

/// Deeper item definitions name themselves.
const MAX_DEPTH: usize = 20;

impl Type {
    fn of(name: Option<&str>, definitions: &HashMap<&str, &Element>, depth: usize) -> Self {
        let name = type_name(name.unwrap_or_default());
        match name.as_str() {
            "number" => Self::Number,
            "string" => Self::Text,
            "boolean" => Self::Truth,
            "date" => Self::Temporal("date"),
            "time" => Self::Temporal("time"),
            "dateTime" => Self::Temporal("date and time"),
            "dayTimeDuration" | "yearMonthDuration" => Self::Temporal("duration"),
            _ => match definitions.get(name.as_str()) {
                Some(definition) if depth < MAX_DEPTH => {
                    Self::defined(definition, definitions, depth + 1)
                }
                _ => Self::Any,
            },
        }
    }

    fn defined(definition: &Element, definitions: &HashMap<&str, &Element>, depth: usize) -> Self {
        let parts: Vec<_> = definition
            .children_named("itemComponent")
            .filter_map(|part| {
                Some((
                    part.get("name")?.to_owned(),
                    Self::defined(part, definitions, depth + 1),
                ))
            })
            .collect();
        let one = if parts.is_empty() {
            let name = definition.child("typeRef").map(|name| name.text.trim());
            Self::of(name.or(definition.get("typeRef")), definitions, depth)
        } else {
            Self::Parts(parts)
        };
        let allowed = definition.child("allowedValues");
        let one = match allowed.and_then(|allowed| allowed.child("text")) {
            Some(text) => Self::Among(Box::new(one), text.text.trim().to_owned()),
            None => one,
        };
        if definition.flag("isCollection") == Some(true) {
            return Self::List(Box::new(one));
        }
        one
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Truth => "true or false",
            Self::Temporal("date") => "a date as text, like 2026-01-31",
            Self::Temporal("time") => "a time as text, like 09:30:00",
            Self::Temporal("duration") => "an ISO 8601 duration as text, like P1D",
            Self::Temporal(_) => "a date and time as text, like 2026-01-31T09:30:00",
            Self::List(_) => "a list",
            Self::Parts(_) => "an object",
            Self::Among(of, _) => of.name(),
        }
    }

    /// The JSON value as a value of this type; otherwise which part is wrong.
    pub fn convert(&self, name: &str, value: &Value) -> Result<Feel, String> {
        let wrong = || Err(format!("`{name}` is to be {}, not `{value}`", self.name()));
        match (self, value) {
            (_, Value::Null) => Ok(Feel::Null(None)),
            (Self::Any, value) => Ok(to_feel(value)),
            (Self::Number, Value::Number(_))
            | (Self::Text, Value::String(_))
            | (Self::Truth, Value::Bool(_)) => Ok(to_feel(value)),
            (Self::Temporal(function), Value::String(text)) => {
                temporal(function, text).map_or_else(wrong, Ok)
            }
            (Self::Among(of, allowed), value) => {
                let found = of.convert(name, value)?;
                if fits(&found, allowed) {
                    Ok(found)
                } else {
                    Err(format!("`{name}` is to be among {allowed}, not `{value}`"))
                }
            }
            (Self::List(of), Value::Array(items)) => {
                let items = items.iter().map(|item| of.convert(name, item));
                Ok(Feel::List(items.collect::<Result<_, _>>()?))
            }
            (Self::Parts(parts), Value::Object(object)) => {
                let mut context = FeelContext::default();
                for (part, value) in object {
                    if !parts.iter().any(|(known, _)| known == part) {
                        context.set_entry(&Name::from(part.as_str()), to_feel(value));
                    }
                }
                // A part that is not given is null.
                for (part, of) in parts {
                    let value = object.get(part).unwrap_or(&Value::Null);
                    let value = of.convert(&format!("{name}.{part}"), value)?;
                    context.set_entry(&Name::from(part.as_str()), value);
                }
                Ok(Feel::Context(context))
            }
            _ => wrong(),
        }
    }
}

/// Whether a value is among those that unary tests allow.
pub(super) fn fits(value: &Feel, allowed: &str) -> bool {
    let name = Name::from("value");
    let mut context = FeelContext::default();
    context.set_entry(&name, value.clone());
    let scope = FeelScope::from(context);
    let evaluated = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let left = dsntk_feel_parser::parse_expression(&scope, "value", false).ok()?;
        let right = dsntk_feel_parser::parse_unary_tests(&scope, allowed, false).ok()?;
        let node = dsntk_feel_parser::AstNode::In(Box::new(left), Box::new(right));
        Some(dsntk_feel_evaluator::evaluate(&scope, &node).is_true())
    }));
    // Tests that nobody understands forbid nothing; reading the file has told of them.
    evaluated.ok().flatten().unwrap_or(true)
}

fn temporal(function: &str, text: &str) -> Option<Feel> {
    let direct = literal(function, text);
    match (direct, function) {
        (Some(value), _) => Some(value),
        // Some modelers call a date what has a time too.
        (None, "date") => literal("date and time", text),
        (None, "date and time") => literal("date", text),
        _ => None,
    }
}

/// What a decision needs from outside.
pub(super) struct Input {
    pub name: String,
    pub of: Type,
    /// Whether the file declares it; others are names that expressions use.
    pub is_declared: bool,
}

/// The inputs that a decision or service of the last of the models needs, directly or by what it
/// requires. What is decided in an imported model needs its inputs by the same names.
pub(super) fn inputs(parts: &[Part], element: &Element) -> Vec<Input> {
    let Some((part, _)) = parts.split_last() else {
        return Vec::new();
    };
    let root = &part.root;
    let definitions: HashMap<&str, &Element> = root
        .children_named("itemDefinition")
        .filter_map(|definition| Some((definition.get("name")?, definition)))
        .collect();
    let by_id: HashMap<&str, &Element> = root
        .children
        .iter()
        .filter_map(|child| Some((child.get("id")?, child)))
        .collect();
    let mut found: Vec<Input> = Vec::new();
    let mut seen = Vec::new();
    let mut waiting = vec![element];
    while let Some(element) = waiting.pop() {
        let id = element.get("id").unwrap_or_default();
        if seen.contains(&id) {
            continue;
        }
        seen.push(id);
        for href in references(element, "requiredDecision") {
            if let Some((other, element)) = imported(parts, part, href) {
                found.extend(inputs(other, element));
            }
        }
        if element.name == "inputData" {
            found.push(input_of(element, &definitions));
            continue;
        }
        if element.name == "decisionService" {
            found.extend(of_service(element, &by_id, &definitions));
            continue;
        }
        let kinds = ["requiredInput", "requiredDecision"];
        let required = kinds.iter().flat_map(|kind| required(element, kind));
        waiting.extend(required.filter_map(|id| by_id.get(id).copied()));
    }
    found.sort_by(|a, b| (&a.name, b.is_declared).cmp(&(&b.name, a.is_declared)));
    found.dedup_by(|later, kept| later.name == kept.name);
    found
}

fn input_of(element: &Element, definitions: &HashMap<&str, &Element>) -> Input {
    let variable = element.child("variable");
    let given = variable.and_then(|variable| variable.get("typeRef"));
    let id = element.get("id").unwrap_or_default();
    Input {
        name: variable_of(element).to_owned(),
        of: Type::of(given, definitions, 0),
        is_declared: !id.starts_with(USED),
    }
}

/// A service is given what it names: data, and decisions that were made elsewhere.
fn of_service(
    service: &Element,
    by_id: &HashMap<&str, &Element>,
    definitions: &HashMap<&str, &Element>,
) -> Vec<Input> {
    ["inputData", "inputDecision"]
        .iter()
        .flat_map(|kind| service.children_named(kind))
        .filter_map(|child| by_id.get(super::adapt::id_of(child.get("href")?)).copied())
        .map(|element| input_of(element, definitions))
        .collect()
}
