//! Every promise of `store`, on both databases.

mod log;
mod note;
mod writing;
