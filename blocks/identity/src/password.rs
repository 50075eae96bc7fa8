//! Passwords: what a good one is, and argon2id hashes.

use std::sync::LazyLock;

use argon2::{
    Argon2, Params,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use kernel::{Fault, Finding, Result, Text};
use tokio::sync::Semaphore;

const FEWEST_CHARACTERS: usize = 10;
/// Longer ones only cost hashing time.
const MOST_CHARACTERS: usize = 128;
const FEWEST_CLASSES: usize = 3;

/// 19 MiB, two passes: OWASP's recommendation for argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// Hashes computed at the same time: bounds the memory that a flood of sign-ins can take.
static PLACES: Semaphore = Semaphore::const_new(2);

/// What is wrong with a new password; `names` are the user's own words (login, name, number).
pub fn findings(field: &str, password: &str, names: &[&str]) -> Vec<Finding> {
    let length = password.chars().count();
    let lower = password.to_lowercase();
    let mut keys = Vec::new();
    if length < FEWEST_CHARACTERS {
        keys.push("identity-password-short");
    }
    if length > MOST_CHARACTERS {
        keys.push("identity-password-long");
    }
    if classes(password) < FEWEST_CLASSES {
        keys.push("identity-password-plain");
    }
    let own = names.iter().map(|name| name.trim().to_lowercase());
    if own
        .filter(|name| name.chars().count() >= 2)
        .any(|name| lower.contains(&name))
    {
        keys.push("identity-password-contains-name");
    }
    keys.into_iter()
        .map(|key| Finding::new(field, Text::new(key)))
        .collect()
}

/// Of lower case, upper case, digits and everything else, how many occur.
fn classes(password: &str) -> usize {
    let tests: [fn(char) -> bool; 4] = [
        |c| c.is_lowercase(),
        |c| c.is_uppercase(),
        |c| c.is_ascii_digit(),
        |c| !c.is_lowercase() && !c.is_uppercase() && !c.is_ascii_digit(),
    ];
    tests
        .iter()
        .filter(|test| password.chars().any(**test))
        .count()
}

/// Hashes a password in the PHC form `$argon2id$…`. Slow by design: hash once for many demo
/// accounts.
pub async fn hash(password: String) -> Result<String> {
    in_a_place(move || {
        let hash: PasswordHash = hasher()?
            .hash_password(password.as_bytes())
            .map_err(|e| Fault::caused_by("hash a password", e))?;
        Ok(hash.to_string())
    })
    .await
}

/// Whether the password belongs to the hash. Without a hash (no such account) as much work is
/// done, so that the time tells nothing, and the answer is no.
pub async fn verify(password: String, hash: Option<String>) -> Result<bool> {
    in_a_place(move || {
        let is_known = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODYS.clone());
        let matches = hasher()?
            .verify_password(password.as_bytes(), &*hash)
            .is_ok();
        Ok(matches && is_known)
    })
    .await
}

/// A hash with today's parameters for accounts that do not exist.
static NOBODYS: LazyLock<String> = LazyLock::new(|| {
    let hash: Option<PasswordHash> = hasher().ok().and_then(|h| h.hash_password(b"nobody").ok());
    hash.map(|hash| hash.to_string()).unwrap_or_default()
});

fn hasher() -> Result<Argon2<'static>, Fault> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None)
        .map_err(|e| Fault::caused_by("argon2 parameters", e))?;
    Ok(params.into())
}

async fn in_a_place<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T> {
    let _place = PLACES
        .acquire()
        .await
        .map_err(|e| Fault::caused_by("password hashing", e))?;
    let done = tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Fault::caused_by("password hashing", e))?;
    Ok(done?)
}
