//! What a form is, and reading one from a pack's JSON.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Error, Finding, Result, Text, mask};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Words, condition::Condition};

/// Questions in groups. Read from JSON Schema by [`Form::parse`], or made of several forms by
/// [`crate::merge`]. Fields are in the order in which they are asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Form {
    pub id: String,
    pub title: Words,
    pub groups: Vec<Group>,
    pub fields: Vec<Field>,
    /// The forms that this one was merged from; empty for a form of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

/// One screen of questions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub id: String,
    pub title: Words,
    #[serde(default)]
    pub help: Words,
    pub when: Option<Condition>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub group: String,
    pub order: i64,
    pub title: Words,
    #[serde(default)]
    pub help: Words,
    #[serde(default)]
    pub placeholder: Words,
    pub widget: Widget,
    pub is_required: bool,
    /// Asked only when this holds.
    pub when: Option<Condition>,
    /// Required only when this holds, in merged forms; `None` leaves it to `is_required`.
    #[serde(default)]
    pub required_when: Option<Condition>,
    /// What fills it beforehand, as `party.name`.
    pub source: Option<String>,
    /// Data element: fields of several forms with the same one are the same question.
    pub element: Option<String>,
    /// What the answer is, for hiding it where it is only shown.
    pub mask: Option<mask::Kind>,
    /// Data grade 1 to 6 (data standards §10.3).
    pub sensitivity: u8,
    /// Whether a value that was filled beforehand may be changed.
    pub is_editable: bool,
    #[serde(default)]
    pub choices: Vec<Answer>,
    pub file: Option<FileRule>,
    /// JSON Schema of the value alone.
    pub schema: Value,
    /// What the author says when `pattern` does not match.
    #[serde(default)]
    pub pattern_help: Words,
    /// The forms that ask it, in merged forms.
    #[serde(default)]
    pub used_by: Vec<String>,
}

/// How a question is asked and its answer read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Widget {
    Text,
    Textarea,
    Number,
    /// Yuan on the page, fen in the value.
    Money,
    Date,
    Select,
    Radios,
    /// One box to tick.
    Check,
    /// Several of the choices.
    Checks,
    File,
    CitizenId,
    Uscc,
    Phone,
    Email,
    Region,
    Industry,
}

/// A choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub value: String,
    pub title: Words,
}

/// What may be uploaded at a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRule {
    /// Endings without dot, lower case.
    pub accept: Vec<String>,
    pub max_count: usize,
    pub max_bytes: u64,
    /// Type of the electronic certificate that stands in for the files (免提交).
    pub certificate_type: Option<String>,
    /// Where a blank form or a filled sample is.
    pub sample: Option<String>,
}

/// One of the forms that a merged form was made of: its own field names and ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub form: String,
    pub title: Words,
    pub fields: BTreeMap<String, String>,
}

const MEGABYTE: u64 = 1 << 20;
const DEFAULT_FILES: usize = 10;
const DEFAULT_MEGABYTES: u64 = 20;
const DEFAULT_ACCEPT: [&str; 4] = ["pdf", "jpg", "jpeg", "png"];
/// The group of fields whose author named none.
const GENERAL: &str = "general";

impl Form {
    /// Reads the JSON Schema of a pack. Every mistake is reported, each with its JSON pointer.
    pub fn parse(json: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(json).map_err(|e| {
            Error::invalid(
                "",
                Text::new("forms-form-json")
                    .with("line", e.line())
                    .with("reason", e),
            )
        })?;
        Self::of(&value)
    }

