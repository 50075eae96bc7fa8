//! What is kept: databases, transactions, events and their seal, jobs, files.
//!
//! Owns the tables `store_*`. Promises: a [`Db::write`] happens whole or not at all, and what it
//! answered is on disk; every event gets one gap-free position and one place in the sealed log;
//! a consumer's effect happens once; a job that lost its lease cannot complete.
//! Never knows what the rows mean.

pub mod audit;
pub mod blob;
pub mod consume;
pub mod db;
pub mod dialect;
pub mod event;
mod fault;
pub mod job;
pub mod key_file;
mod log;
mod migrate;
pub mod page;
mod recent;
pub mod schema;
pub mod seal;
pub mod testing;
mod tx;
pub mod work;
mod worker;
mod writer;

pub use blob::Blobs;
pub use db::{Db, Engine, Settings};
pub use event::{Consumer, Event, EventBody};
pub use fault::{fault, is_unique_violation};
pub use job::{Handler, Job, JobBody, JobFailure};
pub use migrate::{Standing, migrate, migrations, standing};
pub use seal::{HeadSigner, KeySigner, Sealer};
pub use store_macros::db_test;
pub use tx::{Late, Tx};
pub use worker::{GIVE_UP_AFTER, Worker};

/// Words that users see, by language.
pub const TEXTS: &[(&str, &str)] = &[
    ("zh-CN", include_str!("../locales/zh-CN/store.ftl")),
    ("en", include_str!("../locales/en/store.ftl")),
];
