//! Time as a parameter: deadlines are the product, so a test or a demo must be able to move it.

use std::sync::Mutex;

use chrono::{DateTime, Duration, FixedOffset, NaiveDate, Utc};

/// Where the time comes from. Everything that needs the time takes `&dyn Clock`.
pub trait Clock: Send + Sync {
    /// The present moment, in UTC.
    fn now(&self) -> DateTime<Utc>;

    /// The date on the wall in China (UTC+8, no summer time), by which law counts days.
    fn today(&self) -> NaiveDate {
        local_date(self.now())
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    pub fn at(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    pub fn set(&self, now: DateTime<Utc>) {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = now;
    }

    pub fn advance(&self, by: Duration) {
        let mut now = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *now += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The machine's clock, moved by an offset: a demo lives through weeks in seconds with it.
#[derive(Debug, Default)]
pub struct ShiftedClock(std::sync::atomic::AtomicI64);

impl ShiftedClock {
    /// Moves the clock to be `by` away from the machine's; negative is the past.
    pub fn shift(&self, by: Duration) {
        let micros = by.num_microseconds().unwrap_or_default();
        self.0.store(micros, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now() + Duration::microseconds(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

const SECONDS_EAST_OF_UTC: i32 = 8 * 3600;

/// The moment on the wall in China (UTC+8).
pub fn local(at: DateTime<Utc>) -> DateTime<FixedOffset> {
    match FixedOffset::east_opt(SECONDS_EAST_OF_UTC) {
        Some(china) => at.with_timezone(&china),
        None => at.fixed_offset(),
    }
}

/// The date on the wall in China (UTC+8).
pub fn local_date(at: DateTime<Utc>) -> NaiveDate {
    local(at).date_naive()
}

/// The form in which every table keeps a moment: microseconds since 1970, which order and compare
/// alike on every database.
pub fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// The reverse of [`micros`].
pub fn from_micros(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}
