//! Forms as pages: one group per step for citizens, all groups on one page for the window clerk,
//! and a page of answers for review.
//!
//! What is rendered stands inside a `<form method="post" enctype="multipart/form-data">` of the
//! caller; [`crate::receive`] reads what such a form sends.

use std::collections::BTreeMap;

use kernel::{Fault, Finding};
use serde_json::{Map, Value};
use web::{
    Page,
    component::{Choice, Fact, Fields},
};

use crate::{Field, Form, Provenances, Widget, answer};

/// A form with its answers, ready to be shown.
pub struct Sheet<'a> {
    pub form: &'a Form,
    pub values: &'a Value,
    /// The questionnaire's answers, which conditions may look at.
    pub answers: &'a Value,
    pub provenances: &'a Provenances,
    pub findings: Vec<Finding>,
    /// Certificates that may stand in for files, by type code.
    pub offers: &'a Offers,
}

/// Certificates that the applicant holds, by type code.
pub type Offers = BTreeMap<String, Vec<Offer>>;

/// A certificate that may stand in for files.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Offer {
    pub zzbs: String,
    /// Name and number, as `营业执照 3210…`.
    pub title: String,
}

#[derive(askama::Template)]
#[template(path = "forms/questions.html")]
struct Questions<'a> {
    p: &'a Page,
    f: Fields,
    groups: Vec<GroupView>,
}

#[derive(askama::Template)]
#[template(path = "forms/review.html")]
struct Review<'a> {
    p: &'a Page,
    groups: Vec<ReviewGroup>,
}

struct ReviewGroup {
    title: String,
    change: String,
    facts: Vec<Fact>,
}

struct GroupView {
    id: String,
    title: String,
    help: String,
    fields: Vec<FieldView>,
}

/// A question as the template draws it.
struct FieldView {
    name: String,
    label: String,
    help: String,
    placeholder: String,
    is_required: bool,
    kind: &'static str,
    width: &'static str,
    choices: Vec<Choice>,
    /// Where the value is from, in words; empty when the applicant gave it.
    source: String,
    /// What is shown instead of an input that may not be changed.
    fixed: Option<String>,
    /// Other questions depend on this one.
    decides: bool,
    is_empty: bool,
    files: Vec<FileView>,
    offers: Vec<Offer>,
    accept: String,
    sample: String,
}

struct FileView {
    /// What the remove button sends.
    key: String,
    name: String,
    href: String,
    size: String,
    is_certificate: bool,
}

/// One group of questions, as a citizen sees it.
pub fn render_step(page: &Page, sheet: &Sheet<'_>, group: &str) -> Result<String, Fault> {
    questions(page, sheet, |field| field.group == group)
}

/// All questions on one page, as a window clerk sees them.
pub fn render_all(page: &Page, sheet: &Sheet<'_>) -> Result<String, Fault> {
    questions(page, sheet, |_| true)
}

/// The answers, masked where the author asked for it; `change` leads from a group back to its
/// questions (an empty link is not drawn).
pub fn render_review(
    page: &Page,
    sheet: &Sheet<'_>,
    change: &dyn Fn(&str) -> String,
) -> Result<String, Fault> {
    let none = Map::new();
    let values = sheet.values.as_object().unwrap_or(&none);
    let visible = sheet.form.visible(sheet.values, sheet.answers);
    let groups = sheet
        .form
        .groups
        .iter()
        .filter(|group| visible.iter().any(|field| field.group == group.id))
        .map(|group| ReviewGroup {
            title: group.title.on(page),
            change: change(&group.id),
            facts: visible
                .iter()
                .filter(|field| field.group == group.id)
                .map(|field| {
                    let shown = values
                        .get(&field.name)
                        .map(|value| field.shown(page, value));
                    Fact::new(field.title.on(page), shown.unwrap_or_default())
                        .source(source(page, sheet, field))
                })
                .collect(),
        })
        .collect();
    draw(&Review { p: page, groups })
}

