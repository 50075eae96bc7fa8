//! Nodes: letting one in by a one-time code, renewing its certificate, shutting it out.

use std::collections::BTreeMap;

use chrono::Duration;
use identity::Actor;
use kernel::{
    Error, Fault, Finding, Result, Text,
    clock::micros,
    crypto::{GuoMi, PublicKey, Suite, sm3},
};
use rand::TryRng;
use serde::Serialize;
use web::App;

use super::{Hub, Peer, may, may_at, store};
use crate::{
    data::is_code,
    event,
    schema::{certificate, enrolment, node, node_key, node_trouble},
    wire::{Enrol, Enrolled, Possession, Renew, Renewed, Troubles},
};

/// What a code begins with; tells codes of later versions apart.
pub const CODE_PREFIX: &str = "TB1";

/// Who is to come.
#[derive(Clone, Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ExchangeInvitation)]
pub struct Invitation {
    /// Letters, digits, `-`; how the node is called from now on.
    #[schema(example = "police-front-1")]
    pub node: String,
    #[schema(example = "公安局前置机")]
    pub title: String,
    /// Unified social credit code of its department.
    #[schema(example = "11321000990000033R")]
    pub org: String,
}

/// A code for that node, shown this once. Inviting a node that is there already lets it enrol
/// again with new keys, as after its machine was lost.
pub async fn invite(app: &App, actor: &Actor, invitation: &Invitation) -> Result<String> {
    may(app, actor, "exchange.operate", None)?;
    let hub = app.part::<Hub>()?;
    let findings = findings(invitation);
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    may_at(app, actor, "exchange.operate", &invitation.org).await?;
    let mut secret = [0_u8; 16];
    rand::rngs::SysRng
        .try_fill_bytes(&mut secret)
        .map_err(|_| Fault::new("the system gives no randomness"))?;
    let secret = hex::encode(secret);
    let code = format!("{CODE_PREFIX}.{secret}.{}", hub.authority.pin()?);
    let (who, hours) = (actor.trace(), hub.settings.code_hours);
    let (invitation, digest) = (invitation.clone(), hex::encode(sm3(secret.as_bytes())));
    app.db()
        .write(move |tx| {
            let (invitation, digest, who) = (invitation.clone(), digest.clone(), who.clone());
            async move {
                let known = store::lookup::<node::Entity>(&*tx, invitation.node.clone()).await?;
                if let Some(taken) = taken(known.as_ref(), &invitation.org) {
                    return Err(Error::Invalid(vec![Finding::new("node", taken)]));
                }
                let body = event::NodeInvited {
                    node: invitation.node.clone(),
                    org: invitation.org.clone(),
                };
                let row = enrolment::Model {
                    digest,
                    node: invitation.node,
                    title: invitation.title,
                    org: invitation.org,
                    created_by: who.clone(),
                    created_at: micros(tx.now()),
                    expires_at: micros(tx.now() + Duration::hours(hours)),
                    used_at: None,
                };
                store::insert(&tx, row).await?;
                tx.emit(format!("node:{}", body.node), &who, &body)
            }
        })
        .await?;
    Ok(code)
}

/// A code belongs to one department for good: subscriptions and deliveries go by it.
fn taken(known: Option<&node::Model>, org: &str) -> Option<Text> {
    let known = known.filter(|known| known.org != org)?;
    Some(Text::new("exchange-node-taken").with("node", &known.code))
}

fn findings(invitation: &Invitation) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !is_code(&invitation.node) {
        findings.push(Finding::new("node", Text::new("exchange-code")));
    }
    if invitation.title.trim().is_empty() {
        findings.push(Finding::new("title", Text::new("exchange-title-missing")));
    }
    if kernel::code::uscc::parse(&invitation.org).is_err() {
        findings.push(Finding::new("org", Text::new("exchange-org")));
    }
    findings
}

