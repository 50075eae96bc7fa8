//! Whether answers follow the rules: one clear text per rule and field.

use chrono::NaiveDate;
use jsonschema::{ValidationError, error::ValidationErrorKind};
use kernel::{Finding, Text, code};
use serde_json::{Map, Value};

use crate::{Field, Form, Widget, condition::is_empty};

/// The answers without those of questions that are not asked, or everything that is wrong with
/// them. `answers` are those of the questionnaire; `today` is the date by China's wall.
pub fn validate(
    form: &Form,
    values: &Value,
    answers: &Value,
    today: NaiveDate,
) -> Result<Value, Vec<Finding>> {
    let visible = form.visible(values, answers);
    check(&visible, values, answers, today)
}

/// As [`validate`], for the questions of one group only: a step of an application.
pub fn validate_group(
    form: &Form,
    group: &str,
    values: &Value,
    answers: &Value,
    today: NaiveDate,
) -> Result<Value, Vec<Finding>> {
    let visible: Vec<_> = form
        .visible(values, answers)
        .into_iter()
        .filter(|field| field.group == group)
        .collect();
    check(&visible, values, answers, today)
}

fn check(
    fields: &[&Field],
    values: &Value,
    answers: &Value,
    today: NaiveDate,
) -> Result<Value, Vec<Finding>> {
    let none = Map::new();
    let values = values.as_object().unwrap_or(&none);
    let answers = answers.as_object().unwrap_or(&none);
    let mut kept = Map::new();
    let mut findings = Vec::new();
    for field in fields {
        match values.get(&field.name).filter(|value| !is_empty(value)) {
            Some(value) => match field.normalised(value, today) {
                Ok(value) => {
                    kept.insert(field.name.clone(), value);
                }
                Err(text) => findings.push(Finding::new(&field.name, text)),
            },
            None if is_demanded(field, values, answers) => {
                let key = match field.widget {
                    Widget::File => "forms-required-file",
                    Widget::Select | Widget::Radios | Widget::Checks => "forms-required-choice",
                    _ => "forms-required",
                };
                findings.push(Finding::new(&field.name, field.say(key)));
            }
            None => {}
        }
    }
    if findings.is_empty() {
        Ok(Value::Object(kept))
    } else {
        Err(findings)
    }
}

fn is_demanded(field: &Field, values: &Map<String, Value>, answers: &Map<String, Value>) -> bool {
    field.is_required
        && field
            .required_when
            .as_ref()
            .is_none_or(|when| when.holds(values, answers))
}

impl Field {
    /// A message about this field; the words of its title are there in both languages.
    pub fn say(&self, key: &'static str) -> Text {
        Text::new(key)
            .with("zh", &self.title.zh)
            .with("en", self.title.english())
    }

    /// The answer in the form in which it is kept (codes folded and capitalised), or the first
    /// rule that it breaks.
    fn normalised(&self, value: &Value, today: NaiveDate) -> Result<Value, Text> {
        let validator =
            jsonschema::draft202012::new(&self.schema).map_err(|_| self.say("forms-unusable"))?;
        let typed = value.as_str().map(str::trim);
        let value = typed.map_or_else(|| value.clone(), Value::from);
        if let Some(error) = validator.iter_errors(&value).next() {
            return Err(self.explain(&error));
        }
        match (self.widget, typed) {
            (Widget::CitizenId, Some(text)) => {
                let citizen = code::citizen::parse(text, today).map_err(|e| e.text())?;
                Ok(Value::from(citizen.number()))
            }
            (Widget::Uscc, Some(text)) => {
                let uscc = code::uscc::parse(text).map_err(|e| e.text())?;
                Ok(Value::from(uscc.as_str()))
            }
            (Widget::Region, Some(text)) => {
                let region = code::region::parse(text).map_err(|e| e.text())?;
                Ok(Value::from(region.as_str()))
            }
            (Widget::Phone, Some(text)) => phone(text)
                .map(Value::from)
                .ok_or_else(|| self.say("forms-phone")),
            (Widget::Email, Some(text)) if !is_email(text) => Err(self.say("forms-email")),
            (Widget::Date, Some(text)) if text.parse::<NaiveDate>().is_err() => {
                Err(self.say("forms-date"))
            }
            (Widget::Industry, Some(text)) if !is_industry(text) => Err(self.say("forms-industry")),
            (Widget::Money, Some(_)) => Err(self.say("forms-money")),
            (Widget::Number, Some(_)) => Err(self.say("forms-number")),
            (Widget::File, _) => self.handed_in(&value).map(|()| value),
            _ if self.is_unoffered(&value) => Err(self.say("forms-choice")),
            _ => Ok(value),
        }
    }

    fn handed_in(&self, value: &Value) -> Result<(), Text> {
        let count = value.as_array().map_or(0, Vec::len);
        match &self.file {
            Some(rule) if count > rule.max_count => {
                Err(self.say("forms-file-count").with("limit", rule.max_count))
            }
            _ => Ok(()),
        }
    }

    /// Choices may be narrower than the schema says.
    fn is_unoffered(&self, value: &Value) -> bool {
        let is_offered = |one: &Value| {
            self.choices
                .iter()
                .any(|choice| Some(choice.value.as_str()) == one.as_str())
        };
        match (self.choices.is_empty(), value) {
            (false, Value::Array(several)) => !several.iter().all(is_offered),
            (false, Value::String(_)) => !is_offered(value),
            _ => false,
        }
    }

