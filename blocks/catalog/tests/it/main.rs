//! Tests of the catalog, one binary.
#![cfg(test)]

mod asking;
mod checking;
mod house;
mod joining;
mod living;
mod tables;
mod texts;
