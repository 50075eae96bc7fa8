//! The door for nodes: an Arrow Flight service behind mutual TLS.
//!
//! Whoever comes without a certificate may only enrol. Everybody else's certificate is looked up
//! anew at each call, so a revoked node is out at once.

use std::sync::Arc;

use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
    flight_service_server::{FlightService, FlightServiceServer},
};
use futures::{StreamExt, stream::BoxStream};
use kernel::{Error, Fault};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, Streaming, transport::Server};
use web::{App, Language};

use super::{Hub, Peer, batch, begun, delivery, enrolment, listen, publication, subscription};
use crate::{
    data::chunk::LARGEST,
    wire::{
        Begin, Commit, Failed, GiveUp, Place, Pull, RULE, Refusals, Signed, Troubles, Want, action,
    },
};

/// Bytes of a Flight message at the most: a chunk and what stands around it.
pub(crate) const LARGEST_MESSAGE: usize = LARGEST + (1 << 20);

/// Serves nodes until told to stop.
pub async fn serve(app: App, listener: TcpListener, stop: CancellationToken) -> Result<(), Fault> {
    crate::use_ring();
    let failed = |e| Fault::caused_by("serve the exchange", e);
    let hub = app.part::<Hub>()?;
    let acceptor = listen::acceptor(&hub)?;
    let service = FlightServiceServer::new(Door {
        app,
        hub: hub.clone(),
    })
    .max_decoding_message_size(LARGEST_MESSAGE)
    .max_encoding_message_size(LARGEST_MESSAGE);
    let (ready, connections) = mpsc::channel(64);
    let serving = Server::builder()
        .http2_keepalive_interval(Some(std::time::Duration::from_secs(30)))
        .add_service(service)
        .serve_with_incoming_shutdown(
            listen::incoming(connections),
            stop.clone().cancelled_owned(),
        );
    // Dropped with this future, so that no connection outlives it.
    let listening = stop.child_token();
    let _ends = listening.clone().drop_guard();
    let taking = listen::run(hub, acceptor, listener, ready, listening);
    let (served, ()) = tokio::join!(serving, taking);
    served.map_err(failed)
}

/// Chunks of one stream that are checked and kept side by side.
const AT_ONCE: usize = 3;

struct Door {
    app: App,
    hub: Arc<Hub>,
}

impl Door {
    /// Who calls.
    async fn peer<T>(&self, request: &Request<T>) -> Result<Peer, Status> {
        let certificates = request.peer_certs();
        let own = certificates.as_ref().and_then(|all| all.first());
        let own = own.ok_or_else(|| self.status(&Error::NotSignedIn))?;
        let known = enrolment::identify(&self.hub, own.as_ref()).await;
        known.map_err(|error| self.status(&error))
    }

    /// An act's error for a node's operator: the rule and the remedy, in both languages.
    fn status(&self, error: &Error) -> Status {
        let code = match error {
            Error::NotSignedIn => Code::Unauthenticated,
            Error::Forbidden { .. } => Code::PermissionDenied,
            Error::NotFound { .. } => Code::NotFound,
            Error::Invalid(_) => Code::InvalidArgument,
            Error::Refused(_) => Code::FailedPrecondition,
            Error::Unavailable(_) => Code::Unavailable,
            Error::Fault(fault) if fault.is_transient => Code::Unavailable,
            Error::Fault(_) => Code::Internal,
        };
        if let Error::Fault(fault) | Error::Unavailable(fault) = error {
            tracing::error!(cause = %fault.chain(), "a node's call failed");
        }
        let mut status = Status::new(code, self.words(error));
        if let Error::Refused(text) = error
            && let Ok(rule) = text.key.parse()
        {
            status.metadata_mut().insert(RULE, rule);
        }
        status
    }

    fn words(&self, error: &Error) -> String {
        let say = |text: &kernel::Text| {
            let args: Vec<_> = text.args.iter().map(|(n, v)| (*n, v.clone())).collect();
            let texts = self.app.texts();
            let chinese = texts.text(Language::ZhCn, text.key, &args);
            format!("{chinese} / {}", texts.text(Language::En, text.key, &args))
        };
        match error {
            Error::Invalid(findings) => {
                let all: Vec<_> = findings
                    .iter()
                    .map(|f| format!("{}: {}", f.field, say(&f.text)))
                    .collect();
                all.join("; ")
            }
            Error::Refused(text) => say(text),
            Error::NotSignedIn => say(&kernel::Text::new("exchange-certificate-unknown")),
            Error::NotFound { what } => format!("{what} not found"),
            Error::Forbidden { .. } | Error::Unavailable(_) | Error::Fault(_) => {
                say(&kernel::Text::new("exchange-hub-trouble"))
            }
        }
    }

