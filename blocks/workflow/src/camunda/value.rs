//! Camunda's typed values: `{"value": …, "type": "String", "valueInfo": {}}`.

use chrono::{DateTime, FixedOffset, Utc};
use kernel::{Error, Finding, Result, Text};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// One typed value, as a body of its own.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CamundaValue, example = json!({"value": 900, "type": "Integer"}))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Typed {
    #[schema(value_type = Object)]
    value: Value,
    #[serde(rename = "type")]
    kind: Option<String>,
    value_info: Option<Map<String, Value>>,
}

impl Typed {
    /// The plain value, by the name of its variable.
    pub fn named(self, name: &str) -> Result<Map<String, Value>> {
        let typed = json!({"value": self.value, "type": self.kind, "valueInfo": self.value_info});
        plain(Some(&Map::from_iter([(name.to_owned(), typed)])))
    }
}

/// Plain values of a map of typed ones.
pub(super) fn plain(typed: Option<&Map<String, Value>>) -> Result<Map<String, Value>> {
    let mut vars = Map::new();
    let mut findings = Vec::new();
    for (name, typed) in typed.into_iter().flatten() {
        if let Some(value) = one(typed) {
            vars.insert(name.clone(), value);
        } else {
            let kind = typed.get("type").and_then(Value::as_str);
            let text = Text::new("workflow-variable-type").with("type", kind.unwrap_or("–"));
            findings.push(Finding::new(format!("variables/{name}"), text));
        }
    }
    if findings.is_empty() {
        Ok(vars)
    } else {
        Err(Error::Invalid(findings))
    }
}

/// The plain value; `None` where value and type do not go together.
fn one(typed: &Value) -> Option<Value> {
    let object = typed.as_object()?;
    let value = object.get("value").cloned().unwrap_or(Value::Null);
    let kind = object.get("type").and_then(Value::as_str).unwrap_or("");
    if value.is_null() {
        return Some(value);
    }
    let fits = match kind.to_ascii_lowercase().as_str() {
        "" => true,
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        "short" => value.as_i64().is_some_and(|n| i16::try_from(n).is_ok()),
        "long" => value.is_i64(),
        "double" => value.is_number(),
        "date" => {
            let read = value.as_str().and_then(moment)?;
            return Some(Value::String(read.format(KEPT).to_string()));
        }
        "json" => return parsed(value),
        "object" => {
            let info = object.get("valueInfo");
            let format = info.and_then(|info| info.get("serializationDataFormat"));
            return match format.and_then(Value::as_str) {
                Some("application/json") => parsed(value),
                // A Java object; nothing here could read it.
                _ => None,
            };
        }
        _ => false,
    };
    fits.then_some(value)
}

/// JSON comes as text; clients that send it as it is mean the same.
fn parsed(value: Value) -> Option<Value> {
    match value {
        Value::String(text) => serde_json::from_str(&text).ok(),
        value => Some(value),
    }
}

const MOMENT: &str = "%Y-%m-%dT%H:%M:%S%.3f%z";

/// How a Date is kept among variables: as expressions and decisions read a moment, and to the
/// millisecond, as nothing but this interface writes it, so that it comes back as a Date.
const KEPT: &str = "%Y-%m-%dT%H:%M:%S%.3f%:z";

/// The moment of a text that was a Date.
fn kept(text: &str) -> Option<DateTime<FixedOffset>> {
    let read = DateTime::parse_from_str(text, KEPT).ok()?;
    Some(read).filter(|read| read.format(KEPT).to_string() == text)
}

/// `2026-03-02T09:00:00.000+0800`, or a moment of RFC 3339.
pub(super) fn moment(text: &str) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_str(text, MOMENT)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%z"))
        .or_else(|_| DateTime::parse_from_rfc3339(text))
        .ok()
}

/// How this interface writes moments.
pub(super) fn written(at: DateTime<Utc>) -> String {
    at.format(MOMENT).to_string()
}

/// A map of typed values.
pub(super) fn typed(vars: &Map<String, Value>) -> Map<String, Value> {
    vars.iter()
        .map(|(name, value)| (name.clone(), typed_one(value)))
        .collect()
}

