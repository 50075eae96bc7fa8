//! Makes the library read what other modelers export.
//!
//! The tree of a DMN file is changed and written anew: the namespace of other versions of DMN,
//! names of types, variables that a decision uses without requiring them (as Camunda allows),
//! and paths of several steps, which the library takes for names with dots.

use std::{collections::HashMap, fmt::Write};

use crate::tree::{Attribute, Element};

const DMN_1_3: &str = "https://www.omg.org/spec/DMN/20191111/MODEL/";
const DMN_1_5: &str = "https://www.omg.org/spec/DMN/20230324/MODEL/";

/// How the ids of inputs begin that are required because expressions use them.
pub(super) const USED: &str = "input-of-";

/// Changes the tree; answers which decision goes by another name now: old name, new name. `imports`
/// are the names of imported models, which are no inputs.
pub(super) fn adapt(root: &mut Element, imports: &[String]) -> HashMap<String, String> {
    let namespace = root.namespace.clone();
    clean(root, &namespace);
    // The library asks for a URI and a name, which other tools do not.
    let own = root.get("namespace").unwrap_or_default().to_owned();
    if !own.contains(':') {
        set(
            root,
            "namespace",
            &format!("urn:decisions:{}", own.replace(char::is_whitespace, "-")),
        );
    }
    if root.get("name").is_none() {
        set(root, "name", "decisions");
    }
    let renamed = name_by_output(root);
    require_what_is_used(root, imports);
    super::unary::turn_tests(root);
    settle_conditions(root);
    renamed
}

/// A boxed conditional whose condition is neither true nor false takes what is said for else (DMN
/// 1.5, 10.2.1.8); the library answers nothing.
fn settle_conditions(element: &mut Element) {
    if element.name == "conditional" {
        let conditions = element.children.iter_mut().filter(|c| c.name == "if");
        let literals = conditions.flat_map(|c| &mut c.children);
        let texts = literals
            .filter(|c| c.name == "literalExpression")
            .flat_map(|c| &mut c.children)
            .filter(|c| c.name == "text");
        for text in texts {
            text.text = format!("if ({}) then true else false", text.text);
        }
    }
    element.children.iter_mut().for_each(settle_conditions);
}

/// Keeps the elements of DMN only, with expressions and names as the library wants them.
fn clean(element: &mut Element, namespace: &str) {
    element
        .children
        .retain(|child| child.namespace == namespace && child.name != "extensionElements");
    element
        .attributes
        .retain(|attribute| attribute.namespace.is_empty());
    for attribute in element
        .attributes
        .iter_mut()
        .filter(|a| a.name == "typeRef")
    {
        attribute.value = type_name(&attribute.value);
    }
    if element.name == "typeRef" {
        element.text = type_name(&element.text);
    }
    if element.name == "text" {
        element.text = with_short_paths(&element.text);
    }
    for child in &mut element.children {
        clean(child, namespace);
    }
}

/// A type by the library's name for it.
pub(super) fn type_name(name: &str) -> String {
    let name = name.trim();
    let local = name.rsplit(':').next().unwrap_or(name);
    let known = match local {
        "date and time" | "dateAndTime" | "datetime" => "dateTime",
        "days and time duration" | "day-time duration" => "dayTimeDuration",
        "years and months duration" | "year-month duration" => "yearMonthDuration",
        "integer" | "long" | "double" | "int" | "float" | "decimal" => "number",
        "bool" => "boolean",
        "text" => "string",
        "any" => "Any",
        _ if name.contains(':') => local,
        _ => name,
    };
    known.to_owned()
}

/// `a.b.c` as `((a.b).c)`.
fn with_short_paths(text: &str) -> String {
    let mut out = String::new();
    for (at, part) in text.split('"').enumerate() {
        if at > 0 {
            out.push('"');
        }
        if at % 2 == 1 {
            out.push_str(part);
        } else {
            out.push_str(&short_paths(part));
        }
    }
    out
}

fn short_paths(text: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(length);
        if run.is_empty() {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        }
        let steps: Vec<&str> = run.split('.').collect();
        let starts_well = |step: &&str| {
            step.chars()
                .next()
                .is_some_and(|c| c.is_alphabetic() || c == '_')
        };
        if steps.len() > 2 && steps.iter().all(starts_well) {
            let (head, tail) = steps.split_first().unwrap_or((&"", &[]));
            let mut path = (*head).to_owned();
            for step in tail {
                path = format!("({path}.{step})");
            }
            out.push_str(&path);
        } else {
            out.push_str(run);
        }
        rest = after;
    }
    out
}

pub(super) fn id_of(href: &str) -> &str {
    href.rsplit('#').next().unwrap_or(href)
}

/// The name by which an element's value is known.
pub(super) fn variable_of(element: &Element) -> &str {
    let variable = element
        .child("variable")
        .and_then(|variable| variable.get("name"));
    variable.or(element.get("name")).unwrap_or_default()
}

