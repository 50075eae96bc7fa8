//! Qualified names: which file's element a reference with a prefix names (XML Schema, `QName`).
//!
//! A prefix of the file's own target namespace means the file itself, as no prefix does and that of
//! BPMN, which is the default namespace of most files. A prefix of an imported file's namespace
//! means that file. Any other is a slip of a modeler where the file has an element of that name,
//! and told; of a call activity it means a deployed process, which must not be mistaken for an own.
//!
//! References become ids of one space before anything else is read: an element of an imported file
//! keeps its id, unless another file has the same; then it is `location#id`.

use std::collections::{HashMap, HashSet};

use super::{BPMN, import::Imported};
use crate::{
    model::{Import, Kind, Model, Problem},
    tree::{Attribute, Element},
};

/// What of a file others refer to by its id.
const SHARED: &[&str] = &[
    "dataStore",
    "error",
    "escalation",
    "interface",
    "itemDefinition",
    "message",
    "process",
    "resource",
    "signal",
];

/// References to types of other languages, which have prefixes of their own.
const OUTSIDE: &[&str] = &["structureRef", "implementationRef", "evaluatesToTypeRef"];

/// References that are not called so.
const OTHERS: &[&str] = &[
    "calledElement",
    "default",
    "incoming",
    "outgoing",
    "source",
    "target",
];

fn is_reference(name: &str) -> bool {
    let is_called_so = name.ends_with("Ref") || name.ends_with("Refs");
    is_called_so && !OUTSIDE.contains(&name) || OTHERS.contains(&name)
}

fn is_shared(element: &Element) -> bool {
    let name = element.name.as_str();
    SHARED.contains(&name)
        || name.ends_with("EventDefinition")
        || name.starts_with("global") && name.ends_with("Task")
}

/// Prefix and local part; none of what is no qualified name, as an expression.
fn parts(text: &str) -> Option<(&str, &str)> {
    let is_name = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_alphanumeric() || "-_.".contains(c))
    };
    let pair = text.trim().split_once(':')?;
    (is_name(pair.0) && is_name(pair.1)).then_some(pair)
}

/// How an element of another file is known where an own one has its id.
fn apart(location: &str, id: &str) -> String {
    // Without the sign that would make a qualified name of it.
    format!("{}#{id}", location.replace(':', ""))
}

/// The id that [`apart`] was given.
pub(super) fn plain(id: &str) -> &str {
    id.rsplit('#').next().unwrap_or(id)
}

/// An imported file, or one that is not at hand or in another language.
struct Other {
    namespaces: Vec<String>,
    location: String,
    /// Ids as the file gives them, and as they are known here; none where it cannot be looked into.
    ids: Option<HashMap<String, String>>,
}

/// What was found about the names of a file.
pub(super) struct Qualified {
    pub problems: Vec<Problem>,
    /// References to elements of files that cannot be looked into.
    pub open: HashSet<String>,
}

/// What a qualified name stands for.
enum Meant {
    Known(String),
    /// Something in a file that cannot be looked into, by its location.
    Open(String),
    /// Nothing that the file of that location has.
    Lost(String),
    /// No file; why, to be said of the prefix.
    Nobody(String),
}

const LEAVE_OUT: &str = "leave the prefix out, or import the file that it stands for";

struct Names {
    target: String,
    own: HashSet<String>,
    callable: HashSet<String>,
    others: Vec<Other>,
    /// Prefixes with their namespaces, the innermost last.
    bound: Vec<(String, String)>,
    found: Qualified,
}

/// Makes every reference of a file, and every shared id of the files that it imports, one of the
/// same space.
pub(super) fn qualify(
    root: &mut Element,
    imported: &mut [Imported],
    missing: &[Import],
) -> Qualified {
    let mut names = Names {
        target: root.get("targetNamespace").unwrap_or_default().to_owned(),
        own: HashSet::new(),
        callable: HashSet::new(),
        others: Vec::new(),
        bound: Vec::new(),
        found: Qualified {
            problems: Vec::new(),
            open: HashSet::new(),
        },
    };
    names.collect(root);
    let mut taken = names.own.clone();
    for file in imported {
        let ids = keep_apart(file, &mut taken);
        let target = file.tree.get("targetNamespace").unwrap_or_default();
        names.others.push(Other {
            namespaces: vec![file.namespace.clone(), target.to_owned()],
            location: file.location.clone(),
            ids: Some(ids),
        });
    }
    for import in root.children_named("import") {
        let location = import.get("location").unwrap_or_default();
        let is_missing = missing.iter().any(|one| one.location == location);
        if is_missing || import.get("importType") != Some(BPMN) {
            let namespace = import.get("namespace").unwrap_or_default();
            names.others.push(Other {
                namespaces: vec![namespace.to_owned()],
                location: location.to_owned(),
                ids: None,
            });
        }
    }
    names.walk(root, "");
    names.found
}

