//! Small models and ways to run them.

use std::fmt::Write;

use serde_json::{Map, Value};
use workflow::simulate::{self, Options};

/// A file with one executable process `p` around `body`.
pub fn process(body: &str) -> String {
    file(&format!(
        r#"<process id="p" name="P" isExecutable="true">{body}</process>"#
    ))
}

/// A file with whatever `body` says, under the usual prefixes.
pub fn file(body: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xmlns:tongban="https://tongban.dev/bpmn"
  xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
  id="defs" targetNamespace="t">
{body}
</definitions>"#
    )
}

/// `a>b c>d[x > 1] e>f*` as sequence flows; `[…]` is a condition.
pub fn flows(list: &str) -> String {
    let mut out = String::new();
    for item in list
        .split(';')
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        let (path, condition) = match item.split_once('[') {
            Some((path, rest)) => (path.trim(), Some(rest.trim_end_matches(']'))),
            None => (item, None),
        };
        let names: Vec<&str> = path.split('>').map(str::trim).collect();
        for pair in names.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let inner = condition.map(|c| {
                let c = c.replace('&', "&amp;").replace('<', "&lt;");
                format!("<conditionExpression>{c}</conditionExpression>")
            });
            write!(out, r#"<sequenceFlow id="{from}-{to}" sourceRef="{from}" targetRef="{to}">{}</sequenceFlow>"#, inner.unwrap_or_default()).unwrap();
        }
    }
    out
}

pub struct Ran {
    pub code: u8,
    pub events: Vec<Value>,
    pub last: Value,
}

impl Ran {
    pub fn outcome(&self) -> &str {
        self.last["outcome"].as_str().unwrap()
    }

    pub fn entered(&self) -> Vec<&str> {
        self.of("enter")
    }

    pub fn of(&self, event: &str) -> Vec<&str> {
        self.events
            .iter()
            .filter(|e| e["event"] == event)
            .map(|e| e["element"].as_str().unwrap())
            .collect()
    }

    pub fn waiting(&self) -> Vec<&str> {
        self.last["waiting"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_str().unwrap())
            .collect()
    }

    pub fn var(&self, name: &str) -> &Value {
        &self.last["variables"][name]
    }

    #[track_caller]
    pub fn ends(self, outcome: &str) -> Self {
        assert_eq!(self.outcome(), outcome, "{:#?}\n{}", self.events, self.last);
        self
    }
}

pub fn run_with(xml: &str, options: &Options) -> Ran {
    let mut out = Vec::new();
    let code = simulate::run(xml.as_bytes(), options, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let mut events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = events.pop().unwrap();
    Ran { code, events, last }
}

pub fn vars(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

/// Runs with a script and variables; nothing completes by itself.
pub fn run(xml: &str, variables: Value, script: &str) -> Ran {
    let script = simulate::parse_script(script).unwrap();
    run_with(
        xml,
        &Options {
            vars: vars(variables),
            script,
            ..Options::default()
        },
    )
}

/// As [`auto`], with so many steps at the most.
pub fn run_most(xml: &str, most: usize) -> Ran {
    let options = Options {
        auto_complete: true,
        max_steps: Some(most),
        ..Options::default()
    };
    run_with(xml, &options)
}

/// Runs with every task completed at once and the clock jumping.
pub fn auto(xml: &str, variables: Value) -> Ran {
    let options = Options {
        vars: vars(variables),
        auto_complete: true,
        jump_timers: true,
        ..Options::default()
    };
    run_with(xml, &options)
}
