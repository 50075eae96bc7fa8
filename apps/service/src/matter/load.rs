//! How packs bring matters and themes.

use async_trait::async_trait;
use kernel::Result;
use pack::{Catalog, File, Finding, Loader, Source, line_of, read_toml};
use store::Tx;

use super::{Matter, act, checks};
use crate::theme::{Theme, store as themes};

/// Reads `matters/*.toml`.
pub struct Matters;

#[async_trait]
impl Loader for Matters {
    fn folder(&self) -> &'static str {
        "matters"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["toml"]
    }

    fn order(&self) -> u32 {
        50
    }

    fn check(&self, _: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding> {
        let matter: Matter = match read_toml(file) {
            Ok(matter) => matter,
            Err(finding) => return vec![finding],
        };
        catalog.define("matter", &matter.task_code, file);
        for (kind, key) in [
            ("form", &matter.form),
            ("process", &matter.process),
            ("certificate type", &matter.certificate),
        ] {
            if let Some(key) = key {
                catalog.refer(kind, key, file);
            }
        }
        for decision in matter.decisions.values() {
            catalog.refer("decision", decision, file);
        }
        for kind in matter.materials.iter().filter_map(|m| m.licence.as_ref()) {
            catalog.refer("certificate type", kind, file);
        }
        let findings = checks(&matter).into_iter().map(|finding| {
            let words: Vec<_> = finding.text.args.iter().map(|(_, v)| v.as_str()).collect();
            let element = finding.field.split(['.', '/']).next().unwrap_or_default();
            let text = format!(
                "{} fails {} {}",
                finding.field,
                finding.text.key,
                words.join(" ")
            );
            let remedy = "see the publication checks in the pack authors' guide";
            Finding::new(file, line_of(file, element), text.trim_end(), remedy)
        });
        findings.collect()
    }

    async fn install(&self, tx: &Tx, _: &Source, file: &File) -> Result<usize> {
        let matter = read_toml(file).map_err(|f| kernel::Fault::new(f.to_string()))?;
        act::install(tx, matter).await.map(usize::from)
    }
}

/// Reads `themes/*.toml`.
pub struct Themes;

#[async_trait]
impl Loader for Themes {
    fn folder(&self) -> &'static str {
        "themes"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["toml"]
    }

    fn order(&self) -> u32 {
        60
    }

    fn check(&self, _: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding> {
        let theme: Theme = match read_toml(file) {
            Ok(theme) => theme,
            Err(finding) => return vec![finding],
        };
        catalog.define("theme", &theme.id, file);
        catalog.refer("process", &theme.process, file);
        if let Some(form) = &theme.form {
            catalog.refer("form", form, file);
        }
        for part in &theme.parts {
            catalog.refer("matter", &part.matter, file);
        }
        let findings = theme.problems().into_iter().map(|(place, key)| {
            let text = format!("{place}: {key}");
            let remedy = "see the pack authors' guide on themes";
            Finding::new(file, line_of(file, &place), text, remedy)
        });
        findings.collect()
    }

    async fn install(&self, tx: &Tx, _: &Source, file: &File) -> Result<usize> {
        let theme: Theme = read_toml(file).map_err(|f| kernel::Fault::new(f.to_string()))?;
        themes::install(tx, &theme).await.map(usize::from)
    }
}
