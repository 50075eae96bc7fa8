//! Who does a user task, as the standard writes it (BPMN 2.0.2, 10.3.1) and Activiti, Flowable and
//! Camunda read it: `user(x)`, `group(y)`, lists of these, or a plain name.

use std::collections::BTreeMap;

use super::{BPMN, services::ROLES, text_of};
use crate::{expr::is_template, model::Ignored, tree::Element};

/// One of those who are named.
enum Name {
    User(String),
    Group(String),
    Plain(String),
}

/// Takes over who may do an element and who does it; lists what is not understood, and what stands
/// at anything but a user task.
pub(super) fn roles(
    element: &Element,
    id: &str,
    found: &mut BTreeMap<String, String>,
    ignored: &mut Vec<Ignored>,
) {
    let is_for_people = matches!(element.name.as_str(), "userTask" | "globalUserTask");
    let is_role =
        |child: &&Element| child.namespace == BPMN && ROLES.contains(&child.name.as_str());
    for role in element.children.iter().filter(is_role) {
        let text = expression(role);
        let names = names(&text).filter(|_| is_for_people);
        let is_taken = match (role.name.as_str(), names) {
            ("potentialOwner", Some(names)) => {
                for name in names {
                    match name {
                        Name::User(user) => add(found, "users", &user),
                        Name::Group(group) | Name::Plain(group) => add(found, "candidates", &group),
                    }
                }
                true
            }
            ("humanPerformer" | "performer", Some(names)) => performer(names, found),
            _ => false,
        };
        if !is_taken {
            ignored.push(Ignored {
                element: id.to_owned(),
                line: role.line,
                what: format!("<{}> {text}", role.name).trim_end().to_owned(),
            });
        }
    }
}

/// One officer is in charge, unless another is already.
fn performer(names: Vec<Name>, found: &mut BTreeMap<String, String>) -> bool {
    let mut names = names.into_iter();
    let (Some(Name::User(name) | Name::Plain(name)), None) = (names.next(), names.next()) else {
        return false;
    };
    *found.entry("assignee".to_owned()).or_insert(name.clone()) == name
}

fn add(found: &mut BTreeMap<String, String>, list: &str, name: &str) {
    let list = found.entry(list.to_owned()).or_default();
    if !list.is_empty() {
        list.push(',');
    }
    list.push_str(name);
}

/// The expression of a role, as written.
fn expression(role: &Element) -> String {
    let assignment = role.child("resourceAssignmentExpression");
    let mut inside = assignment.iter().flat_map(|e| &e.children);
    let found = inside.find(|e| matches!(e.name.as_str(), "formalExpression" | "expression"));
    found.map(text_of).unwrap_or_default()
}

/// Who is named; nothing where the text is no such list.
fn names(text: &str) -> Option<Vec<Name>> {
    let mut found = Vec::new();
    for part in parts(text)? {
        let inside = |word: &str| {
            let rest = part.strip_prefix(word)?.trim_start();
            rest.strip_prefix('(')?.strip_suffix(')')
        };
        if let Some(users) = inside("user") {
            found.extend(parts(users)?.into_iter().map(Name::User));
        } else if let Some(groups) = inside("group") {
            found.extend(parts(groups)?.into_iter().map(Name::Group));
        } else if is_template(&part) || !part.contains(['(', ')']) {
            found.push(Name::Plain(part));
        } else {
            return None;
        }
    }
    Some(found)
}

/// The parts between commas that are in no brackets; none may be empty.
fn parts(text: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut depth = 0_u32;
    for c in text.chars() {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut()?.push(c);
        }
    }
    let parts: Vec<String> = parts.iter().map(|part| part.trim().to_owned()).collect();
    (depth == 0 && parts.iter().all(|part| !part.is_empty())).then_some(parts)
}
