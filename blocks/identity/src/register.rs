//! Making an account, and binding a firm to its legal representative.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::NaiveDate;
use kernel::{
    Error, Finding, Result, Text,
    clock::micros,
    code::{citizen, normalise, uscc},
};
use sea_orm::{ActiveValue::Set, EntityTrait};
use store::{Db, Tx, fault};

use crate::{
    Actor, AgentId, Identity, PartyId, PartyKind, Resource, UserId,
    agent::{self, Agent, EVERYTHING, Role},
    event, password,
    schema::{party as table, user},
    store::{
        NewUser, get_user, id, insert_user, kind_of, login_of, lookup_party_by_code,
        lookup_user_by_name, lookup_user_of_party, party_of, update_user,
    },
};

/// Given by the user, only the form of it checked.
const STATED: u8 = 1;
/// Name and number confirmed by a base registry.
const CONFIRMED: u8 = 2;

/// What a base registry says to a name and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Matches,
    /// The number belongs to somebody else.
    Differs,
    /// The registry does not have the number.
    Unknown,
}

/// The two-element check (name and document number) against population or legal-entity base.
/// Only the verdict is kept.
#[async_trait]
pub trait BaseRegistry: Send + Sync + 'static {
    async fn check(&self, name: &str, code: &str) -> Result<Verdict>;
}

/// The registry in use; an [`App`](web::App) part. Put one before the module is made to replace
/// [`LocalRegistry`].
#[derive(Clone)]
pub struct Registry(pub Arc<dyn BaseRegistry>);

/// Compares with the parties that base data has brought into this database.
pub struct LocalRegistry {
    db: Db,
}

impl LocalRegistry {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[async_trait]
impl BaseRegistry for LocalRegistry {
    async fn check(&self, name: &str, code: &str) -> Result<Verdict> {
        let row = lookup_party_by_code(self.db.read(), &normalise(code)).await?;
        Ok(match row.filter(|row| row.is_base) {
            None => Verdict::Unknown,
            Some(row) if plain_name(&row.name) == plain_name(name) => Verdict::Matches,
            Some(_) => Verdict::Differs,
        })
    }
}

/// Names as they are compared: without blanks around, half-width, one kind of middle dot
/// (people write U+2022 and U+30FB for U+00B7).
pub fn plain_name(name: &str) -> String {
    let dots = name
        .trim()
        .replace(['\u{2022}', '\u{30fb}', '\u{ff65}'], "\u{b7}");
    let folded = dots.chars().map(|c| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    });
    folded.collect()
}

/// What the registration form holds.
#[derive(Clone, Default, serde::Deserialize, utoipa::ToSchema)]
pub struct Registration {
    #[schema(example = "zhang-jing")]
    pub login: String,
    #[schema(example = "张静（合成）")]
    pub name: String,
    /// Citizen number.
    #[schema(example = "320000199001010039")]
    pub code: String,
    #[schema(example = "13800138000")]
    pub phone: String,
    #[schema(example = "correct-Horse-7")]
    pub password: String,
}

/// Makes an account for a natural person. Level 2 if a base registry confirms name and number,
/// level 1 if it does not know the number; refused if it knows it under another name.
pub async fn register(identity: &Identity, form: &Registration) -> Result<UserId> {
    let today = identity.db.clock().today();
    let findings = findings(form, today);
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    let code = normalise(&form.code);
    let assurance = match identity.registry.check(&form.name, &code).await? {
        Verdict::Matches => CONFIRMED,
        Verdict::Unknown => STATED,
        Verdict::Differs => {
            return Err(Error::invalid(
                "name",
                Text::new("identity-register-name-differs"),
            ));
        }
    };
    let password_hash = password::hash(form.password.clone()).await?;
    let new = NewPerson {
        login: login_of(&form.login),
        name: plain_name(&form.name),
        code,
        phone: normalise(&form.phone),
        password_hash,
        assurance,
    };
    identity
        .db
        .write(move |tx| {
            let new = new.clone();
            async move { insert_person(&tx, new).await }
        })
        .await
}

