//! Tests of the exchange, one binary.
#![cfg(test)]

mod enrolling;
mod flowing;
mod house;
mod texts;
