//! Every promise of `store`, on both databases.

mod writing;
