//! Tests of the lake, one binary.

mod delivering;
mod house;
mod texts;
