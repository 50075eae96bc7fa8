//! An app never depends on an app; a block only on blocks listed above it and on base; base on
//! nothing of ours above it.

use std::{collections::HashMap, process::Command};

use serde_json::Value;

/// Crates from the ground up; each may use those before it, with the exceptions below.
const BASE: [&str; 10] = [
    "allocator",
    "kernel",
    "ipc",
    "linkage",
    "synthetic",
    "sheet",
    "odbc_loader",
    "store_macros",
    "store",
    "web",
];
const BLOCKS: [&str; 13] = [
    "identity",
    "forms",
    "registry",
    "workflow",
    "credential",
    "notify",
    "lake",
    "catalog",
    "exchange",
    "flow",
    "gateway",
    "cascade",
    "pack",
];
const APPS: [&str; 3] = ["service", "supervise", "datahub"];
const EXECUTABLE: &str = "tongban";

fn height(name: &str) -> Option<(usize, usize)> {
    let floors: [&[&str]; 4] = [&BASE, &BLOCKS, &APPS, &[EXECUTABLE]];
    floors
        .iter()
        .enumerate()
        .find_map(|(floor, names)| names.iter().position(|n| *n == name).map(|i| (floor, i)))
}

fn is_lawful(from: &str, to: &str) -> bool {
    match (height(from), height(to)) {
        (Some((a, i)), Some((b, j))) if a == b => a != 2 && j < i,
        (Some((a, _)), Some((b, _))) => b < a,
        _ => false,
    }
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn dependencies_point_down() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: HashMap<&str, &Value> = packages
        .iter()
        .map(|p| (p["name"].as_str().unwrap(), p))
        .collect();
    let mut wrong = Vec::new();
    for (name, package) in &ours {
        assert!(
            height(name).is_some(),
            "{name} stands on no floor: add it to this list and to docs/ARCHITECTURE.md"
        );
        for dependency in package["dependencies"].as_array().unwrap() {
            let target = dependency["name"].as_str().unwrap();
            let is_test = dependency["kind"] == "dev";
            if ours.contains_key(target) && !is_test && !is_lawful(name, target) {
                wrong.push(format!("{name} -> {target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "unlawful edges: {wrong:?}");
}

#[test]
fn a_folder_is_named_like_its_crate() {
    for package in metadata()["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let manifest = std::path::Path::new(package["manifest_path"].as_str().unwrap());
        let folder = manifest
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap();
        assert_eq!(folder, name);
    }
}

#[test]
fn the_law_refuses_what_it_should() {
    assert!(!is_lawful("service", "supervise"));
    assert!(!is_lawful("store", "identity"));
    assert!(!is_lawful("identity", "credential"));
    assert!(is_lawful("credential", "identity"));
    assert!(is_lawful("supervise", "workflow"));
}
