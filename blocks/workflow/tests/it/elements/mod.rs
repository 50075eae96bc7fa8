//! Every element of BPMN that runs, each with the smallest model that shows it.

mod errors;
mod events;
mod gateways;
mod repeats;
mod sub_processes;
mod tasks;

use crate::model::{flows, process};

const ENDS: &str = r#"<startEvent id="s"/><endEvent id="e"/>"#;

fn simple(middle: &str, list: &str) -> String {
    process(&format!("{ENDS}{middle}{}", flows(list)))
}
