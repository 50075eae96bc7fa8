use chrono::NaiveDate;
use forms::{Form, validate, validate_group};
use kernel::Finding;
use serde_json::{Value, json};

use crate::house::{FIRM, food, form};

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, 2).unwrap()
}

fn good() -> Value {
    json!({"name": "示例餐饮", "code": FIRM, "phone": "138 0013 8000", "area": 120,
        "plan": [{"file": "1", "name": "a.pdf"}]})
}

fn keys(findings: &[Finding]) -> Vec<(String, &'static str)> {
    findings
        .iter()
        .map(|finding| (finding.field.clone(), finding.text.key))
        .collect()
}

#[test]
fn right_answers_are_kept_in_one_spelling() {
    let kept = validate(&form(&food()), &good(), &json!({}), today()).unwrap();
    assert_eq!(kept["phone"], "13800138000");
    assert_eq!(kept["area"], 120);
}

#[test]
fn what_is_hidden_is_neither_demanded_nor_kept() {
    let form = form(&food());
    // The kitchen is not asked about unless the questionnaire says that they cook.
    let mut values = good();
    values["cook"] = json!("nonsense");
    values["platform"] = json!("nonsense");
    let kept = validate(&form, &values, &json!({"cooks": "no"}), today()).unwrap();
    assert_eq!(kept.get("cook"), None);
    assert_eq!(kept.get("platform"), None);
    let findings = validate(&form, &good(), &json!({"cooks": "yes"}), today()).unwrap_err();
    assert_eq!(
        keys(&findings),
        [
            ("cook".to_owned(), "forms-required"),
            ("health".to_owned(), "forms-required-file")
        ]
    );
}

#[test]
fn a_condition_on_a_hidden_answer_does_not_hold() {
    let form = form(&json!({"$id": "x", "title": "x", "properties": {
        "a": {"type": "boolean", "title": "a"},
        "b": {"type": "boolean", "title": "b", "x-tongban": {"when": {"field": "a", "equals": true}}},
        "c": {"type": "string", "title": "c", "x-tongban": {"when": {"field": "b", "equals": true}}}}}));
    let names = |values: &Value| -> Vec<String> {
        form.visible(values, &json!({}))
            .iter()
            .map(|field| field.name.clone())
            .collect()
    };
    assert_eq!(names(&json!({"a": true, "b": true})), ["a", "b", "c"]);
    assert_eq!(names(&json!({"a": false, "b": true})), ["a"]);
}

#[test]
fn every_rule_has_its_own_message() {
    let form = form(&food());
    let answers = json!({"cooks": "yes"});
    for (field, value, key) in [
        ("name", json!("单"), "forms-too-short"),
        ("name", json!("长".repeat(51)), "forms-too-long"),
        ("name", json!("   "), "forms-required"),
        ("code", json!("91321000MA0000023X"), "kernel-uscc-check"),
        ("phone", json!("12345"), "forms-phone"),
        ("area", json!(4), "forms-minimum"),
        ("area", json!(5001), "forms-maximum"),
        ("area", json!("大约一百"), "forms-whole-number"),
        ("area", json!(12.5), "forms-whole-number"),
        ("rent", json!("一千"), "forms-money"),
        ("cook", json!("320000199001010038"), "kernel-citizen-check"),
        (
            "cook",
            json!("990000199001010039"),
            "kernel-citizen-region-unknown",
        ),
    ] {
        let mut values = good();
        values["cook"] = json!("320000199001010039");
        values["health"] = json!([{"certificate": "x"}]);
        values[field] = value.clone();
        let findings = validate(&form, &values, &answers, today()).unwrap_err();
        assert_eq!(findings.len(), 1, "{field} {value} {findings:?}");
        assert_eq!(findings[0].field, field);
        if !key.starts_with("kernel-citizen-region") {
            assert_eq!(findings[0].text.key, key, "{field} {value}");
        }
    }
    let mut values = good();
    values["delivery"] = json!(true);
    values["platform"] = json!("third");
    values["plan"] = json!([{"file": "1"}, {"file": "2"}, {"file": "3"}]);
    let findings = validate(&form, &values, &json!({}), today()).unwrap_err();
    assert_eq!(
        keys(&findings),
        [
            ("platform".to_owned(), "forms-choice"),
            ("plan".to_owned(), "forms-file-count")
        ]
    );
}

#[test]
fn a_step_checks_its_own_group_only() {
    let form = form(&food());
    let findings = validate_group(&form, "operator", &json!({}), &json!({}), today()).unwrap_err();
    let fields: Vec<_> = findings
        .iter()
        .map(|finding| finding.field.as_str())
        .collect();
    assert_eq!(fields, ["name", "code", "phone"]);
    assert!(validate_group(&form, "operator", &good(), &json!({}), today()).is_ok());
}

#[test]
fn what_was_typed_becomes_values_and_comes_back() {
    let form = form(&food());
    let shown = form.visible(&json!({"delivery": true}), &json!({}));
    let pairs: Vec<(String, String)> = [
        ("name", " 示例 "),
        ("area", "１２０"),
        ("rent", "1,234.5"),
        ("delivery", "true"),
        ("platform", ""),
        ("phone", "x"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    let values = form.take(
        &shown,
        &pairs,
        &json!({"platform": "own", "plan": [{"file": "1"}]}),
    );
    assert_eq!(
        values,
        json!({"plan": [{"file": "1"}], "name": "示例", "area": 120, "rent": 123_450, "delivery": true, "phone": "x"})
    );
    assert_eq!(
        form.field("rent").unwrap().typed(&json!(123_450)),
        ["1234.50"]
    );
}

#[test]
fn a_masked_value_that_comes_back_leaves_the_real_one() {
    let form = form(&food());
    let shown = form.visible(&json!({}), &json!({}));
    let pairs = vec![("phone".to_owned(), "138****8000".to_owned())];
    let values = form.take(&shown, &pairs, &json!({"phone": "13800138000"}));
    assert_eq!(values["phone"], "13800138000");
}

#[test]
fn mistakes_of_a_form_are_all_told_with_their_place() {
    let wrong = json!({"$id": "x", "title": "x", "required": ["gone"],
        "x-tongban": {"groups": [{"id": "a", "title": "A"}]},
        "properties": {
            "one": {"type": "string", "x-tongban": {"group": "b"}},
            "two": {"type": "nonsense", "title": "2"},
            "three": {"type": "string", "title": "3", "x-tongban": {"widget": "magic", "when": {"field": "one"}}},
            "four": {"type": "string", "title": "4", "x-tongban": {"when": {"field": "nothing", "present": true}}},
            "五": {"type": "string", "title": "5"}}});
    let Err(kernel::Error::Invalid(findings)) = Form::of(&wrong) else {
        unreachable!()
    };
    let places: Vec<_> = findings
        .iter()
        .map(|finding| finding.field.as_str())
        .collect();
    for place in [
        "/properties/one",
        "/properties/one/x-tongban/group",
        "/properties/two",
        "/properties/three/x-tongban/widget",
        "/properties/three/x-tongban/when",
        "/properties/four/x-tongban/when",
        "/properties/五",
        "/required",
    ] {
        assert!(places.contains(&place), "{place} in {places:?}");
    }
    let Err(kernel::Error::Invalid(findings)) = Form::parse("{\n \"a\": }") else {
        unreachable!()
    };
    assert_eq!(findings[0].text.key, "forms-form-json");
}
