//! Bodies on the line between hub and node: hashed as they flow, proven at their end.
//!
//! Whoever sends hashes each piece and adds its proof as a trailer. Whoever receives holds the last
//! piece back until the proof is there and true: a body that was tampered with is never whole at the
//! other end. A small body is read to its end first, so nothing of a false one is acted on.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use futures::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    HeaderMap,
    body::Frame,
    header::{HeaderName, HeaderValue},
};
use kernel::crypto::{Hasher, Suite};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::oneshot;

use crate::proof::{Proof, Side, Signer, Statement, Verifier};

/// Bytes up to which a body is read whole before anything of it is used.
pub const WHOLE: usize = 256 << 10;

/// A sender that says nothing for longer has gone.
const PATIENCE: Duration = Duration::from_mins(1);

const PROOF: HeaderName = HeaderName::from_static("tongban-proof");

/// Why a body did not come through.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Trouble {
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    #[error("the body is not what its sender stands for")]
    Unproven,
    #[error("the body broke off: {0}")]
    Broken(String),
}

pub type Pieces = BoxStream<'static, Result<Bytes, Trouble>>;

/// A body as pieces, at most that many bytes of it.
pub fn limited(body: Body, most: u64) -> Pieces {
    let mut count = 0_u64;
    body.into_data_stream()
        .map(move |piece| {
            let piece = piece.map_err(|e| Trouble::Broken(e.to_string()))?;
            count += piece.len() as u64;
            if count > most {
                return Err(Trouble::TooLarge(most));
            }
            Ok(piece)
        })
        .boxed()
}

/// A value in a header.
pub fn encode(value: &impl Serialize) -> Result<HeaderValue, kernel::Fault> {
    let failed = |e: &dyn std::fmt::Display| kernel::Fault::new(format!("write a header: {e}"));
    let text = serde_json::to_vec(value).map_err(|e| failed(&e))?;
    HeaderValue::try_from(STANDARD.encode(text)).map_err(|e| failed(&e))
}

pub fn decode<T: DeserializeOwned>(value: &HeaderValue) -> Option<T> {
    serde_json::from_slice(&STANDARD.decode(value.as_bytes()).ok()?).ok()
}

/// How a sender stands for a body.
pub struct Seal {
    pub signer: Arc<Signer>,
    pub call: String,
    pub side: Side,
    pub from: String,
    /// Digest of the message's head.
    pub head: String,
    /// Of an answer: when its node began, and what the API took.
    pub spent: Option<(Instant, u64)>,
    /// Hears the proof when it is made.
    pub told: Option<oneshot::Sender<Proof>>,
}

impl Seal {
    /// Signs for a body of that digest and length.
    pub async fn sign(&self, digest: &[u8], bytes: u64) -> Result<Proof, kernel::Fault> {
        let micros =
            |begun: Instant| u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let statement = Statement {
            call: self.call.clone(),
            side: self.side,
            from: self.from.clone(),
            head: self.head.clone(),
            body: hex::encode(digest),
            bytes,
            at: kernel::clock::micros(kernel::Clock::now(&kernel::SystemClock)),
            api_us: self.spent.map_or(0, |(_, api)| api),
            node_us: self.spent.map_or(0, |(begun, _)| micros(begun)),
        };
        self.signer.sign(&statement).await
    }
}

struct Sending {
    pieces: Pieces,
    hasher: Hasher,
    count: u64,
    seal: Seal,
}

/// The body with its proof as the trailer.
pub fn sealed(pieces: Pieces, seal: Seal) -> Body {
    let sending = Sending {
        pieces,
        hasher: seal.signer.suite().hasher(),
        count: 0,
        seal,
    };
    let frames = stream::unfold(Some(sending), |sending| async move {
        let mut sending = sending?;
        match sending.pieces.next().await {
            Some(Ok(piece)) => {
                sending.hasher.update(&piece);
                sending.count += piece.len() as u64;
                Some((Ok(Frame::data(piece)), Some(sending)))
            }
            Some(Err(trouble)) => Some((Err(trouble), None)),
            None => {
                let digest = sending.hasher.finish();
                let frame = trailer(&mut sending.seal, &digest, sending.count).await;
                Some((frame, None))
            }
        }
    });
    Body::new(StreamBody::new(frames))
}