/// Lets a node in whose code holds, once. A node that lost the answer asks for a new code.
pub async fn enrol(hub: &Hub, asked: Enrol) -> Result<Enrolled> {
    let unproven = || Error::refused("exchange-enrol-proof");
    let signing_key = PublicKey::from_pem(&asked.signing_key).map_err(|_| unproven())?;
    if signing_key.suite_name() != GuoMi.name() {
        return Err(unproven());
    }
    let proven: Possession = asked.proof.open(&signing_key).map_err(|_| unproven())?;
    if proven.request_digest != hex::encode(sm3(asked.request.as_bytes())) {
        return Err(unproven());
    }
    let digest = hex::encode(sm3(asked.secret.as_bytes()));
    let now = hub.now();
    let code = usable(hub, hub.db.read(), &digest).await?;
    let lasts = Duration::days(hub.settings.certificate_days);
    let issued = hub
        .authority
        .certify(&asked.request, &code.node, now, lasts)?;
    let issued = issued.ok_or_else(unproven)?;
    let hub_key = hub.authority.public_key().to_pem();
    let answer = Enrolled {
        node: code.node,
        certificate: issued.pem,
        hub_key: hub_key.map_err(|e| Fault::caused_by("write the hub's key", e))?,
    };
    let fresh = certificate::Model {
        fingerprint: issued.fingerprint,
        node: answer.node.clone(),
        issued_at: micros(now),
        expires_at: micros(issued.expires_at),
    };
    hub.db
        .write(move |tx| {
            let (fresh, digest, key) = (fresh.clone(), digest.clone(), asked.signing_key.clone());
            async move { take_in(&tx, &digest, fresh, key).await }
        })
        .await?;
    Ok(answer)
}

/// The code, if it may be used now.
async fn usable(
    hub: &Hub,
    db: &impl sea_orm::ConnectionTrait,
    digest: &str,
) -> Result<enrolment::Model> {
    let refused = || Error::refused("exchange-enrol-code");
    let code = store::lookup::<enrolment::Entity>(db, digest.to_owned()).await?;
    let code = code.ok_or_else(refused)?;
    if code.used_at.is_some() || code.expires_at <= micros(hub.now()) {
        return Err(refused());
    }
    Ok(code)
}

async fn take_in(
    tx: &::store::Tx,
    digest: &str,
    fresh: certificate::Model,
    signing_key: String,
) -> Result<()> {
    let now = micros(tx.now());
    let code = store::get::<enrolment::Entity>(&**tx, "enrolment code", digest.to_owned()).await?;
    // Of two nodes with one code the first comes in.
    if code.used_at.is_some() {
        return Err(Error::refused("exchange-enrol-code"));
    }
    let known = store::lookup::<node::Entity>(&**tx, code.node.clone()).await?;
    // Of two departments that invited one code, the first node to come has it.
    if let Some(taken) = taken(known.as_ref(), &code.org) {
        return Err(Error::Refused(taken));
    }
    let row = node::Model {
        code: code.node.clone(),
        title: code.title.clone(),
        org: code.org.clone(),
        state: "active".into(),
        signing_key: signing_key.clone(),
        enrolled_at: now,
        expires_at: fresh.expires_at,
        seen_at: Some(now),
        revoked_at: None,
        revoked_reason: String::new(),
    };
    let body = event::NodeEnrolled {
        node: code.node.clone(),
        org: code.org.clone(),
        fingerprint: fresh.fingerprint.clone(),
    };
    match known {
        // Whoever has the old machine has the old certificates: they end here.
        Some(_) => {
            store::forget_certificates(tx, &code.node).await?;
            store::update(tx, row).await?;
        }
        None => store::insert(tx, row).await?,
    }
    store::change_key(tx, &code.node, Some(signing_key)).await?;
    store::insert(tx, fresh).await?;
    let subject = format!("node:{}", body.node);
    let used = enrolment::Model {
        used_at: Some(now),
        ..code
    };
    store::update(tx, used).await?;
    tx.emit(&subject, &subject, &body)
}

/// A new certificate for a node that has one. The old one holds until its day, because the node
/// may crash before it has stored the new one.
pub async fn renew(hub: &Hub, peer: &Peer, asked: &Renew) -> Result<Renewed> {
    let (now, node) = (hub.now(), peer.code().to_owned());
    let lasts = Duration::days(hub.settings.certificate_days);
    let issued = hub.authority.certify(&asked.request, &node, now, lasts)?;
    let issued = issued.ok_or_else(|| Error::refused("exchange-enrol-proof"))?;
    let fresh = certificate::Model {
        fingerprint: issued.fingerprint,
        node,
        issued_at: micros(now),
        expires_at: micros(issued.expires_at),
    };
    let who = peer.trace();
    hub.db
        .write(move |tx| {
            let (fresh, who) = (fresh.clone(), who.clone());
            async move {
                let row = store::get::<node::Entity>(&*tx, "node", fresh.node.clone()).await?;
                let row = node::Model {
                    expires_at: fresh.expires_at,
                    ..row
                };
                let body = event::CertificateRenewed {
                    node: fresh.node.clone(),
                    fingerprint: fresh.fingerprint.clone(),
                };
                store::update(&tx, row).await?;
                store::insert(&tx, fresh).await?;
                tx.emit(&who, &who, &body)
            }
        })
        .await?;
    Ok(Renewed {
        certificate: issued.pem,
    })
}

