//! Events, their triggers, repetition, and scripts.

use super::{Reader, foreign, local, text_of, zeebe};
use crate::{
    expr::{inside, is_expression, is_template},
    model::{
        Definition, Event, Ignored, Kind, MultiInstance, Place, Repeat, Source, TONGBAN, Task,
        Thrown, TimerSource,
    },
    tree::Element,
};

impl Reader<'_> {
    pub(super) fn event(&mut self, element: &Element, place: Place) -> Kind {
        let mut definitions = Vec::new();
        for child in &element.children {
            let referred = (child.name == "eventDefinitionRef").then(|| local(&child.text));
            let shared = referred.and_then(|id| self.definitions.get(id).copied());
            if let Some(id) = referred.filter(|_| shared.is_none()) {
                let text =
                    format!("`eventDefinitionRef` names `{id}`, which the file does not declare");
                let owner = self.current.clone();
                self.problem("dangling-reference", &owner, child.line, text);
            }
            if let Some(definition) = self.definition(shared.unwrap_or(child)) {
                definitions.push(definition);
            }
        }
        let is_parallel_multiple = element.flag("parallelMultiple").unwrap_or(false);
        Kind::Event(Event {
            place,
            definitions,
            is_parallel_multiple,
            host: None,
        })
    }

    fn definition(&mut self, element: &Element) -> Option<Definition> {
        let nameless = || format!("#{}", element.line);
        Some(match element.name.as_str() {
            "messageEventDefinition" => Definition::Message {
                name: self.message(element).unwrap_or_else(nameless),
                is_outside: foreign::is_sent_outside(element),
            },
            "signalEventDefinition" => {
                let named = self.named("signal", element, "signalRef");
                Definition::Signal {
                    name: named.map_or_else(nameless, |named| named.name),
                }
            }
            "errorEventDefinition" => {
                let named = self.named("error", element, "errorRef");
                Definition::Error {
                    has_code: named.as_ref().is_some_and(|named| named.has_code),
                    code: named.map(|named| named.code),
                }
            }
            "escalationEventDefinition" => {
                let named = self.named("escalation", element, "escalationRef");
                Definition::Escalation {
                    has_code: named.as_ref().is_some_and(|named| named.has_code),
                    code: named.map(|named| named.code),
                }
            }
            "conditionalEventDefinition" => Definition::Conditional {
                condition: expression(element, "condition"),
            },
            "linkEventDefinition" => Definition::Link {
                name: element.get("name").unwrap_or_default().to_owned(),
                id: element.get("id").unwrap_or_default().to_owned(),
                target: element
                    .child("target")
                    .map(|target| local(&target.text).to_owned()),
                sources: element
                    .children_named("source")
                    .map(|source| local(&source.text).to_owned())
                    .collect(),
            },
            "timerEventDefinition" => Definition::Timer(timer(element)),
            "terminateEventDefinition" => Definition::Terminate,
            "cancelEventDefinition" => Definition::Cancel,
            "compensateEventDefinition" => Definition::Compensation {
                activity: element
                    .get("activityRef")
                    .map(|reference| local(reference).to_owned()),
                waits: element.flag("waitForCompletion").unwrap_or(true),
            },
            _ => return None,
        })
    }

    pub(super) fn repeat(&mut self, element: &Element) -> Option<Repeat> {
        if let Some(standard) = element.child("standardLoopCharacteristics") {
            return Some(Repeat::Standard {
                tests_before: standard.flag("testBefore").unwrap_or(false),
                maximum: standard
                    .get("loopMaximum")
                    .filter(|text| !text.trim().is_empty())
                    .map(|text| Source::new(text, standard.line)),
                condition: expression(standard, "loopCondition"),
            });
        }
        let multi = element.child("multiInstanceLoopCharacteristics")?;
        let thrown = self.thrown(multi).map(Box::new);
        let own = |name: &str| foreign::own(multi, name).map(str::to_owned);
        let referred = |name: &str| {
            let reference = multi.child(name).map(text_of)?;
            let name = self.data.get(local(&reference)).cloned();
            Some(name.unwrap_or(reference)).filter(|name| !name.is_empty())
        };
        let item = |name: &str| multi.child(name).and_then(super::data::name_of);
        let collection = own("collection")
            .map(|text| Source::new(&text, multi.line))
            .or_else(|| {
                let name = referred("loopDataInputRef")?;
                Some(variable_or_expression(&name, multi.line))
            });
        // What an instance gives out is its own until it ends.
        let output_variable = match own("outputElement") {
            None => item("outputDataItem"),
            Some(text) => variable_of(&text),
        };
        Some(Repeat::Multi(MultiInstance {
            is_sequential: multi.flag("isSequential").unwrap_or(false),
            cardinality: expression(multi, "loopCardinality"),
            collection,
            item: own("elementVariable").or_else(|| item("inputDataItem")),
            until: expression(multi, "completionCondition"),
            output: own("outputCollection").or_else(|| referred("loopDataOutputRef")),
            output_item: own("outputElement")
                .map(|text| Source::new(&text, multi.line))
                .or_else(|| Some(Source::variable(output_variable.as_deref()?, multi.line))),
            output_variable,
            thrown,
        }))
    }

    /// A script in another language than FEEL is printed by simulations and runs nowhere.
    pub(super) fn note_script(&mut self, kind: &Kind, id: &str, element: &Element) {
        let Kind::Task(Task::Script {
            format,
            text,
            value: None,
        }) = kind
        else {
            return;
        };
        if !text.is_empty() {
            self.model.ignored.push(Ignored {
                element: id.to_owned(),
                line: element.child("script").map_or(element.line, |s| s.line),
                what: if format.is_empty() {
                    "<script>".to_owned()
                } else {
                    format!("<script scriptFormat=\"{format}\">")
                },
            });
        }
    }

    /// What multiple instances throw while they are done one by one.
    fn thrown(&mut self, multi: &Element) -> Option<Thrown> {
        let referred =
            |attribute: &str| self.definitions.get(local(multi.get(attribute)?)).copied();
        let (one, none) = (
            referred("oneBehaviorEventRef"),
            referred("noneBehaviorEventRef"),
        );
        match multi.get("behavior") {
            Some("One") => self.definition(one?).map(Thrown::First),
            Some("None") => self.definition(none?).map(Thrown::Each),
            Some("Complex") => {
                let mut cases = Vec::new();
                for case in multi.children_named("complexBehaviorDefinition") {
                    let condition = case
                        .child("condition")
                        .map(|c| Source::new(&c.text, c.line));
                    let event = case.child("event").and_then(|event| {
                        event.children.iter().find_map(|child| {
                            let shared = self.definitions.get(local(&child.text)).copied();
                            self.definition(if child.name == "eventDefinitionRef" {
                                shared?
                            } else {
                                child
                            })
                        })
                    });
                    cases.extend(condition.zip(event));
                }
                Some(Thrown::When(cases))
            }
            _ => None,
        }
    }
}

