//! Answers between the page and the value: typed text to JSON and back, masked where shown.

use kernel::{mask, money::Money};
use serde_json::{Map, Value};
use web::{Page, component::Fields};

use crate::{Field, Form, Widget, condition::is_empty};

impl Form {
    /// The values after somebody sent a page with these fields: what was typed replaces what was
    /// there, what was emptied goes, and files stay (they come and go by uploads). Text that is
    /// no number stays text, so that validation can show it again.
    ///
    /// A masked value that comes back unchanged leaves the real one alone.
    pub fn take(&self, shown: &[&Field], pairs: &[(String, String)], values: &Value) -> Value {
        let mut values = values.as_object().cloned().unwrap_or_default();
        for field in shown.iter().filter(|field| field.widget != Widget::File) {
            let typed: Vec<&str> = pairs
                .iter()
                .filter(|(name, _)| *name == field.name)
                .map(|(_, text)| text.trim())
                .collect();
            let masked = values.get(&field.name).map(|value| field.masked(value));
            if masked
                .as_deref()
                .is_some_and(|masked| masked.contains('*') && typed == [masked])
            {
                continue;
            }
            match field.read(&typed) {
                Some(value) => values.insert(field.name.clone(), value),
                None => values.remove(&field.name),
            };
        }
        Value::Object(values)
    }
}

impl Field {
    /// What was typed as a value; `None` for nothing.
    fn read(&self, typed: &[&str]) -> Option<Value> {
        let first = typed.iter().copied().find(|text| !text.is_empty());
        match self.widget {
            Widget::Checks => {
                let all: Vec<Value> = typed
                    .iter()
                    .filter(|t| !t.is_empty())
                    .map(|t| Value::from(*t))
                    .collect();
                (!all.is_empty()).then_some(Value::Array(all))
            }
            Widget::Check => first.map(|text| Value::Bool(text == "true" || text == "on")),
            Widget::Money => first.map(|text| {
                let fen = text
                    .replace([',', '，', '¥', '￥'], "")
                    .parse::<Money>()
                    .map(Money::fen);
                fen.map_or_else(|_| Value::from(text), Value::from)
            }),
            Widget::Number => first.map(|text| {
                let plain = kernel::code::normalise(text).replace(',', "");
                let number = plain.parse::<i64>().ok().map(Value::from);
                number
                    .or_else(|| plain.parse::<f64>().ok().map(Value::from))
                    .unwrap_or_else(|| Value::from(text))
            }),
            // A choice of true and false drawn as radios is still a truth.
            Widget::Radios | Widget::Select if self.is_boolean() => first
                .and_then(|text| text.parse::<bool>().ok())
                .map(Value::from),
            _ => first.map(Value::from),
        }
    }

    fn is_boolean(&self) -> bool {
        self.schema.get("type").and_then(Value::as_str) == Some("boolean")
    }

    /// The value as it stands in an input.
    pub fn typed(&self, value: &Value) -> Vec<String> {
        match value {
            Value::Null | Value::Object(_) => Vec::new(),
            Value::Array(several) => several
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            Value::String(text) => vec![text.clone()],
            Value::Number(number) if self.widget == Widget::Money => match number.as_i64() {
                Some(fen) => vec![yuan(fen)],
                None => vec![number.to_string()],
            },
            Value::Number(number) => vec![number.to_string()],
            Value::Bool(truth) => vec![truth.to_string()],
        }
    }

    /// The value in one line of words, unmasked.
    pub fn words(&self, page: &Page, value: &Value) -> String {
        match value {
            Value::Bool(truth) => page.t(if *truth { "forms-yes" } else { "forms-no" }),
            Value::Number(number) if self.widget == Widget::Money => number
                .as_i64()
                .map_or_else(|| number.to_string(), |fen| page.money(fen)),
            Value::String(text) if self.widget == Widget::Date => {
                match text.parse::<chrono::NaiveDate>() {
                    Ok(date) => page.date(date),
                    Err(_) => text.clone(),
                }
            }
            _ if self.widget == Widget::File => {
                files(value).join(page.t("forms-list-mark").as_str())
            }
            _ => {
                let all: Vec<String> = self
                    .typed(value)
                    .iter()
                    .map(|one| self.title_of(page, one))
                    .collect();
                all.join(page.t("forms-list-mark").as_str())
            }
        }
    }

    fn title_of(&self, page: &Page, value: &str) -> String {
        let choice = self.choices.iter().find(|choice| choice.value == value);
        choice.map_or_else(|| value.to_owned(), |choice| choice.title.on(page))
    }

    /// The value with its personal part hidden, for showing.
    pub fn masked(&self, value: &Value) -> String {
        let typed = self.typed(value).join("、");
        match self.mask {
            Some(kind) if !typed.is_empty() => mask::mask(kind, mask::Profile::Internal, &typed),
            _ => typed,
        }
    }

    /// The words of the value as they may be shown: masked where the author asked for it.
    pub fn shown(&self, page: &Page, value: &Value) -> String {
        if is_empty(value) {
            String::new()
        } else if self.mask.is_some() {
            self.masked(value)
        } else {
            self.words(page, value)
        }
    }
}

/// Names of what was handed in at a file question.
fn files(value: &Value) -> Vec<String> {
    let all = value.as_array().map_or(&[][..], Vec::as_slice);
    all.iter()
        .filter_map(|one| {
            one.get("name")
                .or_else(|| one.get("title"))
                .and_then(Value::as_str)
        })
        .map(str::to_owned)
        .collect()
}

fn yuan(fen: i64) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    let plain = fen.unsigned_abs();
    format!("{sign}{}.{:02}", plain / 100, plain % 100)
}

/// All values as a page's fields, ready for the components.
pub(crate) fn fields(
    shown: &[&Field],
    values: &Map<String, Value>,
    kept: &dyn Fn(&Field) -> bool,
) -> Fields {
    let mut all = Fields::new();
    for field in shown {
        let Some(value) = values.get(&field.name) else {
            continue;
        };
        if kept(field) && field.mask.is_some() {
            all = all.with(&field.name, field.masked(value));
            continue;
        }
        for typed in field.typed(value) {
            all = all.with(&field.name, typed);
        }
    }
    all
}
