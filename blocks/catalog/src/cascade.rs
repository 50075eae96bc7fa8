//! Catalogs of one another: published entries go up to the superior catalog and come down from it
//! as signed files, which the exchange will carry.
//!
//! The body is signed as the text it is, so that nobody has to write JSON the same way to verify.

use ::store::{Tx, fault};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use credential::Credentials;
use identity::{Actor, Gate};
use kernel::{
    Error, Fault, Result, Text,
    clock::from_micros,
    crypto::{PublicKey, Signature, suite},
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::App;

use crate::{
    event,
    metadata::Metadata,
    oversight, profile,
    resource::{Entry, State, act, store as rows},
    schema::peer,
};

/// A signed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CatalogReportFile)]
pub struct Envelope {
    /// JSON of [`Body`], as text.
    #[schema(example = "{\"format\":\"tongban-catalog/1\",…}")]
    pub body: String,
    /// SM2 signature of the text, DER in Base64.
    #[schema(example = "MEUCIQDx…")]
    pub signature: String,
}

/// What a catalog tells another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// `tongban-catalog/1`.
    pub format: String,
    /// Social credit code of the centre that reports.
    pub from: String,
    /// Rises with every report of a catalog.
    pub number: i64,
    pub made_at: DateTime<Utc>,
    pub entries: Vec<Reported>,
}

/// One entry of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    pub number: i64,
    pub is_withdrawn: bool,
    pub metadata: Metadata,
}

const FORMAT: &str = "tongban-catalog/1";
/// Entries read at a time.
const PART: u32 = 500;

