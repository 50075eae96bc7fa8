//! What hub and nodes say to each other, and how it is signed.
//!
//! Orders are Flight actions with JSON bodies; chunks are Flight data whose body is a whole Arrow
//! IPC stream. What counts later as proof (manifest, receipts, delivery notes) is a text and an SM2
//! signature over exactly that text, with a line before it that says what kind of text it is, so
//! that no signature can be used for another purpose.

use kernel::{
    Fault,
    crypto::{GuoMi, PrivateKey, PublicKey, Signature, Suite},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::data::{
    Shape,
    checksum::Checksum,
    chunk::{self, Mark},
};

/// Where a refusal names its rule, for programs: its words are for people.
pub const RULE: &str = "tongban-rule";

/// Names of the Flight actions.
pub mod action {
    pub const ENROL: &str = "tongban.enrol.v1";
    pub const RENEW: &str = "tongban.renew.v1";
    pub const ANNOUNCE: &str = "tongban.announce.v1";
    pub const WORK: &str = "tongban.work.v1";
    pub const BEGIN: &str = "tongban.begin.v1";
    pub const GIVE_UP: &str = "tongban.give_up.v1";
    pub const OFFER: &str = "tongban.offer.v1";
    pub const REFUSALS: &str = "tongban.refusals.v1";
    pub const COMMIT: &str = "tongban.commit.v1";
    pub const APPLIED: &str = "tongban.applied.v1";
    pub const FAILED: &str = "tongban.failed.v1";
    pub const WANT: &str = "tongban.want.v1";
    pub const TROUBLES: &str = "tongban.troubles.v1";
}

/// A text and who stands for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    pub text: String,
    /// SM2 over the purpose, a line end and the text; DER, hexadecimal.
    pub signature: String,
}

/// What can be signed.
pub trait Document: Serialize + DeserializeOwned {
    /// The line before the text.
    const PURPOSE: &'static str;
}

/// The text was not signed by that key, or says nothing that can be understood.
#[derive(Debug, thiserror::Error)]
#[error("the signature does not belong to the text")]
pub struct Unproven;

impl Signed {
    pub fn sign<D: Document>(key: &PrivateKey, document: &D) -> Result<Self, Fault> {
        let failed = |e| Fault::caused_by("sign a document", e);
        let text =
            serde_json::to_string(document).map_err(|e| Fault::caused_by("write a document", e))?;
        let signature = GuoMi
            .sign(key, &covered(D::PURPOSE, &text))
            .map_err(failed)?;
        Ok(Self {
            signature: hex::encode(signature.to_der().map_err(failed)?),
            text,
        })
    }

    pub fn open<D: Document>(&self, key: &PublicKey) -> Result<D, Unproven> {
        let der = hex::decode(&self.signature).map_err(|_| Unproven)?;
        let signature = Signature::from_der(&der).map_err(|_| Unproven)?;
        GuoMi
            .verify(key, &covered(D::PURPOSE, &self.text), &signature)
            .map_err(|_| Unproven)?;
        serde_json::from_str(&self.text).map_err(|_| Unproven)
    }
}

fn covered(purpose: &str, text: &str) -> Vec<u8> {
    format!("{purpose}\n{text}").into_bytes()
}

/// What a node asks to be known by.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrol {
    /// The secret of the one-time code.
    pub secret: String,
    /// PKCS#10, PEM, P-256.
    pub request: String,
    /// SM2 key of the node's signatures, PEM.
    pub signing_key: String,
    /// Made by that key, over the request: proof that the node has it.
    pub proof: Signed,
}

/// What an enrolling node proves to have the key of.
#[derive(Debug, Serialize, Deserialize)]
pub struct Possession {
    pub request_digest: String,
}

impl Document for Possession {
    const PURPOSE: &'static str = "tongban exchange 1: possession";
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Enrolled {
    pub node: String,
    /// PEM.
    pub certificate: String,
    /// SM2 key that the hub signs receipts with, PEM.
    pub hub_key: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renew {
    pub request: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Renewed {
    pub certificate: String,
}

/// A publication as its node describes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announce {
    pub code: String,
    /// Code of the resource in the catalog; empty where it has none yet.
    pub resource: String,
    pub title: String,
    pub shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ExchangePublicationState)]
pub enum PublicationState {
    /// A steward of the centre has not opened it yet, or has to see changed columns first.
    Announced,
    Open,
    Suspended,
}

impl PublicationState {
    pub const ALL: [Self; 3] = [Self::Announced, Self::Open, Self::Suspended];

    pub fn name(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Open => "open",
            Self::Suspended => "suspended",
        }
    }

    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Announced {
    pub code: String,
    pub state: PublicationState,
    /// Of the next batch.
    pub next_sequence: i64,
    /// Somebody waits for everything, not only for what changed.
    pub wants_full: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Work {
    pub publications: Vec<Announced>,
    /// In the order in which they have to be applied.
    pub deliveries: Vec<Delivery>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Delivery {
    pub id: String,
    pub batch: String,
    pub publication: String,
    pub subscription: String,
    pub sequence: i64,
    pub kind: BatchKind,
    /// Columns that the subscriber gets.
    pub shape: Shape,
    /// Of the publication, for who offers it to others again.
    #[serde(default)]
    pub title: String,
    /// Code of the resource in the catalog.
    #[serde(default)]
    pub resource: String,
}

/// A subscriber's node asks for all rows anew.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Want {
    pub publication: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ExchangeBatchKind)]
pub enum BatchKind {
    /// All rows: those not in it are gone.
    Full,
    /// What changed.
    Increment,
}

impl BatchKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Increment => "increment",
        }
    }

    pub fn of_name(name: &str) -> Self {
        if name == "full" {
            Self::Full
        } else {
            Self::Increment
        }
    }
}

