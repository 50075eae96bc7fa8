//! Variables as fields of a form, and what was typed as variables again.

use kernel::{Finding, Text};
use serde_json::{Map, Value};
use web::{
    Page,
    component::{Choice, Fields as Typed},
};

use crate::verb::{Access, Fields, pairs};

/// How a variable is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Integer,
    Boolean,
    Date,
    /// Lists and objects, as JSON.
    Json,
}

impl Kind {
    /// By what the step says, else by what the variable holds.
    fn of(said: Option<&str>, value: &Value) -> Self {
        match (said, value) {
            (Some("number"), _) | (None, Value::Number(_)) => Self::Number,
            (Some("integer"), _) => Self::Integer,
            (Some("boolean"), _) | (None, Value::Bool(_)) => Self::Boolean,
            (Some("date"), _) => Self::Date,
            (Some("list" | "object"), _) | (None, Value::Array(_) | Value::Object(_)) => Self::Json,
            _ => Self::Text,
        }
    }

    /// Its name where findings speak of it, as `tongban:fields` has it.
    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Json => "JSON",
        }
    }

    /// What was typed as a value; nothing takes the value away.
    fn read(self, typed: &str) -> Option<Value> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Some(Value::Null);
        }
        let json = || serde_json::from_str::<Value>(typed).ok();
        match self {
            Self::Text | Self::Date => Some(Value::from(typed)),
            Self::Number => json().filter(Value::is_number),
            Self::Integer => json().filter(|value| value.is_i64() || value.is_u64()),
            Self::Boolean => json().filter(Value::is_boolean),
            Self::Json => json().filter(|value| value.is_array() || value.is_object()),
        }
    }
}

/// A variable on the page of a task.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub name: String,
    pub label: String,
    pub kind: Kind,
    /// As it stands in the process.
    pub value: String,
    pub is_writable: bool,
    /// Whether the step speaks of it.
    pub is_named: bool,
}

/// What is chosen for a variable that is true or false.
pub(super) fn yes_no(p: &Page) -> [Choice; 2] {
    [("true", "workflow-yes"), ("false", "workflow-no")]
        .map(|(value, key)| Choice::new(value, p.t(key)))
}

/// Beginning of the names of fields that are variables: others are the page's own.
pub(super) const VARIABLE: &str = "var-";

impl Field {
    /// Its name in the form.
    pub(super) fn key(&self) -> String {
        format!("{VARIABLE}{}", self.name)
    }

    pub(super) fn is_long(&self) -> bool {
        self.kind == Kind::Json || self.value.chars().count() > 60
    }

    /// Kind of the input, as HTML has it.
    pub(super) fn html(&self) -> &'static str {
        match self.kind {
            Kind::Date => "date",
            _ => "text",
        }
    }

    pub(super) fn is_boolean(&self) -> bool {
        self.kind == Kind::Boolean
    }
}

/// Answers that have inputs of their own.
const ANSWERS: [&str; 2] = ["outcome", "opinion"];
/// Why a task was returned: the page says it at its head.
const RETURNED: &str = "returned";

/// The variables that a step shows: those it speaks of in its order, then all others by name.
pub(super) fn fields(
    said: &str,
    labels: &str,
    vars: &Map<String, Value>,
    has_outcomes: bool,
) -> Vec<Field> {
    let rules = Fields::parse(said);
    let labels: Vec<_> = pairs(labels, '=').collect();
    let named: Vec<&str> = pairs(said, ':').map(|(name, _)| name).collect();
    let is_asked = |name: &str| {
        let is_answer = ANSWERS.contains(&name) && (name != "outcome" || has_outcomes);
        name != "*" && !is_answer && rules.access(name) != Access::Hidden
    };
    let others = vars.keys().map(String::as_str);
    let others = others.filter(|name| !named.contains(name) && *name != RETURNED);
    let field = |name: &str, is_named: bool| {
        let value = vars.get(name).unwrap_or(&Value::Null);
        let label = labels.iter().find(|(known, _)| *known == name);
        Field {
            name: name.to_owned(),
            label: label
                .and_then(|(_, label)| *label)
                .unwrap_or(name)
                .to_owned(),
            kind: Kind::of(rules.kind(name), value),
            value: text_of(value),
            is_writable: rules.access(name) == Access::Write,
            is_named,
        }
    };
    let named = named.iter().map(|name| (*name, true));
    named
        .chain(others.map(|name| (name, false)))
        .filter(|(name, _)| is_asked(name))
        .map(|(name, is_named)| field(name, is_named))
        .collect()
}

/// A value as it is typed.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The variables that were changed, or what is wrong with them. What was left as it is stays out,
/// so that nobody overwrites what another step wrote meanwhile.
pub(super) fn changed(fields: &[Field], typed: &Typed) -> Result<Map<String, Value>, Vec<Finding>> {
    let (mut vars, mut findings) = (Map::new(), Vec::new());
    for field in fields.iter().filter(|field| field.is_writable) {
        let key = field.key();
        // Browsers send lines with CR LF.
        let text = typed.value(&key).replace("\r\n", "\n");
        if typed.values(&key).is_empty() || text == field.value {
            continue;
        }
        if let Some(value) = field.kind.read(&text) {
            vars.insert(field.name.clone(), value);
        } else {
            let text = Text::new("workflow-field-type").with("kind", field.kind.name());
            findings.push(Finding::new(&field.name, text));
        }
    }
    if findings.is_empty() {
        Ok(vars)
    } else {
        Err(findings)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_step_shows_what_it_names_first_and_hides_what_it_hides() {
        let vars =
            json!({"amount": 3, "secret": "x", "note": "y", "outcome": "z", "returned": "w"});
        let vars = object(&vars);
        let said = "until:write:date,amount:read,secret:hidden";
        let found = fields(said, "until=期限,amount=金额", &vars, true);
        let told: Vec<_> = found
            .iter()
            .map(|f| (f.name.as_str(), f.label.as_str(), f.kind, f.is_writable))
            .collect();
        assert_eq!(
            told,
            [
                ("until", "期限", Kind::Date, true),
                ("amount", "金额", Kind::Number, false),
                ("note", "note", Kind::Text, true),
            ]
        );
    }

    #[test]
    fn only_what_was_changed_is_sent_and_has_the_type_of_its_variable() {
        let vars = object(&json!({"a": 3, "b": "x", "c": true, "d": [1], "e": "5"}));
        let found = fields("", "", &vars, false);
        let typed = Typed::new()
            .with("var-a", "4")
            .with("var-b", "x")
            .with("var-c", "")
            .with("var-d", "[1,2]")
            .with("var-e", "6");
        let changed = changed(&found, &typed).unwrap();
        let expected = json!({"a": 4, "c": null, "d": [1, 2], "e": "6"});
        assert_eq!(Value::Object(changed), expected);
    }

    #[test]
    fn what_is_no_number_is_told_at_its_field() {
        let vars = object(&json!({"a": 3}));
        let found = fields("n:write:integer", "", &vars, false);
        let typed = Typed::new().with("var-a", "three").with("var-n", "1.5");
        let findings = changed(&found, &typed).unwrap_err();
        let names: Vec<_> = findings.iter().map(|f| f.field.as_str()).collect();
        assert_eq!(names, ["n", "a"]);
    }
}
