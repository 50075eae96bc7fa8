//! Taking connections of nodes: mutual TLS, and which protocol a connection is for.

use std::{io, sync::Arc, time::Duration};

use futures::{Stream, stream};
use kernel::Fault;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{Hub, enrolment, extension::Connection};

/// Whoever shakes hands for longer is no node.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// After the system has no more connections to give.
const PAUSE: Duration = Duration::from_millis(200);

/// Without a certificate a connection is taken as well: nothing but enrolling is answered on it.
pub(super) fn acceptor(hub: &Hub) -> Result<TlsAcceptor, Fault> {
    let failed = |e: rustls::pki_types::pem::Error| Fault::caused_by("read the hub's keys", e);
    let unfit = |e: rustls::Error| Fault::caused_by("prepare the hub's TLS", e);
    let (chain, key) = hub.authority.server();
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(hub.authority.root_pem().as_bytes());
    roots.add(root.map_err(failed)?).map_err(unfit)?;
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
        .allow_unauthenticated()
        .build()
        .map_err(|e| Fault::caused_by("prepare the hub's TLS", e))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(failed)?;
    let mut config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.map_err(failed)?, key)
        .map_err(unfit)?;
    let others = hub.extensions();
    let others = others.iter().filter_map(|e| e.protocol());
    config.alpn_protocols = ["h2"].into_iter().chain(others).map(Vec::from).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Connections that speak Flight, as the server takes them.
pub(super) fn incoming(
    mut ready: mpsc::Receiver<TlsStream<TcpStream>>,
) -> impl Stream<Item = io::Result<TlsStream<TcpStream>>> {
    stream::poll_fn(move |context| ready.poll_recv(context).map(|stream| stream.map(Ok)))
}

/// Takes connections until told to stop, and gives each to whom it is for.
pub(super) async fn run(
    hub: Arc<Hub>,
    acceptor: TlsAcceptor,
    listener: TcpListener,
    flight: mpsc::Sender<TlsStream<TcpStream>>,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (hub, acceptor) = (hub.clone(), acceptor.clone());
        let (flight, stop) = (flight.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = take(&hub, &acceptor, stream, &flight) => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

async fn take(
    hub: &Hub,
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    flight: &mpsc::Sender<TlsStream<TcpStream>>,
) {
    drop(stream.set_nodelay(true));
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else {
        return;
    };
    let spoken = stream.get_ref().1.alpn_protocol().unwrap_or(b"h2").to_vec();
    let extension = hub
        .extensions()
        .into_iter()
        .find(|e| e.protocol().is_some_and(|name| name.as_bytes() == spoken));
    let Some(extension) = extension else {
        // Nobody takes it any more when the server has stopped.
        drop(flight.send(stream).await);
        return;
    };
    let shown = stream.get_ref().1.peer_certificates();
    let Some(certificate) = shown.and_then(|all| all.first()).cloned() else {
        return;
    };
    match enrolment::identify(hub, certificate.as_ref()).await {
        Ok(peer) => {
            extension
                .keep(Connection {
                    peer,
                    certificate,
                    stream,
                })
                .await;
        }
        Err(error) => tracing::warn!(%error, "a connection was not taken"),
    }
}
