//! BPMN 2.0 processes and DMN decisions: tasks, deadlines, working days.

pub mod check;
pub mod core;
pub mod decision;
pub mod expr;
mod juel;
pub mod model;
pub mod read;
pub mod simulate;
mod tree;