fn questions(
    page: &Page,
    sheet: &Sheet<'_>,
    wanted: impl Fn(&Field) -> bool,
) -> Result<String, Fault> {
    let none = Map::new();
    let values = sheet.values.as_object().unwrap_or(&none);
    let visible: Vec<&Field> = sheet
        .form
        .visible(sheet.values, sheet.answers)
        .into_iter()
        .filter(|field| wanted(field))
        .collect();
    let prefilled = |field: &Field| sheet.provenances.contains_key(&field.name);
    let f = answer::fields(&visible, values, &prefilled).rejected(sheet.findings.clone());
    let groups = sheet
        .form
        .groups
        .iter()
        .filter(|group| visible.iter().any(|field| field.group == group.id))
        .map(|group| GroupView {
            id: group.id.clone(),
            title: group.title.on(page),
            help: group.help.on(page),
            fields: visible
                .iter()
                .filter(|field| field.group == group.id)
                .map(|field| FieldView::of(page, sheet, field, values.get(&field.name)))
                .collect(),
        })
        .collect();
    draw(&Questions { p: page, f, groups })
}

fn draw(template: &impl askama::Template) -> Result<String, Fault> {
    template
        .render()
        .map_err(|e| Fault::caused_by("render a form", e))
}

fn source(page: &Page, sheet: &Sheet<'_>, field: &Field) -> String {
    let known = sheet.provenances.get(&field.name);
    known.map_or_else(String::new, |known| {
        page.t1("forms-from", "register", known.register.on(page))
    })
}

impl FieldView {
    fn of(page: &Page, sheet: &Sheet<'_>, field: &Field, value: Option<&Value>) -> Self {
        let source = source(page, sheet, field);
        let is_fixed = !field.is_editable && !source.is_empty();
        Self {
            name: field.name.clone(),
            label: field.title.on(page),
            help: help(page, field),
            placeholder: field.placeholder.on(page),
            is_required: field.is_required,
            kind: kind(field),
            width: width(field.widget),
            choices: choices(page, field),
            fixed: is_fixed.then(|| {
                value
                    .map(|value| field.shown(page, value))
                    .unwrap_or_default()
            }),
            source,
            decides: is_deciding(sheet.form, &field.name),
            is_empty: value.is_none_or(crate::condition::is_empty),
            files: value.map(|value| files(page, value)).unwrap_or_default(),
            offers: offers(sheet, field, value),
            accept: field
                .file
                .as_ref()
                .map(|rule| accept(&rule.accept))
                .unwrap_or_default(),
            sample: field
                .file
                .as_ref()
                .and_then(|rule| rule.sample.clone())
                .unwrap_or_default(),
        }
    }
}

fn help(page: &Page, field: &Field) -> String {
    let own = field.help.on(page);
    let Some(rule) = &field.file else { return own };
    let limits = page.ta(
        "forms-file-help",
        [
            ("kinds", &rule.accept.join(", ").to_uppercase()),
            ("size", &size(rule.max_bytes)),
            ("count", &rule.max_count.to_string()),
        ],
    );
    if own.is_empty() {
        limits
    } else {
        format!("{own} {limits}")
    }
}

/// The component that draws a widget.
fn kind(field: &Field) -> &'static str {
    match field.widget {
        Widget::Textarea => "textarea",
        Widget::Text
        | Widget::Number
        | Widget::Money
        | Widget::CitizenId
        | Widget::Uscc
        | Widget::Region
        | Widget::Industry => "text",
        Widget::Phone => "tel",
        Widget::Email => "email",
        Widget::Date => "date",
        Widget::Select => "select",
        Widget::Radios => "radios",
        Widget::Check => "check",
        Widget::Checks => "checks",
        Widget::File => "file",
    }
}

fn width(widget: Widget) -> &'static str {
    match widget {
        Widget::Number | Widget::Money | Widget::Region | Widget::Industry => "short",
        Widget::Phone | Widget::CitizenId | Widget::Uscc => "medium",
        _ => "",
    }
}

