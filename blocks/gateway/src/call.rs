//! A call: admitted, counted, asked of the provider's node, proven, kept, answered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, Response, StatusCode, header},
};
use bytes::Bytes;
use futures::StreamExt;
use identity::Actor;
use kernel::{
    Error, Fault, Text,
    clock::{local_date, micros},
};
use tokio::sync::oneshot;
use web::App;

use crate::{
    admit::{Admitted, admit},
    body::{self, Expected, Opened, Proven, Seal, sealed},
    grant::Grant,
    limit::Over,
    line::Line,
    mask,
    message::{self, AnswerHead, HEAD, RequestHead, TARGET, Trouble},
    part::{Gateway, Known},
    proof::Side,
    query::{self, Query},
    record::{self, Hops, Outcome, Recording},
    refusal::Refusal,
    resource::may,
    schema::call as table,
    store,
};

/// Who signs for the hub.
pub const HUB: &str = "hub";

/// A call as it came.
pub struct Asked {
    pub resource: String,
    pub method: Method,
    /// As it was written, percent signs included; begins with `/`.
    pub path: String,
    pub query: Option<String>,
    pub headers: HeaderMap,
    pub body: Body,
}

impl Asked {
    fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Names the grant that a call is made under, where a consumer has several.
pub const GRANT_HEADER: &str = "tongban-grant";
/// A number of the caller's own, so that a call which he repeats is not made twice.
pub const CALL_HEADER: &str = "tongban-call";

/// Makes a call. The answer's body may still flow when this returns; its last piece comes when the
/// call's record is durable. What is not let in is counted.
pub async fn call(app: &App, actor: &Actor, asked: Asked) -> Result<Response<Body>, Refusal> {
    let begun = Instant::now();
    may(app, actor, "gateway.call", None)?;
    let gateway = app.part::<Gateway>()?;
    let mut orgs: Vec<String> = actor.posts.iter().map(|post| post.org.clone()).collect();
    orgs.sort_unstable();
    orgs.dedup();
    let known = gateway.known(app, &asked.resource, &orgs).await?;
    let wanted = asked.header(GRANT_HEADER);
    let now = app.clock().now();
    let today = local_date(now);
    let admitted = admit(&known, asked.method.as_str(), &asked.path, wanted, today);
    let consumer = match &admitted {
        Ok(admitted) => admitted.grant.org.clone(),
        Err(_) => caller(&known, actor),
    };
    let started = match admitted {
        Ok(admitted) => start(app, actor, &known, admitted, asked, begun).await,
        Err(refusal) => Err(refusal),
    };
    let (started, line, asked) = started.inspect_err(|refusal| {
        let resource = &known.resource.code;
        gateway.refused.note(resource, &consumer, refusal, now);
    })?;
    match (&known.resource.query, line) {
        (Some(query), _) => started.query(app, query, asked).await,
        (None, Some(line)) => started.forward(line, asked).await,
        (None, None) => Err(Refusal::Broken),
    }
}

/// The organisation of a caller whom no grant let in: that of a grant that did not help, or that of
/// his first post.
fn caller(known: &Known, actor: &Actor) -> String {
    let granted = known.grants.first().map(|grant| &grant.org);
    let own = actor.posts.first().map(|post| &post.org);
    granted.or(own).cloned().unwrap_or_default()
}

/// Looks at what a grant alone does not decide, and counts the call. Answers it with the line that it
/// goes by, where the hub does not answer itself.
async fn start(
    app: &App,
    actor: &Actor,
    known: &Arc<Known>,
    admitted: Admitted<'_>,
    asked: Asked,
    begun: Instant,
) -> Result<(Started, Option<Line>, Asked), Refusal> {
    let gateway = app.part::<Gateway>()?;
    let Admitted { operation, grant } = admitted;
    must_fit(known, &asked)?;
    let line = match &known.resource.query {
        Some(_) => None,
        None => Some(line_of(&gateway, known)?),
    };
    let number = number(&gateway, asked.headers.get(CALL_HEADER)).await?;
    if let Err(refusal) = count(&gateway, grant).await {
        // The caller comes back under the same number, so that one call is made of both.
        gateway.seen.forget(&number);
        return Err(refusal);
    }
    let head = RequestHead {
        call: number,
        resource: asked.resource.clone(),
        operation: operation.name(),
        grant: grant.id.clone(),
        consumer: grant.org.clone(),
        purpose: grant.purpose.clone(),
        method: asked.method.to_string(),
        target: message::digest(gateway.signer.suite(), asked.target().as_bytes()),
        headers: message::asked(&asked.headers),
        suite: gateway.settings.suite.clone(),
        at: micros(app.clock().now()),
    };
    let started = Started {
        head,
        grant: grant.clone(),
        known: known.clone(),
        begun,
        gateway,
        actor: actor.clone(),
    };
    Ok((started, line, asked))
}

fn line_of(gateway: &Gateway, known: &Known) -> Result<Line, Refusal> {
    let node = &known.resource.node;
    let line = gateway.lines.of(node);
    line.ok_or_else(|| Refusal::Away(node.clone()))
}

/// A body that says how large it is need not be read to be refused.
fn must_fit(known: &Known, asked: &Asked) -> Result<(), Refusal> {
    let most = known.resource.request_limit.unsigned_abs();
    let said = asked.headers.get(header::CONTENT_LENGTH);
    let said = said.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|said| said > most) {
        return Err(Refusal::TooLarge(most));
    }
    Ok(())
}

