//! Tests of the lake, one binary.
#![cfg(test)]

mod asking;
mod clients;
mod delivering;
mod doors;
mod evading;
mod house;
mod texts;
