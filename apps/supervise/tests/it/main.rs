//! Supervision from events to cards, on both databases.

#[cfg(test)]
mod days;
#[cfg(test)]
mod judge;
#[cfg(test)]
mod story;
