//! What the files of a pack define and what they refer to.

use std::collections::{BTreeMap, BTreeSet};

use crate::{File, Finding};

/// Definitions and references by kind (`form`, `process`, `certificate`, `organisation`…).
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    defined: BTreeMap<(String, String), Place>,
    referred: Vec<(String, String, Place)>,
    /// Kinds of which the pack or one that it needs knows anything.
    findings: Vec<Finding>,
}

#[derive(Clone, Debug, Default)]
struct Place {
    file: String,
    line: u32,
}

impl Catalog {
    /// The file brings a thing. Two things of one kind and key are a mistake.
    pub fn define(&mut self, kind: &str, key: &str, file: &File) {
        let place = Place {
            file: file.path.clone(),
            line: line_of(file, key),
        };
        let name = (kind.to_owned(), key.to_owned());
        if let Some(first) = self.defined.get(&name) {
            self.findings.push(Finding {
                file: place.file,
                line: place.line,
                text: format!("the {kind} \"{key}\" is defined already in {}", first.file),
                remedy: "give one of the two another key, or remove it".into(),
            });
            return;
        }
        self.defined.insert(name, place);
    }

    /// The file needs a thing that some file must bring.
    pub fn refer(&mut self, kind: &str, key: &str, file: &File) {
        let place = Place {
            file: file.path.clone(),
            line: line_of(file, key),
        };
        self.referred.push((kind.to_owned(), key.to_owned(), place));
    }

    /// Takes over what another pack defines.
    pub(crate) fn take_definitions(&mut self, other: Self) {
        self.defined.extend(other.defined);
    }

    /// Double definitions and references to nothing.
    pub(crate) fn findings(self) -> Vec<Finding> {
        let mut findings = self.findings;
        for (kind, key, place) in self.referred {
            if self.defined.contains_key(&(kind.clone(), key.clone())) {
                continue;
            }
            let known: BTreeSet<_> = self
                .defined
                .keys()
                .filter(|(k, _)| *k == kind)
                .map(|(_, key)| key.as_str())
                .collect();
            let known = known.into_iter().take(8).collect::<Vec<_>>().join(", ");
            let remedy = if known.is_empty() {
                format!("add a {kind} with that key, or name the pack that brings it in `needs`")
            } else {
                format!(
                    "correct the key (known: {known}), or name the pack that brings it in `needs`"
                )
            };
            findings.push(Finding {
                file: place.file,
                line: place.line,
                text: format!("there is no {kind} \"{key}\""),
                remedy,
            });
        }
        findings
    }
}

/// The first line on which the words stand, 1 when nowhere.
pub fn line_of(file: &File, words: &str) -> u32 {
    let text = std::str::from_utf8(&file.bytes).unwrap_or_default();
    let found = text
        .find(&format!("\"{words}\""))
        .or_else(|| text.find(words));
    found.map_or(1, |at| line_at(text, at))
}

/// The line of a byte, from 1.
pub(crate) fn line_at(text: &str, at: usize) -> u32 {
    let breaks = text
        .get(..at)
        .map_or(0, |before| before.matches('\n').count());
    u32::try_from(breaks).unwrap_or(u32::MAX).saturating_add(1)
}
