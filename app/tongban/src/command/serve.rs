//! `tongban serve`: until SIGTERM or Ctrl-C, then drain.

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{assemble::House, config::Config, out};

pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let house = House::open(&config).await?;
    let listener = listen(&config.web.listen).await?;
    out::note(format!("serving on http://{}", listener.local_addr()?));
    serve(house, listener).await
}

pub async fn listen(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; is something else using it?"))
}

/// Serves requests and works on events and jobs until a signal comes; then finishes what runs.
pub async fn serve(house: House, listener: TcpListener) -> anyhow::Result<ExitCode> {
    let stop = CancellationToken::new();
    let flight = flight(&house, stop.clone()).await?;
    let workers = house.work(stop.clone());
    tokio::spawn(stop_on_signal(stop.clone()));
    let exchange = serve_nodes(&house, &stop).await?;
    let cascade = cascade::work::start(house.app.clone(), stop.clone());
    web::server::serve(listener, house.router, stop.clone()).await?;
    stop.cancel();
    workers.await?;
    cascade.await?;
    if let Some(exchange) = exchange {
        exchange.await??;
    }
    flight.await??;
    Ok(ExitCode::SUCCESS)
}

type Serving = JoinHandle<Result<(), kernel::Fault>>;

/// Listens for nodes if the settings name an address.
async fn serve_nodes(house: &House, stop: &CancellationToken) -> anyhow::Result<Option<Serving>> {
    let hub = house.app.part::<exchange::Hub>()?;
    if hub.settings.listen.is_empty() {
        return Ok(None);
    }
    let listener = listen(&hub.settings.listen).await?;
    hub.note_address(listener.local_addr()?);
    out::note(format!("nodes reach the exchange at {}", hub.address()));
    let serving = exchange::hub::serve(house.app.clone(), listener, stop.clone());
    Ok(Some(tokio::spawn(serving)))
}

/// The Flight SQL door where the settings name an address for it; else a task that is done.
async fn flight(house: &House, stop: CancellationToken) -> anyhow::Result<Serving> {
    let address = house.app.part::<lake::Lake>()?.settings().flight.clone();
    if address.is_empty() {
        return Ok(tokio::spawn(async { Ok(()) }));
    }
    let listener = listen(&address).await?;
    out::note(format!("Flight SQL on grpc://{}", listener.local_addr()?));
    let app = house.app.clone();
    Ok(tokio::spawn(lake::flight::serve(app, listener, stop)))
}

pub async fn stop_on_signal(stop: CancellationToken) {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! { _ = interrupt => {}, _ = terminate.recv() => {} }
            }
            Err(_) => drop(interrupt.await),
        }
    }
    #[cfg(not(unix))]
    drop(interrupt.await);
    tracing::info!("stopping: no new requests, finishing what runs");
    stop.cancel();
}