/// What a decision or service of the model itself requires, by the kind of requirement.
pub(super) fn required<'a>(element: &'a Element, kind: &'a str) -> impl Iterator<Item = &'a str> {
    references(element, kind).filter_map(|href| match href.rsplit_once('#') {
        Some((model, id)) => model.is_empty().then_some(id),
        None => Some(href),
    })
}

/// As [`required`], with what is in other models: as it is written.
pub(super) fn references<'a>(element: &'a Element, kind: &'a str) -> impl Iterator<Item = &'a str> {
    let requirements = element.children.iter();
    let inside = requirements.flat_map(|requirement| &requirement.children);
    inside
        .filter(move |child| child.name == kind)
        .filter_map(|child| child.get("href"))
        .map(str::trim)
}

pub(super) fn set(element: &mut Element, name: &str, value: &str) {
    match element.attributes.iter_mut().find(|a| a.name == name) {
        Some(attribute) => value.clone_into(&mut attribute.value),
        None => element.attributes.push(Attribute {
            namespace: String::new(),
            name: name.to_owned(),
            value: value.to_owned(),
        }),
    }
}

/// A decision whose table has one named output is known by that name where others use it so.
fn name_by_output(root: &mut Element) -> HashMap<String, String> {
    let mut renamed = HashMap::new();
    let mut taken: Vec<String> = root
        .children
        .iter()
        .map(|e| variable_of(e).to_owned())
        .collect();
    for at in 0..root.children.len() {
        let Some(decision) = root
            .children
            .get(at)
            .filter(|child| child.name == "decision")
        else {
            continue;
        };
        let (id, name) = (
            decision.get("id").unwrap_or_default().to_owned(),
            variable_of(decision).to_owned(),
        );
        let outputs: Vec<_> = decision
            .child("decisionTable")
            .iter()
            .flat_map(|t| t.children_named("output"))
            .collect();
        let [output] = outputs.as_slice() else {
            continue;
        };
        let Some(by_output) = output
            .get("name")
            .filter(|output| **output != name)
            .map(str::to_owned)
        else {
            continue;
        };
        let uses = |other: &Element| {
            other.name == "decision"
                && required(other, "requiredDecision").any(|required| required == id)
                && free_names(other).contains(&by_output)
        };
        if taken.contains(&by_output) || !root.children.iter().any(uses) {
            continue;
        }
        taken.push(by_output.clone());
        if let Some(decision) = root.children.get_mut(at) {
            renamed.insert(
                decision.get("name").unwrap_or_default().to_owned(),
                by_output.clone(),
            );
            set(decision, "name", &by_output);
            for variable in decision
                .children
                .iter_mut()
                .filter(|child| child.name == "variable")
            {
                set(variable, "name", &by_output);
            }
        }
    }
    renamed
}

/// Requires as inputs the names that decisions use without requiring them.
fn require_what_is_used(root: &mut Element, imports: &[String]) {
    let names: HashMap<String, String> = root
        .children
        .iter()
        .filter_map(|child| Some((child.get("id")?.to_owned(), variable_of(child).to_owned())))
        .collect();
    let globals: Vec<String> = root
        .children
        .iter()
        .map(|child| variable_of(child).to_owned())
        .collect();
    let mut components = Vec::new();
    component_names(root, &mut components);
    let mut inputs: Vec<(String, Option<String>)> = Vec::new();
    for decision in root
        .children
        .iter_mut()
        .filter(|child| child.name == "decision")
    {
        let kinds = ["requiredInput", "requiredDecision", "requiredKnowledge"];
        let provided: Vec<String> = kinds
            .iter()
            .flat_map(|kind| required(decision, kind))
            .filter_map(|id| names.get(id).cloned())
            .chain(components.iter().chain(imports).cloned())
            .collect();
        let missing: Vec<String> = free_names_but(decision, &provided)
            .into_iter()
            .filter(|name| !provided.contains(name))
            .collect();
        for name in missing {
            let known = names
                .iter()
                .find(|(_, known)| **known == name)
                .map(|(id, _)| id.clone());
            if known.is_none() && globals.contains(&name) {
                continue;
            }
            let id = known.unwrap_or_else(|| {
                let given = declared_type(decision, &name);
                if !inputs.iter().any(|(known, _)| *known == name) {
                    inputs.push((name.clone(), given));
                }
                format!("{USED}{name}")
            });
            let is_input = id.starts_with(USED);
            let is_self = decision.get("id") == Some(id.as_str());
            // Decisions and inputs that the file has are required as what they are.
            if !is_self && (is_input || names.contains_key(&id)) {
                decision
                    .children
                    .push(requirement(&decision.namespace, &id, is_input));
            }
        }
    }
    declare_inputs(root, inputs);
}

