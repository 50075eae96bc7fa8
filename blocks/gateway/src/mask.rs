//! Fields of a JSON answer that a consumer may not see, or not whole.

use kernel::{
    Finding, Text,
    mask::{self, Kind, Profile},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// One field and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GatewayMask)]
pub struct Mask {
    /// Names from the top, with `/` between them and `*` for every element or field.
    #[schema(example = "items/*/gmsfhm")]
    pub field: String,
    /// What the value is, so that its usual part stays readable; without it the field is left out.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "id")]
    pub kind: Option<Kind>,
}

/// What is wrong with masks.
pub fn findings(masks: &[Mask]) -> Vec<Finding> {
    let is_wrong = |mask: &&Mask| {
        mask.field.trim().is_empty() || mask.field.split('/').any(|part| part.trim().is_empty())
    };
    masks
        .iter()
        .filter(is_wrong)
        .map(|mask| {
            Finding::new(
                "masks",
                Text::new("gateway-mask").with("field", &mask.field),
            )
        })
        .collect()
}

/// Applies all masks. A field that is not there is no mistake: answers differ.
pub fn apply(masks: &[Mask], value: &mut Value) {
    for mask in masks {
        let parts: Vec<&str> = mask.field.split('/').collect();
        walk(value, &parts, mask.kind);
    }
}

fn walk(value: &mut Value, parts: &[&str], kind: Option<Kind>) {
    let Some((first, rest)) = parts.split_first() else {
        if let Some(kind) = kind {
            hide(value, kind);
        }
        return;
    };
    let is_last = rest.is_empty();
    match value {
        Value::Array(elements) if *first == "*" => {
            if is_last && kind.is_none() {
                elements.clear();
            }
            for element in elements {
                walk(element, rest, kind);
            }
        }
        Value::Object(fields) if is_last && kind.is_none() => {
            fields.retain(|name, _| *first != "*" && name != first);
        }
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                if *first == "*" || name == first {
                    walk(field, rest, kind);
                }
            }
        }
        _ => {}
    }
}

/// A list or an object where a value was expected is hidden with all that is in it.
fn hide(value: &mut Value, kind: Kind) {
    *value = match value {
        Value::Null => Value::Null,
        Value::String(text) => mask::mask(kind, Profile::Internal, text).into(),
        Value::Number(number) => mask::mask(kind, Profile::Internal, &number.to_string()).into(),
        _ => "***".into(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_left_out_or_hidden_in_part() {
        let mask = |field: &str, kind| Mask {
            field: field.into(),
            kind,
        };
        let mut answer = json!({
            "items": [
                {"id": "320000199001010039", "name": "张小明", "bank": {"card": "6222"}},
                {"id": ["320000199001010039"], "name": null},
            ],
            "token": "x",
        });
        let masks = [
            mask("items/*/id", Some(Kind::Id)),
            mask("items/*/name", Some(Kind::Name)),
            mask("items/*/bank", None),
            mask("token", None),
            mask("gone/*/away", None),
        ];
        apply(&masks, &mut answer);
        assert_eq!(
            answer,
            json!({"items": [
                {"id": "320000********0039", "name": "张*明"},
                {"id": "***", "name": null},
            ]})
        );
        assert!(findings(&masks).is_empty());
        assert_eq!(findings(&[mask("a//b", None)]).len(), 1);
    }
}
