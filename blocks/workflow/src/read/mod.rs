//! BPMN 2.0 XML to [`Model`], under any prefix.
//!
//! The stored file stays what the author sent, diagram and foreign extensions included; the model
//! is only what runs. What other engines' attributes mean is taken over where we have the same
//! idea ([`foreign`]); what has no effect is listed in [`Model::ignored`].

mod connect;
mod correlation;
mod data;
mod event;
mod foreign;
mod globals;
mod import;
mod names;
mod node;
mod place;
mod required;
mod roles;
mod rules;
mod schema;
mod services;
mod zeebe;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use crate::{
    model::{Id, Model, Named, Node, NodeIx, Problem, ProcessHead, Scope, ScopeIx, TONGBAN},
    tree::{self, Element, Unreadable},
    verb::STARTERS,
};
pub(crate) use foreign::{FOREIGN, OURS};
pub use import::import_locations;
use import::imported;
pub(crate) use services::ROLES;
pub(crate) use zeebe::NAMESPACE as ZEEBE;

pub(crate) const BPMN: &str = "http://www.omg.org/spec/BPMN/20100524/MODEL";

/// Files that others import, by the location that the import names.
pub type Imports = BTreeMap<String, Vec<u8>>;

/// Reads a file. Mistakes that still leave a model are in [`Model::problems`].
pub fn read(bytes: &[u8]) -> Result<Model, Unreadable> {
    read_with(bytes, &Imports::new())
}

/// Reads a file together with those that it imports.
pub fn read_with(bytes: &[u8], imports: &Imports) -> Result<Model, Unreadable> {
    let mut root = tree::parse(bytes)?;
    if root.namespace != BPMN || root.name != "definitions" {
        let text = "the root element is not `definitions` of BPMN 2.0".to_owned();
        return Err(Unreadable {
            rule: "xml-not-bpmn",
            line: root.line,
            text,
        });
    }
    let (mut imported, missing) = imported(&root, imports)?;
    let names = names::qualify(&mut root, &mut imported, &missing);
    let mut reader = Reader {
        open: names.open,
        ..Reader::default()
    };
    reader.model.problems = names.problems;
    reader.ids(&root);
    for file in &imported {
        reader.globals(&file.tree, names::plain);
    }
    reader.globals(&root, |id| id);
    let is_executable = |process: &Element| process.flag("isExecutable") == Some(true);
    reader.is_executable = root.children_named("process").any(is_executable);
    for file in imported.iter().map(|file| &file.tree).chain([&root]) {
        reader.correlation_properties(file);
        reader.correlation_keys(file);
    }
    reader.data = data::names(&root);
    let is_open = root.children_named("import").count() > imported.len();
    reader.rules(&root, &imported, is_open);
    reader.is_open = is_open;
    for process in root.children_named("process") {
        reader.process(process);
    }
    reader.global_tasks(&root);
    for collaboration in root.children_named("collaboration") {
        reader.collaboration(collaboration);
    }
    crate::ignored::list_rest(&root, &mut reader.model.ignored);
    reader.connect();
    let mut model = reader.model;
    model.missing_imports = missing;
    model.draws_other = root.children.iter().any(|child| {
        [
            "collaboration",
            "choreography",
            "globalConversation",
            "interface",
            "import",
        ]
        .contains(&child.name.as_str())
    });
    for file in imported {
        model.link(file.model);
    }
    Ok(model)
}

#[derive(Default)]
struct Reader<'a> {
    model: Model,
    flows: Vec<(&'a Element, ScopeIx)>,
    flow_ids: HashMap<String, u32>,
    hosts: Vec<(NodeIx, String, u32)>,
    defaults: Vec<(NodeIx, String)>,
    associations: Vec<(String, String)>,
    /// `incoming` and `outgoing` as written: node, flow, whether it comes in, line.
    written: Vec<(NodeIx, String, bool, u32)>,
    /// The variables for which data elements stand, by the id of the element.
    data: HashMap<String, String>,
    lanes: HashMap<String, String>,
    /// Whether qualified names may lead to an imported file that is not at hand.
    is_open: bool,
    /// Such names, as far as their prefixes tell.
    open: HashSet<String>,
    /// Whether any process of the file is to be run.
    is_executable: bool,
    /// Correlation keys that messages declare, by the id of the message.
    keys: HashMap<String, String>,
    /// Event definitions at the top of the file, by id.
    definitions: HashMap<String, &'a Element>,
    /// Id of the event or task being read, to which its definitions belong.
    current: String,
}

fn text_of(element: &Element) -> String {
    element.text.trim().to_owned()
}

/// Tokens that an activity takes or gives at the most: a scope holds some two thousand.
const MAX_QUANTITY: u32 = 1_000;

/// A number of tokens; one where nothing or nonsense is written.
fn count(element: &Element, name: &str) -> u32 {
    element
        .get(name)
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(1)
        .clamp(1, MAX_QUANTITY)
}

/// The local part of a reference, which may be a qualified name.
fn local(reference: &str) -> &str {
    reference.trim().rsplit(':').next().unwrap_or_default()
}

