//! Every message key of the kernel has a text in both languages, and no text is left over.

use std::collections::BTreeSet;
use std::path::Path;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn messages(language: &str) -> BTreeSet<String> {
    let path = folder().join("locales").join(language).join("kernel.ftl");
    let source = std::fs::read_to_string(path).unwrap();
    let resource = fluent_syntax::parser::parse(source).unwrap();
    let keys = resource.body.into_iter().filter_map(|entry| match entry {
        fluent_syntax::ast::Entry::Message(message) => Some(message.id.name),
        _ => None,
    });
    keys.collect()
}

/// Every `"kernel-…"` in the sources.
fn used_keys(folder: &Path, keys: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            used_keys(&path, keys);
            continue;
        }
        let source = std::fs::read_to_string(path).unwrap();
        let quoted = source.split('"').filter(|word| word.starts_with("kernel-"));
        keys.extend(quoted.map(str::to_owned));
    }
}

#[test]
fn both_languages_have_exactly_the_messages_that_are_used() {
    let mut used = BTreeSet::new();
    used_keys(&folder().join("src"), &mut used);
    assert!(used.len() > 40);
    assert_eq!(messages("zh-CN"), used);
    assert_eq!(messages("en"), used);
}