/// Signs all entries of this catalog that were published, withdrawn ones too so that the other
/// side hears of it; with `since` only those changed after that moment.
pub async fn report(app: &App, actor: &Actor, since: Option<DateTime<Utc>>) -> Result<Envelope> {
    let whole = oversight::whole(app.db().read()).await?;
    actor.may(&*app.part::<Gate>()?, "catalog.report", &whole)?;
    let from = profile::get(app.db().read()).await?.centre;
    if from.is_empty() {
        return Err(Error::refused("catalog-no-centre"));
    }
    let mut entries = Vec::new();
    let mut page = ::store::page::PageRequest::new(None, Some(PART));
    loop {
        let found = rows::list(app.db(), &rows::Filter::default(), &page).await?;
        for row in found.items {
            let is_late = since.is_none_or(|since| from_micros(row.updated_at) > since);
            if row.number > 0 && row.origin.is_empty() && is_late {
                entries.push(Reported {
                    number: row.number,
                    is_withdrawn: row.standing() == State::Withdrawn,
                    metadata: row.metadata()?,
                });
            }
        }
        match found.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    let who = actor.trace();
    let credentials = app.part::<Credentials>()?;
    app.db()
        .write(move |tx| {
            let (from, entries, who) = (from.clone(), entries.clone(), who.clone());
            let credentials = credentials.clone();
            async move {
                let body = Body {
                    format: FORMAT.to_owned(),
                    from,
                    number: rows::next_number(&tx, "report").await?,
                    made_at: tx.now(),
                    entries,
                };
                let text = serde_json::to_string(&body)
                    .map_err(|e| Fault::caused_by("write a report", e))?;
                let signature = STANDARD.encode(credentials.sign(text.as_bytes())?);
                let told = event::Reported {
                    number: body.number,
                    entries: body.entries.len(),
                    digest: hex::encode(kernel::crypto::sm3(text.as_bytes())),
                };
                tx.emit("catalog", who, &told)?;
                Ok(Envelope {
                    body: text,
                    signature,
                })
            }
        })
        .await
}

/// A catalog whose reports are taken in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CatalogPeer)]
pub struct Peer {
    /// Social credit code of its centre.
    #[schema(example = "11320000990000017P")]
    pub id: String,
    #[schema(example = "示范省数据局（合成）")]
    pub name: String,
    /// Its SM2 key in PEM, as `/api/credential/keys` tells it.
    pub public_key: String,
    /// Why another key takes the place of the one that is trusted; needed then only.
    #[serde(default)]
    #[schema(example = "")]
    pub reason: String,
}

/// Trusts a catalog's key from now on. One that is trusted is replaced for a reason only.
pub async fn trust(app: &App, actor: &Actor, peer: &Peer) -> Result<()> {
    let whole = oversight::whole(app.db().read()).await?;
    actor.may(&*app.part::<Gate>()?, "catalog.receive", &whole)?;
    let id = kernel::code::normalise(&peer.id);
    kernel::code::uscc::parse(&id).map_err(|e| Error::invalid("id", e.text()))?;
    if PublicKey::from_pem(&peer.public_key).is_err() {
        return Err(Error::invalid("public_key", Text::new("catalog-peer-key")));
    }
    if let Some(wrong) = crate::metadata::unfit(&peer.name, 200) {
        return Err(Error::invalid("name", wrong));
    }
    let peer = Peer {
        id,
        name: peer.name.trim().to_owned(),
        public_key: peer.public_key.trim().to_owned(),
        reason: peer.reason.clone(),
    };
    let who = actor.trace();
    app.db()
        .write(move |tx| {
            let (peer, who) = (peer.clone(), who.clone());
            async move { trust_in(&tx, peer, &who).await }
        })
        .await
}

async fn trust_in(tx: &Tx, peer: Peer, who: &str) -> Result<()> {
    let known = lookup_peer(&**tx, &peer.id).await?;
    let row = peer::ActiveModel {
        id: Set(peer.id.clone()),
        name: Set(peer.name.clone()),
        public_key: Set(peer.public_key.clone()),
        ..Default::default()
    };
    let Some(known) = known else {
        let row = peer::ActiveModel {
            last_number: Set(0),
            ..row
        };
        let done = peer::Entity::insert(row).exec_without_returning(&**tx);
        done.await.map_err(|e| fault("write a peer", e))?;
        return tx.emit("catalog", who, &event::PeerTrusted { peer: peer.id });
    };
    let is_same_key = known.public_key == peer.public_key;
    if is_same_key && known.name == peer.name {
        return Ok(());
    }
    let reason = match peer.reason.trim() {
        _ if is_same_key => String::new(),
        "" => return Err(Error::invalid("reason", Text::new("catalog-peer-replaced"))),
        reason => crate::must_say("reason", reason)?,
    };
    row.update(&**tx)
        .await
        .map_err(|e| fault("change a peer", e))?;
    let digest = |key: &str| hex::encode(kernel::crypto::sm3(key.as_bytes()));
    let told = event::PeerChanged {
        peer: peer.id,
        former_key: digest(&known.public_key),
        key: digest(&peer.public_key),
        reason,
    };
    tx.emit("catalog", who, &told)
}

async fn lookup_peer(db: &impl ConnectionTrait, id: &str) -> Result<Option<peer::Model>> {
    let row = peer::Entity::find_by_id(id).one(db).await;
    Ok(row.map_err(|e| fault("look up a peer", e))?)
}

/// What became of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CatalogReceipt)]
pub struct Receipt {
    #[schema(example = "11320000990000017P")]
    pub from: String,
    pub number: i64,
    pub inserted: u64,
    pub updated: u64,
    pub unchanged: u64,
    /// Codes that entries of our own have; those of the report were left out.
    pub refused: Vec<String>,
    /// The report was taken in before; nothing happened.
    pub is_repeated: bool,
}

/// Takes a report in, whole or not at all. A report that was taken in before changes nothing; one
/// that is older than the last is refused.
pub async fn receive(app: &App, actor: &Actor, envelope: &Envelope) -> Result<Receipt> {
    let whole = oversight::whole(app.db().read()).await?;
    actor.may(&*app.part::<Gate>()?, "catalog.receive", &whole)?;
    let wrong = || Error::invalid("body", Text::new("catalog-report-form"));
    let body: Body = serde_json::from_str(&envelope.body).map_err(|_| wrong())?;
    if body.format != FORMAT {
        return Err(wrong());
    }
    let known = lookup_peer(app.db().read(), &body.from).await?;
    let known = known.ok_or_else(|| Error::refused("catalog-report-stranger"))?;
    verify(&known.public_key, envelope)?;
    for entry in &body.entries {
        entry.metadata.need_fit()?;
        crate::code::parse(&entry.metadata.code).map_err(|text| Error::invalid("body", text))?;
    }
    let digest = hex::encode(kernel::crypto::sm3(envelope.body.as_bytes()));
    let who = actor.trace();
    app.db()
        .write(move |tx| {
            let (body, digest, who) = (body.clone(), digest.clone(), who.clone());
            async move { take(&tx, body, digest, &who).await }
        })
        .await
}

fn verify(pem: &str, envelope: &Envelope) -> Result<()> {
    let check = || {
        let key = PublicKey::from_pem(pem).ok()?;
        let der = STANDARD.decode(envelope.signature.trim()).ok()?;
        let signature = Signature::from_der(&der).ok()?;
        let suite = suite("guomi")?;
        suite
            .verify(&key, envelope.body.as_bytes(), &signature)
            .ok()
    };
    check().ok_or_else(|| Error::invalid("signature", Text::new("catalog-report-signature")))
}

async fn take(tx: &Tx, body: Body, digest: String, who: &str) -> Result<Receipt> {
    let known = lookup_peer(&**tx, &body.from).await?;
    let known = known.ok_or_else(|| Error::refused("catalog-report-stranger"))?;
    let mut receipt = Receipt {
        from: body.from.clone(),
        number: body.number,
        ..Receipt::default()
    };
    if body.number == known.last_number {
        receipt.is_repeated = true;
        return Ok(receipt);
    }
    if body.number < known.last_number {
        let text = Text::new("catalog-report-old").with("last", known.last_number);
        return Err(Error::Refused(text));
    }
    for entry in &body.entries {
        keep(tx, &body.from, entry, who, &mut receipt).await?;
    }
    let change = peer::ActiveModel {
        id: Set(known.id),
        last_number: Set(body.number),
        ..Default::default()
    };
    peer::Entity::update(change)
        .exec(&**tx)
        .await
        .map_err(|e| fault("change a peer", e))?;
    let told = event::Received {
        from: body.from,
        number: body.number,
        entries: body.entries.len(),
        digest,
    };
    tx.emit("catalog", who, &told)?;
    Ok(receipt)
}

async fn keep(
    tx: &Tx,
    from: &str,
    reported: &Reported,
    who: &str,
    receipt: &mut Receipt,
) -> Result<()> {
    let code = &reported.metadata.code;
    let known = rows::of_code(&**tx, code).await?;
    let state = if reported.is_withdrawn {
        State::Withdrawn
    } else {
        State::Published
    };
    match known {
        Some(row) if row.origin != from => receipt.refused.push(code.clone()),
        Some(row) if row.number >= reported.number && row.standing() == state => {
            receipt.unchanged += 1;
        }
        Some(row) => {
            let has_version = row.number == reported.number;
            let row = rows::update(tx, foreign(row, reported, state)?).await?;
            if !has_version {
                rows::insert_version(tx, &row, who, from).await?;
            }
            receipt.updated += 1;
        }
        None => {
            let mut row = act::blank(tx.now(), &reported.metadata.provider, who);
            from.clone_into(&mut row.origin);
            let row = foreign(row, reported, state)?;
            rows::insert(tx, vec![row.clone()]).await?;
            rows::insert_version(tx, &row, who, from).await?;
            receipt.inserted += 1;
        }
    }
    Ok(())
}

/// What another catalog vouches for; we check nothing and watch no clock.
fn foreign(mut row: Entry, reported: &Reported, state: State) -> Result<Entry> {
    row.show(&reported.metadata)?;
    row.number = reported.number;
    state.name().clone_into(&mut row.state);
    row.rate = 1000;
    Ok(row)
}