async fn trailer(seal: &mut Seal, digest: &[u8], count: u64) -> Result<Frame<Bytes>, Trouble> {
    let broken = |fault: kernel::Fault| Trouble::Broken(fault.chain());
    let proof = seal.sign(digest, count).await.map_err(broken)?;
    let mut trailers = HeaderMap::new();
    trailers.insert(PROOF, encode(&proof).map_err(broken)?);
    if let Some(told) = seal.told.take() {
        drop(told.send(proof));
    }
    Ok(Frame::trailers(trailers))
}

/// What a receiver knows of a body that is to come.
#[derive(Clone)]
pub struct Expected {
    pub verifier: Arc<Verifier>,
    pub call: String,
    pub side: Side,
    pub from: String,
    pub head: String,
    pub most: u64,
}

/// A statement that was found true, and its proof.
pub type Proven = (Statement, Proof);

/// What came.
pub enum Opened {
    /// All of it, proven.
    Whole(Bytes, Box<Proven>),
    /// More than is read at once.
    Flowing(Box<Flowing>),
}

/// A body that is still coming.
pub struct Flowing {
    body: Body,
    expected: Expected,
    hasher: Hasher,
    count: u64,
    /// What came and was not handed on; never empty before the proof is there.
    held: VecDeque<Bytes>,
    proof: Option<Proof>,
}

/// Reads a body to its end, or until it is too long to be held.
pub async fn open(body: Body, expected: Expected) -> Result<Opened, Trouble> {
    let suite: &dyn Suite = expected.verifier.suite();
    let mut flowing = Flowing {
        body,
        hasher: suite.hasher(),
        expected,
        count: 0,
        held: VecDeque::new(),
        proof: None,
    };
    loop {
        if flowing.count > WHOLE as u64 {
            return Ok(Opened::Flowing(Box::new(flowing)));
        }
        if !flowing.more().await? {
            let proven = flowing.close()?;
            return Ok(Opened::Whole(joined(flowing.held), Box::new(proven)));
        }
    }
}

fn joined(mut pieces: VecDeque<Bytes>) -> Bytes {
    if pieces.len() == 1 {
        return pieces.pop_front().unwrap_or_default();
    }
    let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in &pieces {
        whole.extend_from_slice(piece);
    }
    whole.freeze()
}

/// Hears how a body ended before its last piece is handed on, and may keep that back.
pub type Finish = Box<
    dyn FnOnce(Result<Proven, Trouble>) -> BoxFuture<'static, Result<(), Trouble>> + Send + 'static,
>;

impl Flowing {
    /// Reads one piece; false at the end.
    async fn more(&mut self) -> Result<bool, Trouble> {
        let silent = |_| Trouble::Broken("nothing came for a while".into());
        let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await;
        let Some(frame) = frame.map_err(silent)? else {
            return Ok(false);
        };
        let frame = frame.map_err(|e| Trouble::Broken(e.to_string()))?;
        match frame.into_data() {
            Ok(piece) => {
                self.hasher.update(&piece);
                self.count += piece.len() as u64;
                if self.count > self.expected.most {
                    return Err(Trouble::TooLarge(self.expected.most));
                }
                if !piece.is_empty() {
                    self.held.push_back(piece);
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    self.proof = trailers.get(PROOF).and_then(decode);
                }
            }
        }
        Ok(true)
    }

    /// The proof is there and says what came.
    fn close(&mut self) -> Result<Proven, Trouble> {
        let expected = &self.expected;
        let proof = self.proof.take().ok_or(Trouble::Unproven)?;
        let opened = expected.verifier.open(&proof);
        let said = opened.map_err(|_| Trouble::Unproven)?;
        let digest = hex::encode(self.hasher.clone().finish());
        let is_so = said.call == expected.call
            && said.side == expected.side
            && said.from == expected.from
            && said.head == expected.head
            && said.body == digest
            && said.bytes == self.count;
        if is_so {
            Ok((said, proof))
        } else {
            Err(Trouble::Unproven)
        }
    }

