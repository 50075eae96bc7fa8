//! The description of the API says of every schema one thing.

use std::{collections::BTreeMap, path::Path};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Two types of one name would stand in the description as one: the second takes the place of the
/// first, without a word. Such a type gets another name by `#[schema(as = …)]`.
#[test]
fn no_two_schemas_have_one_name() {
    let mut places = BTreeMap::<String, Vec<String>>::new();
    for file in super::words::files(&["rs"]) {
        let text = std::fs::read_to_string(&file).unwrap();
        for name in schemas(&text) {
            let place = file.strip_prefix(Path::new(ROOT)).unwrap();
            places
                .entry(name)
                .or_default()
                .push(place.display().to_string());
        }
    }
    assert!(places.len() > 50, "only {} schemas found", places.len());
    places.retain(|_, files| files.len() > 1);
    assert!(places.is_empty(), "{places:#?}");
}

/// Names under which the types of a file stand in the description.
fn schemas(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if !is_derived(line, &mut lines) {
            continue;
        }
        let mut renamed = None;
        for line in lines.by_ref() {
            if let Some((_, name)) = line.split_once("schema(as = ") {
                renamed = Some(word(name));
            }
            let item = line.trim_start_matches("pub(crate) ");
            let item = item.trim_start_matches("pub ");
            if let Some((_, name)) = item
                .split_once("struct ")
                .or_else(|| item.split_once("enum "))
                .filter(|(before, _)| before.is_empty())
            {
                found.push(renamed.unwrap_or_else(|| word(name)));
                break;
            }
        }
    }
    found
}

/// Whether a derive that begins on this line, perhaps over several, makes a schema.
fn is_derived<'a>(line: &str, lines: &mut impl Iterator<Item = &'a str>) -> bool {
    if !line.trim_start().starts_with("#[derive(") {
        return false;
    }
    let mut whole = line.to_owned();
    while !whole.contains(")]") {
        match lines.next() {
            Some(line) => whole.push_str(line),
            None => return false,
        }
    }
    whole.contains("ToSchema")
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}
