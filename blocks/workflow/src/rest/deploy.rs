//! What programs deploy: one file, or several that belong together.

use identity::Actor;
use kernel::{Error, Result, Text};

use super::Desk;
use crate::{
    check::{Finding, Severity},
    decision,
    deploy::{self, File, Version},
    model::Ignored,
    page::is_key,
    read::{self, Imports},
    simulate::check_file_with,
    tree,
};

const DEPLOY: &str = "workflow.process.deploy";

/// A file as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uploaded {
    /// As it is called where it comes from; files import one another by it.
    pub name: String,
    /// Without one it is deployed under the name of its main process, decisions under that of the
    /// file.
    pub key: Option<String>,
    pub bytes: Vec<u8>,
}

/// A deployed version with what the author should know of it.
#[derive(Clone, Debug)]
pub(crate) struct Deployed {
    pub version: Version,
    pub name: String,
    pub warnings: Vec<Finding>,
    pub ignored: Vec<Ignored>,
}

/// A file that is ready to be deployed, and what is told of it then.
#[derive(Clone)]
struct Ready {
    file: File,
    name: String,
    warnings: Vec<Finding>,
    ignored: Vec<Ignored>,
}

/// Deploys files: all of them, or none if one is refused. What is called comes before what calls
/// it, in whatever order they came.
pub(crate) async fn deploy(
    desk: &Desk,
    actor: &Actor,
    files: Vec<Uploaded>,
) -> Result<Vec<Deployed>> {
    desk.check(actor, DEPLOY)?;
    let mut texts = Vec::new();
    for file in files {
        let refused = |e: tree::Unreadable| deploy::refused(&[e.into()]);
        let xml = tree::to_utf8(&file.bytes).map_err(refused)?;
        texts.push((file, xml));
    }
    let ready: Vec<_> = texts
        .iter()
        .filter(|(file, xml)| !is_shared(file, xml, &texts))
        .map(|(file, xml)| ready(file, xml, &texts))
        .collect::<Result<_>>()?;
    let by = actor.trace();
    let order = deploy::called_first(ready.iter().map(|one| one.file.clone()).collect());
    let versions = desk
        .db
        .write(move |tx| {
            let (order, by) = (order.clone(), by.clone());
            async move {
                let mut versions = Vec::new();
                for file in &order {
                    versions.push(deploy::deploy_file(&tx, file, &by, "").await?);
                }
                Ok(versions)
            }
        })
        .await?;
    let deployed = ready.into_iter().filter_map(|one| {
        let version = versions.iter().find(|v| v.key == one.file.key)?.clone();
        Some(Deployed {
            version,
            name: one.name,
            warnings: one.warnings,
            ignored: one.ignored,
        })
    });
    Ok(deployed.collect())
}

/// Whether the file only holds what others import, and nothing that could run.
fn is_shared(file: &Uploaded, xml: &str, all: &[(Uploaded, String)]) -> bool {
    let has_processes = read::read(xml.as_bytes()).map(|model| !model.processes.is_empty());
    let name = last_part(&file.name);
    let mut locations = all
        .iter()
        .flat_map(|(_, other)| read::import_locations(other.as_bytes()));
    has_processes == Ok(false) && locations.any(|location| last_part(&location) == name)
}

fn ready(file: &Uploaded, xml: &str, all: &[(Uploaded, String)]) -> Result<Ready> {
    let imports = imports(xml, all);
    let warnings = check_file_with(xml.as_bytes(), &imports)
        .into_iter()
        .filter(|finding| finding.severity == Severity::Warning)
        .collect();
    let model = read::read_with(xml.as_bytes(), &imports).ok();
    let main = model.as_ref().and_then(|model| model.main());
    let key = match (&file.key, main) {
        (Some(key), _) => key.clone(),
        (None, Some(main)) => main.id.to_string(),
        (None, None) => stem(&file.name).to_owned(),
    };
    if !is_key(&key) {
        let text = Text::new("workflow-key-unreadable");
        return Err(Error::invalid("key", text));
    }
    Ok(Ready {
        name: main.map_or_else(|| key.clone(), |main| main.name.clone()),
        file: File {
            key,
            xml: xml.to_owned(),
            imports,
        },
        warnings,
        ignored: model.map(|model| model.ignored).unwrap_or_default(),
    })
}

/// `order.dmn` without its ending; a name for what has none.
fn stem(name: &str) -> &str {
    let last = last_part(name);
    let stem = last.rsplit_once('.').map_or(last, |(stem, _)| stem);
    if is_key(stem) { stem } else { "file" }
}

fn last_part(location: &str) -> &str {
    location.rsplit(['/', '\\']).next().unwrap_or(location)
}

/// What a file imports, and what that imports in turn, of the files that came with it.
fn imports(xml: &str, all: &[(Uploaded, String)]) -> Imports {
    let mut found = Imports::new();
    let mut waiting = read::import_locations(xml.as_bytes());
    while let Some(location) = waiting.pop() {
        let wanted = last_part(&location);
        let is_it = |(file, text): &&(Uploaded, String)| {
            last_part(&file.name) == wanted || decision::namespace(text).as_ref() == Some(&location)
        };
        let other = all.iter().find(is_it);
        let Some((_, text)) = other.filter(|_| !found.contains_key(&location)) else {
            continue;
        };
        waiting.extend(read::import_locations(text.as_bytes()));
        found.insert(location, text.clone().into_bytes());
    }
    found
}
