//! Tests of the lake, one binary.

mod asking;
mod clients;
mod delivering;
mod doors;
mod evading;
mod house;
mod texts;
