//! What every act of this crate has at hand.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use kernel::{Error, Result, clock::micros};
use store::Db;

use crate::{
    Actor, Gate, PartyId, Settings, UserId, Vault,
    register::{BaseRegistry, LocalRegistry, Registry},
    store::{get_user, id, list_posts, lookup_party, party_of},
};

/// Accounts, sessions and delegation; an [`App`](web::App) part.
pub struct Identity {
    pub(crate) db: Db,
    pub(crate) gate: Arc<Gate>,
    pub(crate) settings: Settings,
    pub(crate) registry: Arc<dyn BaseRegistry>,
    /// Name in authenticator apps.
    pub(crate) issuer: String,
    pub(crate) is_https: bool,
    vault: Option<Arc<Vault>>,
    known: Mutex<HashMap<Grounds, Known>>,
}

/// What decides who an actor is, besides the user's stamp.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Grounds {
    pub user: String,
    pub acting_for: Option<String>,
    pub second_factor: bool,
    pub is_token: bool,
}

struct Known {
    stamp: i64,
    until: i64,
    actor: Actor,
}

/// Appointments begin and end with days, without any write; this bounds how late that is seen.
const KNOWN_FOR: i64 = 5_000_000;
const MOST_KNOWN: usize = 10_000;

impl Identity {
    pub(crate) fn new(app: &web::App, gate: Arc<Gate>) -> Self {
        let settings = app
            .part::<Settings>()
            .map(|s| (*s).clone())
            .unwrap_or_default();
        let registry = match app.part::<Registry>() {
            Ok(registry) => registry.0.clone(),
            Err(_) => Arc::new(LocalRegistry::new(app.db().clone())),
        };
        let place = &app.settings().place;
        Self {
            db: app.db().clone(),
            gate,
            settings,
            registry,
            issuer: format!("{place}通办"),
            is_https: app.settings().public_url.starts_with("https://"),
            vault: app.part::<Vault>().ok(),
            known: Mutex::default(),
        }
    }

    pub(crate) fn vault(&self) -> Result<&Vault> {
        self.vault
            .as_deref()
            .ok_or(Error::refused("identity-second-factor-no-key"))
    }

    /// `__Host-` makes browsers refuse a cookie that another host planted; it needs https.
    pub(crate) fn cookie_name(&self) -> &'static str {
        if self.is_https {
            "__Host-session"
        } else {
            "session"
        }
    }

    /// The actor on these grounds. Cached under the user's stamp.
    pub(crate) async fn actor(&self, grounds: &Grounds, stamp: i64) -> Result<Actor> {
        let now = micros(self.db.clock().now());
        if let Some(known) = self.known().get(grounds)
            && known.stamp == stamp
            && now < known.until
        {
            return Ok(known.actor.clone());
        }
        let actor = self.read_actor(grounds).await?;
        let known = Known {
            stamp,
            until: now + KNOWN_FOR,
            actor: actor.clone(),
        };
        let mut all = self.known();
        if all.len() >= MOST_KNOWN {
            all.clear();
        }
        all.insert(grounds.clone(), known);
        Ok(actor)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Grounds, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read_actor(&self, grounds: &Grounds) -> Result<Actor> {
        let db = self.db.read();
        let user = get_user(db, &grounds.user).await?;
        let own = match &user.party_id {
            Some(id) => lookup_party(db, id).await?.map(party_of).transpose()?,
            None => None,
        };
        let user_id: UserId = id(&user.id)?;
        let acting_for = match &grounds.acting_for {
            Some(party) => self.acting_for(user_id, id(party)?).await?,
            None => None,
        };
        // Without a second factor an officer is let in, so that he can add one, but has no posts.
        let withheld = self.settings.officers_need_totp && !grounds.second_factor;
        let posts = if withheld || own.is_some() {
            Vec::new()
        } else {
            list_posts(db, &user.id).await?
        };
        Ok(Actor {
            user: user_id,
            name: user.name,
            own,
            acting_for,
            posts,
            assurance: u8::try_from(user.assurance).unwrap_or_default(),
            second_factor: grounds.second_factor,
            is_token: grounds.is_token,
        })
    }

    /// The party, if the user may still act for it.
    async fn acting_for(&self, user: UserId, party: PartyId) -> Result<Option<crate::Party>> {
        let today = self.db.clock().today();
        if crate::agent::lookup_valid(self.db.read(), user, party, today)
            .await?
            .is_none()
        {
            return Ok(None);
        }
        let row = lookup_party(self.db.read(), &party.to_string()).await?;
        Ok(row.map(party_of).transpose()?)
    }
}
