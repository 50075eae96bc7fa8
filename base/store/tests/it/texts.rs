//! The words that users see.

use std::collections::BTreeSet;

fn keys(language: &str) -> BTreeSet<&'static str> {
    let (_, text) = store::TEXTS
        .iter()
        .find(|(tag, _)| *tag == language)
        .unwrap();
    text.lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(key, _)| key)
        .collect()
}

#[test]
fn both_languages_say_the_same_things_and_nothing_unused() {
    assert_eq!(keys("zh-CN"), keys("en"));
    let sources = [
        include_str!("../../src/audit.rs"),
        include_str!("../../src/blob/kind.rs"),
        include_str!("../../src/blob/mod.rs"),
        include_str!("../../src/job.rs"),
    ];
    for key in keys("en") {
        let quoted = format!("\"{key}\"");
        assert!(
            sources.iter().any(|source| source.contains(&quoted)),
            "{key} is unused"
        );
    }
}