/// The call's number: a new one, or the caller's own if it was not there before.
async fn number(gateway: &Gateway, own: Option<&header::HeaderValue>) -> Result<String, Refusal> {
    let now = gateway.db.clock().now();
    let Some(own) = own else {
        return Ok(::store::event::new_id(now));
    };
    let unfit = || Error::invalid(CALL_HEADER, Text::new("gateway-call-number"));
    let own = own
        .to_str()
        .ok()
        .and_then(|text| text.parse::<uuid::Uuid>().ok());
    let own = own.ok_or_else(unfit)?.to_string();
    let now = micros(now);
    let known = store::lookup::<table::Entity>(gateway.db.read(), own.clone()).await?;
    if known.is_some() || !gateway.seen.is_new(&own, now, now) {
        return Err(Refusal::Replayed);
    }
    Ok(own)
}

async fn count(gateway: &Gateway, grant: &Grant) -> Result<(), Refusal> {
    let now = gateway.db.clock().now();
    let day = kernel::clock::local_date(now);
    let rate = u32::try_from(grant.rate_per_second).unwrap_or(u32::MAX);
    if !gateway.limits.knows(&grant.id, day) {
        let used = store::used(gateway.db.read(), &grant.id, day).await?;
        gateway.limits.begin(&grant.id, day, used, rate);
    }
    let quota = grant.quota_per_day.unsigned_abs();
    let taken = gateway.limits.take(&grant.id, quota, rate, now);
    taken.map_err(|over| match over {
        Over::Quota(seconds) => Refusal::OverQuota(seconds),
        Over::Rate(seconds) => Refusal::OverRate(seconds),
    })
}

/// A call that was let in.
struct Started {
    gateway: Arc<Gateway>,
    actor: Actor,
    known: Arc<Known>,
    grant: Grant,
    head: RequestHead,
    begun: Instant,
}

impl Started {
    fn recording(&self, head: &str, signer: &str) -> Recording {
        let resource = &self.known.resource;
        let row = table::Model {
            id: self.head.call.clone(),
            at: self.head.at,
            resource: resource.code.clone(),
            operation: self.head.operation.clone(),
            grant_id: self.grant.id.clone(),
            consumer: self.grant.org.clone(),
            provider: resource.org.clone(),
            node: resource.node.clone(),
            actor: self.actor.trace(),
            outcome: String::new(),
            status: 0,
            request_bytes: 0,
            answer_bytes: 0,
            request_head: head.to_owned(),
            request: None,
            answer_head: None,
            answer: None,
            delivery: None,
            hub_signer: self.gateway.signer_id.clone(),
            node_signer: signer.to_owned(),
            hub_us: 0,
            line_us: 0,
            node_us: 0,
            api_us: 0,
            total_us: 0,
            batch: String::new(),
        };
        Recording::begin(self.gateway.log.clone(), row, self.begun)
    }

    /// Counts a call that was refused before it had a record.
    fn refused(&self, app: &App, refusal: Refusal) -> Refusal {
        let (resource, consumer) = (&self.known.resource.code, &self.grant.org);
        let now = app.clock().now();
        self.gateway.refused.note(resource, consumer, &refusal, now);
        refusal
    }

