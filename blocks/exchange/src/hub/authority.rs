//! The hub's keys: a private authority for certificates, a TLS key, and an SM2 key for receipts.
//! Files beside the other keys of the installation, made at the first start.

use std::path::Path;

use chrono::{DateTime, Duration, Utc};
use kernel::{
    Fault,
    crypto::{PrivateKey, PublicKey},
};
use p256::ecdsa::SigningKey;
use store::key_file;
use x509_cert::Certificate;

use crate::{
    certificate::{self, Issuer, Purpose},
    wire::{Document, Signed},
};

const ROOT_DAYS: i64 = 20 * 365;
/// The server's certificate is made anew at each start.
const SERVER_DAYS: i64 = 10 * 365;
const INTERNATIONAL: &str = "international";

pub struct Authority {
    key: SigningKey,
    certificate: Certificate,
    root_pem: String,
    /// Certificate chain and key of the server, PEM.
    server: (String, String),
    signing_key: PrivateKey,
}

/// A node's new certificate.
pub struct Issued {
    pub pem: String,
    pub fingerprint: String,
    pub expires_at: DateTime<Utc>,
}

impl Authority {
    /// Reads the keys of the folder; makes those that are not there yet. `names` are those under
    /// which nodes reach the server.
    pub fn open(dir: &Path, names: &[String], now: DateTime<Utc>) -> Result<Self, Fault> {
        std::fs::create_dir_all(dir).map_err(|e| Fault::caused_by("create the key folder", e))?;
        let root_key = key_file::key(dir, "exchange-root.key.pem", INTERNATIONAL)?;
        let server_key = key_file::key(dir, "exchange-hub.key.pem", INTERNATIONAL)?;
        let signing_key = key_file::key(dir, "exchange-sm2.key.pem", "guomi")?;
        let key = certificate::p256(&root_key)?;
        let root = root(dir, &key, now)?;
        let root_pem = certificate::to_pem(&root)?;
        let issuer = Issuer {
            key: &key,
            certificate: Some(&root),
            now,
            lasts: Duration::days(SERVER_DAYS),
        };
        let public = certificate::public(&certificate::p256(&server_key)?)?;
        let server = issuer.issue(&Purpose::Server(names), "Tongban exchange hub", public)?;
        let chain = certificate::to_pem(&server)? + &root_pem;
        let server_key = server_key
            .to_pem()
            .map_err(|e| Fault::caused_by("write the hub's key", e))?;
        Ok(Self {
            key,
            certificate: root,
            root_pem,
            server: (chain, server_key),
            signing_key,
        })
    }

    /// A certificate for the key that a node asks one for; `None` if it does not prove to have it.
    pub fn certify(
        &self,
        request: &str,
        node: &str,
        now: DateTime<Utc>,
        lasts: Duration,
    ) -> Result<Option<Issued>, Fault> {
        let Some(public) = certificate::requested(request) else {
            return Ok(None);
        };
        let issuer = Issuer {
            key: &self.key,
            certificate: Some(&self.certificate),
            now,
            lasts,
        };
        let made = issuer.issue(&Purpose::Client, node, public)?;
        Ok(Some(Issued {
            pem: certificate::to_pem(&made)?,
            fingerprint: certificate::fingerprint(&certificate::to_der(&made)?),
            expires_at: certificate::not_after(&made),
        }))
    }

    pub fn sign<D: Document>(&self, document: &D) -> Result<Signed, Fault> {
        Signed::sign(&self.signing_key, document)
    }

    /// The hub's key for signatures of that suite: the SM2 key of receipts, or the P-256 key of its
    /// TLS certificate, which nodes have seen.
    pub fn signing_key(&self, suite: &str) -> Result<PrivateKey, Fault> {
        if suite == INTERNATIONAL {
            let key = PrivateKey::from_pem(&self.server.1);
            return key.map_err(|e| Fault::caused_by("read the hub's key", e));
        }
        Ok(self.signing_key.clone())
    }

    pub fn public_key(&self) -> PublicKey {
        self.signing_key.public_key()
    }

    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// The beginning of the authority's fingerprint, by which an enrolling node knows it.
    pub fn pin(&self) -> Result<String, Fault> {
        let whole = certificate::fingerprint(&certificate::to_der(&self.certificate)?);
        Ok(pin(&whole))
    }

    /// Certificate chain and key of the server, PEM.
    pub(crate) fn server(&self) -> &(String, String) {
        &self.server
    }
}

/// As much of a fingerprint as a code carries: 128 bits.
pub fn pin(fingerprint: &str) -> String {
    fingerprint.get(..32).unwrap_or_default().to_owned()
}

fn root(dir: &Path, key: &SigningKey, now: DateTime<Utc>) -> Result<Certificate, Fault> {
    let path = dir.join("exchange-root.crt.pem");
    if !path.exists() {
        let issuer = Issuer {
            key,
            certificate: None,
            now,
            lasts: Duration::days(ROOT_DAYS),
        };
        let public = certificate::public(key)?;
        let made = issuer.issue(&Purpose::Authority, "Tongban exchange authority", public)?;
        key_file::write_once(&path, certificate::to_pem(&made)?.as_bytes())?;
    }
    let pem = std::fs::read_to_string(&path)
        .map_err(|e| Fault::caused_by("read the exchange's authority", e))?;
    certificate::from_pem(&pem)
}
