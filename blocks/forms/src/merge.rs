//! One form for several matters (一表填报), and its answers given back to each.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{Condition, Field, Form, Part, Words};

/// One form that asks every question once. Fields with the same data element are the same
/// question; the first form's wording stands, and the rules of all apply. Groups with the same
/// id become one. A form whose id comes twice is asked once.
///
/// A question that only one of two forms asks under a condition is asked when either asks it,
/// and required when a form that asks it requires it.
pub fn merge(id: &str, title: Words, forms: &[&Form]) -> Form {
    let mut merged = Form {
        id: id.to_owned(),
        title,
        groups: Vec::new(),
        fields: Vec::new(),
        parts: Vec::new(),
    };
    for form in forms {
        if merged.parts.iter().any(|part| part.form == form.id) {
            continue;
        }
        for group in &form.groups {
            if !merged.groups.iter().any(|known| known.id == group.id) {
                // Conditions move to the fields: another form's fields in this group have others.
                merged.groups.push(crate::Group {
                    when: None,
                    ..group.clone()
                });
            }
        }
        let names = names_in(&merged, form);
        let rename = |name: &str| names.get(name).cloned().unwrap_or_else(|| name.to_owned());
        for field in &form.fields {
            let group = form
                .group(&field.group)
                .and_then(|group| group.when.clone());
            let when = both(group, field.when.clone()).map(|when| when.renamed(&rename));
            let field = Field {
                name: rename(&field.name),
                when,
                used_by: vec![form.id.clone()],
                ..field.clone()
            };
            take(&mut merged, field);
        }
        merged.parts.push(Part {
            form: form.id.clone(),
            title: form.title.clone(),
            fields: names,
        });
    }
    let order: Vec<String> = merged.groups.iter().map(|group| group.id.clone()).collect();
    merged
        .fields
        .sort_by_key(|field| order.iter().position(|id| *id == field.group));
    merged
}

/// The merged names of a form's fields: the element's own name where it is a known question, the
/// field's name where it is free, else the form's id in front.
fn names_in(merged: &Form, form: &Form) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for field in &form.fields {
        let same = field.element.as_ref().and_then(|element| {
            merged
                .fields
                .iter()
                .find(|known| known.element.as_ref() == Some(element))
        });
        let name = match same {
            Some(known) => known.name.clone(),
            None if merged.field(&field.name).is_none() => field.name.clone(),
            None => format!("{}__{}", plain(&form.id), field.name),
        };
        names.insert(field.name.clone(), name);
    }
    names
}

fn plain(id: &str) -> String {
    id.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect()
}

fn both(a: Option<Condition>, b: Option<Condition>) -> Option<Condition> {
    match (a, b) {
        (Some(a), Some(b)) => Some(Condition::All(vec![a, b])),
        (a, b) => a.or(b),
    }
}

/// Adds a field, or joins it with the same question of another form.
fn take(merged: &mut Form, field: Field) {
    let Some(known) = merged
        .fields
        .iter_mut()
        .find(|known| known.name == field.name)
    else {
        merged.fields.push(field);
        return;
    };
    let (first, second) = (demand(known), demand(&field));
    known.is_required |= field.is_required;
    known.required_when = match (first, second) {
        (Demand::When(a), Demand::When(b)) => Some(Condition::Any(vec![a, b])),
        (Demand::When(one), Demand::Never) | (Demand::Never, Demand::When(one)) => Some(one),
        // Somebody demands it whenever it is asked at all, or nobody ever does.
        _ => None,
    };
    known.when = match (known.when.take(), field.when) {
        (Some(a), Some(b)) => Some(Condition::Any(vec![a, b])),
        _ => None,
    };
    known.schema = strictest(&known.schema, &field.schema);
    known.is_editable &= field.is_editable;
    known.sensitivity = known.sensitivity.max(field.sensitivity);
    known.mask = known.mask.or(field.mask);
    known.source = known.source.take().or(field.source);
    known.used_by.extend(field.used_by);
}

enum Demand {
    Always,
    When(Condition),
    Never,
}

fn demand(field: &Field) -> Demand {
    match (
        field.is_required,
        field.required_when.as_ref().or(field.when.as_ref()),
    ) {
        (false, _) => Demand::Never,
        (true, None) => Demand::Always,
        (true, Some(when)) => Demand::When(when.clone()),
    }
}

/// A schema that both must like.
fn strictest(a: &Value, b: &Value) -> Value {
    if a == b {
        return a.clone();
    }
    let mut all: Vec<Value> = match a.get("allOf").and_then(Value::as_array) {
        Some(all) => all.clone(),
        None => vec![a.clone()],
    };
    if !all.contains(b) {
        all.push(b.clone());
    }
    serde_json::json!({ "allOf": all })
}

/// The answers of a merged form as each of its forms would have them, by form id.
pub fn split(values: &Value, merged: &Form) -> BTreeMap<String, Value> {
    if merged.parts.is_empty() {
        return BTreeMap::from([(merged.id.clone(), values.clone())]);
    }
    merged
        .parts
        .iter()
        .map(|part| {
            let own: Map<String, Value> = part
                .fields
                .iter()
                .filter_map(|(name, ours)| Some((name.clone(), values.get(ours)?.clone())))
                .collect();
            (part.form.clone(), Value::Object(own))
        })
        .collect()
}