    /// The rest of the body as pieces; the last comes only after `finish` agreed.
    pub fn into_pieces(self, finish: Finish) -> Pieces {
        stream::unfold(Some((self, finish)), |state| async move {
            let (mut flowing, finish) = state?;
            loop {
                if flowing.held.len() > 1
                    && let Some(piece) = flowing.held.pop_front()
                {
                    return Some((Ok(piece), Some((flowing, finish))));
                }
                let ended = match flowing.more().await {
                    Ok(true) => continue,
                    Ok(false) => flowing.close(),
                    Err(trouble) => Err(trouble),
                };
                let agreed = finish(ended).await;
                return Some((agreed.map(|()| joined(flowing.held)), None));
            }
        })
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::crypto::GuoMi;

    fn pieces(parts: Vec<Vec<u8>>) -> Pieces {
        stream::iter(parts.into_iter().map(|part| Ok(Bytes::from(part)))).boxed()
    }

    struct Ends {
        signer: Arc<Signer>,
        expected: Expected,
    }

    fn ends() -> Ends {
        let key = GuoMi.generate_key().unwrap();
        let verifier = Arc::new(Verifier::of(key.public_key()).unwrap());
        Ends {
            signer: Arc::new(Signer::start(key).unwrap()),
            expected: Expected {
                verifier,
                call: "c".into(),
                side: Side::Request,
                from: "hub".into(),
                head: "h".into(),
                most: 1 << 20,
            },
        }
    }

    impl Ends {
        fn send(&self, parts: Vec<Vec<u8>>) -> Body {
            let seal = Seal {
                signer: self.signer.clone(),
                call: "c".into(),
                side: Side::Request,
                from: "hub".into(),
                head: "h".into(),
                spent: None,
                told: None,
            };
            sealed(pieces(parts), seal)
        }
    }

    /// The frames of a body with one of its bytes changed.
    fn tampered(body: Body) -> Body {
        let mut is_first = true;
        let frames = http_body_util::BodyStream::new(body).map(move |frame| {
            frame.map(|frame| match frame.into_data() {
                Ok(data) if is_first => {
                    is_first = false;
                    let mut bytes = data.to_vec();
                    bytes[0] ^= 1;
                    Frame::data(Bytes::from(bytes))
                }
                Ok(data) => Frame::data(data),
                Err(frame) => frame,
            })
        });
        Body::new(StreamBody::new(frames))
    }

    #[tokio::test]
    async fn a_small_body_comes_whole_or_not_at_all() {
        let ends = ends();
        let sent = ends.send(vec![b"ab".to_vec(), b"c".to_vec()]);
        let Opened::Whole(bytes, proven) = open(sent, ends.expected.clone()).await.unwrap() else {
            panic!("a small body was not read whole");
        };
        assert_eq!((&bytes[..], proven.0.bytes), (&b"abc"[..], 3));
        let sent = tampered(ends.send(vec![b"abc".to_vec()]));
        let outcome = open(sent, ends.expected.clone()).await;
        assert!(matches!(outcome, Err(Trouble::Unproven)));
        let other = Expected {
            call: "d".into(),
            ..ends.expected.clone()
        };
        let outcome = open(ends.send(vec![b"abc".to_vec()]), other).await;
        assert!(matches!(outcome, Err(Trouble::Unproven)));
        let small = Expected {
            most: 2,
            ..ends.expected.clone()
        };
        let outcome = open(ends.send(vec![b"abc".to_vec()]), small).await;
        assert!(matches!(outcome, Err(Trouble::TooLarge(2))));
        let bare = open(Body::from("abc"), ends.expected.clone()).await;
        assert!(matches!(bare, Err(Trouble::Unproven)));
    }

    #[tokio::test]
    async fn the_last_piece_of_a_false_body_is_kept_back() {
        let ends = ends();
        let parts = || vec![vec![7_u8; WHOLE], vec![8; 100], vec![9; 100]];
        for is_false in [false, true] {
            let mut sent = ends.send(parts());
            if is_false {
                sent = tampered(sent);
            }
            let Opened::Flowing(flowing) = open(sent, ends.expected.clone()).await.unwrap() else {
                panic!("a large body was held");
            };
            let got: Vec<_> = flowing
                .into_pieces(Box::new(|ended| Box::pin(async move { ended.map(drop) })))
                .collect()
                .await;
            let whole: usize = got.iter().flatten().map(Bytes::len).sum();
            if is_false {
                assert!(matches!(got.last(), Some(Err(Trouble::Unproven))));
                assert!(whole < WHOLE + 200);
            } else {
                assert_eq!(whole, WHOLE + 200);
            }
        }
    }
}
