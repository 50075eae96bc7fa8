//! Expressions: FEEL, and the `${…}` of other engines translated to FEEL.
//!
//! The only file that knows the FEEL library. JSON numbers become FEEL numbers and back; text
//! stays text, a date too, unless the expression types it (`date(received_on)`); a FEEL date,
//! time or duration comes back as its ISO 8601 text; a FEEL context is a JSON object.

use std::{fmt::Write, panic::AssertUnwindSafe, sync::Arc};

use dsntk_feel::{
    Evaluator, FeelNumber, FeelScope, Name, context::FeelContext, values::Value as Feel,
};
use kernel::Memo;
use serde_json::{Map, Value};

/// Where an expression finds its variables.
pub trait Lookup {
    fn lookup(&self, name: &str) -> Option<Value>;
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
        if calls_a_method(feel)
            && let Ok(translated) = crate::juel::to_feel(feel)
        {
            return Self::translated(&translated);
        }
        Self::feel(feel).or_else(|error| {
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
        if ["now", "today"]
            .iter()
            .any(|&clock| words.iter().any(|word| word == clock) && calls(text, clock))
        {
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
        if self.is_heavy {
            let found = self
                .variables
                .iter()
                .filter_map(|word| Some((word.clone(), value_of(variables, word)?)));
            if let Some(value) = crate::aside::evaluate(&self.feel, &self.words, &found.collect()) {
                return value;
            }
        }
        self.here(variables)
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
    pub fn is_true(&self, variables: &dyn Lookup) -> bool {
        match self.evaluate(variables) {
            Ok(Value::Bool(value)) => value,
            Ok(Value::String(text)) => self.text_is_truth && text == "true",
            _ => false,
        }
    }
}

/// Words that FEEL itself uses; they are never taken for variables.
const KEYWORDS: &[&str] = &[
    "and",
    "or",
    "not",
    "if",
    "then",
    "else",
    "for",
    "in",
    "return",
    "some",
    "every",
    "satisfies",
    "between",
    "instance",
    "of",
    "true",
    "false",
    "null",
    "function",
    "external",
    "date",
    "time",
    "duration",
];

/// Those of [`KEYWORDS`] that are keywords only before a bracket or in the name of a type.
const SOMETIMES: [&str; 3] = ["date", "time", "duration"];

/// Functions that translations of `${…}` call.
const TRANSLATIONS: &[&str] = &[
    "number", "string", "modulo", "contains", "list", "lower", "upper", "case", "starts", "ends",
    "with", "length", "count",
];

const RENAMED: &str = "juel_";

/// What a variable of `${…}` is called in FEEL: another name where FEEL or the translation itself
/// has a use for the word.
pub(crate) fn renamed(name: &str) -> String {
    if KEYWORDS.contains(&name) || TRANSLATIONS.contains(&name) {
        format!("{RENAMED}{name}")
    } else {
        name.to_owned()
    }
}

fn value_of(variables: &dyn Lookup, word: &str) -> Option<Value> {
    let value = variables.lookup(word);
    value.or_else(|| variables.lookup(word.strip_prefix(RENAMED)?))
}

/// The words that stand somewhere for a value. A variable with the name of a function would hide
/// it otherwise: no JSON value can be called.
fn variables(text: &str, words: &[String]) -> Vec<String> {
    let parts = plain_parts(text);
    let mut found = words.to_vec();
    found.retain(|word| word.contains(' ') || parts.iter().any(|part| is_value(part, word)));
    found
}

fn is_value(part: &str, word: &str) -> bool {
    part.match_indices(word).any(|(at, _)| {
        let before = part.get(..at).unwrap_or_default();
        let after = part.get(at + word.len()..).unwrap_or_default();
        let is_whole = !before.ends_with(is_word) && !after.starts_with(is_word);
        let (before, after) = (before.trim_end(), after.trim_start());
        let is_property = before.ends_with('.') && !before.ends_with("..");
        is_whole && !is_property && !after.starts_with('(')
    })
}

/// Words such as `date` that are variables in this text.
fn sometimes(text: &str) -> Vec<String> {
    if text.contains("instance of") || text.contains("function") {
        return Vec::new();
    }
    let plain: Vec<String> = plain_parts(text)
        .into_iter()
        .map(|part| part.replace("date and time", ""))
        .collect();
    let is_one = |word: &&str| {
        let is_called = calls(text, word);
        !is_called && plain.iter().any(|part| is_value(part, word))
    };
    SOMETIMES
        .into_iter()
        .filter(is_one)
        .map(str::to_owned)
        .collect()
}

const FUNCTIONS_OF_SEVERAL_WORDS: &[&str] = &[
    "date and time",
    "years and months duration",
    "string length",
    "upper case",
    "lower case",
    "substring before",
    "substring after",
    "starts with",
    "ends with",
    "list contains",
    "insert before",
    "list replace",
    "index of",
    "distinct values",
    "day of week",
    "day of year",
    "month of year",
    "week of year",
    "get value",
    "get entries",
    "context put",
    "context merge",
    "round up",
    "round down",
    "round half up",
    "round half down",
    "string join",
    "met by",
    "overlaps before",
    "overlaps after",
    "finished by",
    "started by",
];

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

fn calls(text: &str, function: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find(function) {
        let after = rest.get(at + function.len()..).unwrap_or_default();
        if after.trim_start().starts_with('(') {
            return true;
        }
        rest = after;
    }
    false
}

/// Operators in one expression at the most.
const MAX_OPERATORS: usize = 150;

/// Each operator is one level of the library's recursion.
pub(crate) fn is_too_deep(text: &str) -> bool {
    let signs = text
        .matches(['+', '-', '*', '/', '.', '=', '<', '>', '!', '&', '|', '?'])
        .count();
    let words = text
        .split_whitespace()
        .filter(|word| matches!(*word, "and" | "or" | "if" | "for" | "function"))
        .count();
    signs + words > MAX_OPERATORS
}

/// Functions in Java and the like; the word may be a text or a variable, too.
pub(crate) fn defines_outside(text: &str) -> bool {
    let has = |wanted| plain_words(text).any(|(word, _)| word == wanted);
    has("function") && has("external")
}

/// Words and functions of which a short text makes much work: loops, what repeats texts and lists,
/// what compares all with all.
const HEAVY: &[&str] = &[
    "for",
    "some",
    "every",
    "function",
    "sort",
    "union",
    "distinct",
    "duplicate",
    "index",
    "concatenate",
    "append",
    "flatten",
    "insert",
    "replace",
    "split",
    "join",
    "merge",
    "put",
];

/// Whether evaluating might take more than time in proportion to the variables: by loops, by
/// filters in filters, by entries of a context that are made of one another.
pub(crate) fn is_heavy(text: &str) -> bool {
    let mut entries: Vec<&str> = Vec::new();
    let mut used: Vec<&str> = Vec::new();
    for (word, after) in plain_words(text) {
        if HEAVY.contains(&word) {
            return true;
        }
        if after.trim_start().starts_with(':') {
            entries.push(word);
        } else {
            used.push(word);
        }
    }
    let parts = plain_parts(text);
    let filters: usize = parts.iter().map(|part| part.matches('[').count()).sum();
    // A quotation mark in a comment would hide what follows.
    let has_comment = text.contains("//") || text.contains("/*");
    has_comment || filters > 1 || entries.iter().any(|entry| used.contains(entry))
}

/// What stands outside of string literals.
pub(crate) fn plain_parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut begun = Some(0);
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match begun {
            Some(start) if c == '"' => {
                parts.extend(text.get(start..at));
                begun = None;
            }
            None if is_escaped => is_escaped = false,
            None if c == '\\' => is_escaped = true,
            None if c == '"' => begun = Some(at + 1),
            _ => {}
        }
    }
    parts.extend(begun.and_then(|start| text.get(start..)));
    parts
}

/// The words outside of string literals, each with what comes after it.
fn plain_words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    plain_parts(text).into_iter().flat_map(|part| {
        let mut rest = part;
        std::iter::from_fn(move || {
            rest = rest.trim_start_matches(|c: char| !is_word(c));
            let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = after;
            (!word.is_empty()).then_some((word, after))
        })
    })
}

