//! From settings to a house that can serve: database, tables, modules, policies, router, workers.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use kernel::{Clock, SystemClock};
use sea_orm_migration::MigrationTrait;
use store::Db;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use web::{App, Module, Texts, module::Foundation};

use crate::config::{Config, without_password};

/// Tables and words of every crate, from the ground up.
fn foundations() -> Vec<Foundation> {
    vec![
        web::foundation(),
        identity::foundation(),
        forms::foundation(),
        registry::foundation(),
        workflow::foundation(),
        credential::foundation(),
        notify::foundation(),
        catalog::foundation(),
        exchange::foundation(),
        gateway::foundation(),
        cascade::foundation(),
        lake::foundation(),
        flow::foundation(),
        pack::foundation(),
        service::foundation(),
        supervise::foundation(),
        datahub::foundation(),
    ]
}

fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    let mut all = store::migrations();
    all.extend(foundations().into_iter().flat_map(|f| f.migrations));
    all
}

/// All messages of all crates.
pub fn texts() -> Texts {
    let words = foundations()
        .into_iter()
        .flat_map(|f| f.texts.iter().copied());
    Texts::new(
        store::TEXTS
            .iter()
            .copied()
            .chain(kernel::TEXTS.iter().copied())
            .chain(sheet::TEXTS.iter().copied())
            .chain(words),
    )
}

/// Opens the database named in the settings.
pub async fn open(config: &Config) -> anyhow::Result<Db> {
    open_with(config, Arc::new(SystemClock)).await
}

async fn open_with(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Db> {
    Db::open(&config.database, clock)
        .await
        .with_context(|| format!("cannot open {}", without_password(&config.database.url)))
}

/// Gives the database this version's tables.
pub async fn migrate(db: &Db) -> anyhow::Result<()> {
    store::migrate(db, migrations())
        .await
        .context("cannot migrate the database")?;
    Ok(())
}

/// How the database stands to this version's tables.
pub async fn standing(db: &Db) -> anyhow::Result<store::Standing> {
    Ok(store::standing(db, &migrations()).await?)
}

/// The assembled application.
pub struct House {
    pub app: App,
    pub router: axum::Router,
    consumers: Vec<Arc<dyn store::Consumer>>,
    handlers: Vec<Arc<dyn store::Handler>>,
    signer: Arc<dyn store::HeadSigner>,
}

impl House {
    /// Opens, migrates and assembles everything that the settings describe.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        Self::open_at(config, Arc::new(SystemClock)).await
    }

    /// The same with a clock of one's own.
    pub async fn open_at(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&config.data.dir).with_context(|| {
            format!("cannot make the data folder {}", config.data.dir.display())
        })?;
        let db = open_with(config, clock).await?;
        migrate(&db).await?;
        let app = App::new(db, config.web.clone(), texts());
        put_parts(&app, config)?;
        let signer = crate::keys::head_signer(&config.data.dir)?;
        let house = Self::assemble(app, signer)?;
        house
            .app
            .part::<pack::Calendars>()?
            .refresh(house.app.db())
            .await?;
        workflow::prune::begin(house.app.db()).await?;
        exchange::job::begin(house.app.db()).await?;
        gateway::job::begin(&house.app).await?;
        lake::begin_maintenance(house.app.db()).await?;
        flow::begin(&house.app).await?;
        Ok(house)
    }

    fn assemble(app: App, signer: Arc<dyn store::HeadSigner>) -> anyhow::Result<Self> {
        let modules = vec![
            identity::module(&app)?,
            forms::module(&app)?,
            registry::module(&app)?,
            workflow::module(&app)?,
            credential::module(&app)?,
            notify::module(&app)?,
            catalog::module(&app)?,
            exchange::module(&app)?,
            gateway::module(&app)?,
            cascade::module(&app)?,
            lake::module(&app)?,
            flow::module(&app)?,
            pack::module(&app)?,
            service::module(&app)?,
            supervise::module(&app)?,
            datahub::module(&app)?,
        ];
        load_policies(&app, &modules)?;
        let consumers = modules.iter().flat_map(|m| m.consumers.clone()).collect();
        let handlers = modules.iter().flat_map(|m| m.jobs.clone()).collect();
        let layered = app.clone();
        let router = web::server::router(&app, modules, |router| {
            let router = workflow::layer(layered.clone(), router);
            identity::layer(layered.clone(), notify::layer(layered, router))
        });
        Ok(Self {
            app,
            router,
            consumers,
            handlers,
            signer,
        })
    }

    /// Seals events, feeds consumers, runs jobs and removes files that nothing keeps, until told
    /// to stop.
    pub fn work(&self, stop: CancellationToken) -> JoinHandle<()> {
        if let Ok(blobs) = self.app.part::<store::Blobs>() {
            let (db, stop) = (self.app.db().clone(), stop.clone());
            tokio::spawn(async move { store::blob::reconcile_until(&db, &blobs, &stop).await });
        }
        if let Ok(calendars) = self.app.part::<pack::Calendars>() {
            let (db, stop) = (self.app.db().clone(), stop.clone());
            tokio::spawn(async move { calendars.refresh_until(&db, &stop).await });
        }
        store::work::start(
            self.app.db(),
            self.signer.clone(),
            &self.consumers,
            &self.handlers,
            stop,
        )
    }

    /// Does all that is due now, and returns when nothing is left.
    pub async fn settle(&self) -> anyhow::Result<()> {
        store::work::settle(self.app.db(), &self.consumers, &self.handlers).await?;
        Ok(())
    }
}

/// What modules find in the application besides each other's parts.
fn put_parts(app: &App, config: &Config) -> anyhow::Result<()> {
    app.put(blobs(&config.data.dir)?);
    app.put(config.identity.clone());
    app.put(crate::keys::vault(&config.data.dir)?);
    app.put(config.notify.clone());
    app.put(service::Settings {
        warn_percent: config.supervise.warn_percent,
        ..config.service.clone()
    });
    app.put(config.supervise.clone());
    app.put(config.workflow.clone());
    app.put(config.exchange.clone());
    app.put(exchange::Keys(config.data.dir.join("keys")));
    app.put(config.gateway.clone());
    app.put(cascade::Place(config.data.dir.join("cascade")));
    let lake = lake::Lake::open(app.db().clone(), config.lake.clone(), &config.data.dir)?;
    app.put(lake);
    app.put(credential::Settings {
        keys: config.data.dir.join("keys"),
        demo: config.web.demo,
    });
    Ok(())
}

fn blobs(data: &Path) -> anyhow::Result<store::blob::Blobs> {
    Ok(store::blob::Blobs::folder(data.join("blobs"))?)
}

fn load_policies(app: &App, modules: &[Module]) -> anyhow::Result<()> {
    let policies = modules.iter().flat_map(|m| m.policies.iter().copied());
    let gate = app.part::<identity::Gate>()?;
    gate.load(policies).context("the policies hold mistakes")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_city_that_nobody_holds_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let config = crate::command::demo::settings(dir.path(), None, "http://127.0.0.1").unwrap();
        let house = House::open(&config).await.unwrap();
        let app = house.app.downgrade();
        assert!(app.get().is_ok());
        drop(house);
        // Else a part keeps the application that keeps the part, and its database stays open.
        assert!(app.get().is_err());
    }
}
