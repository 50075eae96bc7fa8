//! Tests of forms, one binary.
#![cfg(test)]

mod draft;
mod house;
mod merged;
mod rules;
mod shown;
mod texts;
