//! Tests of registries, one binary.
#![cfg(test)]

mod declaring;
mod doors;
mod house;
mod loading;
mod matching;
mod objecting;
mod reading;
mod scale;
mod stating;
mod texts;