/// Adds inputs by name, with their types where these are known.
fn declare_inputs(root: &mut Element, inputs: Vec<(String, Option<String>)>) {
    let namespace = root.namespace.clone();
    for (name, given) in inputs {
        let mut input = element(
            &namespace,
            "inputData",
            &[("id", &format!("{USED}{name}")), ("name", &name)],
        );
        let mut variable = element(&namespace, "variable", &[("name", &name)]);
        if let Some(given) = given {
            set(&mut variable, "typeRef", &given);
        }
        input.children.push(variable);
        root.children.insert(0, input);
    }
}

/// Names of the parts of structured types, which filters use like variables.
fn component_names(element: &Element, found: &mut Vec<String>) {
    if element.name == "itemComponent" {
        found.extend(element.get("name").map(str::to_owned));
    }
    for child in &element.children {
        component_names(child, found);
    }
}

fn element(namespace: &str, name: &str, attributes: &[(&str, &str)]) -> Element {
    let mut element = Element {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..Element::default()
    };
    for (name, value) in attributes {
        set(&mut element, name, value);
    }
    element
}

fn requirement(namespace: &str, id: &str, is_input: bool) -> Element {
    let kind = if is_input {
        "requiredInput"
    } else {
        "requiredDecision"
    };
    let mut outer = element(namespace, "informationRequirement", &[]);
    outer
        .children
        .push(element(namespace, kind, &[("href", &format!("#{id}"))]));
    outer
}

/// The type that a table's input clause gives to a variable that it looks at directly.
fn declared_type(decision: &Element, name: &str) -> Option<String> {
    let table = decision.child("decisionTable")?;
    let mut expressions = table
        .children_named("input")
        .filter_map(|input| input.child("inputExpression"));
    let found = expressions.find(|expression| {
        expression
            .child("text")
            .is_some_and(|text| text.text.trim() == name)
    })?;
    found.get("typeRef").map(str::to_owned)
}

fn free_names(decision: &Element) -> Vec<String> {
    free_names_but(decision, &[])
}

/// Words of a decision's expressions that can only be variables from outside.
fn free_names_but(decision: &Element, provided: &[String]) -> Vec<String> {
    let mut local: Vec<String> = ["item", "partial", "?"].map(str::to_owned).to_vec();
    let mut texts = Vec::new();
    collect(decision, &mut local, &mut texts);
    local.extend_from_slice(provided);
    let mut names = Vec::new();
    for text in texts {
        for name in crate::expr::outer_names(&text, &local) {
            if !local.contains(&name) && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn collect(element: &Element, local: &mut Vec<String>, texts: &mut Vec<String>) {
    match element.name.as_str() {
        "variable" | "formalParameter" | "column" | "parameter" => {
            local.extend(element.get("name").map(str::to_owned));
        }
        // What an invocation calls is knowledge, and has its own requirement.
        "description" | "question" | "allowedAnswers" | "outputValues" | "inputValues"
        | "annotationEntry" => return,
        "text" => texts.push(element.text.clone()),
        _ => {}
    }
    local.extend(element.get("iteratorVariable").map(str::to_owned));
    for child in &element.children {
        collect(child, local, texts);
    }
}

/// The tree as XML in the nearest namespace that the library knows.
pub(super) fn to_xml(root: &Element) -> String {
    let known = ["20191111", "20211108", "20230324"]
        .iter()
        .any(|version| root.namespace.contains(version));
    let is_old = ["20151101", "20180521", "20151130"]
        .iter()
        .any(|version| root.namespace.contains(version));
    let namespace = match (known, is_old) {
        (true, _) => root.namespace.as_str(),
        (_, true) => DMN_1_3,
        _ => DMN_1_5,
    };
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    write(root, Some(namespace), &mut out);
    out
}

fn write(element: &Element, namespace: Option<&str>, out: &mut String) {
    let name = &element.name;
    // Writing to a string does not fail.
    let _ = write!(out, "<{name}");
    if let Some(namespace) = namespace {
        let _ = write!(out, " xmlns=\"{}\"", escaped(namespace));
    }
    for attribute in &element.attributes {
        let (name, value) = (&attribute.name, &attribute.value);
        let value = match name.as_str() {
            "id" | "href" => in_ascii(value),
            _ => value.clone(),
        };
        let _ = write!(out, " {name}=\"{}\"", escaped(&value));
    }
    out.push('>');
    out.push_str(&escaped(&element.text));
    for child in &element.children {
        write(child, None, out);
    }
    let _ = write!(out, "</{name}>");
}

/// The library takes references for URIs; ids may have any letters.
fn in_ascii(id: &str) -> String {
    let of = |c: char| match c {
        c if c.is_ascii() && c != ' ' => c.to_string(),
        c => format!("_x{:x}_", u32::from(c)),
    };
    id.chars().map(of).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
