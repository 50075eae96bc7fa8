//! DMN decisions.

use crate::model::vars;
use serde_json::{Value, json};
use workflow::{decision::Decisions, read::Imports, simulate};

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

/// Ids and names of any letters, required or only used.
#[test]
fn decisions_may_be_written_in_chinese() {
    let xml = r##"<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" namespace="urn:x" name="菜单" id="d">
  <inputData id="人数" name="人数"><variable name="人数" typeRef="number"/></inputData>
  <decision id="菜" name="菜"><variable name="菜" typeRef="string"/>
    <informationRequirement><requiredInput href="#人数"/></informationRequirement>
    <decisionTable><input id="i1"><inputExpression typeRef="string"><text>季节</text></inputExpression></input>
      <input id="i2"><inputExpression typeRef="number"><text>人数</text></inputExpression></input>
      <output id="o1" typeRef="string"/>
      <rule id="r1"><inputEntry><text>"秋"</text></inputEntry><inputEntry><text>&gt; 4</text></inputEntry><outputEntry><text>"火锅"</text></outputEntry></rule>
    </decisionTable></decision>
</definitions>"##;
    let (code, said) = answer(xml, "菜", json!({"季节": "秋", "人数": 6}));
    assert_eq!((code, &said["value"]), (0, &json!("火锅")), "{said}");
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

/// A DMN file of one decision `D` over one input `x`, with whatever else it needs.
fn file(namespace: &str, type_of_x: &str, more: &str, requires: &str, logic: &str) -> String {
    format!(
        r##"<definitions xmlns="{namespace}" namespace="https://tongban.dev/dmn/test" name="test" id="defs">{more}
        <inputData id="x" name="x"><variable name="x"{type_of_x}/></inputData>
        <decision id="d" name="D"><variable name="D"/><informationRequirement><requiredInput href="#x"/></informationRequirement>{requires}{logic}</decision></definitions>"##
    )
}

const DMN_1_3: &str = "https://www.omg.org/spec/DMN/20191111/MODEL/";
const DMN_1_5: &str = "https://www.omg.org/spec/DMN/20230324/MODEL/";

fn literal(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    format!("<literalExpression><text>{text}</text></literalExpression>")
}

#[track_caller]
fn answer(xml: &str, name: &str, input: Value) -> (u8, Value) {
    let mut out = Vec::new();
    let code = simulate::evaluate_decision(xml, name, &vars(input), &mut out).unwrap();
    (code, serde_json::from_slice(&out).unwrap())
}

fn table(policy: &str, rules: &[(&str, &str)], output: &str) -> String {
    let mut all = String::new();
    for (input, output) in rules {
        let input = input.replace('<', "&lt;");
        all += &format!(
            "<rule><inputEntry><text>{input}</text></inputEntry><outputEntry><text>{output}</text></outputEntry></rule>"
        );
    }
    format!(
        r#"<decisionTable {policy}><input><inputExpression typeRef="number"><text>x</text></inputExpression></input><output>{output}</output>{all}</decisionTable>"#
    )
}

const STEPS: &[(&str, &str)] = &[("> 0", "10"), ("> 5", "20"), ("> 10", "30")];

#[test]
fn every_hit_policy_gives_its_value_and_the_rules_that_made_it() {
    let order = "<outputValues><text>30,20,10</text></outputValues>";
    for (policy, output, value, rules, matched) in [
        (
            r#"hitPolicy="FIRST""#,
            "",
            json!(10),
            json!([1]),
            json!([1, 2]),
        ),
        (
            r#"hitPolicy="PRIORITY""#,
            order,
            json!(20),
            json!([2]),
            json!([1, 2]),
        ),
        (
            r#"hitPolicy="RULE ORDER""#,
            "",
            json!([10, 20]),
            json!([1, 2]),
            Value::Null,
        ),
        (
            r#"hitPolicy="OUTPUT ORDER""#,
            order,
            json!([20, 10]),
            json!([2, 1]),
            json!([1, 2]),
        ),
        (
            r#"hitPolicy="COLLECT""#,
            "",
            json!([10, 20]),
            json!([1, 2]),
            Value::Null,
        ),
        (
            r#"hitPolicy="COLLECT" aggregation="SUM""#,
            "",
            json!(30),
            json!([1, 2]),
            Value::Null,
        ),
        (
            r#"hitPolicy="COLLECT" aggregation="MIN""#,
            "",
            json!(10),
            json!([1]),
            json!([1, 2]),
        ),
        (
            r#"hitPolicy="COLLECT" aggregation="MAX""#,
            "",
            json!(20),
            json!([2]),
            json!([1, 2]),
        ),
        (
            r#"hitPolicy="COLLECT" aggregation="COUNT""#,
            "",
            json!(2),
            json!([1, 2]),
            Value::Null,
        ),
    ] {
        let xml = file(DMN_1_3, "", "", "", &table(policy, STEPS, output));
        let (code, answer) = answer(&xml, "D", json!({"x": 7}));
        assert_eq!(
            (code, &answer["value"], &answer["rules"], &answer["matched"]),
            (0, &value, &rules, &matched),
            "{policy}"
        );
    }
    let unique = file(DMN_1_3, "", "", "", &table("", STEPS, ""));
    assert_eq!(answer(&unique, "D", json!({"x": 3})).1["value"], json!(10));
    let any = |second| {
        file(
            DMN_1_3,
            "",
            "",
            "",
            &table(r#"hitPolicy="ANY""#, &[("> 0", "1"), ("> 5", second)], ""),
        )
    };
    assert_eq!(
        answer(&any("1"), "D", json!({"x": 7})).1["rules"],
        json!([1, 2])
    );
    for (xml, says) in [
        (unique, "the rules 1, 2 match"),
        (any("2"), "different outputs"),
    ] {
        let (code, answer) = answer(&xml, "D", json!({"x": 7}));
        assert!(
            code == 1 && answer["reason"].as_str().unwrap().contains(says),
            "{answer}"
        );
    }
    let default = "<defaultOutputEntry><text>9</text></defaultOutputEntry>";
    let xml = file(DMN_1_3, "", "", "", &table("", &[("> 100", "1")], default));
    assert_eq!(answer(&xml, "D", json!({"x": 7})).1["value"], json!(9));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn every_boxed_expression_is_evaluated() {
    let entry = |name: &str, text: &str| {
        format!(
            r#"<contextEntry><variable name="{name}"/>{}</contextEntry>"#,
            literal(text)
        )
    };
    let result = |text: &str| format!("<contextEntry>{}</contextEntry>", literal(text));
    let knowledge = format!(
        r#"<businessKnowledgeModel id="b" name="double it"><variable name="double it"/><encapsulatedLogic><formalParameter name="n" typeRef="number"/>{}</encapsulatedLogic></businessKnowledgeModel>"#,
        literal("n * 2")
    );
    let knows = r##"<knowledgeRequirement><requiredKnowledge href="#b"/></knowledgeRequirement>"##;
    let cells = |a: &str, b: &str| format!("<row>{}{}</row>", literal(a), literal(b));
    let two = |outer: &str, parts: &[(&str, &str)]| {
        let inner: String = parts
            .iter()
            .map(|(name, text)| format!("<{name}>{}</{name}>", literal(text)))
            .collect();
        let name = outer.split(' ').next().unwrap();
        format!("<{outer}>{inner}</{name}>")
    };
    for (more, requires, logic, x, value) in [
        (
            "",
            "",
            format!(
                "<context>{}{}</context>",
                entry("a", "x"),
                entry("b", "a * 2")
            ),
            json!(3),
            json!({"a": 3, "b": 6}),
        ),
        (
            "",
            "",
            format!(
                "<context>{}{}{}</context>",
                entry("base", "x + 1"),
                entry("twice it", "base * 2"),
                result("twice it + base")
            ),
            json!(3),
            json!(12),
        ),
        (
            &knowledge,
            knows,
            literal("double it(x) + 1"),
            json!(3),
            json!(7),
        ),
        (
            &knowledge,
            knows,
            format!(
                r#"<invocation><literalExpression><text>double it</text></literalExpression><binding><parameter name="n"/>{}</binding></invocation>"#,
                literal("x")
            ),
            json!(3),
            json!(6),
        ),
        (
            "",
            "",
            format!(
                r#"<relation><column name="k"/><column name="v"/>{}{}</relation>"#,
                cells("\"a\"", "1"),
                cells("\"b\"", "x")
            ),
            json!(7),
            json!([{"k": "a", "v": 1}, {"k": "b", "v": 7}]),
        ),
        (
            "",
            "",
            format!("<list>{}{}</list>", literal("1"), literal("x")),
            json!(7),
            json!([1, 7]),
        ),
        (
            "",
            "",
            format!(
                r#"<context><contextEntry><variable name="f"/><functionDefinition><formalParameter name="a"/>{}</functionDefinition></contextEntry>{}</context>"#,
                literal("a * 3"),
                result("f(x)")
            ),
            json!(7),
            json!(21),
        ),
        (
            "",
            "",
            two(
                "conditional",
                &[("if", "x > 1"), ("then", "\"a\""), ("else", "\"b\"")],
            ),
            json!(7),
            json!("a"),
        ),
        (
            "",
            "",
            two("filter", &[("in", "x"), ("match", "item > 1")]),
            json!([1, 2]),
            json!([2]),
        ),
        (
            "",
            "",
            two(
                r#"for iteratorVariable="i""#,
                &[("in", "x"), ("return", "i * 2")],
            ),
            json!([1, 2]),
            json!([2, 4]),
        ),
        (
            "",
            "",
            two(
                r#"every iteratorVariable="i""#,
                &[("in", "x"), ("satisfies", "i > 0")],
            ),
            json!([1, 2]),
            json!(true),
        ),
        (
            "",
            "",
            two(
                r#"some iteratorVariable="i""#,
                &[("in", "x"), ("satisfies", "i > 1")],
            ),
            json!([1, 2]),
            json!(true),
        ),
    ] {
        let xml = file(DMN_1_5, "", more, requires, &logic);
        let (code, answer) = answer(&xml, "D", json!({"x": x}));
        assert_eq!((code, &answer["value"]), (0, &value), "{logic}: {answer}");
        assert!(answer["missing"].is_null(), "{answer}");
    }
}

#[test]
fn a_decision_service_gives_its_output_decision() {
    let more = format!(
        r##"<decision id="d1" name="First"><variable name="First"/><informationRequirement><requiredInput href="#x"/></informationRequirement>{}</decision>
        <decisionService id="sv" name="Service"><variable name="Service"/><outputDecision href="#d1"/><inputData href="#x"/></decisionService>"##,
        literal("x + 1")
    );
    let xml = file(
        DMN_1_3,
        "",
        &more,
        r##"<knowledgeRequirement><requiredKnowledge href="#sv"/></knowledgeRequirement>"##,
        &literal("Service(x) * 10"),
    );
    assert_eq!(
        answer(&xml, "Service", json!({"x": 1})).1["value"],
        json!(2)
    );
    assert_eq!(answer(&xml, "D", json!({"x": 1})).1["value"], json!(20));
}

#[test]
fn inputs_are_what_they_declare() {
    for (kind, given, expression, value) in [
        (
            "date",
            json!("2026-01-31"),
            "x + duration(\"P1D\")",
            json!("2026-02-01"),
        ),
        (
            "time",
            json!("10:00:00"),
            "x + duration(\"PT1H\")",
            json!("11:00:00"),
        ),
        (
            "date and time",
            json!("2026-01-31T10:00:00"),
            "x + duration(\"P1D\")",
            json!("2026-02-01T10:00:00"),
        ),
        (
            "days and time duration",
            json!("P1D"),
            "x + x",
            json!("P2D"),
        ),
        ("yearMonthDuration", json!("P1Y"), "x + x", json!("P2Y")),
        ("feel:number", json!(5), "x + 1", json!(6)),
        ("integer", json!(5), "x + 1", json!(6)),
        (
            "tPerson",
            json!({"age": 3, "address": {"city": "云港"}}),
            "x.address.city",
            json!("云港"),
        ),
        ("tPerson", json!({"age": 3}), "x.age", json!(3)),
    ] {
        let types = r#"<itemDefinition name="tPerson"><itemComponent name="age"><typeRef>number</typeRef></itemComponent><itemComponent name="address"><itemComponent name="city"><typeRef>string</typeRef></itemComponent></itemComponent></itemDefinition>"#;
        let xml = file(
            DMN_1_3,
            &format!(r#" typeRef="{kind}""#),
            types,
            "",
            &literal(expression),
        );
        let (code, answer) = answer(&xml, "D", json!({"x": given}));
        assert_eq!((code, &answer["value"]), (0, &value), "{kind}: {answer}");
    }
    for (kind, given, says) in [
        ("number", json!("7"), "a number"),
        ("boolean", json!("yes"), "true or false"),
        ("string", json!(5), "a text"),
        ("date", json!("soon"), "a date as text"),
    ] {
        let xml = file(
            DMN_1_3,
            &format!(r#" typeRef="{kind}""#),
            "",
            "",
            &literal("x"),
        );
        let (code, answer) = answer(&xml, "D", json!({"x": given}));
        assert!(
            code == 1 && answer["reason"].as_str().unwrap().contains(says),
            "{answer}"
        );
    }
}

#[test]
fn missing_and_unknown_inputs_are_named() {
    let xml = file(DMN_1_3, "", "", "", &literal("x + 1"));
    let (code, lacking) = answer(&xml, "D", json!({"y": 1}));
    assert_eq!(
        (code, &lacking["missing"], &lacking["unknown"]),
        (1, &json!(["x"]), &json!(["y"]))
    );
    assert_eq!(lacking["reason"], json!("the input `x` is missing"));
}

#[test]
fn every_version_of_dmn_is_read() {
    for namespace in [
        "http://www.omg.org/spec/DMN/20151101/dmn.xsd",
        "http://www.omg.org/spec/DMN/20180521/MODEL/",
        DMN_1_3,
        "https://www.omg.org/spec/DMN/20211108/MODEL/",
        DMN_1_5,
        "https://www.omg.org/spec/DMN/20240513/MODEL/",
    ] {
        let xml = file(namespace, "", "", "", &table("", &[("> 5", "x * 2")], ""));
        assert_eq!(
            answer(&xml, "D", json!({"x": 7})).1["value"],
            json!(14),
            "{namespace}"
        );
    }
}

#[test]
fn names_have_spaces_and_are_chinese() {
    let xml = format!(
        r##"<definitions xmlns="{DMN_1_3}" namespace="n" name="t" id="t"><inputData id="i" name="经营 面积"><variable name="经营 面积" typeRef="number"/></inputData>
        <decision id="d" name="收费 标准"><variable name="收费 标准"/><informationRequirement><requiredInput href="#i"/></informationRequirement>{}</decision>
        <decision id="d2" name="总费用"><variable name="总费用"/><informationRequirement><requiredDecision href="#d"/></informationRequirement>{}</decision></definitions>"##,
        literal("经营 面积 * 2"),
        literal("收费 标准 + 1")
    );
    let (_, found) = answer(&xml, "总费用", json!({"经营 面积": 60}));
    assert_eq!(found["value"], json!(121), "{found}");
    let (_, found) = answer(&xml, "收费 标准", json!({"经营 面积": 60}));
    assert_eq!(found["value"], json!(120), "{found}");
}

#[test]
fn decisions_of_camunda_need_not_name_their_inputs() {
    let two = |id: &str,
               name: &str,
               requires: &str,
               input: &str,
               output: &str,
               cells: [&str; 4]| {
        format!(
            r#"<decision id="{id}" name="{name}">{requires}<decisionTable hitPolicy="FIRST"><input><inputExpression typeRef="string"><text>{input}</text></inputExpression></input><output name="{output}" typeRef="string"/>
            <rule><inputEntry><text>{}</text></inputEntry><outputEntry><text>{}</text></outputEntry></rule><rule><inputEntry><text>{}</text></inputEntry><outputEntry><text>{}</text></outputEntry></rule></decisionTable></decision>"#,
            cells[0], cells[1], cells[2], cells[3]
        )
    };
    let requires =
        r##"<informationRequirement><requiredDecision href="#season"/></informationRequirement>"##;
    let xml = format!(
        r#"<definitions xmlns="{DMN_1_3}" namespace="http://camunda.org/schema/1.0/dmn" name="t" id="t">{}{}</definitions>"#,
        two(
            "season",
            "Season of the year",
            "",
            "month",
            "season",
            ["\"January\"", "\"Winter\"", "", "\"Summer\""]
        ),
        two(
            "dish",
            "Dish",
            requires,
            "season",
            "dish",
            ["\"Winter\"", "\"Roast\"", "", "\"Salad\""]
        ),
    );
    let (_, dish) = answer(&xml, "Dish", json!({"month": "January"}));
    assert_eq!(
        (&dish["value"], &dish["rules"]),
        (&json!("Roast"), &json!([1]))
    );
    assert_eq!(
        answer(&xml, "dish", json!({"month": "July"})).1["value"],
        json!("Salad")
    );
    assert_eq!(
        answer(&xml, "Season of the year", json!({"month": "July"})).1["value"],
        json!("Summer")
    );
}

#[test]
fn the_trace_sees_what_required_decisions_say() {
    let more = format!(
        r##"<decision id="b" name="Base"><variable name="Base"/><informationRequirement><requiredInput href="#x"/></informationRequirement>{}</decision>"##,
        literal("x * 2")
    );
    let logic = table("", &[("< 10", "1"), (">= 10", "2")], "").replace("<text>x<", "<text>Base<");
    let xml = file(
        DMN_1_3,
        "",
        &more,
        r##"<informationRequirement><requiredDecision href="#b"/></informationRequirement>"##,
        &logic,
    );
    let (_, answer) = answer(&xml, "D", json!({"x": 7}));
    assert_eq!(
        (&answer["value"], &answer["rules"]),
        (&json!(2), &json!([2]))
    );
}

/// A file with a text `s`, what else is given, and decisions.
fn with_text(more: &str) -> Decisions {
    let xml = format!(
        r#"<definitions xmlns="https://www.omg.org/spec/DMN/20230324/MODEL/" id="d" name="d" namespace="x">
        <inputData id="i" name="s"><variable name="s" typeRef="string"/></inputData>{more}</definitions>"#
    );
    Decisions::read(&xml).unwrap()
}

fn column(input: &str, entries: &[&str], allowed: &str) -> String {
    let rules: Vec<String> = entries
        .iter()
        .enumerate()
        .map(|(at, entry)| {
            let entry = entry.replace('<', "&lt;");
            format!("<rule id=\"r{at}\"><inputEntry><text>{entry}</text></inputEntry><outputEntry><text>{}</text></outputEntry></rule>", at + 1)
        })
        .collect();
    format!(
        r##"<decision id="D" name="D"><variable name="D"/><informationRequirement><requiredInput href="#i"/></informationRequirement>
        <decisionTable hitPolicy="FIRST"><input id="in"><inputExpression><text>{input}</text></inputExpression>{allowed}</input><output id="o"/>{}</decisionTable></decision>"##,
        rules.concat()
    )
}

#[test]
fn an_entry_may_be_a_test_of_its_own() {
    let check = |entries: &[&str], input: Value, expected: Value| {
        let answer = with_text(&column("s", entries, ""))
            .evaluate("D", &vars(json!({"s": input})))
            .unwrap();
        assert_eq!(answer.value, expected, "{entries:?} {input}");
    };
    for (entry, holds, fails) in [
        (r#"contains(?, "a")"#, "abc", "x"),
        (r#"not(contains(?, "a"))"#, "x", "abc"),
        (
            r#"starts with(?, "a") and string length(?) < 4"#,
            "abc",
            "abcd",
        ),
        (r#"s = "abc""#, "abc", "x"),
        (r#"list contains(["abc", "why?"], ?)"#, "why?", "x"),
        (r#""b", ? = "c""#, "c", "d"),
        (r#""b", ? = "c""#, "b", "d"),
        (r#"not("b")"#, "c", "b"),
    ] {
        check(&[entry], json!(holds), json!(1));
        check(&[entry], json!(fails), Value::Null);
        // Others in its column stay what they are.
        check(&[entry, "-"], json!(fails), json!(2));
        check(&[entry, &format!("\"{fails}\"")], json!(fails), json!(2));
    }
    // Nothing is neither between nor not.
    check(&["? > \"a\" and ? < \"c\""], Value::Null, Value::Null);
    let answer = with_text(&column("s", &[r#"contains(?, "x")"#, r#""abc""#], ""))
        .evaluate("D", &vars(json!({"s": "abc"})))
        .unwrap();
    assert_eq!(answer.rules, Some(vec![2]));
}

#[test]
fn what_is_not_among_the_allowed_is_told() {
    let types = r##"<itemDefinition name="tAge"><typeRef>number</typeRef><allowedValues><text>[0..120]</text></allowedValues></itemDefinition>
        <itemDefinition name="tPerson"><itemComponent name="age"><typeRef>tAge</typeRef></itemComponent></itemDefinition>
        <itemDefinition name="tColours" isCollection="true"><typeRef>string</typeRef><allowedValues><text>"red","green"</text></allowedValues></itemDefinition>
        <inputData id="ip" name="p"><variable name="p" typeRef="tPerson"/></inputData><inputData id="ic" name="c"><variable name="c" typeRef="tColours"/></inputData>
        <decision id="D" name="D"><variable name="D"/><informationRequirement><requiredInput href="#ip"/></informationRequirement><informationRequirement><requiredInput href="#ic"/></informationRequirement>
        <literalExpression><text>if p.age >= 18 then "adult" else "child"</text></literalExpression></decision>"##;
    let decide = |input: Value| with_text(types).evaluate("D", &vars(input)).unwrap();
    assert_eq!(
        decide(json!({"p": {"age": 20}, "c": ["red"]})).value,
        json!("adult")
    );
    for (input, part) in [
        (json!({"p": {"age": 500}, "c": []}), "`p.age`"),
        (json!({"p": {"age": 20}, "c": ["red", "blue"]}), "`c`"),
    ] {
        let answer = decide(input);
        assert_eq!(answer.value, Value::Null);
        assert!(answer.reason.unwrap().starts_with(part));
    }
    let allowed = r#"<inputValues><text>"red","green"</text></inputValues>"#;
    let colours = with_text(&column("s", &[r#""red""#, "-"], allowed));
    let colour = |s: &str| colours.evaluate("D", &vars(json!({"s": s}))).unwrap();
    assert_eq!(colour("green").value, json!(2));
    let blue = colour("blue");
    assert_eq!((blue.value, blue.rules), (Value::Null, None));
    assert!(blue.reason.unwrap().contains(r#""red","green""#));
}

#[test]
fn a_service_is_given_what_it_names() {
    let service = r##"<inputData id="m" name="m"><variable name="m" typeRef="number"/></inputData><inputData id="n" name="n"><variable name="n" typeRef="number"/></inputData>
        <decision id="A" name="A"><variable name="A" typeRef="number"/><informationRequirement><requiredInput href="#n"/></informationRequirement><literalExpression><text>n * 2</text></literalExpression></decision>
        <decision id="B" name="B"><variable name="B" typeRef="number"/><informationRequirement><requiredDecision href="#A"/></informationRequirement><informationRequirement><requiredInput href="#m"/></informationRequirement><literalExpression><text>A * m + 2</text></literalExpression></decision>
        <decisionService id="S" name="S"><variable name="S"/><outputDecision href="#B"/><inputDecision href="#A"/><inputData href="#m"/></decisionService>"##;
    let answer = with_text(service)
        .evaluate("S", &vars(json!({"A": 10, "m": 2})))
        .unwrap();
    assert_eq!(answer.value, json!(22));
    assert_eq!((answer.missing, answer.unknown), (vec![], vec![]));
}

#[test]
fn a_boxed_condition_that_is_nothing_takes_else() {
    let boxed = r##"<decision id="D" name="D"><variable name="D"/><informationRequirement><requiredInput href="#i"/></informationRequirement>
        <conditional><if><literalExpression><text>s = "a" and null</text></literalExpression></if><then><literalExpression><text>1</text></literalExpression></then><else><literalExpression><text>2</text></literalExpression></else></conditional></decision>"##;
    let answer = with_text(boxed).evaluate("D", &vars(json!({"s": "a"})));
    assert_eq!(answer.unwrap().value, json!(2));
}

/// A model under a name, with what it has inside.
fn model_of(name: &str, inside: &str) -> String {
    format!(
        r#"<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="{name}" name="{name}" namespace="https://example.org/{name}">{inside}</definitions>"#
    )
}

fn importing(name: &str) -> String {
    format!(
        r#"<import name="{name}" namespace="https://example.org/{name}" locationURI="{name}.dmn" importType="https://www.omg.org/spec/DMN/20191111/MODEL/"/>"#
    )
}

/// A literal decision with id `d`, and what it requires: decisions by their references.
fn deciding(name: &str, requires: &[&str], text: &str) -> String {
    let requires: String = requires
        .iter()
        .map(|href| format!(r#"<informationRequirement><requiredDecision href="{href}"/></informationRequirement>"#))
        .collect();
    format!(
        r##"<decision id="d" name="{name}"><variable name="{name}"/>{requires}<informationRequirement><requiredInput href="#i"/></informationRequirement><literalExpression><text>{text}</text></literalExpression></decision>
        <inputData id="i" name="area"><variable name="area" typeRef="number"/></inputData>"##
    )
}

fn of_files(files: &[(&str, String)]) -> Imports {
    let pairs = files.iter();
    pairs
        .map(|(name, xml)| ((*name).to_owned(), xml.clone().into_bytes()))
        .collect()
}

/// `total` imports `common`, which imports `base`; all have the same ids, and one name occurs twice.
fn three_models() -> (String, Imports) {
    let base = model_of(
        "base",
        &deciding("Rate", &[], "if area > 100 then 2 else 3"),
    );
    let common = model_of(
        "common",
        &(importing("base")
            + &*deciding("Fee", &["https://example.org/base#d"], "area * base.Rate")),
    );
    let double = r#"<businessKnowledgeModel id="k" name="double"><variable name="double"/><encapsulatedLogic><formalParameter name="n" typeRef="number"/><literalExpression><text>n * 2</text></literalExpression></encapsulatedLogic></businessKnowledgeModel></definitions>"#;
    let common = common.replace("</definitions>", double);
    let total = model_of(
        "total",
        &(importing("common")
            + &*importing("base")
            + &*deciding(
                "Fee",
                &["https://example.org/common#d", "https://example.org/base#d"],
                "common.double(common.Fee) + base.Rate",
            )
            .replace(
                r"<literalExpression>",
                r#"<knowledgeRequirement><requiredKnowledge href="https://example.org/common#k"/></knowledgeRequirement><literalExpression>"#,
            )),
    );
    let files = of_files(&[("base.dmn", base), ("common.dmn", common)]);
    (total, files)
}

#[test]
fn a_decision_requires_what_another_model_decides() {
    let (total, files) = three_models();
    let found = simulate::check_file_with(total.as_bytes(), &files);
    assert_eq!(found, []);
    let decisions = Decisions::read_with(&total, &files).unwrap();
    let answer = |area: Value| {
        decisions
            .evaluate("Fee", &vars(json!({"area": area})))
            .unwrap()
    };
    assert_eq!(
        answer(json!(10)).value,
        json!(63),
        "{:?}",
        answer(json!(10))
    );
    assert_eq!(answer(json!(200)).value, json!(802));
    // What is decided elsewhere is given the same inputs, and is not asked for by itself.
    assert_eq!(answer(Value::Null).unknown, Vec::<String>::new());
    assert_eq!(decisions.names().collect::<Vec<_>>(), ["Fee", "d"]);
    let wrong = answer(json!("wide"));
    assert!(wrong.reason.unwrap().contains("`area` is to be a number"));
}

#[test]
fn models_that_are_not_at_hand_are_told() {
    let (total, files) = three_models();
    let told = |xml: &str, files: &Imports| {
        let found = simulate::check_file_with(xml.as_bytes(), files).into_iter();
        found
            .map(|finding| (finding.rule, finding.element))
            .collect::<Vec<_>>()
    };
    let at_d = |rule| (rule, "d".to_owned());
    let none = told(&total, &Imports::new());
    assert_eq!(none, vec![at_d("dmn-import-unresolved"); 3]);
    let lost = total.replace("common#d", "common#lost");
    assert_eq!(told(&lost, &files), [at_d("dmn-dangling-reference")]);
    let other = total.replace("common#d", "common#k");
    assert_eq!(told(&other, &files), [at_d("dmn-reference-type")]);
    let unknown = total.replace("base#d", "nowhere#d");
    assert_eq!(told(&unknown, &files), [at_d("dmn-dangling-reference")]);
    let input = total.replace(
        r##"requiredInput href="#i""##,
        r#"requiredInput href="https://example.org/base#i""#,
    );
    assert_eq!(told(&input, &files), [at_d("dmn-import-input")]);
    // Models that import one another have no beginning.
    let first = model_of(
        "first",
        &(importing("second") + &*deciding("A", &["https://example.org/second#d"], "second.B")),
    );
    let second = model_of(
        "second",
        &(importing("first") + &*deciding("B", &["https://example.org/first#d"], "first.A")),
    );
    let files = of_files(&[("first.dmn", first.clone()), ("second.dmn", second)]);
    let refused = told(&first, &files);
    assert_eq!(refused, [("dmn-unreadable", String::new())]);
}
