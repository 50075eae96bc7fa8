//! Data: which variable a data element stands for, and what data associations move.
//!
//! A data object, property, data input or output is the variable of its name; one without a name
//! is the variable of its id. A reference stands for its data object. The state of a data object
//! is part of the drawing only.

use std::collections::HashMap;

use super::{Reader, local, text_of};
use crate::{
    model::{Mapping, Source},
    tree::Element,
};

/// The name as a variable: white space joined, a state in brackets at the end left out.
fn variable(name: &str) -> Option<String> {
    let words: Vec<_> = name.split_whitespace().collect();
    let mut name = words.join(" ");
    if name.ends_with(']')
        && let Some(at) = name.find(" [")
    {
        name.truncate(at);
    }
    Some(name).filter(|name| !name.is_empty())
}

/// The variable of an element that has a name or an id of its own.
pub(super) fn name_of(element: &Element) -> Option<String> {
    let name = element.get("name").and_then(variable);
    name.or_else(|| element.get("id").map(str::to_owned))
}

/// The variables of all data elements of a file, by id.
pub(super) fn names(root: &Element) -> HashMap<String, String> {
    let mut names = HashMap::new();
    let mut references = Vec::new();
    let mut waiting = vec![root];
    while let Some(element) = waiting.pop() {
        waiting.extend(&element.children);
        let Some(id) = element.get("id") else {
            continue;
        };
        match element.name.as_str() {
            "dataObjectReference" => references.push((element, element.get("dataObjectRef"))),
            "dataStoreReference" => references.push((element, element.get("dataStoreRef"))),
            "dataObject" | "dataStore" => {
                names.extend(
                    element
                        .get("name")
                        .and_then(variable)
                        .map(|n| (id.to_owned(), n)),
                );
            }
            "property" | "dataInput" | "dataOutput" | "inputDataItem" | "outputDataItem" => {
                names.extend(name_of(element).map(|name| (id.to_owned(), name)));
            }
            _ => {}
        }
    }
    references.sort_by_key(|(element, _)| element.line);
    for (element, object) in references {
        let object = object.map(local).filter(|object| !object.is_empty());
        let known = object.and_then(|object| names.get(object).cloned());
        let own = element.get("name").and_then(variable);
        let name = known
            .or(own)
            .or(object.map(str::to_owned))
            .or_else(|| name_of(element));
        if let Some(name) = name {
            names.extend(object.map(|object| (object.to_owned(), name.clone())));
            names.extend(element.get("id").map(|id| (id.to_owned(), name)));
        }
    }
    names
}

impl Reader<'_> {
    /// The data associations of an element: in, and out.
    pub(super) fn associations_of(&self, element: &Element) -> (Vec<Mapping>, Vec<Mapping>) {
        let of = |kind: &str| {
            let found = element.children_named(kind);
            found
                .flat_map(|association| self.association(association))
                .collect()
        };
        (of("dataInputAssociation"), of("dataOutputAssociation"))
    }

    /// One that is only drawn (without a source or a known target) moves nothing.
    fn association(&self, association: &Element) -> Vec<Mapping> {
        let line = association.line;
        let named = |reference: &str| self.data.get(local(reference)).cloned();
        let target = association
            .child("targetRef")
            .and_then(|target| named(&text_of(target)));
        // What modelers write where the drawing names no input.
        let target = target.filter(|name| !name.starts_with("__"));
        let assignments = association.children_named("assignment");
        let mut moved: Vec<Mapping> = assignments
            .filter_map(|assignment| {
                let from = text_of(assignment.child("from")?);
                let to = assignment.child("to").map(text_of).unwrap_or_default();
                if let Some((name, path)) =
                    to.split_once('.').filter(|_| to.split('.').all(is_name))
                {
                    let name = named(name).unwrap_or_else(|| name.to_owned());
                    let source = Source::new(&put(&name, path, &from), line);
                    return Some(Mapping {
                        target: name,
                        source,
                    });
                }
                let is_name = is_name(&to);
                let to = named(&to)
                    .or_else(|| Some(to).filter(|_| is_name))
                    .or(target.clone())?;
                let parsed = Source::new(&from, line);
                let source = if parsed.compiled.is_ok() {
                    parsed
                } else {
                    Source::literal(&from, line)
                };
                Some(Mapping { target: to, source })
            })
            .collect();
        let transformation = association.child("transformation").map(text_of);
        let source = match transformation.filter(|text| !text.is_empty()) {
            Some(expression) => Some(Source::new(&expression, line)),
            None => association
                .child("sourceRef")
                .and_then(|source| named(&text_of(source)))
                .map(|name| Source::variable(&name, line)),
        };
        if let (true, Some(target), Some(source)) = (moved.is_empty(), target, source) {
            moved.push(Mapping { target, source });
        }
        moved
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// FEEL for what `whole` is when a part of it, at the end of the path, has a new value.
fn put(whole: &str, path: &str, value: &str) -> String {
    let (key, rest) = path.split_once('.').unwrap_or((path, ""));
    let value = if rest.is_empty() {
        format!("({value})")
    } else {
        put(&format!("{whole}.{key}"), rest, value)
    };
    format!("context put(if {whole} = null then {{}} else {whole}, \"{key}\", {value})")
}
