//! Expressions: FEEL, and the `${…}` of other engines translated to FEEL.
//!
//! The only module besides decisions that knows the FEEL library. JSON numbers become FEEL numbers
//! and back; text stays text, a date too, unless the expression types it (`date(received_on)`); a
//! FEEL date, time or duration comes back as its ISO 8601 text; a FEEL context is a JSON object.

mod bounds;
#[cfg(test)]
mod tests;
mod value;
mod words;

use std::{panic::AssertUnwindSafe, sync::Arc};

use chrono::{DateTime, Utc};
use dsntk_feel::{Evaluator, FeelScope, Name, context::FeelContext, values::Value as Feel};
use kernel::Memo;
use serde_json::{Map, Value};

use crate::{
    aside::{self, NoValue},
    core::timer,
};
use bounds::{LARGEST_RANGE, has_huge_range};
pub(crate) use bounds::{defines_outside, is_heavy, is_too_deep};
pub(crate) use value::quoted;
pub use value::{from_feel, to_context, to_feel};
use words::{
    FUNCTIONS_OF_SEVERAL_WORDS, RENAMED, calls, calls_a_method, compares_doubly, runs_of_words,
    variables, words,
};
pub(crate) use words::{NOW, outer_names, plain_parts, renamed};

/// Where an expression finds its variables.
pub trait Lookup {
    fn lookup(&self, name: &str) -> Option<Value>;

    /// The moment at which it is evaluated, where there is one: that of the step. It is part of the
    /// step's input, so a step that is taken again sees the same.
    fn now(&self) -> Option<DateTime<Utc>> {
        None
    }
}

/// Variables at a moment.
pub(crate) struct At<'a> {
    pub vars: &'a Map<String, Value>,
    pub now: DateTime<Utc>,
}

impl Lookup for At<'_> {
    fn lookup(&self, name: &str) -> Option<Value> {
        self.vars.lookup(name)
    }

    fn now(&self) -> Option<DateTime<Utc>> {
        Some(self.now)
    }
}

impl Lookup for Map<String, Value> {
    fn lookup(&self, name: &str) -> Option<Value> {
        self.get(name).cloned()
    }
}

/// A parsed expression, to be evaluated as often as needed.
pub struct Expr {
    feel: String,
    /// Words of the expression that may be names, which the library needs to know to read it.
    words: Vec<String>,
    /// Those that may have a value: neither called nor a property of something.
    variables: Vec<String>,
    evaluator: Evaluator,
    /// In the language of other engines the text "true" is true.
    text_is_truth: bool,
    /// Evaluated [`aside`](crate::aside), because it may not come to an end.
    is_heavy: bool,
}

impl std::fmt::Debug for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Expr").field(&self.feel).finish()
    }
}

/// Deeper nesting than a person writes would overflow the parser's stack.
const MAX_NESTING: usize = 60;
const MAX_LENGTH: usize = 20_000;

impl Expr {
    /// As [`Expr::parse`], for a text that stands in a model and is evaluated at every instance.
    pub fn shared(text: &str) -> Result<Arc<Self>, String> {
        static READ: Memo<Expr> = Memo::new(1_000);
        READ.get(text, Self::parse)
    }

