//! One binary of all tests of the crate.
#![cfg_attr(
    test,
    expect(
        clippy::format_push_string,
        clippy::format_collect,
        clippy::too_many_lines,
        clippy::similar_names,
        reason = "models and scripts are put together in long, plain steps"
    )
)]

#[cfg(test)]
mod aside;
#[cfg(test)]
mod back;
#[cfg(test)]
mod bureau;
#[cfg(test)]
mod camunda;
#[cfg(test)]
mod camunda_engines;
#[cfg(test)]
mod camunda_history;
#[cfg(test)]
mod camunda_variables;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod conditions;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod correlation;
#[cfg(test)]
mod decision_check;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod deployments;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod dialects;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod durable;
#[cfg(test)]
mod durable_stops;
#[cfg(test)]
mod elements;
#[cfg(test)]
mod encodings;
#[cfg(test)]
mod external;
#[cfg(test)]
mod fetching;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod held;
#[cfg(test)]
mod house;
#[cfg(test)]
mod large;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod migrate;
#[cfg(test)]
mod model;
#[cfg(test)]
mod named;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod outputs;
#[cfg(test)]
mod over;
#[cfg(test)]
mod own_data;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod post;
#[cfg(test)]
mod prune;
#[cfg(test)]
mod queries;
#[cfg(test)]
mod recipe;
#[cfg(test)]
mod relocate;
#[cfg(test)]
mod required;
#[cfg(test)]
mod rounds;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod seats;
#[cfg(test)]
mod semantics;
#[cfg(test)]
mod signers;
#[cfg(test)]
mod starters;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod stops;
#[cfg(test)]
mod stored;
#[cfg(test)]
mod time_doors;
#[cfg(test)]
mod unattended;
#[cfg(test)]
mod verbs;
#[cfg(test)]
mod zeebe;
