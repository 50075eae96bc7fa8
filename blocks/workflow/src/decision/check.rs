//! What DMN forbids and the library would not tell, or would not survive: ids and names used twice,
//! references to nothing, unknown types, and requirements that go round in a circle.
//!
//! References into imported models are looked up where these are at hand.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{
    adapt::{self, id_of, required, type_name},
    import::{file, point},
};
use crate::{
    check::{Finding, Severity},
    read::Imports,
    tree::{self, Element},
};

/// What a decision may require, by the name of the reference: the elements that it may lead to.
const REFERENCES: &[(&str, &[&str])] = &[
    ("requiredInput", &["inputData"]),
    ("requiredDecision", &["decision"]),
    (
        "requiredKnowledge",
        &["businessKnowledgeModel", "decisionService"],
    ),
    ("outputDecision", &["decision"]),
    ("encapsulatedDecision", &["decision"]),
    ("inputDecision", &["decision"]),
];

/// Types of FEEL and of other modelers, as [`type_name`] gives them.
const TYPES: &[&str] = &[
    "number",
    "string",
    "boolean",
    "date",
    "time",
    "dateTime",
    "dayTimeDuration",
    "yearMonthDuration",
    "duration",
    "Any",
    "any",
    "Null",
    "null",
    "list",
    "context",
    "function",
    "range",
    "collection",
    "object",
    "undefined",
    "<Undefined>",
];

/// Everything found in a DMN file that is readable as XML.
pub fn check(xml: &str) -> Vec<Finding> {
    check_with(xml, &Imports::new())
}

/// As [`check`], with the models that the file imports.
pub fn check_with(xml: &str, files: &Imports) -> Vec<Finding> {
    let Ok(mut root) = tree::parse(xml.as_bytes()) else {
        // Reading it tells why.
        return Vec::new();
    };
    let mut check = Check {
        namespace: root.namespace.clone(),
        own: root.get("namespace").unwrap_or_default().to_owned(),
        is_open: root.children_named("import").next().is_some(),
        imported: imported(&root, files),
        findings: Vec::new(),
    };
    check.ids(&root);
    check.names(&root);
    check.references(&root);
    check.types(&root);
    let mut findings = check.findings;
    // What an expression uses without requiring it counts too.
    let own = root.get("namespace").unwrap_or_default().to_owned();
    point(&mut root, &own, "");
    let imports = root.children_named("import");
    let names = imports.filter_map(|import| import.get("name").map(str::to_owned));
    let names: Vec<String> = names.collect();
    adapt::adapt(&mut root, &names);
    findings.extend(circles(&root));
    findings.sort_by(|a, b| (a.line, &a.element, a.rule).cmp(&(b.line, &b.element, b.rule)));
    findings
}

/// The models that a file imports, by their namespaces; none for one that is not at hand or not
/// readable.
fn imported(root: &Element, files: &Imports) -> HashMap<String, Option<Element>> {
    let imports = root.children_named("import");
    let read = |import: &Element| tree::parse(file(files, import)?.1).ok();
    imports
        .map(|import| {
            let namespace = import.get("namespace").unwrap_or_default();
            (namespace.trim().to_owned(), read(import))
        })
        .collect()
}

/// Elements in circles that are looked at one by one.
const MAX_ROUND: usize = 1_000;

/// Requirements that come back to where they began; evaluating them would never end. A knowledge
/// model that calls itself in its expression requires nothing by that, and may come to an end.
pub(super) fn circles(root: &Element) -> Vec<Finding> {
    let graph = Graph::of(root);
    let round = graph.round();
    let mut findings = Vec::new();
    let mut known = HashSet::new();
    for element in &root.children {
        let Some(id) = element.get("id") else {
            continue;
        };
        if !round.contains(id) || known.contains(id) {
            continue;
        }
        let text = if round.len() > MAX_ROUND {
            // No model of people is like this one.
            known.extend(round.iter().copied());
            format!("{} elements require one another in circles", round.len())
        } else {
            let Some(circle) = graph.circle(id) else {
                continue;
            };
            known.extend(circle.iter().copied());
            match circle.as_slice() {
                [_] => "it requires itself".to_owned(),
                all => format!("`{}` require one another in a circle", all.join("`, `")),
            }
        };
        findings.push(Finding {
            rule: "dmn-circle",
            severity: Severity::Error,
            element: id.to_owned(),
            line: element.line,
            text,
            remedy: "remove one of the requirements, so that what is decided first needs nothing after it",
        });
    }
    findings
}

struct Check {
    /// Of the elements of DMN.
    namespace: String,
    /// Of the model.
    own: String,
    /// Whether names may lead to imported files.
    is_open: bool,
    imported: HashMap<String, Option<Element>>,
    findings: Vec<Finding>,
}

