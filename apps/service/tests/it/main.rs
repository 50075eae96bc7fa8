//! What the service desk does, from rules to a whole restaurant.

mod days;
mod rules;