    /// As [`Form::parse`], from JSON already read.
    pub fn of(json: &Value) -> Result<Self> {
        let mut reader = Reader {
            findings: Vec::new(),
        };
        let form = reader.form(json);
        if reader.findings.is_empty() {
            Ok(form)
        } else {
            Err(Error::Invalid(reader.findings))
        }
    }

    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub fn group(&self, id: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.id == id)
    }

    /// The fields that are asked, given what was answered so far. What a hidden field holds does
    /// not count as an answer.
    pub fn visible(&self, values: &Value, answers: &Value) -> Vec<&Field> {
        let none = Map::new();
        let answers = answers.as_object().unwrap_or(&none);
        let mut known = values.as_object().cloned().unwrap_or_default();
        loop {
            let seen: Vec<&Field> = self
                .fields
                .iter()
                .filter(|f| self.is_asked(f, &known, answers))
                .collect();
            let names: BTreeSet<&str> = seen.iter().map(|f| f.name.as_str()).collect();
            let before = known.len();
            known.retain(|name, _| names.contains(name.as_str()));
            // Every turn drops at least one value, so this ends.
            if known.len() == before {
                return seen;
            }
        }
    }

    fn is_asked(
        &self,
        field: &Field,
        values: &Map<String, Value>,
        answers: &Map<String, Value>,
    ) -> bool {
        let group = self
            .group(&field.group)
            .and_then(|group| group.when.as_ref());
        [group, field.when.as_ref()]
            .into_iter()
            .flatten()
            .all(|when| when.holds(values, answers))
    }

    /// The groups with at least one visible question: the steps of an application.
    pub fn steps(&self, values: &Value, answers: &Value) -> Vec<&Group> {
        let visible = self.visible(values, answers);
        self.groups
            .iter()
            .filter(|group| visible.iter().any(|field| field.group == group.id))
            .collect()
    }

    /// The form as JSON Schema 2020-12, for programs that fill it.
    pub fn json_schema(&self) -> Value {
        let properties: Map<String, Value> = self
            .fields
            .iter()
            .map(|field| {
                let mut schema = field.schema.clone();
                if let Some(object) = schema.as_object_mut() {
                    object.insert("title".to_owned(), Value::from(field.title.zh.clone()));
                }
                (field.name.clone(), schema)
            })
            .collect();
        let required: Vec<&str> = self
            .fields
            .iter()
            .filter(|f| f.is_required && f.when.is_none() && f.required_when.is_none())
            .map(|f| f.name.as_str())
            .collect();
        serde_json::json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": self.id, "title": self.title.zh, "type": "object",
            "properties": properties, "required": required,
        })
    }
}

/// Reads a form and collects every mistake on the way.
struct Reader {
    findings: Vec<Finding>,
}

impl Reader {
    fn wrong(&mut self, pointer: impl Into<String>, reason: impl std::fmt::Display) {
        self.findings.push(Finding::new(
            pointer,
            Text::new("forms-form-wrong").with("reason", reason),
        ));
    }