pub(super) fn typed_one(value: &Value) -> Value {
    let (kind, value) = match value {
        Value::Null => ("Null", Value::Null),
        Value::Bool(_) => ("Boolean", value.clone()),
        Value::String(text) => match kept(text) {
            Some(date) => ("Date", Value::from(date.format(MOMENT).to_string())),
            None => ("String", value.clone()),
        },
        Value::Number(number) => {
            let kind = match number.as_i64() {
                Some(n) if i32::try_from(n).is_ok() => "Integer",
                Some(_) => "Long",
                None => "Double",
            };
            (kind, value.clone())
        }
        Value::Array(_) | Value::Object(_) => ("Json", Value::String(value.to_string())),
    };
    json!({"value": value, "type": kind, "valueInfo": {}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(typed: &Value) -> Result<Value, Vec<String>> {
        match plain(json!({ "x": typed }).as_object()) {
            Ok(mut vars) => Ok(vars.remove("x").unwrap()),
            Err(Error::Invalid(findings)) => Err(findings.into_iter().map(|f| f.field).collect()),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn typed_values_become_plain_ones() {
        for (typed, plain) in [
            (json!({"value": "a", "type": "String"}), json!("a")),
            (json!({"value": 3}), json!(3)),
            (json!({"value": 3, "type": "integer"}), json!(3)),
            (json!({"value": 3, "type": "Double"}), json!(3)),
            (json!({"value": null, "type": "String"}), json!(null)),
            (json!({"type": "Null"}), json!(null)),
            (
                json!({"value": "{\"a\":[1]}", "type": "Json"}),
                json!({"a": [1]}),
            ),
            (
                json!({"value": "[1]", "type": "Object", "valueInfo": {"serializationDataFormat": "application/json"}}),
                json!([1]),
            ),
            (
                json!({"value": "2026-03-02T09:00:00.000+0800", "type": "date"}),
                json!("2026-03-02T09:00:00.000+08:00"),
            ),
        ] {
            assert_eq!(read(&typed), Ok(plain), "{typed}");
        }
    }

    #[test]
    fn a_value_that_is_not_of_its_type_is_refused() {
        for wrong in [
            json!({"value": "3", "type": "Integer"}),
            json!({"value": 3_000_000_000_i64, "type": "Integer"}),
            json!({"value": 3, "type": "String"}),
            json!({"value": "yes", "type": "Boolean"}),
            json!({"value": "{", "type": "Json"}),
            json!({"value": "soon", "type": "Date"}),
            json!({"value": "rO0AB", "type": "Object"}),
            json!({"value": "x", "type": "File"}),
            json!("bare"),
        ] {
            assert_eq!(read(&wrong), Err(vec!["variables/x".into()]), "{wrong}");
        }
    }

    #[test]
    fn only_what_came_as_a_date_is_one() {
        for text in [
            "2026-03-02",
            "2026-03-02T09:00:00+08:00",
            "2026-03-02T09:00:00.250Z",
            "2026-03-02T09:00:00.250+0800",
            "2026-03-02T09:00:00.25+08:00",
        ] {
            let one = typed_one(&json!(text));
            assert_eq!(
                (&one["type"], &one["value"]),
                (&json!("String"), &json!(text))
            );
        }
    }

    #[test]
    fn plain_values_say_their_type() {
        let vars = json!({
            "a": "t", "b": 1, "c": 5_000_000_000_i64, "d": 1.5, "e": [1], "f": null,
            "g": "2026-03-02T09:00:00.250+08:00",
        });
        let typed = typed(vars.as_object().unwrap());
        let kinds: Vec<_> = typed
            .values()
            .map(|v| v["type"].as_str().unwrap())
            .collect();
        assert_eq!(
            kinds,
            [
                "String", "Integer", "Long", "Double", "Json", "Null", "Date"
            ]
        );
        assert_eq!(typed["g"]["value"], json!("2026-03-02T09:00:00.250+0800"));
        assert_eq!(plain(Some(&typed)).unwrap(), *vars.as_object().unwrap());
    }
}
