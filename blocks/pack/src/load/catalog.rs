//! The catalog: its guide, its classes, and resources that a pack describes.

use std::{collections::BTreeSet, sync::Arc};

use ::catalog::{
    Metadata, Profile,
    class::{self, Class},
    freshness, profile, resource,
};
use async_trait::async_trait;
use kernel::{Fault, Result};
use serde::Deserialize;
use store::Tx;

use super::Loader;
use crate::{Catalog, File, Finding, Source, catalog::line_of, check::read_toml};

pub(super) fn loaders() -> Vec<Arc<dyn Loader>> {
    vec![Arc::new(Guide), Arc::new(Classes), Arc::new(Resources)]
}

/// `catalog/*.toml`: code lists, working days, the centre. Later names overrule earlier ones.
struct Guide;

fn read_profile(file: &File) -> Result<Profile, Finding> {
    let profile: Profile = read_toml(file)?;
    for cycle in &profile.cycles {
        if !cycle.interval.is_empty() && !freshness::is_interval(&cycle.interval) {
            let text = format!("\"{}\" is no duration", cycle.interval);
            let line = line_of(file, &cycle.interval);
            return Err(Finding::new(
                file,
                line,
                text,
                "write it as P1D, P3M or PT5M",
            ));
        }
    }
    Ok(profile)
}

#[async_trait]
impl Loader for Guide {
    fn folder(&self) -> &'static str {
        "catalog"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["toml"]
    }

    fn order(&self) -> u32 {
        26
    }

    fn check(&self, _: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding> {
        match read_profile(file) {
            Ok(profile) if !profile.centre.is_empty() => {
                catalog.refer("organisation", &profile.centre, file);
                Vec::new()
            }
            Ok(_) => Vec::new(),
            Err(finding) => vec![finding],
        }
    }

    async fn install(&self, tx: &Tx, _: &Source, file: &File) -> Result<usize> {
        let profile = read_profile(file).map_err(|finding| Fault::new(finding.to_string()))?;
        profile::install(tx, file.stem(), &profile).await?;
        Ok(1)
    }
}

/// `classes/*.csv`: the tree of classes, each with its whole code.
struct Classes;

fn read_classes(file: &File) -> Result<Vec<Class>, Finding> {
    let mut reader = csv::Reader::from_reader(&*file.bytes);
    let mut rows = Vec::new();
    for (place, record) in reader.records().enumerate() {
        let line = u32::try_from(place).unwrap_or(u32::MAX).saturating_add(2);
        let remedy = "write code,name_zh,name_en on every line; codes have 1, 3, 6 or more digits";
        let record = record.map_err(|e| Finding::new(file, line, e, remedy))?;
        let cell = |at| record.get(at).unwrap_or_default().trim().to_owned();
        let code = cell(0);
        let is_upper = matches!(code.len(), 1 | 3) && code.bytes().all(|b| b.is_ascii_digit());
        if cell(1).is_empty() || !(is_upper || ::catalog::code::is_class(&code)) {
            return Err(Finding::new(file, line, "code or name is wrong", remedy));
        }
        rows.push(Class {
            code,
            name_zh: cell(1),
            name_en: cell(2),
        });
    }
    Ok(rows)
}

#[async_trait]
impl Loader for Classes {
    fn folder(&self) -> &'static str {
        "classes"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["csv"]
    }

    fn order(&self) -> u32 {
        26
    }

    fn check(&self, _: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding> {
        match read_classes(file) {
            Ok(classes) => {
                for class in &classes {
                    catalog.define("class", &class.code, file);
                }
                Vec::new()
            }
            Err(finding) => vec![finding],
        }
    }

    async fn install(&self, tx: &Tx, _: &Source, file: &File) -> Result<usize> {
        let classes = read_classes(file).map_err(|finding| Fault::new(finding.to_string()))?;
        class::install(tx, &classes).await?;
        Ok(classes.len())
    }
}

/// `resources/*.toml`: entries that a pack describes; `publish = true` for those that hold at once.
struct Resources;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    #[serde(default)]
    publish: bool,
    resource: Metadata,
}

fn read_resource(file: &File) -> Result<(Metadata, bool), Finding> {
    let read: Described = read_toml(file)?;
    let entry = read.resource.tidy();
    if let Some(mistake) = entry.mistakes().first() {
        let line = line_of(file, &mistake.field);
        let text = format!("{}: {}", mistake.field, mistake.text.key);
        return Err(Finding::new(
            file,
            line,
            text,
            "shorten it, and remove odd characters",
        ));
    }
    Ok((entry, read.publish))
}

#[async_trait]
impl Loader for Resources {
    fn folder(&self) -> &'static str {
        "resources"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["toml"]
    }

    fn order(&self) -> u32 {
        27
    }

    fn check(&self, _: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding> {
        let entry = match read_resource(file) {
            Ok((entry, _)) => entry,
            Err(finding) => return vec![finding],
        };
        catalog.refer("organisation", &entry.provider, file);
        catalog.refer("class", &entry.class, file);
        let tables: BTreeSet<_> = entry.items.iter().map(|item| &item.code_table).collect();
        for table in tables.into_iter().filter(|table| !table.is_empty()) {
            catalog.refer("code table", table, file);
        }
        Vec::new()
    }

    async fn install(&self, tx: &Tx, _: &Source, file: &File) -> Result<usize> {
        let (entry, publish) =
            read_resource(file).map_err(|finding| Fault::new(finding.to_string()))?;
        let is_new = resource::act::install(tx, entry, publish).await?;
        Ok(usize::from(is_new))
    }
}
