//! Identity's tests, one binary.

mod policy;
