//! Tables of the lake with their rules.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{Fault, Result};
use lake::Table;
use store::Tx;
use web::{Language, Texts};

use super::Loader;
use crate::{Catalog, File, Finding, Source, catalog::line_of, check::read_toml};

pub(super) fn loaders() -> Vec<Arc<dyn Loader>> {
    vec![Arc::new(Tables)]
}

/// `lake/*.toml`: a table, its columns, its rules.
struct Tables;

#[async_trait]
impl Loader for Tables {
    fn folder(&self) -> &'static str {
        "lake"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["toml"]
    }

    fn order(&self) -> u32 {
        // After organisations and code tables.
        26
    }

    fn check(&self, _: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding> {
        let table: Table = match read_toml(file) {
            Ok(table) => table,
            Err(finding) => return vec![finding],
        };
        catalog.define("lake table", &table.id, file);
        if !table.org.is_empty() {
            catalog.refer("organisation", &table.org, file);
        }
        for rule in &table.rules {
            match &rule.check {
                lake::Check::Code { table } => catalog.refer("code table", table, file),
                lake::Check::Reference { table, .. } => catalog.refer("lake table", table, file),
                _ => {}
            }
        }
        let findings = table.findings();
        findings.iter().map(|finding| said(file, finding)).collect()
    }

    async fn install(&self, tx: &Tx, _: &Source, file: &File) -> Result<usize> {
        let table: Table = read_toml(file).map_err(|f| Fault::new(f.to_string()))?;
        let is_changed = lake::install(tx, &table).await?;
        Ok(usize::from(is_changed))
    }
}

/// A finding of the lake in words: the rule before the semicolon, the remedy behind it.
fn said(file: &File, finding: &kernel::Finding) -> Finding {
    let texts = Texts::new(lake::foundation().texts.iter().copied());
    let text = texts.text(Language::En, finding.text.key, &finding.text.args);
    let (rule, remedy) = text.split_once("; ").unwrap_or((&text, "correct it"));
    let place = finding.field.rsplit('.').next().unwrap_or_default();
    let what = format!("{}: {rule}", finding.field);
    Finding::new(
        file,
        line_of(file, place),
        what,
        remedy.trim_end_matches('.'),
    )
}