    fn form(&mut self, json: &Value) -> Form {
        if let Err(error) = jsonschema::draft202012::meta::validate(json) {
            self.wrong(error.instance_path().to_string(), &error);
        }
        let hints = json.get("x-tongban").unwrap_or(&Value::Null);
        let mut groups: Vec<Group> = list(hints, "groups")
            .iter()
            .enumerate()
            .map(|(index, group)| self.group(group, &format!("/x-tongban/groups/{index}")))
            .collect();
        let required: BTreeSet<&str> = list(json, "required")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let none = Map::new();
        let properties = json
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&none);
        if properties.is_empty() {
            self.wrong("/properties", "a form needs at least one property");
        }
        let mut fields: Vec<Field> = properties
            .iter()
            .enumerate()
            .map(|(index, (name, schema))| {
                self.field(name, index, schema, required.contains(name.as_str()))
            })
            .collect();
        if fields.iter().any(|f| f.group == GENERAL) && !groups.iter().any(|g| g.id == GENERAL) {
            let title = Words::new("基本信息", "Details");
            groups.push(Group {
                id: GENERAL.to_owned(),
                title,
                help: Words::default(),
                when: None,
            });
        }
        self.check_references(&groups, &fields, &required);
        let place = |id: &str| groups.iter().position(|g| g.id == id).unwrap_or(usize::MAX);
        fields.sort_by_key(|f| (place(&f.group), f.order));
        Form {
            id: text(json, "$id"),
            title: words(json, hints, "title"),
            groups,
            fields,
            parts: Vec::new(),
        }
    }

    fn check_references(&mut self, groups: &[Group], fields: &[Field], required: &BTreeSet<&str>) {
        let names: BTreeSet<&str> = fields.iter().map(|f| f.name.as_str()).collect();
        for field in fields {
            if !groups.iter().any(|g| g.id == field.group) {
                let pointer = format!("/properties/{}/x-tongban/group", field.name);
                self.wrong(pointer, format!("no group has the id {}", field.group));
            }
            for other in field.when.iter().flat_map(Condition::fields) {
                if other == field.name || !names.contains(other) {
                    let pointer = format!("/properties/{}/x-tongban/when", field.name);
                    self.wrong(
                        pointer,
                        format!("the condition looks at {other}, which is no other field"),
                    );
                }
            }
        }
        for group in groups {
            for other in group
                .when
                .iter()
                .flat_map(Condition::fields)
                .filter(|other| !names.contains(other))
            {
                self.wrong(
                    "/x-tongban/groups",
                    format!("group {} looks at {other}, which is no field", group.id),
                );
            }
        }
        for name in required.iter().filter(|name| !names.contains(*name)) {
            self.wrong(
                "/required",
                format!("{name} is required but is no property"),
            );
        }
    }

    fn group(&mut self, json: &Value, pointer: &str) -> Group {
        let id = text(json, "id");
        if id.is_empty() {
            self.wrong(pointer, "a group needs an id");
        }
        Group {
            id,
            title: words(json, json, "title"),
            help: words(json, json, "help"),
            when: self.when(json, pointer),
        }
    }

    fn when(&mut self, json: &Value, pointer: &str) -> Option<Condition> {
        match json.get("when").map(Condition::parse)? {
            Ok(condition) => Some(condition),
            Err(reason) => {
                self.wrong(format!("{pointer}/when"), reason);
                None
            }
        }
    }

    fn field(&mut self, name: &str, index: usize, schema: &Value, is_required: bool) -> Field {
        let pointer = format!("/properties/{name}");
        let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_plain || name.is_empty() {
            self.wrong(&pointer, "names of fields are letters, digits and _");
        }
        let hints = schema.get("x-tongban").unwrap_or(&Value::Null);
        let choices = choices(schema, hints);
        let widget = self.widget(schema, hints, &choices, &pointer);
        let title = words(schema, hints, "title");
        if title.zh.is_empty() {
            self.wrong(&pointer, "a field needs a title");
        }
        let group = text(hints, "group");
        Field {
            name: name.to_owned(),
            group: if group.is_empty() {
                GENERAL.to_owned()
            } else {
                group
            },
            order: hints
                .get("order")
                .and_then(Value::as_i64)
                .unwrap_or_else(|| i64::try_from(index).unwrap_or_default()),
            title,
            help: words(hints, hints, "help"),
            placeholder: words(hints, hints, "placeholder"),
            widget,
            is_required,
            when: self.when(hints, &format!("{pointer}/x-tongban")),
            required_when: None,
            source: optional(hints, "source"),
            element: optional(hints, "element"),
            mask: self.mask(hints, widget, &pointer),
            sensitivity: hints
                .get("sensitivity")
                .and_then(Value::as_u64)
                .and_then(|n| u8::try_from(n).ok())
                .unwrap_or(1),
            is_editable: hints
                .get("editable")
                .and_then(Value::as_bool)
                .unwrap_or(true),
            file: (widget == Widget::File).then(|| file_rule(hints, schema)),
            schema: self.own_schema(schema, widget, &pointer),
            choices,
            pattern_help: words(hints, hints, "pattern_help"),
            used_by: Vec::new(),
        }
    }

    fn widget(
        &mut self,
        schema: &Value,
        hints: &Value,
        choices: &[Answer],
        pointer: &str,
    ) -> Widget {
        if let Some(named) = hints.get("widget") {
            if let Ok(widget) = Widget::deserialize(named) {
                return widget;
            }
            self.wrong(
                format!("{pointer}/x-tongban/widget"),
                format!("no widget is called {named}"),
            );
        }
        let format = text(schema, "format");
        match (text(schema, "type").as_str(), format.as_str()) {
            (_, "citizen-id") => Widget::CitizenId,
            (_, "uscc") => Widget::Uscc,
            (_, "phone") => Widget::Phone,
            (_, "email") => Widget::Email,
            (_, "date") => Widget::Date,
            (_, "region") => Widget::Region,
            (_, "industry") => Widget::Industry,
            (_, "money") => Widget::Money,
            ("boolean", _) => Widget::Check,
            ("array", _) if hints.get("file").is_some() => Widget::File,
            ("array", _) => Widget::Checks,
            ("integer" | "number", _) => Widget::Number,
            _ if !choices.is_empty() && choices.len() <= 5 => Widget::Radios,
            _ if !choices.is_empty() => Widget::Select,
            _ if schema
                .get("maxLength")
                .and_then(Value::as_u64)
                .is_some_and(|n| n > 200) =>
            {
                Widget::Textarea
            }
            _ => Widget::Text,
        }
    }

    fn mask(&mut self, hints: &Value, widget: Widget, pointer: &str) -> Option<mask::Kind> {
        if let Some(named) = hints.get("mask") {
            if let Ok(mask) = mask::Kind::deserialize(named) {
                return Some(mask);
            }
            let pointer = format!("{pointer}/x-tongban/mask");
            self.wrong(pointer, format!("no mask is called {named}"));
            return None;
        }
        match widget {
            Widget::CitizenId => Some(mask::Kind::Id),
            Widget::Phone => Some(mask::Kind::Mobile),
            Widget::Email => Some(mask::Kind::Email),
            _ => None,
        }
    }

    /// The schema of the value without layout hints and without formats, which are ours to check.
    fn own_schema(&mut self, schema: &Value, widget: Widget, pointer: &str) -> Value {
        let mut own = schema.as_object().cloned().unwrap_or_default();
        own.retain(|key, _| {
            !key.starts_with("x-")
                && !["title", "description", "format", "default"].contains(&key.as_str())
        });
        if widget == Widget::File {
            // The value of a file question is a list of what was handed in.
            own.insert("type".to_owned(), Value::from("array"));
            own.insert("items".to_owned(), serde_json::json!({"type": "object"}));
        }
        let own = Value::Object(own);
        if let Err(error) = jsonschema::draft202012::new(&own) {
            self.wrong(pointer, &error);
        }
        own
    }
}

