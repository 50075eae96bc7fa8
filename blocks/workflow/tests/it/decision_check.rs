//! What the checker says of DMN files, before and at deployment.

use workflow::{check::Severity, decision::Decisions, simulate};

/// A DMN file of this content.
fn file(body: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" namespace="https://tongban.dev/dmn/test" name="test" id="defs">
<inputData id="in_x" name="x"><variable name="x" typeRef="number"/></inputData>
{body}
</definitions>"#
    )
}

/// A decision of that id and name, with its requirements and its expression.
fn decision(id: &str, name: &str, requires: &str, text: &str) -> String {
    format!(
        r#"<decision id="{id}" name="{name}"><variable name="{name}"/>{requires}<literalExpression><text>{text}</text></literalExpression></decision>
"#
    )
}

fn needs(kind: &str, id: &str) -> String {
    let outer = match kind {
        "requiredKnowledge" => "knowledgeRequirement",
        _ => "informationRequirement",
    };
    format!(r##"<{outer}><{kind} href="#{id}"/></{outer}>"##)
}

/// A function of `n` with its requirements.
fn knowledge(name: &str, requires: &str, text: &str) -> String {
    format!(
        r#"<businessKnowledgeModel id="{name}" name="{name}"><variable name="{name}"/><encapsulatedLogic><formalParameter name="n" typeRef="number"/><literalExpression><text>{text}</text></literalExpression></encapsulatedLogic>{requires}</businessKnowledgeModel>
"#
    )
}

#[track_caller]
fn refused(body: &str, rule: &str, element: &str, line: u32) {
    let findings = simulate::check_file(file(body).as_bytes());
    let is_told = findings.iter().any(|finding| {
        finding.rule == rule
            && finding.element == element
            && finding.line == line
            && finding.severity == Severity::Error
            && !finding.remedy.is_empty()
    });
    assert!(is_told, "{rule} at {element} not in {findings:#?}");
}

#[track_caller]
fn accepted(body: &str) {
    let findings = simulate::check_file(file(body).as_bytes());
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn ids_and_names_are_used_once() {
    let one = decision("a", "A", "", "1");
    accepted(&format!("{one}{}", decision("b", "B", "", "2")));
    refused(
        &format!("{one}{}", decision("a", "B", "", "2")),
        "dmn-duplicate-id",
        "a",
        5,
    );
    refused(
        &format!("{one}{}", decision("b", "A", "", "2")),
        "dmn-duplicate-name",
        "b",
        5,
    );
}

#[test]
fn references_lead_to_elements_of_their_kind() {
    let input = needs("requiredInput", "in_x");
    accepted(&decision("a", "A", &input, "x + 1"));
    for kind in ["requiredInput", "requiredDecision", "requiredKnowledge"] {
        let lost = decision("a", "A", &needs(kind, "nowhere"), "1");
        refused(&lost, "dmn-dangling-reference", "a", 4);
    }
    for kind in ["requiredDecision", "requiredKnowledge"] {
        let wrong = decision("a", "A", &needs(kind, "in_x"), "1");
        refused(&wrong, "dmn-reference-type", "a", 4);
    }
    let service = r##"<decisionService id="s" name="S"><variable name="S"/><outputDecision href="#b"/></decisionService>"##;
    let whole = decision("b", "B", "", "1");
    accepted(&format!("{whole}{service}"));
    refused(service, "dmn-dangling-reference", "s", 4);
}

#[test]
fn types_are_those_of_feel_or_defined() {
    let typed = |definitions: &str, of: &str| {
        format!(
            r#"{definitions}<inputData id="in_y" name="y"><variable name="y" typeRef="{of}"/></inputData>{}"#,
            decision("a", "A", &needs("requiredInput", "in_y"), "y")
        )
    };
    let area = r#"<itemDefinition id="t" name="tArea"><typeRef>number</typeRef></itemDefinition>"#;
    for known in [
        "number",
        "string",
        "feel:boolean",
        "date and time",
        "integer",
    ] {
        accepted(&typed("", known));
    }
    accepted(&typed(area, "tArea"));
    refused(&typed(area, "tAera"), "dmn-type-unknown", "in_y", 4);
    let lost = r#"<itemDefinition id="t" name="tArea"><typeRef>numbre</typeRef></itemDefinition>"#;
    refused(&typed(lost, "tArea"), "dmn-type-unknown", "t", 4);
    // By the type of a result nothing is checked, so it is only told.
    let result =
        decision("a", "A", "", "1").replace("name=\"A\"/>", "name=\"A\" typeRef=\"tLost\"/>");
    let findings = simulate::check_file(file(&result).as_bytes());
    assert_eq!(
        (findings[0].rule, findings[0].severity),
        ("dmn-type-unknown", Severity::Warning)
    );
}

/// Evaluating any of these would take the whole stack, and with it the server.
#[test]
fn what_requires_itself_is_refused_and_never_read() {
    let decisions = |of_a: &str, of_b: &str| {
        format!(
            "{}{}",
            decision("a", "A", of_a, "B + 1"),
            decision("b", "B", of_b, "1")
        )
    };
    let (a, b) = (
        needs("requiredDecision", "a"),
        needs("requiredDecision", "b"),
    );
    accepted(&decisions(&b, ""));
    let circles = [
        (decisions(&b, &a), "a"),
        (
            decision("a", "A", &needs("requiredDecision", "a"), "1"),
            "a",
        ),
        // What an expression uses is required, whether the file says so or not.
        (
            format!(
                "{}{}",
                decision("a", "A", "", "B + 1"),
                decision("b", "B", "", "A + 1")
            ),
            "a",
        ),
        (
            knowledge("F", &needs("requiredKnowledge", "F"), "n * F(n - 1)"),
            "F",
        ),
        (
            format!(
                "{}{}",
                knowledge("F", &needs("requiredKnowledge", "G"), "G(n)"),
                knowledge("G", &needs("requiredKnowledge", "F"), "F(n)")
            ),
            "F",
        ),
    ];
    for (body, element) in circles {
        refused(&body, "dmn-circle", element, 4);
        let refusal = Decisions::read(&file(&body));
        assert!(refusal.is_err_and(|reason| reason.contains("requir")));
    }
}

#[test]
fn a_service_is_given_what_it_asks_and_is_no_circle() {
    let service = r##"<decisionService id="s" name="S"><variable name="S"/><outputDecision href="#e"/><inputDecision href="#d"/></decisionService>"##;
    let all = |of_d: &str| {
        format!(
            "{}{}{service}",
            decision("d", "D", of_d, "1"),
            decision("e", "E", &needs("requiredDecision", "d"), "D + 1")
        )
    };
    accepted(&all(""));
    // A function that calls itself may come to an end.
    accepted(&knowledge("F", "", "if n &lt; 2 then 1 else n * F(n - 1)"));
    accepted(&format!(
        "{}{}",
        knowledge("F", "", "n + 1"),
        knowledge("G", &needs("requiredKnowledge", "F"), "F(n) + F(n)")
    ));
}
