//! Identity's tests, one binary.

mod account;
mod admin;
mod house;
mod policy;
mod sign_in;
mod texts;
