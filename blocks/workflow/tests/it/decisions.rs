//! DMN decisions.

use crate::model::vars;
use serde_json::{Value, json};
use workflow::{decision::Decisions, simulate};

pub const FEE: &str = r##"<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" namespace="https://tongban.dev/dmn/fee" name="fees" id="fees">
  <inputData id="i1" name="area"><variable name="area" typeRef="number"/></inputData>
  <decision id="fee" name="Fee">
    <variable name="Fee" typeRef="number"/>
    <informationRequirement><requiredInput href="#i1"/></informationRequirement>
    <decisionTable hitPolicy="UNIQUE">
      <input id="in1"><inputExpression typeRef="number"><text>area</text></inputExpression></input>
      <output id="o1"/>
      <rule id="r1"><inputEntry><text>&lt;= 50</text></inputEntry><outputEntry><text>100</text></outputEntry></rule>
      <rule id="r2"><inputEntry><text>&gt; 50</text></inputEntry><outputEntry><text>200</text></outputEntry></rule>
    </decisionTable>
  </decision>
  <decision id="double" name="Double">
    <variable name="Double" typeRef="number"/>
    <informationRequirement><requiredDecision href="#fee"/></informationRequirement>
    <literalExpression><text>Fee * 2</text></literalExpression>
  </decision>
</definitions>"##;

fn evaluate(name: &str, input: Value) -> (u8, Value) {
    let mut out = Vec::new();
    let code = simulate::evaluate_decision(FEE, name, &vars(input), &mut out).unwrap();
    (code, serde_json::from_slice(&out).unwrap())
}

#[test]
fn a_table_answers_with_its_value_and_the_rule_that_matched() {
    let (code, answer) = evaluate("Fee", json!({"area": 80}));
    assert_eq!(code, 0);
    assert_eq!(
        (&answer["value"], &answer["rules"]),
        (&json!(200), &json!([2]))
    );
    assert_eq!(evaluate("fee", json!({"area": 50})).1["rules"], json!([1]));
}

#[test]
fn a_literal_expression_uses_the_decision_that_it_requires() {
    assert_eq!(
        evaluate("Double", json!({"area": 10})).1["value"],
        json!(200)
    );
}

#[test]
fn an_unknown_decision_lists_the_known_ones() {
    let (code, answer) = evaluate("Nothing", json!({}));
    assert_eq!(code, 2);
    assert!(
        answer["decisions"]
            .as_array()
            .unwrap()
            .contains(&json!("Fee"))
    );
}

#[test]
fn functions_outside_of_the_server_are_refused() {
    let xml = FEE.replace(
        "Fee * 2",
        "(function(x) external {java: {class: \"a\", method signature: \"b\"}})(1)",
    );
    assert!(Decisions::read(&xml).is_err());
}

#[test]
fn a_file_that_is_no_decision_is_refused() {
    for xml in [
        "",
        "<a/>",
        "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        "<definitions/>",
    ] {
        assert!(Decisions::read(xml).is_err(), "{xml}");
    }
}