#[derive(Clone)]
struct NewPerson {
    login: String,
    name: String,
    code: String,
    phone: String,
    password_hash: String,
    assurance: u8,
}

async fn insert_person(tx: &Tx, new: NewPerson) -> Result<UserId> {
    if lookup_user_by_name(&**tx, &new.login).await?.is_some() {
        return Err(Error::invalid(
            "login",
            Text::new("identity-register-login-taken"),
        ));
    }
    let party = match lookup_party_by_code(&**tx, &new.code).await? {
        Some(row) if lookup_user_of_party(&**tx, &row.id).await?.is_some() => {
            return Err(Error::invalid(
                "code",
                Text::new("identity-register-already"),
            ));
        }
        Some(row) => {
            // The base keeps its name; the phone is the user's to say.
            let change = table::ActiveModel {
                id: Set(row.id.clone()),
                phone: Set(new.phone.clone()),
                ..Default::default()
            };
            table::Entity::update(change)
                .exec(&**tx)
                .await
                .map_err(|e| fault("update a party", e))?;
            row.id
        }
        None => insert_party(tx, &new).await?,
    };
    let user = UserId::from_moment(tx.now());
    let body = event::Registered {
        user: user.to_string(),
        party: party.clone(),
        assurance: new.assurance,
    };
    let row = NewUser {
        id: user.to_string(),
        login: new.login,
        name: new.name,
        party_id: Some(party),
        assurance: new.assurance,
        password_hash: new.password_hash,
    };
    insert_user(tx, row).await?;
    tx.emit(format!("user:{user}"), format!("user:{user}"), &body)?;
    Ok(user)
}

async fn insert_party(tx: &Tx, new: &NewPerson) -> Result<String> {
    let id = PartyId::from_moment(tx.now()).to_string();
    let row = table::ActiveModel {
        id: Set(id.clone()),
        kind: Set("natural".into()),
        code: Set(new.code.clone()),
        name: Set(new.name.clone()),
        phone: Set(new.phone.clone()),
        address: Set(String::new()),
        representative: Set(None),
        is_base: Set(false),
        created_at: Set(micros(tx.now())),
    };
    table::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("insert a party", e))?;
    Ok(id)
}

fn findings(form: &Registration, today: NaiveDate) -> Vec<Finding> {
    let mut findings = login_findings(&form.login);
    let name = plain_name(&form.name);
    if name.chars().count() < 2 || name.chars().count() > 60 || name.chars().any(char::is_control) {
        findings.push(Finding::new("name", Text::new("identity-name-unreadable")));
    }
    if let Err(error) = citizen::parse(&form.code, today) {
        findings.push(error.at("code"));
    }
    if !is_mobile(&form.phone) {
        findings.push(Finding::new(
            "phone",
            Text::new("identity-phone-unreadable"),
        ));
    }
    let own = [form.login.as_str(), &form.name, &form.code, &form.phone];
    findings.extend(password::findings("password", &form.password, &own));
    findings
}

/// Login names are typed everywhere, so only what every keyboard has; and no citizen number, by
/// which people sign in too.
pub(crate) fn login_findings(login: &str) -> Vec<Finding> {
    let login = login_of(login);
    let length = login.len();
    let is_plain = login
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let begins_well = login.starts_with(|c: char| c.is_ascii_alphabetic());
    if (3..=40).contains(&length) && is_plain && begins_well {
        return Vec::new();
    }
    vec![Finding::new(
        "login",
        Text::new("identity-login-unreadable"),
    )]
}

fn is_mobile(phone: &str) -> bool {
    let phone = normalise(phone);
    phone.len() == 11 && phone.starts_with('1') && phone.chars().all(|c| c.is_ascii_digit())
}

