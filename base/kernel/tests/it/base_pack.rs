//! The base pack keeps to the codes that the kernel knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kernel::code::{region, uscc};

fn pack() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/base-cn")
}

/// The rows of one of the pack's files, whose values hold no commas except in quotes.
fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(values).collect()
}

fn values(line: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let mut is_quoted = false;
    for c in line.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => values.push(String::new()),
            c => values.last_mut().unwrap().push(c),
        }
    }
    values
}

fn table(name: &str) -> Vec<Vec<String>> {
    rows(&pack().join(format!("codes/{name}.csv")))
}

#[test]
fn every_code_table_is_listed_and_well_formed() {
    let index = std::fs::read_to_string(pack().join("codes/index.toml")).unwrap();
    let index: BTreeMap<String, toml::Table> = toml::from_str(&index).unwrap();
    let files = std::fs::read_dir(pack().join("codes")).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<_> = files
        .filter_map(|name| name.strip_suffix(".csv").map(str::to_owned))
        .collect();
    assert_eq!(index.keys().cloned().collect::<BTreeSet<_>>(), files);
    for (name, about) in &index {
        let trust = about["trust"].as_str().unwrap();
        assert!(
            ["verified", "corroborated", "unverified"].contains(&trust),
            "{name}"
        );
        let table = table(name);
        assert_eq!(table[0][..3], ["code", "name_zh", "name_en"], "{name}");
        let mut codes = BTreeSet::new();
        for row in &table[1..] {
            assert_eq!(row.len(), table[0].len(), "{name} {row:?}");
            assert!(
                row[..3].iter().all(|value| !value.is_empty()),
                "{name} {row:?}"
            );
            assert!(codes.insert(&row[0]), "{name} has {} twice", row[0]);
        }
    }
}

#[test]
fn the_types_of_bodies_are_those_that_the_check_accepts_without_a_warning() {
    let listed = table("uscc_type")
        .into_iter()
        .skip(1)
        .map(|row| row[0].clone());
    let listed: BTreeSet<_> = listed.collect();
    let alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    let kinds = alphabet
        .chars()
        .flat_map(|a| alphabet.chars().map(move |b| format!("{a}{b}")));
    let accepted = kinds.filter(|kind| {
        uscc::build(kind, "110000", "12345678").is_ok_and(|uscc| uscc.warnings().is_empty())
    });
    assert_eq!(accepted.collect::<BTreeSet<_>>(), listed);
}

#[test]
fn an_evaluations_detail_begins_with_its_satisfaction() {
    for row in &table("evaluation_detail")[1..] {
        assert!(row[0].starts_with(&row[3]), "{row:?}");
    }
}

#[test]
fn industries_hang_on_sections() {
    let table = table("industry");
    let (sections, divisions): (Vec<_>, Vec<_>) =
        table[1..].iter().partition(|row| row[3].is_empty());
    assert_eq!((sections.len(), divisions.len()), (20, 97));
    let sections: BTreeSet<_> = sections.iter().map(|row| &row[0]).collect();
    assert!(divisions.iter().all(|row| sections.contains(&row[3])));
}

#[test]
fn every_generated_region_has_a_code_that_parses_and_a_parent_above_it() {
    let folder = pack().join("regions");
    if !folder.is_dir() {
        eprintln!("skipped: regions are not generated; see packs/base-cn/README.md");
        return;
    }
    for (file, level) in [
        ("provinces", region::Level::Province),
        ("cities", region::Level::City),
        ("areas", region::Level::County),
        ("streets", region::Level::Town),
    ] {
        for row in &rows(&folder.join(format!("{file}.csv")))[1..] {
            let code = region::parse(&row[0]).unwrap();
            assert_eq!(code.level(), level, "{row:?}");
            let parent = region::parse(&row[2]).unwrap();
            assert!(parent.contains(&code) && parent != code, "{row:?}");
        }
    }
    let provinces = rows(&folder.join("provinces.csv"));
    for row in &provinces[1..] {
        let name = region::province_name(&row[0][..2]).unwrap();
        assert!(row[1].starts_with(name), "{row:?}");
    }
    assert_eq!(provinces.len() - 1, region::PROVINCES.len());
}