    fn seal(&self, side: Side, head: String) -> Seal {
        Seal {
            signer: self.gateway.signer.clone(),
            call: self.head.call.clone(),
            side,
            from: HUB.into(),
            head,
            spent: None,
            told: None,
        }
    }

    fn digest(&self, text: &[u8]) -> String {
        message::digest(self.gateway.signer.suite(), text)
    }

    /// Asks the provider's node, and hands its answer over.
    async fn forward(self, line: Line, asked: Asked) -> Result<Response<Body>, Refusal> {
        let text = serde_json::to_string(&self.head)
            .map_err(|e| Fault::caused_by("write a message's head", e))?;
        let mut recording = self.recording(&text, &line.signer);
        let (told, proof) = oneshot::channel();
        recording.expect_request(proof);
        let mut seal = self.seal(Side::Request, self.digest(text.as_bytes()));
        seal.told = Some(told);
        let most = self.known.resource.request_limit.unsigned_abs();
        let (pieces, excess) = watched(body::limited(asked.body, most));
        let request = Request::post("/call")
            .header(HEAD, message::encode(&text)?)
            .header(TARGET, asked_target(&asked.path, asked.query.as_deref())?)
            .body(sealed(pieces, seal))
            .map_err(|e| Fault::caused_by("write a request", e))?;
        let sent = Instant::now();
        let patience = self.known.resource.timeout_seconds;
        let limit = Duration::from_secs(patience.unsigned_abs());
        let answered = tokio::time::timeout(limit, self.answer(&line, request)).await;
        let refusal = match answered {
            Ok(Ok(answer)) => {
                return self.hand_over(answer, recording, sent).await;
            }
            Ok(Err(refusal)) => refusal,
            Err(_) => Refusal::Late(patience),
        };
        let refusal = if excess.is_set() {
            Refusal::TooLarge(most)
        } else {
            refusal
        };
        recording.finish(outcome_of(&refusal)).await?;
        Err(refusal)
    }

