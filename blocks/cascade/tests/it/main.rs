//! Tests of the cascade, one binary.
#![cfg(test)]

mod house;
mod parting;
mod relaying;
mod reporting;
mod texts;
