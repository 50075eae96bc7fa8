//! The node's side: a line to the hub, and the department's APIs behind it.
//!
//! The node opens the line and nobody reaches the node otherwise. What the hub asks is checked
//! before anything of it reaches an API: the hub stands for it, it is new, and the node's settings
//! offer that resource.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::body::Body;
use exchange::{
    certificate,
    node::{
        Folder, Membership,
        config::{Api, with_environment},
    },
};
use futures::{StreamExt, TryStreamExt};
use hyper::{Request, Response, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use kernel::{
    Clock, Fault, SystemClock,
    clock::micros,
    crypto::{PrivateKey, PublicKey},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use crate::{
    body::{self, Expected, Opened, Seal, sealed},
    call::HUB,
    line::{KEEP_ALIVE, LINE_WINDOW, PROTOCOL, STREAM_WINDOW},
    message::{self, AnswerHead, HEAD, RequestHead, Seen, TARGET, Trouble},
    proof::{Side, Signer, Verifier},
};

/// Between tries while the hub is away: doubled each time up to this.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const CONNECT: Duration = Duration::from_secs(15);
/// Calls that are answered at one time.
const AT_ONCE: u32 = 1024;
/// A message that says nothing of its algorithms is checked with the hub's first key.
const INTERNATIONAL: &str = "international";

/// Keeps a line to the hub open until told to stop. A node without APIs needs none.
pub async fn run(folder: &Folder, apis: &[Api], stop: &CancellationToken) {
    if apis.is_empty() {
        return;
    }
    let mut pause = SHORTEST_PAUSE;
    loop {
        let begun = Instant::now();
        let outcome = tokio::select! {
            outcome = serve(folder, apis) => outcome,
            () = stop.cancelled() => return,
        };
        if let Err(fault) = outcome {
            tracing::warn!(cause = %fault.chain(), "the line to the hub broke");
        }
        // A line that held for a while says that the hub is well.
        pause = if begun.elapsed() > LONGEST_PAUSE {
            SHORTEST_PAUSE
        } else {
            (pause * 2).min(LONGEST_PAUSE)
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Opens one line and answers on it until it ends.
pub async fn serve(folder: &Folder, apis: &[Api]) -> Result<(), Fault> {
    let membership = folder.membership()?;
    let (stream, hub_key) = connect(folder, &membership).await?;
    let desk = Arc::new(Desk::open(folder, &membership, hub_key, apis)?);
    answer_on(stream, move |request| {
        let desk = desk.clone();
        async move { desk.answer(request).await }
    })
    .await
}

/// Answers what comes on a line; each call is a stream of it.
pub async fn answer_on<F, Fut>(stream: TlsStream<TcpStream>, answer: F) -> Result<(), Fault>
where
    F: Fn(Request<Body>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let answered = answer(request.map(Body::new));
        async move { Ok::<_, std::convert::Infallible>(answered.await) }
    });
    http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(LINE_WINDOW)
        .max_concurrent_streams(AT_ONCE)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(|e| Fault::caused_by("answer the hub", e).transient())
}

/// A connection to the hub for calls, and the key of the certificate that the hub showed.
pub async fn connect(
    folder: &Folder,
    membership: &Membership,
) -> Result<(TlsStream<TcpStream>, PublicKey), Fault> {
    exchange::use_ring();
    let address = membership
        .hub
        .strip_prefix("https://")
        .ok_or_else(|| Fault::new("the hub's address begins with https://"))?;
    let (host, _) = address
        .rsplit_once(':')
        .ok_or_else(|| Fault::new("the hub's address ends with its port"))?;
    let unreachable = |e| Fault::caused_by("reach the hub", e).transient();
    let opening = async {
        let stream = TcpStream::connect(address).await.map_err(unreachable)?;
        drop(stream.set_nodelay(true));
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|e| Fault::caused_by("read the hub's name", e))?;
        let config = Arc::new(tls(folder, membership)?);
        let stream = TlsConnector::from(config).connect(name, stream).await;
        stream.map_err(unreachable)
    };
    let stream = tokio::time::timeout(CONNECT, opening)
        .await
        .map_err(|_| Fault::new("the hub does not answer").transient())??;
    let session = stream.get_ref().1;
    if session.alpn_protocol() != Some(PROTOCOL.as_bytes()) {
        return Err(
            Fault::new("the hub takes no calls for APIs; its version is older").transient(),
        );
    }
    let shown = session.peer_certificates().and_then(|all| all.first());
    let shown = shown.ok_or_else(|| Fault::new("the hub shows no certificate"))?;
    let key = certificate::key_of(shown.as_ref())?;
    Ok((stream, key))
}

fn tls(folder: &Folder, membership: &Membership) -> Result<ClientConfig, Fault> {
    let failed = |e: rustls::pki_types::pem::Error| Fault::caused_by("read the node's keys", e);
    let unfit = |e: rustls::Error| Fault::caused_by("prepare the way to the hub", e);
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(membership.authority.as_bytes()).map_err(failed)?;
    roots.add(root).map_err(unfit)?;
    let own = CertificateDer::from_pem_slice(membership.certificate.as_bytes()).map_err(failed)?;
    let key = folder
        .tls_key()?
        .to_pem()
        .map_err(|e| Fault::caused_by("read the node's key", e))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(failed)?;
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![own], key)
        .map_err(unfit)?;
    config.alpn_protocols = vec![PROTOCOL.into()];
    Ok(config)
}

/// The keys of both ends for one suite of algorithms.
struct Ends {
    hub: Arc<Verifier>,
    own: Arc<Signer>,
}

impl Ends {
    fn of(hub: PublicKey, own: PrivateKey) -> Result<Self, Fault> {
        Ok(Self {
            hub: Arc::new(Verifier::of(hub)?),
            own: Arc::new(Signer::start(own)?),
        })
    }
}

/// Where calls of the hub are answered.
pub struct Desk {
    node: String,
    guomi: Ends,
    international: Ends,
    apis: HashMap<String, Target>,
    client: reqwest::Client,
    seen: Seen,
}

struct Target {
    url: String,
    headers: BTreeMap<String, String>,
    patience: Duration,
}

impl Desk {
    /// `hub_key` is that of the hub's certificate.
    pub fn open(
        folder: &Folder,
        membership: &Membership,
        hub_key: PublicKey,
        apis: &[Api],
    ) -> Result<Self, Fault> {
        exchange::use_ring();
        let mut targets = HashMap::new();
        for api in apis {
            let mut headers = BTreeMap::new();
            for (name, value) in &api.headers {
                headers.insert(name.clone(), with_environment(value)?);
            }
            let target = Target {
                url: with_environment(&api.url)?.trim_end_matches('/').to_owned(),
                headers,
                patience: Duration::from_secs(api.timeout_seconds),
            };
            targets.insert(api.resource.clone(), target);
        }
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|e| Fault::caused_by("prepare the way to the APIs", e))?;
        Ok(Self {
            node: membership.node.clone(),
            guomi: Ends::of(membership.hub_key()?, folder.signing_key()?)?,
            international: Ends::of(hub_key, folder.tls_key()?)?,
            apis: targets,
            client,
            seen: Seen::default(),
        })
    }

    fn ends(&self, suite: &str) -> &Ends {
        if suite == INTERNATIONAL {
            &self.international
        } else {
            &self.guomi
        }
    }

    /// Answers one call. Whatever went wrong, the node stands for what it says of it.
    pub async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let begun = Instant::now();
        let (parts, body) = request.into_parts();
        let Some((text, head)) = message::decode::<RequestHead>(&parts.headers) else {
            // Nothing is known of it, not even its number.
            return Response::new(Body::empty());
        };
        let target = parts.headers.get(TARGET).and_then(|t| t.to_str().ok());
        let asked = Incoming {
            head: &head,
            text: &text,
            target: target.unwrap_or_default(),
        };
        let (answer, pieces, api_us) = match self.ask(&asked, body).await {
            Ok((answer, pieces, api_us)) => (answer, pieces, api_us),
            Err(trouble) => {
                let answer = AnswerHead {
                    call: head.call.clone(),
                    trouble: Some(trouble),
                    ..AnswerHead::default()
                };
                (answer, futures::stream::empty().boxed(), 0)
            }
        };
        let written = self.write(&head, &answer, pieces, (begun, api_us));
        written.unwrap_or_else(|fault| {
            tracing::error!(cause = %fault.chain(), "a call could not be answered");
            Response::new(Body::empty())
        })
    }

    fn write(
        &self,
        head: &RequestHead,
        answer: &AnswerHead,
        pieces: body::Pieces,
        spent: (Instant, u64),
    ) -> Result<Response<Body>, Fault> {
        let ends = self.ends(&head.suite);
        let text = serde_json::to_string(answer)
            .map_err(|e| Fault::caused_by("write a message's head", e))?;
        let seal = Seal {
            signer: ends.own.clone(),
            call: head.call.clone(),
            side: Side::Answer,
            from: self.node.clone(),
            head: message::digest(ends.own.suite(), text.as_bytes()),
            spent: Some(spent),
            told: None,
        };
        Response::builder()
            .header(HEAD, message::encode(&text)?)
            .body(sealed(pieces, seal))
            .map_err(|e| Fault::caused_by("write an answer", e))
    }

    async fn ask(
        &self,
        asked: &Incoming<'_>,
        body: Body,
    ) -> Result<(AnswerHead, body::Pieces, u64), Trouble> {
        let head = asked.head;
        let ends = self.ends(&head.suite);
        let suite = ends.hub.suite();
        let is_so = message::digest(suite, asked.target.as_bytes()) == head.target;
        if !is_so || !asked.target.starts_with('/') {
            return Err(Trouble::Unproven);
        }
        let api = self.apis.get(&head.resource).ok_or(Trouble::NotOffered)?;
        let expected = Expected {
            verifier: ends.hub.clone(),
            call: head.call.clone(),
            side: Side::Request,
            from: HUB.into(),
            head: message::digest(suite, asked.text.as_bytes()),
            // The hub has bounded it.
            most: u64::MAX,
        };
        let opened = body::open(body, expected).await;
        let opened = opened.map_err(|_| Trouble::Unproven)?;
        if !self
            .seen
            .is_new(&head.call, head.at, micros(SystemClock.now()))
        {
            return Err(Trouble::Replayed);
        }
        let method = reqwest::Method::from_bytes(head.method.as_bytes());
        let method = method.map_err(|_| Trouble::Unproven)?;
        let mut request = self
            .client
            .request(method, format!("{}{}", api.url, asked.target));
        for (name, value) in head.headers.iter().chain(&api.headers) {
            request = request.header(name, value);
        }
        request = match opened {
            Opened::Whole(bytes, _) if bytes.is_empty() => request,
            Opened::Whole(bytes, _) => request.body(bytes),
            Opened::Flowing(flowing) => {
                let pieces =
                    flowing.into_pieces(Box::new(|ended| Box::pin(async move { ended.map(drop) })));
                request.body(reqwest::Body::wrap_stream(pieces))
            }
        };
        let sent = Instant::now();
        let answer = tokio::time::timeout(api.patience, request.send()).await;
        let answer = answer.map_err(|_| Trouble::ApiLate)?.map_err(|error| {
            tracing::warn!(resource = %head.resource, %error, "an API does not answer");
            Trouble::ApiAway
        })?;
        let api_us = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX);
        let said = AnswerHead {
            call: head.call.clone(),
            status: answer.status().as_u16(),
            headers: message::answered(answer.headers()),
            trouble: None,
        };
        let pieces = answer
            .bytes_stream()
            .map_err(|e| body::Trouble::Broken(e.to_string()))
            .boxed();
        Ok((said, pieces, api_us))
    }
}

struct Incoming<'a> {
    head: &'a RequestHead,
    text: &'a str,
    target: &'a str,
}
