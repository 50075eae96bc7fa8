//! Tests of certificates, one binary.
#![cfg(test)]

mod acts;
mod file;
mod house;
mod issuing;
mod pages;
mod texts;
