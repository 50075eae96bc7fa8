//! Every word that people see is a message, in both languages, and every message is used.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

pub fn files(endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for floor in ["app", "apps", "base", "blocks"] {
        collect(&Path::new(ROOT).join(floor), endings, &mut found);
    }
    found
}

fn collect(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                collect(&path, endings, found);
            }
        } else if path
            .extension()
            .is_some_and(|e| endings.iter().any(|x| e == *x))
        {
            found.push(path);
        }
    }
}

/// Message keys by the language tag that is the name of their folder.
fn messages() -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::<String, BTreeSet<String>>::new();
    for file in files(&["ftl"]) {
        let tag = file
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text
            .lines()
            .filter(|l| l.starts_with(|c: char| c.is_ascii_lowercase()))
        {
            if let Some((key, _)) = line.split_once('=') {
                let is_new = all
                    .entry(tag.clone())
                    .or_default()
                    .insert(key.trim().to_owned());
                assert!(
                    is_new,
                    "{key} stands twice; the second time in {}",
                    file.display()
                );
            }
        }
    }
    all
}

/// All string literals of code and templates.
fn literals() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for file in files(&["rs", "html"]) {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.lines() {
            all.extend(line.split('"').skip(1).step_by(2).map(str::to_owned));
            // In templates a literal may stand inside a quoted attribute.
            all.extend(line.split('"').step_by(2).map(str::to_owned));
        }
    }
    all
}

#[test]
fn both_languages_say_the_same() {
    let all = messages();
    let chinese = &all["zh-CN"];
    let english = &all["en"];
    let missing: Vec<_> = chinese.symmetric_difference(english).collect();
    assert!(missing.is_empty(), "only in one language: {missing:#?}");
}

#[test]
fn every_message_is_used() {
    let literals = literals();
    // Keys put together from a part and a name: `format!("supervise-rule-{}", …)`.
    let beginnings: Vec<&str> = literals
        .iter()
        .filter_map(|l| l.split_once("-{").map(|(begin, _)| begin))
        .collect();
    let unused: Vec<_> = messages()["zh-CN"]
        .iter()
        // A message to people is a title and the same key with `-body`; code names the title.
        .filter(|key| !literals.contains(*key))
        .filter(|key| !literals.contains(key.trim_end_matches("-body")))
        .filter(|key| {
            !beginnings.iter().any(|b| {
                key.strip_prefix(b)
                    .is_some_and(|rest| rest.starts_with('-'))
            })
        })
        .cloned()
        .collect();
    assert!(
        unused.is_empty(),
        "{} messages that nothing says: {unused:#?}",
        unused.len()
    );
}

#[test]
fn every_key_in_code_has_a_message() {
    const CALLS: [&str; 8] = [
        ".t(\"",
        ".t1(\"",
        ".ta(\"",
        "Text::new(\"",
        "refused(\"",
        "key: \"",
        "Finding::text(\"",
        "menu(\"",
    ];
    let known = messages();
    let chinese = &known["zh-CN"];
    let mut missing = BTreeSet::new();
    for file in files(&["rs", "html"]) {
        let text = std::fs::read_to_string(&file).unwrap();
        // Unit tests make up keys.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for call in CALLS {
            for rest in code.split(call).skip(1) {
                let key = rest.split('"').next().unwrap_or_default();
                let is_key =
                    key.contains('-') && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
                if is_key && !chinese.contains(key) {
                    missing.insert(format!(
                        "{key} in {}",
                        file.strip_prefix(ROOT).unwrap_or(&file).display()
                    ));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