impl Check {
    fn error(
        &mut self,
        rule: &'static str,
        element: &str,
        line: u32,
        text: String,
        remedy: &'static str,
    ) {
        self.push(Severity::Error, rule, (element, line), text, remedy);
    }

    fn push(
        &mut self,
        severity: Severity,
        rule: &'static str,
        (element, line): (&str, u32),
        text: String,
        remedy: &'static str,
    ) {
        self.findings.push(Finding {
            rule,
            severity,
            element: element.to_owned(),
            line,
            text,
            remedy,
        });
    }

    /// All elements of DMN, in the order of the file, with the id of the nearest that has one.
    fn all<'a>(&self, root: &'a Element) -> Vec<(&'a Element, &'a str)> {
        let mut found = Vec::new();
        let mut waiting = vec![(root, "")];
        while let Some((element, around)) = waiting.pop() {
            if element.namespace != self.namespace || element.name == "extensionElements" {
                continue;
            }
            let id = element.get("id").unwrap_or(around);
            found.push((element, id));
            waiting.extend(element.children.iter().rev().map(|child| (child, id)));
        }
        found
    }

    fn ids(&mut self, root: &Element) {
        let mut seen: HashMap<&str, u32> = HashMap::new();
        for (element, _) in self.all(root) {
            let Some(id) = element.get("id").filter(|id| !id.is_empty()) else {
                continue;
            };
            if let Some(first) = seen.get(id) {
                let text = format!("the id `{id}` is used on line {first} already");
                let remedy = "give every element an id of its own";
                self.error("dmn-duplicate-id", id, element.line, text, remedy);
            } else {
                seen.insert(id, element.line);
            }
        }
    }

    /// Decisions, knowledge and services are asked for by their names.
    fn names(&mut self, root: &Element) {
        let mut seen: HashMap<&str, u32> = HashMap::new();
        for element in root.children.iter().filter(|child| is_asked(child)) {
            let Some(name) = element.get("name").map(str::trim) else {
                continue;
            };
            if let Some(first) = seen.get(name) {
                let text = format!("the name `{name}` is used on line {first} already");
                let remedy = "give every decision, knowledge model and service a name of its own";
                let id = element.get("id").unwrap_or_default();
                self.error("dmn-duplicate-name", id, element.line, text, remedy);
            } else {
                seen.insert(name, element.line);
            }
        }
    }

    fn references(&mut self, root: &Element) {
        let by_id: HashMap<&str, &Element> = root
            .children
            .iter()
            .filter_map(|child| Some((child.get("id")?, child)))
            .collect();
        for (element, owner) in self.all(root) {
            let name = element.name.as_str();
            let of = |reference: &&(&str, _)| reference.0 == name;
            let Some((_, kinds)) = REFERENCES.iter().find(of) else {
                continue;
            };
            let Some(href) = element.get("href").map(str::trim) else {
                continue;
            };
            let found = match self.elsewhere(href) {
                None => by_id
                    .get(id_of(href))
                    .copied()
                    .map(|found| found.name.clone()),
                Some(_) if name == "requiredInput" => {
                    let text =
                        format!("`{href}` is an input of another model, which is given nothing");
                    let remedy = "declare an input of the same name here: what is decided there is given it too";
                    self.error("dmn-import-input", owner, element.line, text, remedy);
                    continue;
                }
                Some((namespace, id)) => match self.imported.get(namespace) {
                    Some(None) => {
                        let text = format!("`{href}` is in an imported model that is not at hand");
                        let remedy = "deploy that model too, under the name that the import gives as its location";
                        self.error("dmn-import-unresolved", owner, element.line, text, remedy);
                        continue;
                    }
                    Some(Some(other)) => {
                        let mut all = other.children.iter();
                        let found = all.find(|child| child.get("id") == Some(id));
                        found.map(|found| found.name.clone())
                    }
                    None => None,
                },
            };
            let remedy = "correct the reference or add what it names";
            match found {
                None => {
                    let text = format!("`{name}` names `{href}`, which is not there");
                    self.error("dmn-dangling-reference", owner, element.line, text, remedy);
                }
                Some(found) if !kinds.contains(&found.as_str()) => {
                    let text = format!(
                        "`{name}` names `{href}`, which is a {found} and no {}",
                        kinds.join(" or ")
                    );
                    self.error("dmn-reference-type", owner, element.line, text, remedy);
                }
                Some(_) => {}
            }
        }
    }

    /// `https://…/other#id` is in the model of that namespace.
    fn elsewhere<'a>(&self, href: &'a str) -> Option<(&'a str, &'a str)> {
        let pair = href.rsplit_once('#');
        pair.filter(|(model, _)| !model.is_empty() && *model != self.own)
    }

    fn types(&mut self, root: &Element) {
        let definitions = root.children_named("itemDefinition");
        let known: HashSet<String> = definitions
            .filter_map(|definition| definition.get("name").map(type_name))
            .collect();
        for top in &root.children {
            // By these types values are checked before anything is evaluated; by those of results
            // nothing is.
            let severity = match top.name.as_str() {
                "inputData" | "itemDefinition" => Severity::Error,
                _ => Severity::Warning,
            };
            for (element, owner) in self.all(top) {
                let written = match element.get("typeRef") {
                    Some(written) => written,
                    None if element.name == "typeRef" => element.text.as_str(),
                    None => continue,
                };
                if !self.is_type(written.trim(), &known) {
                    let text =
                        format!("the type `{written}` is neither one of FEEL nor defined here");
                    let remedy = "correct its name, or add an `itemDefinition` of that name";
                    let at = (owner, element.line);
                    self.push(severity, "dmn-type-unknown", at, text, remedy);
                }
            }
        }
    }

    fn is_type(&self, written: &str, known: &HashSet<String>) -> bool {
        let name = type_name(written);
        // A name of several parts may lead into an imported file.
        let is_elsewhere = self.is_open && written.contains(['.', ':']);
        // Types of types (`list<number>`) are the library's business.
        name.is_empty()
            || name.contains('<')
            || TYPES.contains(&name.as_str())
            || known.contains(&name)
            || known.contains(written)
            || is_elsewhere
    }
}

