//! Rules of the XML Schema and of references: what stands where, numbers, ids, and what names what.

use workflow::{check::Severity, read, simulate};

use crate::{conformance::between, model::process};

/// One task `t` on the way from `s` to `e`, with `more` beside it.
fn on_way(task: &str, more: &str) -> String {
    between(&format!("{more}{task}"), "s>t>e")
}

fn ignored(xml: &str) -> Vec<(String, String)> {
    let model = read::read(xml.as_bytes()).unwrap();
    let all = model.ignored.into_iter();
    all.map(|one| (one.element, one.what)).collect()
}

#[test]
fn a_script_in_another_language_is_listed_as_without_effect() {
    let xml = |format: &str, text: &str| {
        process(&on_way(
            &format!(
                r#"<scriptTask id="t" scriptFormat="{format}"><script>{text}</script></scriptTask>"#
            ),
            "",
        ))
    };
    let groovy = xml("groovy", "x = 1");
    assert_eq!(
        ignored(&groovy),
        [(
            "t".to_owned(),
            "<script scriptFormat=\"groovy\">".to_owned()
        )]
    );
    assert_eq!(ignored(&xml("JavaScript", "x = 1")).len(), 1);
    assert!(ignored(&xml("FEEL", "{x: 1}")).is_empty());
    // It stays deployable, and `process check` tells.
    let mut out = Vec::new();
    let files = [(
        "a.bpmn".to_owned(),
        groovy.into_bytes(),
        read::Imports::new(),
    )];
    assert_eq!(simulate::check_all(&files, false, &mut out).unwrap(), 0);
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.contains("no effect [ignored] t: <script scriptFormat=\"groovy\">"),
        "{out}"
    );
}

/// The processes and decisions that come with the server.
#[test]
fn every_pack_passes_the_checker() {
    let packs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs");
    let mut folders = vec![packs];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let ending = path.extension().unwrap_or_default();
            if ending == "bpmn" || ending == "dmn" {
                count += 1;
                let findings = simulate::check_file(&std::fs::read(&path).unwrap());
                let is_refused = findings.iter().any(|f| f.severity == Severity::Error);
                assert!(!is_refused, "{}: {findings:#?}", path.display());
            }
        }
    }
    assert!(count >= 9, "{count}");
}
