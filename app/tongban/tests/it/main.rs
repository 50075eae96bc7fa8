//! Tests of the whole: the law of the floors and the executable as its users run it.
#[cfg(test)]
mod api;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod law;
#[cfg(test)]
mod link;
#[cfg(test)]
mod words;
