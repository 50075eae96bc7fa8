//! Signing in: password, then second factor where there is one.

use kernel::{Error, Result, Text};
use sea_orm::ActiveValue::Set;
use store::Tx;

use crate::{
    Identity, event, password,
    schema::user,
    second_factor,
    session::{self, NewSession},
    store::{login_of, lookup_user_by_name, update_user},
    throttle::{self, Key},
};

/// What somebody shows to be let in, and from where.
#[derive(Clone, Default)]
pub struct Attempt {
    /// Login name or citizen number.
    pub login: String,
    pub password: String,
    /// Second factor, if it is sent at once.
    pub code: Option<String>,
    pub device: String,
    pub address: String,
    /// Secret of the session the browser had before; it ends, so that nobody can plant one.
    pub previous: Option<String>,
}

/// How far signing in has got. The secret goes into the session cookie.
#[derive(Clone, PartialEq, Eq)]
pub enum SignedIn {
    Open {
        secret: String,
        /// Officers begin at the workbench.
        is_officer: bool,
        /// An officer's posts do not count before a second factor is shown.
        needs_second_factor: bool,
    },
    /// The password was right; the session opens when [`confirm`] is called with the code.
    CodeNeeded { secret: String },
}

/// Signs in. An unknown name, a wrong password and an account without password give the same
/// answer in the same time; failures make account and address wait longer and longer.
pub async fn sign_in(identity: &Identity, attempt: Attempt) -> Result<SignedIn> {
    let user = lookup_user_by_name(identity.db.read(), &attempt.login).await?;
    let name = user
        .as_ref()
        .map_or_else(|| login_of(&attempt.login), |user| user.login.clone());
    let keys = Keys::of(identity, &name, &attempt.address);
    let failures = keys.begin(identity).await?;
    let hash = user
        .as_ref()
        .map(|user| user.password_hash.clone())
        .filter(|hash| !hash.is_empty());
    let matches = password::verify(attempt.password.clone(), hash).await?;
    let known = user.as_ref().map(|user| user.id.clone());
    let Some(user) = user.filter(|_| matches) else {
        note_failure(identity, known, &attempt.address, "password", failures).await?;
        return Err(Error::invalid(
            "password",
            Text::new("identity-sign-in-wrong"),
        ));
    };
    if user.disabled_at.is_some() {
        note_failure(
            identity,
            Some(user.id),
            &attempt.address,
            "disabled",
            failures,
        )
        .await?;
        return Err(Error::refused("identity-user-disabled"));
    }
    let step = match (&attempt.code, needs_code(&user)) {
        (_, false) => None,
        (None, true) => return begin_code(identity, &user, &attempt).await,
        (Some(code), true) => {
            Some(check_code(identity, &user, code, &attempt.address, failures).await?)
        }
    };
    open(identity, &user, &keys, &attempt, step).await
}

fn needs_code(user: &user::Model) -> bool {
    user.totp_confirmed_at.is_some()
}

async fn begin_code(
    identity: &Identity,
    user: &user::Model,
    attempt: &Attempt,
) -> Result<SignedIn> {
    let secret = crate::secret::generate()?;
    let new = NewSession {
        user: user.id.clone(),
        secret: secret.clone(),
        is_pending: true,
        second_factor: false,
        device: attempt.device.clone(),
        address: attempt.address.clone(),
    };
    let settings = identity.settings.clone();
    identity
        .db
        .write(move |tx| {
            let (new, settings) = (new.clone(), settings.clone());
            async move { session::insert(&tx, &settings, &new).await }
        })
        .await?;
    Ok(SignedIn::CodeNeeded { secret })
}

/// The second half of signing in: `attempt.previous` is the secret of [`SignedIn::CodeNeeded`],
/// `attempt.code` the code. The session opens under a new secret.
pub async fn confirm(identity: &Identity, attempt: Attempt) -> Result<SignedIn> {
    let pending = match &attempt.previous {
        Some(secret) => session::lookup(identity.db.read(), secret).await?,
        None => None,
    };
    let now = kernel::clock::micros(identity.db.clock().now());
    let pending = pending.filter(|row| !row.is_open() && row.is_alive(now, &identity.settings));
    let pending = pending.ok_or(Error::refused("identity-sign-in-over"))?;
    let user = crate::store::get_user(identity.db.read(), &pending.user_id).await?;
    let keys = Keys::of(identity, &user.login, &attempt.address);
    let failures = keys.begin(identity).await?;
    let code = attempt.code.as_deref().unwrap_or_default();
    let step = check_code(identity, &user, code, &attempt.address, failures).await?;
    open(identity, &user, &keys, &attempt, Some(step)).await
}

