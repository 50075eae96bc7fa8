//! What people look at: the log of calls, how many and how fast, and whether a call is proven.

use ::store::{
    event::{EventFilter, list_sealed},
    page::{PageOf, PageRequest},
};
use chrono::{DateTime, Duration, Utc};
use identity::Actor;
use kernel::{
    Fault, Result,
    clock::{from_micros, local_date, micros},
    crypto::{PublicKey, suite},
};
use serde::Serialize;
use utoipa::ToSchema;
use web::App;

use crate::{
    call::HUB,
    event::CallsKept,
    message,
    part::Gateway,
    proof::{Proof, Side},
    record::{self, Outcome},
    resource::may,
    schema::{call as table, signer},
    store,
};

pub use crate::store::Filter;

/// A call as people see it. What was asked and answered is not in it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = GatewayCall)]
pub struct Call {
    #[schema(example = "019c8f2e-0000-7000-8000-000000000001")]
    pub id: String,
    pub at: DateTime<Utc>,
    #[schema(example = "hukou-api")]
    pub resource: String,
    #[schema(example = "GET /persons/{id}")]
    pub operation: String,
    pub grant: String,
    /// Unified social credit code of who asked.
    #[schema(example = "11321000990000041L")]
    pub consumer: String,
    /// Unified social credit code of who answered.
    #[schema(example = "11321000990000033R")]
    pub provider: String,
    pub node: String,
    pub outcome: Outcome,
    /// HTTP status of the answer; 0 where there is none.
    #[schema(example = 200)]
    pub status: i64,
    pub request_bytes: i64,
    pub answer_bytes: i64,
    /// Microseconds at the hub, on the line, at the node, at the API, in all.
    pub hub_us: i64,
    pub line_us: i64,
    pub node_us: i64,
    pub api_us: i64,
    pub total_us: i64,
}

impl From<&table::Model> for Call {
    fn from(row: &table::Model) -> Self {
        Self {
            id: row.id.clone(),
            at: from_micros(row.at),
            resource: row.resource.clone(),
            operation: row.operation.clone(),
            grant: row.grant_id.clone(),
            consumer: row.consumer.clone(),
            provider: row.provider.clone(),
            node: row.node.clone(),
            outcome: Outcome::of_name(&row.outcome),
            status: row.status,
            request_bytes: row.request_bytes,
            answer_bytes: row.answer_bytes,
            hub_us: row.hub_us,
            line_us: row.line_us,
            node_us: row.node_us,
            api_us: row.api_us,
            total_us: row.total_us,
        }
    }
}

/// The newest calls.
pub async fn calls(
    app: &App,
    actor: &Actor,
    filter: &Filter,
    page: &PageRequest,
) -> Result<PageOf<Call>> {
    may(app, actor, "gateway.calls", None)?;
    let found = store::calls(app.db().read(), filter, page).await?;
    Ok(found.map(|row| Call::from(&row)))
}

/// Calls of an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    pub begins: DateTime<Utc>,
    pub answered: i64,
    pub failed: i64,
}

/// Hours that are shown.
const HOURS: i64 = 24;
/// Calls whose times are looked at.
const TIMED: u64 = 5000;

/// Calls by hour until now, empty hours as well; of one resource, or of all.
pub async fn hours(app: &App, actor: &Actor, resource: Option<&str>) -> Result<Vec<Hour>> {
    may(app, actor, "gateway.calls", None)?;
    let now = app.clock().now().timestamp() / 3600;
    let first = now - HOURS + 1;
    let found = store::hours(app.db().read(), resource, first * 3_600_000_000).await?;
    Ok((first..=now)
        .map(|hour| {
            let own = found.iter().filter(|row| row.hour == hour);
            let sum = |is_answered: bool| {
                let rows = own.clone();
                let rows = rows.filter(|row| (row.outcome == "answered") == is_answered);
                rows.map(|row| row.calls).sum()
            };
            Hour {
                begins: DateTime::from_timestamp(hour * 3600, 0).unwrap_or_default(),
                answered: sum(true),
                failed: sum(false),
            }
        })
        .collect())
}

/// Half of the calls were as fast as `p50`, all but one of a hundred as fast as `p99`; microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// `hub`, `line`, `node`, `api` or `total`.
    pub name: &'static str,
    pub p50: i64,
    pub p99: i64,
}

/// Times by hop of the newest calls of a resource; empty where there are none.
pub async fn hops(app: &App, actor: &Actor, resource: &str) -> Result<Vec<Hop>> {
    may(app, actor, "gateway.calls", None)?;
    let times = store::times(app.db().read(), resource, TIMED).await?;
    let hop = |name, of: fn(&store::Times) -> i64| {
        let mut all: Vec<i64> = times.iter().map(of).collect();
        all.sort_unstable();
        let at = |percent: usize| {
            let place = (all.len() * percent).div_ceil(100).saturating_sub(1);
            all.get(place).copied().unwrap_or_default()
        };
        Hop {
            name,
            p50: at(50),
            p99: at(99),
        }
    };
    if times.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![
        hop("hub", |t| t.hub_us),
        hop("line", |t| t.line_us),
        hop("node", |t| t.node_us),
        hop("api", |t| t.api_us),
        hop("total", |t| t.total_us),
    ])
}

/// One thing that was checked of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = GatewayCheck)]
pub struct Check {
    /// `request`, `answer`, `delivery` or `log`.
    #[schema(example = "answer")]
    pub name: &'static str,
    pub standing: Standing,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = GatewayStanding)]
pub enum Standing {
    Genuine,
    False,
    /// There is none, as of a call that broke off.
    None,
    /// The sealer has not come to it yet.
    Unsealed,
}

