//! Identity's tests, one binary.
#![cfg(test)]

mod account;
mod admin;
mod house;
mod policy;
mod sign_in;
mod texts;