async fn check_code(
    identity: &Identity,
    user: &user::Model,
    code: &str,
    address: &str,
    failures: i32,
) -> Result<i64> {
    let step = code_step(identity, user, code)?;
    if let Some(step) = step {
        return Ok(step);
    }
    note_failure(identity, Some(user.id.clone()), address, "code", failures).await?;
    Err(Error::invalid(
        "code",
        Text::new("identity-second-factor-code-wrong"),
    ))
}

/// The time step of a right code.
pub(crate) fn code_step(
    identity: &Identity,
    user: &user::Model,
    code: &str,
) -> Result<Option<i64>> {
    let vault = identity.vault()?;
    let envelope = user.totp_secret.as_deref().unwrap_or_default();
    let secret = vault.open(&user.id, envelope)?;
    second_factor::step(
        &secret,
        code,
        identity.db.clock().now(),
        user.totp_last_step,
    )
}

async fn open(
    identity: &Identity,
    user: &user::Model,
    keys: &Keys,
    attempt: &Attempt,
    step: Option<i64>,
) -> Result<SignedIn> {
    let secret = crate::secret::generate()?;
    let new = NewSession {
        user: user.id.clone(),
        secret: secret.clone(),
        is_pending: false,
        second_factor: step.is_some(),
        device: attempt.device.clone(),
        address: attempt.address.clone(),
    };
    let previous = match &attempt.previous {
        Some(secret) => session::lookup(identity.db.read(), secret)
            .await?
            .map(|row| row.id),
        None => None,
    };
    let (settings, keys) = (identity.settings.clone(), keys.clone());
    identity
        .db
        .write(move |tx| {
            let (settings, keys, new) = (settings.clone(), keys.clone(), new.clone());
            let previous = previous.clone();
            async move {
                throttle::forgive(&tx, &settings, &keys.account, &keys.address).await?;
                if let Some(previous) = previous {
                    session::end(&tx, &previous).await?;
                }
                if let Some(step) = step {
                    spend(&tx, &new.user, step).await?;
                }
                let session = session::insert(&tx, &settings, &new).await?;
                let body = event::SignedIn {
                    user: new.user.clone(),
                    session: session.to_string(),
                    address: new.address,
                    device: new.device,
                    second_factor: new.second_factor,
                };
                tx.emit(
                    format!("user:{}", new.user),
                    format!("user:{}", new.user),
                    &body,
                )
            }
        })
        .await?;
    let is_officer = user.party_id.is_none();
    Ok(SignedIn::Open {
        secret,
        is_officer,
        needs_second_factor: is_officer && identity.settings.officers_need_totp && step.is_none(),
    })
}

/// A code counts once, even if two browsers send it at the same moment.
pub(crate) async fn spend(tx: &Tx, user: &str, step: i64) -> Result<()> {
    let row = crate::store::get_user(&**tx, user).await?;
    if row.totp_last_step >= step {
        return Err(Error::invalid(
            "code",
            Text::new("identity-second-factor-code-wrong"),
        ));
    }
    let change = user::ActiveModel {
        totp_last_step: Set(step),
        ..Default::default()
    };
    update_user(tx, user, change).await
}

#[derive(Clone)]
pub(crate) struct Keys {
    account: Key,
    address: Key,
}

impl Keys {
    pub fn of(identity: &Identity, name: &str, address: &str) -> Self {
        Self {
            account: Key::account(&identity.settings, name),
            address: Key::address(&identity.settings, address),
        }
    }

    pub async fn begin(&self, identity: &Identity) -> Result<i32> {
        let (settings, keys) = (
            identity.settings.clone(),
            [self.account.clone(), self.address.clone()],
        );
        identity
            .db
            .write(move |tx| {
                let (settings, keys) = (settings.clone(), keys.clone());
                async move { throttle::begin(&tx, &settings, &keys).await }
            })
            .await
    }

    pub async fn forgive(&self, tx: &Tx, identity: &crate::Settings) -> Result<()> {
        throttle::forgive(tx, identity, &self.account, &self.address).await
    }
}

async fn note_failure(
    identity: &Identity,
    user: Option<String>,
    address: &str,
    reason: &str,
    failures: i32,
) -> Result<()> {
    let subject = user.as_deref().map_or_else(
        || format!("address:{address}"),
        |user| format!("user:{user}"),
    );
    let body = event::SignInFailed {
        user,
        address: address.to_owned(),
        reason: reason.to_owned(),
        failures,
    };
    identity
        .db
        .write(move |tx| {
            let (subject, body) = (subject.clone(), body.clone());
            async move { tx.emit(subject, "nobody", &body) }
        })
        .await
}

/// The path to return to after signing in: on this server only, or else the form would be a
/// stepping stone to any other.
pub fn local_path(next: &str) -> &str {
    let is_local = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains(['\\', '\n', '\r', '\t', '\0'])
        && !next.starts_with("/sign-");
    if is_local { next } else { "/" }
}
