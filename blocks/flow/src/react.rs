//! What follows by itself: bindings and subscriptions from events, batches and registries by jobs.

use std::sync::Arc;

use ::store::{Consumer, Event, EventBody, Handler, Job, JobBody, JobFailure, Tx};
use async_trait::async_trait;
use exchange::{
    Hub,
    event::{BatchAccepted, NodeEnrolled, PublicationMoved},
};
use kernel::{Error, Fault, Result};
use serde::{Deserialize, Serialize};
use web::App;

use crate::{batch, bind, feed, grant};

/// Take what waits of a publication.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pump {
    pub publication: String,
}

impl JobBody for Pump {
    const KIND: &'static str = "flow.pump.v1";
}

impl Pump {
    /// Orders it, unless it is ordered already.
    pub(crate) fn order(tx: &Tx, publication: &str) -> Result<()> {
        let publication = publication.to_owned();
        let body = Self {
            publication: publication.clone(),
        };
        tx.enqueue_unique(publication, tx.now(), &body)
    }
}

/// Times that a job comes again before a steward is told.
const PATIENCE: i32 = 4;

pub(crate) struct PumpHandler(pub App);

#[async_trait]
impl Handler for PumpHandler {
    fn kind(&self) -> &'static str {
        Pump::KIND
    }

    /// Of two loads of one table one would wait for the other; and none keeps other jobs waiting.
    fn lane(&self) -> Option<usize> {
        Some(1)
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let pump: Pump = job.body()?;
        let may_come_again = job.attempts < PATIENCE;
        match batch::act::take_all(&self.0, &pump.publication).await {
            Ok(_) => {}
            Err(error) if may_come_again => return Err(error.into()),
            Err(error) => batch::act::give_up(&self.0, &pump.publication, &error).await?,
        }
        // What is in the lake goes on, even where a later batch does not get there.
        match feed::act::feed_all(&self.0, &pump.publication).await {
            Ok(()) => Ok(()),
            Err(error) if may_come_again => Err(error.into()),
            Err(error) => {
                feed::act::give_up(&self.0, &pump.publication, &error).await?;
                Ok(())
            }
        }
    }

    /// Where its worker died at each try, nobody else told a steward.
    async fn given_up(&self, job: &Job, reason: &Fault) -> Result<()> {
        let Ok(pump) = job.body::<Pump>() else {
            return Ok(());
        };
        let error = Error::from(Fault::new(reason.chain()));
        batch::act::give_up(&self.0, &pump.publication, &error).await?;
        feed::act::give_up(&self.0, &pump.publication, &error).await
    }
}

/// Joins the catalog, the exchange and the lake.
pub(crate) struct Joiner(pub Arc<Hub>);

const WHO: &str = "system";

#[async_trait]
impl Consumer for Joiner {
    fn name(&self) -> &'static str {
        "flow"
    }

    fn reads(&self, kind: &str) -> bool {
        [
            catalog::event::Published::KIND,
            catalog::event::Withdrawn::KIND,
            catalog::event::RequestMoved::KIND,
            PublicationMoved::KIND,
            NodeEnrolled::KIND,
            BatchAccepted::KIND,
        ]
        .contains(&kind)
    }

    async fn take(&self, tx: &Tx, event: &Event) -> Result<()> {
        match event.kind.as_str() {
            catalog::event::Published::KIND => {
                let said: catalog::event::Published = body(event)?;
                bind::republished(tx, &said.resource, WHO).await
            }
            catalog::event::Withdrawn::KIND => {
                let said: catalog::event::Withdrawn = body(event)?;
                bind::withdrawn(tx, &said.resource, WHO).await
            }
            catalog::event::RequestMoved::KIND => {
                let said: catalog::event::RequestMoved = body(event)?;
                grant::moved(&self.0, tx, &said.request, WHO).await
            }
            PublicationMoved::KIND => {
                let said: PublicationMoved = body(event)?;
                if said.state != "open" {
                    return Ok(());
                }
                match bind::opened(tx, &said.publication, WHO).await? {
                    Some(entry) => grant::opened(&self.0, tx, &entry, WHO).await,
                    None => Ok(()),
                }
            }
            NodeEnrolled::KIND => {
                let said: NodeEnrolled = body(event)?;
                grant::enrolled(&self.0, tx, &said.org, WHO).await
            }
            _ => batch::act::accepted(tx, &body(event)?).await,
        }
    }
}

fn body<B: EventBody>(event: &Event) -> Result<B> {
    let read = event.body::<B>();
    let read = read.ok_or_else(|| Fault::new("an event of another kind"))?;
    read.map_err(|e| Error::from(Fault::caused_by("read an event", e)))
}