impl<'a> Reader<'a> {
    fn problem(&mut self, rule: &'static str, element: &str, line: u32, text: String) {
        self.model.problems.push(Problem {
            rule,
            element: element.to_owned(),
            line,
            text,
            remedy: match rule {
                "duplicate-id" => "give every element an id of its own",
                "missing-id" => "give the element an id",
                "compensation-several" => {
                    "associate one activity with the event; let it be a sub-process for several steps"
                }
                _ => "correct the reference or add what it names",
            },
            is_error: true,
        });
    }

    fn ids(&mut self, root: &Element) {
        let mut seen: HashMap<&str, u32> = HashMap::new();
        let mut waiting = vec![root];
        while let Some(element) = waiting.pop() {
            if element.namespace == BPMN
                && let Some(id) = element.get("id")
                && let Some(first) = seen.insert(id, element.line)
            {
                let line = element.line.max(first);
                let text = format!(
                    "the id `{id}` is used on line {} already",
                    element.line.min(first)
                );
                self.problem("duplicate-id", id, line, text);
            }
            waiting.extend(element.children.iter());
        }
    }

    fn process(&mut self, element: &'a Element) {
        let id: Id = Arc::from(element.get("id").unwrap_or("process"));
        let root = self.open_scope(None, None, element.line);
        self.subscriptions(element, &id);
        // Of what other engines say of a process only its starters mean something here; the rest
        // is listed elsewhere.
        let own = element.attributes.iter().filter(|a| a.namespace == TONGBAN);
        let foreign = foreign::starters(element).map(|all| (STARTERS.to_owned(), all));
        let own = own.map(|a| (a.name.clone(), a.value.clone()));
        let attributes = foreign.into_iter().chain(own).collect();
        self.model.processes.push(ProcessHead {
            id,
            attributes,
            name: element.get("name").unwrap_or_default().to_owned(),
            is_executable: element.flag("isExecutable"),
            root,
            line: element.line,
        });
        self.fill(element, root);
    }

    fn open_scope(&mut self, parent: Option<ScopeIx>, owner: Option<NodeIx>, line: u32) -> ScopeIx {
        let process = match parent {
            Some(parent) => self.model[parent].process,
            None => self.model.processes.len(),
        };
        self.model.scopes.push(Scope {
            parent,
            owner,
            process,
            line,
            ..Scope::default()
        });
        ScopeIx(self.model.scopes.len() - 1)
    }

    fn fill(&mut self, element: &'a Element, scope: ScopeIx) {
        for lane in element.children_named("laneSet") {
            self.lanes(lane);
        }
        for child in element
            .children
            .iter()
            .filter(|child| child.namespace == BPMN)
        {
            let id = child.get("id").unwrap_or_default();
            match child.name.as_str() {
                "sequenceFlow" => {
                    self.flow_ids.insert(id.to_owned(), child.line);
                    self.flows.push((child, scope));
                }
                "association" => {
                    let (from, to) = (child.get("sourceRef"), child.get("targetRef"));
                    let pair = (
                        local(from.unwrap_or_default()).to_owned(),
                        local(to.unwrap_or_default()).to_owned(),
                    );
                    self.associations.push(pair);
                }
                "dataObject" | "property" if self.model[scope].owner.is_some() => {
                    let name = self.data.get(id).cloned();
                    self.model
                        .scopes_mut(scope, |inner| inner.data.extend(name));
                }
                _ => {
                    if let Some(kind) = self.kind(child) {
                        self.node(child, scope, kind);
                    }
                }
            }
        }
    }

    fn lanes(&mut self, set: &Element) {
        for lane in set.children_named("lane") {
            for reference in lane.children_named("flowNodeRef") {
                self.lanes.insert(
                    text_of(reference),
                    lane.get("name").unwrap_or_default().to_owned(),
                );
            }
            for inner in lane.children_named("childLaneSet") {
                self.lanes(inner);
            }
        }
    }

    fn named(&mut self, table: &str, element: &Element, attribute: &str) -> Option<Named> {
        let reference = element.get(attribute)?;
        let known = match table {
            "message" => &self.model.messages,
            "signal" => &self.model.signals,
            "error" => &self.model.errors,
            _ => &self.model.escalations,
        };
        let found = known
            .get(reference)
            .or_else(|| known.get(local(reference)))
            .cloned();
        let is_elsewhere = self.is_open && reference.contains(':') || self.open.contains(reference);
        if found.is_none() && !reference.trim().is_empty() && !is_elsewhere {
            let text =
                format!("`{attribute}` names `{reference}`, which the file does not declare");
            let owner = self.current.clone();
            self.problem("dangling-reference", &owner, element.line, text);
        }
        found
    }

    fn message(&mut self, element: &Element) -> Option<String> {
        self.named("message", element, "messageRef")
            .map(|named| named.name)
    }
}

impl Model {
    fn node_mut(&mut self, ix: NodeIx, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(ix.0) {
            change(node);
        }
    }

    fn scopes_mut(&mut self, ix: ScopeIx, change: impl FnOnce(&mut Scope)) {
        if let Some(scope) = self.scopes.get_mut(ix.0) {
            change(scope);
        }
    }
}
