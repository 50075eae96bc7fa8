//! Lines: connections that nodes opened, on which the hub calls.
//!
//! A node connects to the exchange's port and says by ALPN what for. Then the roles change: on the
//! connection that came from the node, the hub is the HTTP/2 client and the node the server. Many
//! calls share a line, each a stream with a window of its own, so a slow reader slows only himself.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use exchange::{certificate, hub::extension::Connection};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use kernel::{Fault, crypto::PublicKey};
use tokio_util::sync::CancellationToken;

use crate::proof::Verifier;

/// What a node says by ALPN.
pub const PROTOCOL: &str = "tongban-calls/1";

/// Bytes of one body that may be under way before its reader took them.
pub const STREAM_WINDOW: u32 = 1 << 20;
/// The same for all bodies of a line.
pub const LINE_WINDOW: u32 = 16 << 20;
/// A line that says nothing is asked whether it is there.
pub const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// A line that can be called on.
#[derive(Clone)]
pub struct Line {
    pub node: String,
    pub sender: SendRequest<Body>,
    /// Checks what the node signs.
    pub verifier: Arc<Verifier>,
    /// Number of its key in the log.
    pub signer: String,
    number: u64,
    ends: CancellationToken,
}

/// All lines, by node.
#[derive(Default)]
pub struct Lines {
    all: Mutex<HashMap<String, Line>>,
    last: AtomicU64,
}

impl Lines {
    pub fn of(&self, node: &str) -> Option<Line> {
        let line = self.all().get(node).cloned()?;
        (!line.sender.is_closed()).then_some(line)
    }

    /// Nodes that can be called now.
    pub fn nodes(&self) -> Vec<String> {
        self.all().keys().cloned().collect()
    }

    /// Ends a node's line and the calls on it.
    pub fn end(&self, node: &str) {
        if let Some(line) = self.all().remove(node) {
            line.ends.cancel();
        }
    }

    /// Keeps a line until one side ends it.
    pub async fn keep(
        &self,
        connection: Connection,
        key: PublicKey,
        signer: String,
    ) -> Result<(), Fault> {
        let failed = |e| Fault::caused_by("open a node's line", e);
        let node = connection.peer.code().to_owned();
        let (sender, serving) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(LINE_WINDOW)
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(connection.stream))
            .await
            .map_err(failed)?;
        let line = Line {
            node: node.clone(),
            sender,
            verifier: Arc::new(Verifier::of(key)?),
            signer,
            number: self.last.fetch_add(1, Ordering::Relaxed),
            ends: CancellationToken::new(),
        };
        let (number, ends) = (line.number, line.ends.clone());
        // A node that came back before its old line was found dead is called on the new one.
        drop(self.all().insert(node.clone(), line));
        let ended = tokio::select! {
            ended = serving => ended,
            () = ends.cancelled() => Ok(()),
        };
        let mut all = self.all();
        if all.get(&node).is_some_and(|line| line.number == number) {
            all.remove(&node);
        }
        ended.map_err(failed)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Line>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key that a node signs with: its SM2 key, or that of its certificate.
pub fn key_of(connection: &Connection, suite: &str) -> Result<PublicKey, Fault> {
    if suite == "international" {
        return certificate::key_of(connection.certificate.as_ref());
    }
    PublicKey::from_pem(connection.peer.signing_key())
        .map_err(|e| Fault::caused_by("read a node's key", e))
}
