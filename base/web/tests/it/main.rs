//! The web crate through its router, with a small module of its own.

#[cfg(test)]
mod errors;
#[cfg(test)]
mod guard;
#[cfg(test)]
mod house;
#[cfg(test)]
mod language;
#[cfg(test)]
mod pages;