/// A child that holds an expression; one without text says nothing.
pub(super) fn expression(element: &Element, name: &str) -> Option<Source> {
    let child = element
        .child(name)
        .filter(|child| !child.text.trim().is_empty())?;
    Some(condition_source(child))
}

/// The variable that an expression is or takes a property of: `r`, `=r`, `${r.x}`.
fn variable_of(text: &str) -> Option<String> {
    let text = text.trim();
    let path = inside(text)
        .or(text.strip_prefix('='))
        .unwrap_or(text)
        .trim();
    let name = path.split('.').next()?;
    let is_path = path
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    let begins_well = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
    (is_path && begins_well).then(|| name.to_owned())
}

/// The name of a variable, or an expression where it is none.
fn variable_or_expression(text: &str, line: u32) -> Source {
    if is_expression(text) {
        return Source::new(text, line);
    }
    let source = Source::variable(text, line);
    if source.compiled.is_ok() {
        source
    } else {
        Source::new(text, line)
    }
}

pub(super) fn condition_source(element: &Element) -> Source {
    let mut source = Source::new(&element.text, element.line);
    let language = element
        .get("language")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_known = language.is_empty()
        || ["feel", "juel", "xpath"]
            .iter()
            .any(|known| language.contains(known));
    if !is_known && source.compiled.is_ok() && !is_template(&source.text) {
        source.compiled = Err(format!("expressions in `{language}` are not supported"));
    }
    source
}

pub(super) fn script(element: &Element) -> Task {
    let format = element.get("scriptFormat").unwrap_or_default().to_owned();
    let script = element.child("script");
    let text = script.map(text_of).unwrap_or_default();
    let is_feel = format.to_ascii_lowercase().contains("feel");
    let value = is_feel.then(|| Source::new(&text, script.map_or(element.line, |s| s.line)));
    let evaluated = zeebe::find(element, "script");
    if let Some(expression) = evaluated.and_then(|script| script.get("expression")) {
        return Task::Script {
            format: "feel".to_owned(),
            text: expression.to_owned(),
            value: Some(Source::new(expression, element.line)),
        };
    }
    Task::Script {
        format,
        text,
        value,
    }
}

fn timer(element: &Element) -> TimerSource {
    if let Some(days) = element.get_in(TONGBAN, "workingDays") {
        return TimerSource::WorkingDays(Source::new(days, element.line));
    }
    for child in &element.children {
        let source = || literal_or_expression(&child.text, child.line);
        if child.text.trim().is_empty() {
            continue;
        }
        match child.name.as_str() {
            "timeDate" => return TimerSource::Date(source()),
            "timeDuration" => return TimerSource::Duration(source()),
            "timeCycle" => return TimerSource::Cycle(source()),
            _ => {}
        }
    }
    TimerSource::Missing
}

/// ISO 8601 text is itself; anything else is an expression.
fn literal_or_expression(text: &str, line: u32) -> Source {
    let text = text.trim();
    if crate::core::timer::is_literal(text) {
        return Source::literal(text, line);
    }
    Source::new(text, line)
}
