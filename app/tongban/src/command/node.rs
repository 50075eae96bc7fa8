//! `tongban node`: the exchange at a department, beside its database.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use exchange::node::{
    Folder,
    client::Client,
    config::{Config, Source},
    enrol, run as running, source,
};
use exchange::wire::{Receipt, Signed, Work, action};
use kernel::clock::from_micros;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use web::Language;

use crate::{assemble, command::serve, config::Log, out};

#[derive(Subcommand)]
pub enum Node {
    /// Join a hub with the one-time code that its operator gave
    Enrol {
        /// Address of the hub's exchange, as `https://hub.city:8444`
        #[arg(long, value_name = "URL")]
        hub: String,
        /// The code, from TB1 to its last letter
        #[arg(long)]
        code: String,
        #[command(flatten)]
        place: Place,
    },
    /// Work until stopped: read sources, send, pull, apply
    Run {
        /// Do once what is due, and end
        #[arg(long)]
        once: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Look at the settings, the databases, the folders and the way to the hub; changes nothing
    Check {
        #[command(flatten)]
        place: Place,
    },
    /// Show what was sent and applied lately, and whether the hub's receipts are genuine
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Send refused rows again that were mended in the downloaded file
    Resend {
        /// Code of the publication
        #[arg(long)]
        publication: String,
        /// The mended CSV file
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
}

/// Where the node keeps its keys and memory. Its settings are in `--config`, or `node.toml` there.
#[derive(Args)]
pub struct Place {
    /// Folder of the node
    #[arg(long, default_value = "node", value_name = "DIR")]
    data: PathBuf,
}

impl Place {
    fn folder(&self) -> Folder {
        Folder(self.data.clone())
    }

    fn settings(&self, file: Option<&Path>) -> anyhow::Result<Config> {
        let usual = self.data.join("node.toml");
        let config = Config::read(file.unwrap_or(&usual))?;
        let texts = assemble::texts();
        let say = |text: &kernel::Text| {
            let args: Vec<_> = text.args.iter().map(|(n, v)| (*n, v.clone())).collect();
            texts.text(Language::En, text.key, &args)
        };
        running::check(&config, say)?;
        Ok(config)
    }
}

pub async fn run(node: Node, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    out::start_log(&Log {
        // Drivers for an older ODBC say so at each connection.
        filter: "warn,tongban=info,exchange=info,gateway=info,odbc_api=error".into(),
        ..Log::default()
    });
    match node {
        Node::Enrol { hub, code, place } => {
            let membership = enrol::enrol(&place.folder(), &hub, &code).await?;
            out::line(format!("enrolled as {}", membership.node));
            Ok(ExitCode::SUCCESS)
        }
        Node::Run { once, place } => work(&place, file, once).await,
        Node::Check { place } => check(&place, file).await,
        Node::Status { json, place } => status(&place, json).await,
        Node::Resend {
            publication,
            file: mended,
            place,
        } => {
            let config = place.settings(file)?;
            let mut node = running::Node::open(place.folder(), config).await?;
            node.resend(&publication, &mended).await?;
            out::line("sent");
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn work(place: &Place, file: Option<&Path>, once: bool) -> anyhow::Result<ExitCode> {
    let config = place.settings(file)?;
    let mut node = running::Node::open(place.folder(), config).await?;
    if once {
        let round = node.round(true).await?;
        out::line(format!(
            "{} batches sent, {} deliveries applied",
            round.sent, round.delivered
        ));
        for code in node.waiting() {
            out::line(format!(
                "waiting: publication {code} is not open; a steward opens it at the hub, and the next run sends its rows"
            ));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let stop = CancellationToken::new();
    tokio::spawn(serve::stop_on_signal(stop.clone()));
    let (folder, apis) = (place.folder(), node.config.apis.clone());
    let calls = {
        let stop = stop.clone();
        tokio::spawn(async move { gateway::node::run(&folder, &apis, &stop).await })
    };
    node.run(&stop).await?;
    calls.await?;
    Ok(ExitCode::SUCCESS)
}

/// One line for each thing that was looked at; fails if any is not in order.
async fn check(place: &Place, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let config = place.settings(file)?;
    let mut code = ExitCode::SUCCESS;
    let mut tell = |what: String, outcome: Result<(), String>| match outcome {
        Ok(()) => out::line(format!("in order: {what}")),
        Err(why) => {
            out::line(format!("NOT in order: {what}: {why}"));
            code = ExitCode::FAILURE;
        }
    };
    for publication in &config.publications {
        let what = format!("source of {}", publication.code);
        let outcome = match &publication.source {
            Source::Odbc(odbc) => reach(odbc.connection.clone()).await,
            Source::Http(http) => {
                let http = http.clone();
                let asked = tokio::task::spawn_blocking(move || source::http::reach(&http));
                asked
                    .await
                    .map_err(|e| e.to_string())
                    .and_then(|done| done.map_err(|fault| fault.chain()))
            }
            Source::Folder(folder) => source::folder::list(folder)
                .map(drop)
                .map_err(|fault| fault.chain()),
        };
        tell(what, outcome);
    }
    for target in &config.targets {
        let what = format!("target of {}", target.publication);
        tell(what, reach(target.connection.clone()).await);
    }
    tell("the way to the hub".into(), hub(&place.folder()).await);
    Ok(code)
}

async fn reach(connection: String) -> Result<(), String> {
    let opened = tokio::task::spawn_blocking(move || source::table::reach(&connection));
    match opened.await {
        Ok(outcome) => outcome.map_err(|fault| fault.chain()),
        Err(error) => Err(error.to_string()),
    }
}

async fn hub(folder: &Folder) -> Result<(), String> {
    let ask = async {
        let membership = folder.membership()?;
        let mut client = Client::member(folder, &membership)?;
        client.act::<Work>(action::WORK, &()).await
    };
    ask.await.map(drop).map_err(|trouble| trouble.to_string())
}

/// What `--json` prints.
#[derive(Serialize)]
struct Status {
    node: String,
    hub: String,
    certificate_until: String,
    batches: Vec<Sent>,
    deliveries: Vec<Got>,
}

#[derive(Serialize)]
struct Sent {
    batch: String,
    publication: String,
    sequence: i64,
    made_at: String,
    /// `none`, `genuine` or `NOT GENUINE`.
    receipt: &'static str,
}

#[derive(Serialize)]
struct Got {
    delivery: String,
    publication: String,
    sequence: i64,
    pulled_at: String,
    is_applied: bool,
    is_receipted: bool,
}

/// Newest entries that are shown.
const SHOWN: u64 = 20;

async fn status(place: &Place, json: bool) -> anyhow::Result<ExitCode> {
    let folder = place.folder();
    let membership = folder.membership()?;
    let state = exchange::node::state::State::open(&folder.0)
        .await
        .context("cannot open the node's memory")?;
    let hub_key = membership.hub_key()?;
    let receipt = |text: Option<String>, signature: Option<String>| match (text, signature) {
        (Some(text), Some(signature)) => {
            match (Signed { text, signature }).open::<Receipt>(&hub_key) {
                Ok(_) => "genuine",
                Err(_) => "NOT GENUINE",
            }
        }
        _ => "none",
    };
    let batches = state.batches(SHOWN).await?.into_iter().map(|row| Sent {
        receipt: receipt(row.receipt, row.receipt_signature),
        made_at: from_micros(row.created_at).to_rfc3339(),
        batch: row.id,
        publication: row.publication,
        sequence: row.sequence,
    });
    let deliveries = state.deliveries(SHOWN).await?.into_iter().map(|row| Got {
        is_applied: row.applied_at.is_some(),
        is_receipted: row.receipted_at.is_some(),
        pulled_at: from_micros(row.pulled_at).to_rfc3339(),
        delivery: row.id,
        publication: row.publication,
        sequence: row.sequence,
    });
    let status = Status {
        certificate_until: enrol::expires(&membership)?.to_rfc3339(),
        batches: batches.collect(),
        deliveries: deliveries.collect(),
        node: membership.node,
        hub: membership.hub,
    };
    if json {
        out::json(&status)?;
    } else {
        tell(&status);
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(status: &Status) {
    out::line(format!(
        "{} at {}, certificate until {}",
        status.node, status.hub, status.certificate_until
    ));
    for sent in &status.batches {
        out::line(format!(
            "sent    {} {:>6}  {}  receipt: {}",
            sent.made_at, sent.sequence, sent.publication, sent.receipt
        ));
    }
    for got in &status.deliveries {
        let state = match (got.is_applied, got.is_receipted) {
            (true, true) => "applied, receipt given",
            (true, false) => "applied",
            _ => "being applied",
        };
        out::line(format!(
            "got     {} {:>6}  {}  {state}",
            got.pulled_at, got.sequence, got.publication
        ));
    }
}
