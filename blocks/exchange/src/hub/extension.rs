//! What later blocks say to nodes over the exchange's one port.
//!
//! A node reaches one address, so whatever else it is asked or told comes by it, too: further
//! orders as Flight actions, and whole connections of another protocol, which TLS names (ALPN).

use ::store::Tx;
use async_trait::async_trait;
use kernel::Result;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::Peer;

/// A connection that a node opened for an extension's protocol.
pub struct Connection {
    pub peer: Peer,
    /// What the node showed.
    pub certificate: CertificateDer<'static>,
    pub stream: TlsStream<TcpStream>,
}

#[async_trait]
pub trait Extension: Send + Sync + 'static {
    /// Names of the Flight actions that it answers.
    fn actions(&self) -> &'static [&'static str] {
        &[]
    }

    /// Carries an order out and answers JSON.
    async fn act(&self, peer: &Peer, action: &str, body: &[u8]) -> Result<Vec<u8>> {
        let _ = (peer, action, body);
        Err(kernel::Error::NotFound { what: "action" })
    }

    /// The protocol whose connections it takes.
    fn protocol(&self) -> Option<&'static str> {
        None
    }

    /// Keeps a connection until it ends; dropped when the hub stops.
    async fn keep(&self, connection: Connection) {
        drop(connection);
    }

    /// A node is being shut out: what rests on it ends in the same write.
    async fn revoking(&self, tx: &Tx, node: &str, reason: &str, who: &str) -> Result<()> {
        let _ = (tx, node, reason, who);
        Ok(())
    }

    /// A node was shut out: what it has open ends.
    fn revoked(&self, node: &str) {
        let _ = node;
    }
}
