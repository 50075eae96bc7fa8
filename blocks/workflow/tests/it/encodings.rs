//! Files as they come: any encoding, any prefix, and what is refused.

use serde_json::json;
use store::Db;
use workflow::check::read_and_check;

use crate::{
    house::{House, migrations},
    model::{flows, process},
    pages::{self, multipart, officer},
};

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

fn gb18030(text: &str) -> Vec<u8> {
    let labelled = text.replace("UTF-8", "GB18030");
    encoding_rs::GB18030.encode(&labelled).0.into_owned()
}

fn wide(text: &str) -> Vec<u8> {
    utf16(&text.replace("UTF-8", "UTF-16"), false, true)
}

#[store::db_test(migrations = migrations)]
async fn every_door_takes_files_in_any_encoding(db: Db) {
    let (house, pages) = (House::open(db.clone()).await, pages::house(db));
    let (program, steward) = (house.program("administrator").await, officer("steward"));
    for (id, encoded) in [
        ("gb", gb18030 as fn(&str) -> Vec<u8>),
        ("wide", wide as fn(&str) -> Vec<u8>),
    ] {
        let text = model().replace(r#"<process id="p""#, &format!(r#"<process id="{id}""#));
        let file = encoded(&text);
        let path = format!("/api/process/definitions?key={id}-rest");
        let kind = "application/xml";
        let reply = program.send("POST", &path, kind, file.clone()).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        let path = format!(
            "/api/process/definitions/{}/xml",
            reply.body["id"].as_str().unwrap()
        );
        // It is kept as UTF-8 and says so, or whoever saves it could not read it.
        assert_eq!(program.get(&path).await.text, text);

        let reply = program.deploys(&file).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let path = format!("/engine-rest/process-definition/key/{id}/xml");
        assert_eq!(program.sees(&path).await["bpmn20Xml"], json!(text));

        let path = "/api/workflow/models/check";
        let (status, checked, _) = pages.post(&steward, path, kind, file.clone()).await;
        assert_eq!(status, 200);
        assert!(!checked.contains("\"error\""), "{checked}");
        let fields = [("act", "deploy"), ("key", id)];
        let kind = "multipart/form-data; boundary=B";
        let sent = multipart(&fields, &file);
        let (status, page, _) = pages.post(&steward, "/processes/upload", kind, sent).await;
        assert_eq!(status, 303, "{page}");
    }
}

#[store::db_test(migrations = migrations)]
async fn doors_keep_utf_8_as_it_came_and_refuse_what_is_no_text(db: Db) {
    let house = House::open(db).await;
    let program = house.program("administrator").await;
    let (path, kind) = ("/api/process/definitions", "application/xml");
    let marked = format!("\u{FEFF}{}", model().replace('\n', "\r\n"));
    let reply = program.send("POST", path, kind, marked.clone()).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let kept = format!("{path}/{}/xml", reply.body["id"].as_str().unwrap());
    assert_eq!(program.get(&kept).await.text, marked);
    let unlabelled = encoding_rs::GB18030.encode(&model()).0.into_owned();
    let reply = program.send("POST", path, kind, unlabelled.clone()).await;
    assert_eq!(reply.status, 422);
    assert!(reply.text.contains("xml-encoding"), "{}", reply.text);
    let reply = program.deploys(&unlabelled).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.body["type"]),
        (400, &json!("InvalidRequestException"))
    );
}