/// Shuts a node out, at once: its next word is refused.
pub async fn revoke(app: &App, actor: &Actor, node: &str, reason: &str) -> Result<()> {
    may(app, actor, "exchange.operate", None)?;
    if reason.trim().is_empty() {
        return Err(Error::invalid(
            "reason",
            Text::new("exchange-reason-missing"),
        ));
    }
    let row = store::get::<node::Entity>(app.db().read(), "node", node.to_owned()).await?;
    may_at(app, actor, "exchange.operate", &row.org).await?;
    let hub = app.part::<Hub>()?;
    let (own, code) = (hub.clone(), node.to_owned());
    let (who, reason) = (actor.trace(), reason.trim().to_owned());
    app.db()
        .write(move |tx| {
            let (hub, code) = (own.clone(), code.clone());
            let (who, reason) = (who.clone(), reason.clone());
            async move {
                if revoke_in(&hub, &tx, &code, &reason, &who).await? {
                    Ok(())
                } else {
                    Err(Error::refused("exchange-node-revoked"))
                }
            }
        })
        .await?;
    shut_out(&hub, node);
    Ok(())
}

/// The same as part of a larger write, for blocks above, which say [`shut_out`] after it; answers
/// whether the node was not shut out before.
pub async fn revoke_in(
    hub: &Hub,
    tx: &::store::Tx,
    node: &str,
    reason: &str,
    who: &str,
) -> Result<bool> {
    let row = store::get::<node::Entity>(&**tx, "node", node.to_owned()).await?;
    if row.state == "revoked" {
        return Ok(false);
    }
    let row = node::Model {
        state: "revoked".into(),
        revoked_at: Some(micros(tx.now())),
        revoked_reason: reason.to_owned(),
        ..row
    };
    store::update(tx, row).await?;
    store::change_key(tx, node, None).await?;
    for extension in hub.extensions() {
        extension.revoking(tx, node, reason, who).await?;
    }
    let body = event::NodeRevoked {
        node: node.to_owned(),
        reason: reason.to_owned(),
    };
    tx.emit(format!("node:{node}"), who, &body)?;
    Ok(true)
}

/// Ends what a node that was revoked has open.
pub fn shut_out(hub: &Hub, node: &str) {
    for extension in hub.extensions() {
        extension.revoked(node);
    }
}

/// The node of a certificate. A revoked one is told so, any other stranger nothing.
pub async fn identify(hub: &Hub, certificate_der: &[u8]) -> Result<Peer> {
    let fingerprint = crate::certificate::fingerprint(certificate_der);
    let node = store::node_of(hub.db.read(), &fingerprint).await?;
    let node = node.ok_or(Error::NotSignedIn)?;
    if node.state != "active" {
        return Err(Error::refused("exchange-node-revoked"));
    }
    let minute = 60_000_000;
    if node
        .seen_at
        .is_none_or(|seen| micros(hub.now()) - seen > minute)
    {
        let code = node.code.clone();
        hub.db
            .write(move |tx| {
                let code = code.clone();
                async move { store::touch(&tx, &code).await }
            })
            .await?;
    }
    Ok(Peer(node))
}

/// A node as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ExchangeNode)]
pub struct Node {
    #[schema(example = "police-front-1")]
    pub code: String,
    #[schema(example = "公安局前置机")]
    pub title: String,
    #[schema(example = "11321000990000033R")]
    pub org: String,
    pub is_revoked: bool,
    pub revoked_reason: String,
    /// Of its newest certificate.
    pub expires_at: chrono::DateTime<chrono::Utc>,
    pub seen_at: Option<chrono::DateTime<chrono::Utc>>,
    /// What it signs, and signed, with, the newest first; among them are those of its batches'
    /// manifests.
    pub keys: Vec<SigningKey>,
    /// What it could not do when it was last heard of.
    pub troubles: Vec<NodeTrouble>,
}

