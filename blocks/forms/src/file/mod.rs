//! Files handed in at a question: what may be uploaded, who may read it.

mod act;
pub(crate) mod store;

use ::store::blob::{Kind, Rules};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{DraftId, FileId, FileRule};

pub use act::{assign, attach, open, remove, upload, use_certificate};

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

/// What a question takes in, for the store of files, which tells kinds by their content.
pub(crate) fn rules(rule: &FileRule) -> Rules {
    let takes = |kind: &Kind| {
        kind.extensions()
            .iter()
            .any(|ending| rule.accept.iter().any(|a| a == ending))
    };
    let all = [
        Kind::Pdf,
        Kind::Ofd,
        Kind::Png,
        Kind::Jpeg,
        Kind::Docx,
        Kind::Xlsx,
        Kind::OldOffice,
        Kind::Zip,
        Kind::Text,
    ];
    Rules {
        largest: rule.max_bytes,
        kinds: all.into_iter().filter(takes).collect(),
    }
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
