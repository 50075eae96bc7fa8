//! Tests of the data spine through all its blocks, one binary.
#![cfg(test)]

mod binding;
mod city;
mod granting;
mod house;
mod reading;
mod stuck;
