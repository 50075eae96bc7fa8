//! Time-ordered identifiers (`UUIDv7`, RFC 9562), one Rust type per kind of thing.

/// Declares a newtype over [`uuid::Uuid`] that is created from a [`Clock`](crate::Clock), prints
/// as the usual hyphenated text and is stored as that text.
///
/// ```
/// kernel::typed_id!(pub CaseId);
/// let id = CaseId::new(&kernel::SystemClock);
/// assert_eq!(id.to_string().parse::<CaseId>(), Ok(id));
/// ```
#[macro_export]
macro_rules! typed_id {
    ($(#[$doc:meta])* pub $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, $crate::id::Serialize, $crate::id::Deserialize)]
        #[serde(transparent)]
        pub struct $name($crate::id::Uuid);

        impl $name {
            /// A new identifier whose order is that of the clock's time.
            pub fn new(clock: &dyn $crate::Clock) -> Self {
                Self::at(clock.now())
            }

            /// A new identifier for a moment, as that of a write.
            pub fn at(moment: $crate::id::Moment) -> Self {
                Self($crate::id::new_v7(moment))
            }

            /// The identifier of what happens at a moment, the same for the same bits: for acts
            /// that may run again.
            pub fn derived(moment: $crate::id::Moment, bits: &[u8; 10]) -> Self {
                Self($crate::id::derived_v7(moment, bits))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::id::ParseError;

            fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

/// What an identifier's order is taken from.
pub type Moment = chrono::DateTime<chrono::Utc>;

pub use serde::{Deserialize, Serialize};
pub use uuid::{Error as ParseError, Uuid};

/// A `UUIDv7` whose other bits are given.
pub fn derived_v7(at: Moment, bits: &[u8; 10]) -> Uuid {
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, bits).into_uuid()
}

/// A `UUIDv7` for the given time; the rest of its bits are random.
pub fn new_v7(at: chrono::DateTime<chrono::Utc>) -> Uuid {
    let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(
        uuid::NoContext,
        seconds,
        at.timestamp_subsec_nanos(),
    ))
}
