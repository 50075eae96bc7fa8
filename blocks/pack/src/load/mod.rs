//! Loaders: who reads which folder of a pack.

mod base;
mod catalog;
mod flow;
mod lake;
mod people;
mod registry;
mod work;

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use kernel::Result;
use store::Tx;

use crate::{Catalog, File, Finding, Source};

/// Reads the files of one folder.
#[async_trait]
pub trait Loader: Send + Sync + 'static {
    /// The folder right below the pack: `matters`.
    fn folder(&self) -> &'static str;

    /// Endings of files that it reads; others in its folder belong to these files.
    fn endings(&self) -> &'static [&'static str];

    /// Smaller is installed first; what is referred to comes before what refers to it.
    fn order(&self) -> u32;

    /// Everything wrong with a file; tells the catalog what the file defines and refers to.
    fn check(&self, source: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding>;

    /// Writes a checked file; answers how many things are new or changed. Installing the same
    /// file again must change nothing.
    async fn install(&self, tx: &Tx, source: &Source, file: &File) -> Result<usize>;

    /// After the transaction, for those who keep things in memory.
    async fn installed(&self, app: &web::App) -> Result<()> {
        let _ = app;
        Ok(())
    }
}

/// All loaders; an [`App`](web::App) part to which apps add theirs while they are assembled.
pub struct Loaders(RwLock<Vec<Arc<dyn Loader>>>);

impl Loaders {
    /// The loaders of the blocks below this one.
    pub fn of_blocks() -> Self {
        let mut all = base::loaders();
        all.extend(catalog::loaders());
        all.extend(people::loaders());
        all.extend(registry::loaders());
        all.extend(lake::loaders());
        all.extend(flow::loaders());
        all.extend(work::loaders());
        Self(RwLock::new(all))
    }

    pub fn add(&self, loader: impl Loader) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::new(loader));
    }

    pub(crate) fn of(&self, file: &File) -> Option<Arc<dyn Loader>> {
        let ending = file.ending();
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .find(|l| l.folder() == file.folder() && l.endings().contains(&ending.as_str()))
            .cloned()
    }

    /// Every file with its loader, in the order of installing.
    pub(crate) fn in_order<'a>(&self, source: &'a Source) -> Vec<(Arc<dyn Loader>, &'a File)> {
        let found = source
            .files()
            .filter_map(|file| Some((self.of(file)?, file)));
        let mut found: Vec<_> = found.collect();
        found.sort_by_key(|(loader, file)| (loader.order(), &file.path));
        found
    }

    pub(crate) async fn installed(&self, app: &web::App) -> Result<()> {
        let all = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for loader in all {
            loader.installed(app).await?;
        }
        Ok(())
    }
}