/// What a batch is, said and signed by its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Made by the node; sent again, the batch is taken once.
    pub batch: String,
    pub node: String,
    pub publication: String,
    pub sequence: i64,
    pub kind: BatchKind,
    pub rows: u64,
    pub deletes: u64,
    /// Rows of the source that were set aside.
    pub refused: u64,
    /// Of all chunks' rows.
    pub checksum: Checksum,
    /// SM3 of the shape, so that a change of columns is noticed.
    pub shape: String,
    /// When the source was read, microseconds.
    pub read_at: i64,
    pub chunks: Vec<Mark>,
}

impl Document for Manifest {
    const PURPOSE: &'static str = "tongban exchange 1: manifest";
}

/// A batch whose source is still being read: its chunks come before its manifest. Nothing of it
/// counts until the manifest names it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    pub batch: String,
    pub publication: String,
    pub sequence: i64,
    pub kind: BatchKind,
    /// As in the manifest.
    pub shape: String,
    /// When the reading began, microseconds.
    pub read_at: i64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Begun {
    /// Places of chunks that the hub has.
    pub held: Vec<u32>,
}

/// The reading came to nothing: the batch that it began is not wanted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GiveUp {
    pub batch: String,
}

pub fn shape_digest(shape: &Shape) -> Result<String, Fault> {
    let text = serde_json::to_vec(shape).map_err(|e| Fault::caused_by("write a shape", e))?;
    Ok(chunk::digest(&text))
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Offered {
    /// Places of chunks that the hub does not have yet.
    pub missing: Vec<u32>,
    /// There already, if the batch was taken before.
    pub receipt: Option<Signed>,
}

/// A row that the node's rules set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedRow {
    /// Of the source's rows, from 1.
    pub row: i64,
    pub column: String,
    /// Key of the message that says the rule and the remedy.
    pub reason: String,
    /// Source columns and values, as texts.
    pub values: Vec<(String, Option<String>)>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusals {
    pub batch: String,
    pub rows: Vec<RefusedRow>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    pub batch: String,
}

/// The hub has the batch, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub batch: String,
    pub node: String,
    pub publication: String,
    pub sequence: i64,
    /// SM3 of the manifest's text.
    pub manifest: String,
    pub rows: u64,
    pub deletes: u64,
    pub checksum: Checksum,
    pub accepted_at: i64,
}

impl Document for Receipt {
    const PURPOSE: &'static str = "tongban exchange 1: receipt";
}

/// Where in a put stream a chunk belongs; application metadata of Flight data.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub batch: String,
    pub place: u32,
    /// What the chunk is, where no manifest tells it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
}

/// A Flight ticket.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pull {
    pub delivery: String,
    /// Chunks that the node has already.
    pub from: u32,
}

/// Application metadata of what a pull brings.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pulled {
    Chunk {
        place: u32,
        mark: Mark,
    },
    /// The last message, without a body.
    Note(Signed),
}

/// What a delivery holds, signed by the hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub delivery: String,
    pub batch: String,
    pub subscription: String,
    pub sequence: i64,
    pub kind: BatchKind,
    pub rows: u64,
    pub deletes: u64,
    pub checksum: Checksum,
    pub chunks: Vec<Mark>,
}

impl Document for Note {
    const PURPOSE: &'static str = "tongban exchange 1: delivery note";
}

/// The subscriber's database has the delivery, said and signed by its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    pub delivery: String,
    pub node: String,
    pub rows: u64,
    pub deletes: u64,
    pub checksum: Checksum,
    pub applied_at: i64,
}

impl Document for Applied {
    const PURPOSE: &'static str = "tongban exchange 1: applied";
}

/// What a node cannot do at present, all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Troubles {
    pub troubles: Vec<Told>,
}

/// What does not go on, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Code; empty for the node itself.
    pub publication: String,
    pub problem: String,
}

/// The subscriber's database refuses the delivery; an operator has to look.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    pub delivery: String,
    pub problem: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_counts_for_its_text_and_purpose_only() {
        let key = GuoMi.generate_key().unwrap();
        let applied = Applied {
            delivery: "d".into(),
            node: "n".into(),
            rows: 1,
            deletes: 0,
            checksum: Checksum::default(),
            applied_at: 0,
        };
        let signed = Signed::sign(&key, &applied).unwrap();
        assert_eq!(signed.open::<Applied>(&key.public_key()).unwrap(), applied);
        assert!(signed.open::<Receipt>(&key.public_key()).is_err());
        let other = GuoMi.generate_key().unwrap().public_key();
        assert!(signed.open::<Applied>(&other).is_err());
        let mut tampered = signed;
        tampered.text = tampered.text.replace("\"rows\":1", "\"rows\":2");
        assert!(tampered.open::<Applied>(&key.public_key()).is_err());
    }
}
