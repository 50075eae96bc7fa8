//! Each rule of the quality check, by an entry that breaks only it.

use std::collections::BTreeSet;

use catalog::{
    Metadata, Profile,
    check::{Facts, Weight, check},
};

use crate::house::{good, item};

fn profile() -> Profile {
    toml::from_str(include_str!(
        "../../../../packs/base-catalog/catalog/00-guide.toml"
    ))
    .unwrap()
}

fn known() -> Facts {
    Facts {
        has_class: true,
        has_provider: true,
        ..Facts::default()
    }
}

/// Place and rule of everything that is wrong, errors only.
fn wrong(entry: &Metadata, facts: &Facts) -> Vec<(String, &'static str)> {
    let report = check(entry, &profile(), facts);
    report
        .errors()
        .map(|d| (d.place.clone(), d.text.key))
        .collect()
}

#[test]
fn a_good_entry_keeps_every_rule() {
    let report = check(&good("企业登记"), &profile(), &known());
    assert_eq!(report.defects, []);
    assert!(report.rules > 20, "{}", report.rules);
    assert_eq!(report.rate(), 1000);
}

type Break = fn(&mut Metadata);

/// What is changed in a good entry, and the place and rule that must be named.
const CASES: &[(Break, &str, &str)] = &[
    (
        |e| e.class = "102".into(),
        "class",
        "catalog-rule-class-form",
    ),
    (
        |e| e.class = "402001".into(),
        "class",
        "catalog-rule-class-form",
    ),
    (|e| e.name = String::new(), "name", "catalog-rule-name"),
    (|e| e.code = "102001-1".into(), "code", "catalog-code-form"),
    (
        |e| e.code = "101001/000001".into(),
        "code",
        "catalog-rule-code-class",
    ),
    (
        |e| e.provider = "113210009900000330".into(),
        "provider",
        "kernel-uscc-check",
    ),
    (
        |e| e.summary = String::new(),
        "abstract",
        "catalog-rule-abstract",
    ),
    (
        |e| e.format_class = "8".into(),
        "format_class",
        "catalog-rule-format-class",
    ),
    (
        |e| e.format_type = String::new(),
        "format_type",
        "catalog-rule-format-type",
    ),
    (
        |e| e.format_class = "6".into(),
        "format_description",
        "catalog-rule-format-description",
    ),
    (|e| e.items.clear(), "items", "catalog-rule-items"),
    (
        |e| e.items[1].name = String::new(),
        "items/1/name",
        "catalog-rule-item-name",
    ),
    (
        |e| e.items.push(item("名称", "C", "9")),
        "items/3/name",
        "catalog-rule-item-name-twice",
    ),
    (
        |e| e.items[0].kind = "Z".into(),
        "items/0/type",
        "catalog-rule-item-type",
    ),
    (
        |e| e.items[0].length = "0".into(),
        "items/0/length",
        "catalog-rule-item-length",
    ),
    (
        |e| e.items[2].length = "2,18".into(),
        "items/2/length",
        "catalog-rule-item-digits",
    ),
    (
        |e| e.items[0].level = "9".into(),
        "items/0/level",
        "catalog-rule-item-level",
    ),
    (
        |e| e.share_type = "4".into(),
        "share_type",
        "catalog-rule-share-type",
    ),
    (
        |e| e.share_condition = String::new(),
        "share_condition",
        "catalog-rule-share-condition",
    ),
    (
        |e| e.share_scope = String::new(),
        "share_scope",
        "catalog-rule-share-scope",
    ),
    (
        |e| e.share_mode = "2".into(),
        "share_mode_reason",
        "catalog-rule-share-mode-reason",
    ),
    (
        |e| e.share_mode_type = "7".into(),
        "share_mode_type",
        "catalog-rule-share-mode-type",
    ),
    (|e| e.cycle = String::new(), "cycle", "catalog-rule-cycle"),
    (
        |e| {
            (e.share_type, e.share_condition) = ("3".into(), "某法第一条".into());
            e.is_open = true;
        },
        "is_open",
        "catalog-rule-open-not-shared",
    ),
    (
        |e| {
            e.items[0].level = "3".into();
            e.is_open = true;
        },
        "is_open",
        "catalog-rule-open-sensitive",
    ),
];

#[test]
fn every_broken_rule_is_named_with_its_place() {
    for (breaks, place, rule) in CASES {
        let mut entry = good("企业登记");
        breaks(&mut entry);
        assert_eq!(wrong(&entry, &known()), [((*place).to_owned(), *rule)]);
    }
}

#[test]
fn what_the_rest_of_the_catalog_knows_counts() {
    let entry = Metadata {
        related: vec!["102001/000009".into()],
        items: vec![catalog::Item {
            code_table: "nowhere".into(),
            ..item("编号", "C", "18")
        }],
        ..good("企业登记")
    };
    let facts = Facts {
        has_namesake: true,
        unknown_related: vec!["102001/000009".into()],
        has_circle: true,
        unknown_tables: BTreeSet::from(["nowhere".into()]),
        ..Facts::default()
    };
    let rules: Vec<_> = wrong(&entry, &facts)
        .into_iter()
        .map(|(_, rule)| rule)
        .collect();
    assert_eq!(
        rules,
        [
            "catalog-rule-class-unknown",
            "catalog-rule-name-twice",
            "catalog-rule-provider",
            "catalog-rule-item-table",
            "catalog-rule-related",
            "catalog-rule-related-circle",
        ]
    );
    let report = check(&entry, &profile(), &facts);
    assert!((1..1000).contains(&report.rate()));
}

#[test]
fn warnings_stop_nobody() {
    let mut entry = good("企业登记");
    entry.summary = "企业".into();
    entry.format_type = "Oracle 7 on tape".into();
    entry.items[0].is_key = false;
    let report = check(&entry, &profile(), &known());
    assert!(report.passes());
    assert_eq!(report.count(Weight::Warning), 3);
}
