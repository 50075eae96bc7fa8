//! What all evaluations of one write may take together: whoever else writes waits for them.

use std::{
    cell::Cell,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::NoValue;

/// A circle with a condition, or many instances with a script each, would otherwise hold the
/// database for as long as one evaluation takes, times their number.
const TOGETHER: Duration = Duration::from_secs(5);
pub(super) const SPENT: &str =
    "has no time: the expressions of this step take longer than five seconds together";

thread_local! {
    /// What is left while a step computes on this thread; it does not await meanwhile.
    static LEFT: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// The time of one write. Its clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Mutex<Duration>>);

impl Budget {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(TOGETHER)))
    }

    /// What is evaluated in the closure is taken from the time.
    pub fn within<T>(&self, compute: impl FnOnce() -> T) -> T {
        let _running = Running::begin(self);
        compute()
    }
}

/// Takes the rest back when the computing ends, be it by a panic.
struct Running<'a> {
    budget: &'a Budget,
    outer: Option<Duration>,
}

impl<'a> Running<'a> {
    fn begin(budget: &'a Budget) -> Self {
        let left = *budget.0.lock().unwrap_or_else(PoisonError::into_inner);
        let outer = LEFT.replace(Some(left));
        Self { budget, outer }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let left = LEFT.replace(self.outer).unwrap_or_default();
        let budget = &self.budget.0;
        *budget.lock().unwrap_or_else(PoisonError::into_inner) = left;
    }
}

/// What is left to the evaluations of the step that computes; nothing where none does.
pub(super) fn left() -> Option<Duration> {
    LEFT.get()
}

/// Evaluates what `shown` begins, unless the time of the write is over.
pub(crate) fn spend<T>(
    shown: &str,
    evaluate: impl FnOnce() -> Result<T, NoValue>,
) -> Result<T, NoValue> {
    let Some(before) = LEFT.get() else {
        return evaluate();
    };
    if before.is_zero() {
        let begin = super::shown(shown);
        return Err(NoValue::unknown(format!("`{begin}` {SPENT}")));
    }
    let begun = Instant::now();
    let value = evaluate();
    LEFT.set(Some(before.saturating_sub(begun.elapsed())));
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeps(millis: u64) -> Result<(), NoValue> {
        spend("x", || {
            std::thread::sleep(Duration::from_millis(millis));
            Ok(())
        })
    }

    #[test]
    fn evaluations_share_the_time_of_their_write() {
        // So long that a busy machine does not spend it on the first.
        let budget = Budget(Arc::new(Mutex::new(Duration::from_millis(500))));
        assert!(budget.within(|| sleeps(1)).is_ok());
        assert!(budget.clone().within(|| sleeps(500)).is_ok());
        let late = budget.within(|| sleeps(1)).unwrap_err();
        assert!(late.is_unknown && late.reason.ends_with(SPENT), "{late:?}");
        assert!(sleeps(1).is_ok(), "outside of a step there is no limit");
    }
}
