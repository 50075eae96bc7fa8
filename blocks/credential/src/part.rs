//! What every act of this crate has at hand.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use kernel::{Fault, Result};
use serde_json::{Value, json};
use store::{Blobs, Db};

use crate::{
    certificate::Certificate,
    kind::{CertificateType, FOR_EVER},
    metadata, pdf,
    press::Press,
    seal::Seal,
    typeset::{Sheet, Typesetter},
};

/// Where keys are kept and how documents look. Put into the [`App`](web::App) before
/// [`crate::module`].
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Folder of the seal's keys; made at the first start.
    pub keys: PathBuf,
    /// Documents say that they are made up.
    pub demo: bool,
}

/// Typesetter, seal and files; an [`App`](web::App) part.
pub struct Credentials {
    pub(crate) db: Db,
    pub(crate) files: Files,
    pub(crate) setter: Arc<Typesetter>,
    pub(crate) seal: Arc<Seal>,
    press: Press,
    pub(crate) public_url: String,
    place: String,
    demo: bool,
}

impl Credentials {
    pub(crate) fn open(app: &web::App) -> Result<Self, Fault> {
        let settings = app.part::<Settings>()?;
        let blobs = app.part::<Blobs>()?;
        let web = app.settings();
        let seal = Seal::open(&settings.keys, &web.place, app.clock().now())?;
        Ok(Self {
            db: app.db().clone(),
            files: Files {
                db: app.db().clone(),
                blobs: (*blobs).clone(),
            },
            setter: Arc::new(Typesetter::new(Vec::new())?),
            seal: Arc::new(seal),
            press: Press::start()?,
            public_url: web.public_url.trim_end_matches('/').to_owned(),
            place: web.place.clone(),
            demo: settings.demo || web.demo,
        })
    }

    /// The address that a certificate's code leads to.
    pub fn verify_url(&self, zzbs: &str) -> String {
        format!("{}/verify/{zzbs}", self.public_url)
    }

    /// The certificate of the authority behind the seal, in PEM, for those who verify our files.
    pub fn root_pem(&self) -> Result<String, Fault> {
        self.seal.root_pem()
    }

    /// The key that verifies signatures of metadata, in PEM.
    pub fn metadata_key_pem(&self) -> Result<String, Fault> {
        self.seal
            .metadata_public
            .to_pem()
            .map_err(|e| Fault::caused_by("write the metadata key", e))
    }

    /// Signs a text of the house with SM2, by the key of [`Credentials::metadata_key_pem`]; the
    /// signature is DER.
    pub fn sign(&self, text: &[u8]) -> Result<Vec<u8>, Fault> {
        self.seal.sign_metadata(text)
    }

    /// Whether the certificate's row still is what this house signed.
    pub(crate) fn is_signed(&self, certificate: &Certificate) -> bool {
        let signature = hex::decode(&certificate.signature).unwrap_or_default();
        let is_same = metadata::canonical(certificate) == certificate.metadata;
        is_same
            && self
                .seal
                .has_signed(certificate.metadata.as_bytes(), &signature)
    }

