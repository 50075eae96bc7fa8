//! Files as they come: any encoding, any prefix, and what is refused.

use workflow::check::read_and_check;

use crate::model::{flows, process};

fn model() -> String {
    process(&format!(
        r#"<startEvent id="s"/><userTask id="t" name="审批"/><endEvent id="e"/>{}"#,
        flows("s>t>e")
    ))
}

#[track_caller]
fn reads(bytes: &[u8]) {
    let (model, findings) = read_and_check(bytes);
    let model = model.unwrap_or_else(|| panic!("{findings:?}"));
    assert_eq!(model[model.lookup("t").unwrap()].name, "审批");
}

fn utf16(text: &str, big: bool, mark: bool) -> Vec<u8> {
    let units = mark
        .then_some(0xFEFF)
        .into_iter()
        .chain(text.encode_utf16());
    units
        .flat_map(|unit| {
            if big {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        })
        .collect()
}

#[test]
fn every_usual_encoding_is_read() {
    let text = model();
    reads(text.as_bytes());
    reads(format!("\u{FEFF}{text}").as_bytes());
    for (big, mark) in [(true, true), (false, true), (true, false), (false, false)] {
        reads(&utf16(&text.replace("UTF-8", "UTF-16"), big, mark));
    }
    for label in ["GB18030", "GBK", "gb2312"] {
        let labelled = text.replace("UTF-8", label);
        let (bytes, _, _) = encoding_rs::GB18030.encode(&labelled);
        reads(&bytes);
        // Decoded on its way, the file still says what it was.
        reads(labelled.as_bytes());
    }
}

#[test]
fn text_in_no_known_encoding_is_refused() {
    let (bytes, _, _) = encoding_rs::GB18030.encode("审批");
    let with = |declaration: &str| {
        let text = model();
        let (before, after) = text.split_once("审批").unwrap();
        let before = before.replace(r#" encoding="UTF-8""#, declaration);
        [before.as_bytes(), &bytes, after.as_bytes()].concat()
    };
    for declaration in ["", r#" encoding="x-nothing""#] {
        let (model, findings) = read_and_check(&with(declaration));
        assert!(
            model.is_none() && findings[0].rule == "xml-encoding",
            "{findings:?}"
        );
    }
    reads(&with(r#" encoding="gb18030""#));
}

#[test]
fn other_prefixes_change_nothing() {
    let text = model();
    let prefixed = text
        .replace('<', "<ns0:")
        .replace("<ns0:/", "</ns0:")
        .replace("<ns0:?", "<?");
    reads(prefixed.replace("xmlns=", "xmlns:ns0=").as_bytes());
    let own = r#"<userTask xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" id="t""#;
    reads(text.replace(r#"<userTask id="t""#, own).as_bytes());
    // The same name under another namespace is no task.
    let foreign = text.replace(
        r#"<userTask id="t""#,
        r#"<userTask xmlns="https://example.org/other" id="t""#,
    );
    assert!(read_and_check(foreign.as_bytes()).0.is_none());
}

#[test]
fn what_is_no_xml_is_refused_quickly() {
    let attributes: String = (0..50_000).map(|n| format!(r#" a{n}="1""#)).collect();
    for (bytes, rule) in [
        (model().replace("审批", "&#0;").into_bytes(), "xml-entity"),
        (
            model().replace("审批", "\u{1}").into_bytes(),
            "xml-malformed",
        ),
        (format!("{} more", model()).into_bytes(), "xml-malformed"),
        (
            model()
                .replace(r#"id="t""#, r#"id="t" id="u""#)
                .into_bytes(),
            "xml-malformed",
        ),
        (format!("<r{attributes}/>").into_bytes(), "xml-malformed"),
        (
            format!("<r>{}</r>", "<a/>".repeat(600_000)).into_bytes(),
            "xml-too-large",
        ),
        (b"<a:definitions/>".to_vec(), "xml-malformed"),
        (b"PK\x03\x04".to_vec(), "xml-malformed"),
    ] {
        let (model, findings) = read_and_check(&bytes);
        assert!(
            model.is_none() && findings[0].rule == rule,
            "{rule}: {findings:?}"
        );
    }
}
