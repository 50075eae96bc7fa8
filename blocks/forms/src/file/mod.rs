//! Files handed in at a question: what may be uploaded, who may read it.

pub(crate) mod store;

use chrono::{DateTime, Utc};
use kernel::Text;
use serde_json::Value;

use crate::{DraftId, Field, FileId, FileRule};

/// A file.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct File {
    #[schema(value_type = String)]
    pub id: FileId,
    #[serde(skip)]
    pub draft: Option<DraftId>,
    #[serde(skip)]
    pub owner_user: String,
    #[serde(skip)]
    pub owner_party: Option<String>,
    #[serde(skip)]
    pub subject: Option<String>,
    #[serde(skip)]
    pub readers: Vec<String>,
    /// The question at which it was handed in.
    pub field: String,
    pub name: String,
    pub media_type: String,
    pub size: u64,
    /// SM3, hexadecimal.
    pub digest: String,
    #[serde(skip)]
    pub blob: String,
    pub created_at: DateTime<Utc>,
}

impl File {
    /// What the value of the question holds for it.
    pub fn entry(&self) -> Value {
        serde_json::json!({
            "file": self.id.to_string(), "name": self.name, "size": self.size,
            "media_type": self.media_type, "sm3": self.digest,
        })
    }
}

/// Longest file name, in characters.
const LONGEST_NAME: usize = 200;

/// The file's name without the path that some browsers send; `None` if nothing usable is left.
pub fn clean_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let is_odd = |c: char| c.is_control() || "<>:\"|?*".contains(c) || is_direction(c);
    let usable = !last.is_empty()
        && last != "."
        && last != ".."
        && !last.starts_with('.')
        && !last.chars().any(is_odd)
        && last.chars().count() <= LONGEST_NAME;
    usable.then(|| last.to_owned())
}

/// Marks that turn the direction of text, by which `exe.fdp` can look like `pdf.exe`.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The ending of a name, lower case, without dot.
fn ending(name: &str) -> String {
    name.rsplit_once('.')
        .map(|(_, ending)| ending.to_lowercase())
        .unwrap_or_default()
}

/// Whether a question takes a file of that name; the cleaned name.
pub fn check_name(field: &Field, rule: &FileRule, name: &str) -> Result<String, Text> {
    let name = clean_name(name).ok_or_else(|| field.say("forms-file-name"))?;
    if rule.accept.contains(&ending(&name)) {
        return Ok(name);
    }
    let kinds = rule.accept.join(", ").to_uppercase();
    Err(field
        .say("forms-file-kind")
        .with("kinds", kinds)
        .with("name", name))
}

/// Whether the content's first bytes are what the ending promises; the media type to serve it
/// with. Endings that we cannot tell by their beginning are served as plain bytes.
pub fn media_type(name: &str, head: &[u8]) -> Option<&'static str> {
    let is_zip = head.starts_with(b"PK\x03\x04");
    let is_ole = head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]);
    let found = match ending(name).as_str() {
        "pdf" => (
            head.windows(5).any(|part| part == b"%PDF-"),
            "application/pdf",
        ),
        "jpg" | "jpeg" => (head.starts_with(&[0xff, 0xd8, 0xff]), "image/jpeg"),
        "png" => (head.starts_with(b"\x89PNG\r\n\x1a\n"), "image/png"),
        "gif" => (head.starts_with(b"GIF8"), "image/gif"),
        "ofd" => (is_zip, "application/ofd"),
        "docx" => (
            is_zip,
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        "xlsx" => (
            is_zip,
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        "zip" => (is_zip, "application/zip"),
        "doc" => (is_ole, "application/msword"),
        "xls" => (is_ole, "application/vnd.ms-excel"),
        _ => (true, "application/octet-stream"),
    };
    found.0.then_some(found.1)
}

/// The value of a file question with one more entry.
pub(crate) fn with_entry(values: &Value, field: &str, entry: Value) -> Value {
    let mut values = values.as_object().cloned().unwrap_or_default();
    let mut list = values
        .get(field)
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if !list.contains(&entry) {
        list.push(entry);
    }
    values.insert(field.to_owned(), Value::Array(list));
    Value::Object(values)
}

/// The value of a file question without the entry of that file id or certificate.
pub(crate) fn without_entry(values: &Value, field: &str, key: &str) -> Value {
    let mut values = values.as_object().cloned().unwrap_or_default();
    if let Some(Value::Array(list)) = values.get_mut(field) {
        list.retain(|one| {
            let is = |name: &str| one.get(name).and_then(Value::as_str) == Some(key);
            !is("file") && !is("certificate")
        });
    }
    Value::Object(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_path_and_odd_ones_are_refused() {
        for (name, kept) in [
            ("平面图.pdf", Some("平面图.pdf")),
            ("C:\\Users\\a\\plan.pdf", Some("plan.pdf")),
            ("../../etc/passwd.pdf", Some("passwd.pdf")),
            ("a\u{0}b.pdf", None),
            ("line\nbreak.pdf", None),
            ("photo\u{202e}gpj.exe", None),
            (".htaccess", None),
            ("..", None),
            ("", None),
        ] {
            assert_eq!(clean_name(name).as_deref(), kept, "{name:?}");
        }
        assert_eq!(clean_name(&"长".repeat(201)), None);
    }

    #[test]
    fn content_must_be_what_the_ending_promises() {
        assert_eq!(media_type("a.pdf", b"%PDF-1.7"), Some("application/pdf"));
        assert_eq!(media_type("a.pdf", b"MZ\x90\x00"), None);
        assert_eq!(media_type("a.PNG", b"\x89PNG\r\n\x1a\n"), Some("image/png"));
        assert_eq!(media_type("a.jpg", b"<html>"), None);
    }
}