/// A key and when the node had it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ExchangeSigningKey)]
pub struct SigningKey {
    /// SM2, PEM.
    #[schema(example = "-----BEGIN PUBLIC KEY-----\nMFkw…")]
    pub key: String,
    pub since: chrono::DateTime<chrono::Utc>,
    /// None for the present one.
    pub until: Option<chrono::DateTime<chrono::Utc>>,
}

impl From<node_key::Model> for SigningKey {
    fn from(row: node_key::Model) -> Self {
        Self {
            key: row.signing_key,
            since: kernel::clock::from_micros(row.since),
            until: row.until.map(kernel::clock::from_micros),
        }
    }
}

/// What does not go on at a node.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ExchangeNodeTrouble)]
pub struct NodeTrouble {
    /// Code of the publication; empty for the node itself.
    #[schema(example = "hukou-person")]
    pub publication: String,
    /// As the node, its database or its files tell it. None for who does not run the node, because
    /// it may show values.
    #[schema(example = "read the source: no such column")]
    pub problem: Option<String>,
    pub since: chrono::DateTime<chrono::Utc>,
}

impl From<node::Model> for Node {
    fn from(row: node::Model) -> Self {
        Self {
            is_revoked: row.state == "revoked",
            expires_at: kernel::clock::from_micros(row.expires_at),
            seen_at: row.seen_at.map(kernel::clock::from_micros),
            keys: Vec::new(),
            troubles: Vec::new(),
            code: row.code,
            title: row.title,
            org: row.org,
            revoked_reason: row.revoked_reason,
        }
    }
}

/// A node by its code, for other blocks' rules.
pub async fn lookup(hub: &Hub, code: &str) -> Result<Option<Node>> {
    let row = store::lookup::<node::Entity>(hub.db.read(), code.to_owned()).await?;
    Ok(row.map(Node::from))
}

pub async fn list(app: &App, actor: &Actor) -> Result<Vec<Node>> {
    may(app, actor, "exchange.read", None)?;
    let db = app.db().read();
    let rows = store::nodes(db).await?;
    let mut nodes: Vec<Node> = rows.into_iter().map(Node::from).collect();
    let (keys, troubles) = (
        store::keys(db, None).await?,
        store::troubles(db, None).await?,
    );
    for node in &mut nodes {
        let own = keys.iter().rev().filter(|key| key.node == node.code);
        node.keys = own.cloned().map(SigningKey::from).collect();
        let own: Vec<_> = troubles.iter().filter(|t| t.node == node.code).collect();
        if own.is_empty() {
            continue;
        }
        let is_shown = match may_at(app, actor, "exchange.operate", &node.org).await {
            Ok(()) => true,
            Err(Error::Forbidden { .. }) => false,
            Err(error) => return Err(error),
        };
        let view = |row: &node_trouble::Model| NodeTrouble {
            publication: row.publication.clone(),
            problem: is_shown.then(|| row.problem.clone()),
            since: kernel::clock::from_micros(row.since),
        };
        node.troubles = own.into_iter().map(view).collect();
    }
    Ok(nodes)
}

/// Troubles of a node that are kept.
const MOST_TROUBLES: usize = 200;
/// Characters of a trouble that are kept.
const LONGEST_TROUBLE: usize = 2000;

/// A node tells what it cannot do at present, all of it; what it told before and not now is over.
pub async fn note_troubles(hub: &Hub, peer: &Peer, told: &Troubles) -> Result<()> {
    let told: BTreeMap<String, String> = told
        .troubles
        .iter()
        .take(MOST_TROUBLES)
        .map(|trouble| {
            let cut = |text: &str, most| text.chars().take(most).collect::<String>();
            let problem = cut(&trouble.problem, LONGEST_TROUBLE).replace('\0', "\u{fffd}");
            (cut(&trouble.publication, 100).replace('\0', ""), problem)
        })
        .collect();
    let node = peer.code().to_owned();
    hub.db
        .write(move |tx| {
            let (node, told) = (node.clone(), told.clone());
            async move {
                let known = store::troubles(&*tx, Some(&node)).await?;
                let now = micros(tx.now());
                let rows = told.into_iter().map(|(publication, problem)| {
                    let same = known.iter().find(|row| row.publication == publication);
                    node_trouble::Model {
                        since: same.map_or(now, |row| row.since),
                        node: node.clone(),
                        publication,
                        problem,
                    }
                });
                let rows: Vec<_> = rows.collect();
                if rows == known {
                    return Ok(());
                }
                store::forget_troubles(&tx, &node).await?;
                store::insert_all(&tx, rows).await
            }
        })
        .await
}
