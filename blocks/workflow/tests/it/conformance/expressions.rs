//! Attributes that are filled in when a step begins (chapter 10, and as other engines write them).

use super::{Case, between, case, declared, of_files};
use crate::model::process;

/// One step `t` on the way.
fn step(element: &str) -> String {
    between(element, "s>t>e")
}

pub fn expressions() -> Vec<Case> {
    let user = |attributes: &str| step(&format!(r#"<userTask id="t" {attributes}/>"#));
    let worker = |topic: &str| {
        step(&format!(
            r#"<serviceTask id="t" camunda:type="external" camunda:topic="{topic}"/>"#
        ))
    };
    let worker_with = |attributes: &str, retries: &str| {
        let retries = match retries {
            "" => String::new(),
            retries => format!(
                "<extensionElements><camunda:failedJobRetryTimeCycle>{retries}</camunda:failedJobRetryTimeCycle></extensionElements>"
            ),
        };
        step(&format!(
            r#"<serviceTask id="t" camunda:type="external" camunda:topic="pay" {attributes}>{retries}</serviceTask>"#
        ))
    };
    let background = |retries: &str| {
        step(&format!(
            r#"<serviceTask id="t" tongban:call="fees" tongban:async="true" tongban:retries="{retries}"/>"#
        ))
    };
    let rule = |decision: &str| {
        step(&format!(
            r#"<businessRuleTask id="t" camunda:decisionRef="{decision}"/>"#
        ))
    };
    let receive = |key: &str| {
        declared(
            &format!(r#"<receiveTask id="t" messageRef="m" tongban:correlation="{key}"/>"#),
            "s>t>e",
        )
    };
    let call = |called: &str| {
        step(&format!(
            r#"<callActivity id="t" calledElement="{called}"/>"#
        ))
    };
    let within = |days: &str| {
        let head = format!(r#"<process tongban:days="{days}" "#);
        process(&step(r#"<task id="t"/>"#)).replace("<process ", &head)
    };
    let syntax = |bad: String, good: String| case("expression-syntax", "t", &bad, &good);
    let called = |bad: &str| case("call-without-process", "t", &call(bad), &call("x:y"));
    vec![
        syntax(
            user(r#"camunda:dueDate="${dateTime().withTimeAtStartOfDay().toDate()}""#),
            user(r#"camunda:dueDate="${dateTime().plusWeeks(1).toDate()}""#),
        ),
        syntax(
            user(r#"camunda:dueDate="${now().getTime()}""#),
            user(r#"camunda:dueDate="${until}""#),
        ),
        syntax(
            user(r#"camunda:dueDate="soon""#),
            user(r#"camunda:dueDate="P5D""#),
        ),
        syntax(
            user(r#"camunda:dueDate="2026-02-30""#),
            user(r#"camunda:dueDate="2026-02-28T17:00:00""#),
        ),
        syntax(
            worker_with(r#"camunda:taskPriority="high""#, ""),
            worker_with(r#"camunda:taskPriority="7""#, ""),
        ),
        syntax(worker_with("", "often"), worker_with("", "R3/PT10M")),
        syntax(
            worker_with("", "PT10M,often"),
            worker_with("", "PT10M,PT1H"),
        ),
        syntax(background("often"), background("${often}")),
        syntax(
            user(r##"camunda:assignee="#{bean.boss()}""##),
            user(r##"camunda:assignee="#{boss}""##),
        ),
        syntax(
            user(r#"camunda:candidateGroups="${post}@${""#),
            user(r##"camunda:candidateGroups="#{post}@${org}""##),
        ),
        syntax(worker("${bean.topic()}"), worker("${topic}")),
        syntax(rule("${which}"), rule("Fee")),
        of_files(
            "expression-syntax",
            "t",
            receive("order ="),
            receive("order"),
        ),
        of_files(
            "expression-syntax",
            "m",
            receive("order").replace(r#"name="paid""#, r#"name="paid-${region}""#),
            receive("order"),
        ),
        of_files(
            "expression-syntax",
            "er",
            receive("order").replace(r#"errorCode="BAD""#, r#"errorCode="=code""#),
            receive("order"),
        ),
        of_files(
            "expression-syntax",
            "p",
            within("${days("),
            within("${days}"),
        ),
        called("${which}"),
        called("#{a ? 'x:y' : 'z'}"),
    ]
}
