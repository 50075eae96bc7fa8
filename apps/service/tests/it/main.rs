//! What the service desk does, from rules to a whole restaurant.
#![cfg(test)]

mod acts;
mod corrections;
mod days;
mod deadlines;
mod evaluations;
mod import;
mod matter_checks;
mod matter_store;
mod notices;
mod packs;
mod pages;
mod progress;
mod recounts;
mod restaurant;
mod reveals;
mod rules;
mod transfers;
mod world;
