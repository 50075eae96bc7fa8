//! The catalog on its way up: the signed report of one hub, taken in by the other.

use async_trait::async_trait;
use catalog::cascade::{self as reports, Body, Envelope};
use chrono::{DateTime, Utc};
use credential::Credentials;
use exchange::{
    hub::{Peer, extension::Extension},
    node::client::{Client, Trouble},
};
use identity::Actor;
use kernel::{Error, Fault, Result, Text};
use serde::{Deserialize, Serialize};
use web::{App, WeakApp};

/// The order that carries a report.
pub const REPORT: &str = "tongban.catalog.v1";

/// A report, and the key that it is signed with: the node that brings it has shown who it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reporting {
    pub envelope: Envelope,
    /// SM2, PEM.
    pub public_key: String,
}

/// What the superior made of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    pub number: i64,
    pub inserted: u64,
    pub updated: u64,
    pub unchanged: u64,
    /// Codes that the superior's own entries have.
    pub refused: Vec<String>,
}

/// Sends what of the catalog changed since a moment; answers until when the superior knows it now.
/// Where nothing changed nothing is sent.
pub async fn send(
    app: &App,
    client: &mut Client,
    since: Option<DateTime<Utc>>,
) -> std::result::Result<Option<DateTime<Utc>>, Trouble> {
    let envelope = reports::report(app, &Actor::system(), since).await?;
    let body: Body =
        serde_json::from_str(&envelope.body).map_err(|e| Fault::caused_by("read a report", e))?;
    if body.entries.is_empty() {
        return Ok(None);
    }
    let asked = Reporting {
        envelope,
        public_key: app.part::<Credentials>()?.metadata_key_pem()?,
    };
    let taken: Taken = client.act(REPORT, &asked).await?;
    tracing::info!(
        number = taken.number,
        inserted = taken.inserted,
        updated = taken.updated,
        "the superior knows the catalog"
    );
    Ok(Some(body.made_at))
}

/// Takes reports of inferior hubs in.
pub struct Door(pub WeakApp);

#[async_trait]
impl Extension for Door {
    fn actions(&self) -> &'static [&'static str] {
        &[REPORT]
    }

    async fn act(&self, peer: &Peer, _: &str, body: &[u8]) -> Result<Vec<u8>> {
        let wrong = |_| Error::invalid("body", Text::new("cascade-report-form"));
        let asked: Reporting = serde_json::from_slice(body).map_err(wrong)?;
        let said: Body = serde_json::from_str(&asked.envelope.body).map_err(wrong)?;
        // A node reports the catalog of its own organisation and of no other.
        if said.from != peer.org() {
            return Err(Error::refused("cascade-report-foreign"));
        }
        let (app, system) = (&self.0.get()?, Actor::system());
        let known = reports::Peer {
            id: said.from,
            name: peer.title().to_owned(),
            public_key: asked.public_key,
            // Its node proved who it is in this very call.
            reason: "told by its node".to_owned(),
        };
        reports::trust(app, &system, &known).await?;
        let receipt = reports::receive(app, &system, &asked.envelope).await?;
        let taken = Taken {
            number: receipt.number,
            inserted: receipt.inserted,
            updated: receipt.updated,
            unchanged: receipt.unchanged,
            refused: receipt.refused,
        };
        serde_json::to_vec(&taken).map_err(|e| Fault::caused_by("write an answer", e).into())
    }
}