    async fn act(&self, request: Request<Action>) -> Result<Vec<u8>, Status> {
        let kind = request.get_ref().r#type.clone();
        if kind == action::ENROL {
            let asked = read(&request.get_ref().body)?;
            let done = enrolment::enrol(&self.hub, asked).await;
            return self.answer(done);
        }
        let peer = self.peer(&request).await?;
        let (hub, body) = (&self.hub, &request.get_ref().body);
        match kind.as_str() {
            action::RENEW => self.answer(enrolment::renew(hub, &peer, &read(body)?).await),
            action::ANNOUNCE => self.answer(publication::announce(hub, &peer, &read(body)?).await),
            action::WORK => self.answer(delivery::work(hub, &peer).await),
            action::BEGIN => {
                let asked: Begin = read(body)?;
                self.answer(begun::begin(hub, &peer, &asked).await)
            }
            action::GIVE_UP => {
                let asked: GiveUp = read(body)?;
                self.answer(begun::give_up(hub, &peer, &asked).await)
            }
            action::OFFER => {
                let offered: Signed = read(body)?;
                self.answer(batch::offer(hub, &peer, &offered).await)
            }
            action::REFUSALS => {
                let refusals: Refusals = read(body)?;
                self.answer(batch::refusals(hub, &peer, refusals).await)
            }
            action::COMMIT => {
                let commit: Commit = read(body)?;
                self.answer(batch::commit(hub, &peer, &commit.batch).await)
            }
            action::APPLIED => {
                let receipt: Signed = read(body)?;
                self.answer(delivery::applied(hub, &peer, &receipt).await)
            }
            action::FAILED => {
                let failed: Failed = read(body)?;
                self.answer(delivery::failed(hub, &peer, &failed).await)
            }
            action::WANT => {
                let wanted: Want = read(body)?;
                self.answer(subscription::want(hub, &peer, &wanted.publication).await)
            }
            action::TROUBLES => {
                let told: Troubles = read(body)?;
                self.answer(enrolment::note_troubles(hub, &peer, &told).await)
            }
            _ => self.extended(&peer, &kind, body).await,
        }
    }

    /// Orders that later blocks answer.
    async fn extended(&self, peer: &Peer, kind: &str, body: &[u8]) -> Result<Vec<u8>, Status> {
        let all = self.hub.extensions();
        let known = all.iter().find(|e| e.actions().contains(&kind));
        let known = known.ok_or_else(|| Status::unimplemented(kind))?;
        let done = known.act(peer, kind, body).await;
        done.map_err(|error| self.status(&error))
    }

    fn answer<T: Serialize>(&self, done: kernel::Result<T>) -> Result<Vec<u8>, Status> {
        let value = done.map_err(|error| self.status(&error))?;
        serde_json::to_vec(&value).map_err(|_| Status::internal("unwritable answer"))
    }

    async fn take(&self, peer: &Peer, message: FlightData) -> Result<PutResult, Status> {
        let place: Place = read(&message.app_metadata)?;
        let taken = batch::receive(&self.hub, peer, &place, message.data_body).await;
        taken.map_err(|error| self.status(&error))?;
        Ok(PutResult {
            app_metadata: message.app_metadata,
        })
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Status> {
    serde_json::from_slice(body).map_err(|e| Status::invalid_argument(e.to_string()))
}

type Answers<T> = BoxStream<'static, Result<T, Status>>;

#[async_trait::async_trait]
impl FlightService for Door {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Answers<FlightData>;
    type DoPutStream = Answers<PutResult>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;
    type DoExchangeStream = Answers<FlightData>;

    async fn do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Self::DoActionStream>, Status> {
        let body = self.act(request).await?;
        let answer = arrow_flight::Result { body: body.into() };
        Ok(Response::new(futures::stream::iter([Ok(answer)]).boxed()))
    }

    /// Takes chunks; each is answered when it is kept, so that the sender knows where to go on.
    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        let peer = self.peer(&request).await?;
        let door = Self {
            app: self.app.clone(),
            hub: self.hub.clone(),
        };
        let taken = request.into_inner().map(move |message| {
            let door = Self {
                app: door.app.clone(),
                hub: door.hub.clone(),
            };
            let peer = peer.clone();
            async move { door.take(&peer, message?).await }
        });
        Ok(Response::new(taken.buffered(AT_ONCE).boxed()))
    }

    async fn do_get(
        &self,
        request: Request<Ticket>,
    ) -> Result<Response<Self::DoGetStream>, Status> {
        let peer = self.peer(&request).await?;
        let asked: Pull = read(&request.get_ref().ticket)?;
        let pulled = delivery::pull(self.hub.clone(), &peer, &asked).await;
        let messages = pulled.map_err(|error| self.status(&error))?;
        let door = Self {
            app: self.app.clone(),
            hub: self.hub.clone(),
        };
        let stream = futures::stream::unfold(messages, |mut messages| async move {
            Some((messages.recv().await?, messages))
        });
        let answers = stream.map(move |message| {
            let (pulled, body) = message.map_err(|error| door.status(&error))?;
            let metadata =
                serde_json::to_vec(&pulled).map_err(|_| Status::internal("unwritable answer"))?;
            Ok(FlightData {
                app_metadata: metadata.into(),
                data_body: body,
                ..FlightData::default()
            })
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn list_actions(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        Err(Status::unimplemented("list_actions"))
    }

    async fn handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        Err(Status::unimplemented("handshake"))
    }

    async fn list_flights(
        &self,
        _: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        Err(Status::unimplemented("list_flights"))
    }

    async fn get_flight_info(
        &self,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        Err(Status::unimplemented("get_flight_info"))
    }

    async fn poll_flight_info(
        &self,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        Err(Status::unimplemented("poll_flight_info"))
    }

    async fn get_schema(
        &self,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        Err(Status::unimplemented("get_schema"))
    }

    async fn do_exchange(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        Err(Status::unimplemented("do_exchange"))
    }
}