/// Asks the base registry again, for an account that was made before it knew the number.
pub async fn verify(identity: &Identity, actor: &Actor) -> Result<u8> {
    let own = Resource::new("User", actor.user);
    actor.may(&identity.gate, "identity.self.verify", &own)?;
    let party = actor
        .own
        .clone()
        .ok_or(Error::refused("identity-verify-officer"))?;
    if actor.assurance >= CONFIRMED {
        return Ok(actor.assurance);
    }
    match identity.registry.check(&party.name, &party.code).await? {
        Verdict::Matches => {}
        Verdict::Differs => return Err(Error::refused("identity-verify-differs")),
        Verdict::Unknown => return Err(Error::refused("identity-verify-unknown")),
    }
    let (user, trace) = (actor.user.to_string(), actor.trace());
    identity
        .db
        .write(move |tx| {
            let (user, trace, party) = (user.clone(), trace.clone(), party.id.to_string());
            async move {
                let row = get_user(&*tx, &user).await?;
                let level = row.assurance.max(i32::from(CONFIRMED));
                let change = user::ActiveModel {
                    assurance: Set(level),
                    ..Default::default()
                };
                update_user(&tx, &user, change).await?;
                let body = event::Verified {
                    user: user.clone(),
                    party,
                    assurance: CONFIRMED,
                };
                tx.emit(format!("user:{user}"), trace, &body)?;
                Ok(CONFIRMED)
            }
        })
        .await
}

/// What the form for a firm holds.
#[derive(Clone, Debug, Default, serde::Deserialize, utoipa::ToSchema)]
pub struct Firm {
    /// Unified social credit code.
    #[schema(example = "91321000MA0000023T")]
    pub code: String,
    #[schema(example = "云港甲餐饮有限公司（合成）")]
    pub name: String,
}

/// Lets the actor act for the firm whose legal representative she is, according to the
/// legal-entity base. Doing it twice changes nothing.
pub async fn bind_firm(identity: &Identity, actor: &Actor, form: &Firm) -> Result<PartyId> {
    let own = Resource::new("User", actor.user);
    actor.may(&identity.gate, "identity.firm.bind", &own)?;
    let code = uscc::parse(&form.code).map_err(|e| Error::Invalid(vec![e.at("code")]))?;
    let row = lookup_party_by_code(identity.db.read(), code.as_str()).await?;
    let row = row.filter(|row| row.is_base && kind_of(&row.kind) == PartyKind::Legal);
    let Some(row) = row else {
        return Err(Error::invalid("code", Text::new("identity-firm-unknown")));
    };
    if plain_name(&row.name) != plain_name(&form.name) {
        return Err(Error::invalid(
            "name",
            Text::new("identity-firm-name-differs"),
        ));
    }
    let mine = actor.own.as_ref().map(|party| party.code.clone());
    if mine.is_none() || row.representative != mine {
        return Err(Error::refused("identity-firm-not-representative"));
    }
    let party = party_of(row)?;
    let id = party.id;
    let (user, trace) = (actor.user, actor.trace());
    identity
        .db
        .write(move |tx| {
            let (party, trace) = (party.clone(), trace.clone());
            async move { represent(&tx, &party, user, &trace).await }
        })
        .await?;
    Ok(id)
}

/// The last day a chain of dates can hold in `YYYY-MM-DD`.
pub(crate) fn for_good() -> NaiveDate {
    NaiveDate::from_ymd_opt(9999, 12, 31).unwrap_or(NaiveDate::MAX)
}

/// Makes the user the firm's representative if she is not yet.
pub(crate) async fn represent(
    tx: &Tx,
    firm: &crate::Party,
    user: UserId,
    trace: &str,
) -> Result<()> {
    let today = kernel::clock::local_date(tx.now());
    let known = agent::lookup_valid(&**tx, user, firm.id, today).await?;
    if known.is_some_and(|agent| agent.role == Role::Representative) {
        return Ok(());
    }
    let agent = Agent {
        id: AgentId::from_moment(tx.now()),
        party: firm.id,
        user,
        role: Role::Representative,
        scope: EVERYTHING.to_owned(),
        from: today,
        until: for_good(),
        is_dismissed: false,
    };
    agent::insert(tx, &agent, &user.to_string()).await?;
    agent::emit_appointed(tx, trace, &agent, &firm.name)
}

/// Reads an id that came with a request.
pub(crate) fn parse_id<T: std::str::FromStr>(text: &str, what: &'static str) -> Result<T> {
    id(text).map_err(|_| Error::NotFound { what })
}
