//! What the documents name exists.

use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|e| e == "md") {
            found.push(path);
        }
    }
}

/// Words in backquotes that look like paths of this repository.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    const FLOORS: [&str; 10] = [
        "app/", "apps/", "base/", "bench/", "blocks/", "docs/", "packs/", "tests/", "tools/",
        "web/",
    ];
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| FLOORS.iter().any(|floor| word.starts_with(floor)))
        .filter(|word| !word.contains(['*', '{', ' ', '<', '…']))
}

#[test]
fn paths_named_in_documents_exist() {
    let mut found = vec![
        PathBuf::from(ROOT).join("README.md"),
        PathBuf::from(ROOT).join("README.zh-CN.md"),
    ];
    documents(&Path::new(ROOT).join("docs"), &mut found);
    let mut missing = Vec::new();
    for document in found {
        let text = std::fs::read_to_string(&document).unwrap();
        for path in paths(&text) {
            let file = path.split(':').next().unwrap_or(path);
            // What a build makes is not in a clean clone.
            let is_built = file.starts_with("web/dist") || file.starts_with("target");
            if !is_built && !Path::new(ROOT).join(file).exists() {
                missing.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn relative_links_lead_somewhere() {
    let mut found = vec![
        PathBuf::from(ROOT).join("README.md"),
        PathBuf::from(ROOT).join("README.zh-CN.md"),
    ];
    documents(&Path::new(ROOT).join("docs"), &mut found);
    let mut dead = Vec::new();
    for document in found {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if !document.parent().unwrap().join(target).exists() {
                dead.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}