/// The value of an expression that was parsed elsewhere, here and now.
pub(crate) fn evaluate_here(
    feel: &str,
    words: &[String],
    variables: &Map<String, Value>,
) -> Result<Value, String> {
    Expr::compile(feel, words)?.here(variables)
}

/// Numbers that a loop over a range may count through.
const LARGEST_RANGE: u64 = 100_000;

/// A loop over `1..1000000000`. Bounds in variables are not seen; such a loop is stopped.
fn has_huge_range(text: &str) -> bool {
    let loops = |word: &str| matches!(word, "for" | "some" | "every");
    plain_words(text).any(|(word, _)| loops(word))
        && text.match_indices("..").any(|(at, _)| {
            let digits = |part: &str| part.bytes().take_while(u8::is_ascii_digit).count();
            let after = text.get(at + 2..).unwrap_or_default().trim_start();
            let end: String = after.chars().take(digits(after)).collect();
            !end.is_empty() && end.parse::<u64>().map_or(true, |end| end > LARGEST_RANGE)
        })
}

/// `a.b(…)`: FEEL would read it and answer null.
fn calls_a_method(text: &str) -> bool {
    text.match_indices('(').any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default();
        let name = before.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_');
        name.len() < before.len() && name.ends_with('.')
    })
}

/// The distinct words outside string literals.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut in_string = false;
    let mut escaped = false;
    for c in text.chars().chain(std::iter::once(' ')) {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if is_word(c) {
            word.push(c);
        } else {
            let done = std::mem::take(&mut word);
            let starts_well = done.chars().next().is_some_and(|first| !first.is_numeric());
            if starts_well && !KEYWORDS.contains(&done.as_str()) && !words.contains(&done) {
                words.push(done);
            }
            in_string = c == '"';
        }
    }
    words.extend(sometimes(text));
    words
}

