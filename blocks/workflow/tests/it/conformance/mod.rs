//! Every static rule: a model that breaks it is refused, and its valid twin passes.
//!
//! The table of rules in `docs/guide/bpmn-conformance.md` and the cases here are compared.

#![expect(clippy::too_many_lines, reason = "tables of cases")]

mod data;
mod events;
mod expressions;
mod gateways;
mod structure;

use std::collections::BTreeSet;

use workflow::check::{Finding, Severity, read_and_check};

use crate::model::{file, flows, process};

pub struct Case {
    rule: &'static str,
    element: &'static str,
    is_error: bool,
    bad: String,
    good: String,
}

/// A case about one executable process.
pub fn case(rule: &'static str, element: &'static str, bad: &str, good: &str) -> Case {
    of_files(rule, element, process(bad), process(good))
}

pub fn of_files(rule: &'static str, element: &'static str, bad: String, good: String) -> Case {
    Case {
        rule,
        element,
        is_error: true,
        bad,
        good,
    }
}

/// A case whose finding is told and does not refuse.
pub fn told(case: Case) -> Case {
    Case {
        is_error: false,
        ..case
    }
}

/// Start `s`, end `e`, whatever lies between, and flows.
pub fn between(middle: &str, list: &str) -> String {
    format!(
        r#"<startEvent id="s"/><endEvent id="e"/>{middle}{}"#,
        flows(list)
    )
}

const MESSAGE: &str = r#"<message id="m" name="paid"/><message id="m2" name="sent"/><signal id="sg" name="storm"/>
    <error id="er" errorCode="BAD"/><error id="bare"/><escalation id="es" escalationCode="UP"/><escalation id="low"/>"#;

/// A task that as many handlers undo.
fn undone_by(events: &[&str]) -> String {
    let handler = |event: &&str| {
        format!(
            r#"<boundaryEvent id="{event}" attachedToRef="t"><compensateEventDefinition/></boundaryEvent><userTask id="u{event}" isForCompensation="true"/><association id="a{event}" sourceRef="{event}" targetRef="u{event}"/>"#
        )
    };
    let handlers: String = events.iter().map(handler).collect();
    format!(r#"<userTask id="t"/>{handlers}"#)
}

fn timed(text: &str) -> String {
    format!(
        r#"<timerEventDefinition id="d"><timeDuration>{text}</timeDuration></timerEventDefinition>"#
    )
}

/// A process with data from outside, whose task writes into `target`.
fn written_to(target: &str) -> String {
    between(
        &format!(
            r#"<ioSpecification><dataInput id="given" name="given"/><inputSet><dataInputRefs>given</dataInputRefs></inputSet><outputSet/></ioSpecification><property id="kept" name="kept"/>
            <userTask id="t"><ioSpecification><dataOutput id="out" name="out"/><inputSet/><outputSet><dataOutputRefs>out</dataOutputRefs></outputSet></ioSpecification><dataOutputAssociation id="a"><sourceRef>out</sourceRef><targetRef>{target}</targetRef></dataOutputAssociation></userTask>"#
        ),
        "s>t>e",
    )
}

/// As [`between`], in a file that declares messages, signals, errors and escalations.
fn declared(middle: &str, list: &str) -> String {
    file(&format!(
        r#"{MESSAGE}<process id="p" isExecutable="true">{}</process>"#,
        between(middle, list)
    ))
}

fn all() -> Vec<Case> {
    [
        events::events(),
        events::links(),
        events::borders(),
        expressions::expressions(),
        gateways::gateways(),
        structure::structure(),
        structure::references(),
        data::data(),
        crate::required::cases(),
        crate::schema::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn findings(xml: &str) -> (bool, Vec<Finding>) {
    let (model, findings) = read_and_check(xml.as_bytes());
    (model.is_some(), findings)
}

#[test]
fn every_rule_refuses_what_breaks_it_and_lets_its_twin_pass() {
    let mut wrong = Vec::new();
    for case in all() {
        let severity = if case.is_error {
            Severity::Error
        } else {
            Severity::Warning
        };
        let (passes, found) = findings(&case.bad);
        let is_found = found.iter().any(|finding| {
            finding.rule == case.rule
                && finding.element == case.element
                && finding.severity == severity
                && finding.line > 0
                && !finding.remedy.is_empty()
        });
        if !is_found || passes == case.is_error {
            wrong.push(format!(
                "{} at {} not in {found:#?}\n{}",
                case.rule, case.element, case.bad
            ));
        }
        let (passes, found) = findings(&case.good);
        if !passes || found.iter().any(|finding| finding.rule == case.rule) {
            wrong.push(format!(
                "the twin of {} at {}: {found:#?}\n{}",
                case.rule, case.element, case.good
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

/// Rules about the file as a whole, with tests in `rules.rs`, `encodings.rs` and `semantics.rs`, the
/// one of the verbs, in `verbs/any.rs`, and those of decisions, in `decision_check.rs`.
const OF_FILES: &[&str] = &[
    "dmn-circle",
    "dmn-dangling-reference",
    "dmn-duplicate-id",
    "dmn-duplicate-name",
    "dmn-import-input",
    "dmn-import-unresolved",
    "dmn-reference-type",
    "dmn-type-unknown",
    "dmn-unreadable",
    "import-unreadable",
    "verb-attribute",
    "xml-doctype",
    "xml-encoding",
    "xml-entity",
    "xml-malformed",
    "xml-not-bpmn",
    "xml-too-large",
];

#[test]
fn the_documentation_lists_every_rule_that_has_a_case() {
    let text = include_str!("../../../../../docs/guide/bpmn-conformance.md");
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let listed: BTreeSet<&str> = rows.collect();
    let cases = all();
    let mut tested: BTreeSet<&str> = cases.iter().map(|case| case.rule).collect();
    tested.extend(OF_FILES);
    assert_eq!(listed, tested);
}

/// Pages show a finding in the words of the reader's language.
#[test]
fn every_rule_has_words_in_both_languages() {
    let documentation = include_str!("../../../../../docs/guide/bpmn-conformance.md");
    let rules: Vec<&str> = documentation
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    for (language, words) in [
        ("zh-CN", include_str!("../../../locales/zh-CN/workflow.ftl")),
        ("en", include_str!("../../../locales/en/workflow.ftl")),
    ] {
        let has = |rule: &&&str| words.contains(&format!("\nworkflow-rule-{rule} = "));
        let silent: Vec<_> = rules.iter().filter(|rule| !has(rule)).collect();
        assert!(silent.is_empty(), "{language}: {silent:?}");
    }
}
