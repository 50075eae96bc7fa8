//! What the service desk does, from rules to a whole restaurant.

mod acts;
mod days;
mod rules;
mod world;