    /// The node's answer, to its end or as far as it is held.
    async fn answer(&self, line: &Line, request: Request<Body>) -> Result<Answer, Refusal> {
        let mut sender = line.sender.clone();
        let away = |_| Refusal::Away(line.node.clone());
        sender.ready().await.map_err(away)?;
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| {
            tracing::info!(%error, node = %line.node, "a call broke");
            Refusal::Broken
        })?;
        let (parts, body) = answer.into_parts();
        let (text, head) =
            message::decode::<AnswerHead>(&parts.headers).ok_or(Refusal::Tampered)?;
        let expected = Expected {
            verifier: line.verifier.clone(),
            call: self.head.call.clone(),
            side: Side::Answer,
            from: line.node.clone(),
            head: self.digest(text.as_bytes()),
            most: self.known.resource.answer_limit.unsigned_abs(),
        };
        if head.call != self.head.call {
            return Err(Refusal::Tampered);
        }
        let opened = body::open(Body::new(body), expected).await;
        let opened = opened.map_err(|trouble| self.refusal_of(&trouble))?;
        match head.trouble {
            None => Ok(Answer { text, head, opened }),
            Some(trouble) => Err(match trouble {
                Trouble::Unproven | Trouble::Replayed => Refusal::Broken,
                Trouble::NotOffered => Refusal::NotOffered(line.node.clone()),
                Trouble::ApiAway => Refusal::ApiAway,
                Trouble::ApiLate => Refusal::Late(self.known.resource.timeout_seconds),
            }),
        }
    }

    fn refusal_of(&self, trouble: &body::Trouble) -> Refusal {
        match trouble {
            body::Trouble::TooLarge(_) => Refusal::AnswerTooLarge(self.known.resource.answer_limit),
            body::Trouble::Unproven => Refusal::Tampered,
            body::Trouble::Broken(_) => Refusal::Broken,
        }
    }

    async fn hand_over(
        self,
        answer: Answer,
        mut recording: Recording,
        sent: Instant,
    ) -> Result<Response<Body>, Refusal> {
        let Answer { text, head, opened } = answer;
        let head_digest = self.digest(text.as_bytes());
        recording.change(|row| {
            row.status = i64::from(head.status);
            row.answer_head = Some(text);
        });
        match opened {
            Opened::Whole(bytes, proven) => {
                let hops = hops(&proven, sent);
                note_answer(&mut recording, &proven)?;
                let bytes = match self.masked(&head, bytes) {
                    Ok(bytes) => bytes,
                    Err(refusal) => {
                        recording.finish(Outcome::Unmaskable).await?;
                        return Err(refusal);
                    }
                };
                let seal = self.seal(Side::Delivery, head_digest);
                let digest = self.gateway.signer.suite().hash(&bytes);
                let proof = seal.sign(&digest, bytes.len() as u64).await?;
                recording.change(|row| row.delivery = record::text(&proof).ok());
                let times = recording.spent(hops);
                recording.finish(Outcome::Answered).await?;
                self.response(&head, times.as_ref(), Body::from(bytes))
            }
            Opened::Flowing(_) if !self.grant.masks.is_empty() => {
                recording.finish(Outcome::Unmaskable).await?;
                Err(Refusal::Unmaskable)
            }
            Opened::Flowing(flowing) => {
                let seal = self.seal(Side::Delivery, head_digest);
                let ended = Ended {
                    recording,
                    seal,
                    sent,
                };
                let pieces =
                    flowing.into_pieces(Box::new(|outcome| Box::pin(ended.finish(outcome))));
                self.response(&head, None, Body::from_stream(pieces))
            }
        }
    }

    /// The body as the grant lets it be seen.
    fn masked(&self, head: &AnswerHead, bytes: Bytes) -> Result<Bytes, Refusal> {
        if self.grant.masks.is_empty() || bytes.is_empty() {
            return Ok(bytes);
        }
        let kind = head.headers.get("content-type").map(String::as_str);
        if !kind.is_some_and(|kind| kind.contains("json")) {
            return Err(Refusal::Unmaskable);
        }
        let mut value = serde_json::from_slice(&bytes).map_err(|_| Refusal::Unmaskable)?;
        mask::apply(&self.grant.masks, &mut value);
        Ok(Bytes::from(value.to_string()))
    }

    fn response(
        &self,
        head: &AnswerHead,
        times: Option<&table::Model>,
        body: Body,
    ) -> Result<Response<Body>, Refusal> {
        let status = StatusCode::from_u16(head.status).map_err(|_| Refusal::Broken)?;
        let mut response = Response::builder()
            .status(status)
            .header(CALL_HEADER, &self.head.call);
        for (name, value) in &head.headers {
            response = response.header(name, value);
        }
        if let Some(row) = times {
            response = response.header("server-timing", timing(row));
        }
        response
            .body(body)
            .map_err(|e| Fault::caused_by("write an answer", e).into())
    }

    /// Answers from a registry or the lake; the hub stands for question and answer alike.
    async fn query(
        self,
        app: &App,
        query: &Query,
        asked: Asked,
    ) -> Result<Response<Body>, Refusal> {
        let most = query::LARGEST;
        let question = axum::body::to_bytes(asked.body, usize::try_from(most).unwrap_or(0)).await;
        let question = question.map_err(|_| self.refused(app, Refusal::TooLarge(most)))?;
        let text = serde_json::to_string(&self.head)
            .map_err(|e| Fault::caused_by("write a message's head", e))?;
        let mut recording = self.recording(&text, &self.gateway.signer_id);
        let suite = self.gateway.signer.suite();
        let seal = self.seal(Side::Request, self.digest(text.as_bytes()));
        let request = seal
            .sign(&suite.hash(&question), question.len() as u64)
            .await?;
        recording.change(|row| {
            row.request_bytes = i64::try_from(question.len()).unwrap_or(i64::MAX);
            row.request = record::text(&request).ok();
        });
        let (org, purpose) = (&self.grant.org, &self.grant.purpose);
        let answered = query::answer(app, &self.actor, org, purpose, query, &question).await;
        let value = match answered {
            Ok(value) => value,
            Err(error) => {
                recording.finish(Outcome::Failed).await?;
                return Err(error.into());
            }
        };
        let head = AnswerHead {
            call: self.head.call.clone(),
            status: 200,
            headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
            trouble: None,
        };
        let head_text = serde_json::to_string(&head)
            .map_err(|e| Fault::caused_by("write a message's head", e))?;
        let bytes = self.masked(&head, Bytes::from(value.to_string()))?;
        let seal = self.seal(Side::Delivery, self.digest(head_text.as_bytes()));
        let delivery = seal.sign(&suite.hash(&bytes), bytes.len() as u64).await?;
        recording.change(|row| {
            row.status = 200;
            row.answer_bytes = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
            row.answer_head = Some(head_text);
            row.delivery = record::text(&delivery).ok();
        });
        let times = recording.spent(Hops::default());
        recording.finish(Outcome::Answered).await?;
        self.response(&head, times.as_ref(), Body::from(bytes))
    }
}

