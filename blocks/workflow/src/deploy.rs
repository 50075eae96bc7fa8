//! What is deployed: files become versions, with what they import and what they call.

use std::collections::HashSet;

use kernel::{Error, Fault, Finding, Result, Text, clock::micros};
use store::Tx;

use crate::{
    check::{self, Severity},
    decision::Decisions,
    event,
    model::{Kind, Model, Task as TaskKind},
    read::{self, Imports},
    schema::definition,
    simulate::check_file_with,
    store as tables, timed,
};

/// A deployed version.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Version {
    /// `key:version:tail`, different for every deployment.
    pub definition: String,
    pub key: String,
    pub version: i64,
    /// False when the same content was deployed before.
    pub is_new: bool,
}

/// Deploys a BPMN or DMN file under a key. A file that the standard forbids is refused with all
/// findings. The same content with the same links is the same version. Called processes and
/// decisions are those deployed at this moment; deploy what is called first.
pub async fn deploy(tx: &Tx, key: &str, xml: &str) -> Result<Version> {
    deploy_by(tx, key, xml, "system", "").await
}

/// A file to be deployed.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    pub key: String,
    pub xml: String,
    /// The files that it imports, as far as they are at hand.
    pub imports: Imports,
}

/// As [`deploy`], naming who deploys and what they say about it.
pub async fn deploy_by(tx: &Tx, key: &str, xml: &str, by: &str, comment: &str) -> Result<Version> {
    let file = File {
        key: key.to_owned(),
        xml: xml.to_owned(),
        imports: Imports::new(),
    };
    deploy_file(tx, &file, by, comment).await
}

/// As [`deploy_by`], with what the file imports. That is kept with the version: what is deployed
/// later under the same location does not change it.
pub(crate) async fn deploy_file(tx: &Tx, file: &File, by: &str, comment: &str) -> Result<Version> {
    let File { key, xml, imports } = file;
    let errors: Vec<_> = check_file_with(xml.as_bytes(), imports)
        .into_iter()
        .filter(|f| f.severity == Severity::Error)
        .collect();
    if !errors.is_empty() {
        return Err(refused(&errors));
    }
    let content = Content::of(file)?;
    let imports = written(imports)?;
    let links = links(tx, key, &content).await?;
    let links = serde_json::to_string(&links).map_err(|e| Fault::caused_by("write links", e))?;
    let latest = tables::latest_definition(&**tx, key).await?;
    if let Some(latest) = &latest
        && latest.xml == *xml
        && latest.links == links
        && latest.imports == imports
    {
        return Ok(Version {
            definition: latest.id.clone(),
            key: key.clone(),
            version: latest.version,
            is_new: false,
        });
    }
    let version = latest.map_or(0, |latest| latest.version) + 1;
    // The tail keeps apart what was deployed in a write that did not hold from what came after:
    // parsed definitions are remembered by this id.
    let tail = kernel::id::new_v7(tx.now()).simple().to_string();
    let id = format!("{key}:{version}:{}", tail.get(24..).unwrap_or_default());
    tables::insert_definition(
        tx,
        definition::Model {
            id: id.clone(),
            key: key.clone(),
            version,
            kind: content.kind.to_owned(),
            names: serde_json::to_string(&content.names)
                .map_err(|e| Fault::caused_by("write names", e))?,
            links,
            xml: xml.clone(),
            imports,
            deployed_at: micros(tx.now()),
            deployed_by: by.to_owned(),
            comment: comment.to_owned(),
        },
    )
    .await?;
    let deployed = event::DefinitionDeployed {
        key: key.clone(),
        version,
    };
    tx.emit(format!("process:{key}"), by, &deployed)?;
    if let Some(model) = &content.model {
        timed::schedule(tx, &id, model)?;
    }
    Ok(Version {
        definition: id,
        key: key.clone(),
        version,
        is_new: true,
    })
}

