//! What a user does to her own account: password and second factor.

use kernel::{Error, Finding, Result, Text, clock::micros};
use sea_orm::ActiveValue::Set;

use crate::{
    Actor, Identity, Resource, Ticket, event, password,
    schema::user,
    second_factor::{self, Enrolment},
    session,
    sign_in::{Keys, code_step, spend},
    store::{get_user, lookup_party, update_user},
};

fn own(actor: &Actor) -> Resource {
    Resource::new("User", actor.user)
}

/// The words a password may not contain.
async fn words(identity: &Identity, row: &user::Model) -> Result<Vec<String>> {
    let mut words = vec![row.login.clone(), row.name.clone()];
    if let Some(party) = &row.party_id
        && let Some(party) = lookup_party(identity.db.read(), party).await?
    {
        words.extend([party.code, party.phone]);
    }
    Ok(words)
}

/// Changes the password and ends all other sessions. The present password is asked again and
/// guessing it is slowed down like signing in, so that a screen left open is not an account lost.
pub async fn change_password(
    identity: &Identity,
    actor: &Actor,
    ticket: &Ticket,
    present: String,
    new: String,
) -> Result<()> {
    actor.may(&identity.gate, "identity.password.change", &own(actor))?;
    let row = get_user(identity.db.read(), &actor.user.to_string()).await?;
    let words = words(identity, &row).await?;
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let mut findings = password::findings("new", &new, &words);
    if present == new {
        findings.push(Finding::new("new", Text::new("identity-password-same")));
    }
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    let keys = Keys::of(identity, &row.login, &place(&row));
    keys.begin(identity).await?;
    if !password::verify(present.clone(), Some(row.password_hash.clone())).await? {
        return Err(Error::invalid(
            "present",
            Text::new("identity-password-present-wrong"),
        ));
    }
    let hash = password::hash(new).await?;
    let kept = session_of(ticket);
    let (settings, trace) = (identity.settings.clone(), actor.trace());
    identity
        .db
        .write(move |tx| {
            let (hash, kept, trace) = (hash.clone(), kept.clone(), trace.clone());
            let (settings, keys, id) = (settings.clone(), keys.clone(), row.id.clone());
            async move {
                keys.forgive(&tx, &settings).await?;
                let change = user::ActiveModel {
                    password_hash: Set(hash),
                    password_changed_at: Set(micros(tx.now())),
                    ..Default::default()
                };
                update_user(&tx, &id, change).await?;
                session::end_others(&tx, &id, kept.as_deref()).await?;
                tx.emit(
                    format!("user:{id}"),
                    trace,
                    &event::PasswordChanged { user: id },
                )
            }
        })
        .await
}

/// What failures are counted under instead of a network address: the user's own page, so that
/// one who guesses there holds up nobody else.
fn place(row: &user::Model) -> String {
    format!("account page of {}", row.id)
}

fn session_of(ticket: &Ticket) -> Option<String> {
    match ticket {
        Ticket::Session(id) => Some(id.to_string()),
        Ticket::Token(_) => None,
    }
}

/// Whether the user has a second factor.
pub async fn has_second_factor(identity: &Identity, actor: &Actor) -> Result<bool> {
    actor.may(&identity.gate, "identity.self.read", &own(actor))?;
    let row = get_user(identity.db.read(), &actor.user.to_string()).await?;
    Ok(row.totp_confirmed_at.is_some())
}

/// Makes a new secret and shows it. It counts only after [`confirm_second_factor`]; until then
/// calling again makes another.
pub async fn enrol_second_factor(identity: &Identity, actor: &Actor) -> Result<Enrolment> {
    actor.may(&identity.gate, "identity.second_factor.manage", &own(actor))?;
    let row = get_user(identity.db.read(), &actor.user.to_string()).await?;
    if row.totp_confirmed_at.is_some() {
        return Err(Error::refused("identity-second-factor-already"));
    }
    let secret = second_factor::generate()?;
    let envelope = identity.vault()?.seal(&row.id, &secret)?;
    let enrolment = second_factor::enrolment(&identity.issuer, &row.login, &secret)?;
    identity
        .db
        .write(move |tx| {
            let (envelope, id) = (envelope.clone(), row.id.clone());
            async move {
                let change = user::ActiveModel {
                    totp_secret: Set(Some(envelope)),
                    totp_last_step: Set(0),
                    ..Default::default()
                };
                update_user(&tx, &id, change).await
            }
        })
        .await?;
    Ok(enrolment)
}

