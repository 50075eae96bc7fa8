//! Files that a file imports.

use super::{BPMN, Imports, read_with};
use crate::{
    model::{Import, Model},
    tree::{self, Element, Unreadable},
};

/// An imported file.
pub(super) struct Imported {
    pub namespace: String,
    pub location: String,
    pub tree: Element,
    pub model: Model,
}

/// Locations of the BPMN and DMN files that a file imports.
pub fn import_locations(bytes: &[u8]) -> Vec<String> {
    let root = tree::parse(bytes).ok();
    let imports = root.iter().flat_map(|root| root.children_named("import"));
    imports
        .filter(|import| {
            let kind = import.get("importType").unwrap_or_default();
            kind == BPMN || kind.contains("/DMN/")
        })
        .filter_map(|import| {
            // Those of DMN call it otherwise, and may leave it out.
            let of_dmn = || import.get("locationURI").or(import.get("namespace"));
            import.get("location").or_else(of_dmn).map(str::to_owned)
        })
        .collect()
}

/// The imported BPMN files that are at hand, read, and those that are not.
pub(super) fn imported(
    root: &Element,
    imports: &Imports,
) -> Result<(Vec<Imported>, Vec<Import>), Unreadable> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for import in root.children_named("import") {
        if import.get("importType") != Some(BPMN) {
            continue;
        }
        let location = import.get("location").unwrap_or_default();
        let Some(bytes) = imports.get(location) else {
            missing.push(Import {
                location: location.to_owned(),
                line: import.line,
            });
            continue;
        };
        // What the imported file imports in turn; itself left out, so that circles end.
        let mut others = imports.clone();
        others.remove(location);
        let because = |e: Unreadable| Unreadable {
            rule: "import-unreadable",
            line: import.line,
            text: format!(
                "the imported file `{location}`, line {}: {}",
                e.line, e.text
            ),
        };
        let model = read_with(bytes, &others).map_err(because)?;
        found.push(Imported {
            namespace: import.get("namespace").unwrap_or_default().to_owned(),
            location: location.to_owned(),
            tree: tree::parse(bytes).map_err(because)?,
            model,
        });
    }
    Ok((found, missing))
}