impl Standing {
    pub fn name(self) -> &'static str {
        match self {
            Self::Genuine => "genuine",
            Self::False => "false",
            Self::None => "none",
            Self::Unsealed => "unsealed",
        }
    }
}

/// A key that proofs are checked with.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = GatewaySigner)]
pub struct Signer {
    /// `hub`, or the code of a node.
    pub owner: String,
    /// PEM.
    pub pem: String,
}

/// A call with what is signed of it, for whoever has to prove it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = GatewayEvidence)]
pub struct Evidence {
    pub call: Call,
    /// The head of the request, exactly as it was signed.
    pub request_head: String,
    #[schema(value_type = Option<Object>)]
    pub request: Option<Proof>,
    pub answer_head: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub answer: Option<Proof>,
    #[schema(value_type = Option<Object>)]
    pub delivery: Option<Proof>,
    pub signers: Vec<Signer>,
    pub checks: Vec<Check>,
}

fn proof(text: Option<&String>) -> Result<Option<Proof>> {
    let read =
        |text: &String| serde_json::from_str(text).map_err(|e| Fault::caused_by("read a proof", e));
    Ok(text.map(read).transpose()?)
}

/// A call's proofs, checked anew against the keys of that time and against the sealed history.
pub async fn verify(app: &App, actor: &Actor, id: &str) -> Result<Evidence> {
    let db = app.db().read();
    let row = store::get::<table::Entity>(db, "call", id).await;
    let row = match row {
        Ok(row) => row,
        Err(error) => {
            // Who may not see the log does not learn what is not in it.
            may(app, actor, "gateway.calls", None)?;
            return Err(error);
        }
    };
    let own = may(app, actor, "gateway.proof", Some(&row.consumer));
    if own.is_err() {
        may(app, actor, "gateway.proof", Some(&row.provider))?;
    }
    let hub = store::lookup::<signer::Entity>(db, row.hub_signer.clone()).await?;
    let node = store::lookup::<signer::Entity>(db, row.node_signer.clone()).await?;
    let (request, answer, delivery) = (
        proof(row.request.as_ref())?,
        proof(row.answer.as_ref())?,
        proof(row.delivery.as_ref())?,
    );
    let answer_head = row.answer_head.as_deref().unwrap_or_default();
    let asked = |side, head, signer, from| Asked {
        call: &row.id,
        side,
        head,
        signer,
        from,
    };
    let checks = vec![
        Check {
            name: "request",
            standing: asked(Side::Request, &row.request_head, hub.as_ref(), HUB)
                .check(request.as_ref()),
        },
        Check {
            name: "answer",
            standing: asked(Side::Answer, answer_head, node.as_ref(), &row.node)
                .check(answer.as_ref()),
        },
        Check {
            name: "delivery",
            standing: asked(Side::Delivery, answer_head, hub.as_ref(), HUB)
                .check(delivery.as_ref()),
        },
        Check {
            name: "log",
            standing: sealed(app, &row.batch).await?,
        },
    ];
    let mut signers: Vec<Signer> = Vec::new();
    for known in [hub, node].into_iter().flatten() {
        if !signers.iter().any(|one| one.pem == known.pem) {
            signers.push(Signer {
                owner: known.owner,
                pem: known.pem,
            });
        }
    }
    Ok(Evidence {
        call: Call::from(&row),
        request_head: row.request_head,
        answer_head: row.answer_head,
        request,
        answer,
        delivery,
        signers,
        checks,
    })
}

/// What a proof has to say.
struct Asked<'a> {
    call: &'a str,
    side: Side,
    head: &'a str,
    signer: Option<&'a signer::Model>,
    from: &'a str,
}

impl Asked<'_> {
    fn check(&self, proof: Option<&Proof>) -> Standing {
        let Some(proof) = proof else {
            return Standing::None;
        };
        if self.is_proven(proof).unwrap_or(false) {
            Standing::Genuine
        } else {
            Standing::False
        }
    }

    fn is_proven(&self, proof: &Proof) -> Option<bool> {
        let key = PublicKey::from_pem(&self.signer?.pem).ok()?;
        let suite = suite(key.suite_name())?;
        let said = proof.open(&key).ok()?;
        Some(
            said.call == self.call
                && said.side == self.side
                && said.from == self.from
                && said.head == message::digest(suite, self.head.as_bytes()),
        )
    }
}

/// Whether the log still holds what the sealed history says of that write.
async fn sealed(app: &App, batch: &str) -> Result<Standing> {
    let filter = EventFilter {
        subject: format!("gateway-calls:{batch}"),
        ..EventFilter::default()
    };
    let page = PageRequest::new(None, Some(1));
    let events = list_sealed(app.db(), &filter, &page).await?;
    let Some(event) = events.items.into_iter().next() else {
        return Ok(Standing::Unsealed);
    };
    let told = event.body::<CallsKept>().and_then(std::result::Result::ok);
    let rows = store::of_batch(app.db().read(), batch).await?;
    Ok(match told {
        Some(told) if told.digest == record::digest(&rows) => Standing::Genuine,
        _ => Standing::False,
    })
}

/// Nodes whose lines are open now.
pub fn lines(app: &App, actor: &Actor) -> Result<Vec<String>> {
    may(app, actor, "gateway.list", None)?;
    Ok(app.part::<Gateway>()?.lines.nodes())
}

/// Removes calls that are older than the settings keep, refused ones as well; tells whether there
/// are more.
pub(crate) async fn prune(gateway: &Gateway) -> Result<bool> {
    const AT_ONCE: u64 = 5000;
    let before = gateway.db.clock().now() - Duration::days(gateway.settings.keep_days);
    let (day, before) = (local_date(before), micros(before));
    gateway
        .db
        .write(move |tx| async move {
            store::forget_refused(&tx, day).await?;
            store::forget_calls(&tx, before, AT_ONCE).await
        })
        .await
}
