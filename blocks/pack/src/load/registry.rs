//! Registries and their sources.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use kernel::{Fault, Result};
use registry::{Declaration, Mistake, Registries, declaration, source::Source as Speaker};
use store::Tx;

use super::Loader;
use crate::{
    Catalog, File, Finding, Source,
    catalog::{line_at, line_of},
    check::read_toml,
};

pub(super) fn loaders() -> Vec<Arc<dyn Loader>> {
    vec![Arc::new(Sources), Arc::new(Declarations)]
}

/// `sources/*.toml`: who states facts, and which organisation that is here.
struct Sources;

fn speakers(file: &File) -> Result<BTreeMap<String, Speaker>, Finding> {
    let mut read: BTreeMap<String, Speaker> = read_toml(file)?;
    for (id, source) in &mut read {
        source.id.clone_from(id);
    }
    Ok(read)
}

#[async_trait]
impl Loader for Sources {
    fn folder(&self) -> &'static str {
        "sources"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["toml"]
    }

    fn order(&self) -> u32 {
        // After organisations, before registries.
        24
    }

    fn check(&self, _: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding> {
        let read = match speakers(file) {
            Ok(read) => read,
            Err(finding) => return vec![finding],
        };
        for (id, source) in &read {
            // A city's pack only says which organisation a known source is.
            if source.title_zh.is_empty() {
                catalog.refer("source", id, file);
            } else {
                catalog.define("source", id, file);
            }
            if !source.org.is_empty() {
                catalog.refer("organisation", &source.org, file);
            }
        }
        Vec::new()
    }

    async fn install(&self, tx: &Tx, _: &Source, file: &File) -> Result<usize> {
        let read = speakers(file).map_err(|finding| Fault::new(finding.to_string()))?;
        for source in read.values() {
            registry::source::install(tx, source).await?;
        }
        Ok(read.len())
    }
}

/// `registries/*.json`: JSON Schema 2020-12 with `x-tongban` keywords.
struct Declarations;

#[async_trait]
impl Loader for Declarations {
    fn folder(&self) -> &'static str {
        "registries"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["json"]
    }

    fn order(&self) -> u32 {
        25
    }

    fn check(&self, _: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding> {
        let text = match file.text() {
            Ok(text) => text,
            Err(e) => return vec![Finding::new(file, 1, e, "save it as UTF-8")],
        };
        let schema: serde_json::Value = match serde_json::from_str(text) {
            Ok(schema) => schema,
            Err(e) => {
                let line = u32::try_from(e.line()).unwrap_or(1);
                return vec![Finding::new(file, line, e, "correct the JSON at this line")];
            }
        };
        match declaration::read(&schema) {
            Ok(declaration) => check_whole(file, &declaration, catalog),
            Err(mistakes) => mistakes.iter().map(|m| of_mistake(file, text, m)).collect(),
        }
    }

    async fn install(&self, tx: &Tx, _: &Source, file: &File) -> Result<usize> {
        let is_changed = registry::install(tx, file.text()?).await?;
        Ok(usize::from(is_changed))
    }

    async fn installed(&self, app: &web::App) -> Result<()> {
        if let Ok(registries) = app.part::<Registries>() {
            registries.forget();
        }
        Ok(())
    }
}

fn check_whole(file: &File, declaration: &Declaration, catalog: &mut Catalog) -> Vec<Finding> {
    catalog.define("registry", &declaration.id, file);
    for source in declaration.sources() {
        catalog.refer("source", source, file);
    }
    for field in &declaration.fields {
        if let Some(table) = &field.code_table {
            catalog.refer("code table", table, file);
        }
        if let Some(registry) = &field.reference {
            catalog.refer("registry", registry, file);
        }
    }
    if declaration.id == file.stem() {
        return Vec::new();
    }
    let text = format!("the registry's $id is \"{}\"", declaration.id);
    let line = line_of(file, "$id");
    vec![Finding::new(
        file,
        line,
        text,
        "name the file after its $id",
    )]
}

/// The line of a mistake: that of its last step that stands after the steps before.
fn of_mistake(file: &File, text: &str, mistake: &Mistake) -> Finding {
    let mut at = 0;
    for step in &mistake.path {
        let name = format!("\"{step}\"");
        let rest = text.get(at..).unwrap_or_default();
        match rest.find(&name) {
            Some(found) => at += found,
            None => break,
        }
    }
    let place = mistake.path.join("/");
    let words = if place.is_empty() {
        mistake.text.clone()
    } else {
        format!("{place}: {}", mistake.text)
    };
    Finding::new(file, line_at(text, at), words, &mistake.remedy)
}
