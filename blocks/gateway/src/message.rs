//! Heads of messages between hub and node, and what stands in their headers.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::{
    HeaderMap,
    header::{self, HeaderName, HeaderValue},
};
use kernel::{Fault, crypto::Suite};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Base64 of a head's text; both sides sign its digest.
pub const HEAD: HeaderName = HeaderName::from_static("tongban-head");
/// Path and query as they were called. Apart from the head, because they may name a person and the
/// head is kept in the log; the head has their digest.
pub const TARGET: HeaderName = HeaderName::from_static("tongban-target");

/// Headers of a call that reach the department's API.
const ASKED: [HeaderName; 7] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_UNMODIFIED_SINCE,
];
/// Headers of an answer that reach the consumer.
const ANSWERED: [HeaderName; 7] = [
    header::CONTENT_DISPOSITION,
    header::CONTENT_LANGUAGE,
    header::CONTENT_TYPE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::LOCATION,
    header::RETRY_AFTER,
];

/// What the hub asks a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestHead {
    pub call: String,
    pub resource: String,
    pub operation: String,
    pub grant: String,
    /// Unified social credit code of who asks.
    pub consumer: String,
    pub purpose: String,
    pub method: String,
    /// Digest of path and query, hexadecimal.
    pub target: String,
    pub headers: BTreeMap<String, String>,
    /// Name of the suite of algorithms; the answer is signed with the same.
    pub suite: String,
    /// Microseconds.
    pub at: i64,
}

/// What a node answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerHead {
    pub call: String,
    /// Of the department's API; 0 where it did not answer.
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    /// Why the API was not asked, or did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
}

/// What a node could not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The request is not what the hub stands for.
    Unproven,
    /// The call was there before, or its time is long past.
    Replayed,
    /// The node's settings do not offer that resource.
    NotOffered,
    /// The department's API does not answer.
    ApiAway,
    /// It takes too long.
    ApiLate,
}

pub fn digest(suite: &dyn Suite, text: &[u8]) -> String {
    hex::encode(suite.hash(text))
}

/// A head as a header.
pub fn encode(text: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::try_from(STANDARD.encode(text))
        .map_err(|e| Fault::caused_by("write a message's head", e))
}

/// The text of a head, and what it says.
pub fn decode<T: DeserializeOwned>(headers: &HeaderMap) -> Option<(String, T)> {
    let text = STANDARD.decode(headers.get(HEAD)?.as_bytes()).ok()?;
    let text = String::from_utf8(text).ok()?;
    let head = serde_json::from_str(&text).ok()?;
    Some((text, head))
}

fn chosen(headers: &HeaderMap, names: &[HeaderName]) -> BTreeMap<String, String> {
    let one = |name: &HeaderName| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    };
    names.iter().filter_map(one).collect()
}

pub fn asked(headers: &HeaderMap) -> BTreeMap<String, String> {
    chosen(headers, &ASKED)
}

pub fn answered(headers: &HeaderMap) -> BTreeMap<String, String> {
    chosen(headers, &ANSWERED)
}

/// Numbers of calls that were there, for as long as a replay would pass as new.
pub struct Seen {
    numbers: Mutex<HashMap<String, i64>>,
    /// Microseconds.
    window: i64,
}

/// How far a message's time may be from the clock's.
pub const SKEW_SECONDS: i64 = 300;

impl Default for Seen {
    fn default() -> Self {
        Self {
            numbers: Mutex::default(),
            window: SKEW_SECONDS * 1_000_000,
        }
    }
}

impl Seen {
    /// Whether a message of that time is new; it is known from then on.
    pub fn is_new(&self, call: &str, at: i64, now: i64) -> bool {
        if (now - at).abs() > self.window {
            return false;
        }
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        // Now and then, so that the price of forgetting is spread.
        if numbers.len().is_multiple_of(4096) {
            numbers.retain(|_, seen| now - *seen <= 2 * self.window);
        }
        numbers.insert(call.to_owned(), now).is_none()
    }

    /// Nothing was done under that number; it is new again.
    pub fn forget(&self, call: &str) {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.remove(call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_new_once_and_only_in_its_time() {
        let seen = Seen::default();
        let now = 10_000_000_000;
        assert!(seen.is_new("a", now, now));
        assert!(!seen.is_new("a", now, now + 1));
        assert!(seen.is_new("b", now + 299_000_000, now));
        assert!(!seen.is_new("c", now - 301_000_000, now));
    }
}
