//! Models that a model imports (DMN 1.5, 6.3.3): `common.Fee` is the decision `Fee` of the model that
//! is imported as `common`.
//!
//! The library finds a model by its namespace and remembers one name for each, whoever imports it.
//! So each import is given a copy of its model, under a namespace of its own. What is not at hand
//! stays unresolved here; the checker refuses what needs it.

use std::collections::{BTreeMap, HashMap};

use super::{adapt, parse};
use crate::{read::Imports, tree, tree::Element};

/// Copies of imported models at the most; models that import one another twice double them.
const MAX_PARTS: usize = 50;

/// A model that the library is to read.
pub(super) struct Part {
    pub root: Element,
    /// Decisions that go by another name now: old name, new name.
    pub renamed: HashMap<String, String>,
    /// Names of its imports, with the namespaces of their copies.
    pub imports: Vec<(String, String)>,
}

/// The models, adapted for the library: what is imported comes before what imports it, and the model
/// itself last.
pub(super) fn parts(xml: &str, files: &Imports) -> Result<Vec<Part>, String> {
    let mut found = Found {
        files,
        parts: Vec::new(),
        count: 0,
    };
    found.add(parse(xml)?, &[])?;
    Ok(found.parts)
}

struct Found<'a> {
    files: &'a Imports,
    parts: Vec<Part>,
    count: usize,
}

impl Found<'_> {
    /// `around` are the locations of those that import it.
    fn add(&mut self, mut root: Element, around: &[&str]) -> Result<(), String> {
        let own = root.get("namespace").unwrap_or_default().to_owned();
        point(&mut root, &own, "");
        let mut imports = Vec::new();
        for at in 0..root.children.len() {
            let import = root.children.get(at);
            let Some((location, bytes)) = import.and_then(|import| file(self.files, import)) else {
                continue;
            };
            if around.contains(&location) || self.count >= MAX_PARTS {
                let reason = "the models import one another in a circle, or too many of them";
                return Err(format!("`{location}`: {reason}"));
            }
            self.count += 1;
            let copy = format!("urn:import:{}", self.count);
            let because = |reason| format!("the imported `{location}`: {reason}");
            let text = tree::decode(bytes).map_err(|e| because(e.text))?;
            let mut other = parse(&text).map_err(because)?;
            // What it says of itself by its own namespace is said before that is another.
            let theirs = other.get("namespace").unwrap_or_default().to_owned();
            point(&mut other, &theirs, "");
            adapt::set(&mut other, "namespace", &copy);
            let around: Vec<&str> = around.iter().copied().chain([location]).collect();
            self.add(other, &around)?;
            let Some(import) = root.children.get_mut(at) else {
                continue;
            };
            let name = import
                .get("name")
                .unwrap_or_else(|| stem(location))
                .to_owned();
            let namespace = import.get("namespace").unwrap_or_default().to_owned();
            adapt::set(import, "name", &name);
            adapt::set(import, "namespace", &copy);
            if !namespace.is_empty() {
                point(&mut root, &namespace, &copy);
            }
            imports.push((name, copy));
        }
        let names: Vec<String> = imports.iter().map(|(name, _)| name.clone()).collect();
        let renamed = adapt::adapt(&mut root, &names);
        self.parts.push(Part {
            root,
            renamed,
            imports,
        });
        Ok(())
    }
}

/// The file of an import of DMN, with its location: by its location, or where none is given, by the
/// namespace of its model.
pub(super) fn file<'a>(files: &'a Imports, import: &Element) -> Option<(&'a str, &'a [u8])> {
    let is_dmn = import
        .get("importType")
        .is_some_and(|kind| kind.contains("/DMN/"));
    if import.name != "import" || !is_dmn {
        return None;
    }
    let location = import.get("locationURI").or(import.get("namespace"))?;
    let (location, bytes) = files.get_key_value(location)?;
    Some((location, bytes))
}

/// What a reference of a part names in a model that it imports: the parts as far as that model, and
/// the element.
pub(super) fn imported<'a>(
    parts: &'a [Part],
    part: &Part,
    href: &str,
) -> Option<(&'a [Part], &'a Element)> {
    let (namespace, id) = href.rsplit_once('#')?;
    part.imports.iter().find(|(_, copy)| copy == namespace)?;
    let is_it = |part: &Part| part.root.get("namespace") == Some(namespace);
    let at = parts.iter().position(is_it)?;
    let found = parts
        .get(at)?
        .root
        .children
        .iter()
        .find(|child| child.get("id") == Some(id))?;
    Some((parts.get(..=at)?, found))
}

/// Imported models as text, as far as any of the files is one.
pub(super) fn texts(files: &Imports) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| Some(tree::decode(bytes).ok()?.into_owned());
    let texts = files
        .iter()
        .filter_map(|(at, bytes)| Some((at.clone(), text(bytes)?)));
    texts.filter(|(_, text)| text.contains("/DMN/")).collect()
}

fn stem(location: &str) -> &str {
    let last = location.rsplit(['/', '\\']).next().unwrap_or(location);
    last.split('.').next().unwrap_or(last)
}

/// References into one namespace lead into another.
pub(super) fn point(element: &mut Element, from: &str, to: &str) {
    for attribute in &mut element.attributes {
        if attribute.name == "href"
            && let Some((namespace, id)) = attribute.value.trim().rsplit_once('#')
            && namespace == from
        {
            attribute.value = format!("{to}#{id}");
        }
    }
    for child in &mut element.children {
        point(child, from, to);
    }
}
