//! Tests of registries, one binary.
#![cfg(test)]

mod declaring;
mod doors;
mod house;
mod loading;
mod matching;
mod objecting;
mod overseeing;
mod reading;
mod scale;
mod stating;
mod texts;
