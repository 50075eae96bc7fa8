//! `tongban demo`: a made-up city, served from a folder that can be thrown away.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use clap::Args;
use kernel::ShiftedClock;

use crate::{
    assemble::House,
    command::{departments::Departments, serve},
    config::Config,
    out,
};

/// Of how many people the departments' files tell, unless it is said.
const PEOPLE: u64 = 2_000;

#[derive(Args)]
pub struct Arguments {
    /// Folder for the database, files and keys of the demo; made if it is not there
    #[arg(long, default_value = "target/demo", value_name = "DIR")]
    data: PathBuf,
    /// Address to serve on; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    listen: String,
    /// Use this database instead of an embedded one in the folder
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Fill the base registries with so many made-up people, their firms and insurance; without it
    /// there are the few that the demo's cases need
    #[arg(long, value_name = "N")]
    people: Option<u64>,
    /// Let departments' nodes deliver their files of so many made-up people (2,000 where `--people`
    /// says nothing) through the exchange, and ask each other for data
    #[arg(long)]
    departments: bool,
    /// Print one line of JSON with the address and the accounts, when the demo is ready
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Ready<'a> {
    address: String,
    accounts: &'a [service::demo::Account],
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let listener = serve::listen(&arguments.listen).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let config = settings(&arguments.data, arguments.database.clone(), &address)?;
    out::start_log(&config.log);
    let clock = Arc::new(ShiftedClock::default());
    let house = House::open_at(&config, clock.clone()).await?;
    install(&house).await?;
    datahub::demo::populate(&house.app)
        .await
        .context("cannot fill the demo city's registries")?;
    if let Some(people) = arguments.people.filter(|_| !arguments.departments) {
        let city = synthetic::Settings { people, seed: 1 };
        datahub::demo::populate_city(&house.app, city)
            .await
            .context("cannot fill the registries with people")?;
    }
    let accounts = service::demo::populate(&house.app, &clock, || house.settle())
        .await
        .context("cannot fill the demo city")?;
    announce(&arguments, &address, &accounts)?;
    let departments = arguments.departments.then(|| {
        let people = arguments.people.unwrap_or(PEOPLE);
        Departments::start(&house, arguments.data.join("departments"), people)
    });
    let code = serve::serve(house, listener).await?;
    if let Some(departments) = departments {
        departments.end().await?;
    }
    Ok(code)
}

/// The settings of a made-up city in a folder of its own.
pub fn settings(data: &Path, database: Option<String>, address: &str) -> anyhow::Result<Config> {
    let mut config = Config::load(None)?;
    data.clone_into(&mut config.data.dir);
    let embedded = || format!("sqlite://{}", data.join("tongban.db").display());
    config.database.url = database.unwrap_or_else(embedded);
    address.clone_into(&mut config.web.public_url);
    config.web.demo = true;
    // A visitor should see an officer's work at once; `serve` asks for a second factor.
    config.identity.officers_need_totp = false;
    if config.exchange.listen.is_empty() {
        config.exchange.listen = "127.0.0.1:0".into();
    }
    if config.web.place.is_empty() {
        config.web.place = "云港市".into();
    }
    Ok(config)
}

/// Installs the packs of the city, unless that was done before.
pub async fn install(house: &House) -> anyhow::Result<()> {
    let first = ["base-cn", "restaurant", "demo-city", "demo-office"];
    for name in first.into_iter().chain(datahub::demo::PACKS) {
        let source = pack::Source::embedded(name)?;
        pack::install(&house.app, &source)
            .await
            .with_context(|| format!("cannot install the pack {name}"))?;
    }
    Ok(())
}

fn announce(
    arguments: &Arguments,
    address: &str,
    accounts: &[service::demo::Account],
) -> anyhow::Result<()> {
    if arguments.json {
        return out::json(&Ready {
            address: address.to_owned(),
            accounts,
        });
    }
    out::line(format!(
        "\n通办 Tongban is ready: {address}\n\nSign in at {address}/sign-in as one of\n"
    ));
    for account in accounts {
        out::line(format!(
            "  {:<16} {:<22} {} ({})",
            account.user, account.password, account.name, account.role
        ));
    }
    out::line("\nEverybody and everything here is made up. Stop with Ctrl-C.");
    Ok(())
}
