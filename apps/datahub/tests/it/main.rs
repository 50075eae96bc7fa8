//! Tests of the data spine through all its blocks, one binary.
#![cfg(test)]

mod binding;
mod city;
mod deadlines;
mod granting;
mod house;
mod reading;
mod remembering;
mod stuck;
