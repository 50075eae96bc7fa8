//! Feeds of registries: which publication brings which source's facts.

use std::sync::Arc;

use async_trait::async_trait;
use flow::feed::{Feed, act};
use kernel::{Fault, Result};
use store::Tx;
use web::{Language, Texts};

use super::Loader;
use crate::{Catalog, File, Finding, Source, catalog::line_of, check::read_toml};

pub(super) fn loaders() -> Vec<Arc<dyn Loader>> {
    vec![Arc::new(Feeds)]
}

/// `feeds/*.toml`: a registry, a publication, a source, and which field takes which column.
struct Feeds;

#[async_trait]
impl Loader for Feeds {
    fn folder(&self) -> &'static str {
        "feeds"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["toml"]
    }

    fn order(&self) -> u32 {
        // After registries and their sources.
        28
    }

    fn check(&self, _: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding> {
        let feed: Feed = match read_toml(file) {
            Ok(feed) => feed,
            Err(finding) => return vec![finding],
        };
        catalog.refer("registry", &feed.registry, file);
        catalog.refer("source", &feed.source, file);
        let texts = Texts::new(flow::foundation().texts.iter().copied());
        let said = |finding: kernel::Finding| {
            let text = texts.text(Language::En, finding.text.key, &finding.text.args);
            let (rule, remedy) = text.split_once("; ").unwrap_or((&text, "correct it"));
            let line = line_of(file, &finding.field);
            let what = format!("{}: {rule}", finding.field);
            Finding::new(file, line, what, remedy.trim_end_matches('.'))
        };
        feed.findings().into_iter().map(said).collect()
    }

    async fn install(&self, tx: &Tx, _: &Source, file: &File) -> Result<usize> {
        let feed: Feed = read_toml(file).map_err(|f| Fault::new(f.to_string()))?;
        let is_changed = act::install(tx, &feed).await?;
        Ok(usize::from(is_changed))
    }
}
