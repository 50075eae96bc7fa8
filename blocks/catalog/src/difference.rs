//! What changed between two versions, element by element.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::metadata::Metadata;

/// One element that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MetadataChange)]
pub struct Change {
    /// Element of the metadata: `name`; of an item `items/姓名/length`, or `items/姓名` for one that
    /// was added or removed.
    #[schema(example = "cycle")]
    pub place: String,
    /// Empty for what was added.
    #[schema(example = "3")]
    pub before: String,
    /// Empty for what was removed.
    #[schema(example = "2")]
    pub after: String,
}

/// Differences in the order of the metadata. Items are compared by their names, so that a new
/// order is no difference.
pub fn difference(before: &Metadata, after: &Metadata) -> Vec<Change> {
    let (old, new) = (members(before), members(after));
    let mut changes = Vec::new();
    for (name, value) in &new {
        if name == "items" {
            changes.extend(items(before, after));
            continue;
        }
        let was = old.get(name).map(text).unwrap_or_default();
        push(&mut changes, name.clone(), was, text(value));
    }
    changes
}

fn items(before: &Metadata, after: &Metadata) -> Vec<Change> {
    let mut changes = Vec::new();
    for item in &after.items {
        let Some(was) = before.items.iter().find(|one| one.name == item.name) else {
            let kind = format!("{} {}", item.kind, item.length);
            push(
                &mut changes,
                format!("items/{}", item.name),
                String::new(),
                kind.trim().to_owned(),
            );
            continue;
        };
        let old = members(was);
        for (name, value) in members(item) {
            let was = old.get(&name).map(text).unwrap_or_default();
            push(
                &mut changes,
                format!("items/{}/{name}", item.name),
                was,
                text(&value),
            );
        }
    }
    for item in &before.items {
        if after.items.iter().all(|one| one.name != item.name) {
            let kind = format!("{} {}", item.kind, item.length);
            push(
                &mut changes,
                format!("items/{}", item.name),
                kind.trim().to_owned(),
                String::new(),
            );
        }
    }
    changes
}

fn push(changes: &mut Vec<Change>, place: String, before: String, after: String) {
    if before != after {
        changes.push(Change {
            place,
            before,
            after,
        });
    }
}

fn members(value: &impl Serialize) -> serde_json::Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(all) => {
            let all: Vec<_> = all.iter().map(text).collect();
            all.join("、")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Item;

    #[test]
    fn items_are_compared_by_name() {
        let item = |name: &str, length: &str| Item {
            name: name.into(),
            kind: "C".into(),
            length: length.into(),
            ..Item::default()
        };
        let before = Metadata {
            name: "人口".into(),
            items: vec![item("姓名", "50"), item("性别", "1")],
            ..Metadata::default()
        };
        let after = Metadata {
            name: "人口信息".into(),
            items: vec![item("住址", "200"), item("姓名", "100")],
            ..Metadata::default()
        };
        let told: Vec<_> = difference(&before, &after)
            .into_iter()
            .map(|c| format!("{}: {} → {}", c.place, c.before, c.after))
            .collect();
        assert_eq!(
            told,
            [
                "name: 人口 → 人口信息",
                "items/住址:  → C 200",
                "items/姓名/length: 50 → 100",
                "items/性别: C 1 → ",
            ]
        );
        assert_eq!(difference(&after, &after), []);
    }
}