    /// Parses FEEL, FEEL after an equals sign, `${…}` or text with `${…}` inside.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let nesting = text
            .chars()
            .filter(|c| matches!(c, '(' | '[' | '{'))
            .count();
        if text.len() > MAX_LENGTH || nesting > MAX_NESTING || is_too_deep(text) {
            return Err("the expression is too long or nested too deeply".to_owned());
        }
        if text.is_empty() {
            return Err("the expression is empty".to_owned());
        }
        if is_template(text) {
            return Self::translated(&from_template(text)?);
        }
        let feel = text.strip_prefix('=').unwrap_or(text);
        if (calls_a_method(feel) || compares_doubly(feel))
            && let Ok(translated) = crate::juel::to_feel(feel)
        {
            return Self::translated(&translated);
        }
        Self::feel(feel).or_else(|error| {
            // In FEEL they are refused, whatever they mean in another language.
            if asks_for_the_time(feel) {
                return Err(error);
            }
            // Conditions of other engines sometimes come without their braces.
            let translated = crate::juel::to_feel(feel).map_err(|_| error.clone())?;
            Self::translated(&translated).map_err(|_| error)
        })
    }

    fn translated(feel: &str) -> Result<Self, String> {
        let mut expr = Self::feel(feel)?;
        expr.text_is_truth = true;
        Ok(expr)
    }

    /// The value of a variable, whatever characters its name has.
    pub fn variable(name: &str) -> Result<Self, String> {
        let name = name.trim();
        let names = [name.to_owned()];
        let mut expr = Self::compile(name, &names)?;
        expr.variables = names.to_vec();
        Ok(expr)
    }

    fn feel(text: &str) -> Result<Self, String> {
        if defines_outside(text) {
            // The library would call a Java server by HTTP.
            return Err("functions outside of this server are not supported".to_owned());
        }
        if has_huge_range(text) {
            return Err(format!(
                "a range of more than {LARGEST_RANGE} numbers would not come to an end"
            ));
        }
        let words = words(text);
        if asks_for_the_time(text) {
            return Err("`now()` and `today()` would give another answer when steps are replayed; use a variable".into());
        }
        Self::compile(text, &words).or_else(|error| {
            // Names may have spaces: words that stand side by side are tried as one name.
            let runs = runs_of_words(text);
            if runs.is_empty() {
                return Err(error);
            }
            let all: Vec<String> = words.iter().cloned().chain(runs).collect();
            Self::compile(text, &all).map_err(|_| error)
        })
    }

    /// Parses FEEL in which the given names may stand for variables.
    fn compile(text: &str, words: &[String]) -> Result<Self, String> {
        let mut names = FeelContext::default();
        for word in words {
            names.set_null(Name::from(word.as_str()));
        }
        for name in FUNCTIONS_OF_SEVERAL_WORDS {
            if text.contains(name) {
                names.set_null(Name::from(*name));
            }
        }
        let scope = FeelScope::from(names);
        // The library has places that panic on text that nobody would write by hand.
        let prepared = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let node = dsntk_feel_parser::parse_expression(&scope, text, false)
                .map_err(|e| e.to_string())?;
            Ok::<_, String>(dsntk_feel_evaluator::prepare(&node))
        }));
        let evaluator = prepared.map_err(|_| "the expression is not understood".to_owned())??;
        Ok(Self {
            feel: text.to_owned(),
            words: words.to_vec(),
            variables: variables(text, words),
            evaluator,
            text_is_truth: false,
            is_heavy: is_heavy(text),
        })
    }

    /// Whether it is the value of one variable, as it is.
    pub fn is_variable(&self) -> bool {
        matches!(self.variables.as_slice(), [only] if *only == self.feel)
    }

    /// The FEEL text that is evaluated.
    pub fn as_feel(&self) -> &str {
        &self.feel
    }

    /// The value, or the library's reason why it is null where it gives one.
    pub fn evaluate(&self, variables: &dyn Lookup) -> Result<Value, String> {
        self.try_evaluate(variables).map_err(|none| none.reason)
    }

    fn try_evaluate(&self, variables: &dyn Lookup) -> Result<Value, NoValue> {
        aside::spend(&self.feel, || {
            if self.is_heavy {
                let found = self
                    .variables
                    .iter()
                    .filter_map(|word| Some((word.clone(), value_of(variables, word)?)));
                let found = found.collect();
                if let Some(value) = aside::evaluate(&self.feel, &self.words, &found) {
                    return value;
                }
            }
            self.here(variables).map_err(NoValue::said)
        })
    }

    fn here(&self, variables: &dyn Lookup) -> Result<Value, String> {
        let mut context = FeelContext::default();
        for word in &self.variables {
            if let Some(value) = value_of(variables, word) {
                context.set_entry(&Name::from(word.as_str()), to_feel(&value));
            }
        }
        let scope = FeelScope::from(context);
        let evaluated = std::panic::catch_unwind(AssertUnwindSafe(|| (self.evaluator)(&scope)));
        match evaluated.map_err(|_| format!("`{}` cannot be evaluated", self.feel))? {
            Feel::Null(Some(reason)) => Err(reason),
            value => Ok(from_feel(&value)),
        }
    }

    /// Whether the value is true; anything that is not a truth value is not true.
    ///
    /// # Errors
    /// Says why nobody knows: the evaluation was stopped, or there was no time for it.
    pub fn is_true(&self, variables: &dyn Lookup) -> Result<bool, String> {
        match self.try_evaluate(variables) {
            Ok(Value::Bool(value)) => Ok(value),
            Ok(Value::String(text)) => Ok(self.text_is_truth && text == "true"),
            Err(none) if none.is_unknown => Err(none.reason),
            _ => Ok(false),
        }
    }
}

