//! Forms, processes, decisions, certificates.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{Result, clock::micros};
use sea_orm::{ActiveValue::Set, EntityTrait, sea_query::OnConflict};
use store::{Tx, fault};

use super::Loader;
use crate::{Catalog, File, Finding, Source, catalog::line_of, schema::form};

pub(super) fn loaders() -> Vec<Arc<dyn Loader>> {
    vec![Arc::new(Forms)]
}

struct Forms;

#[async_trait]
impl Loader for Forms {
    fn folder(&self) -> &'static str {
        "forms"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["json"]
    }

    fn order(&self) -> u32 {
        30
    }

    fn check(&self, _: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding> {
        let text = match file.text() {
            Ok(text) => text,
            Err(e) => return vec![Finding::new(file, 1, e, "save it as UTF-8")],
        };
        let value: serde_json::Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(e) => {
                let line = u32::try_from(e.line()).unwrap_or(1);
                return vec![Finding::new(file, line, e, "correct the JSON at this line")];
            }
        };
        match forms::Form::of(&value) {
            Ok(form) => check_form(file, &form, catalog),
            Err(kernel::Error::Invalid(findings)) => {
                let findings = findings
                    .into_iter()
                    .map(|finding| of_pointer(file, &finding));
                findings.collect()
            }
            Err(e) => vec![Finding::new(file, 1, e, "correct the form")],
        }
    }

    async fn install(&self, tx: &Tx, _: &Source, file: &File) -> Result<usize> {
        let parsed = forms::Form::parse(file.text()?)?;
        let row = form::ActiveModel {
            id: Set(parsed.id),
            document: Set(file.text()?.to_owned()),
            updated_at: Set(micros(tx.now())),
        };
        let replace = OnConflict::column(form::Column::Id)
            .update_columns([form::Column::Document, form::Column::UpdatedAt])
            .to_owned();
        form::Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("write a form", e))?;
        Ok(1)
    }
}

fn check_form(file: &File, form: &forms::Form, catalog: &mut Catalog) -> Vec<Finding> {
    catalog.define("form", &form.id, file);
    for field in &form.fields {
        let kind = field
            .file
            .as_ref()
            .and_then(|f| f.certificate_type.as_ref());
        if let Some(kind) = kind {
            catalog.refer("certificate type", kind, file);
        }
    }
    if form.id == file.stem() {
        return Vec::new();
    }
    let text = format!("the form's $id is \"{}\"", form.id);
    let line = line_of(file, "$id");
    vec![Finding::new(
        file,
        line,
        text,
        "name the file after its $id",
    )]
}

/// A finding of the form's reader: its last named step tells the line.
fn of_pointer(file: &File, finding: &kernel::Finding) -> Finding {
    let named = finding
        .field
        .rsplit('/')
        .find(|step| !step.is_empty() && step.parse::<usize>().is_err() && !step.starts_with("x-"));
    let line = named.map_or(1, |step| line_of(file, step));
    let reasons: Vec<_> = finding
        .text
        .args
        .iter()
        .map(|(_, value)| value.as_str())
        .collect();
    let text = format!("{}: {}", finding.field, reasons.join(", "));
    Finding::new(file, line, text, "see the pack authors' guide on forms")
}
