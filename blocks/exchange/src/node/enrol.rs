//! Becoming a node: keys made here, a certificate from the hub. The one-time code tells both the
//! secret and the beginning of the authority's fingerprint, so the secret goes to nobody else.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use kernel::{Fault, crypto::sm3};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{
    Folder, Membership,
    client::{Client, Trouble},
};
use crate::{
    certificate,
    hub::{authority::pin, enrolment::CODE_PREFIX},
    wire::{Enrol, Enrolled, Possession, Renew, Renewed, Signed, action},
};

/// Enrols the folder's node at a hub.
pub async fn enrol(folder: &Folder, hub: &str, code: &str) -> Result<Membership, Trouble> {
    std::fs::create_dir_all(&folder.0)
        .map_err(|e| Fault::caused_by(format!("make {}", folder.0.display()), e))?;
    let (secret, wanted) = read_code(code)?;
    let authority = authority(hub, &wanted).await?;
    let (tls_key, signing_key) = (folder.tls_key()?, folder.signing_key()?);
    let request = certificate::request(&certificate::p256(&tls_key)?, "node")?;
    let possession = Possession {
        request_digest: hex::encode(sm3(request.as_bytes())),
    };
    let asked = Enrol {
        secret,
        proof: Signed::sign(&signing_key, &possession)?,
        signing_key: signing_key
            .public_key()
            .to_pem()
            .map_err(|e| Fault::caused_by("write the node's key", e))?,
        request,
    };
    let mut stranger = Client::stranger(hub, &authority)?;
    let enrolled: Enrolled = stranger.act(action::ENROL, &asked).await?;
    let membership = Membership {
        hub: hub.trim_end_matches('/').to_owned(),
        node: enrolled.node,
        authority,
        hub_key: enrolled.hub_key,
        certificate: enrolled.certificate,
    };
    folder.keep_membership(&membership)?;
    Ok(membership)
}

/// Whether a code is from the hub where this node is a member: from the same authority, whatever its
/// address.
pub fn is_from(membership: &Membership, code: &str) -> Result<bool, Fault> {
    let (_, wanted) = read_code(code)?;
    let own = certificate::from_pem(&membership.authority)?;
    Ok(pin(&certificate::fingerprint(&certificate::to_der(&own)?)) == wanted)
}

fn read_code(code: &str) -> Result<(String, String), Fault> {
    let mut parts = code.trim().split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(CODE_PREFIX), Some(secret), Some(pin), None) if pin.len() == 32 => {
            Ok((secret.to_owned(), pin.to_owned()))
        }
        _ => Err(Fault::new(
            "this is no enrolment code: copy it whole, from TB1 to its last letter",
        )),
    }
}

/// The authority that the hub's certificate chain ends with, if it is the wanted one. Nothing is
/// said over this connection: what follows is said over one that trusts this authority only.
async fn authority(hub: &str, wanted: &str) -> Result<String, Fault> {
    crate::use_ring();
    let address = hub
        .strip_prefix("https://")
        .ok_or_else(|| Fault::new("the hub's address begins with https://"))?
        .trim_end_matches('/');
    let (host, _) = address
        .rsplit_once(':')
        .ok_or_else(|| Fault::new("the hub's address ends with its port, as :8444"))?;
    let seen = Arc::new(Looking::default());
    let config = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(seen.clone())
        .with_no_client_auth();
    let unreachable = |e: std::io::Error| Fault::caused_by(format!("reach {hub}"), e).transient();
    let stream = TcpStream::connect(address).await.map_err(unreachable)?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
        .map_err(|e| Fault::caused_by("read the hub's name", e))?;
    let connected = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await;
    drop(connected.map_err(unreachable)?);
    let root = seen.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    let root = root.ok_or_else(|| Fault::new("the hub shows no certificate"))?;
    if pin(&certificate::fingerprint(&root)) != wanted {
        return Err(Fault::new(
            "this is not the hub that made the code: its authority is another one. Check the \
             address, and tell the centre if it is right",
        ));
    }
    certificate::to_pem(&certificate::from_der(&root)?)
}

/// Remembers the last certificate of a chain.
#[derive(Debug, Default)]
struct Looking(Mutex<Option<Vec<u8>>>);

impl ServerCertVerifier for Looking {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let root = intermediates.last().map(|der| der.to_vec());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = root;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::ED25519,
        ]
    }
}

/// Whether less than a third of a certificate's time is left.
pub fn is_due(membership: &Membership, now: DateTime<Utc>) -> Result<bool, Fault> {
    let own = certificate::from_pem(&membership.certificate)?;
    let (from, until) = (certificate::not_before(&own), certificate::not_after(&own));
    Ok(until - now < (until - from) / 3)
}

/// When the node's certificate ends.
pub fn expires(membership: &Membership) -> Result<DateTime<Utc>, Fault> {
    Ok(certificate::not_after(&certificate::from_pem(
        &membership.certificate,
    )?))
}

/// Asks for a new certificate for the same key and keeps it.
pub async fn renew(folder: &Folder, client: &mut Client) -> Result<Membership, Trouble> {
    let request = certificate::request(&certificate::p256(&folder.tls_key()?)?, "node")?;
    let renewed: Renewed = client.act(action::RENEW, &Renew { request }).await?;
    let membership = Membership {
        certificate: renewed.certificate,
        ..folder.membership()?
    };
    folder.keep_membership(&membership)?;
    Ok(membership)
}