/// Whether it calls a clock of FEEL.
fn asks_for_the_time(text: &str) -> bool {
    let words = words(text);
    let is_called = |clock: &str| words.iter().any(|word| word == clock) && calls(text, clock);
    ["now", "today"].into_iter().any(is_called)
}

fn value_of(variables: &dyn Lookup, word: &str) -> Option<Value> {
    let moment = variables.now().filter(|_| word == NOW);
    if let Some(now) = moment {
        return Some(Value::from(timer::in_china(now)));
    }
    let value = variables.lookup(word);
    value.or_else(|| variables.lookup(word.strip_prefix(RENAMED)?))
}

/// The value of an expression that was parsed elsewhere, here and now.
pub(crate) fn evaluate_here(
    feel: &str,
    words: &[String],
    variables: &Map<String, Value>,
) -> Result<Value, String> {
    Expr::compile(feel, words)?.here(variables)
}

/// The FEEL value of a text, by one of the functions `date`, `time`, `duration`, `date and time`.
pub(crate) fn literal(function: &str, text: &str) -> Option<Feel> {
    let expr = Expr::feel(&format!("{function}({})", quoted(text))).ok()?;
    let scope = FeelScope::from(FeelContext::default());
    let value = std::panic::catch_unwind(AssertUnwindSafe(|| (expr.evaluator)(&scope))).ok()?;
    (!matches!(value, Feel::Null(_))).then_some(value)
}

/// Whether an expression of other engines is in a text. They read `#{…}` as they read `${…}`.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains("${") || text.contains("#{")
}

/// Whether a text is an expression: one of other engines, or FEEL after an equals sign.
pub(crate) fn is_expression(text: &str) -> bool {
    is_template(text) || text.trim_start().starts_with('=')
}

/// What is between the brackets of a text that is one such expression and nothing else.
pub(crate) fn inside(text: &str) -> Option<&str> {
    let text = text.trim();
    let rest = text
        .strip_prefix("${")
        .or_else(|| text.strip_prefix("#{"))?;
    let inner = rest.strip_suffix('}')?;
    (!inner.contains('}')).then_some(inner)
}

/// `${a}` alone is that expression; text around it makes a string of all.
fn from_template(text: &str) -> Result<String, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let start = match (rest.find("${"), rest.find("#{")) {
            (Some(a), Some(b)) => a.min(b),
            (Some(a), None) | (None, Some(a)) => a,
            (None, None) => break,
        };
        let (before, tail) = (
            rest.get(..start).unwrap_or_default(),
            rest.get(start + 2..).unwrap_or_default(),
        );
        let end = tail.find('}').ok_or("`${` is not closed by `}`")?;
        if !before.is_empty() {
            parts.push(quoted(before));
        }
        let inner = crate::juel::to_feel(tail.get(..end).unwrap_or_default())?;
        rest = tail.get(end + 1..).unwrap_or_default();
        if parts.is_empty() && rest.is_empty() {
            return Ok(inner);
        }
        parts.push(format!("string({inner})"));
    }
    if !rest.is_empty() {
        parts.push(quoted(rest));
    }
    Ok(parts.join(" + "))
}
