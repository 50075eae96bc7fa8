//! Tests of the lake, one binary.
#![cfg(test)]

mod asking;
mod clients;
#[cfg(feature = "cluster")]
mod cluster;
mod delivering;
mod doors;
mod evading;
mod house;
mod texts;