    fn explain(&self, error: &ValidationError<'_>) -> Text {
        use ValidationErrorKind as Kind;
        match error.kind() {
            Kind::MinLength { limit } => self.say("forms-too-short").with("limit", limit),
            Kind::MaxLength { limit } => self.say("forms-too-long").with("limit", limit),
            Kind::Minimum { limit } => self.say("forms-minimum").with("limit", self.amount(limit)),
            Kind::Maximum { limit } => self.say("forms-maximum").with("limit", self.amount(limit)),
            Kind::ExclusiveMinimum { limit } => {
                self.say("forms-above").with("limit", self.amount(limit))
            }
            Kind::ExclusiveMaximum { limit } => {
                self.say("forms-below").with("limit", self.amount(limit))
            }
            Kind::MultipleOf { multiple_of } => {
                self.say("forms-multiple").with("limit", multiple_of)
            }
            Kind::MinItems { limit } if self.widget == Widget::File => {
                self.say("forms-file-few").with("limit", limit)
            }
            Kind::MinItems { limit } => self.say("forms-choose-more").with("limit", limit),
            Kind::MaxItems { limit } if self.widget == Widget::File => {
                self.say("forms-file-count").with("limit", limit)
            }
            Kind::MaxItems { limit } => self.say("forms-choose-fewer").with("limit", limit),
            Kind::Enum { .. } | Kind::OneOfNotValid { .. } => self.say("forms-choice"),
            Kind::Constant { .. } if self.widget == Widget::Check => self.say("forms-must-agree"),
            Kind::Pattern { .. } if !self.pattern_help.is_empty() => self
                .say("forms-pattern-help")
                .with("help_zh", &self.pattern_help.zh)
                .with("help_en", self.pattern_help.english()),
            Kind::Pattern { .. } => self.say("forms-pattern"),
            Kind::Type { .. } => match self.widget {
                Widget::Money => self.say("forms-money"),
                Widget::Number
                    if self.schema.get("type").and_then(Value::as_str) == Some("integer") =>
                {
                    self.say("forms-whole-number")
                }
                Widget::Number => self.say("forms-number"),
                _ => self.say("forms-type"),
            },
            _ => self.say("forms-type"),
        }
    }

    /// A limit as people write it: yuan for money.
    fn amount(&self, limit: &Value) -> String {
        match (self.widget, limit.as_i64()) {
            (Widget::Money, Some(fen)) => kernel::money::Money::from_fen(fen).to_string(),
            _ => limit.to_string(),
        }
    }
}

/// A mobile (`13800138000`, `+86` and blanks allowed) or fixed number (`010-12345678`).
fn phone(text: &str) -> Option<String> {
    let folded = code::normalise(text);
    let plain: String = folded.chars().filter(|c| !c.is_whitespace()).collect();
    let plain = plain.strip_prefix("+86").unwrap_or(&plain);
    let digits = plain.chars().filter(char::is_ascii_digit).count();
    let is_mobile =
        plain.len() == 11 && digits == 11 && plain.starts_with('1') && plain.get(1..2) >= Some("3");
    let is_fixed = || {
        let mut parts = plain.split('-');
        let (area, number, extension) = (parts.next()?, parts.next()?, parts.next());
        let good = area.starts_with('0')
            && (3..=4).contains(&area.len())
            && (7..=8).contains(&number.len())
            && extension.is_none_or(|e| (1..=6).contains(&e.len()))
            && parts.next().is_none()
            && plain.chars().all(|c| c.is_ascii_digit() || c == '-');
        good.then_some(())
    };
    (is_mobile || is_fixed().is_some()).then(|| plain.to_owned())
}

fn is_email(text: &str) -> bool {
    let Some((name, host)) = text.split_once('@') else {
        return false;
    };
    let is_word = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    let has_name = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_graphic() && !"@<>()[],;:\\\"".contains(c));
    has_name && text.len() <= 254 && host.contains('.') && host.split('.').all(is_word)
}

/// GB/T 4754: a letter and up to four digits.
fn is_industry(text: &str) -> bool {
    let digits = text.trim_start_matches(|c: char| c.is_ascii_uppercase() && c <= 'T');
    text.len() - digits.len() <= 1
        && digits.len() <= 4
        && !text.is_empty()
        && digits.chars().all(|c| c.is_ascii_digit())
        && digits.len() != 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_of_both_kinds_are_folded() {
        for (typed, kept) in [
            ("138 0013 8000", Some("13800138000")),
            ("+86 13800138000", Some("13800138000")),
            ("１３８００１３８０００", Some("13800138000")),
            ("010-12345678", Some("010-12345678")),
            ("0514-1234567-12", Some("0514-1234567-12")),
            ("12800138000", None),
            ("1380013800", None),
            ("010-1234", None),
            ("电话", None),
            ("", None),
        ] {
            assert_eq!(phone(typed).as_deref(), kept, "{typed}");
        }
    }

    #[test]
    fn industries_and_mails_have_their_shape() {
        assert!(is_industry("H62") && is_industry("6210") && is_industry("H"));
        assert!(
            !is_industry("Z62")
                && !is_industry("HH")
                && !is_industry("H6")
                && !is_industry("H62100")
        );
        assert!(is_email("a.b@example.com"));
        assert!(!is_email("a@b") && !is_email("@example.com") && !is_email("a b@example.com"));
    }
}
