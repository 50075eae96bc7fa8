use chrono::NaiveDate;
use forms::{Words, merge, split, validate};
use serde_json::json;

use crate::house::{FIRM, food, form, sign};

#[test]
fn the_same_element_is_asked_once_and_given_to_both() {
    let (food, sign) = (form(&food()), form(&sign()));
    let merged = merge(
        "open-restaurant",
        Words::new("开办餐饮店", "Open a restaurant"),
        &[&food, &sign],
    );
    let names: Vec<_> = merged
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "name",
            "code",
            "phone",
            "area",
            "rent",
            "delivery",
            "platform",
            "plan",
            "cook",
            "health",
            "size",
            "signboard__area"
        ]
    );
    let groups: Vec<_> = merged
        .groups
        .iter()
        .map(|group| group.id.as_str())
        .collect();
    assert_eq!(groups, ["operator", "place", "kitchen", "board"]);
    assert_eq!(
        merged.field("name").unwrap().used_by,
        ["food-licence", "signboard"]
    );
    assert_eq!(merged.field("area").unwrap().used_by, ["food-licence"]);

    let values = json!({"name": "示例餐饮", "phone": "13800138000", "area": 120, "size": 4.5, "signboard__area": "门头"});
    let own = split(&values, &merged);
    assert_eq!(
        own["food-licence"],
        json!({"area": 120, "name": "示例餐饮", "phone": "13800138000"})
    );
    assert_eq!(
        own["signboard"],
        json!({"applicant": "示例餐饮", "area": "门头", "phone": "13800138000", "size": 4.5})
    );
}

#[test]
fn the_strictest_rule_of_all_forms_applies() {
    let (food, sign) = (form(&food()), form(&sign()));
    let merged = merge("both", Words::default(), &[&food, &sign]);
    let today = NaiveDate::from_ymd_opt(2026, 3, 2).unwrap();
    // Fifty characters please the food licence but not the signboard.
    let values = json!({"name": "长".repeat(40), "code": FIRM, "phone": "13800138000", "area": 120, "size": 1,
        "plan": [{"file": "1"}]});
    let findings = validate(&merged, &values, &json!({}), today).unwrap_err();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(
        (findings[0].field.as_str(), findings[0].text.key),
        ("name", "forms-too-long")
    );
}

#[test]
fn a_question_is_demanded_when_a_form_that_asks_it_demands_it() {
    let with = |id: &str, required: bool, when: &str| {
        let required = if required { vec!["x"] } else { Vec::new() };
        form(
            &json!({"$id": id, "title": id, "required": required, "properties": {
            "x": {"type": "string", "title": "x", "x-tongban": {"element": "x", "when": {"answer": when, "equals": true}}}}}),
        )
    };
    let merged = merge(
        "m",
        Words::default(),
        &[&with("a", true, "p"), &with("b", false, "q")],
    );
    let today = NaiveDate::from_ymd_opt(2026, 3, 2).unwrap();
    let wrong = |answers| validate(&merged, &json!({}), &answers, today).is_err();
    assert!(wrong(json!({"p": true})));
    assert!(!wrong(json!({"q": true})));
    assert!(!wrong(json!({})));
    assert!(wrong(json!({"p": true, "q": true})));
}

#[test]
fn a_form_that_comes_twice_is_asked_once() {
    let food = form(&food());
    let merged = merge("m", Words::default(), &[&food, &food]);
    assert_eq!(merged.fields.len(), food.fields.len());
    assert_eq!(merged.parts.len(), 1);
}
