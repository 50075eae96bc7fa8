//! One value of a field: from text, from JSON, to JSON, to a column.

use chrono::NaiveDate;
use kernel::{
    Text,
    code::{citizen, normalise, org, region, uscc},
    mask,
};
use serde_json::Value as Json;

use crate::declaration::{Code, Field, Kind};

/// A value that a statement gives to a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Text(String),
    Integer(i64),
    /// In units of the last decimal place.
    Decimal(i64),
    Boolean(bool),
    Date(NaiveDate),
}

impl Value {
    /// As statements keep it and doors answer it.
    pub fn json(&self, field: &Field) -> Json {
        match self {
            Self::Integer(n) => Json::from(*n),
            Self::Boolean(b) => Json::from(*b),
            _ => Json::from(self.text(field)),
        }
    }

    /// As a reader sees it, not masked.
    pub fn text(&self, field: &Field) -> String {
        match (self, field.kind) {
            (Self::Text(text), _) => text.clone(),
            (Self::Decimal(units), Kind::Decimal { scale }) => decimal(*units, scale),
            (Self::Integer(n) | Self::Decimal(n), _) => n.to_string(),
            (Self::Boolean(b), _) => b.to_string(),
            (Self::Date(day), _) => day.to_string(),
        }
    }

    /// As a reader sees it who may not see sensitive values.
    pub fn masked(&self, field: &Field) -> String {
        let text = self.text(field);
        if !field.is_sensitive() {
            return text;
        }
        match field.mask {
            Some(mask::Kind::BirthDate) if field.is_beside_number => {
                mask::mask(mask::Kind::BirthDate, mask::Profile::Public, &text)
            }
            // The internal profile shows money in full.
            Some(mask::Kind::Money) | None => "******".to_owned(),
            Some(kind) => mask::mask(kind, mask::Profile::Internal, &text),
        }
    }

    /// What a statement kept; `None` for null and for what the field's type no longer reads.
    pub fn of_json(field: &Field, json: &Json) -> Option<Self> {
        match (field.kind, json) {
            (Kind::Text, Json::String(text)) => Some(Self::Text(text.clone())),
            (Kind::Integer, Json::Number(n)) => n.as_i64().map(Self::Integer),
            (Kind::Boolean, Json::Bool(b)) => Some(Self::Boolean(*b)),
            (Kind::Date, Json::String(text)) => text.parse().ok().map(Self::Date),
            (Kind::Decimal { scale }, Json::String(text)) => units(text, scale).map(Self::Decimal),
            _ => None,
        }
    }
}

fn decimal(units: i64, scale: u8) -> String {
    let places = usize::from(scale);
    let sign = if units < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = places + 1);
    let (whole, part) = digits.split_at(digits.len() - places);
    if places == 0 {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{part}")
    }
}

/// Exact: a number with more places than the field has is refused, not rounded.
fn units(text: &str, scale: u8) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let part = part.trim_end_matches('0');
    if whole.is_empty() || !is_number(whole) || !is_number(part) || part.len() > scale.into() {
        return None;
    }
    let padded = format!("{whole}{part:0<width$}", width = usize::from(scale));
    padded.parse::<i64>().ok().map(|n| sign * n)
}

/// A value from what somebody typed or a file holds; nothing for blank. The error names the rule
/// and the remedy. Whether codes are in their table, and references lead to a record, is checked
/// by who has the tables.
pub fn parse(field: &Field, raw: &str, today: NaiveDate) -> Result<Option<Value>, Text> {
    let raw = raw.trim();
    if raw.is_empty() {
        return Ok(None);
    }
    if raw.contains('\0') {
        return Err(Text::new("registry-value-nul"));
    }
    let value = match field.kind {
        Kind::Text => Value::Text(text(field, raw, today)?),
        Kind::Integer => Value::Integer(integer(field, raw)?),
        Kind::Decimal { scale } => Value::Decimal(
            units(&normalise(raw).replace(',', ""), scale)
                .ok_or_else(|| Text::new("registry-value-decimal").with("places", scale))?,
        ),
        Kind::Boolean => Value::Boolean(boolean(raw)?),
        Kind::Date => Value::Date(date(raw)?),
    };
    Ok(Some(value))
}

fn text(field: &Field, raw: &str, today: NaiveDate) -> Result<String, Text> {
    let text = match field.code {
        None if field.code_table.is_some() => normalise(raw),
        None => raw.to_owned(),
        Some(Code::Citizen) => {
            let number = normalise(raw);
            let number = match number.len() {
                15 => citizen::lengthen(&number).map_err(|e| e.text())?,
                _ => number,
            };
            let citizen = citizen::parse(&number, today).map_err(|e| e.text())?;
            citizen.number().to_owned()
        }
        Some(Code::Uscc) => {
            let code = uscc::parse(&normalise(raw)).map_err(|e| e.text())?;
            code.as_str().to_owned()
        }
        Some(Code::Org) => {
            let code = org::parse(&normalise(raw)).map_err(|e| e.text())?;
            code.as_str().to_owned()
        }
        Some(Code::Region) => {
            let code = region::parse(&normalise(raw)).map_err(|e| e.text())?;
            code.as_str().to_owned()
        }
    };
    let length = text.chars().count();
    if length > field.max_length {
        return Err(Text::new("registry-value-long")
            .with("length", length)
            .with("most", field.max_length));
    }
    if !field.one_of.is_empty() && !field.one_of.contains(&text) {
        let all = field.one_of.join("、");
        return Err(Text::new("registry-value-enum").with("all", all));
    }
    Ok(text)
}

fn integer(field: &Field, raw: &str) -> Result<i64, Text> {
    let number: i64 = normalise(raw)
        .parse()
        .map_err(|_| Text::new("registry-value-integer"))?;
    let (least, most) = field.range;
    if number < least || number > most {
        return Err(Text::new("registry-value-range")
            .with("least", least)
            .with("most", most));
    }
    Ok(number)
}

fn boolean(raw: &str) -> Result<bool, Text> {
    match raw.to_lowercase().as_str() {
        "true" | "1" | "是" | "yes" | "y" => Ok(true),
        "false" | "0" | "否" | "no" | "n" => Ok(false),
        _ => Err(Text::new("registry-value-boolean")),
    }
}

fn date(raw: &str) -> Result<NaiveDate, Text> {
    let raw = normalise(raw);
    let forms = ["%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%Y年%m月%d日"];
    let day = forms
        .iter()
        .find_map(|form| NaiveDate::parse_from_str(&raw, form).ok());
    // Before any date that a register can hold: a placeholder of some other system.
    let earliest = NaiveDate::from_ymd_opt(1000, 1, 1).unwrap_or_default();
    let latest = NaiveDate::from_ymd_opt(9999, 12, 31).unwrap_or_default();
    day.filter(|day| *day >= earliest && *day <= latest)
        .ok_or_else(|| Text::new("registry-value-date"))
}
