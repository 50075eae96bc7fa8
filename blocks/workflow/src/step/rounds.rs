//! Circles that no wait interrupts, of tasks that the step itself carries out.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use crate::{core::Instance, model::Id};

/// Times that one step carries out what stands at one place of one scope; more is a circle. Each
/// instance of several has a scope of its own, so their number is not bounded by this.
const MOST: usize = 1_000;
/// What a step may take that carries out tasks: whoever else writes waits for it.
const PATIENCE: Duration = Duration::from_secs(10);
const CIRCLE: &str = "the process runs in a circle without waiting for anything";
const LATE: &str = "the step takes longer than ten seconds without waiting for anything";

/// What a step carried out so far: the tokens that it had at each place of each scope.
pub(super) struct Rounds {
    begun: Instant,
    tokens: HashMap<(u32, Id), HashSet<u32>>,
}

impl Default for Rounds {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            tokens: HashMap::new(),
        }
    }
}

impl Rounds {
    /// Counts a task that is to be carried out, and whatever it lies in: a circle may lead through
    /// sub-processes and activities with several instances, which are others in each round.
    ///
    /// # Errors
    /// Says why it is one too many.
    pub fn count(&mut self, instance: &Instance, token: u32) -> Result<(), String> {
        if self.begun.elapsed() > PATIENCE {
            return Err(LATE.to_owned());
        }
        let mut next = Some(token);
        while let Some(token) = next {
            let Some(held) = instance.tokens.get(&token) else {
                break;
            };
            let place = self.tokens.entry((held.frame, held.at.clone()));
            let tokens = place.or_default();
            tokens.insert(token);
            if tokens.len() > MOST {
                return Err(CIRCLE.to_owned());
            }
            let frame = instance.frames.get(&held.frame);
            next = frame.and_then(|frame| frame.owner);
        }
        Ok(())
    }
}