fn list<'a>(json: &'a Value, key: &str) -> &'a [Value] {
    json.get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text(json: &Value, key: &str) -> String {
    json.get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn optional(json: &Value, key: &str) -> Option<String> {
    Some(text(json, key)).filter(|text| !text.is_empty())
}

/// `key` of one object and `key_en` of another.
fn words(json: &Value, hints: &Value, key: &str) -> Words {
    Words::new(text(json, key), text(hints, &format!("{key}_en")))
}

/// From `oneOf` with `const` and `title`, or from `enum`, with words from `x-tongban.options`.
fn choices(schema: &Value, hints: &Value) -> Vec<Answer> {
    let values = schema
        .get("items")
        .filter(|items| items.is_object())
        .unwrap_or(schema);
    let of_one: Vec<Answer> = list(values, "oneOf")
        .iter()
        .filter_map(|one| {
            let value = one.get("const").map(plain)?;
            let own = one.get("x-tongban").unwrap_or(one);
            Some(Answer {
                value,
                title: words(one, own, "title"),
            })
        })
        .collect();
    if !of_one.is_empty() {
        return of_one;
    }
    let options = list(hints, "options");
    list(values, "enum")
        .iter()
        .map(|value| {
            let value = plain(value);
            let option = options
                .iter()
                .find(|option| option.get("value").map(plain).as_deref() == Some(&value));
            let title = option.map_or_else(
                || Words::new(value.clone(), ""),
                |option| words(option, option, "title"),
            );
            Answer { value, title }
        })
        .collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn file_rule(hints: &Value, schema: &Value) -> FileRule {
    let file = hints.get("file").unwrap_or(&Value::Null);
    let named: Vec<String> = list(file, "accept")
        .iter()
        .filter_map(Value::as_str)
        .map(|a| a.trim_start_matches('.').to_lowercase())
        .collect();
    let count = schema
        .get("maxItems")
        .or_else(|| file.get("max_count"))
        .and_then(Value::as_u64);
    FileRule {
        accept: if named.is_empty() {
            DEFAULT_ACCEPT.map(str::to_owned).to_vec()
        } else {
            named
        },
        max_count: count
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(DEFAULT_FILES),
        max_bytes: file
            .get("max_mb")
            .and_then(Value::as_u64)
            .unwrap_or(DEFAULT_MEGABYTES)
            .saturating_mul(MEGABYTE),
        certificate_type: optional(file, "certificate_type"),
        sample: optional(file, "sample"),
    }
}