fn choices(page: &Page, field: &Field) -> Vec<Choice> {
    let is_truth =
        field.choices.is_empty() && matches!(field.widget, Widget::Radios | Widget::Select);
    if is_truth {
        return vec![
            Choice::new("true", page.t("forms-yes")),
            Choice::new("false", page.t("forms-no")),
        ];
    }
    field
        .choices
        .iter()
        .map(|choice| Choice::new(choice.value.clone(), choice.title.on(page)))
        .collect()
}

fn is_deciding(form: &Form, name: &str) -> bool {
    let fields = form.fields.iter().filter_map(|field| field.when.as_ref());
    let groups = form.groups.iter().filter_map(|group| group.when.as_ref());
    fields
        .chain(groups)
        .any(|when| when.fields().contains(&name))
}

fn files(page: &Page, value: &Value) -> Vec<FileView> {
    let all = value.as_array().map_or(&[][..], Vec::as_slice);
    let word = |one: &Value, key: &str| {
        one.get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    all.iter()
        .filter(|one| one.is_object())
        .map(|one| {
            let (file, zzbs) = (word(one, "file"), word(one, "certificate"));
            let is_certificate = file.is_empty();
            FileView {
                name: if is_certificate {
                    page.zh(word(one, "title"))
                } else {
                    word(one, "name")
                },
                href: if is_certificate {
                    format!("/verify/{zzbs}")
                } else {
                    format!("/api/forms/files/{file}")
                },
                size: one
                    .get("size")
                    .and_then(Value::as_u64)
                    .map(size)
                    .unwrap_or_default(),
                key: if is_certificate { zzbs } else { file },
                is_certificate,
            }
        })
        .collect()
}

fn offers(sheet: &Sheet<'_>, field: &Field, value: Option<&Value>) -> Vec<Offer> {
    let kind = field
        .file
        .as_ref()
        .and_then(|rule| rule.certificate_type.as_ref());
    let known = kind
        .and_then(|kind| sheet.offers.get(kind))
        .cloned()
        .unwrap_or_default();
    let used: Vec<&str> = value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|one| one.get("certificate").and_then(Value::as_str))
        .collect();
    known
        .into_iter()
        .filter(|offer| !used.contains(&offer.zzbs.as_str()))
        .collect()
}

fn accept(endings: &[String]) -> String {
    let all: Vec<String> = endings.iter().map(|ending| format!(".{ending}")).collect();
    all.join(",")
}

/// A size as people read it.
pub(crate) fn size(bytes: u64) -> String {
    const KILO: u64 = 1024;
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KB", bytes.div_ceil(KILO)),
        _ => {
            let tenths = bytes.saturating_mul(10) / (KILO * KILO);
            if tenths.is_multiple_of(10) {
                format!("{} MB", tenths / 10)
            } else {
                format!("{}.{} MB", tenths / 10, tenths % 10)
            }
        }
    }
}

/// Puts certificates that the applicant holds in the place of files that were not handed in yet.
pub fn attach_certificates(form: &Form, values: &Value, offers: &Offers) -> Value {
    let mut values = values.as_object().cloned().unwrap_or_default();
    for field in &form.fields {
        let kind = field
            .file
            .as_ref()
            .and_then(|rule| rule.certificate_type.as_ref());
        let Some(offer) = kind
            .and_then(|kind| offers.get(kind))
            .and_then(|offers| offers.first())
        else {
            continue;
        };
        if values
            .get(&field.name)
            .is_none_or(crate::condition::is_empty)
        {
            values.insert(field.name.clone(), serde_json::json!([certificate(offer)]));
        }
    }
    Value::Object(values)
}

/// The entry of a file question for a certificate.
pub(crate) fn certificate(offer: &Offer) -> Value {
    serde_json::json!({ "certificate": offer.zzbs, "title": offer.title })
}
