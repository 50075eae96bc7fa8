//! What a DMN file says, for showing: its decisions, their tables, and the inputs they ask for.

use crate::tree::{self, Element};

/// Something that a decision model asks for: an input by name, or a part of one (`data.area`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Input {
    pub path: String,
    /// What the table calls it; its path where it has no words for it.
    pub label: String,
    /// As written, `number` or `string`; empty when the file does not say.
    pub kind: String,
}

impl Input {
    /// Said below its field.
    pub fn help(&self) -> String {
        format!("{} {}", self.path, self.kind).trim().to_owned()
    }

    /// Name of its field in the form.
    pub fn field(&self) -> String {
        format!("input.{}", self.path)
    }
}

/// A decision; `table` is empty for other kinds of logic, which then are `text`.
#[derive(Clone, Debug, Default)]
pub(super) struct Decision {
    pub name: String,
    pub table: Option<Table>,
    /// A literal expression as written.
    pub text: String,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// `UNIQUE`, `FIRST`, `COLLECT SUM`…
    pub hit_policy: String,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub rules: Vec<Rule>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    /// Counted from 1.
    pub number: usize,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub note: String,
}

/// The decisions of a file in its order, and what they ask for.
pub(super) fn read(xml: &str) -> (Vec<Decision>, Vec<Input>) {
    let Ok(root) = tree::parse(xml.as_bytes()) else {
        return (Vec::new(), Vec::new());
    };
    let decisions = root.children_named("decision").map(decision).collect();
    (decisions, inputs(&root))
}

/// The columns of tables that look straight at an input or a part of one; then the inputs that no
/// column looks at.
fn inputs(root: &Element) -> Vec<Input> {
    let whole: Vec<Input> = root.children_named("inputData").map(input).collect();
    let mut found: Vec<Input> = Vec::new();
    let columns = root
        .children_named("decision")
        .filter_map(|decision| decision.child("decisionTable"))
        .flat_map(|table| table.children_named("input"));
    for column in columns {
        let Some(expression) = column.child("inputExpression") else {
            continue;
        };
        let path = text_of(expression);
        let is_path = !path.contains(|c: char| "()[]{}+*/<>=,\"".contains(c));
        let is_input = whole.iter().any(|input| input.path == root_of(&path));
        if is_path && is_input && !found.iter().any(|known| known.path == path) {
            let label = column.get("label").filter(|label| !label.is_empty());
            found.push(Input {
                label: label.unwrap_or(&path).to_owned(),
                path,
                kind: expression.get("typeRef").unwrap_or_default().to_owned(),
            });
        }
    }
    for input in whole {
        if !found.iter().any(|known| root_of(&known.path) == input.path) {
            found.push(input);
        }
    }
    found
}

fn root_of(path: &str) -> &str {
    path.split('.').next().unwrap_or_default().trim()
}

fn input(element: &Element) -> Input {
    let variable = element.child("variable");
    let name = variable
        .and_then(|variable| variable.get("name"))
        .or(element.get("name"))
        .unwrap_or_default();
    Input {
        path: name.to_owned(),
        label: name.to_owned(),
        kind: variable
            .and_then(|variable| variable.get("typeRef"))
            .unwrap_or_default()
            .to_owned(),
    }
}

fn decision(element: &Element) -> Decision {
    Decision {
        name: element.get("name").unwrap_or_default().to_owned(),
        table: element.child("decisionTable").map(table),
        text: element
            .child("literalExpression")
            .map(text_of)
            .unwrap_or_default(),
    }
}

fn table(element: &Element) -> Table {
    let policy = element.get("hitPolicy").unwrap_or("UNIQUE");
    let aggregation = element.get("aggregation").unwrap_or_default();
    let heading = |clause: &Element| {
        let label = clause.get("label").or(clause.get("name"));
        let label = label.filter(|label| !label.trim().is_empty());
        label.map_or_else(
            || {
                clause
                    .child("inputExpression")
                    .map(text_of)
                    .unwrap_or_default()
            },
            str::to_owned,
        )
    };
    let rules = element.children_named("rule").enumerate();
    Table {
        hit_policy: format!("{policy} {aggregation}").trim().to_owned(),
        inputs: element.children_named("input").map(heading).collect(),
        outputs: element.children_named("output").map(heading).collect(),
        rules: rules
            .map(|(at, rule)| Rule {
                number: at + 1,
                inputs: rule.children_named("inputEntry").map(text_of).collect(),
                outputs: rule.children_named("outputEntry").map(text_of).collect(),
                note: note(rule),
            })
            .collect(),
    }
}

fn note(rule: &Element) -> String {
    let notes = rule.children_named("annotationEntry").map(text_of);
    let description = rule.child("description").map(|d| d.text.trim().to_owned());
    notes
        .chain(description)
        .filter(|note| !note.is_empty())
        .collect::<Vec<_>>()
        .join(" · ")
}

fn text_of(element: &Element) -> String {
    let text = element.child("text").unwrap_or(element);
    text.text.trim().to_owned()
}