    /// Sets and seals a document. `template` is Typst that reads `/data.json` and may import
    /// `/tongban/notice.typ` or `/tongban/house.typ`; `demo` and `place` are added to the data.
    /// `organ` names whose seal it is and `reason` why it was signed.
    pub async fn document(
        &self,
        template: &str,
        data: Value,
        organ: &str,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<Bytes> {
        let sheet = OwnSheet {
            template: template.to_owned(),
            data: self.dressed(data),
            qr: None,
            metadata: None,
            organ: organ.to_owned(),
            reason: reason.to_owned(),
            now,
        };
        self.make(sheet).await
    }

    /// The signed file of a certificate, whose metadata must already be signed.
    pub(crate) async fn certificate_file(
        &self,
        certificate: &Certificate,
        kind: &CertificateType,
        attached: String,
        now: DateTime<Utc>,
    ) -> Result<Bytes> {
        let url = self.verify_url(&certificate.zzbs);
        let sheet = OwnSheet {
            template: kind.source().to_owned(),
            data: self.dressed(face_data(certificate, kind, &url)),
            qr: Some(url),
            metadata: Some(attached),
            organ: certificate.issuer_name.clone(),
            reason: format!("证照标识 {}", certificate.zzbs),
            now,
        };
        self.make(sheet).await
    }

    fn dressed(&self, mut data: Value) -> Value {
        if let Some(data) = data.as_object_mut() {
            data.entry("demo").or_insert(Value::Bool(self.demo));
            data.entry("place")
                .or_insert(Value::from(self.place.clone()));
        }
        data
    }

    /// Setting a page takes milliseconds of pure computing, which must not hold up requests.
    async fn make(&self, sheet: OwnSheet) -> Result<Bytes> {
        let (setter, seal) = (self.setter.clone(), self.seal.clone());
        let made = self.press.run(move || {
            let plain = setter.render(&Sheet {
                template: &sheet.template,
                data: &sheet.data,
                qr: sheet.qr.as_deref(),
                metadata: sheet.metadata.as_deref(),
                now: sheet.now,
            })?;
            let statement = pdf::Statement {
                organ: &sheet.organ,
                reason: &sheet.reason,
                at: sheet.now,
            };
            Ok(pdf::sign(&plain, &seal, &statement)?.into())
        });
        Ok(made.await?)
    }
}

struct OwnSheet {
    template: String,
    data: Value,
    qr: Option<String>,
    metadata: Option<String>,
    organ: String,
    reason: String,
    now: DateTime<Utc>,
}

/// What a template reads as `/data.json`.
fn face_data(certificate: &Certificate, kind: &CertificateType, url: &str) -> Value {
    let words = |key: &str| certificate.face.get(key).map(plain).unwrap_or_default();
    let mut items: Vec<Value> = kind
        .face
        .iter()
        .map(|item| json!({ "key": item.key, "title": item.title, "title_en": item.title_en, "value": words(&item.key) }))
        .collect();
    if items.is_empty() {
        items.push(
            json!({ "key": "holder", "title": "持证主体", "value": certificate.holder_name }),
        );
        items.push(
            json!({ "key": "code", "title": "持证主体代码", "value": certificate.holder_code }),
        );
    }
    let term = if certificate.valid_to >= FOR_EVER {
        format!("{} 起长期有效", day(certificate.valid_from))
    } else {
        format!(
            "{} 至 {}",
            day(certificate.valid_from),
            day(certificate.valid_to)
        )
    };
    items.push(json!({ "key": "term", "title": "有效期", "title_en": "Valid", "value": term }));
    json!({
        "type": { "code": certificate.type_code, "name": certificate.type_name, "name_en": certificate.type_name_en },
        "zzbs": certificate.zzbs,
        "number": certificate.number,
        "holder": { "name": certificate.holder_name, "code": certificate.holder_code },
        "issuer": { "name": certificate.issuer_name, "code": certificate.issuer_code },
        "issued_on": certificate.issued_on.to_string(),
        "valid_from": certificate.valid_from.to_string(),
        "valid_to": certificate.valid_to.to_string(),
        "face": certificate.face,
        "items": items,
        "verify_url": url,
    })
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.parse().map_or_else(|_| text.clone(), day),
        Value::Bool(true) => "是".to_owned(),
        Value::Bool(false) => "否".to_owned(),
        Value::Array(several) => several.iter().map(plain).collect::<Vec<_>>().join("、"),
        other => other.to_string(),
    }
}

fn day(day: chrono::NaiveDate) -> String {
    use chrono::Datelike;
    format!("{}年{}月{}日", day.year(), day.month(), day.day())
}

/// Files of certificates.
#[derive(Clone)]
pub(crate) struct Files {
    db: Db,
    pub blobs: Blobs,
}

impl Files {
    pub async fn read(&self, digest: &str) -> Result<Vec<u8>> {
        Ok(self.blobs.get_bytes(&self.db, digest).await?.into())
    }
}
