//! Calls to the hub: outgoing, over mutual TLS.

use std::time::Duration;

use arrow_flight::{Action, FlightData, Ticket, flight_service_client::FlightServiceClient};
use futures::{Stream, StreamExt};
use kernel::Fault;
use serde::{Serialize, de::DeserializeOwned};
use tonic::{
    Code, Status, Streaming,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::{Folder, Membership};
use crate::{
    hub::LARGEST_MESSAGE,
    wire::{Place, Pull, RULE, action},
};

/// Why a step of the node did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The hub said no, and why; saying the same again will not help.
    #[error("{0}")]
    Refused(String),
    /// Out of reach, or something failed here; trying again may help.
    #[error("{}", .0.chain())]
    Fault(#[from] Fault),
}

impl From<kernel::Error> for Trouble {
    fn from(error: kernel::Error) -> Self {
        match error {
            kernel::Error::Fault(fault) | kernel::Error::Unavailable(fault) => Self::Fault(fault),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<Status> for Trouble {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::FailedPrecondition
            | Code::InvalidArgument
            | Code::NotFound
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Unimplemented => Self::Refused(status.message().to_owned()),
            _ => Self::Fault(Fault::caused_by("call the hub", status).transient()),
        }
    }
}

/// How long an order may take; streams take as long as they need.
const PATIENCE: Duration = Duration::from_mins(2);

pub struct Client {
    inner: FlightServiceClient<Channel>,
}

impl Client {
    /// As the node of that folder.
    pub fn member(folder: &Folder, membership: &Membership) -> Result<Self, Fault> {
        let key = folder.tls_key()?;
        let key = key
            .to_pem()
            .map_err(|e| Fault::caused_by("read the node's key", e))?;
        let identity = Identity::from_pem(&membership.certificate, key);
        Self::open(&membership.hub, &membership.authority, Some(identity))
    }

    /// As nobody, to enrol.
    pub(super) fn stranger(hub: &str, authority: &str) -> Result<Self, Fault> {
        Self::open(hub, authority, None)
    }

    fn open(hub: &str, authority: &str, identity: Option<Identity>) -> Result<Self, Fault> {
        crate::use_ring();
        let failed = |e| Fault::caused_by("prepare the connection to the hub", e);
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority));
        if let Some(identity) = identity {
            tls = tls.identity(identity);
        }
        let endpoint = Endpoint::from_shared(hub.to_owned())
            .map_err(failed)?
            .connect_timeout(Duration::from_secs(15))
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20))
            .tls_config(tls)
            .map_err(failed)?;
        let inner = FlightServiceClient::new(endpoint.connect_lazy())
            .max_decoding_message_size(LARGEST_MESSAGE)
            .max_encoding_message_size(LARGEST_MESSAGE);
        Ok(Self { inner })
    }

    /// Gives an order and reads its answer.
    pub async fn act<A: DeserializeOwned>(
        &mut self,
        kind: &str,
        body: &impl Serialize,
    ) -> Result<A, Trouble> {
        let body = serde_json::to_vec(body).map_err(|e| Fault::caused_by("write an order", e))?;
        let action = Action {
            r#type: kind.to_owned(),
            body: body.into(),
        };
        let late = |_| Fault::new("the hub does not answer").transient();
        let call = self.inner.do_action(action);
        let mut answers = tokio::time::timeout(PATIENCE, call)
            .await
            .map_err(late)??
            .into_inner();
        let answer = answers.message().await?;
        let answer = answer.ok_or_else(|| Fault::new("the hub answers nothing"))?;
        let read = serde_json::from_slice(&answer.body);
        Ok(read.map_err(|e| Fault::caused_by("read the hub's answer", e))?)
    }

    /// Whether the hub says that this node was shut out.
    pub async fn is_shut_out(&mut self) -> bool {
        let action = Action {
            r#type: action::WORK.to_owned(),
            body: "null".into(),
        };
        let call = tokio::time::timeout(PATIENCE, self.inner.do_action(action)).await;
        let Ok(Err(status)) = call else {
            return false;
        };
        let rule = status.metadata().get(RULE);
        rule.is_some_and(|rule| rule == "exchange-node-revoked")
    }

    /// Sends chunks; answers when all are kept at the hub.
    pub async fn put(
        &mut self,
        chunks: impl Stream<Item = (Place, Vec<u8>)> + Send + 'static,
    ) -> Result<usize, Trouble> {
        let messages = chunks.map(|(place, bytes)| FlightData {
            app_metadata: serde_json::to_vec(&place).unwrap_or_default().into(),
            data_body: bytes.into(),
            ..FlightData::default()
        });
        let mut answers = self.inner.do_put(messages).await?.into_inner();
        let mut kept = 0;
        while answers.message().await?.is_some() {
            kept += 1;
        }
        Ok(kept)
    }

    pub async fn get(&mut self, asked: &Pull) -> Result<Streaming<FlightData>, Trouble> {
        let ticket =
            serde_json::to_vec(asked).map_err(|e| Fault::caused_by("write a ticket", e))?;
        let ticket = Ticket {
            ticket: ticket.into(),
        };
        Ok(self.inner.do_get(ticket).await?.into_inner())
    }
}