/// What can be asked for by its name.
fn is_asked(element: &Element) -> bool {
    matches!(
        element.name.as_str(),
        "decision" | "businessKnowledgeModel" | "decisionService"
    )
}

/// What needs what, by ids.
struct Graph<'a> {
    needs: HashMap<&'a str, Vec<&'a str>>,
    /// Decisions whose value a service is given, and that it does not ask for.
    given: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Graph<'a> {
    fn of(root: &'a Element) -> Self {
        let (mut needs, mut given) = (HashMap::new(), HashMap::new());
        for element in root.children.iter().filter(|child| is_asked(child)) {
            let Some(id) = element.get("id") else {
                continue;
            };
            let of = |kind: &'a str| {
                let children = element.children_named(kind);
                children.filter_map(|child| child.get("href")).map(id_of)
            };
            let mut all: Vec<&str> = required(element, "requiredDecision")
                .chain(required(element, "requiredKnowledge"))
                .collect();
            if element.name == "decisionService" {
                all.extend(of("outputDecision").chain(of("encapsulatedDecision")));
                given.insert(id, of("inputDecision").collect());
            }
            needs.insert(id, all);
        }
        Self { needs, given }
    }

    /// All that may be in a circle: what is left when those that need nothing that is left are
    /// taken away, again and again.
    fn round(&self) -> HashSet<&'a str> {
        let mut left: HashMap<&str, usize> = HashMap::new();
        let mut needed_by: HashMap<&str, Vec<&'a str>> = HashMap::new();
        for (&id, needs) in &self.needs {
            let known = needs.iter().filter(|need| self.needs.contains_key(*need));
            left.insert(id, known.clone().count());
            for need in known {
                needed_by.entry(need).or_default().push(id);
            }
        }
        let mut free: Vec<&str> = left
            .iter()
            .filter_map(|(id, count)| (*count == 0).then_some(*id))
            .collect();
        let mut round: HashSet<&'a str> = self.needs.keys().copied().collect();
        while let Some(id) = free.pop() {
            round.remove(id);
            for &other in needed_by.get(id).into_iter().flatten() {
                if let Some(count) = left.get_mut(other) {
                    *count -= 1;
                    free.extend((*count == 0).then_some(other));
                }
            }
        }
        round
    }

    /// The shortest way from `id` back to it.
    fn circle(&self, id: &'a str) -> Option<Vec<&'a str>> {
        let given = self.given.get(id).into_iter().flatten();
        let mut seen: HashSet<&str> = given.copied().collect();
        let mut before: HashMap<&str, &'a str> = HashMap::new();
        let mut waiting = VecDeque::from([id]);
        while let Some(at) = waiting.pop_front() {
            for &next in self.needs.get(at).into_iter().flatten() {
                if next == id {
                    let back = std::iter::successors(Some(at), |at| before.get(at).copied());
                    let mut way: Vec<_> = back.collect();
                    way.reverse();
                    return Some(way);
                }
                if seen.insert(next) {
                    before.insert(next, at);
                    waiting.push_back(next);
                }
            }
        }
        None
    }
}
