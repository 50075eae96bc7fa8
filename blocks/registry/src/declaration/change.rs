//! What a new declaration changes in the tables of the one before.

use super::{Declaration, Field, Kind, Mistake, Search};

/// What must be done to a registry's table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Fields that get a column.
    pub columns: Vec<Field>,
    /// Fields that get an index.
    pub indexes: Vec<Field>,
    /// The pinyin columns are missing and must be filled.
    pub needs_pinyin: bool,
}

/// What the later declaration adds; mistakes where data would be lost or become wrong.
pub fn change(before: &Declaration, after: &Declaration) -> Result<Change, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let mut wrong = |path: &[&str], text: String, remedy: &str| {
        mistakes.push(Mistake {
            path: path.iter().map(|&step| step.to_owned()).collect(),
            text,
            remedy: remedy.to_owned(),
        });
    };
    if before.key != after.key {
        let text = format!("the key was {}", before.key.join(", "));
        let remedy = "keep the key, or declare a registry with another $id";
        wrong(&["x-tongban", "key"], text, remedy);
    }
    let mut change = Change::default();
    for field in &after.fields {
        let Some(old) = before.field(&field.id) else {
            if field.is_required {
                let text = format!("the new field \"{}\" is required", field.id);
                let remedy = "records of today do not have it: take it out of \"required\"";
                wrong(&["properties", &field.id], text, remedy);
            }
            change.columns.push(field.clone());
            if is_indexed(field) {
                change.indexes.push(field.clone());
            }
            continue;
        };
        if let Some(text) = narrowed(old, field) {
            let remedy = "keep it as it was, or declare a new field beside it";
            wrong(&["properties", &field.id], text, remedy);
        }
        if is_indexed(field) && !is_indexed(old) {
            change.indexes.push(field.clone());
        }
    }
    for field in &before.fields {
        if after.field(&field.id).is_none() {
            let text = format!("the field \"{}\" is gone, and its values with it", field.id);
            wrong(&["properties"], text, "keep it declared");
        }
    }
    let pinyin = |d: &Declaration| d.pinyin().map(|f| f.id.clone());
    match (pinyin(before), pinyin(after)) {
        (Some(old), Some(new)) if old != new => {
            let text = format!("pinyin was of the field \"{old}\"");
            wrong(&["properties", &new], text, "keep pinyin at that field");
        }
        (None, Some(_)) => change.needs_pinyin = true,
        _ => {}
    }
    if mistakes.is_empty() {
        Ok(change)
    } else {
        Err(mistakes)
    }
}

/// Whether a field has an index of its own.
pub(crate) fn is_indexed(field: &Field) -> bool {
    field.search != Search::No || field.is_unique || field.reference.is_some()
}

fn narrowed(old: &Field, new: &Field) -> Option<String> {
    let is_same = match (old.kind, new.kind) {
        (Kind::Decimal { scale: a }, Kind::Decimal { scale: b }) => a == b,
        (a, b) => a == b,
    };
    if !is_same {
        return Some(format!("the type of \"{}\" changed", new.id));
    }
    if new.kind == Kind::Text && new.max_length < old.max_length {
        return Some(format!("\"{}\" became shorter", new.id));
    }
    if new.is_required && !old.is_required {
        return Some(format!("\"{}\" became required", new.id));
    }
    if new.is_unique && !old.is_unique {
        return Some(format!("\"{}\" became unique", new.id));
    }
    None
}
