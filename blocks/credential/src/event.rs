//! Events of certificates. They carry no personal name or number: what a reader needs of the
//! holder is the party's id.

use serde::{Deserialize, Serialize};
use store::EventBody;

/// A certificate was granted; its file follows with [`Rendered`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Issued {
    pub id: String,
    pub zzbs: String,
    pub type_code: String,
    pub type_name: String,
    pub type_name_en: String,
    pub number: String,
    pub holder_party: String,
    pub issuer_code: String,
    pub issuer_name: String,
    pub valid_from: String,
    pub valid_to: String,
    pub case_no: Option<String>,
}

impl EventBody for Issued {
    const KIND: &'static str = "credential.issued.v1";
}

/// The signed file of a certificate is there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rendered {
    pub id: String,
    pub zzbs: String,
    pub type_name: String,
    pub type_name_en: String,
    pub holder_party: String,
    pub case_no: Option<String>,
    /// SM3 of the file.
    pub digest: String,
    pub size: i64,
}

impl EventBody for Rendered {
    const KIND: &'static str = "credential.rendered.v1";
}

/// A certificate was suspended, resumed, ended or replaced.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StatusChanged {
    pub id: String,
    pub zzbs: String,
    pub type_code: String,
    pub type_name: String,
    pub type_name_en: String,
    pub number: String,
    pub holder_party: String,
    pub issuer_code: String,
    /// Codes of the status list, as `01`.
    pub from: String,
    pub to: String,
    pub reason: String,
}

impl EventBody for StatusChanged {
    const KIND: &'static str = "credential.status_changed.v1";
}

/// A certificate was downloaded or stood in for a material.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Used {
    pub id: String,
    pub zzbs: String,
    pub type_name: String,
    pub type_name_en: String,
    pub holder_party: String,
    /// `download` or `use`.
    pub act: String,
    pub purpose: String,
    pub case_no: Option<String>,
}

impl EventBody for Used {
    const KIND: &'static str = "credential.used.v1";
}
