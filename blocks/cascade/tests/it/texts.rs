use std::collections::BTreeSet;

fn keys(tag: &str) -> BTreeSet<&'static str> {
    let foundation = cascade::foundation();
    let (_, source) = foundation
        .texts
        .iter()
        .find(|(name, _)| *name == tag)
        .unwrap();
    source
        .lines()
        .filter(|line| line.starts_with("cascade-"))
        .filter_map(|line| line.split(" = ").next())
        .collect()
}

#[test]
fn both_languages_say_the_same_things() {
    assert_eq!(keys("zh-CN"), keys("en"));
}
