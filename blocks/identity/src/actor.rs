//! The one who acts in a request.

use axum::{extract::FromRequestParts, http::request::Parts};
use kernel::{Error, Result};
use web::{App, WebError};

use crate::{Gate, PartyId, Resource, UserId};

/// Whether a party is a person or an organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartyKind {
    Natural,
    Legal,
}

/// A natural or legal person as others see it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Party {
    pub id: PartyId,
    pub kind: PartyKind,
    pub name: String,
    /// Citizen number or unified social credit code; mask before showing.
    pub code: String,
    pub phone: String,
    pub address: String,
}

/// What an officer does where: post code and organisation code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Post {
    /// `clerk`, `examiner`, `approver`, `supervisor`, `steward`, `operator`…
    pub post: String,
    /// Unified social credit code of the organisation.
    pub org: String,
    pub org_name: String,
    /// Region of the organisation, 6 digits.
    pub region: String,
    /// The absent officer in whose place it is held today; none for one's own. `workflow` knows
    /// who stands in for whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_for: Option<Colleague>,
}

/// An officer, as others name him.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Colleague {
    pub user: UserId,
    pub name: String,
}

impl Post {
    /// `post@org`, as processes name who may take a task.
    pub fn group(&self) -> String {
        format!("{}@{}", self.post, self.org)
    }
}

/// Somebody who is signed in, or the system itself.
#[derive(Clone, Debug)]
pub struct Actor {
    pub user: UserId,
    pub name: String,
    /// The signed-in citizen's own party; officers have none.
    pub own: Option<Party>,
    /// The party on whose behalf a citizen acts now: a firm as its agent, or a person as proxy.
    pub acting_for: Option<Party>,
    /// An officer's posts; empty for citizens.
    pub posts: Vec<Post>,
    /// Assurance level 0–4 (data standards §7.2, project mapping).
    pub assurance: u8,
    /// Whether a second factor was shown in this session.
    pub second_factor: bool,
    /// Whether a program acts, with a personal access token.
    pub is_token: bool,
}

impl Actor {
    /// The system itself, for jobs and consumers. `policies/system.cedar` allows it everything;
    /// no session or token can carry it, because no user has its id.
    pub fn system() -> Self {
        Self {
            user: UserId::SYSTEM,
            name: "system".into(),
            own: None,
            acting_for: None,
            posts: Vec::new(),
            assurance: 0,
            second_factor: false,
            is_token: false,
        }
    }

    /// `system`, `citizen` or `officer`, as policies name it. Who has no party of his own is an
    /// officer even when all his posts were taken away: officers and the public are two realms.
    pub fn kind(&self) -> &'static str {
        match &self.own {
            _ if self.user == UserId::SYSTEM => "system",
            Some(_) => "citizen",
            None => "officer",
        }
    }

    /// Asks the gate; every act begins with this.
    pub fn may(&self, gate: &Gate, action: &str, resource: &Resource) -> Result<()> {
        gate.check(self, action, resource)
    }

    /// The party for which an application is made.
    pub fn party(&self) -> Option<&Party> {
        self.acting_for.as_ref().or(self.own.as_ref())
    }

    pub fn is_officer(&self) -> bool {
        !self.posts.is_empty()
    }

    /// Groups whose tasks the actor may take in his own name, each as `post@org`.
    pub fn groups(&self) -> Vec<String> {
        let own = self.posts.iter().filter(|post| post.held_for.is_none());
        own.map(Post::group).collect()
    }

    /// His own groups and those of the colleagues in whose place he acts today.
    pub fn all_groups(&self) -> Vec<String> {
        self.posts.iter().map(Post::group).collect()
    }

    /// How events name the actor: `user:…`, or `user:… for party:…`.
    pub fn trace(&self) -> String {
        match &self.acting_for {
            _ if self.user == UserId::SYSTEM => "system".into(),
            Some(party) => format!("user:{} for party:{}", self.user, party.id),
            None => format!("user:{}", self.user),
        }
    }
}

impl FromRequestParts<App> for Actor {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, WebError> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or(WebError(Error::NotSignedIn))
    }
}

/// The actor of a page that nobody has to sign in for.
#[derive(Clone, Debug)]
pub struct MaybeActor(pub Option<Actor>);

impl FromRequestParts<App> for MaybeActor {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, WebError> {
        Ok(Self(parts.extensions.get::<Actor>().cloned()))
    }
}
