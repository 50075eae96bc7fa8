//! How fast the pure core is: `cargo run --release -p workflow --example core -- [seconds]`.
//!
//! One line of JSON per figure on standard error: a parallel approval of three branches driven to
//! its end again and again by one thread (with its state written as JSON and read back after every
//! task in the second figure), the size of that state with three open tasks, checking a file of
//! 2,000 elements, and one instance of 1,000 and of 10,000 tasks completed one by one.

use std::{
    fmt::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use serde_json::Map;
use workflow::{
    check::read_and_check,
    core::{Input, Instance, Process, State, step},
};

fn main() -> Result<(), String> {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let span = Duration::from_secs(seconds.unwrap_or(3));
    let process = compile(APPROVAL)?;
    let mut bytes = 0;
    for (name, saves) in [
        ("core_instances_per_s", false),
        ("core_saved_instances_per_s", true),
    ] {
        let begin = Instant::now();
        let mut made = 0_u32;
        while begin.elapsed() < span {
            for _ in 0..100 {
                bytes = approve(&process, saves)?;
            }
            made += 100;
        }
        tell(name, f64::from(made) / begin.elapsed().as_secs_f64());
    }
    tell(
        "state_bytes",
        f64::from(u32::try_from(bytes).map_err(|e| e.to_string())?),
    );
    let file = long(2_000)?;
    let begin = Instant::now();
    compile(&file)?;
    tell("deploy_2000_ms", begin.elapsed().as_secs_f64() * 1_000.0);
    for count in [1_000, 10_000] {
        tell(
            &format!("multi_{count}_ms"),
            many(count)?.as_secs_f64() * 1_000.0,
        );
    }
    Ok(())
}

fn tell(name: &str, value: f64) {
    eprintln!(r#"{{"name":"{name}","value":{value:.3}}}"#);
}

const APPROVAL: &str = r#"<process id="p" isExecutable="true"><startEvent id="s"/><endEvent id="e"/>
    <parallelGateway id="g"/><parallelGateway id="j"/><userTask id="a"/><userTask id="b"/><userTask id="c"/>
    <sequenceFlow id="f0" sourceRef="s" targetRef="g"/>
    <sequenceFlow id="f1" sourceRef="g" targetRef="a"/><sequenceFlow id="f2" sourceRef="a" targetRef="j"/>
    <sequenceFlow id="f3" sourceRef="g" targetRef="b"/><sequenceFlow id="f4" sourceRef="b" targetRef="j"/>
    <sequenceFlow id="f5" sourceRef="g" targetRef="c"/><sequenceFlow id="f6" sourceRef="c" targetRef="j"/>
    <sequenceFlow id="f7" sourceRef="j" targetRef="e"/></process>"#;

fn compile(body: &str) -> Result<Process, String> {
    let xml = format!(
        r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d" targetNamespace="t">{body}</definitions>"#
    );
    let (model, findings) = read_and_check(xml.as_bytes());
    let model = model.ok_or_else(|| format!("{findings:?}"))?;
    Process::new(Arc::new(model), None).ok_or_else(|| "no process".to_owned())
}

fn now() -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH
}

/// One instance from its start to its end; the bytes of its state with three open tasks.
fn approve(process: &Process, saves: bool) -> Result<usize, String> {
    let mut instance = process.instance();
    let start = Input::Start {
        at: None,
        vars: Map::new(),
    };
    step(process, &mut instance, start, now()).map_err(|e| e.to_string())?;
    let mut bytes = 0;
    while let Some(token) = open_task(&instance) {
        if saves {
            let written = serde_json::to_vec(&instance).map_err(|e| e.to_string())?;
            bytes = bytes.max(written.len());
            instance = serde_json::from_slice(&written).map_err(|e| e.to_string())?;
        }
        complete(process, &mut instance, token)?;
    }
    instance
        .is_over()
        .then_some(bytes)
        .ok_or_else(|| "it did not end".to_owned())
}

fn open_task(instance: &Instance) -> Option<u32> {
    let mut waiting = instance.waiting();
    waiting
        .find(|(_, token)| token.state == State::Task)
        .map(|(id, _)| id)
}

fn complete(process: &Process, instance: &mut Instance, token: u32) -> Result<(), String> {
    let input = Input::Complete {
        token,
        vars: Map::new(),
    };
    step(process, instance, input, now()).map_err(|e| e.to_string())?;
    Ok(())
}

/// A process of so many elements: tasks and choices with conditions, one after another.
fn long(elements: usize) -> Result<String, String> {
    let mut body = String::from(r#"<process id="p" isExecutable="true"><startEvent id="n0"/>"#);
    let wrong = |e: std::fmt::Error| e.to_string();
    for n in 1..elements {
        let before = n - 1;
        write!(
            body,
            r#"<sequenceFlow id="f{n}" sourceRef="n{before}" targetRef="n{n}">"#
        )
        .map_err(wrong)?;
        // Every tenth is a choice that may leave at once.
        if before % 10 == 5 {
            write!(
                body,
                "<conditionExpression>amount > {n} and kind = \"x\"</conditionExpression>"
            )
            .map_err(wrong)?;
        }
        body.push_str("</sequenceFlow>");
        if n % 10 == 5 {
            write!(body, r#"<exclusiveGateway id="n{n}" default="d{n}"/><sequenceFlow id="d{n}" sourceRef="n{n}" targetRef="end"/>"#).map_err(wrong)?;
        } else {
            write!(body, r#"<userTask id="n{n}" name="step {n}"/>"#).map_err(wrong)?;
        }
    }
    let last = elements - 1;
    write!(body, r#"<sequenceFlow id="last" sourceRef="n{last}" targetRef="end"/><endEvent id="end"/></process>"#).map_err(wrong)?;
    Ok(body)
}

/// One instance with so many parallel tasks, completed one by one.
fn many(count: u32) -> Result<Duration, String> {
    let process = compile(&format!(
        r#"<process id="p" isExecutable="true"><startEvent id="s"/><endEvent id="e"/>
        <userTask id="t"><multiInstanceLoopCharacteristics><loopCardinality>{count}</loopCardinality></multiInstanceLoopCharacteristics></userTask>
        <sequenceFlow id="f0" sourceRef="s" targetRef="t"/><sequenceFlow id="f1" sourceRef="t" targetRef="e"/></process>"#
    ))?;
    let begin = Instant::now();
    let mut instance = process.instance();
    let start = Input::Start {
        at: None,
        vars: Map::new(),
    };
    step(&process, &mut instance, start, now()).map_err(|e| e.to_string())?;
    let tasks: Vec<u32> = instance
        .tokens
        .iter()
        .filter(|(_, token)| token.state == State::Task)
        .map(|(id, _)| *id)
        .collect();
    for token in tasks {
        complete(&process, &mut instance, token)?;
    }
    instance
        .is_over()
        .then(|| begin.elapsed())
        .ok_or_else(|| "it did not end".to_owned())
}
