//! Notify's tests, one binary.
#![cfg(test)]

mod house;
mod mail;
mod messages;