struct Answer {
    text: String,
    head: AnswerHead,
    opened: Opened,
}

/// What is done when a body that flowed through has ended, before its last piece goes out.
struct Ended {
    recording: Recording,
    seal: Seal,
    sent: Instant,
}

impl Ended {
    async fn finish(mut self, outcome: Result<Proven, body::Trouble>) -> Result<(), body::Trouble> {
        let broken = |_: Error| body::Trouble::Broken("the call could not be kept".into());
        let proven = match outcome {
            Ok(proven) => proven,
            Err(trouble) => {
                let outcome = match trouble {
                    body::Trouble::TooLarge(_) => Outcome::TooLarge,
                    body::Trouble::Unproven => Outcome::Tampered,
                    body::Trouble::Broken(_) => Outcome::Aborted,
                };
                self.recording.finish(outcome).await.map_err(broken)?;
                return Err(trouble);
            }
        };
        let hops = hops(&proven, self.sent);
        note_answer(&mut self.recording, &proven).map_err(broken)?;
        let digest = hex::decode(&proven.0.body).unwrap_or_default();
        let proof = self.seal.sign(&digest, proven.0.bytes).await;
        let proof = proof.map_err(|fault| broken(fault.into()))?;
        self.recording
            .change(|row| row.delivery = record::text(&proof).ok());
        self.recording.spent(hops);
        self.recording
            .finish(Outcome::Answered)
            .await
            .map_err(broken)
    }
}

fn hops(proven: &Proven, sent: Instant) -> Hops {
    Hops {
        round_trip: u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX),
        node: proven.0.node_us,
        api: proven.0.api_us,
    }
}

fn note_answer(recording: &mut Recording, proven: &Proven) -> kernel::Result<()> {
    let text = record::text(&proven.1)?;
    recording.change(|row| {
        row.answer_bytes = i64::try_from(proven.0.bytes).unwrap_or(i64::MAX);
        row.answer = Some(text);
    });
    Ok(())
}

fn outcome_of(refusal: &Refusal) -> Outcome {
    match refusal {
        Refusal::Away(_) | Refusal::NotOffered(_) | Refusal::ApiAway => Outcome::Away,
        Refusal::Late(_) => Outcome::Late,
        Refusal::Tampered => Outcome::Tampered,
        Refusal::TooLarge(_) | Refusal::AnswerTooLarge(_) => Outcome::TooLarge,
        Refusal::Unmaskable => Outcome::Unmaskable,
        Refusal::Broken => Outcome::Aborted,
        _ => Outcome::Failed,
    }
}

/// Times of the hops as browsers' tools and programs read them, milliseconds.
fn timing(row: &table::Model) -> String {
    let hop =
        |name: &str, micros: i64| format!("{name};dur={}.{:03}", micros / 1000, micros % 1000);
    [
        hop("hub", row.hub_us),
        hop("line", row.line_us),
        hop("node", row.node_us),
        hop("api", row.api_us),
    ]
    .join(", ")
}

fn asked_target(path: &str, query: Option<&str>) -> Result<header::HeaderValue, Fault> {
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    header::HeaderValue::try_from(target).map_err(|e| Fault::caused_by("write a target", e))
}

/// Whether a body turned out too large: on the line it only breaks off.
#[derive(Clone, Default)]
struct Excess(Arc<std::sync::atomic::AtomicBool>);

impl Excess {
    fn is_set(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Acquire)
    }
}

fn watched(pieces: body::Pieces) -> (body::Pieces, Excess) {
    let excess = Excess::default();
    let own = excess.clone();
    let pieces = pieces.inspect(move |piece| {
        if matches!(piece, Err(body::Trouble::TooLarge(_))) {
            own.0.store(true, std::sync::atomic::Ordering::Release);
        }
    });
    (pieces.boxed(), excess)
}