/// The secret that waits for its first code, shown again after a wrong code.
pub async fn waiting_second_factor(
    identity: &Identity,
    actor: &Actor,
) -> Result<Option<Enrolment>> {
    actor.may(&identity.gate, "identity.second_factor.manage", &own(actor))?;
    let row = get_user(identity.db.read(), &actor.user.to_string()).await?;
    let Some(envelope) = row.totp_secret.filter(|_| row.totp_confirmed_at.is_none()) else {
        return Ok(None);
    };
    let secret = identity.vault()?.open(&row.id, &envelope)?;
    Ok(Some(second_factor::enrolment(
        &identity.issuer,
        &row.login,
        &secret,
    )?))
}

/// Turns the second factor on, and the present session into one that showed it.
pub async fn confirm_second_factor(
    identity: &Identity,
    actor: &Actor,
    ticket: &Ticket,
    code: &str,
) -> Result<()> {
    actor.may(&identity.gate, "identity.second_factor.manage", &own(actor))?;
    let row = get_user(identity.db.read(), &actor.user.to_string()).await?;
    if row.totp_confirmed_at.is_some() {
        return Err(Error::refused("identity-second-factor-already"));
    }
    let step =
        code_step(identity, &row, code)?.ok_or_else(|| Error::Invalid(vec![wrong_code()]))?;
    let (session, trace) = (session_of(ticket), actor.trace());
    identity
        .db
        .write(move |tx| {
            let (session, trace, id) = (session.clone(), trace.clone(), row.id.clone());
            async move {
                spend(&tx, &id, step).await?;
                let change = user::ActiveModel {
                    totp_confirmed_at: Set(Some(micros(tx.now()))),
                    ..Default::default()
                };
                update_user(&tx, &id, change).await?;
                if let Some(session) = session {
                    session::strengthen(&tx, &session).await?;
                }
                tx.emit(
                    format!("user:{id}"),
                    trace,
                    &event::SecondFactorAdded { user: id },
                )
            }
        })
        .await
}

fn wrong_code() -> Finding {
    Finding::new("code", Text::new("identity-second-factor-code-wrong"))
}

/// Turns the second factor off; the password and a code are asked, because this is what a thief
/// of a session would do first.
pub async fn remove_second_factor(
    identity: &Identity,
    actor: &Actor,
    password: String,
    code: &str,
) -> Result<()> {
    actor.may(&identity.gate, "identity.second_factor.manage", &own(actor))?;
    let row = get_user(identity.db.read(), &actor.user.to_string()).await?;
    if row.totp_confirmed_at.is_none() {
        return Err(Error::refused("identity-second-factor-none"));
    }
    let keys = Keys::of(identity, &row.login, &place(&row));
    keys.begin(identity).await?;
    if !password::verify(password, Some(row.password_hash.clone())).await? {
        return Err(Error::invalid(
            "password",
            Text::new("identity-password-present-wrong"),
        ));
    }
    let step =
        code_step(identity, &row, code)?.ok_or_else(|| Error::Invalid(vec![wrong_code()]))?;
    let (settings, trace) = (identity.settings.clone(), actor.trace());
    identity
        .db
        .write(move |tx| {
            let (settings, keys) = (settings.clone(), keys.clone());
            let (trace, id) = (trace.clone(), row.id.clone());
            async move {
                keys.forgive(&tx, &settings).await?;
                spend(&tx, &id, step).await?;
                let change = user::ActiveModel {
                    totp_secret: Set(None),
                    totp_confirmed_at: Set(None),
                    ..Default::default()
                };
                update_user(&tx, &id, change).await?;
                tx.emit(
                    format!("user:{id}"),
                    trace,
                    &event::SecondFactorRemoved { user: id },
                )
            }
        })
        .await
}
