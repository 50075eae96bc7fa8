//! When a question is asked: a small language of facts about other answers, safe to take from
//! strangers because it only compares.
//!
//! `{"field": "has_signboard", "equals": true}` · `{"answer": "area", "in": ["s", "m"]}` ·
//! `{"field": "brand", "present": true}` · `{"all": […]}` · `{"any": […]}` · `{"not": …}`.
//! `field` looks at this form, `answer` at the questionnaire that led to it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Deep enough for any question, shallow enough for any stack.
const DEPTH: usize = 16;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// A fact about one answer.
    Fact {
        of: Of,
        name: String,
        test: Test,
    },
}

/// Whose answer is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    Field,
    Answer,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    Equals(Value),
    In(Vec<Value>),
    Present(bool),
}

impl Condition {
    /// Reads the JSON of a pack; the error says what is wrong in plain words.
    pub fn parse(json: &Value) -> Result<Self, String> {
        parse(json, DEPTH)
    }

    pub fn holds(&self, values: &Map<String, Value>, answers: &Map<String, Value>) -> bool {
        match self {
            Self::All(all) => all.iter().all(|c| c.holds(values, answers)),
            Self::Any(any) => any.iter().any(|c| c.holds(values, answers)),
            Self::Not(inner) => !inner.holds(values, answers),
            Self::Fact {
                of: Of::Field,
                name,
                test,
            } => test.holds(values.get(name)),
            Self::Fact {
                of: Of::Answer,
                name,
                test,
            } => test.holds(answers.get(name)),
        }
    }

    /// The names of this form's fields that decide it.
    pub fn fields(&self) -> Vec<&str> {
        match self {
            Self::All(inner) | Self::Any(inner) => inner.iter().flat_map(Self::fields).collect(),
            Self::Not(inner) => inner.fields(),
            Self::Fact {
                of: Of::Field,
                name,
                ..
            } => vec![name],
            Self::Fact { of: Of::Answer, .. } => Vec::new(),
        }
    }

    /// The same condition over renamed fields, for merged forms.
    #[must_use]
    pub fn renamed(&self, rename: &dyn Fn(&str) -> String) -> Self {
        match self {
            Self::All(all) => Self::All(all.iter().map(|c| c.renamed(rename)).collect()),
            Self::Any(any) => Self::Any(any.iter().map(|c| c.renamed(rename)).collect()),
            Self::Not(inner) => Self::Not(Box::new(inner.renamed(rename))),
            Self::Fact {
                of: Of::Field,
                name,
                test,
            } => Self::Fact {
                of: Of::Field,
                name: rename(name),
                test: test.clone(),
            },
            answer @ Self::Fact { .. } => answer.clone(),
        }
    }
}

impl Test {
    fn holds(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Equals(wanted) => value.is_some_and(|value| same(value, wanted)),
            Self::In(wanted) => value.is_some_and(|value| wanted.iter().any(|w| same(value, w))),
            Self::Present(wanted) => value.is_some_and(|value| !is_empty(value)) == *wanted,
        }
    }
}

/// Equal as people see it: `true` and `"true"`, `5` and `"5"` are one; of several ticked answers
/// one is enough.
fn same(value: &Value, wanted: &Value) -> bool {
    match value {
        Value::Array(several) => several.iter().any(|one| same(one, wanted)),
        _ => value == wanted || plain(value) == plain(wanted),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Nothing was answered.
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(several) => several.is_empty(),
        Value::Object(parts) => parts.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn parse(json: &Value, depth: usize) -> Result<Condition, String> {
    let Some(deeper) = depth.checked_sub(1) else {
        return Err(format!("conditions nest deeper than {DEPTH}"));
    };
    let object = json.as_object().ok_or("a condition must be an object")?;
    let list = |value: &Value| -> Result<Vec<Condition>, String> {
        let several = value
            .as_array()
            .ok_or("all and any need a list of conditions")?;
        several.iter().map(|one| parse(one, deeper)).collect()
    };
    if let Some(value) = object.get("all").or_else(|| object.get("and")) {
        return Ok(Condition::All(list(value)?));
    }
    if let Some(value) = object.get("any").or_else(|| object.get("or")) {
        return Ok(Condition::Any(list(value)?));
    }
    if let Some(value) = object.get("not") {
        return Ok(Condition::Not(Box::new(parse(value, deeper)?)));
    }
    let (of, name) = match (object.get("field"), object.get("answer")) {
        (Some(Value::String(name)), None) => (Of::Field, name.clone()),
        (None, Some(Value::String(name))) => (Of::Answer, name.clone()),
        _ => return Err("a condition needs field, answer, all, any or not".to_owned()),
    };
    let test = match (
        object.get("equals"),
        object.get("in"),
        object.get("present"),
    ) {
        (Some(value), None, None) => Test::Equals(value.clone()),
        (None, Some(Value::Array(values)), None) => Test::In(values.clone()),
        (None, None, Some(Value::Bool(wanted))) => Test::Present(*wanted),
        _ => {
            return Err(format!(
                "the condition on {name} needs exactly one of equals, in (a list), present"
            ));
        }
    };
    Ok(Condition::Fact { of, name, test })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(condition: &Value, values: &Value, answers: &Value) -> bool {
        Condition::parse(condition)
            .unwrap()
            .holds(values.as_object().unwrap(), answers.as_object().unwrap())
    }

    #[test]
    fn conditions_compare_fields_and_answers() {
        let values = json!({"sign": true, "size": 5, "kinds": ["hot", "cold"], "blank": ""});
        let answers = json!({"tobacco": "yes"});
        for (condition, wanted) in [
            (json!({"field": "sign", "equals": true}), true),
            (json!({"field": "sign", "equals": "true"}), true),
            (json!({"field": "size", "in": [1, "5"]}), true),
            (json!({"field": "kinds", "equals": "cold"}), true),
            (json!({"field": "blank", "present": true}), false),
            (json!({"field": "nothing", "present": false}), true),
            (json!({"answer": "tobacco", "equals": "yes"}), true),
            (
                json!({"not": {"answer": "tobacco", "equals": "yes"}}),
                false,
            ),
            (
                json!({"all": [{"field": "sign", "equals": true}, {"field": "size", "equals": 6}]}),
                false,
            ),
            (
                json!({"any": [{"field": "sign", "equals": false}, {"field": "size", "equals": 5}]}),
                true,
            ),
        ] {
            assert_eq!(holds(&condition, &values, &answers), wanted, "{condition}");
        }
    }

    #[test]
    fn a_wrong_condition_is_explained() {
        for wrong in [
            json!(1),
            json!({}),
            json!({"field": "a"}),
            json!({"field": "a", "equals": 1, "in": []}),
        ] {
            assert!(Condition::parse(&wrong).is_err(), "{wrong}");
        }
        let mut deep = json!({"field": "a", "present": true});
        for _ in 0..20 {
            deep = json!({"not": deep});
        }
        assert!(Condition::parse(&deep).unwrap_err().contains("deeper"));
    }
}
