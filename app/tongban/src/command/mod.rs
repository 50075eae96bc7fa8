//! One file for each subcommand.

pub mod audit;
pub mod bench;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod config;
pub mod demo;
pub mod demo_data;
pub mod departments;
pub mod import;
pub mod link;
pub mod migrate;
pub mod node;
pub mod pack;
pub mod process;
pub mod serve;
pub mod token;