/// Runs of two to five words with one space between, outside of string literals.
fn runs_of_words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split('"').step_by(2) {
        for piece in part.split(|c: char| !is_word(c) && c != ' ') {
            let words: Vec<&str> = piece.split_whitespace().collect();
            for run in words.split(|word| KEYWORDS.contains(word)) {
                for length in 2..=run.len().min(5) {
                    found.extend(run.windows(length).map(|names| names.join(" ")));
                }
            }
        }
    }
    found.retain(|name| name.chars().next().is_some_and(|first| !first.is_numeric()));
    found.truncate(100);
    found
}

/// Words that can only be variables from outside of an expression; `known` names, which may have
/// spaces, are left out.
pub(crate) fn outer_names(text: &str, known: &[String]) -> Vec<String> {
    let mut plain: String = text.split('"').step_by(2).collect::<Vec<_>>().join(" 0 ");
    let mut longest: Vec<&str> = known.iter().map(String::as_str).collect();
    longest.extend(FUNCTIONS_OF_SEVERAL_WORDS);
    longest.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for name in longest.iter().filter(|name| name.contains(' ')) {
        plain = plain.replace(name, "0");
    }
    let mut found: Vec<String> = Vec::new();
    let mut local: Vec<String> = Vec::new();
    let mut before = "";
    let mut rest = plain.as_str();
    while let Some(at) = rest.find(|c: char| c.is_alphabetic() || c == '_') {
        let gap = rest.get(..at).unwrap_or_default();
        let tail = rest.get(at..).unwrap_or_default();
        let length = tail.find(|c: char| !is_word(c)).unwrap_or(tail.len());
        let (word, after) = tail.split_at(length);
        let is_property = gap.trim_end().ends_with('.') && !gap.trim_end().ends_with("..");
        let is_number = gap.chars().next_back().is_some_and(|c| c.is_ascii_digit());
        let next = after.trim_start();
        let is_called = next.starts_with('(');
        // A key of a context, not a name before a range.
        let is_key = next.starts_with(':');
        if matches!(before, "for" | "some" | "every") || is_key {
            local.push(word.to_owned());
        } else if !is_property
            && !is_number
            && !is_called
            && before != "of"
            && !KEYWORDS.contains(&word)
        {
            found.push(word.to_owned());
        }
        before = word;
        rest = after;
    }
    if text.contains("function") {
        // Parameters cannot be told from variables without parsing; nothing is missing then.
        return Vec::new();
    }
    found.retain(|name| !local.contains(name) && !known.contains(name));
    found
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

/// FEEL to JSON; what JSON has no form for becomes text.
pub fn from_feel(value: &Feel) -> Value {
    match value {
        Feel::Null(_) => Value::Null,
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(text: &str, variables: &Value, expected: &Value) {
        let expr = Expr::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let value = expr
            .evaluate(variables.as_object().unwrap())
            .unwrap_or(Value::Null);
        assert_eq!(&value, expected, "{text} → {}", expr.as_feel());
    }

    #[test]
    fn a_variable_may_be_called_like_a_function_or_a_keyword() {
        let all = json!({
            "amount": 12, "number": "x", "string": "y", "count": 5, "l": [1, 2], "contains": "z",
            "date": "2026-01-01", "time": "10:00", "duration": 5, "if": 3, "in": 4, "of": "6",
        });
        for text in [
            "${amount > 9}",
            "${amount == 12}",
            "${amount + 1 == 13}",
            "${l.size() == 2}",
            "${count > 4}",
            "${number == 'x' && string == 'y'}",
            "${contains.contains('z')}",
            "${date == '2026-01-01'}",
            "${if + in == 7}",
            "${of == 6}",
            "${execution.getVariable('time') == '10:00'}",
            "count(l) = 2",
            "duration = 5",
            "date = \"2026-01-01\"",
        ] {
            check(text, &all, &json!(true));
        }
    }

    #[test]
    fn feel_is_evaluated_over_json() {
        check(
            "amount > 1000 and region = \"511602\"",
            &json!({"amount": 1500, "region": "511602"}),
            &json!(true),
        );
        check("a + b", &json!({"a": 1, "b": 2}), &json!(3));
        check("a-b", &json!({"a": 1, "b": 2}), &json!(-1));
        check("面积 * 2", &json!({"面积": 60.5}), &json!(121));
        check("price * 0.1", &json!({"price": 12.5}), &json!(1.25));
        check(
            "case.applicant.age >= 18",
            &json!({"case": {"applicant": {"age": 18}}}),
            &json!(true),
        );
        check(
            "string length(name) + 1",
            &json!({"name": "合成"}),
            &json!(3),
        );
        check(
            "= x",
            &json!({"x": [1, {"a": null}]}),
            &json!([1, {"a": null}]),
        );
        check(
            "count(items) > 2",
            &json!({"items": [1, 2, 3]}),
            &json!(true),
        );
        check(
            "if ok then \"yes\" else \"no\"",
            &json!({"ok": false}),
            &json!("no"),
        );
        check(
            "{fee: n * 2, \"kind\": \"x\"}",
            &json!({"n": 4}),
            &json!({"fee": 8, "kind": "x"}),
        );
        check(
            "some i in items satisfies i > 2",
            &json!({"items": [1, 2, 3]}),
            &json!(true),
        );
        check(
            "date(d) + duration(\"P1D\")",
            &json!({"d": "2026-01-31"}),
            &json!("2026-02-01"),
        );
        check(
            "list contains(kinds, \"餐饮\")",
            &json!({"kinds": ["餐饮"]}),
            &json!(true),
        );
        check(
            "12345678901234567",
            &json!({}),
            &json!(12_345_678_901_234_567_i64),
        );
    }

    #[test]
    fn braces_of_other_engines_are_translated() {
        check(
            "${approved == true && amount > 10}",
            &json!({"approved": true, "amount": 11}),
            &json!(true),
        );
        check("${!approved}", &json!({"approved": false}), &json!(true));
        check("${not empty reason}", &json!({"reason": "x"}), &json!(true));
        check("${empty reason}", &json!({"reason": ""}), &json!(true));
        check("${empty reason}", &json!({}), &json!(true));
        check(
            "${status == 'ok' || status eq \"fine\"}",
            &json!({"status": "fine"}),
            &json!(true),
        );
        check(
            "${a.b ne 'x' and n le 3}",
            &json!({"a": {"b": "y"}, "n": 3}),
            &json!(true),
        );
        check(
            "#{n mod 2 == 0 ? 'even' : 'odd'}",
            &json!({"n": 4}),
            &json!("even"),
        );
        check(
            "${execution.getVariable('a') == 1}",
            &json!({"a": 1}),
            &json!(true),
        );
        check(
            "post-${region}",
            &json!({"region": "511602"}),
            &json!("post-511602"),
        );
        check(
            "${outcome}",
            &json!({"outcome": "approve"}),
            &json!("approve"),
        );
        check(
            "${kinds.contains('b')}",
            &json!({"kinds": ["a", "b"]}),
            &json!(true),
        );
        check(
            "test.contains(\"a\")",
            &json!({"test": "xay"}),
            &json!(true),
        );
        check(
            "${name.startsWith('a') && !name.equals('ab')}",
            &json!({"name": "abc"}),
            &json!(true),
        );
        check(
            "approved == 'yes' && n > 1",
            &json!({"approved": "yes", "n": 2}),
            &json!(true),
        );
    }

    #[test]
    fn unlike_operands_are_made_alike_as_there() {
        let held =
            json!({"n": 5, "m": 10, "five": "5", "ten": "10", "yes": "true", "ok": true, "a": "a"});
        for (text, expected) in [
            ("${n == '5'}", true),
            ("${n != '5'}", false),
            ("${five == 5}", true),
            ("${five == n}", true),
            ("${five != n}", false),
            ("${n > '4'}", true),
            ("${five < 10}", true),
            ("${five < m}", true),
            // Two texts are compared as texts.
            ("${five < ten}", false),
            ("${a != 5}", true),
            ("${yes == true}", true),
            ("${ok == 'true'}", true),
            ("${yes && ok}", true),
            ("${!yes}", false),
            ("${missing == 'x'}", false),
            ("${missing != 'x'}", true),
            ("${missing == null}", true),
            ("${n == 5.0 && five == 5.0}", true),
            ("${n + 1 == '6'}", true),
        ] {
            check(text, &held, &json!(expected));
        }
        check("${yes ? 'a' : 'b'}", &held, &json!("a"));
        for (text, expected) in [("${yes}", true), ("${a}", false), ("yes", false)] {
            let expr = Expr::parse(text).unwrap();
            assert_eq!(expr.is_true(held.as_object().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_written_twice_does_not_grow_without_end() {
        let empties = format!("${{{} a}}", "empty ".repeat(40));
        let parts = format!("${{a{}}}", ".contains('b')".repeat(30));
        let chain = format!("${{a{}}}", " == b".repeat(60));
        for text in [empties, parts, chain] {
            let _ = Expr::parse(&text);
        }
    }

    #[test]
    fn what_may_not_end_is_told_from_the_rest() {
        for text in [
            "count(for x in 1..n, y in 1..n return x)",
            "some x in list satisfies x > 1",
            "{f: function(n) f(n + 1), r: f(1)}",
            r#""\"" + string(count(for x in l return x))"#,
            "{a: x + x, b: a + a, c: b + b}",
            "a[item > 1][item < 5]",
            "replace(replace(t, \"a\", \"aaaa\"), \"a\", \"aaaa\")",
            "/* \" */ count(for x in l return x) /* \" */",
            "distinct values(list)",
        ] {
            assert!(is_heavy(text), "{text}");
        }
        for text in [
            "amount > 1000 and region = \"for all\"",
            "{fee: n * 2, \"kind\": \"x\", due: date(d) + duration(\"P5D\")}",
            "if ok then items[1].price else 0",
            "amount in [100000..500000]",
            "count(items) > 2 and contains(name, \"sort\")",
        ] {
            assert!(!is_heavy(text), "{text}");
        }
    }

    #[test]
    fn words_that_only_look_like_trouble_are_allowed() {
        check(
            "amount in [100000..500000]",
            &json!({"amount": 200_000}),
            &json!(true),
        );
        check(
            "${kind == 'external'}",
            &json!({"kind": "external"}),
            &json!(true),
        );
        check("externalId = 5", &json!({"externalId": 5}), &json!(true));
        assert!(Expr::parse("{f: function(x) external {java: {class: \"a\"}}}").is_err());
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in [
            "",
            "a >",
            "${a",
            "${a b c}",
            "now() > x",
            "((((",
            "${foo.bar(}",
            "for i in 1..999999999 return i",
        ] {
            assert!(Expr::parse(text).is_err(), "{text}");
        }
        assert!(Expr::parse(&"(".repeat(5_000)).is_err());
        assert!(Expr::parse(&format!("1{}", "+1".repeat(5_000))).is_err());
        assert!(Expr::parse(&format!("1{}", "+1".repeat(100))).is_ok());
    }

    #[test]
    fn a_missing_variable_is_never_true() {
        let expr = Expr::parse("amount > 1000").unwrap();
        assert!(!expr.is_true(&Map::new()));
        let expr = Expr::parse("amount = \"x\"").unwrap();
        assert!(!expr.is_true(json!({"amount": 3}).as_object().unwrap()));
    }
}
