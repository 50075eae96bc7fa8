//! Tests of the exchange, one binary.
#![cfg(test)]

mod ahead;
mod bulk;
mod copying;
mod cutting;
mod doors;
mod drivers;
mod enrolling;
mod faults;
mod files;
mod flowing;
mod forging;
mod house;
mod http;
mod keeping;
mod killing;
mod loading;
mod replication;
mod standing;
mod texts;