/// Imported files as they are stored: nothing, or a JSON object of their texts by location.
fn written(imports: &Imports) -> Result<String> {
    if imports.is_empty() {
        return Ok(String::new());
    }
    let texts: std::collections::BTreeMap<_, _> = imports
        .iter()
        .map(|(location, bytes)| (location, String::from_utf8_lossy(bytes)))
        .collect();
    Ok(serde_json::to_string(&texts).map_err(|e| Fault::caused_by("write imports", e))?)
}

/// The imports of a stored version.
pub(crate) fn imports_of(stored: &str) -> Imports {
    let texts: std::collections::BTreeMap<String, String> =
        serde_json::from_str(stored).unwrap_or_default();
    let bytes = texts.into_iter();
    bytes
        .map(|(location, xml)| (location, xml.into_bytes()))
        .collect()
}

/// The files in an order in which what is called comes before what calls it; those that call one
/// another stay as they are.
pub(crate) fn called_first(mut files: Vec<File>) -> Vec<File> {
    let mut sorted = Vec::new();
    while !files.is_empty() {
        let contents: Vec<_> = files.iter().map(|file| Content::of(file).ok()).collect();
        let offered: Vec<&[String]> = contents
            .iter()
            .map(|content| content.as_ref().map_or(&[][..], |content| &content.names))
            .collect();
        let is_ready = |place: usize| {
            let wanted: HashSet<&String> = contents
                .get(place)
                .and_then(Option::as_ref)
                .map(|content| content.wanted.iter().collect())
                .unwrap_or_default();
            let mut others = offered.iter().enumerate().filter(|(at, _)| *at != place);
            !others.any(|(_, names)| names.iter().any(|name| wanted.contains(name)))
        };
        let next = (0..files.len()).find(|place| is_ready(*place));
        sorted.push(files.remove(next.unwrap_or(0)));
    }
    sorted
}

/// The answer to a file that cannot be deployed.
pub(crate) fn refused(errors: &[check::Finding]) -> Error {
    Error::Invalid(errors.iter().map(finding).collect())
}

fn finding(found: &check::Finding) -> Finding {
    let text = Text::new("workflow-model-finding")
        .with("rule", found.rule)
        .with("element", &found.element)
        .with("line", found.line)
        .with("reason", &found.text)
        .with("remedy", found.remedy);
    Finding::new(format!("line {}", found.line), text)
}

/// What a file offers to others and what it wants of them.
struct Content {
    kind: &'static str,
    names: Vec<String>,
    wanted: Vec<String>,
    /// None of decisions.
    model: Option<Model>,
}

impl Content {
    fn of(File { xml, imports, .. }: &File) -> Result<Self> {
        if let (Some(model), _) = check::read_and_check_with(xml.as_bytes(), imports) {
            // What is imported is offered by its own file.
            let own = read::read(xml.as_bytes()).map(|own| own.processes);
            let own = own.unwrap_or_default().into_iter();
            let names = own.map(|head| head.id.to_string()).collect();
            return Ok(Self {
                kind: "bpmn",
                names,
                wanted: wanted(&model),
                model: Some(model),
            });
        }
        let decisions = Decisions::read_with(xml, imports).map_err(Fault::new)?;
        let names = decisions.names().map(str::to_owned).collect();
        Ok(Self {
            kind: "dmn",
            names,
            wanted: Vec::new(),
            model: None,
        })
    }
}

/// Processes that are called and decisions that are asked.
fn wanted(model: &Model) -> Vec<String> {
    let mut wanted = Vec::new();
    for node in &model.nodes {
        match &node.kind {
            Kind::Call {
                called: Some(called),
            } if model.process(called).is_none() => wanted.push(called.clone()),
            Kind::Task(TaskKind::Rule) => {
                wanted.extend(node.attribute("decision").map(str::to_owned));
            }
            _ => {}
        }
    }
    wanted
}

async fn links(tx: &Tx, key: &str, content: &Content) -> Result<Vec<String>> {
    if content.wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut links = Vec::new();
    for (id, other, names) in tables::latest_names(&**tx).await? {
        if other != key && names.iter().any(|name| content.wanted.contains(name)) {
            links.push(id);
        }
    }
    Ok(links)
}
