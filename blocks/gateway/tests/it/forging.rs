//! Nodes that lie, and messages that come twice.

use std::sync::Arc;

use axum::{body::Body, http::Request};
use bytes::Bytes;
use exchange::node::Folder;
use futures::StreamExt;
use gateway::{
    body::{Seal, sealed},
    call::HUB,
    message::{self, AnswerHead, HEAD, RequestHead, TARGET},
    node::{Desk, answer_on, connect},
    proof::{Side, Signer},
};
use http_body_util::BodyExt;
use hyper::Response;
use kernel::{
    ManualClock,
    clock::micros,
    crypto::{GuoMi, PrivateKey, Suite},
};
use store::{Db, db_test};

use crate::house::{House, POLICE, apis, migrations};

const PATH: &str = "/api/gateway/persons/persons/7";

/// A node that answers whatever it likes, signed with whichever key.
struct Liar {
    key: PrivateKey,
    /// What is sent, and what is signed instead.
    sent: Vec<Vec<u8>>,
    signed_head: Option<String>,
}

impl Liar {
    fn answer(&self, request: &Request<Body>) -> Response<Body> {
        let (_, head) = message::decode::<RequestHead>(request.headers()).unwrap();
        let said = AnswerHead {
            call: head.call.clone(),
            status: 200,
            ..AnswerHead::default()
        };
        let text = serde_json::to_string(&said).unwrap();
        let signed = self.signed_head.as_ref().unwrap_or(&text);
        let seal = Seal {
            signer: Arc::new(Signer::start(self.key.clone()).unwrap()),
            call: head.call,
            side: Side::Answer,
            from: "police-1".into(),
            head: message::digest(&GuoMi, signed.as_bytes()),
            spent: None,
            told: None,
        };
        let pieces =
            futures::stream::iter(self.sent.clone().into_iter().map(|p| Ok(Bytes::from(p))));
        Response::builder()
            .header(HEAD, message::encode(&text).unwrap())
            .body(sealed(pieces.boxed(), seal))
            .unwrap()
    }
}

async fn lie(house: &House, folder: &Folder, liar: Liar) -> tokio::task::JoinHandle<()> {
    let (stream, _) = connect(folder, &folder.membership().unwrap())
        .await
        .unwrap();
    let liar = Arc::new(liar);
    let line = tokio::spawn(async move {
        let answer = move |request: Request<Body>| {
            let liar = liar.clone();
            async move { liar.answer(&request) }
        };
        drop(answer_on(stream, answer).await);
    });
    house.until_line("police-1", true).await;
    line
}

#[db_test(migrations = migrations)]
async fn an_answer_that_nobody_stands_for_is_not_handed_over(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let folder = house.enrol("police-1", POLICE).await;
    house.register(|_| {}).await;
    house.grant(|_| {}).await;
    let own = folder.signing_key().unwrap();
    let small = vec![b"lies".to_vec()];
    let large = vec![vec![b'x'; 300_000], vec![b'y'; 1000]];
    let stranger = || GuoMi.generate_key().unwrap();
    let other_head = || Some("{}".to_owned());
    for (key, sent, signed_head, is_small) in [
        (stranger(), small.clone(), None, true),
        (own.clone(), small.clone(), other_head(), true),
        (stranger(), large.clone(), None, false),
    ] {
        let liar = Liar {
            key,
            sent,
            signed_head,
        };
        let line = lie(&house, &folder, liar).await;
        let answer = house.get(PATH).await;
        if is_small {
            assert_eq!(
                (answer.status, answer.rule().as_str()),
                (502, "gateway-tampered")
            );
        } else {
            // It flows already, and breaks off before its end.
            assert!(answer.body.is_err());
        }
        assert_eq!(house.log().await[0].0, "tampered");
        line.abort();
        house.until_line("police-1", false).await;
    }
    let honest = Liar {
        key: own,
        sent: small,
        signed_head: None,
    };
    let line = lie(&house, &folder, honest).await;
    assert_eq!(&house.get(PATH).await.body.unwrap()[..], b"lies");
    line.abort();
}

/// What a hub would send.
struct Message {
    text: String,
    target: String,
    signed: String,
}

impl Message {
    fn of(call: &str, target: &str) -> Self {
        let head = RequestHead {
            call: call.into(),
            resource: "persons".into(),
            operation: "GET /persons/{id}".into(),
            grant: "g".into(),
            consumer: "c".into(),
            purpose: "p".into(),
            method: "GET".into(),
            target: message::digest(&GuoMi, target.as_bytes()),
            headers: std::collections::BTreeMap::default(),
            suite: "guomi".into(),
            at: micros(chrono::Utc::now()),
        };
        let text = serde_json::to_string(&head).unwrap();
        Self {
            signed: text.clone(),
            text,
            target: target.into(),
        }
    }

    async fn to(&self, desk: &Desk, key: &PrivateKey) -> AnswerHead {
        let call = serde_json::from_str::<RequestHead>(&self.text)
            .unwrap()
            .call;
        let seal = Seal {
            signer: Arc::new(Signer::start(key.clone()).unwrap()),
            call,
            side: Side::Request,
            from: HUB.into(),
            head: message::digest(&GuoMi, self.signed.as_bytes()),
            spent: None,
            told: None,
        };
        let request = Request::post("/call")
            .header(HEAD, message::encode(&self.text).unwrap())
            .header(TARGET, &self.target)
            .body(sealed(futures::stream::empty().boxed(), seal))
            .unwrap();
        let answer = desk.answer(request).await;
        let (parts, body) = answer.into_parts();
        drop(body.collect().await.unwrap());
        message::decode::<AnswerHead>(&parts.headers).unwrap().1
    }
}

#[db_test(migrations = migrations)]
async fn a_node_acts_on_nothing_that_is_false_or_came_before(db: Db, clock: Arc<ManualClock>) {
    use gateway::message::Trouble;
    let house = House::open(db, &clock).await;
    let folder = house.enrol("police-1", POLICE).await;
    let api = crate::house::Backend::start().await;
    let mut membership = folder.membership().unwrap();
    // The test speaks with a key of its own as the hub.
    let hub = GuoMi.generate_key().unwrap();
    membership.hub_key = hub.public_key().to_pem().unwrap();
    let tls = folder.tls_key().unwrap().public_key();
    let desk = Desk::open(&folder, &membership, tls, &apis(&api.url)).unwrap();

    let message = Message::of("one", "/persons/7");
    assert_eq!(message.to(&desk, &hub).await.status, 200);
    let again = message.to(&desk, &hub).await;
    assert_eq!(again.trouble, Some(Trouble::Replayed));
    let stranger = GuoMi.generate_key().unwrap();
    let foreign = Message::of("two", "/persons/7").to(&desk, &stranger).await;
    assert_eq!(foreign.trouble, Some(Trouble::Unproven));
    // Another path than was signed, and another head.
    let mut altered = Message::of("three", "/persons/7");
    altered.target = "/persons/8".into();
    assert_eq!(
        altered.to(&desk, &hub).await.trouble,
        Some(Trouble::Unproven)
    );
    let mut altered = Message::of("four", "/persons/7");
    altered.signed = altered.text.replace("GET", "PUT");
    assert_eq!(
        altered.to(&desk, &hub).await.trouble,
        Some(Trouble::Unproven)
    );
    let mut other = Message::of("five", "/persons/7");
    other.text = other.text.replace("\"persons\"", "\"others\"");
    other.signed = other.text.clone();
    assert_eq!(
        other.to(&desk, &hub).await.trouble,
        Some(Trouble::NotOffered)
    );
    let calls = api.calls.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(calls, 1);
}
