//! Every promise of `store`, on both databases.

// `cfg(test)` tells clippy that these are tests, where a failed `unwrap` is a failed test.
#[cfg(test)]
mod background;
#[cfg(test)]
mod dialect;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod files;
#[cfg(test)]
mod log;
#[cfg(test)]
mod note;
#[cfg(test)]
mod texts;
#[cfg(test)]
mod writing;
