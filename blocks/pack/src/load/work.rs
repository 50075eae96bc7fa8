//! Forms, processes, decisions, certificates.

use std::sync::Arc;

use async_trait::async_trait;
use credential::CertificateType;
use kernel::{Fault, Result, clock::micros};
use sea_orm::{ActiveValue::Set, EntityTrait, sea_query::OnConflict};
use store::{Tx, fault};

use super::Loader;
use crate::{Catalog, File, Finding, Source, catalog::line_of, check::read_toml, schema::form};
use workflow::{
    check::{Severity, read_and_check},
    model::{Kind, Model, Task},
};

pub(super) fn loaders() -> Vec<Arc<dyn Loader>> {
    vec![
        Arc::new(Forms),
        Arc::new(Decisions),
        Arc::new(Processes),
        Arc::new(Certificates),
        Arc::new(Templates),
    ]
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

struct Decisions;

#[async_trait]
impl Loader for Decisions {
    fn folder(&self) -> &'static str {
        "decisions"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["dmn"]
    }

    fn order(&self) -> u32 {
        31
    }

    fn check(&self, _: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding> {
        let text = match file.text() {
            Ok(text) => text,
            Err(e) => return vec![Finding::new(file, 1, e, "save it as UTF-8")],
        };
        let found = workflow::simulate::check_file(&file.bytes);
        let findings = errors_of(found, file);
        match workflow::decision::Decisions::read(text) {
            Ok(decisions) => {
                for name in decisions.names() {
                    catalog.define("decision", name, file);
                }
            }
            Err(reason) if findings.is_empty() => {
                let remedy = "export the decision again as DMN 1.3 or later";
                return vec![Finding::new(file, 1, reason, remedy)];
            }
            Err(_) => {}
        }
        findings
    }

    async fn install(&self, tx: &Tx, _: &Source, file: &File) -> Result<usize> {
        let version = workflow::deploy(tx, file.stem(), file.text()?).await?;
        Ok(usize::from(version.is_new))
    }
}

struct Processes;

#[async_trait]
impl Loader for Processes {
    fn folder(&self) -> &'static str {
        "processes"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["bpmn"]
    }

    fn order(&self) -> u32 {
        40
    }

    fn check(&self, _: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding> {
        let (model, found) = read_and_check(&file.bytes);
        let mut findings = errors_of(found, file);
        if let Some(model) = model {
            catalog.define("process", file.stem(), file);
            refer(&model, file, catalog);
            findings.extend(unlike_stem(&model, file));
        }
        findings
    }

    async fn install(&self, tx: &Tx, _: &Source, file: &File) -> Result<usize> {
        let version = workflow::deploy(tx, file.stem(), file.text()?).await?;
        Ok(usize::from(version.is_new))
    }
}

/// Warnings are for `tongban process check`; only errors keep a pack out.
fn errors_of(found: Vec<workflow::check::Finding>, file: &File) -> Vec<Finding> {
    let errors = found.into_iter().filter(|f| f.severity == Severity::Error);
    let findings = errors.map(|f| {
        let text = format!("[{}] {} {}", f.rule, f.element, f.text);
        Finding::new(file, f.line, text, f.remedy)
    });
    findings.collect()
}

/// Forms, decisions and processes that the nodes of a model name.
fn refer(model: &Model, file: &File, catalog: &mut Catalog) {
    for node in &model.nodes {
        if let Some(form) = node.attribute("form") {
            catalog.refer("form", form, file);
        }
        match &node.kind {
            Kind::Task(Task::Rule) => {
                if let Some(decision) = node.attribute("decision") {
                    catalog.refer("decision", decision, file);
                }
            }
            Kind::Call {
                called: Some(called),
            } if model.process(called).is_none() => {
                catalog.refer("process", called, file);
            }
            _ => {}
        }
    }
}

fn unlike_stem(model: &Model, file: &File) -> Option<Finding> {
    let main = model.main()?;
    if &*main.id == file.stem() {
        return None;
    }
    let text = format!("the process is called \"{}\"", main.id);
    Some(Finding::new(
        file,
        main.line,
        text,
        "name the file after the id of its process",
    ))
}

struct Certificates;

fn read_kind(source: &Source, file: &File) -> Result<CertificateType, Finding> {
    let mut kind: CertificateType = read_toml(file)?;
    let template = format!("certificates/{}.typ", file.stem());
    if let Some(template) = source.file(&template) {
        let text = template
            .text()
            .map_err(|e| Finding::new(template, 1, e, "save it as UTF-8"))?;
        text.clone_into(&mut kind.template);
    }
    Ok(kind)
}

#[async_trait]
impl Loader for Certificates {
    fn folder(&self) -> &'static str {
        "certificates"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["toml"]
    }

    fn order(&self) -> u32 {
        35
    }

    fn check(&self, source: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding> {
        let kind = match read_kind(source, file) {
            Ok(kind) => kind,
            Err(finding) => return vec![finding],
        };
        catalog.define("certificate type", &kind.code, file);
        let findings = kind.check().into_iter().map(|f| {
            let text = format!("{}: {}", f.field, f.text.key);
            let remedy = "see the pack authors' guide on certificates";
            Finding::new(file, line_of(file, &f.field), text, remedy)
        });
        findings.collect()
    }

    async fn install(&self, tx: &Tx, source: &Source, file: &File) -> Result<usize> {
        let kind = read_kind(source, file).map_err(|f| Fault::new(f.to_string()))?;
        credential::install(tx, &kind).await?;
        Ok(1)
    }
}

/// Typst templates; installed with the type beside them.
struct Templates;

#[async_trait]
impl Loader for Templates {
    fn folder(&self) -> &'static str {
        "certificates"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["typ"]
    }

    fn order(&self) -> u32 {
        36
    }

    fn check(&self, source: &Source, file: &File, _: &mut Catalog) -> Vec<Finding> {
        let kind = format!("certificates/{}.toml", file.stem());
        if source.file(&kind).is_some() {
            return Vec::new();
        }
        let text = format!("there is no {kind} beside the template");
        vec![Finding::new(
            file,
            1,
            text,
            "add the type's TOML, or remove the template",
        )]
    }

    async fn install(&self, _: &Tx, _: &Source, _: &File) -> Result<usize> {
        Ok(0)
    }
}