/// Gives shared elements of an imported file ids of their own where theirs are taken.
fn keep_apart(file: &mut Imported, taken: &mut HashSet<String>) -> HashMap<String, String> {
    let mut ids = HashMap::new();
    let mut renamed = HashMap::new();
    for element in file.tree.children.iter().filter(|child| is_shared(child)) {
        let inside = element.children_named("operation");
        for id in std::iter::once(element)
            .chain(inside)
            .filter_map(|e| e.get("id"))
        {
            let is_new = taken.insert(id.to_owned());
            let known = if is_new {
                id.to_owned()
            } else {
                apart(&file.location, id)
            };
            if !is_new {
                renamed.insert(id.to_owned(), known.clone());
            }
            ids.insert(id.to_owned(), known);
        }
    }
    if !renamed.is_empty() {
        rename(&mut file.tree, &renamed);
        rename_processes(&mut file.model, &renamed);
    }
    ids
}

fn rename(element: &mut Element, renamed: &HashMap<String, String>) {
    let is_its_own = is_shared(element) || element.name == "operation";
    let change = |text: &mut String| {
        if let Some(known) = renamed.get(parts(text).map_or(text.trim(), |(_, name)| name)) {
            text.clone_from(known);
        }
    };
    for Attribute {
        namespace,
        name,
        value,
    } in &mut element.attributes
    {
        if namespace.is_empty() && (is_reference(name) || is_its_own && name == "id") {
            change(value);
        }
    }
    if is_reference(&element.name) {
        change(&mut element.text);
    }
    for child in &mut element.children {
        rename(child, renamed);
    }
}

fn rename_processes(model: &mut Model, renamed: &HashMap<String, String>) {
    for head in &mut model.processes {
        if let Some(known) = renamed.get(&*head.id) {
            let subscriptions = &mut model.correlations.subscriptions;
            let known: crate::model::Id = known.as_str().into();
            if let Some(own) = subscriptions.remove(&head.id) {
                subscriptions.insert(known.clone(), own);
            }
            head.id = known;
        }
    }
    for node in &mut model.nodes {
        if let Kind::Call {
            called: Some(called),
        } = &mut node.kind
            && let Some(known) = renamed.get(called)
        {
            called.clone_from(known);
        }
    }
}

impl Names {
    fn collect(&mut self, element: &Element) {
        if element.namespace == BPMN
            && let Some(id) = element.get("id")
        {
            self.own.insert(id.to_owned());
            let is_callable = element.name == "process"
                || element.name.starts_with("global") && element.name.ends_with("Task");
            if is_callable {
                self.callable.insert(id.to_owned());
            }
        }
        for child in &element.children {
            self.collect(child);
        }
    }

    /// `owner` is the id of what is drawn around the element.
    fn walk(&mut self, element: &mut Element, owner: &str) {
        if element.namespace != BPMN || element.name == "extensionElements" {
            return;
        }
        let depth = self.bound.len();
        self.bound.append(&mut element.bound);
        let is_drawn = element.name != "definitions" && !element.name.ends_with("EventDefinition");
        let id = element.get("id").filter(|_| is_drawn).map(str::to_owned);
        let owner = id.as_deref().unwrap_or(owner);
        let line = element.line;
        for Attribute {
            namespace,
            name,
            value,
        } in &mut element.attributes
        {
            if namespace.is_empty() && is_reference(name) {
                self.resolve(name, value, owner, line);
            }
        }
        if is_reference(&element.name) && element.children.is_empty() {
            self.resolve(&element.name, &mut element.text, owner, line);
        }
        for child in &mut element.children {
            self.walk(child, owner);
        }
        self.bound.truncate(depth);
    }

