//! JSON values as FEEL values and back.

use std::fmt::Write;

use dsntk_feel::{FeelNumber, Name, context::FeelContext, values::Value as Feel};
use serde_json::{Map, Value};

/// JSON to FEEL.
pub fn to_feel(value: &Value) -> Feel {
    match value {
        Value::Null => Feel::Null(None),
        Value::Bool(flag) => Feel::Boolean(*flag),
        Value::Number(number) => number
            .to_string()
            .parse::<FeelNumber>()
            .map_or(Feel::Null(None), Feel::Number),
        Value::String(text) => Feel::String(text.clone()),
        Value::Array(items) => Feel::List(items.iter().map(to_feel).collect()),
        Value::Object(entries) => Feel::Context(to_context(entries)),
    }
}

/// A JSON object to a FEEL context.
pub fn to_context(entries: &Map<String, Value>) -> FeelContext {
    let mut context = FeelContext::default();
    for (name, value) in entries {
        context.set_entry(&Name::from(name.as_str()), to_feel(value));
    }
    context
}

/// FEEL to JSON; what JSON has no form for becomes text, and a function nothing: it is no value
/// that could be kept.
pub fn from_feel(value: &Feel) -> Value {
    match value {
        Feel::Null(_)
        | Feel::BuiltInFunction(_)
        | Feel::ExternalJavaFunction(..)
        | Feel::ExternalPmmlFunction(..)
        | Feel::FunctionBody(..)
        | Feel::FunctionDefinition(..) => Value::Null,
        Feel::Boolean(flag) => Value::Bool(*flag),
        Feel::Number(number) => from_number(*number),
        Feel::String(text) => Value::String(text.clone()),
        Feel::List(items) | Feel::ExpressionList(items) => items.iter().map(from_feel).collect(),
        Feel::Context(context) => {
            let entries = context
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), from_feel(value)));
            Value::Object(entries.collect())
        }
        other => Value::String(other.to_string()),
    }
}

fn from_number(number: FeelNumber) -> Value {
    let mut text = String::new();
    if write!(text, "{number}").is_err() {
        return Value::Null;
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Value::from(whole);
    }
    // FEEL keeps the places of `2 * 60.50`; a whole number stays whole.
    if let Some((whole, places)) = text.split_once('.')
        && places.bytes().all(|place| place == b'0')
        && let Ok(whole) = whole.parse::<i64>()
    {
        return Value::from(whole);
    }
    text.parse::<f64>().map_or(Value::Null, Value::from)
}

/// A FEEL string literal.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
