//! Tests of the gateway, one binary.
#![cfg(test)]

mod calling;
mod forging;
mod granting;
mod house;
mod proving;
mod querying;
mod texts;