    fn resolve(&mut self, reference: &str, text: &mut String, owner: &str, line: u32) {
        let written = text.trim().to_owned();
        // An id with a colon is none in XML, and there are drawings with such.
        let pair = parts(&written).filter(|_| !self.own.contains(&written));
        let Some((prefix, name)) = pair else {
            return;
        };
        if reference == "calledElement" {
            return self.resolve_call(prefix, name, text, (owner, line));
        }
        match self.meant(prefix, name, self.own.contains(name)) {
            Meant::Known(known) => *text = known,
            Meant::Open(location) => {
                *text = apart(&location, name);
                self.found.open.insert(text.clone());
            }
            // That it is not there is told where it is looked for.
            Meant::Lost(location) => *text = apart(&location, name),
            Meant::Nobody(why) => {
                if let Some(known) = self.anywhere(name) {
                    let said = format!("`{reference}` names `{written}` with a prefix {why}");
                    self.tell("reference-prefix", false, (owner, line), said, LEAVE_OUT);
                    *text = known;
                }
            }
        }
    }

    /// A process that no file has is a deployed one, and is called by its id.
    fn resolve_call(&mut self, prefix: &str, name: &str, text: &mut String, at: (&str, u32)) {
        let is_own = self.callable.contains(name);
        let why = match self.meant(prefix, name, is_own) {
            Meant::Known(known) => {
                *text = known;
                return;
            }
            Meant::Lost(location) => {
                let said = format!("it calls `{prefix}:{name}`, which `{location}` does not have");
                let remedy = "correct the reference or add what it names";
                return self.tell("dangling-reference", true, at, said, remedy);
            }
            Meant::Open(location) => format!("whose file `{location}` is not at hand"),
            Meant::Nobody(why) if !is_own => {
                let said = format!("it calls `{prefix}:{name}` with a prefix {why}");
                self.tell("reference-prefix", false, at, said, LEAVE_OUT);
                return name.clone_into(text);
            }
            Meant::Nobody(why) => why,
        };
        if !is_own {
            return name.clone_into(text);
        }
        let said = format!(
            "it calls `{prefix}:{name}` with a prefix {why}, and the file has a process `{name}` of its own"
        );
        let remedy = "leave the prefix out for the own process, or import the other's file and deploy it too";
        self.tell("reference-prefix", true, at, said, remedy);
    }

    /// What a prefix with a name stands for; `is_own` tells whether the file has such a thing.
    fn meant(&self, prefix: &str, name: &str, is_own: bool) -> Meant {
        let bound = self.bound.iter().rev().find(|(known, _)| known == prefix);
        let Some((_, namespace)) = bound else {
            return Meant::Nobody("which is not declared".to_owned());
        };
        let is_ours = *namespace == self.target || namespace == BPMN;
        let others = self.others.iter();
        let others: Vec<&Other> = others
            .filter(|it| it.namespaces.contains(namespace))
            .collect();
        let known = |other: &&Other| other.ids.as_ref()?.get(name).cloned();
        if is_ours && is_own {
            Meant::Known(name.to_owned())
        } else if let Some(known) = others.iter().find_map(known) {
            Meant::Known(known)
        } else if let Some(open) = others.iter().find(|other| other.ids.is_none()) {
            Meant::Open(open.location.clone())
        } else if is_ours {
            Meant::Known(name.to_owned())
        } else if let Some(other) = others.first() {
            Meant::Lost(other.location.clone())
        } else {
            Meant::Nobody(format!("whose namespace `{namespace}` no import has"))
        }
    }

    /// Whatever has that id, in the file or in one that it imports.
    fn anywhere(&self, name: &str) -> Option<String> {
        let own = Some(name.to_owned()).filter(|_| self.own.contains(name));
        let mut others = self.others.iter();
        own.or_else(|| others.find_map(|other| other.ids.as_ref()?.get(name).cloned()))
    }

    fn tell(
        &mut self,
        rule: &'static str,
        is_error: bool,
        (owner, line): (&str, u32),
        text: String,
        remedy: &'static str,
    ) {
        self.found.problems.push(Problem {
            rule,
            element: owner.to_owned(),
            line,
            text,
            remedy,
            is_error,
        });
    }
}
