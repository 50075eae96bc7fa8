//! Tests of the whole: the law of the floors and the executable as its users run it.
mod docs;
mod law;
mod words;
